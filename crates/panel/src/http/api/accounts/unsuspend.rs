//! `POST /api/accounts/{id}/unsuspend`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use opterius_model::Hold;
use utoipa::ToSchema;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{Reference, Unsuspend};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{OptionalBody, QueryFields};

/// Which hold is to be lifted.
#[derive(ToSchema)]
#[schema(as = UnsuspendAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct UnsuspendBody {
    /// As for a suspension.
    hold: Option<texts::HoldWord>,
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
