//! `POST /api/accounts/{id}/suspend`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use opterius_model::Hold;
use utoipa::ToSchema;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{Reason, Reference, Suspend};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, QueryFields};

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
