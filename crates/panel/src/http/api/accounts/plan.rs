//! `GET /api/accounts/{id}/plan`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::app::{self, Code, Reference, Repair};
use crate::core::Core;
use crate::http::api::plan::PlanView;
use crate::http::api::shape::{Data, Id, data};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;

/// Plan a repair
///
/// What of the account is not as it should be, and what would be in the way of mending it. Nothing is touched. Every other change is planned with `?plan=true`.
#[utoipa::path(
    get, path = "/api/accounts/{id}/plan", operation_id = "account.plan", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "What a repair would change.", body = Data<PlanView>))
)]
pub(crate) async fn plan(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<PlanView>>, Problem> {
    Ok(data(app::plan_change(&core, &call.caller, &id, &Repair).await?.into()))
}
