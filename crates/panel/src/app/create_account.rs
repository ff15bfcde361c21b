//! Takes an order for an account: authorise, reserve, call, record.
//!
//! The same order (the same external_ref) may come any number of times and at the same time: there is one account, and every answer
//! speaks of it.

use std::sync::Arc;
use std::time::Duration;

use opterius_model::{
    AccountId, Addresses, Docroot, DomainName, Generation, Limits, OperationId, PackageId, PasswordHash, Pool, PoolName, RequestId,
    SPEC_VERSION, Site, Spec, State, Tls,
};
use tokio::time::Instant;

use super::change_password::change_password;
use super::run_operation::{begin, wait};
use super::servers::choose_server;
use super::{Answer, AppError, Caller, Order, PackageChoice, Progress, Refusal};
use crate::core::{Core, compute};
use crate::store::account::{self, Account, Status};
use crate::store::activity::{self, Entry};
use crate::store::operation::{self, Kind, Operation, Outcome};
use crate::store::server::Server;
use crate::store::{self, claimed_name, package, server, shared_parent_domain};

/// Makes the account that was ordered, or finds the one that the same order made before. Waits at most `patience` for the outcome.
pub(crate) async fn create_account(
    core: &Arc<Core>,
    caller: &Caller,
    order: Order,
    request: &RequestId,
    patience: Duration,
) -> Result<Answer, AppError> {
    let order = &Arc::new(order);
    let until = Instant::now() + patience;
    if let Some(account) = standing(core, caller, order).await? {
        return repeat(core, caller, order, account, request, until).await;
    }
    let hash = hash(order).await?;
    let reserved = match reserve(core, caller, order, &hash, request).await {
        // Somebody was faster between our look and our write; now there is something to see.
        Err(AppError::Store(error)) if error.is_unique_violation() => reserve(core, caller, order, &hash, request).await?,
        other => other?,
    };
    let operation = match reserved {
        Reserved::New(operation) => operation,
        Reserved::Standing(account) => return repeat(core, caller, order, *account, request, until).await,
    };
    let (id, account_id) = (operation.id, operation.account_id);
    begin(core, *operation);
    match wait(core, id, until).await? {
        Progress { outcome: Outcome::Committed, .. } => Ok(Answer::Created(read_account(core, caller, account_id).await?)),
        progress => unfinished(core, caller, id, progress).await,
    }
}

/// The account that the same order made before.
async fn standing(core: &Core, caller: &Caller, order: &Order) -> Result<Option<Account>, AppError> {
    match &order.external_ref {
        Some(external_ref) => Ok(account::by_external_ref(core.store.read(), &caller.owner, external_ref).await?),
        None => Ok(None),
    }
}

enum Reserved {
    New(Box<Operation>),
    /// The same order had been taken in the meantime.
    Standing(Box<Account>),
}

/// Takes the names, and puts account and operation down as running. All of it or nothing.
async fn reserve(core: &Core, caller: &Caller, order: &Order, hash: &PasswordHash, request: &RequestId) -> Result<Reserved, AppError> {
    let mut write = core.store.write().await?;
    if let Some(external_ref) = &order.external_ref
        && let Some(account) = account::by_external_ref(&mut *write, &caller.owner, external_ref).await?
    {
        return Ok(Reserved::Standing(Box::new(account)));
    }
    let (package_id, limits) = resolve_package(&mut write, caller, &order.package).await?;
    let server = choose_server(server::list(&mut *write, &caller.owner).await?, order.server.as_deref())?;
    if let Some(holder) = claimed_name::holder_of_username(&mut *write, &order.username).await? {
        return Err(Refusal::username_taken(caller, &order.username, Some(&holder)).into());
    }
    check_domain(&mut write, caller, &order.domain).await?;

    let now = core.now();
    let spec = spec(core, caller, order, hash, &server, limits);
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
        steps: Vec::new(),
        error: None,
    };
    let new = account::New {
        spec: &spec,
        external_ref: order.external_ref.as_deref(),
        email: order.email.as_ref().map(super::EmailAddress::as_str),
        package_id,
        server_id: server.id,
        operation_id: operation.id,
        now,
    };
    account::insert(&mut write, &new).await?;
    claimed_name::claim(&mut write, spec.account_id, &order.username, &order.domain).await?;
    operation::insert(&mut write, &operation).await?;
    let entry = Entry {
        at: now,
        actor: &operation.actor,
        action: "account.create",
        account_id: Some(spec.account_id),
        operation_id: Some(operation.id),
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("The order of {} ({}) with the package {} was taken on.", order.username, order.domain, order.package),
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    store::commit(write).await?;
    Ok(Reserved::New(Box::new(operation)))
}

