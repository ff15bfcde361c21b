//! Asks every Agent how it is, and how its accounts are, again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::ServerId;
use opterius_protocol::agent::{GetDrift, GetHealth};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::{Micros, WireCode};

use super::pages::send_pages_to;
use crate::app::{record_drift, tell_of_server};
use crate::core::Core;
use crate::store::server::{self, Server};

/// Longer than an Agent needs to look at its parts.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs until the Panel ends.
pub(crate) async fn keep_asking(core: Arc<Core>) {
    // Since when each Agent has not answered.
    let mut silent: HashMap<ServerId, Micros> = HashMap::new();
    loop {
        match server::list(core.store.read(), &core.owner).await {
            Ok(servers) => {
                for server in servers {
                    let answer = core.fleet.agent(server.id).call(&GetHealth {}, TIMEOUT).await;
                    let (health, cause) = match answer {
                        Ok(health) => (Some(health), None),
                        Err(error) => (None, Some(chain(&error))),
                    };
                    if cause.is_none() {
                        silent.remove(&server.id);
                    }
                    let since = cause.as_deref().map(|cause| (*silent.entry(server.id).or_insert_with(|| core.now()), cause));
                    if let Err(error) = tell_of_server(&core, &server, since).await {
                        tracing::error!(server = %server.name, error = %chain(&error), "could not queue a notice");
                    }
                    if core.fleet.learn(server.id, health) {
                        match cause {
                            None => tracing::info!(server = %server.name, "the server's Agent answers"),
                            Some(cause) => tracing::warn!(server = %server.name, error = %cause, "the server's Agent does not answer"),
                        }
                    }
                    send_pages_to(&core, &server).await;
                    ask_for_drift(&core, &server).await;
                }
            }
            Err(error) => tracing::error!(error = %chain(&error), "could not list the servers"),
        }
        tokio::time::sleep(core.seams.timing.health_every).await;
    }
}

async fn ask_for_drift(core: &Core, server: &Server) {
    match core.fleet.agent(server.id).call(&GetDrift {}, TIMEOUT).await {
        Ok(report) => {
            for drift in core.fleet.learn_drift(server.id, report) {
                if let Err(error) = record_drift(core, &drift).await {
                    tracing::error!(account.id = %drift.account_id, error = %chain(&error), "could not put drift into the Activity");
                }
            }
        }
        // An Agent of an earlier version does not look for drift.
        Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {}
        // One that does not answer at all was told of above.
        Err(CallError::NotSent { .. }) => {}
        Err(error) => tracing::debug!(server = %server.name, error = %chain(&error), "could not ask for drift"),
    }
}
