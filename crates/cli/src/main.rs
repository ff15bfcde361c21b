//! `opterius`: what an operator types on a server. `setup` makes the server ready and `doctor` says what is wrong with it; everything
//! else is the Panel's API over its Unix socket, where root is the administrator and needs no token.
//!
//! One command is one file. Exit codes: 0 done, 1 refused or failed, 2 not understood.

mod account;
mod activity;
mod administrator;
mod api;
mod directories;
mod doctor;
mod failure;
mod input;
mod limits;
mod names;
mod new_password;
mod operation;
mod output;
mod package;
mod panel;
mod resync;
mod secret;
mod server;
mod settings;
mod setup;
mod system;
mod token;
mod whmcs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Parser)]
#[command(name = "opterius", version, about = "Runs an Opterius hosting server", max_term_width = 100)]
struct Cli {
    /// Where the Panel listens on this machine
    #[arg(long, global = true, env = "OPTERIUS_PANEL_SOCKET", value_name = "PATH", default_value = panel::SOCKET)]
    socket: PathBuf,

    /// Print the API's data as JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make this server ready to host accounts; can be run again at any time
    Setup(setup::Options),
    /// Check every part of this server and say what to do about what is wrong
    Doctor,
    /// Tokens, with which a billing system uses the Panel's API
    #[command(subcommand)]
    Token(token::Command),
    /// The host's people, who sign in to the Panel's pages
    #[command(subcommand)]
    Administrator(administrator::Command),
    /// Packages: what an account may use
    #[command(subcommand)]
    Package(package::Command),
    /// Accounts: one customer's hosting each
    #[command(subcommand)]
    Account(account::Command),
    /// Servers: where accounts are
    #[command(subcommand)]
    Server(server::Command),
    /// Operations: what was done to an account, step by step
    #[command(subcommand)]
    Operation(operation::Command),
    /// Compare Panel and Agent account by account, and say what only one of them knows
    Resync(resync::Options),
    /// The Activity: what was asked for, done and refused
    #[command(subcommand)]
    Activity(activity::Command),
    /// WHMCS: what it says that it has sold, and what is here
    #[command(subcommand)]
    Whmcs(whmcs::Command),
    /// Settings that hold for every account
    #[command(subcommand)]
    Settings(settings::Command),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = if cli.json { Format::Json } else { Format::Human };
    match run(cli.command, &Panel::new(cli.socket), format).await {
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, panel: &Panel, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::Setup(options) => setup::run(&options, format).await?,
        Command::Doctor => return doctor::run(panel, format).await,
        Command::Administrator(command) => administrator::run(command, panel, format).await?,
        Command::Token(command) => token::run(command, panel, format).await?,
        Command::Package(command) => package::run(command, panel, format).await?,
        Command::Account(command) => account::run(command, panel, format).await?,
        Command::Server(command) => server::run(command, panel, format).await?,
        Command::Operation(command) => operation::run(command, panel, format).await?,
        Command::Resync(options) => resync::run(&options, panel, format).await?,
        Command::Activity(command) => return activity::run(command, panel, format).await,
        Command::Whmcs(command) => return whmcs::run(command, panel, format).await,
        Command::Settings(command) => settings::run(command, panel, format).await?,
    }
    Ok(ExitCode::SUCCESS)
}
