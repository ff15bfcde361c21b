//! `opterius operation`.

mod abandon;
mod carry_out;
mod decide;
mod follow;
mod retry;
mod show;
mod steps;
mod words;

pub(crate) use carry_out::carry_out;
pub(crate) use follow::follow;
pub(crate) use show::journal;
pub(crate) use words::ways_out;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show one operation: its steps with their times, what failed, and where to read more
    Show(show::Options),
    /// Try an operation that needs attention again at once
    Retry(retry::Options),
    /// End an operation that needs attention as it stands; what is not as it should be is then for `account repair`
    Abandon(abandon::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Show(options) => show::run(&options, panel, format).await,
        Command::Retry(options) => retry::run(&options, panel, format).await,
        Command::Abandon(options) => abandon::run(&options, panel, format).await,
    }
}
