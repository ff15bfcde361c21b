//! Drift in the Activity: an account that is not as it was committed, or that its server has mended.

use opterius_model::ServerId;
use opterius_protocol::agent::Drift;

use super::{PANEL, tell};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::{self, StoreError, account};

/// Puts drift down once, however often it is heard of.
pub(crate) async fn record_drift(core: &Core, server: ServerId, drift: &Drift) -> Result<(), StoreError> {
    let (action, outcome) =
        if drift.mended { ("account.drift.mended", activity::Outcome::Ok) } else { ("account.drift", activity::Outcome::Failed) };
    let mut write = core.store.write().await?;
    // A server speaks for the accounts that are on it.
    let account = account::by_id(&mut *write, &core.owner, drift.account_id).await?.filter(|account| account.server.id == server);
    let Some(account) = account else { return Ok(()) };
    let detail = format!("The account {} ({}) {}", account.username, account.domain, said(drift));
    // A Panel that has just started hears again of what an earlier one put down.
    if activity::last_of(&mut *write, &core.owner, drift.account_id, action)
        .await?
        .is_some_and(|(at, last)| at >= drift.found_at && last == detail)
    {
        return Ok(());
    }
    tell::of_drift(&mut write, core, &account, drift, &detail).await?;
    let entry = Entry {
        at: core.now(),
        actor: PANEL,
        from: None,
        action,
        account_id: Some(drift.account_id),
        operation_id: None,
        request_id: None,
        outcome,
        detail,
    };
    activity::append(&mut write, &core.owner, entry).await?;
    store::commit(write).await
}

fn said(drift: &Drift) -> String {
    let changes = drift.plan.changes.iter().map(|change| format!("{}: {}", change.resource, change.change));
    let obstacles = drift.plan.conflicts.iter().chain(&drift.plan.missing).map(|failure| format!("{}: {}", failure.step, failure.detail));
    let all: Vec<String> = changes.chain(obstacles).collect();
    let what = if drift.mended { "was not as it should be, and was mended" } else { "is not as it should be" };
    format!("{what}: {}.", all.join("; "))
}
