//! Accounts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use opterius_model::{AccountId, DomainName, PackageId, PackageName, Username};
use opterius_protocol::Micros;
use serde::Serialize;
use utoipa::ToSchema;

use super::operations::OperationView;
use super::shape::{Data, Id, List, Page, data};
use crate::app::{self, Answer, Caller, EmailAddress, ExternalRef, Order, PackageChoice};
use crate::core::Core;
use crate::http::fields::{Body, Fields, QueryFields};
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::store::account::{self, Account, Filter, Status};

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
    package: PackageName_,
    server: ServerName,
    /// `provisioning`, `active`, `suspended`, `needs_attention`.
    status: &'static str,
    ipv4: Vec<String>,
    ipv6: Vec<String>,
    nameservers: Vec<String>,
    /// Of its Linux user, once it is there.
    uid: Option<u32>,
    created_at: i64,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
    /// For every limit: `enforced`, `not enforced on this server`, or `unknown` while the server does not answer.
    enforcement: BTreeMap<String, String>,
    /// Its last operation.
    operation: Option<OperationName>,
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
        Self::with(caller, account, enforcement)
    }

    fn with(caller: &Caller, account: Account, enforcement: BTreeMap<String, String>) -> Self {
        let package = account.package.map(|package| (package.id.to_string(), package.name)).unwrap_or_default();
        let (mut ipv4, mut ipv6, mut nameservers, mut limits) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        if let Some(spec) = account.spec {
            ipv4 = spec.addresses.ipv4.iter().map(ToString::to_string).collect();
            ipv6 = spec.addresses.ipv6.iter().map(ToString::to_string).collect();
            nameservers = spec.nameservers.iter().map(ToString::to_string).collect();
            limits = spec.limits.named().into_iter().map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect();
        }
        Self {
            id: account.id.to_string(),
            external_ref: caller.shown_ref(account.external_ref.as_deref()),
            owner: account.owner,
            username: account.username.to_string(),
            domain: account.domain.to_string(),
            email: account.email,
            package: PackageName_ { id: package.0, name: package.1 },
            server: ServerName {
                id: account.server.id.to_string(),
                name: account.server.name,
                hostname: account.server.hostname.unwrap_or_default(),
            },
            status: account.status.as_str(),
            ipv4,
            ipv6,
            nameservers,
            uid: account.uid,
            created_at: account.created_at.0,
            limits,
            enforcement,
            operation: account.operation.map(|operation| OperationName {
                id: operation.id.to_string(),
                kind: operation.kind.as_str(),
                outcome: operation.outcome.as_str(),
            }),
        }
    }
}

/// An order for an account.
#[derive(ToSchema)]
#[schema(as = CreateAccount)]
#[expect(dead_code, reason = "describes the body in the document; it is read field by field, so that all that is wrong is told at once")]
struct CreateAccountBody {
    /// 3 to 32 lower-case letters and digits, a letter first.
    username: String,
    /// A name below a public suffix, as U-label or A-label, without `www.`.
    domain: String,
    /// 8 to 128 characters, no control characters.
    #[schema(format = Password)]
    password: String,
    /// The exact name of a package, case included; or give `package_id`.
    package: Option<String>,
    /// The id of a package, which renaming does not change; or give `package`.
    package_id: Option<String>,
    email: Option<String>,
    /// The id or name of a server; the default one if nothing is said.
    server: Option<String>,
    /// The caller's own name for the account, 1 to 100 of `A-Za-z0-9._:-`. With it, the same order may be sent any number of times.
    external_ref: Option<String>,
}

