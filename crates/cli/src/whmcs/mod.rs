//! `opterius whmcs`.

mod compare;
mod export;
mod report;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compare what WHMCS has sold with the accounts that are there, and say what mends each difference; nothing is changed
    Report(report::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::Report(options) => report::run(&options, panel, format).await,
    }
}
