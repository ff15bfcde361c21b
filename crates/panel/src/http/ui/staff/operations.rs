//! `/operations`: those that need attention first, then the latest, page by page.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Of};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::managed::Line;
use crate::app::{AppError, Scope};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::store::operation::{self, Filter, Outcome};

/// Operations on one page, and those that need attention at most.
const A_PAGE: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    before: String,
}

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    frame: Frame,
    may_retry: bool,
    may_accounts: bool,
    /// Those that need attention, on the first page.
    waiting: Vec<Line>,
    total: i64,
    latest: Vec<Line>,
    later: bool,
    next: Option<String>,
}

pub(crate) async fn list(Of(core): Of<Arc<Core>>, asked: Asked, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let wanted = wanted.map_or_else(|_| Wanted::default(), |Query(wanted)| wanted);
    match view(&core, &asked, &wanted).await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, wanted: &Wanted) -> Result<OperationsPage, AppError> {
    let (caller, read) = (&asked.caller, core.store.read());
    let frame = asked.frame(core).await?;
    let all = Filter { ref_prefix: caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()), ..Filter::default() };
    let before = wanted.before.parse().ok();
    let waiting = if before.is_none() {
        let waiting = Filter { outcome: Some(Outcome::NeedsAttention), ..all.clone() };
        operation::list(read, &caller.owner, &waiting, None, A_PAGE).await?
    } else {
        Vec::new()
    };
    let total = operation::count(read, &caller.owner, &all).await?;
    let mut latest = operation::list(read, &caller.owner, &all, before, A_PAGE + 1).await?;
    let more = latest.len() > A_PAGE as usize;
    latest.truncate(A_PAGE as usize);
    Ok(OperationsPage {
        may_retry: caller.may(Scope::OperationsRetry),
        may_accounts: caller.may(Scope::AccountsRead),
        total,
        later: before.is_some(),
        next: latest.last().filter(|_| more).map(|last| last.id.to_string()),
        waiting: waiting.into_iter().map(|operation| Line::new(&frame, operation)).collect(),
        latest: latest.into_iter().map(|operation| Line::new(&frame, operation)).collect(),
        frame,
    })
}
