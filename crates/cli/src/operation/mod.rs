//! `opterius operation`.

mod follow;
mod show;
mod steps;

pub(crate) use follow::follow;
pub(crate) use show::journal;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show one operation: its steps with their times, what failed, and where to read more
    Show(show::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Show(options) => show::run(&options, panel, format).await,
    }
}
