//! The `opterius-phpd` command.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use opterius_phpd::{config::Config, enter, fd_store, startup};

/// Holds every account's PHP socket and runs its sandboxed PHP-FPM while it is used.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The configuration file; without it, or where it is missing, the defaults hold.
    #[arg(long, default_value = "/etc/opterius/phpd.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Enters a sandbox. phpd starts itself with this; it is of no use by hand.
    #[command(hide = true)]
    EnterSandbox(enter::Enter),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::EnterSandbox(enter)) = cli.command {
        let failed = enter.exec();
        return Err(failed).context("could not enter the sandbox");
    }
    opterius_protocol::telemetry::init("opterius-phpd");
    let config = Config::load(&cli.config)?;
    // Before there is a second thread: taking them changes the environment.
    let given = fd_store::take();
    // Two threads are plenty: a pool costs a wake-up when its PHP starts, stops, or once in a few seconds while it runs, and nothing
    // per request. The second one keeps the control socket quick while the first reads /proc.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("phpd")
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let ended = runtime.block_on(startup::run(config, given));
    // Without waiting for a thread that a disk, or a tenant, holds up.
    runtime.shutdown_background();
    ended
}
