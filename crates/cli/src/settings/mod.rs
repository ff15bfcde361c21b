//! `opterius settings`: what holds for every account.

mod dns;
mod set;
mod show;

use clap::Subcommand;
use clap::builder::RangedI64ValueParser;

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the settings
    Show,
    /// Change a setting
    #[command(subcommand)]
    Set(set::Setting),
    /// The DNS records that new accounts begin with
    #[command(subcommand)]
    Dns(dns::Command),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Show => show::run(panel, format).await,
        Command::Set(setting) => set::run(&setting, panel, format).await,
        Command::Dns(command) => dns::run(command, panel, format).await,
    }
}

/// For how many days a terminated account can be kept.
pub(crate) fn days() -> RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(0..=365)
}
