//! Asks an Agent how it is, and how its accounts are, again and again.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::ServerId;
use opterius_protocol::agent::{GetDrift, GetHealth};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::{Micros, WireCode};
use tokio::time::Instant;

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
        let (asked_at, asked) = (core.now(), Instant::now());
        let mut ahead_by = 0;
        let (health, cause) = match core.fleet.agent(server.id).call(&GetHealth {}, TIMEOUT).await {
            Ok(mut health) => {
                let took = asked.elapsed();
                if let Some(wrong) = health.wrong_clock(asked_at, took) {
                    ahead_by = health.ahead_by(asked_at, took).unwrap_or_default();
                    health.parts.push(wrong);
                }
                (Some(health), None)
            }
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
        ask_for_drift(core, &server, ahead_by).await?;
        told?;
        Ok(Next::After(core.seams.timing.health_every))
    }
}

/// `ahead_by`: how far the server's clock is ahead of ours, in microseconds, if that is much.
async fn ask_for_drift(core: &Core, server: &Server, ahead_by: i64) -> Result<(), Failure> {
    match core.fleet.agent(server.id).call(&GetDrift {}, TIMEOUT).await {
        Ok(mut report) => {
            // What was found is compared with what was put down here, so it has to be of our clock.
            for drift in &mut report.accounts {
                drift.found_at = Micros(drift.found_at.0.saturating_sub(ahead_by));
            }
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
