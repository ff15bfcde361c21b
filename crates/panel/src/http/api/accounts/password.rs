//! `PUT /api/accounts/{id}/password`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use utoipa::ToSchema;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{NewPassword, Reference};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, QueryFields};

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
