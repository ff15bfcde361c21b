//! Counts who was turned away, so that guessing is seen, without letting it slow anybody's orders down.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use opterius_protocol::Micros;

use super::supervisor::{Failure, Next, Task};
use crate::app::group;
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::refused_caller::{self, Bucket};
use crate::store::{self, StoreError};

const MICROS_A_MINUTE: i64 = 60_000_000;

/// Addresses counted apart at the same time; more are counted together.
const ADDRESSES: usize = 10_000;

/// What was counted and is not yet in the database.
#[derive(Debug, Default)]
pub(crate) struct RefusedCallers(Mutex<HashMap<Bucket, i64>>);

impl RefusedCallers {
    /// Counts one refusal.
    pub(crate) fn count(&self, from: Option<IpAddr>, status: u16, now: Micros) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = match from {
            _ if counts.len() >= ADDRESSES => "many".to_owned(),
            Some(address) => group(address),
            None => "local".to_owned(),
        };
        *counts.entry(Bucket { minute: now.0 / MICROS_A_MINUTE, address, status: i64::from(status) }).or_default() += 1;
    }

    fn take(&self) -> HashMap<Bucket, i64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
pub(super) struct CountRefused {
    /// Taken from [`RefusedCallers`], and not yet written down: a turn that comes to nothing loses none of it.
    taken: HashMap<Bucket, i64>,
    minute: i64,
}

impl Task for CountRefused {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let now = core.now().0 / MICROS_A_MINUTE;
        if self.taken.len() < ADDRESSES {
            for (bucket, times) in core.refused_callers.take() {
                *self.taken.entry(bucket).or_default() += times;
            }
        }
        // Without news there is nothing to write, and the one writer is left alone.
        if self.minute != now || !self.taken.is_empty() {
            put_down(core, &self.taken, now).await?;
            self.taken.clear();
            self.minute = now;
        }
        Ok(Next::After(core.seams.timing.count_refused_every))
    }
}

async fn put_down(core: &Core, counts: &HashMap<Bucket, i64>, minute: i64) -> Result<(), StoreError> {
    let mut write = core.store.write().await?;
    for (bucket, times) in counts {
        refused_caller::add(&mut write, bucket, *times).await?;
    }
    for (bucket, times) in refused_caller::take_over(&mut write, minute).await? {
        let entry = Entry {
            at: Micros(bucket.minute * MICROS_A_MINUTE),
            actor: &format!("address:{}", bucket.address),
            from: bucket.address.parse().ok(),
            action: "caller.refused",
            account_id: None,
            operation_id: None,
            request_id: None,
            outcome: activity::Outcome::Refused,
            detail: format!("{times} requests were refused with {} in this minute.", bucket.status),
        };
        activity::append(&mut write, &core.owner, entry).await?;
    }
    store::commit(write).await
}
