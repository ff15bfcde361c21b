//! `opterius server`.

mod list;
mod set;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the servers
    List,
    /// Change a server
    Set(set::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::List => list::run(panel, format).await,
        Command::Set(options) => set::run(&options, panel, format).await,
    }
}
