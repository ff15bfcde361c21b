//! The host's own pages.

use opterius_protocol::client::chain;

use crate::host::{Host, HostError};

/// Writes the pages that were given earlier as this build draws them, and puts them back where they are gone. Where none were ever given,
/// what the package brought stays.
pub async fn renew(host: &dyn Host) {
    let renewed: Result<(), HostError> = async {
        match host.pages().await? {
            Some(pages) => host.put_pages(&pages).await,
            None => Ok(()),
        }
    }
    .await;
    if let Err(error) = renewed {
        tracing::warn!("could not renew the host's pages: {}", chain(&error));
    }
}
