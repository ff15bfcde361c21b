//! What every change of an account that is there has in common: wait until it stands still, see what it is to become, reserve that as an
//! operation, and carry it to its outcome. Each verb says in a file of its own what the account is to become.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{OperationId, RequestId, Spec};
use tokio::time::Instant;

use super::resolve_operation::abandon_operation;
use super::run_operation::{commit_and_begin, wait, wait_for_the_end};
use super::{Answer, AppError, Caller, Memo, Progress, Reference, Refusal, read};
use crate::core::Core;
use crate::store::account::{self, Account, Status};
use crate::store::activity::{self, Entry};
use crate::store::operation::{self, Kind, Operation, Outcome};
use crate::store::{self, Write};

/// How often a change is tried again because somebody else changed the account, or took what it needs, in between. Each of those who are at it loses
/// to each of the others once at most.
pub(super) const TRIES: usize = 50;

/// One change of an account.
pub(crate) trait Verb: Sync {
    const KIND: Kind;

    /// Whether a terminated account is something for this verb, and not an answer of its own.
    const TAKES_TERMINATED: bool = false;

    /// Whether an operation of this kind that needs attention is ended where it stands, so that this one can begin. What a customer can keep
    /// from ending must not keep the host from closing the account.
    fn replaces(_stuck: Kind) -> bool {
        false
    }

    /// What the account is to become. Looks, and changes nothing.
    fn next(&self, core: &Core, caller: &Caller, account: &Account) -> impl Future<Output = Result<Next, AppError>> + Send;

    /// Takes, in the transaction that puts the operation down, whatever else the change needs to be its own.
    fn reserve(
        &self,
        _write: &mut Write,
        _caller: &Caller,
        _account: &Account,
        _change: &Wanted,
    ) -> impl Future<Output = Result<(), AppError>> + Send {
        std::future::ready(Ok(()))
    }

    /// The sentence with which the Activity remembers that the change was taken on.
    fn taken_on(&self, account: &Account) -> String;
}

/// What a verb wants of an account.
pub(crate) enum Next {
    /// It is so already.
    Nothing,
    /// Only what the Panel itself knows of it changes.
    Rows(Memo),
    /// Its server changes.
    Change(Box<Wanted>),
}

/// What an account is to become.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Its generation is taken when the operation is reserved.
    pub(super) spec: Spec,
    pub(super) memo: Memo,
    /// Why it cannot become so now.
    pub(super) in_the_way: Vec<Refusal>,
}

impl Next {
    /// A change with nothing in its way.
    pub(super) fn change(spec: Spec, memo: Memo) -> Self {
        Self::Change(Box::new(Wanted { spec, memo, in_the_way: Vec::new() }))
    }
}

/// What came of a change.
pub(crate) struct Changed {
    pub(crate) answer: Answer,
    /// The account as the change found it.
    pub(crate) before: Account,
}

/// Makes the change, or finds it made. Waits at most `patience` for the outcome.
pub(crate) async fn change_account<V: Verb>(
    core: &Arc<Core>,
    caller: &Caller,
    reference: &Reference,
    verb: &V,
    request: &RequestId,
    patience: Duration,
) -> Result<Changed, AppError> {
    let account = read::any_account(core, caller, reference).await?;
    change_until(core, caller, account, verb, request, Instant::now() + patience).await
}

/// As [`change_account`], of an account that was read just now.
pub(super) async fn change_until<V: Verb>(
    core: &Arc<Core>,
    caller: &Caller,
    mut account: Account,
    verb: &V,
    request: &RequestId,
    until: Instant,
) -> Result<Changed, AppError> {
    for _ in 0..TRIES {
        account = standing_still::<V>(core, caller, account, request, until).await?;
        match verb.next(core, caller, &account).await? {
            Next::Nothing => return Ok(Changed { answer: Answer::Done(account.clone()), before: account }),
            Next::Rows(memo) => {
                if put_rows_down(core, caller, &account, verb, &memo, request).await? {
                    let answer = Answer::Done(read::again(core, caller, account.id).await?);
                    return Ok(Changed { answer, before: account });
                }
            }
            Next::Change(mut wanted) => {
                if !wanted.in_the_way.is_empty() {
                    return Err(wanted.in_the_way.swap_remove(0).into());
                }
                if let Some(id) = reserve(core, caller, &account, verb, *wanted, request).await? {
                    let answer = match wait(core, id, until).await? {
                        Progress { outcome: Outcome::Committed, .. } => Answer::Done(read::again(core, caller, account.id).await?),
                        progress => unfinished(core, caller, id, progress).await?,
                    };
                    return Ok(Changed { answer, before: account });
                }
            }
        }
        // Somebody else changed it since it was read.
        account = read::again(core, caller, account.id).await?;
    }
    tracing::error!(account.id = %account.id, account.username = %account.username, tries = TRIES, "an account never stood still, so it was not changed");
    Err(Refusal::contended(&account.username).into())
}

