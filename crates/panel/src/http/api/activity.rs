//! The Activity.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, List, Page, data};
use super::texts;
use crate::app::{self, Verdict};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{OptionalBody, QueryFields, digits};
use crate::store::activity::{self, Filter, Row};

/// Something that was asked for, done or refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(crate) struct ActivityView {
    id: i64,
    at: i64,
    /// `administrator`, `token:<name>`, `administrator:<name>`, or `address:<address>` of callers who were turned away.
    actor: String,
    /// The address that they were at. Not there on the Panel's own machine, and of what the Panel did by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
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
    /// SHA-256 of the row's canonical JSON: `account_id, action, actor, address (where there is one), at, detail, id, operation_id, outcome, owner, prev, request_id`, in this order, without white space.
    hash: String,
    owner: String,
}

impl From<Row> for ActivityView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            address: row.address,
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
        ("account" = inline(Option<texts::Id>), Query, description = "Only of the account with this id."),
        ("action" = inline(Option<texts::AnyText>), Query, description = "Only this action."),
        ("outcome" = inline(Option<texts::OutcomeWord>), Query, description = "`ok`, `refused` or `failed`."),
        ("cursor" = inline(Option<texts::ActivityCursor>), Query, description = "`next` of the page before."),
        ("limit" = inline(Option<texts::PageSize>), Query, description = "At most so many, 1 to 500; 100 if nothing is said."),
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
    let row = |text: &str| digits(text).and_then(|row| i64::try_from(row).ok());
    let before = fields.optional("cursor", |text| row(text).ok_or_else(|| "`cursor` must be `next` of the page before".to_owned()));
    let limit = fields.page_size(500).unwrap_or(100);
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

/// What a check of the Activity found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityVerdict)]
pub(crate) struct VerdictView {
    /// Whether nothing is wrong.
    whole: bool,
    /// Rows that were checked: all of them, or those up to what is wrong.
    rows_checked: u64,
    /// Heads that servers had, and that were compared. None says less than some.
    heads_checked: u64,
    /// Servers whose heads could not be compared.
    not_asked: Vec<NotAskedView>,
    /// The rows that were removed from the beginning, as the settings say; null if none was.
    removed: Option<RemovedView>,
    /// The public key (Ed25519, hexadecimal) that this Panel signs removals with; null if it has none that it can use.
    key: Option<String>,
    /// The first thing that is wrong; null if nothing is.
    wrong: Option<WrongView>,
}

/// A server whose heads could not be compared.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityNotAsked)]
struct NotAskedView {
    server: String,
    /// Why not.
    detail: String,
}

/// What was removed from the beginning of the Activity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityRemoved)]
struct RemovedView {
    /// The last row that was removed.
    last_row: i64,
    /// Its hash, which the row behind it continues.
    hash: String,
    /// When the last of them were removed.
    at: i64,
    /// The row of the Activity that says so.
    activity_row: i64,
    /// Heads that servers had of removed rows, which cannot be compared any more.
    heads_not_compared: u64,
}

/// What is wrong with the Activity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityWrong)]
struct WrongView {
    /// `row_changed`, `rows_missing`, `chain_broken`; `head_unknown`: the chain is whole, and not the one that a server was told of; `removal_forged`: rows
    /// are removed, and not as the Panel does it; `key_replaced`: the key that signs removals is not the one that was used, or that servers were told.
    kind: &'static str,
    /// Where it shows.
    row: i64,
    /// The server that knows better; null if the chain itself says it.
    server: Option<String>,
    detail: String,
    /// What to do.
    hint: String,
}

impl From<Verdict> for VerdictView {
    fn from(verdict: Verdict) -> Self {
        Self {
            whole: verdict.wrong.is_none(),
            rows_checked: verdict.rows,
            heads_checked: verdict.heads,
            removed: verdict.removed.map(|removal| RemovedView {
                last_row: removal.last_row,
                at: removal.at().0,
                activity_row: removal.activity_row,
                heads_not_compared: verdict.heads_of_removed,
                hash: removal.hash,
            }),
            key: verdict.key,
            not_asked: verdict.not_asked.into_iter().map(|(server, detail)| NotAskedView { server, detail }).collect(),
            wrong: verdict.wrong.map(|wrong| WrongView {
                kind: wrong.kind.as_str(),
                row: wrong.row,
                server: wrong.server,
                detail: wrong.detail,
                hint: wrong.hint,
            }),
        }
    }
}

/// Check the Activity
///
/// Every row against its hash and the row before, and the rows that the servers were told of now and then against those that are here. Changes nothing.
#[utoipa::path(
    post, path = "/api/activity/verify", operation_id = "activity.verify", tag = "activity", security(("token" = ["activity.read"])),
    responses((status = 200, description = "What was found.", body = Data<VerdictView>))
)]
pub(crate) async fn verify(
    State(core): State<Arc<Core>>,
    _call: Call,
    OptionalBody(fields): OptionalBody,
) -> Result<Json<Data<VerdictView>>, Problem> {
    let () = fields.finish(Some(()))?;
    Ok(data(app::verify_activity(&core).await?.into()))
}
