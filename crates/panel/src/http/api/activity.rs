//! The Activity.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{List, Page};
use crate::core::Core;
use crate::http::fields::QueryFields;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::store::activity::{self, Filter, Row};

/// Something that was asked for, done or refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(crate) struct ActivityView {
    id: i64,
    at: i64,
    /// `administrator`, `token:<name>`, `administrator:<name>`, or `address:<address>` of callers who were turned away.
    actor: String,
    /// `account.create` (the order), `account.create.outcome`, `package.change`, `caller.refused`, …
    action: String,
    account_id: Option<String>,
    operation_id: Option<String>,
    request_id: Option<String>,
    /// `ok`, `refused` or `failed`.
    outcome: String,
    detail: String,
    /// The hash of the row before.
    prev: String,
    /// SHA-256 of the row's canonical JSON: `account_id, action, actor, at, detail, id, operation_id, outcome, owner, prev, request_id`, in this order, without white space.
    hash: String,
    owner: String,
}

impl From<Row> for ActivityView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            action: row.action,
            account_id: row.account_id,
            operation_id: row.operation_id,
            request_id: row.request_id,
            outcome: row.outcome,
            detail: row.detail,
            prev: row.prev,
            hash: row.hash,
            owner: row.owner,
        }
    }
}

/// List the Activity
///
/// The newest first.
#[utoipa::path(
    get, path = "/api/activity", operation_id = "activity.list", tag = "activity", security(("token" = ["activity.read"])),
    params(
        ("account" = Option<String>, Query, description = "Only of the account with this id."),
        ("action" = Option<String>, Query, description = "Only this action."),
        ("outcome" = Option<String>, Query, description = "`ok`, `refused` or `failed`."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 500; 100 if nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<ActivityView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(mut fields): QueryFields,
) -> Result<Json<List<ActivityView>>, Problem> {
    let filter = Filter {
        account_id: fields.optional("account", AccountId::parse),
        action: fields.optional("action", |text| Ok::<_, String>(text.to_owned())),
        outcome: fields.optional("outcome", str::parse::<activity::Outcome>),
        ref_prefix: call.caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
    };
    let before = fields.optional("cursor", |text| text.parse::<i64>().map_err(|_| "`cursor` must be `next` of the page before".to_owned()));
    let limit = fields.page_size();
    let () = fields.finish(Some(()))?;
    let owner = &call.caller.owner;
    let total = activity::count(core.store.read(), owner, &filter).await?;
    let mut rows = activity::list(core.store.read(), owner, &filter, before, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(List {
        data: rows.into_iter().map(ActivityView::from).collect(),
        page: Page { next, total, snapshot: core.now().0.to_string() },
    }))
}