/// The account once no operation of it is open, if this verb may change it then.
async fn standing_still<V: Verb>(
    core: &Arc<Core>,
    caller: &Caller,
    mut account: Account,
    request: &RequestId,
    until: Instant,
) -> Result<Account, AppError> {
    let mut tries = 0..TRIES;
    while let Some(open) = account.operation.filter(|operation| !operation.outcome.is_final()) {
        if tries.next().is_none() {
            return Err(Refusal::operation_running(&account, open.id, open.kind).into());
        }
        if V::KIND.closes() {
            // It may wait for its turn, behind others that this one does not wait for.
            core.fleet.queue(account.server.id).turns.hurry(open.id);
        }
        match wait(core, open.id, until).await? {
            Progress { outcome: Outcome::NeedsAttention, .. } if V::replaces(open.kind) => {
                abandon_operation(core, caller, open.id, request, until.saturating_duration_since(Instant::now())).await?;
                // It is decided once the attempt that is under way is over.
                wait_for_the_end(core, open.id, until).await;
                account = read::again(core, caller, account.id).await?;
                if account.operation.is_some_and(|operation| operation.id == open.id && !operation.outcome.is_final()) {
                    return Err(Refusal::operation_running(&account, open.id, open.kind).into());
                }
            }
            Progress { outcome: Outcome::Running, .. } => return Err(Refusal::operation_running(&account, open.id, open.kind).into()),
            Progress { outcome: Outcome::NeedsAttention, error: Some(error), .. } => return Err(error.into()),
            _ => account = read::again(core, caller, account.id).await?,
        }
    }
    match account.status {
        Status::Failed => Err(Refusal::not_found("account", &account.id.to_string()).into()),
        Status::Terminated if !V::TAKES_TERMINATED => Err(Refusal::account_gone(&account, core.now()).into()),
        _ => Ok(account),
    }
}

/// The Spec that an account was last committed to.
pub(super) fn committed(account: &Account) -> Result<&Spec, AppError> {
    account.spec.as_ref().ok_or(AppError::Broken("find the Spec of an account that is there"))
}

/// Puts the operation down and begins to carry it. Nothing is begun, and nothing returned, if another operation of the account is open or has
/// ended since `account` was read.
async fn reserve<V: Verb>(
    core: &Arc<Core>,
    caller: &Caller,
    account: &Account,
    verb: &V,
    mut wanted: Wanted,
    request: &RequestId,
) -> Result<Option<OperationId>, AppError> {
    let id = OperationId::generate();
    let _turn = if V::KIND.closes() { None } else { Some(core.turn_to_reserve(&caller.actor()).await) };
    let now = core.now();
    let mut write = core.store.write().await?;
    let Some(generation) = account::next_generation(&mut write, account.id, id, account.generation).await? else { return Ok(None) };
    verb.reserve(&mut write, caller, account, &wanted).await?;
    wanted.spec.generation = generation;
    let operation = Operation {
        id,
        owner: account.owner.clone(),
        account_id: account.id,
        server_id: account.server.id,
        kind: V::KIND,
        username: wanted.spec.username.to_string(),
        domain: wanted.spec.sites[0].primary().to_string(),
        external_ref: account.external_ref.clone(),
        actor: caller.actor(),
        request_id: request.clone(),
        outcome: Outcome::Running,
        started_at: now,
        finished_at: None,
        spec: Some(wanted.spec),
        memo: Some(wanted.memo),
        steps: Vec::new(),
        error: None,
        abandoned: false,
        remains: Vec::new(),
    };
    match operation::insert(&mut write, &operation).await {
        Err(error) if error.is_unique_violation() => return Ok(None),
        other => other?,
    }
    remember(&mut write, core, caller, account, verb, Some(id), request).await?;
    commit_and_begin(core, write, operation).await?;
    Ok(Some(id))
}

/// Writes down what only the Panel knows of an account; not if it was changed since `account` was read.
async fn put_rows_down<V: Verb>(
    core: &Arc<Core>,
    caller: &Caller,
    account: &Account,
    verb: &V,
    memo: &Memo,
    request: &RequestId,
) -> Result<bool, AppError> {
    let mut write = core.store.write().await?;
    let now = account::by_id(&mut *write, &caller.owner, account.id).await?;
    if now.is_none_or(|now| now.generation != account.generation || now.holds != account.holds) {
        return Ok(false);
    }
    memo.put_down(&mut write, account.id).await?;
    remember(&mut write, core, caller, account, verb, None, request).await?;
    store::commit(write).await?;
    Ok(true)
}

async fn remember<V: Verb>(
    write: &mut Write,
    core: &Core,
    caller: &Caller,
    account: &Account,
    verb: &V,
    operation: Option<OperationId>,
    request: &RequestId,
) -> Result<(), AppError> {
    let entry = Entry {
        at: core.now(),
        actor: &caller.actor(),
        from: caller.address,
        action: V::KIND.action(),
        account_id: Some(account.id),
        operation_id: operation,
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: verb.taken_on(account),
    };
    Ok(activity::append(write, &caller.owner, entry).await?)
}

/// The answer to an operation that is not committed: that it is running, or why it is not done.
pub(super) async fn unfinished(core: &Core, caller: &Caller, id: OperationId, progress: Progress) -> Result<Answer, AppError> {
    match progress {
        Progress { outcome: Outcome::Running, .. } => {
            let operation = operation::by_id(core.store.read(), &caller.owner, id).await?;
            Ok(Answer::Running(Box::new(operation.ok_or(AppError::Broken("find an operation that is there"))?)))
        }
        Progress { error: Some(error), .. } => Err(error.into()),
        Progress { .. } => Err(AppError::Broken("say why an operation is not done")),
    }
}

/// Whether an operation of this kind leads from one state of a live account to another, so that what it left is an account, and mended by a
/// repair. What makes an account or ends it is not left half-way.
pub(super) fn changes_a_live_account(kind: Kind) -> bool {
    match kind {
        Kind::Unsuspend | Kind::Package | Kind::PhpVersion | Kind::Password | Kind::Repair => true,
        Kind::Create | Kind::Suspend | Kind::Terminate | Kind::Restore => false,
    }
}
