//! Accounts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use opterius_model::{AccountId, DomainName, Hold, Limit, PackageId, PackageName, PhpChoice, Username};
use opterius_protocol::agent::Drift;
use serde::Serialize;
use utoipa::ToSchema;

use super::operations::{OperationView, patience, running};
use super::plan::{ChangeView, ConflictView, MissingView, PlanView};
use super::shape::{Data, Id, List, Page, data};
use super::texts;
use crate::app::{
    self, Answer, Caller, ClientChange, ClientRef, Code, EmailAddress, ExternalRef, KeptDays, NewPassword, Obstacle, Order, PackageChange,
    PackageChoice, PhpChange, Plan, Reason, Reference, Repair, Restore, Suspend, Terminate, Unsuspend, Verb,
};
use crate::core::Core;
use crate::http::cursor::Cursor;
use crate::http::fields::{Body, Fields, OptionalBody, QueryFields};
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::store::account::{self, Account, Client, Filter, Status};

/// What any change of an account may be refused with.
const CHANGE: &[Code] = &[
    Code::AccountGone,
    Code::OperationRunning,
    Code::ChangedMeanwhile,
    Code::NeedsAttention,
    Code::ServerUnreachable,
    Code::ServerNotConfigured,
    Code::ProvisioningFailed,
    Code::UsernameTaken,
    Code::DomainTaken,
];

/// What a restore may be refused with.
fn restore_refusals() -> Vec<Code> {
    [CHANGE, &[Code::ExternalRefTaken, Code::ServerFull]].concat()
}

/// What a change of the package may be refused with.
fn package_refusals() -> Vec<Code> {
    [CHANGE, &[Code::PackageNotFound, Code::PackageRetired, Code::LimitsBelowUse]].concat()
}

/// What an order may be refused with.
fn order_refusals() -> Vec<Code> {
    let own =
        [Code::PackageNotFound, Code::PackageRetired, Code::ExternalRefMismatch, Code::ExternalRefTaken, Code::ServerFull, Code::NotFound];
    [CHANGE, &own].concat()
}

/// One customer's hosting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    /// For ever: never used again.
    id: String,
    owner: String,
    /// The caller's own name for it, without the token's prefix.
    external_ref: Option<String>,
    username: String,
    /// The primary domain, as a lower-case A-label.
    domain: String,
    email: Option<String>,
    /// The caller's own name for the client that it is for, without the token's prefix.
    client_ref: Option<String>,
    /// When the client pays next, as in 2026-12-31.
    next_due_on: Option<String>,
    package: PackageName_,
    server: ServerName,
    /// `provisioning`, `active`, `suspended`, `needs_attention`; `terminated` only in lists that ask for it.
    status: &'static str,
    /// Who holds it, if it is suspended.
    holds: Vec<HoldView>,
    /// A sentence for people, if it is suspended: who holds it, and why.
    notice: Option<String>,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    nameservers: Vec<String>,
    /// The PHP that its site is to run: `newest`, or a version.
    php_version: Option<String>,
    /// The version that its server runs for it, where that is known: of `newest` the newest that is installed, and another one than was chosen where that is not.
    php_runs: Option<String>,
    /// Of its Linux user, once it is there.
    uid: Option<u32>,
    created_at: i64,
    /// When it was terminated.
    terminated_at: Option<i64>,
    /// Until when it can be restored; null if nothing of it was kept.
    restorable_until: Option<i64>,
    /// Counts its desired states; it only grows.
    generation: u64,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
    /// The limits that its package does not decide.
    overrides: BTreeMap<String, u64>,
    /// Only in the answer to a change of the package: the overrides that were dropped for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_overrides: Option<BTreeMap<String, u64>>,
    /// Only in the answer to an order: the account that had this external_ref before, if it could still be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousView>,
    /// For every limit: `enforced`, `not enforced on this server`, or `unknown` while the server does not answer.
    enforcement: BTreeMap<String, String>,
    /// Its last operation.
    operation: Option<OperationName>,
    /// What of it is not as it should be, as its server saw when it last looked; null if nothing is.
    drift: Option<DriftView>,
}

