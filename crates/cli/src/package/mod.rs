//! `opterius package`.

mod create;
mod list;
mod retire;

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
    /// Have accounts keep a package and no other get it
    Retire(retire::Options),
    /// Take a retired package back, so that accounts get it again
    Unretire(retire::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create::run(&options, panel, format).await,
        Command::List => list::run(panel, format).await,
        Command::Retire(options) => retire::run(&options, true, panel, format).await,
        Command::Unretire(options) => retire::run(&options, false, panel, format).await,
    }
}
