//! `PUT /api/accounts/{id}/package`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use utoipa::ToSchema;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{Code, PackageChange, Reference};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, QueryFields, package_choice};

/// What a change of the package may be refused with.
fn package_refusals() -> Vec<Code> {
    [CHANGE, &[Code::PackageNotFound, Code::PackageRetired, Code::LimitsBelowUse]].concat()
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
    changed(&core, &call, &id, &verb, how, |before, view| view.without(verb.dropped(before))).await
}
