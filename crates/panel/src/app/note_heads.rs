//! Tells every server now and then how far the Activity has come. A server only ever adds to what it was told, so whoever rewrites the Activity here
//! is found out there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::ServerId;
use opterius_protocol::WireCode;
use opterius_protocol::agent::{ActivityHead, NoteHead};
use opterius_protocol::client::{CallError, chain};
use tokio::time::Instant;

use crate::core::Core;
use crate::store::{StoreError, activity, server};

/// After so many rows no server waits for the hour.
const ROWS: i64 = 1000;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The row that a server was told last, and when.
type Told = HashMap<ServerId, (i64, Instant)>;

/// Runs until the Panel ends.
pub(crate) async fn keep_noting_heads(core: Arc<Core>) {
    let mut told = Told::new();
    loop {
        if let Err(error) = note(&core, &mut told).await {
            tracing::error!(error = %chain(&error), "could not tell the servers how far the Activity has come");
        }
        tokio::time::sleep(core.seams.timing.rows_counted_every).await;
    }
}

async fn note(core: &Core, told: &mut Told) -> Result<(), StoreError> {
    let Some((row, hash)) = activity::head(core.store.read()).await? else { return Ok(()) };
    for server in server::list(core.store.read(), &core.owner).await? {
        let is_told = told.get(&server.id).is_some_and(|(before, at)| {
            let rows = row - before;
            rows == 0 || (rows < ROWS && at.elapsed() < core.seams.timing.heads_every)
        });
        if is_told {
            continue;
        }
        let rows = activity::rows_until(core.store.read(), row).await?;
        let head = ActivityHead { row: row.unsigned_abs(), hash: hash.clone(), rows: rows.unsigned_abs() };
        match core.fleet.agent(server.id).call(&NoteHead(head), TIMEOUT).await {
            Ok(_) => {}
            // An Agent of an earlier version keeps none. It may be a later one in an hour.
            Err(CallError::Refused(error)) if error.code == WireCode::NotFound => {}
            // One that does not answer at all is told of where its health is asked for, and told of the head as soon as it does.
            Err(CallError::NotSent { .. }) => continue,
            Err(error) => {
                tracing::warn!(server = %server.name, error = %chain(&error), "could not tell the server how far the Activity has come");
                continue;
            }
        }
        told.insert(server.id, (row, Instant::now()));
    }
    Ok(())
}
