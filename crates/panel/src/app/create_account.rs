//! Takes an order for an account: authorise, reserve, call, record.
//!
//! The same order (the same external_ref) may come any number of times and at the same time: there is one account, and every answer
//! speaks of it.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{
    AccountId, Addresses, Docroot, Generation, Limits, OperationId, PasswordHash, PhpChoice, Pool, PoolName, RequestId, SPEC_VERSION, Site,
    Spec, State, Tls,
};
use opterius_protocol::client::chain;
use tokio::time::Instant;

use super::change_account::{TRIES, change_until, unfinished};
use super::change_password::NewPassword;
use super::names::check_names;
use super::packages::{offered_package, resolve_package};
use super::php;
use super::plan::{Plan, plan_of};
use super::run_operation::{commit_and_begin, wait};
use super::servers::{check_room, choose_server, server_name};
use super::{Answer, AppError, Caller, Code, Memo, Order, Progress, Refusal, read};
use crate::core::{Core, compute};
use crate::store::account::{self, Account, Status};
use crate::store::activity::{self, Entry};
use crate::store::operation::{self, Kind, Operation, Outcome};
use crate::store::server::Server;
use crate::store::{Write, claimed_name, server, setting};
use crate::turns::Party;

/// Makes the account that was ordered, or finds the one that the same order made before. Waits at most `patience` for the outcome.
pub(crate) async fn create_account(
    core: &Arc<Core>,
    caller: &Caller,
    order: Order,
    request: &RequestId,
    patience: Duration,
) -> Result<Answer, AppError> {
    let until = Instant::now() + patience;
    let mut hash = None;
    let mut violation = None;
    for _ in 0..TRIES {
        if let Some(account) = standing(core.store.read(), caller, &order).await? {
            match repeat(core, caller, &order, account, request, until).await? {
                Some(answer) => return Ok(answer),
                // It was terminated while we waited, so that this is an order for a new one.
                None => continue,
            }
        }
        let turn = core.turn_to_reserve(&caller.actor()).await;
        if hash.is_none() {
            place_for(core, caller, &order).await?;
        }
        let hash = match &hash {
            Some(hash) => hash,
            None => hash.insert(hash_of(&order).await?),
        };
        let reserved = match reserve(core, caller, &order, hash, request).await {
            Ok(reserved) => reserved,
            // Somebody was faster between our look and our write; now there is something to see.
            Err(AppError::Store(error)) if error.is_unique_violation() => {
                violation = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        drop(turn);
        let Some((id, account_id)) = reserved else { continue };
        return match wait(core, id, until).await? {
            Progress { outcome: Outcome::Committed, .. } => {
                let account = read::again(core, caller, account_id).await?;
                Ok(Answer::Created { account, previous: previous(core, caller, &order).await?.map(Box::new) })
            }
            progress => unfinished(core, caller, id, progress).await,
        };
    }
    let error = violation.as_ref().map(|violation| chain(violation)).unwrap_or_default();
    tracing::error!(account.username = %order.username, request.id = %request, tries = TRIES, error, "an order met others again and again, so it was not taken");
    Err(Refusal::contended(&order.username).into())
}

/// Refuses an order that there would be no place for before anything is computed for it.
async fn place_for(core: &Core, caller: &Caller, order: &Order) -> Result<(), AppError> {
    // What else is wrong with it is told later.
    if let Ok(server) = choose_server(server::list(core.store.read(), &caller.owner).await?, order.server.as_deref()) {
        let open = core.fleet.queue(server.id).open;
        open.look(&Party::of(&caller.actor())).map_err(Refusal::too_many_operations)?;
    }
    Ok(())
}

/// The account that the same order made before.
async fn standing(db: impl sqlx::SqliteExecutor<'_>, caller: &Caller, order: &Order) -> Result<Option<Account>, AppError> {
    match &order.external_ref {
        Some(external_ref) => Ok(account::by_external_ref(db, &caller.owner, external_ref).await?),
        None => Ok(None),
    }
}

/// The account that had this ref before and could still be restored.
async fn previous(core: &Core, caller: &Caller, order: &Order) -> Result<Option<Account>, AppError> {
    let Some(external_ref) = &order.external_ref else { return Ok(None) };
    let found = account::terminated_by_external_ref(core.store.read(), &caller.owner, external_ref).await?;
    Ok(found.filter(|account| account.kept_until.is_some_and(|until| until > core.now())))
}

/// What an order would do. Takes nothing, waits for nothing.
pub(crate) async fn plan_order(core: &Core, caller: &Caller, order: &Order, request: &RequestId) -> Result<Plan, AppError> {
    if let Some(account) = standing(core.store.read(), caller, order).await? {
        let mut plan = plan_of(core, caller, &account, &NewPassword(order.password.clone())).await?;
        if let Err(error) = same_intent(core, caller, order, &account).await {
            plan.refused(error)?;
        }
        return Ok(plan);
    }
    let mut plan = Plan::of(Kind::Create.as_str());
    let turn = core.turn_to_reserve(&caller.actor()).await;
    let hash = hash_of(order).await?;
    let mut write = core.store.write().await?;
    let prepared = prepare(&mut write, core, caller, order, &hash, request).await;
    // Nothing of it stays.
    drop(write);
    drop(turn);
    match prepared {
        Ok(None) => {}
        Ok(Some(operation)) => {
            let Some(spec) = operation.spec else { return Err(AppError::Broken("find the Spec of an order")) };
            plan.change("account", format!("{} ({}) would be made with the package {}", order.username, order.domain, order.package));
            let server = server_name(core, operation.server_id).await;
            plan.ask(core, operation.server_id, &server, spec).await;
        }
        Err(error) => plan.refused(error)?,
    }
    Ok(plan)
}

/// Takes the names, puts account and operation down as running, and begins: all of it, or nothing if the same order was taken in the meantime.
async fn reserve(
    core: &Arc<Core>,
    caller: &Caller,
    order: &Order,
    hash: &PasswordHash,
    request: &RequestId,
) -> Result<Option<(OperationId, AccountId)>, AppError> {
    let mut write = core.store.write().await?;
    let Some(operation) = prepare(&mut write, core, caller, order, hash, request).await? else { return Ok(None) };
    let reserved = (operation.id, operation.account_id);
    commit_and_begin(core, write, operation).await?;
    Ok(Some(reserved))
}

async fn prepare(
    write: &mut Write,
    core: &Core,
    caller: &Caller,
    order: &Order,
    hash: &PasswordHash,
    request: &RequestId,
) -> Result<Option<Operation>, AppError> {
    if standing(&mut **write, caller, order).await?.is_some() {
        return Ok(None);
    }
    let package = offered_package(&mut **write, caller, &order.package).await?;
    let server = choose_server(server::list(&mut **write, &caller.owner).await?, order.server.as_deref())?;

    check_room(write, &server).await?;

    let now = core.now();
    let records = setting::default_records(&mut **write).await?;
    let php_version = php::of_new_account(core, &server, order.php_version.as_ref())?;
    let spec = Spec { records, ..spec(caller, order, hash, &server, package.limits, php_version) };
    check_names(write, caller, spec.account_id, &order.username, &order.domain).await?;
    let email = order.email.as_ref().map(super::EmailAddress::as_str);
    let operation = Operation {
        id: OperationId::generate(),
        owner: caller.owner.as_str().to_owned(),
        account_id: spec.account_id,
        server_id: server.id,
        kind: Kind::Create,
        username: order.username.to_string(),
        domain: order.domain.to_string(),
        external_ref: order.external_ref.clone(),
        actor: caller.actor(),
        request_id: request.clone(),
        outcome: Outcome::Running,
        started_at: now,
        finished_at: None,
        spec: Some(spec.clone()),
        memo: Some(Memo::of_new(order.external_ref.as_deref(), email, &order.client, &package, now)),
        steps: Vec::new(),
        error: None,
        abandoned: false,
        remains: Vec::new(),
    };
    let new = account::New {
        spec: &spec,
        external_ref: order.external_ref.as_deref(),
        email,
        client: &order.client,
        package_id: Some(package.id),
        server_id: server.id,
        operation_id: Some(operation.id),
        now,
    };
    account::insert(write, &new).await?;
    claimed_name::claim(write, spec.account_id, &order.username, &order.domain).await?;
    operation::insert(write, &operation).await?;
    let entry = Entry {
        at: now,
        actor: &operation.actor,
        from: caller.address,
        action: Kind::Create.action(),
        account_id: Some(spec.account_id),
        operation_id: Some(operation.id),
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("The order of {} ({}) with the package {} was taken on.", order.username, order.domain, package.name),
    };
    activity::append(write, &caller.owner, entry).await?;
    Ok(Some(operation))
}

fn spec(caller: &Caller, order: &Order, hash: &PasswordHash, server: &Server, limits: Limits, php_version: PhpChoice) -> Spec {
    Spec {
        version: SPEC_VERSION,
        account_id: AccountId::generate(),
        owner_id: caller.owner.clone(),
        generation: Generation::FIRST,
        state: State::Active,
        username: order.username.clone(),
        uid: None,
        password_hash: hash.clone(),
        sites: vec![Site { hosts: vec![order.domain.clone()], docroot: Docroot::PublicHtml, pool: PoolName::main(), tls: Tls::None }],
        pools: vec![Pool { name: PoolName::main(), php_version }],
        addresses: Addresses { ipv4: server.ipv4.clone(), ipv6: server.ipv6.clone() },
        limits,
        holds: Vec::new(),
        nameservers: server.nameservers.clone(),
        kept_until: None,
        records: None,
    }
}

/// Answers an order whose external_ref has an account: the same account, with the password of this order, or why it is another order.
/// Nothing, if the account was terminated in the meantime.
async fn repeat(
    core: &Arc<Core>,
    caller: &Caller,
    order: &Order,
    mut account: Account,
    request: &RequestId,
    until: Instant,
) -> Result<Option<Answer>, AppError> {
    same_intent(core, caller, order, &account).await?;
    let mut tries = 0..TRIES;
    while let Some(open) = account.operation.filter(|operation| !operation.outcome.is_final()) {
        if tries.next().is_none() {
            return Err(Refusal::operation_running(&account, open.id, open.kind).into());
        }
        let progress = wait(core, open.id, until).await?;
        let committed = progress.outcome == Outcome::Committed;
        // An earlier change of the account that came to nothing does not concern this order; its own is still to be made.
        if !committed && (open.kind == Kind::Create || !progress.outcome.is_final()) {
            return Ok(Some(unfinished(core, caller, open.id, progress).await?));
        }
        account = read::again(core, caller, account.id).await?;
    }
    if account.status == Status::Terminated {
        return Ok(None);
    }
    same_intent(core, caller, order, &account).await?;
    match change_until(core, caller, account, &NewPassword(order.password.clone()), request, until).await {
        // It was terminated since it was looked at, so that this is an order for a new one.
        Err(AppError::Refused(refusal)) if refusal.code == Code::AccountGone => Ok(None),
        changed => Ok(Some(changed?.answer)),
    }
}

/// Username, domain, package and server are the intent of an order; the password and the PHP are not.
async fn same_intent(core: &Core, caller: &Caller, order: &Order, account: &Account) -> Result<(), AppError> {
    let mut differences = Vec::new();
    if order.username != account.username {
        differences.push(("username", account.username.to_string(), order.username.to_string()));
    }
    if order.domain != account.domain {
        differences.push(("domain", account.domain.to_string(), order.domain.to_string()));
    }
    let package_id = resolve_package(core.store.read(), caller, &order.package).await?.id;
    if account.package.as_ref().is_none_or(|package| package.id != package_id) {
        let there = account.package.as_ref().map(|package| package.name.clone()).unwrap_or_default();
        differences.push(("package", there, order.package.to_string()));
    }
    if let Some(server) = &order.server
        && *server != account.server.name
        && *server != account.server.id.to_string()
    {
        differences.push(("server", account.server.name.clone(), super::order::shown(server)));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let shown = caller.shown_ref(account.external_ref.as_deref()).unwrap_or_default();
    let mut refusal = Refusal::external_ref_mismatch(&shown, &differences);
    refusal.conflict =
        Some(super::Conflict { field: "external_ref".to_owned(), account_id: Some(account.id.to_string()), external_ref: Some(shown) });
    Err(refusal.into())
}

async fn hash_of(order: &Order) -> Result<PasswordHash, AppError> {
    let password = order.password.clone();
    compute("hash a password", move || password.hash()).await
}
