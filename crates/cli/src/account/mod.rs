//! `opterius account`.

mod create;
mod list;
mod show;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create an account, and show each step as it happens
    Create(create::Options),
    /// List the accounts
    List(list::Options),
    /// Show one account
    Show(show::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create::run(&options, panel, format).await,
        Command::List(options) => list::run(&options, panel, format).await,
        Command::Show(options) => show::run(&options, panel, format).await,
    }
}
