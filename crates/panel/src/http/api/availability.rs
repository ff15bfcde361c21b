//! Whether an order could be taken.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use super::texts;
use crate::app::{self, Availability, Code, Refusal, Wish};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::QueryFields;
use crate::http::read::{package_choice, server_choice};

/// Whether what is wished for can be had.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Availability)]
pub(crate) struct AvailabilityView {
    /// Whether an order for all of it would be taken.
    orderable: bool,
    /// Null if none was asked for.
    domain: Option<WishedNameView>,
    /// Null if none was asked for.
    username: Option<WishedNameView>,
    /// A username that is free: the one asked for if it is, else one made from it or from the domain. Null if a thousand were taken.
    suggestion: Option<String>,
    /// Null if none was asked for.
    package: Option<WishedPackageView>,
    server: WishedServerView,
}

/// A name that is wished for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WishedName)]
struct WishedNameView {
    /// As it was asked for.
    given: String,
    /// As the account would have it.
    name: Option<String>,
    available: bool,
    problem: Option<ReasonView>,
}

/// A package that is wished for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WishedPackage)]
struct WishedPackageView {
    name: Option<String>,
    problem: Option<ReasonView>,
}

/// The server that the order would go to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WishedServer)]
struct WishedServerView {
    id: Option<String>,
    name: Option<String>,
    reachable: bool,
    problem: Option<ReasonView>,
}

/// What an order would be refused with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WhyNot)]
struct ReasonView {
    code: Code,
    detail: String,
}

impl From<Refusal> for ReasonView {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, detail: refusal.detail }
    }
}

impl WishedNameView {
    fn new<T: ToString>(given: Option<&String>, found: Result<T, Refusal>) -> Self {
        let given = given.cloned().unwrap_or_default();
        match found {
            Ok(name) => Self { given, name: Some(name.to_string()), available: true, problem: None },
            Err(refusal) => Self { given, name: None, available: false, problem: Some(refusal.into()) },
        }
    }
}

/// Ask whether an order could be taken
///
/// By what the Panel knows: nothing is reserved, and the server is not asked.
#[utoipa::path(
    get, path = "/api/availability", operation_id = "availability.read", extensions(("x-refusals" = json!([Code::NotFound]))), tag = "accounts", security(("token" = ["accounts.create"])),
    params(
        ("domain" = inline(Option<texts::WishedName>), Query, description = "As U-label or A-label, without `www.`."),
        ("username" = inline(Option<texts::WishedName>), Query, description = "The one that is wished for."),
        ("package" = inline(Option<texts::ChosenPackage>), Query, description = "The exact name of a package; or give `package_id`."),
        ("package_id" = inline(Option<texts::ChosenPackageId>), Query, description = "The id of a package."),
        ("server" = inline(Option<texts::ServerChoice>), Query, description = "The id or name of a server; the default one if nothing is said."),
    ),
    responses((status = 200, description = "Part by part.", body = Data<AvailabilityView>))
)]
pub(crate) async fn get(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(mut fields): QueryFields,
) -> Result<Json<Data<AvailabilityView>>, Problem> {
    let given = |text: &str| if text.chars().count() <= 1000 { Ok(text.to_owned()) } else { Err("use at most 1000 characters".to_owned()) };
    let username = fields.optional("username", given);
    let domain = fields.optional("domain", given);
    let package = (fields.has("package") || fields.has("package_id")).then(|| package_choice(&mut fields)).flatten();
    let server = fields.optional("server", server_choice);
    let wish = fields.finish(Some(Wish { username, domain, package, server }))?;
    let Availability { username, domain, package, server: (server, in_the_way), suggestion } =
        app::availability(&core, &call.caller, &wish).await?;
    let orderable =
        !matches!(username, Some(Err(_))) && !matches!(domain, Some(Err(_))) && !matches!(package, Some(Err(_))) && in_the_way.is_none();
    Ok(data(AvailabilityView {
        orderable,
        domain: domain.map(|found| WishedNameView::new(wish.domain.as_ref(), found)),
        username: username.map(|found| WishedNameView::new(wish.username.as_ref(), found)),
        suggestion: suggestion.map(|name| name.to_string()),
        package: package.map(|found| match found {
            Ok(name) => WishedPackageView { name: Some(name), problem: None },
            Err(refusal) => WishedPackageView { name: None, problem: Some(refusal.into()) },
        }),
        server: WishedServerView {
            reachable: server.as_ref().is_some_and(|server| core.fleet.reachable(server.id)),
            id: server.as_ref().map(|server| server.id.to_string()),
            name: server.map(|server| server.name),
            problem: in_the_way.map(ReasonView::from),
        },
    }))
}
