//! Forgets the password hashes of accounts that cannot be restored any more.

use std::sync::Arc;

use opterius_protocol::client::chain;

use crate::core::Core;
use crate::store::{self, StoreError, account};

/// Runs until the Panel ends.
pub(crate) async fn keep_forgetting(core: Arc<Core>) {
    loop {
        match forget(&core).await {
            // There may be more than one turn takes.
            Ok(forgotten) if forgotten > 0 => tracing::info!(accounts = forgotten, "forgot password hashes of terminated accounts"),
            other => {
                if let Err(error) = other {
                    tracing::error!(error = %chain(&error), "could not forget password hashes of terminated accounts");
                }
                tokio::time::sleep(core.seams.timing.forget_every).await;
            }
        }
    }
}

async fn forget(core: &Core) -> Result<usize, StoreError> {
    // Nearly always there is nothing to forget, and the one writer is left alone.
    if !account::any_hash_to_forget(core.store.read(), core.now()).await? {
        return Ok(0);
    }
    let mut write = core.store.write().await?;
    let forgotten = account::forget_hashes(&mut write, core.now()).await?;
    store::commit(write).await?;
    Ok(forgotten)
}