/// What of an account is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Drift)]
struct DriftView {
    found_at: i64,
    /// What a repair would change.
    changes: Vec<ChangeView>,
    /// What would be in the way of a repair.
    conflicts: Vec<ConflictView>,
    /// What a repair needs and is not there.
    missing: Vec<MissingView>,
    /// Whether the server has mended it by itself since.
    mended: bool,
}

impl From<Drift> for DriftView {
    fn from(drift: Drift) -> Self {
        Self {
            found_at: drift.found_at.0,
            changes: drift.plan.changes.into_iter().map(ChangeView::from).collect(),
            conflicts: drift.plan.conflicts.into_iter().map(|failure| Obstacle::from(failure).into()).collect(),
            missing: drift.plan.missing.into_iter().map(|failure| Obstacle::from(failure).into()).collect(),
            mended: drift.mended,
        }
    }
}

/// Who holds a suspended account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
struct HoldView {
    /// `billing` or `abuse`.
    hold: &'static str,
    reason: String,
    since: i64,
    /// As the Activity names who set it.
    by: String,
}

/// An account that is terminated and could still be restored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PreviousAccount)]
struct PreviousView {
    id: String,
    terminated_at: Option<i64>,
    restorable_until: Option<i64>,
}

/// What is left of an account that was terminated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TerminatedAccount)]
pub(crate) struct TerminatedView {
    id: String,
    username: String,
    domain: String,
    external_ref: Option<String>,
    terminated_at: Option<i64>,
    /// Until when it can be restored; null if nothing of it was kept.
    restorable_until: Option<i64>,
    /// `terminated`.
    status: &'static str,
}

impl TerminatedView {
    fn new(caller: &Caller, account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            external_ref: caller.shown_ref(account.external_ref.as_deref()),
            terminated_at: account.terminated_at.map(|at| at.0),
            restorable_until: account.kept_until.map(|until| until.0),
            status: account.status.as_str(),
        }
    }
}

/// What answers a change: the account as it is now, or with `plan` what the change would do.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedAccount)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer in the document")]
enum ChangedView {
    Account(Box<Data<AccountView>>),
    Plan(Data<PlanView>),
}

/// What answers a terminate.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedAccount)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer in the document")]
enum EndedView {
    Account(Data<TerminatedView>),
    Plan(Data<PlanView>),
}

/// A package, by name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageName)]
struct PackageName_ {
    id: String,
    name: String,
}

/// A server, by name.
#[derive(Debug, Serialize, ToSchema)]
struct ServerName {
    id: String,
    name: String,
    hostname: String,
}

/// An operation, by what came of it.
#[derive(Debug, Serialize, ToSchema)]
struct OperationName {
    id: String,
    kind: &'static str,
    outcome: &'static str,
}

impl AccountView {
    fn new(core: &Core, caller: &Caller, account: Account) -> Self {
        let enforcement = core.fleet.enforcement(account.server.id);
        Self::with(core, caller, account, enforcement)
    }

