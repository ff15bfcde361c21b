//! Asks every Agent how it is, again and again.

use std::sync::Arc;
use std::time::Duration;

use opterius_protocol::agent::GetHealth;
use opterius_protocol::client::chain;

use crate::core::Core;
use crate::store::server;

/// Longer than an Agent needs to look at its parts.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs until the Panel ends.
pub(crate) async fn keep_asking(core: Arc<Core>) {
    loop {
        match server::list(core.store.read(), &core.owner).await {
            Ok(servers) => {
                for server in servers {
                    let answer = core.fleet.agent(server.id).call(&GetHealth {}, TIMEOUT).await;
                    let (health, cause) = match answer {
                        Ok(health) => (Some(health), None),
                        Err(error) => (None, Some(chain(&error))),
                    };
                    if core.fleet.learn(server.id, health) {
                        match cause {
                            None => tracing::info!(server = %server.name, "the server's Agent answers"),
                            Some(cause) => tracing::warn!(server = %server.name, error = %cause, "the server's Agent does not answer"),
                        }
                    }
                }
            }
            Err(error) => tracing::error!(error = %chain(&error), "could not list the servers"),
        }
        tokio::time::sleep(core.seams.timing.health_every).await;
    }
}
