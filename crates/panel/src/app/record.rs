//! Refusals in the Activity.

use std::sync::Arc;

use opterius_model::{RequestId, clean};

use super::{Caller, Code, Payer, Price, Refusal};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::{self, StoreError};

/// The longest text of a refusal in the Activity, in characters: it holds what the caller sent.
const LONGEST: usize = 1000;

/// Puts down that `action` was refused: as a row, or beyond some in a minute as one more that was counted. Whether that works or not, the caller gets
/// the refusal.
pub(crate) async fn record_refusal(core: &Arc<Core>, caller: &Caller, action: &str, request: &RequestId, refusal: &Refusal) {
    if let Some(payer) = Payer::of(caller) {
        core.rates.charge(&payer, Price::of_action(action), refusal, core.now());
    }
    // What an operation came to is in the Activity already, as the operation's outcome.
    if refusal.operation_id.is_some() && refusal.code != Code::OperationRunning {
        return;
    }
    let actor = caller.actor();
    if !core.refused.has_a_row(&actor, core.now()) {
        core.refused.count(&actor, refusal.code, core.now());
        return;
    }
    if let Err(error) = write(core, caller, action, request, refusal).await {
        tracing::error!(request.id = %request, error = %opterius_protocol::client::chain(&error), "could not put a refusal into the Activity");
    }
}

async fn write(core: &Arc<Core>, caller: &Caller, action: &str, request: &RequestId, refusal: &Refusal) -> Result<(), StoreError> {
    let fields: Vec<String> = refusal.errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
    let detail = if fields.is_empty() { refusal.detail.clone() } else { fields.join("; ") };
    let detail = clean(detail.as_bytes(), LONGEST);
    let mut write = core.store.write().await?;
    let entry = Entry {
        at: core.now(),
        actor: &caller.actor(),
        from: caller.address,
        action,
        account_id: None,
        operation_id: None,
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Refused,
        detail,
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    store::commit(write).await
}

/// Puts down, in the transaction that does it, that something was done.
pub(crate) async fn done(
    write: &mut store::Write,
    core: &Core,
    caller: &Caller,
    action: &str,
    request: &RequestId,
    detail: String,
) -> Result<(), StoreError> {
    let entry = Entry {
        at: core.now(),
        actor: &caller.actor(),
        from: caller.address,
        action,
        account_id: None,
        operation_id: None,
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail,
    };
    activity::append(write, &caller.owner, entry).await
}
