//! Brings the host's own pages to a server: after a change, and whenever the server has others.

use std::time::Duration;

use opterius_protocol::agent::{PutPages, pages_hash};
use opterius_protocol::client::chain;

use super::supervisor::Failure;
use crate::core::Core;
use crate::store::server::Server;
use crate::store::setting;

/// How long a server may take to write them.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the pages to a server, if it said that it has others when it was last asked. One that said nothing is of an earlier version, or away.
pub(super) async fn send_pages(core: &Core, server: &Server) -> Result<(), Failure> {
    let Some(has) = core.fleet.health(server.id).and_then(|health| health.pages_hash) else { return Ok(()) };
    let pages = setting::pages(core.store.read()).await?;
    if pages_hash(&pages) == has {
        return Ok(());
    }
    match core.fleet.agent(server.id).call(&PutPages { pages }, TIMEOUT).await {
        Ok(kept) => {
            core.fleet.learn_pages(server.id, kept.hash);
            tracing::info!(server = %server.name, "the server has the host's pages");
        }
        Err(error) => tracing::warn!(server = %server.name, error = %chain(&error), "could not send the host's pages to the server"),
    }
    Ok(())
}
