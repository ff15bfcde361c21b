//! `GET /api/accounts/{id}/usage`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{self, Code, Reference};
use crate::core::Core;
use crate::http::api::shape::{Data, Id, data};
use crate::http::api::texts;
use crate::http::frame::Call;
use crate::http::problem::Problem;

/// What an account uses of what it may.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageView {
    account_id: String,
    measured_at: i64,
    /// Disk space of the home, as blocks taken.
    disk_bytes: u64,
    /// Files, directories and links in the home.
    files: u64,
    /// Whether the account may use more than `disk_bytes` and `files` say: not all of its home could be counted.
    disk_at_least: bool,
    /// Traffic of this calendar month (UTC), in and out.
    traffic_bytes: u64,
    /// Processes now.
    processes: u64,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
}

/// Measure what an account uses
#[utoipa::path(
    get, path = "/api/accounts/{id}/usage", operation_id = "account.usage", extensions(("x-refusals" = json!([Code::AccountGone, Code::ServerUnreachable]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "What it uses now.", body = Data<UsageView>))
)]
pub(crate) async fn usage(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<UsageView>>, Problem> {
    let (account, usage) = app::usage(&core, &call.caller, &id).await?;
    let limits = account.spec.iter().flat_map(|spec| spec.limits.named());
    Ok(data(UsageView {
        account_id: account.id.to_string(),
        measured_at: usage.measured_at.0,
        disk_bytes: usage.disk_bytes,
        files: usage.files,
        disk_at_least: usage.at_least,
        traffic_bytes: usage.traffic_bytes,
        processes: usage.processes,
        limits: limits.map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect(),
    }))
}
