//! `opterius-panel`: serves the Panel, or prepares it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use opterius_panel::{CONFIG_PATH, Config, Listeners, Panel, Seams};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(version, about = "The Opterius Panel: HTTP API, database, operations.")]
struct Arguments {
    /// The configuration.
    #[arg(long, global = true, default_value = CONFIG_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves on the sockets that systemd hands over, and on those named here.
    Serve {
        /// Also listen here with TLS, for development.
        #[arg(long)]
        listen: Vec<SocketAddr>,
        /// Also listen on a Unix socket here, for development.
        #[arg(long)]
        socket: Option<PathBuf>,
        /// The uid of the administrator behind the Unix socket, for development.
        #[arg(long, default_value_t = 0)]
        administrator_uid: u32,
    },
    /// Makes the database and the TLS keys, keeps what is there, and prints the pins of the keys as JSON.
    Init,
}

fn main() -> ExitCode {
    // rustls panics at its first use if nobody has chosen.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    opterius_protocol::telemetry::init("opterius-panel");
    // The build for fault tests stops where the environment variable `FAILPOINTS` says, for as long as the process lives: `sent=return`.
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
    let arguments = Arguments::parse();
    let result = runtime().context("could not start the runtime").and_then(|runtime| runtime.block_on(run(arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the Panel ends");
            let _ = writeln!(std::io::stderr(), "opterius-panel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Work that blocks waits for one of sixteen threads: each keeps memory of its own, and there is nothing of it that has to be done all at once.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(16).build()
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::read(&arguments.config)?;
    match arguments.command {
        Command::Init => {
            let pins = opterius_panel::init(config).await?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&pins)?)?;
            Ok(())
        }
        Command::Serve { listen, socket, administrator_uid } => {
            let mut listeners = Listeners::from_environment().context("could not take over the sockets")?;
            for address in listen {
                listeners.add_tls(address).await.with_context(|| format!("could not listen on {address}"))?;
            }
            if let Some(path) = socket {
                listeners.add_unix(&path).with_context(|| format!("could not listen on {}", path.display()))?;
            }
            anyhow::ensure!(
                !listeners.is_empty(),
                "there is nothing to listen on: start opterius-panel.socket, or give --listen or --socket"
            );
            serve(config, listeners, administrator_uid).await
        }
    }
}

/// Gives the system what the start took and needs no longer: the document of the API is some 8 MB while it is made, and what stays of a start
/// lies among it, so that it would not be given back by itself.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "glibc has this call, and Rust's standard library has none for it")]
fn give_memory_back() {
    // SAFETY: malloc_trim takes a number, may be called by any thread at any time, and touches only memory that is free.
    let _ = unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_memory_back() {}

async fn serve(config: Config, listeners: Listeners, administrator_uid: u32) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for signals")?;
    let panel = Panel::start(config, Seams { administrator_uid, ..Seams::default() }).await?;
    give_memory_back();
    // The sockets are there already, so whoever asks now is answered.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    tracing::info!("the Panel serves");
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    };
    panel.serve(listeners, stop).await?;
    panel.end().await;
    tracing::info!("the Panel ends");
    Ok(())
}