    fn with(core: &Core, caller: &Caller, account: Account, enforcement: BTreeMap<String, String>) -> Self {
        let drift = core.fleet.drift(account.server.id, account.id).map(DriftView::from);
        let package = account.package.map(|package| (package.id.to_string(), package.name)).unwrap_or_default();
        let (mut ipv4, mut ipv6, mut nameservers, mut limits) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        let (mut php_version, mut php_runs) = (None, None);
        if let Some(spec) = account.spec {
            ipv4 = spec.addresses.ipv4.iter().map(ToString::to_string).collect();
            ipv6 = spec.addresses.ipv6.iter().map(ToString::to_string).collect();
            nameservers = spec.nameservers.iter().map(ToString::to_string).collect();
            let choice = spec.pools.first().map(|pool| &pool.php_version);
            php_version = choice.map(ToString::to_string);
            php_runs = choice.and_then(|choice| core.fleet.php_of(account.server.id, choice));
            limits = spec.limits.named().into_iter().map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect();
        }
        // A terminated account remembers who held it, and is held by nobody.
        let holds = if account.status == Status::Terminated { Vec::new() } else { account.holds };
        let notice = (!holds.is_empty()).then(|| {
            let held: Vec<String> = holds.iter().map(|hold| format!("{} ({})", hold.hold, hold.reason)).collect();
            format!("The account is suspended: {}.", held.join(", "))
        });
        Self {
            id: account.id.to_string(),
            external_ref: caller.shown_ref(account.external_ref.as_deref()),
            owner: account.owner,
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            email: account.email,
            client_ref: caller.shown_ref(account.client.client_ref.as_deref()),
            next_due_on: account.client.next_due_on.map(|day| day.to_string()),
            package: PackageName_ { id: package.0, name: package.1 },
            server: ServerName {
                id: account.server.id.to_string(),
                name: account.server.name,
                hostname: account.server.hostname.unwrap_or_default(),
            },
            status: account.status.as_str(),
            holds: holds
                .into_iter()
                .map(|hold| HoldView { hold: hold.hold.as_str(), reason: hold.reason, since: hold.since.0, by: hold.by })
                .collect(),
            notice,
            ipv4,
            ipv6,
            nameservers,
            php_version,
            php_runs,
            uid: account.uid,
            created_at: account.created_at.0,
            terminated_at: account.terminated_at.map(|at| at.0),
            restorable_until: account.kept_until.map(|until| until.0),
            generation: account.generation.get(),
            limits,
            overrides: numbers(account.overrides),
            dropped_overrides: None,
            previous: None,
            enforcement,
            operation: account.operation.map(|operation| OperationName {
                id: operation.id.to_string(),
                kind: operation.kind.as_str(),
                outcome: operation.outcome.as_str(),
            }),
            drift,
        }
    }
}

fn numbers(limits: BTreeMap<String, Limit>) -> BTreeMap<String, u64> {
    limits.into_iter().map(|(name, limit)| (name, u64::from(limit))).collect()
}

/// An order for an account.
#[derive(ToSchema)]
#[schema(as = CreateAccount)]
#[expect(dead_code, reason = "describes the body in the document; it is read field by field, so that all that is wrong is told at once")]
struct CreateAccountBody {
    username: texts::Username,
    domain: texts::Domain,
    password: texts::Password,
    /// The exact name of a package, case included; or give `package_id`.
    package: Option<texts::ChosenPackage>,
    /// The id of a package, which renaming does not change; or give `package`.
    package_id: Option<texts::ChosenPackageId>,
    email: Option<texts::Email>,
    /// The id or name of a server; the default one if nothing is said.
    server: Option<texts::ServerChoice>,
    /// `newest`, or a version that the server has; what the Panel's configuration says, if nothing is said.
    php_version: Option<texts::PhpChoice>,
    /// The caller's own name for the account, 1 to 100 of `A-Za-z0-9._:-`. With it, the same order may be sent any number of times. A token with a
    /// ref prefix orders nothing without one.
    external_ref: Option<texts::OrderRef>,
    /// The caller's own name for the client, 1 to 100 of `A-Za-z0-9._:-`.
    client_ref: Option<texts::ExternalRef>,
    /// When the client pays next, as in 2026-12-31.
    next_due_on: Option<texts::Day>,
}