/// A domain is free if no account has it, and no other account's domain contains it or is contained in it, but for the shared parents.
async fn check_domain(write: &mut store::Write, caller: &Caller, domain: &DomainName) -> Result<(), AppError> {
    let related = claimed_name::related_domains(&mut **write, domain).await?;
    if related.is_empty() {
        return Ok(());
    }
    let shared = shared_parent_domain::list(&mut **write, &caller.owner).await?;
    let is_shared = |name: &str| shared.iter().any(|parent| parent.as_str() == name);
    for holder in &related {
        let below = |inner: &str, outer: &str| inner.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.'));
        let taken = holder.name == domain.as_str()
            || (below(domain.as_str(), &holder.name) && !is_shared(&holder.name))
            || (below(&holder.name, domain.as_str()) && !is_shared(domain.as_str()));
        if taken {
            return Err(Refusal::domain_taken(caller, domain, holder).into());
        }
    }
    Ok(())
}

async fn resolve_package(write: &mut store::Write, caller: &Caller, choice: &PackageChoice) -> Result<(PackageId, Limits), AppError> {
    let found = match choice {
        PackageChoice::Id(id) => package::resolve_id(&mut **write, &caller.owner, *id).await?,
        PackageChoice::Name(name) => package::resolve_name(&mut **write, &caller.owner, name.as_str()).await?,
    };
    found.ok_or_else(|| Refusal::package_not_found(&choice.to_string()).into())
}

fn spec(core: &Core, caller: &Caller, order: &Order, hash: &PasswordHash, server: &Server, limits: Limits) -> Spec {
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
        pools: vec![Pool { name: PoolName::main(), php_version: core.config.php_version.clone() }],
        addresses: Addresses { ipv4: server.ipv4.clone(), ipv6: server.ipv6.clone() },
        limits,
        holds: Vec::new(),
        nameservers: server.nameservers.clone(),
    }
}

/// Answers an order whose external_ref has an account: the same account, with the password of this order, or why it is another order.
async fn repeat(
    core: &Arc<Core>,
    caller: &Caller,
    order: &Arc<Order>,
    mut account: Account,
    request: &RequestId,
    until: Instant,
) -> Result<Answer, AppError> {
    same_intent(core, caller, order, &account).await?;
    loop {
        if let Some(open) = account.operation.filter(|operation| !operation.outcome.is_final()) {
            let progress = wait(core, open.id, until).await?;
            let committed = progress.outcome == Outcome::Committed;
            // An earlier change of the password that came to nothing does not concern this order; its own is still to be made.
            if !committed && (open.kind == Kind::Create || !progress.outcome.is_final()) {
                return unfinished(core, caller, open.id, progress).await;
            }
            account = read_account(core, caller, account.id).await?;
            continue;
        }
        if matches!(account.status, Status::Failed | Status::Terminated) {
            return Err(Refusal::not_found("account", &account.id.to_string()).into());
        }
        let Some(current) = account.spec.as_ref().map(|spec| spec.password_hash.clone()) else {
            return Err(AppError::Broken("find the Spec of an account that is there"));
        };
        let given = order.clone();
        if compute("compare a password", move || current.matches(&given.password)).await? {
            return Ok(Answer::Repeated(account));
        }
        if let Some(id) = change_password(core, caller, &account, hash(order).await?, request).await? {
            let progress = wait(core, id, until).await?;
            if progress.outcome != Outcome::Committed {
                return unfinished(core, caller, id, progress).await;
            }
        }
        account = read_account(core, caller, account.id).await?;
    }
}

/// Username, domain, package and server are the intent of an order; the password is not.
async fn same_intent(core: &Core, caller: &Caller, order: &Order, account: &Account) -> Result<(), AppError> {
    let mut differences = Vec::new();
    if order.username != account.username {
        differences.push(("username", account.username.to_string(), order.username.to_string()));
    }
    if order.domain != account.domain {
        differences.push(("domain", account.domain.to_string(), order.domain.to_string()));
    }
    let found = match &order.package {
        PackageChoice::Id(id) => package::resolve_id(core.store.read(), &caller.owner, *id).await?,
        PackageChoice::Name(name) => package::resolve_name(core.store.read(), &caller.owner, name.as_str()).await?,
    };
    let (package_id, _) = found.ok_or_else(|| Refusal::package_not_found(&order.package.to_string()))?;
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

/// The answer to an operation that is not committed: that it is running, or why it is not done.
async fn unfinished(core: &Core, caller: &Caller, id: OperationId, progress: Progress) -> Result<Answer, AppError> {
    match progress {
        Progress { outcome: Outcome::Running, .. } => {
            let operation = operation::by_id(core.store.read(), &caller.owner, id).await?;
            Ok(Answer::Running(operation.ok_or(AppError::Broken("find an operation that is there"))?))
        }
        Progress { error: Some(error), .. } => Err(error.into()),
        Progress { .. } => Err(AppError::Broken("say why an operation is not done")),
    }
}

async fn read_account(core: &Core, caller: &Caller, id: AccountId) -> Result<Account, AppError> {
    account::by_id(core.store.read(), &caller.owner, id).await?.ok_or(AppError::Broken("find an account that is there"))
}

async fn hash(order: &Arc<Order>) -> Result<PasswordHash, AppError> {
    let order = order.clone();
    compute("hash a password", move || order.password.hash()).await
}
