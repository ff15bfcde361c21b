//! The PHP of an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, data};
use super::texts;
use crate::app::{self, Code, Pool, Reference};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;

/// What the PHP of an account does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Php)]
pub(crate) struct PhpView {
    account_id: String,
    pools: Vec<PoolView>,
}

/// One pool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PhpPool)]
struct PoolView {
    name: String,
    /// What it is to run: `newest`, or a version.
    php_version: String,
    /// The version that answers; null if none does, or if the server is of an earlier version. Another one than `php_version` names where that is not installed.
    runs: Option<String>,
    /// `asleep` (the next request starts it), `running`, `ending`, `crash_loop` or `closed` (it takes no requests, as while the account is suspended).
    state: &'static str,
    /// The last start that failed, unless one worked since.
    last_failure: Option<FailureView>,
}

/// A start that failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PhpFailure)]
struct FailureView {
    at: i64,
    /// How often in a row.
    count: u32,
    /// When it is tried again.
    retry_at: i64,
    /// How it ended, with the last line that the site's PHP wrote: a text of the customer's. One line, at most 501 characters.
    detail: String,
}

impl From<Pool> for PoolView {
    fn from(pool: Pool) -> Self {
        Self {
            name: pool.name.to_string(),
            php_version: pool.php_version.to_string(),
            runs: pool.runs.map(|version| version.to_string()),
            state: pool.doing.as_str(),
            last_failure: pool.failure.map(|failure| FailureView {
                at: failure.at.0,
                count: failure.count,
                retry_at: failure.retry_at.0,
                detail: failure.detail,
            }),
        }
    }
}

/// Look at what an account's PHP does
#[utoipa::path(
    get, path = "/api/accounts/{id}/php", operation_id = "account.php", extensions(("x-refusals" = json!([Code::AccountGone, Code::ServerUnreachable]))), tag = "accounts", security(("token" = ["accounts.read"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    responses((status = 200, description = "What it does now.", body = Data<PhpView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, call: Call, Id(id): Id<Reference>) -> Result<Json<Data<PhpView>>, Problem> {
    let (account, pools) = app::php(&core, &call.caller, &id).await?;
    Ok(data(PhpView { account_id: account.id.to_string(), pools: pools.into_iter().map(PoolView::from).collect() }))
}
