//! `PUT /api/accounts/{id}/php`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use opterius_model::PhpChoice;
use utoipa::ToSchema;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{PhpChange, Reference};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, QueryFields};

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
