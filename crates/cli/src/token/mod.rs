//! `opterius token`.

mod allow;
mod create;
mod list;
mod named;
mod revoke;
mod rotate;

use clap::Subcommand;

pub(crate) use self::named::pick;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token; it is shown once
    Create(create::Options),
    /// List the tokens, without their secrets, and the installations that use them
    List,
    /// Give a token another secret, which is shown once; the old one opens until the new one is used
    Rotate(rotate::Options),
    /// Allow an installation of the billing system to use a token, as when it has moved
    Allow(allow::Options),
    /// Revoke a token: what uses it is refused from then on
    Revoke(revoke::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create::run(&options, panel, format).await,
        Command::List => list::run(panel, format).await,
        Command::Rotate(options) => rotate::run(&options, panel, format).await,
        Command::Allow(options) => allow::run(&options, panel, format).await,
        Command::Revoke(options) => revoke::run(&options, panel, format).await,
    }
}
