//! `POST /api/accounts/{id}/restore`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use opterius_model::{DomainName, Username};
use utoipa::ToSchema;

use super::view::ChangedView;
use super::{CHANGE, How, changed};
use crate::app::{self, Code, Reference, Restore};
use crate::core::Core;
use crate::http::api::operations::OperationView;
use crate::http::api::shape::{Data, Id};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{OptionalBody, QueryFields, refuse_reserved};

/// What a restore may be refused with.
fn restore_refusals() -> Vec<Code> {
    [CHANGE, &[Code::ExternalRefTaken, Code::ServerFull]].concat()
}

/// Under which names an account is to come back.
#[derive(ToSchema)]
#[schema(as = RestoreAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct RestoreBody {
    /// The one it had, if nothing is said. An account that is there has one already (`invalid`).
    username: Option<texts::RestoredUsername>,
    /// The one it had, if nothing is said. An account that is there has one already (`invalid`).
    domain: Option<texts::Domain>,
}

/// Restore a terminated account
///
/// As it was, its holds included, as long as it is kept and its names are free; perhaps under other names.
#[utoipa::path(
    post, path = "/api/accounts/{id}/restore", operation_id = "account.restore", extensions(("x-refusals" = json!(restore_refusals()))), tag = "accounts", security(("token" = ["accounts.restore"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref."), ("plan" = Option<bool>, Query, description = "With `true` nothing is done, and the answer is 200 with a plan of what would be."), ("Prefer" = Option<String>, Header, description = "`respond-async` answers 202 at once.")),
    request_body = Option<RestoreBody>,
    responses(
        (status = 200, description = "The account, there again. With `plan`: the plan.", body = ChangedView),
        (status = 202, description = "The operation goes on.", body = Data<OperationView>, headers(("Location" = String, description = "The operation."))),
    )
)]
pub(crate) async fn restore(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    headers: HeaderMap,
    QueryFields(query): QueryFields,
    OptionalBody(mut fields): OptionalBody,
) -> Result<Response, Problem> {
    let how = How::asked(&core, &headers, query)?;
    let reserved = app::reserved_names(&core).await?;
    let username = fields.optional("username", Username::parse);
    let domain = fields.optional("domain", DomainName::parse);
    refuse_reserved(&mut fields, domain.as_ref(), &reserved);
    let restore = fields.finish(Some(Restore { username, domain }))?;
    changed(&core, &call, &id, &restore, how, |_, view| view).await
}