/// Order an account
///
/// Answers when the account is wholly there and its site was seen to answer, or when nothing of it is left. After 20 seconds, or at once with `Prefer: respond-async`, it answers 202 with the running operation.
///
/// The same external_ref with the same username, domain, package and server is the same order: it is answered with the account, whose password becomes the one given.
///
/// A token has 200 operations open on a server at most, those that wait for their turn included, but for what suspends or ends accounts. More are refused with `too_many_requests`, and a `Retry-After`.
#[utoipa::path(
    post, path = "/api/accounts", operation_id = "account.create", extensions(("x-refusals" = json!(order_refusals()))), tag = "accounts", security(("token" = ["accounts.create"])),
    params(("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = CreateAccountBody,
    responses(
        (status = 201, description = "The account was made.", body = Data<AccountView>, headers(("Location" = String, description = "The account."))),
        (status = 200, description = "The same order made this account before. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    call: Call,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    Body(fields): Body,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let order = order(&core, &call.caller, fields).await?;
    if how.plan {
        return Ok(planned(app::plan_order(&core, &call.caller, &order, &call.request_id).await?));
    }
    let answer = app::create_account(&core, &call.caller, order, &call.request_id, how.patience).await?;
    Ok(answered(&core, &call.caller, answer, |view| view))
}

/// How a change is to be made.
struct How {
    /// Not at all: only say what it would do.
    plan: bool,
    /// How long the caller waits for its outcome.
    patience: Duration,
}

impl How {
    /// Reads the rest of the query, and the headers.
    fn asked(core: &Core, headers: &HeaderMap, mut query: Fields) -> Result<Self, Problem> {
        let plan = query.truth("plan", false);
        query.finish(Some(Self { plan, patience: patience(core, headers) }))
    }
}

/// Makes a change, or says what it would do. `more` adds to the account's view what is said only this once; it sees the account from before.
async fn changed<V: Verb>(
    core: &Arc<Core>,
    call: &Call,
    id: &Reference,
    verb: &V,
    how: How,
    more: impl FnOnce(&Account, AccountView) -> AccountView,
) -> Result<Response, Problem> {
    if how.plan {
        return Ok(planned(app::plan_change(core, &call.caller, id, verb).await?));
    }
    let changed = app::change_account(core, &call.caller, id, verb, &call.request_id, how.patience).await?;
    Ok(answered(core, &call.caller, changed.answer, |view| more(&changed.before, view)))
}

fn planned(plan: Plan) -> Response {
    data(PlanView::from(plan)).into_response()
}

/// The answer with the account, which `more` may add to, or with the operation that goes on.
fn answered(core: &Core, caller: &Caller, answer: Answer, more: impl FnOnce(AccountView) -> AccountView) -> Response {
    match answer {
        Answer::Created { account, previous } => {
            let location = format!("/api/accounts/{}", account.id);
            let previous = previous.map(|previous| PreviousView {
                id: previous.id.to_string(),
                terminated_at: previous.terminated_at.map(|at| at.0),
                restorable_until: previous.kept_until.map(|until| until.0),
            });
            let view = AccountView { previous, ..AccountView::new(core, caller, account) };
            (StatusCode::CREATED, [(header::LOCATION, location)], data(more(view))).into_response()
        }
        Answer::Done(account) if account.status == Status::Terminated => data(TerminatedView::new(caller, &account)).into_response(),
        Answer::Done(account) => data(more(AccountView::new(core, caller, account))).into_response(),
        Answer::Running(operation) => running(core, caller, *operation),
    }
}

/// Reads an order, and says all that is wrong with it.
pub(crate) async fn order(core: &Core, caller: &Caller, mut fields: Fields) -> Result<Order, Problem> {
    let reserved = app::reserved_names(core).await?;
    let username = fields.required("username", Username::parse);
    let domain = fields.required("domain", DomainName::parse);
    refuse_reserved(&mut fields, domain.as_ref(), &reserved);
    let password = fields.password("password");
    let package = package_choice(&mut fields);
    let email = fields.optional("email", EmailAddress::parse);
    let server = fields.optional("server", server_choice);
    let php_version = fields.optional("php_version", PhpChoice::parse);
    let external_ref = if caller.ref_prefix.is_some() {
        // Without one, the token that ordered the account could never see it.
        fields.required("external_ref", ExternalRef::parse)
    } else {
        fields.optional("external_ref", ExternalRef::parse)
    };
    let client = Client {
        client_ref: fields.optional("client_ref", ClientRef::parse).map(|client_ref| caller.stored_client_ref(&client_ref)),
        next_due_on: fields.optional("next_due_on", app::day),
    };
    let order = (|| {
        Some(Order {
            username: username?,
            domain: domain?,
            password: Arc::new(password?),
            package: package?,
            email,
            server,
            php_version,
            external_ref: external_ref.map(|external_ref| caller.stored_ref(&external_ref)),
            client,
        })
    })();
    fields.finish(order)
}

/// How an order names its server.
pub(super) fn server_choice(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=64 => Ok(text.to_owned()),
        _ => Err("`server` must be the id or the name of a server".to_owned()),
    }
}

/// A name that no account gets.
pub(crate) fn refuse_reserved(fields: &mut Fields, domain: Option<&DomainName>, reserved: &[DomainName]) {
    if let Some(detail) = domain.and_then(|domain| app::reserved(domain, reserved)) {
        fields.refuse("domain", "reserved", detail);
    }
}

pub(super) fn package_choice(fields: &mut Fields) -> Option<PackageChoice> {
    match (fields.has("package"), fields.has("package_id")) {
        (_, false) => fields.required("package", PackageName::parse).map(PackageChoice::Name),
        (false, true) => fields.required("package_id", PackageId::parse).map(PackageChoice::Id),
        (true, true) => {
            let _ = (fields.optional("package", PackageName::parse), fields.optional("package_id", PackageId::parse));
            fields.refuse("package_id", "invalid", "give `package` or `package_id`, not both");
            None
        }
    }
}

/// List accounts
///
/// Accounts that are there or are being made, in the order in which they were made.
#[utoipa::path(
    get, path = "/api/accounts", operation_id = "account.list", tag = "accounts", security(("token" = ["accounts.read"])),
    params(
        ("username" = inline(Option<texts::Username>), Query, description = "Only this one."),
        ("domain" = inline(Option<texts::Domain>), Query, description = "Only this one."),
        ("external_ref" = inline(Option<texts::ExternalRef>), Query, description = "Only this one, as the caller knows it."),
        ("client_ref" = inline(Option<texts::ExternalRef>), Query, description = "Only those of this client, as the caller knows it."),
        ("status" = inline(Option<texts::ListedStatus>), Query, description = "Only accounts with this status; `terminated` is only listed when asked for."),
        ("cursor" = inline(Option<texts::AccountCursor>), Query, description = "`next` of the page before."),
        ("limit" = inline(Option<texts::PageSize>), Query, description = "At most so many, 1 to 500; 100 if nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<AccountView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(fields): QueryFields,
) -> Result<Json<List<AccountView>>, Problem> {
    let (filter, after, limit) = asked(&core, &call.caller, fields)?;
    let owner = &call.caller.owner;
    let total = account::count(core.store.read(), owner, &filter).await?;
    let mut rows = account::list(core.store.read(), owner, &filter, after, limit + 1).await?;
    let next = Cursor::cut(&mut rows, limit, filter.snapshot, |row| row.id).map(|cursor| cursor.to_string());
    let mut enforcement = BTreeMap::new();
    let view = |row: Account| {
        let known = enforcement.entry(row.server.id).or_insert_with(|| core.fleet.enforcement(row.server.id)).clone();
        AccountView::with(&core, &call.caller, row, known)
    };
    let data = rows.into_iter().map(view).collect();
    Ok(Json(List { data, page: Page { next, total, snapshot: filter.snapshot.0.to_string() } }))
}

fn asked(core: &Core, caller: &Caller, mut fields: Fields) -> Result<(Filter, Option<AccountId>, u32), Problem> {
    let username = fields.optional("username", Username::parse);
    let domain = fields.optional("domain", DomainName::parse);
    let external_ref = fields.optional("external_ref", ExternalRef::parse);
    let client_ref = fields.optional("client_ref", ClientRef::parse);
    let status = fields.optional("status", |text| match text.parse::<Status>() {
        Ok(Status::Failed) => Err("an account whose create failed is in no list: look at its operation".to_owned()),
        Ok(status) => Ok(status),
        Err(error) => Err(error.to_string()),
    });
    let cursor = fields.optional("cursor", Cursor::parse);
    let limit = fields.page_size(500).unwrap_or(100);
    let filter = Filter {
        username: username.map(|name| name.to_string()),
        domain: domain.map(|name| name.to_string()),
        external_ref: external_ref.map(|external_ref| caller.stored_ref(&external_ref)),
        client_ref: client_ref.map(|client_ref| caller.stored_client_ref(&client_ref)),
        ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        status,
        snapshot: cursor.map_or_else(|| core.now(), |cursor| cursor.snapshot),
    };
    fields.finish(Some((filter, cursor.map(|cursor| cursor.after), limit)))
}

/// Look at an account
///
/// One that was terminated is answered 410, with when, and until when it can be restored.
#[utoipa::path(
    get, path = "/api/accounts/{id}", operation_id = "account.read", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "The account.", body = Data<AccountView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<AccountView>>, Problem> {
    let account = app::account(&core, &call.caller, &id).await?;
    Ok(data(AccountView::new(&core, &call.caller, account)))
}

/// What is kept with an account of its client. What is not given stays as it is, and null takes it away.
#[derive(ToSchema)]
#[schema(as = RecordAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct RecordBody {
    email: Option<texts::Email>,
    /// The caller's own name for the client, 1 to 100 of `A-Za-z0-9._:-`.
    client_ref: Option<texts::ExternalRef>,
    /// When the client pays next, as in 2026-12-31.
    next_due_on: Option<texts::Day>,
}

/// Change what is kept of an account's client
///
/// Only the Panel keeps it: there is no operation, and the account's server is not asked.
#[utoipa::path(
    patch, path = "/api/accounts/{id}", operation_id = "account.record", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.record"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    request_body = RecordBody,
    responses((status = 200, description = "The account.", body = Data<AccountView>))
)]
pub(crate) async fn record(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    Body(mut fields): Body,
) -> Result<Json<Data<AccountView>>, Problem> {
    let change = ClientChange {
        email: fields.edit("email", EmailAddress::parse),
        client_ref: fields.edit("client_ref", ClientRef::parse).map(|client_ref| call.caller.stored_client_ref(&client_ref)),
        next_due_on: fields.edit("next_due_on", app::day),
    };
    let change = fields.finish(Some(change))?;
    let account = app::record_account(&core, &call.caller, &id, change, &call.request_id).await?;
    Ok(data(AccountView::new(&core, &call.caller, account)))
}

