//! `opterius package`.

mod create;
mod list;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a package
    Create(create::Options),
    /// List the packages
    List,
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create::run(&options, panel, format).await,
        Command::List => list::run(panel, format).await,
    }
}
