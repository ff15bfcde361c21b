//! Gives an account another password.

use std::sync::Arc;

use opterius_model::{Generation, OperationId, PasswordHash, RequestId, Spec};

use super::run_operation::begin;
use super::{AppError, Caller};
use crate::core::Core;
use crate::store;
use crate::store::account::{self, Account};
use crate::store::activity::{self, Entry};
use crate::store::operation::{self, Kind, Operation, Outcome};

/// Reserves the operation and begins to carry it. Nothing is begun, and nothing returned, if another operation of the account is open or has
/// ended since `account` was read.
pub(crate) async fn change_password(
    core: &Arc<Core>,
    caller: &Caller,
    account: &Account,
    hash: PasswordHash,
    request: &RequestId,
) -> Result<Option<OperationId>, AppError> {
    let Some(spec) = account.spec.clone() else { return Err(AppError::Broken("find the Spec of an account that is there")) };
    let id = OperationId::generate();
    let now = core.now();
    let actor = caller.actor();
    let mut write = core.store.write().await?;
    let after = account.operation.map(|last| last.id);
    let Some(generation) = account::next_generation(&mut write, account.id, id, after).await? else { return Ok(None) };
    let operation = Operation {
        id,
        owner: account.owner.clone(),
        account_id: account.id,
        server_id: account.server.id,
        kind: Kind::Password,
        username: account.username.to_string(),
        domain: account.domain.to_string(),
        external_ref: account.external_ref.clone(),
        actor: actor.clone(),
        request_id: request.clone(),
        outcome: Outcome::Running,
        started_at: now,
        finished_at: None,
        spec: Some(Spec { generation: Generation::from_stored(generation), password_hash: hash, ..spec }),
        steps: Vec::new(),
        error: None,
    };
    match operation::insert(&mut write, &operation).await {
        Err(error) if error.is_unique_violation() => return Ok(None),
        other => other?,
    }
    let entry = Entry {
        at: now,
        actor: &actor,
        action: "account.password",
        account_id: Some(account.id),
        operation_id: Some(id),
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("Another password for {} ({}) was taken on.", account.username, account.domain),
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    store::commit(write).await?;
    begin(core, operation);
    Ok(Some(id))
}
