//! Drift in the Activity: an account that is not as it was committed, or that its server has mended.

use std::time::Duration;

use opterius_model::{ServerId, clean};
use opterius_protocol::Micros;
use opterius_protocol::agent::Drift;

use super::{PANEL, tell};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::{self, StoreError, account};

/// So many rows of the drift of one account are written at once.
const ROWS: i64 = 4;

/// Within this time. Whoever holds the account, or its server, can have it differ in another way at each look.
const WITHIN: Duration = Duration::from_hours(1);

/// The longest row, in characters; of what does not fit it says how much there is.
const LONGEST: usize = 2000;

/// Puts drift down once, however often it is heard of. Of an account of which much was put down lately it is put down later, as it is then.
pub(crate) async fn record_drift(core: &Core, server: ServerId, drift: &Drift) -> Result<(), StoreError> {
    let (action, outcome) = if drift.mended { (MENDED, activity::Outcome::Ok) } else { (FOUND, activity::Outcome::Failed) };
    let id = drift.account_id;
    // A server speaks for the accounts that are on it.
    let account = account::by_id(core.store.read(), &core.owner, id).await?.filter(|account| account.server.id == server);
    let Some(account) = account else { return Ok(()) };
    let since = Micros(core.now().0.saturating_sub_unsigned(u64::try_from(WITHIN.as_micros()).unwrap_or(u64::MAX)));
    let found = format!("The account {} ({}) {}", account.username, account.domain, said(drift));
    // A Panel that has just started hears again of what an earlier one put down.
    let last = activity::last_of(core.store.read(), &core.owner, id, action).await?;
    if last.is_some_and(|(at, last)| {
        at >= drift.found_at && last.strip_prefix(&*found).is_some_and(|rest| rest.is_empty() || rest.ends_with(TOO_OFTEN))
    }) {
        core.fleet.drift_is_recorded(server, id);
        return Ok(());
    }
    if activity::rows_since(core.store.read(), &core.owner, id, &[FOUND, MENDED], since).await? >= ROWS {
        core.fleet.postpone_drift(server, id);
        return Ok(());
    }
    let detail = match core.fleet.left_out_of_drift(server, id) {
        0 => found,
        1 => format!("{found} 1 finding before this one was left out,{TOO_OFTEN}"),
        more => format!("{found} {more} findings before this one were left out,{TOO_OFTEN}"),
    };
    let mut write = core.store.write().await?;
    tell::of_drift(&mut write, core, &account, drift, &detail).await?;
    let entry = Entry {
        at: core.now(),
        actor: PANEL,
        from: None,
        action,
        account_id: Some(id),
        operation_id: None,
        request_id: None,
        outcome,
        detail,
    };
    activity::append(&mut write, &core.owner, entry).await?;
    store::commit(write).await?;
    core.fleet.drift_is_recorded(server, id);
    Ok(())
}

const FOUND: &str = "account.drift";

const MENDED: &str = "account.drift.mended";

/// How a row ends that says what was left out before it.
const TOO_OFTEN: &str = " since there were too many.";

fn said(drift: &Drift) -> String {
    let changes = drift.plan.changes.iter().map(|change| format!("{}: {}", change.resource, change.change));
    let obstacles = drift.plan.conflicts.iter().chain(&drift.plan.missing).map(|failure| format!("{}: {}", failure.step, failure.detail));
    let mut all = String::new();
    let mut left_out: usize = 0;
    for one in changes.chain(obstacles) {
        if all.is_empty() {
            all = clean(one.as_bytes(), LONGEST);
        } else if all.chars().count() + one.chars().count() < LONGEST {
            all.push_str("; ");
            all.push_str(&one);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        all = format!("{all}; and {left_out} more");
    }
    let what = if drift.mended { "was not as it should be, and was mended" } else { "is not as it should be" };
    format!("{what}: {all}.")
}
