//! Brings the host's own pages to the servers: after a change, and whenever a server has others.

use std::sync::Arc;
use std::time::Duration;

use opterius_protocol::agent::{PutPages, pages_hash};
use opterius_protocol::client::chain;

use crate::core::Core;
use crate::store::server::{self, Server};
use crate::store::setting;

/// How long a server may take to write them.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the pages to every server that has others.
pub(crate) async fn send_pages(core: Arc<Core>) {
    match server::list(core.store.read(), &core.owner).await {
        Ok(servers) => {
            for server in servers {
                send_pages_to(&core, &server).await;
            }
        }
        Err(error) => tracing::error!(error = %chain(&error), "could not list the servers"),
    }
}

/// Sends the pages to a server, if it said that it has others when it was last asked. One that said nothing is of an earlier version, or away.
pub(super) async fn send_pages_to(core: &Core, server: &Server) {
    let Some(has) = core.fleet.health(server.id).and_then(|health| health.pages_hash) else { return };
    let pages = match setting::pages(core.store.read()).await {
        Ok(pages) => pages,
        Err(error) => return tracing::error!(error = %chain(&error), "could not read the host's pages"),
    };
    if pages_hash(&pages) == has {
        return;
    }
    match core.fleet.agent(server.id).call(&PutPages { pages }, TIMEOUT).await {
        Ok(kept) => {
            core.fleet.learn_pages(server.id, kept.hash);
            tracing::info!(server = %server.name, "the server has the host's pages");
        }
        Err(error) => tracing::warn!(server = %server.name, error = %chain(&error), "could not send the host's pages to the server"),
    }
}
