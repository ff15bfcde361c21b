//! `opterius account`.

mod change;
mod create;
mod list;
mod name;
mod package;
mod password;
mod php;
mod plan;
mod repair;
mod restore;
mod show;
mod suspend;
mod terminate;
mod unsuspend;
mod usage;

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
    /// Suspend an account: its site says so, and nothing of it runs
    Suspend(suspend::Options),
    /// Lift a hold; without any, everything is as it was before the account was suspended
    Unsuspend(unsuspend::Options),
    /// Give an account another package, or limits of its own
    Package(package::Options),
    /// Give an account another password, for Linux and the Panel
    Password(password::Options),
    /// Choose the PHP that an account's site runs
    Php(php::Options),
    /// End an account; it can be restored while it is kept
    Terminate(terminate::Options),
    /// Bring a terminated account back as it was
    Restore(restore::Options),
    /// Show in what an account differs from what it should be
    Plan(plan::Options),
    /// Make an account again what it should be
    Repair(repair::Options),
    /// Show what an account uses, or all of them
    Usage(usage::Options),
}

pub(crate) async fn run(command: Command, panel: &Panel, format: Format) -> Result<(), Failure> {
    match command {
        Command::Create(options) => create::run(&options, panel, format).await,
        Command::List(options) => list::run(&options, panel, format).await,
        Command::Show(options) => show::run(&options, panel, format).await,
        Command::Suspend(options) => suspend::run(&options, panel, format).await,
        Command::Unsuspend(options) => unsuspend::run(&options, panel, format).await,
        Command::Package(options) => package::run(&options, panel, format).await,
        Command::Password(options) => password::run(&options, panel, format).await,
        Command::Php(options) => php::run(&options, panel, format).await,
        Command::Terminate(options) => terminate::run(&options, panel, format).await,
        Command::Restore(options) => restore::run(&options, panel, format).await,
        Command::Plan(options) => plan::run(&options, panel, format).await,
        Command::Repair(options) => repair::run(&options, panel, format).await,
        Command::Usage(options) => usage::run(&options, panel, format).await,
    }
}
