//! `POST /api/accounts`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use utoipa::ToSchema;

use super::view::{AccountView, ChangedView};
use super::{CHANGE, How, answered, planned};
use crate::app::{self, Code};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::Data;
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, QueryFields, order};

/// What an order may be refused with.
fn order_refusals() -> Vec<Code> {
    let own =
        [Code::PackageNotFound, Code::PackageRetired, Code::ExternalRefMismatch, Code::ExternalRefTaken, Code::ServerFull, Code::NotFound];
    [CHANGE, &own].concat()
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
