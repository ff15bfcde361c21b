//! opterius-agent, as systemd starts it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use nix::unistd::User;
use opterius_agent::config::{self, Config};
use opterius_agent::engine::Engine;
use opterius_agent::host::Host;
use opterius_agent::host::linux::{LinuxHost, Paths, farewell};
use opterius_agent::{http, jobs, pages};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

/// Changes this server as the Panel says.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration that `opterius setup` wrote.
    #[arg(long, default_value = config::PATH)]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    opterius_protocol::telemetry::init("opterius-agent");
    let config = Config::load(&arguments.config)?;
    let paths = Paths::default();
    let found = User::from_name(&config.panel_user).context("look up the Panel's user")?.map(|user| user.uid.as_raw());
    let panel_uid = found.filter(|uid| config::can_be_the_panel(*uid));
    if let Some(uid) = found.filter(|_| panel_uid.is_none()) {
        let hint = "`opterius doctor` says what to do";
        tracing::error!(
            uid,
            hint,
            "the user {} is not a system user, so it is not taken for the Panel: only root may call the Agent",
            config.panel_user
        );
    }

    let engine = Engine::load(host(&config, &paths)).await.context("read what is on disk")?;
    pages::renew(engine.host()).await;
    let listener = listener().context("take the socket over from systemd")?;
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;

    jobs::start(&engine, &config, &paths);
    let serving = tokio::spawn(http::serve(listener, engine, panel_uid, async move {
        terminate.recv().await;
    }));
    sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
    tracing::info!("opterius-agent {} is ready to take calls", env!("CARGO_PKG_VERSION"));

    serving.await.context("serve")?.context("serve")?;
    // Operations that are still open go on at the next start: being stopped at any point is supported.
    farewell(&paths).context("note the end in good order")
}

#[cfg(not(feature = "failpoints"))]
fn host(config: &Config, paths: &Paths) -> Arc<dyn Host> {
    Arc::new(LinuxHost::new(config, paths.clone()))
}

/// The build for fault tests stops where the environment variable `FAILPOINTS` says: `<call>.before=pause`, `<call>.after=return`.
#[cfg(feature = "failpoints")]
fn host(config: &Config, paths: &Paths) -> Arc<dyn Host> {
    Arc::new(opterius_agent::host::with_failpoints(LinuxHost::new(config, paths.clone())))
}

/// The listening socket that systemd holds, so that a restart refuses nobody.
fn listener() -> anyhow::Result<UnixListener> {
    let listener =
        listenfd::ListenFd::from_env().take_unix_listener(0)?.context("systemd passed no socket; start opterius-agent.socket")?;
    listener.set_nonblocking(true)?;
    Ok(UnixListener::from_std(listener)?)
}