/// Order an account
///
/// Answers when the account is wholly there and its site was seen to answer, or when nothing of it is left. After 20 seconds, or at once with `Prefer: respond-async`, it answers 202 with the running operation.
///
/// The same external_ref with the same username, domain, package and server is the same order: it is answered with the account, whose password becomes the one given.
#[utoipa::path(
    post, path = "/api/accounts", operation_id = "account.create", tag = "accounts", security(("token" = ["accounts.create"])),
    params(("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = CreateAccountBody,
    responses(
        (status = 201, description = "The account was made.", body = Data<AccountView>),
        (status = 200, description = "The same order made this account before.", body = Data<AccountView>),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn create(State(core): State<Arc<Core>>, call: Call, headers: HeaderMap, Body(fields): Body) -> Result<Response, Problem> {
    let order = order(&core, &call.caller, fields).await?;
    let answer = app::create_account(&core, &call.caller, order, &call.request_id, patience(&core, &headers)).await?;
    Ok(match answer {
        Answer::Created(account) => {
            let location = format!("/api/accounts/{}", account.id);
            (StatusCode::CREATED, [(header::LOCATION, location)], data(AccountView::new(&core, &call.caller, account))).into_response()
        }
        Answer::Repeated(account) => data(AccountView::new(&core, &call.caller, account)).into_response(),
        Answer::Running(operation) => {
            let location = format!("/api/operations/{}", operation.id);
            (StatusCode::ACCEPTED, [(header::LOCATION, location)], data(OperationView::new(&core, &call.caller, operation))).into_response()
        }
    })
}

/// How long the caller wants to wait.
fn patience(core: &Core, headers: &HeaderMap) -> Duration {
    let prefers = headers.get_all(HeaderName::from_static("prefer")).iter().filter_map(|value| value.to_str().ok());
    let at_once = prefers.flat_map(|value| value.split([',', ';'])).any(|word| word.trim().eq_ignore_ascii_case("respond-async"));
    if at_once { Duration::ZERO } else { core.seams.timing.patience }
}

async fn order(core: &Core, caller: &Caller, mut fields: Fields) -> Result<Order, Problem> {
    let reserved = app::reserved_names(core).await?;
    let username = fields.required("username", Username::parse);
    let domain = fields.required("domain", DomainName::parse);
    let password = fields.password("password");
    let package = package_choice(&mut fields);
    let email = fields.optional("email", EmailAddress::parse);
    let server = fields.optional("server", |text| match text.chars().count() {
        1..=64 => Ok(text.to_owned()),
        _ => Err("`server` must be the id or the name of a server".to_owned()),
    });
    let external_ref = if caller.ref_prefix.is_some() {
        // Without one, the token that ordered the account could never see it.
        fields.required("external_ref", ExternalRef::parse)
    } else {
        fields.optional("external_ref", ExternalRef::parse)
    };
    if let Some(domain) = &domain
        && reserved.iter().any(|own| own == domain || own.is_below(domain))
    {
        let detail = format!("`{domain}` is a name of the Panel, a server or a name server, or contains one: order another domain");
        fields.refuse("domain", "reserved", detail);
    }
    let order = (|| {
        Some(Order {
            username: username?,
            domain: domain?,
            password: password?,
            package: package?,
            email,
            server,
            external_ref: external_ref.map(|external_ref| caller.stored_ref(&external_ref)),
        })
    })();
    fields.finish(order)
}

fn package_choice(fields: &mut Fields) -> Option<PackageChoice> {
    match (fields.has("package"), fields.has("package_id")) {
        // Here as everywhere, a field that is null is one that is not given; taken, so that it is not called unknown.
        (_, false) => {
            let _ = fields.optional("package_id", PackageId::parse);
            fields.required("package", PackageName::parse).map(PackageChoice::Name)
        }
        (false, true) => {
            let _ = fields.optional("package", PackageName::parse);
            fields.required("package_id", PackageId::parse).map(PackageChoice::Id)
        }
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
        ("username" = Option<String>, Query, description = "Only this one."),
        ("domain" = Option<String>, Query, description = "Only this one."),
        ("external_ref" = Option<String>, Query, description = "Only this one, as the caller knows it."),
        ("status" = Option<String>, Query, description = "Only accounts with this status; `terminated` is only listed when asked for."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 500; 100 if nothing is said."),
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
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|last| format!("{}.{}", filter.snapshot.0, last.id));
    let mut enforcement = BTreeMap::new();
    let view = |row: Account| {
        let known = enforcement.entry(row.server.id).or_insert_with(|| core.fleet.enforcement(row.server.id)).clone();
        AccountView::with(&call.caller, row, known)
    };
    let data = rows.into_iter().map(view).collect();
    Ok(Json(List { data, page: Page { next, total, snapshot: filter.snapshot.0.to_string() } }))
}

fn asked(core: &Core, caller: &Caller, mut fields: Fields) -> Result<(Filter, Option<AccountId>, u32), Problem> {
    let username = fields.optional("username", Username::parse);
    let domain = fields.optional("domain", DomainName::parse);
    let external_ref = fields.optional("external_ref", ExternalRef::parse);
    let status = fields.optional("status", |text| match text.parse::<Status>() {
        Ok(Status::Failed) => Err("an account whose create failed is in no list: look at its operation".to_owned()),
        Ok(status) => Ok(status),
        Err(error) => Err(error.to_string()),
    });
    let cursor = fields.optional("cursor", |text| {
        let parts = text.split_once('.').and_then(|(snapshot, after)| Some((snapshot.parse::<i64>().ok()?, AccountId::parse(after).ok()?)));
        parts.ok_or_else(|| "`cursor` must be `next` of the page before".to_owned())
    });
    let limit = fields.page_size();
    let filter = Filter {
        username: username.map(|name| name.to_string()),
        domain: domain.map(|name| name.to_string()),
        external_ref: external_ref.map(|external_ref| caller.stored_ref(&external_ref)),
        ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        status,
        snapshot: cursor.map_or_else(|| core.now(), |(snapshot, _)| Micros(snapshot)),
    };
    fields.finish(Some((filter, cursor.map(|(_, after)| after), limit)))
}

/// Look at an account
#[utoipa::path(
    get, path = "/api/accounts/{id}", operation_id = "account.read", tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, description = "The account.", body = Data<AccountView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, Id(id): Id<AccountId>) -> Result<Json<Data<AccountView>>, Problem> {
    let account = app::account(&core, &call.caller, id).await?;
    Ok(data(AccountView::new(&core, &call.caller, account)))
}
