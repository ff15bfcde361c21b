//! `GET /api/accounts/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::view::AccountView;
use crate::app::{self, Code, Reference};
use crate::core::Core;
use crate::http::api::shape::{Data, Id, data};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;

/// Look at an account
///
/// One that was terminated is answered 410, with when, and until when it can be restored.
#[utoipa::path(
    get, path = "/api/accounts/{id}", operation_id = "account.read", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "The account.", body = Data<AccountView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<AccountView>>, Problem> {
    let account = app::account(&core, &call.caller, &id).await?;
    Ok(data(AccountView::new(&core, &call.caller, account)))
}
