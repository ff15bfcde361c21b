//! Operations that never begin. The Panel asks for that before it gives up an operation of which a request may still be under way: what decides
//! is what is on this disk, and no clock.

use std::time::Duration;

use opterius_model::OperationId;
use opterius_protocol::agent::NeverAnswer;
use opterius_protocol::client::chain;
use opterius_protocol::{Micros, WireCode, WireError};
use tokio::time::Instant;

use super::{Engine, Known, REMEMBERED, refusal};
use crate::host::HostError;

/// So many are kept at most. Each is an empty file and an entry in memory; the Panel acknowledges them at once and they go a day later, and one
/// is made only where an answer got lost and the same request was refused afterwards.
const MOST: usize = 10_000;

/// How long one is kept after the Panel acknowledged it: longer than any copy of a request waits in a socket.
const KEPT: Duration = Duration::from_hours(24);

/// That an operation never begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Never {
    /// It is being written. Or it could be neither written nor removed, and may be on the disk.
    Unsure,
    /// It is on the disk.
    Promised,
    /// And the Panel knows.
    Acknowledged {
        /// When it said so.
        at: Micros,
        /// Since when this process knows.
        since: Instant,
    },
}

impl Never {
    /// As a start finds it on the disk, with the moment of its acknowledgement.
    pub(super) fn found(acknowledged: Option<Micros>) -> Self {
        acknowledged.map_or(Self::Promised, |at| Self::Acknowledged { at, since: Instant::now() })
    }

    /// Why an operation is not begun.
    fn refuses(self, id: OperationId) -> WireError {
        match self {
            Self::Unsure => refusal(WireCode::Unavailable, format!("It is being written down that operation {id} never begins.")),
            Self::Promised | Self::Acknowledged { .. } => {
                refusal(WireCode::NeverBegins, format!("The Panel was promised that operation {id} never begins."))
            }
        }
    }

    /// Whether it was kept for long enough after its acknowledgement. A machine that is started every night counts by its clock what it was off
    /// for; a clock that jumps ahead takes no more than a day off, and leaves an hour.
    fn is_over(self) -> bool {
        let Self::Acknowledged { at, since } = self else { return false };
        let here = since.elapsed();
        here >= KEPT || (here >= REMEMBERED && Micros::now().since(at) >= KEPT)
    }
}

impl Known {
    /// Why an operation is not begun, if that is so.
    pub(super) fn refuses(&self, id: OperationId) -> Option<WireError> {
        self.nevers.get(&id).map(|never| never.refuses(id))
    }
}

/// Does something whatever becomes of the caller.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T, WireError>> + Send + 'static) -> Result<T, WireError> {
    tokio::spawn(work).await.unwrap_or_else(|_| Err(refusal(WireCode::Internal, "The Agent broke while it wrote that down.".to_owned())))
}

fn not_written(error: &HostError) -> WireError {
    refusal(WireCode::Unavailable, chain(error))
}

impl Engine {
    /// Sees to it that an operation that is not known never begins, or answers how the known one stands. Of this and [`Engine::submit`] one comes
    /// first, under the lock of what is known, and the other finds it.
    ///
    /// # Errors
    /// If it cannot be written down, or if nobody knows whether the operation was begun. Then nothing is promised.
    pub async fn never(&self, id: OperationId) -> Result<NeverAnswer, WireError> {
        let engine = self.clone();
        to_its_end(async move { engine.promise(id).await }).await
    }

    async fn promise(&self, id: OperationId) -> Result<NeverAnswer, WireError> {
        let _turn = self.inner.nevers.lock().await;
        if let Some(watcher) = self.operation(id) {
            return Ok(NeverAnswer::Known(Box::new(watcher.now())));
        }
        if let Some(why) = self.unreadable_operation(id) {
            return Err(why);
        }
        {
            let mut known = self.known();
            // It may have come since the look above.
            if let Some(operation) = known.operations.get(&id) {
                return Ok(NeverAnswer::Known(Box::new(operation.report())));
            }
            match known.nevers.get(&id) {
                Some(Never::Promised | Never::Acknowledged { .. }) => return Ok(NeverAnswer::NeverBegins),
                Some(Never::Unsure) => {}
                None if known.nevers.len() >= MOST => {
                    let detail = format!(
                        "{MOST} operations that never begin are recorded already, and no more can be. Each is removed a day after the Panel acknowledged it: \
                         check that the Panel runs, and why its orders are refused (`journalctl -u opterius-panel`)."
                    );
                    return Err(refusal(WireCode::Unavailable, detail));
                }
                None => drop(known.nevers.insert(id, Never::Unsure)),
            }
        }
        let Err(error) = self.inner.host.add_never(id).await else {
            self.known().nevers.insert(id, Never::Promised);
            tracing::info!(operation.id = %id, "the operation {id} was never begun, and never begins from here on");
            return Ok(NeverAnswer::NeverBegins);
        };
        tracing::warn!(operation.id = %id, "could not write down that the operation {id} never begins: {}", chain(&error));
        // It may be there all the same. As long as that is not ruled out the operation does not begin.
        if self.inner.host.remove_never(id).await.is_ok() {
            self.known().nevers.remove(&id);
        }
        Err(not_written(&error))
    }

    /// The Panel has recorded that an operation never begins. Answers whether that was promised.
    ///
    /// # Errors
    /// If it cannot be written down: it is to be said again.
    pub async fn acknowledge_never(&self, id: OperationId) -> Result<bool, WireError> {
        let engine = self.clone();
        to_its_end(async move {
            let _turn = engine.inner.nevers.lock().await;
            match engine.known().nevers.get(&id) {
                None | Some(Never::Unsure) => return Ok(false),
                Some(Never::Acknowledged { .. }) => return Ok(true),
                Some(Never::Promised) => {}
            }
            let at = Micros::now();
            engine.inner.host.acknowledge_never(id, at).await.map_err(|error| not_written(&error))?;
            engine.known().nevers.insert(id, Never::Acknowledged { at, since: Instant::now() });
            Ok(true)
        })
        .await
    }

    /// Why an operation cannot be told of, if that is so: it was promised that it never begins.
    pub fn never_begins(&self, id: OperationId) -> Option<WireError> {
        self.known().refuses(id).filter(|why| why.code == WireCode::NeverBegins)
    }

    /// Forgets those that were acknowledged long enough ago.
    pub(super) async fn forget_nevers(&self) {
        let due: Vec<OperationId> = self.known().nevers.iter().filter(|(_, never)| never.is_over()).map(|(id, _)| *id).collect();
        for id in due {
            let _turn = self.inner.nevers.lock().await;
            match self.inner.host.remove_never(id).await {
                Ok(()) => drop(self.known().nevers.remove(&id)),
                Err(error) => {
                    tracing::warn!(operation.id = %id, "could not forget that the operation {id} never begins: {}", chain(&error));
                }
            }
        }
    }
}
