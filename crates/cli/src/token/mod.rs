//! `opterius token`.

mod create;
mod list;
mod revoke;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is shown once
    Create(create::Options),
    /// List the tokens, without their secrets
    List,
    /// Revoke a token: what uses it is refused from then on
    Revoke(revoke::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create::run(&options, panel, format).await,
        Command::List => list::run(panel, format).await,
        Command::Revoke(options) => revoke::run(&options, panel, format).await,
    }
}
