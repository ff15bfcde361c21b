//! Accounts: one verb a file, and what they share.

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod package;
pub(crate) mod password;
pub(crate) mod php;
pub(crate) mod plan;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod suspend;
pub(crate) mod terminate;
pub(crate) mod unsuspend;
pub(crate) mod usage;
pub(crate) mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::app::{self, Answer, Caller, Code, Plan, Reference, Verb};
use crate::core::Core;
use crate::http::api::operations::{patience, running};
use crate::http::api::plan::PlanView;
use crate::http::api::shape::data;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::Fields;
use crate::store::account::{Account, Status};
use view::{AccountView, TerminatedView};

/// What any change of an account may be refused with.
const CHANGE: &[Code] = &[
    Code::AccountGone,
    Code::OperationRunning,
    Code::ChangedMeanwhile,
    Code::NeedsAttention,
    Code::ServerUnreachable,
    Code::ServerNotConfigured,
    Code::ProvisioningFailed,
    Code::UsernameTaken,
    Code::DomainTaken,
];

/// How a change is to be made.
struct How {
    /// Not at all: only say what it would do.
    plan: bool,
    /// How long the caller waits for its outcome.
    patience: Duration,
}

impl How {
    /// Reads the rest of the query, and the headers.
    fn asked(core: &Core, headers: &HeaderMap, mut query: Fields) -> Result<Self, Problem> {
        let plan = query.truth("plan", false);
        query.finish(Some(Self { plan, patience: patience(core, headers) }))
    }
}

/// Makes a change, or says what it would do. `more` adds to the account's view what is said only this once; it sees the account from before.
async fn changed<V: Verb>(
    core: &Arc<Core>,
    call: &Call,
    id: &Reference,
    verb: &V,
    how: How,
    more: impl FnOnce(&Account, AccountView) -> AccountView,
) -> Result<Response, Problem> {
    if how.plan {
        return Ok(planned(app::plan_change(core, &call.caller, id, verb).await?));
    }
    let changed = app::change_account(core, &call.caller, id, verb, &call.request_id, how.patience).await?;
    Ok(answered(core, &call.caller, changed.answer, |view| more(&changed.before, view)))
}

fn planned(plan: Plan) -> Response {
    data(PlanView::from(plan)).into_response()
}

/// The answer with the account, which `more` may add to, or with the operation that goes on.
fn answered(core: &Core, caller: &Caller, answer: Answer, more: impl FnOnce(AccountView) -> AccountView) -> Response {
    match answer {
        Answer::Created { account, previous } => {
            let location = format!("/api/accounts/{}", account.id);
            let view = AccountView::new(core, caller, account).after(previous);
            (StatusCode::CREATED, [(header::LOCATION, location)], data(more(view))).into_response()
        }
        Answer::Done(account) if account.status == Status::Terminated => data(TerminatedView::new(caller, &account)).into_response(),
        Answer::Done(account) => data(more(AccountView::new(core, caller, account))).into_response(),
        Answer::Running(operation) => running(core, caller, *operation),
    }
}
