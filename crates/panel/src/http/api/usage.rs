//! What all accounts use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{List, Page};
use super::texts;
use crate::app::{self, Caller, Code};
use crate::core::Core;
use crate::http::cursor::Cursor;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::QueryFields;
use crate::http::read::server_choice;
use crate::store::account_usage::{self, Filter, Listed};

/// Most entries of one page: enough for every account of a server.
pub(super) const MOST: u32 = 10_000;

/// What an account used when it was last measured.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastUsage)]
pub(crate) struct LastUsageView {
    account_id: String,
    external_ref: Option<String>,
    username: String,
    domain: String,
    /// `active` or `suspended`.
    status: &'static str,
    /// Disk space of the home, as blocks taken; null if it has not been measured yet.
    disk_bytes: Option<u64>,
    /// Whether the account may use more of the disk than `disk_bytes` says: not all of its home could be counted.
    disk_at_least: bool,
    /// Traffic of this calendar month (UTC), in and out; null if nothing is known of this month yet.
    traffic_bytes: Option<u64>,
    /// When the disk was measured.
    measured_at: Option<i64>,
    /// 0 means unlimited.
    limits: BTreeMap<String, u64>,
}

impl LastUsageView {
    fn new(caller: &Caller, month: &str, row: &Listed) -> Self {
        Self {
            account_id: row.account_id.to_string(),
            external_ref: caller.shown_ref(row.external_ref.as_deref()),
            username: row.username.to_string(),
            domain: row.domain.to_string(),
            status: row.status.as_str(),
            disk_bytes: row.usage.disk.map(|disk| disk.bytes),
            disk_at_least: row.usage.disk.is_some_and(|disk| disk.at_least),
            traffic_bytes: row.usage.traffic_in(month),
            measured_at: row.usage.disk.map(|disk| disk.measured_at.0),
            limits: row.limits.named().into_iter().map(|(name, limit)| (name.to_owned(), u64::from(limit))).collect(),
        }
    }
}

/// List what accounts use
///
/// Active and suspended accounts, in the order in which they were made. Servers measure in the background, so nothing is measured for this list: `GET /api/accounts/{id}/usage` measures one account now.
#[utoipa::path(
    get, path = "/api/usage", operation_id = "usage.list", extensions(("x-refusals" = json!([Code::NotFound]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(
        ("server" = inline(Option<texts::ServerChoice>), Query, description = "Only accounts on the server of this id or name."),
        ("cursor" = inline(Option<texts::AccountCursor>), Query, description = "`next` of the page before."),
        ("limit" = inline(Option<texts::UsagePageSize>), Query, description = "At most so many, 1 to 10000; 10000 if nothing is said."),
    ),
    responses((status = 200, description = "One page.", body = List<LastUsageView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(mut fields): QueryFields,
) -> Result<Json<List<LastUsageView>>, Problem> {
    let server = fields.optional("server", server_choice);
    let cursor = fields.optional("cursor", Cursor::parse);
    let limit = fields.page_size(MOST).unwrap_or(MOST);
    let () = fields.finish(Some(()))?;
    let caller = &call.caller;
    let server = match server {
        Some(choice) => Some(app::server(&core, caller, &choice).await?.id),
        None => None,
    };
    let filter = Filter {
        server,
        ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
        snapshot: cursor.map_or_else(|| core.now(), |cursor| cursor.snapshot),
    };
    let total = account_usage::count(core.store.read(), &caller.owner, &filter).await?;
    let mut rows = account_usage::list(core.store.read(), &caller.owner, &filter, cursor.map(|cursor| cursor.after), limit + 1).await?;
    let next = Cursor::cut(&mut rows, limit, filter.snapshot, |row| row.account_id).map(|cursor| cursor.to_string());
    let month = app::month(core.now());
    let data = rows.iter().map(|row| LastUsageView::new(caller, &month, row)).collect();
    Ok(Json(List { data, page: Page { next, total, snapshot: filter.snapshot.0.to_string() } }))
}
