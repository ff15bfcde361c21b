//! Tells a server now and then how far the Activity has come. A server only ever adds to what it was told, so whoever rewrites the Activity here
//! is found out there.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::ServerId;
use opterius_protocol::WireCode;
use opterius_protocol::agent::{ActivityHead, NoteHead};
use opterius_protocol::client::{CallError, chain};
use tokio::time::Instant;

use super::servers;
use super::supervisor::{Failure, Next, Task};
use crate::activity_key::ActivityKey;
use crate::core::Core;
use crate::store::{activity, activity_removal};

/// After so many rows no server waits for the hour.
const ROWS: i64 = 1000;

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct NoteHeads {
    server: ServerId,
    /// The row that it was told last, and when.
    told: Option<(i64, Instant)>,
}

impl NoteHeads {
    pub(super) fn new(server: ServerId) -> Self {
        Self { server, told: None }
    }
}

impl Task for NoteHeads {
    async fn turn(&mut self, core: &Arc<Core>) -> Result<Next, Failure> {
        let Some(server) = servers::row(core, self.server).await? else { return Ok(Next::Done) };
        let next = Next::After(core.seams.timing.rows_counted_every);
        let Some((row, hash)) = activity::head(core.store.read()).await? else { return Ok(next) };
        let is_told = self.told.is_some_and(|(before, at)| {
            let rows = row - before;
            rows == 0 || (rows < ROWS && at.elapsed() < core.seams.timing.heads_every)
        });
        if is_told {
            return Ok(next);
        }
        let rows = activity::rows_until(core.store.read(), row).await?;
        let removed = activity_removal::last(core.store.read()).await?.map(|removal| removal.last_row.unsigned_abs());
        let key = core.activity_key.as_ref().ok().map(ActivityKey::public);
        let head = ActivityHead { row: row.unsigned_abs(), hash, rows: rows.unsigned_abs(), key, removed };
        match core.fleet.agent(server.id).call(&NoteHead(head), TIMEOUT).await {
            Ok(_) => {}
            // An Agent of an earlier version keeps none. It may be a later one in an hour.
            Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {}
            // One that does not answer at all is told of where its health is asked for, and told of the head as soon as it does.
            Err(CallError::NotSent { .. }) => return Ok(next),
            Err(error) => {
                tracing::warn!(server = %server.name, error = %chain(&error), "could not tell the server how far the Activity has come");
                return Ok(next);
            }
        }
        self.told = Some((row, Instant::now()));
        Ok(next)
    }
}
