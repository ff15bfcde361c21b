//! What a person decides of an operation that could be neither finished nor undone: to try again now, or to leave it where it stands.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{OperationId, RequestId};
use opterius_protocol::agent::{self, AbandonOperation, GetOperation, OperationReport, RetryOperation};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::{Call, WireCode};
use tokio::time::Instant;

use super::run_operation::wait_for_the_end;
use super::servers::server_name;
use super::{AppError, Caller, Code, Refusal, read};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::operation::{Operation, Outcome};
use crate::store::{self, StoreError};

/// Longer than an Agent needs to take a decision down.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that an Agent is asked to wait for news, in milliseconds.
const LONGEST_WAIT: u32 = 60_000;

/// Has the server try again at once. An operation that does not need attention is answered as it stands.
pub(crate) async fn retry_operation(
    core: &Arc<Core>,
    caller: &Caller,
    id: OperationId,
    request: &RequestId,
    patience: Duration,
) -> Result<Operation, AppError> {
    let until = Instant::now() + patience;
    let operation = read::operation(core, caller, id).await?;
    if operation.outcome != Outcome::NeedsAttention {
        return Ok(operation);
    }
    let mut report = tell(core, &operation, &RetryOperation { id }).await?;
    remember(core, caller, &operation, "operation.retry", "was tried again", request).await?;
    while report.outcome == agent::Outcome::Running && Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        let wait_ms = u32::try_from(left.as_millis()).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let question = GetOperation { id, seen: report.revision, wait_ms };
        match core.fleet.agent(operation.server_id).call(&question, left + TIMEOUT).await {
            Ok(news) => report = news,
            // Whoever carries the operation goes on asking.
            Err(_) => break,
        }
    }
    finished(core, caller, &report, until).await
}

/// Ends it where it stands.
pub(crate) async fn abandon_operation(
    core: &Arc<Core>,
    caller: &Caller,
    id: OperationId,
    request: &RequestId,
    patience: Duration,
) -> Result<Operation, AppError> {
    let until = Instant::now() + patience;
    let operation = read::operation(core, caller, id).await?;
    match operation.outcome {
        Outcome::NeedsAttention => {}
        Outcome::Running => return Err(does_not_need_attention(&operation).into()),
        _ => return Ok(operation),
    }
    let report = tell(core, &operation, &AbandonOperation { id }).await?;
    remember(core, caller, &operation, "operation.abandon", "was ended where it stood", request).await?;
    finished(core, caller, &report, until).await
}

/// The operation as it stands once whoever carries it has heard what `report` says.
async fn finished(core: &Core, caller: &Caller, report: &OperationReport, until: Instant) -> Result<Operation, AppError> {
    if matches!(report.outcome, agent::Outcome::Committed | agent::Outcome::RolledBack) {
        wait_for_the_end(core, report.operation_id, until).await;
    }
    read::operation(core, caller, report.operation_id).await
}

async fn tell<C: Call<Reply = OperationReport>>(core: &Core, operation: &Operation, call: &C) -> Result<OperationReport, AppError> {
    match core.fleet.agent(operation.server_id).call(call, TIMEOUT).await {
        Ok(report) => Ok(report),
        Err(CallError::Refused(error)) if error.code == WireCode::Conflict => Err(does_not_need_attention(operation).into()),
        Err(error) => {
            let server = server_name(core, operation.server_id).await;
            Err(Refusal::server_unreachable(&server, &chain(&error)).into())
        }
    }
}

fn does_not_need_attention(operation: &Operation) -> Refusal {
    let detail =
        format!("The operation ({}) of the account `{}` is running, and may still end well.", operation.kind.as_str(), operation.username);
    Refusal::new(Code::OperationRunning, detail).hint("Wait until it is done, or needs attention.").of_operation(operation.id)
}

async fn remember(
    core: &Core,
    caller: &Caller,
    operation: &Operation,
    action: &str,
    what: &str,
    request: &RequestId,
) -> Result<(), StoreError> {
    let mut write = core.store.write().await?;
    let entry = Entry {
        at: core.now(),
        actor: &caller.actor(),
        from: caller.address,
        action,
        account_id: Some(operation.account_id),
        operation_id: Some(operation.id),
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("The operation ({}) of {} ({}) {what}.", operation.kind.as_str(), operation.username, operation.domain),
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    store::commit(write).await
}
