//! `POST /api/accounts/{id}/repair`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{Reference, Repair};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{OptionalBody, QueryFields};

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
