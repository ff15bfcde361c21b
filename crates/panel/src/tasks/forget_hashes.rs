//! Forgets the password hashes of accounts that cannot be restored any more.

use std::sync::Arc;
use std::time::Duration;

use super::supervisor::{Failure, Next, Task};
use crate::core::Core;
use crate::store::{self, StoreError, account};

pub(super) struct ForgetHashes;

impl Task for ForgetHashes {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let forgotten = forget(core).await?;
        if forgotten == 0 {
            return Ok(Next::After(core.seams.timing.forget_every));
        }
        tracing::info!(accounts = forgotten, "forgot password hashes of terminated accounts");
        // There may be more than one turn takes.
        Ok(Next::After(Duration::ZERO))
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
