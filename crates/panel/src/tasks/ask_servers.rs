//! Asks an Agent how it is, and how its accounts are, again and again.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::ServerId;
use opterius_protocol::agent::{GetDrift, GetHealth};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::{Micros, WireCode};

use super::pages::send_pages;
use super::servers;
use super::supervisor::{Failure, Next, Task};
use crate::app::{record_drift, tell_of_server};
use crate::core::Core;
use crate::store::server::Server;

pub(super) const NAME: &str = "health";

/// Longer than an Agent needs to look at its parts.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct AskServer {
    server: ServerId,
    /// Since when it has not answered.
    silent: Option<Micros>,
}

impl AskServer {
    pub(super) fn new(server: ServerId) -> Self {
        Self { server, silent: None }
    }
}

impl Task for AskServer {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let Some(server) = servers::row(core, self.server).await? else { return Ok(Next::Done) };
        let (health, cause) = match core.fleet.agent(server.id).call(&GetHealth {}, TIMEOUT).await {
            Ok(health) => (Some(health), None),
            Err(error) => (None, Some(chain(&error))),
        };
        if core.fleet.learn(server.id, health) {
            match &cause {
                None => tracing::info!(server = %server.name, "the server's Agent answers"),
                Some(cause) => tracing::warn!(server = %server.name, error = %cause, "the server's Agent does not answer"),
            }
        }
        let silent = match &cause {
            None => {
                self.silent = None;
                None
            }
            Some(cause) => Some((*self.silent.get_or_insert_with(|| core.now()), cause.as_str())),
        };
        let told = tell_of_server(core, &server, silent).await;
        send_pages(core, &server).await?;
        ask_for_drift(core, &server).await?;
        told?;
        Ok(Next::After(core.seams.timing.health_every))
    }
}

async fn ask_for_drift(core: &Core, server: &Server) -> Result<(), Failure> {
    match core.fleet.agent(server.id).call(&GetDrift {}, TIMEOUT).await {
        Ok(report) => {
            for drift in core.fleet.learn_drift(server.id, report) {
                record_drift(core, server.id, &drift).await?;
            }
        }
        // An Agent of an earlier version does not look for drift.
        Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {}
        // One that does not answer at all was told of above.
        Err(CallError::NotSent { .. }) => {}
        Err(error) => tracing::debug!(server = %server.name, error = %chain(&error), "could not ask for drift"),
    }
    Ok(())
}
