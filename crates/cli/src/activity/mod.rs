//! `opterius activity`.

mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check that nothing of the Activity was changed, taken out or put in; exits with 1 if something was
    Verify,
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::Verify => verify::run(panel, format).await,
    }
}
