//! Queues what staff must not miss. Nothing is queued while there is no mail server.

use std::time::Duration;

use opterius_protocol::Micros;
use opterius_protocol::agent::Drift;

use super::Refusal;
use crate::core::Core;
use crate::store::account::Account;
use crate::store::mail_server;
use crate::store::notice::{self, Facts, News};
use crate::store::operation::Operation;
use crate::store::server::Server;
use crate::store::{self, StoreError, Write};

/// For how long an Agent may be silent before staff hear of it.
const SILENCE: Duration = Duration::from_mins(5);

/// How long drift waits for more of it, so that one mail tells of all.
const GATHERED: Duration = Duration::from_mins(10);

/// An operation began to need attention: told in the transaction that records it.
pub(super) async fn of_attention(
    write: &mut Write,
    core: &Core,
    operation: &Operation,
    error: Option<&Refusal>,
    left: &[String],
) -> Result<(), StoreError> {
    let now = core.now();
    let facts = Facts::Attention {
        operation: operation.kind.as_str().to_owned(),
        username: operation.username.clone(),
        domain: operation.domain.clone(),
        detail: error.map(|error| error.detail.clone()).unwrap_or_default(),
        hint: error.and_then(|error| error.hint.clone()),
        left: left.to_vec(),
    };
    let about = operation.id.to_string();
    notice::queue(write, &core.owner, News { about: &about, happened_at: now, facts, due_at: now }, now).await
}

/// Drift was found, or mended: told in the transaction that puts it down.
pub(super) async fn of_drift(write: &mut Write, core: &Core, account: &Account, drift: &Drift, detail: &str) -> Result<(), StoreError> {
    let now = core.now();
    let facts = Facts::Drift {
        username: account.username.to_string(),
        domain: account.domain.to_string(),
        mended: drift.mended,
        detail: detail.to_owned(),
    };
    let about = account.id.to_string();
    notice::queue(write, &core.owner, News { about: &about, happened_at: drift.found_at, facts, due_at: now.plus(GATHERED) }, now).await
}

/// How a server's Agent was found: silent since a moment and why, or answering. Told once it was silent for five minutes, and when it answers
/// after that.
pub(crate) async fn tell_of_server(core: &Core, server: &Server, silent: Option<(Micros, &str)>) -> Result<(), StoreError> {
    let now = core.now();
    if silent.is_some_and(|(since, _)| now.since(since) < SILENCE) || mail_server::get(core.store.read(), &core.owner).await?.is_none() {
        return Ok(());
    }
    let about = server.id.to_string();
    let told = match notice::last_about(core.store.read(), &core.owner, &about).await?.map(|last| last.facts) {
        Some(Facts::Unreachable { since, .. }) => Some(since),
        _ => None,
    };
    let name = server.name.clone();
    let facts = match (silent, told) {
        (Some((since, cause)), None) => Facts::Unreachable { server: name, since, cause: cause.to_owned() },
        (None, Some(since)) => Facts::Answers { server: name, since },
        _ => return Ok(()),
    };
    let mut write = core.store.write().await?;
    notice::queue(&mut write, &core.owner, News { about: &about, happened_at: now, facts, due_at: now }, now).await?;
    store::commit(write).await
}