/// Why an account is to be suspended.
#[derive(ToSchema)]
#[schema(as = SuspendAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct SuspendBody {
    /// 1 to 500 characters on one line; kept, and shown to whoever may see the account.
    reason: texts::Reason,
    /// `billing` or `abuse`. If nothing is said: `billing` for a token with a ref prefix, which sets no other, `abuse` for everybody else.
    hold: Option<texts::HoldWord>,
}

/// Which hold is to be lifted.
#[derive(ToSchema)]
#[schema(as = UnsuspendAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct UnsuspendBody {
    /// As for a suspension.
    hold: Option<texts::HoldWord>,
}

/// Suspend an account
///
/// Its site answers 503 from the next request on, and nothing of it runs; its data stay. Holds are separate: a hold that is there already only gets the new reason.
#[utoipa::path(
    post, path = "/api/accounts/{id}/suspend", operation_id = "account.suspend", extensions(("x-refusals" = json!(CHANGE))), tag = "accounts", security(("token" = ["accounts.suspend"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = SuspendBody,
    responses(
        (status = 200, description = "The account, suspended. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn suspend(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    Body(mut fields): Body,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let reason = fields.required("reason", Reason::parse);
    let hold = fields.optional("hold", str::parse::<Hold>);
    let reason = fields.finish(reason)?;
    let verb = Suspend::by(&call.caller, hold, reason)?;
    changed(&core, &call, &id, &verb, how, |_, view| view).await
}

/// Lift a suspension
///
/// Only one's own hold. What else holds the account is in `holds` and `notice`, and it stays suspended.
#[utoipa::path(
    post, path = "/api/accounts/{id}/unsuspend", operation_id = "account.unsuspend", extensions(("x-refusals" = json!(CHANGE))), tag = "accounts", security(("token" = ["accounts.suspend"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = Option<UnsuspendBody>,
    responses(
        (status = 200, description = "The account without this hold. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn unsuspend(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    OptionalBody(mut fields): OptionalBody,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let hold = fields.optional("hold", str::parse::<Hold>);
    let () = fields.finish(Some(()))?;
    let verb = Unsuspend::by(&call.caller, hold)?;
    changed(&core, &call, &id, &verb, how, |_, mut view| {
        view.notice = view.notice.map(|notice| notice.replacen("is suspended", "stays suspended", 1));
        view
    })
    .await
}

/// Limits to set, and with null those to leave to the package.
#[derive(ToSchema)]
#[schema(as = Overrides)]
#[expect(dead_code, reason = "describes the body in the document")]
struct LimitsBody {
    disk_mib: Option<texts::Limit>,
    files: Option<texts::Limit>,
    bandwidth_gib: Option<texts::Limit>,
    php_workers: Option<texts::Limit>,
    php_memory_mib: Option<texts::Limit>,
    cpu_percent: Option<texts::Limit>,
    memory_mib: Option<texts::Limit>,
    processes: Option<texts::Limit>,
    sub_sites: Option<texts::Limit>,
    databases: Option<texts::Limit>,
    mailboxes: Option<texts::Limit>,
}

/// What an account is to have.
#[derive(ToSchema)]
#[schema(as = ChangeAccountPackage)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangePackageBody {
    /// The exact name of a package, case included; or give `package_id`.
    package: Option<texts::ChosenPackage>,
    package_id: Option<texts::ChosenPackageId>,
    /// Overrides: for every limit a number (0 means unlimited), or null to leave it to the package.
    limits: Option<LimitsBody>,
    /// Whether the account's other overrides stay; true if nothing is said.
    keep_overrides: Option<bool>,
    /// Sets limits that are below what is used, too.
    force: Option<bool>,
}

/// Change an account's package
///
/// Every limit changes at once. A limit that gets lower than what is used is refused with the numbers, unless it is forced.
#[utoipa::path(
    put, path = "/api/accounts/{id}/package", operation_id = "account.package", extensions(("x-refusals" = json!(package_refusals()))), tag = "accounts", security(("token" = ["accounts.package"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = ChangePackageBody,
    responses(
        (status = 200, description = "The account with its package. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn change_package(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    Body(mut fields): Body,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let package = package_choice(&mut fields);
    let overrides = fields.overrides("limits");
    let keep_overrides = fields.truth("keep_overrides", true);
    let force = fields.truth("force", false);
    let package = fields.finish(package)?;
    let verb = PackageChange { package, overrides, keep_overrides, force };
    changed(&core, &call, &id, &verb, how, |before, view| AccountView { dropped_overrides: Some(numbers(verb.dropped(before))), ..view })
        .await
}

/// Another password.
#[derive(ToSchema)]
#[schema(as = ChangeAccountPassword)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangePasswordBody {
    password: texts::Password,
}

/// Change an account's password
///
/// On its server and here, or not at all.
#[utoipa::path(
    put, path = "/api/accounts/{id}/password", operation_id = "account.password", extensions(("x-refusals" = json!(CHANGE))), tag = "accounts", security(("token" = ["accounts.password"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = ChangePasswordBody,
    responses(
        (status = 200, description = "The account; this is its password now. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn change_password(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    Body(mut fields): Body,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let password = fields.password("password");
    let password = fields.finish(password)?;
    changed(&core, &call, &id, &NewPassword(Arc::new(password)), how, |_, view| view).await
}

/// Another PHP.
#[derive(ToSchema)]
#[schema(as = ChangeAccountPhp)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangePhpBody {
    /// `newest`, or a version that the server has.
    php_version: texts::PhpChoice,
}

/// Change an account's PHP
///
/// Requests that are running end with the PHP that they began with; the next one is answered by the other. A version that the server does not have is refused, with those that it has.
#[utoipa::path(
    put, path = "/api/accounts/{id}/php", operation_id = "account.php_version", extensions(("x-refusals" = json!(CHANGE))), tag = "accounts", security(("token" = ["accounts.php"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = ChangePhpBody,
    responses(
        (status = 200, description = "The account with its PHP. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn change_php(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    Body(mut fields): Body,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let choice = fields.required("php_version", PhpChoice::parse);
    let choice = fields.finish(choice)?;
    changed(&core, &call, &id, &PhpChange(choice), how, |_, view| view).await
}

/// Terminate an account
///
/// Site, PHP, user and zone are gone at once and its names free; its files are kept for a while, so that it can be restored. Again: the same answer.
#[utoipa::path(
    delete, path = "/api/accounts/{id}", operation_id = "account.terminate", extensions(("x-refusals" = json!(CHANGE))), tag = "accounts", security(("token" = ["accounts.terminate"])),
    params(
        ("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."),
        ("keep_days" = inline(Option<texts::KeptDays>), Query, description = "For how many days it can be restored, 0 to 365; as the settings say if nothing is said here."),
        ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."),
        ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once."),
    ),
    responses(
        (status = 200, description = "It is terminated. With `plan`: the plan.", body = EndedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn terminate(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(mut query): QueryFields,
) -> Result<Response, Problem> {
    let keep = query.optional("keep_days", KeptDays::parse);
    let how = How::asked(&core, &headers, query)?;
    let verb = Terminate::keeping(&core, keep).await?;
    changed(&core, &call, &id, &verb, how, |_, view| view).await
}

/// Under which names an account is to come back.
#[derive(ToSchema)]
#[schema(as = RestoreAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct RestoreBody {
    /// The one it had, if nothing is said. An account that is there has one already (`invalid`).
    username: Option<texts::RestoredUsername>,
    /// The one it had, if nothing is said. An account that is there has one already (`invalid`).
    domain: Option<texts::Domain>,
}

/// Restore a terminated account
///
/// As it was, its holds included, as long as it is kept and its names are free; perhaps under other names.
#[utoipa::path(
    post, path = "/api/accounts/{id}/restore", operation_id = "account.restore", extensions(("x-refusals" = json!(restore_refusals()))), tag = "accounts", security(("token" = ["accounts.restore"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = Option<RestoreBody>,
    responses(
        (status = 200, description = "The account, there again. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn restore(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    OptionalBody(mut fields): OptionalBody,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let reserved = app::reserved_names(&core).await?;
    let username = fields.optional("username", Username::parse);
    let domain = fields.optional("domain", DomainName::parse);
    refuse_reserved(&mut fields, domain.as_ref(), &reserved);
    let restore = fields.finish(Some(Restore { username, domain }))?;
    changed(&core, &call, &id, &restore, how, |_, view| view).await
}

/// Repair an account
///
/// Makes its server as the account's desired state says, whatever has become of it since. `GET /api/accounts/{id}/plan` says what that would change.
#[utoipa::path(
    post, path = "/api/accounts/{id}/repair", operation_id = "account.repair", extensions(("x-refusals" = json!(CHANGE))), tag = "accounts", security(("token" = ["accounts.repair"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    responses(
        (status = 200, description = "The account, as it should be. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn repair(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    OptionalBody(fields): OptionalBody,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let () = fields.finish(Some(()))?;
    changed(&core, &call, &id, &Repair, how, |_, view| view).await
}

/// Plan a repair
///
/// What of the account is not as it should be, and what would be in the way of mending it. Nothing is touched. Every other change is planned with `?plan=true`.
#[utoipa::path(
    get, path = "/api/accounts/{id}/plan", operation_id = "account.plan", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "What a repair would change.", body = Data<PlanView>))
)]
pub(crate) async fn plan(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<PlanView>>, Problem> {
    Ok(data(app::plan_change(&core, &call.caller, &id, &Repair).await?.into()))
}

/// What an account uses of what it may.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageView {
    account_id: String,
    measured_at: i64,
    /// Disk space of the home, as blocks taken.
    disk_bytes: u64,
    /// Files, directories and links in the home.
    files: u64,
    /// Whether the account may use more than `disk_bytes` and `files` say: not all of its home could be counted.
    disk_at_least: bool,
    /// Traffic of this calendar month (UTC), in and out.
    traffic_bytes: u64,
    /// Processes now.
    processes: u64,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
}

/// Measure what an account uses
#[utoipa::path(
    get, path = "/api/accounts/{id}/usage", operation_id = "account.usage", extensions(("x-refusals" = json!([Code::AccountGone, Code::ServerUnreachable]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "What it uses now.", body = Data<UsageView>))
)]
pub(crate) async fn usage(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<UsageView>>, Problem> {
    let (account, usage) = app::usage(&core, &call.caller, &id).await?;
    let limits = account.spec.iter().flat_map(|spec| spec.limits.named());
    Ok(data(UsageView {
        account_id: account.id.to_string(),
        measured_at: usage.measured_at.0,
        disk_bytes: usage.disk_bytes,
        files: usage.files,
        disk_at_least: usage.at_least,
        traffic_bytes: usage.traffic_bytes,
        processes: usage.processes,
        limits: limits.map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect(),
    }))
}
