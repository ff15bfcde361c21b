//! One Panel, from its start to its end.

use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use crate::config::Config;
use crate::core::{Core, Seams, StartError};
use crate::tls::{Pins, TlsError};
use crate::{app, http, tasks, tls};

/// A running Panel.
pub struct Panel {
    core: Arc<Core>,
    router: axum::Router,
}

/// Why a Panel could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The keys.
    #[error("could not prepare the TLS keys")]
    Tls(#[source] TlsError),
    /// The database, or the directory that it is in.
    #[error("could not prepare the database")]
    Database(#[source] StartError),
}

/// Makes what a Panel needs before it is served: state directory, database, keys. What is there is kept, so that it may run again.
pub async fn init(config: Config) -> Result<Pins, InitError> {
    let dir = config.state_dir.clone();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|source| InitError::Database(StartError::StateDir { path: dir, source }))?;
    let pins = tls::init(&config.tls_dir(), &config.hostnames).map_err(InitError::Tls)?;
    let core = Core::open(config, Seams::default()).await.map_err(InitError::Database)?;
    core.tasks.end().await;
    core.store.close().await;
    Ok(pins)
}

impl Panel {
    /// Opens the database, picks up every operation without an outcome, and begins what it does by itself.
    pub async fn start(config: Config, seams: Seams) -> Result<Self, StartError> {
        let core = Core::open(config, seams).await?;
        let path = core.config.database();
        let resumed = app::resume(&core).await.map_err(|source| StartError::Database { path, source: Box::new(source) })?;
        if resumed > 0 {
            tracing::info!(operations = resumed, "picked up operations without an outcome");
        }
        tasks::start(&core);
        let router = http::router(core.clone());
        Ok(Self { core, router })
    }

    /// The whole API. Requests need a [`crate::Peer`] as an extension.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Every page for people: its method, its path, and who may open it (`anyone`, `customer` or `staff`).
    pub fn pages() -> Vec<(::http::Method, &'static str, &'static str)> {
        http::pages()
    }

    /// Serves until `stop` is done: takes no new connections then, ends streams, and gives running requests ten seconds.
    pub async fn serve(&self, listeners: http::Listeners, stop: impl Future<Output = ()>) -> Result<(), TlsError> {
        if let Some(port) = listeners.port() {
            let _ = self.core.listens_on.set(port);
        }
        let tls = if listeners.has_tls() { Some(tls::server_config(&self.core.config.tls_dir())?) } else { None };
        http::serve(&self.core, self.router(), listeners, tls, self.core.tasks.closing.clone(), stop).await;
        Ok(())
    }

    /// Ends every task where it stands, as a crash would, writes down what was refused and only counted so far, and closes the database. The next Panel picks up what was being done.
    pub async fn end(self) {
        self.core.tasks.end().await;
        tasks::write_refused_down(&self.core).await;
        self.core.store.close().await;
    }
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panel").finish_non_exhaustive()
    }
}
