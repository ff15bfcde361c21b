//! `opterius administrator`: the host's people, who sign in to the pages.

mod add;
mod password;
mod second_factor;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Let somebody sign in to the pages
    Add(add::Options),
    /// Give somebody another password; every session of theirs ends
    Password(password::Options),
    /// Take away the second factor of somebody who has lost it; every session of theirs ends
    RemoveSecondFactor(second_factor::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Add(options) => add::run(&options, panel, format).await,
        Command::Password(options) => password::run(&options, panel, format).await,
        Command::RemoveSecondFactor(options) => second_factor::run(&options, panel, format).await,
    }
}
