//! Refusals in the Activity.

use std::sync::Arc;

use opterius_model::RequestId;

use super::{Caller, Code, Refusal};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::{self, StoreError};

/// Puts down that `action` was refused. Whether that works or not, the caller gets the refusal.
pub(crate) async fn record_refusal(core: &Arc<Core>, caller: &Caller, action: &str, request: &RequestId, refusal: &Refusal) {
    // What an operation came to is in the Activity already, as the operation's outcome.
    if refusal.operation_id.is_some() && refusal.code != Code::OperationRunning {
        return;
    }
    if let Err(error) = write(core, caller, action, request, refusal).await {
        tracing::error!(request.id = %request, error = %opterius_protocol::client::chain(&error), "could not put a refusal into the Activity");
    }
}

async fn write(core: &Arc<Core>, caller: &Caller, action: &str, request: &RequestId, refusal: &Refusal) -> Result<(), StoreError> {
    let fields: Vec<String> = refusal.errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
    let detail = if fields.is_empty() { refusal.detail.clone() } else { fields.join("; ") };
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
