//! `PATCH /api/accounts/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::ToSchema;

use super::view::AccountView;
use crate::app::{self, ClientChange, ClientRef, Code, EmailAddress, Reference};
use crate::core::Core;
use crate::http::api::shape::{Data, Id, data};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::Body;

/// What is kept with an account of its client. What is not given stays as it is, and null takes it away.
#[derive(ToSchema)]
#[schema(as = RecordAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct RecordBody {
    email: Option<texts::Email>,
    /// The caller's own name for the client, 1 to 100 of `A-Za-z0-9._:-`.
    client_ref: Option<texts::ExternalRef>,
    /// When the client pays next, as in 2026-12-31.
    next_due_on: Option<texts::Day>,
}

/// Change what is kept of an account's client
///
/// Only the Panel keeps it: there is no operation, and the account's server is not asked.
#[utoipa::path(
    patch, path = "/api/accounts/{id}", operation_id = "account.record", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.record"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    request_body = RecordBody,
    responses((status = 200, description = "The account.", body = Data<AccountView>))
)]
pub(crate) async fn record(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    Body(mut fields): Body,
) -> Result<Json<Data<AccountView>>, Problem> {
    let change = ClientChange {
        email: fields.edit("email", EmailAddress::parse),
        client_ref: fields.edit("client_ref", ClientRef::parse).map(|client_ref| call.caller.stored_client_ref(&client_ref)),
        next_due_on: fields.edit("next_due_on", app::day),
    };
    let change = fields.finish(Some(change))?;
    let account = app::record_account(&core, &call.caller, &id, change, &call.request_id).await?;
    Ok(data(AccountView::new(&core, &call.caller, account)))
}
