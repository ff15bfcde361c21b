//! `DELETE /api/accounts/{id}`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::view::EndedView;
use super::{CHANGE, How, changed};
use crate::app::{KeptDays, Reference, Terminate};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::QueryFields;

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
