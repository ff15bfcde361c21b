//! What the Panel and the servers know of the accounts, compared.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use opterius_model::Generation;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use crate::app::{self, Adoption, Code, Difference, Finding, Report};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::OptionalBody;

/// What a comparison found.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Resync)]
pub(crate) struct ResyncView {
    /// How many accounts both sides say the same of.
    same: u64,
    /// On a server, and unknown here.
    only_agent: Vec<FindingView>,
    /// Here, and unknown or gone on its server.
    only_panel: Vec<FindingView>,
    /// The server has a newer state.
    newer_on_agent: Vec<FindingView>,
    /// The Panel has a newer state.
    newer_on_panel: Vec<FindingView>,
    /// The same generation, and not the same state.
    different: Vec<FindingView>,
    /// Being changed now, so that nothing can be said.
    busy: Vec<FindingView>,
    /// On a server that does not say what they are, as when it cannot read their record.
    unclear: Vec<FindingView>,
    /// What was taken over; only in the answer to a resync.
    adopted: Vec<FindingView>,
}

/// One account that the two sides do not say the same of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResyncFinding)]
struct FindingView {
    account_id: String,
    username: String,
    domain: String,
    server: String,
    /// The generation that was last committed here; null if it is unknown here.
    panel_generation: Option<u64>,
    /// The generation that the server has; null if it is unknown there.
    agent_generation: Option<u64>,
    /// What the two sides have, or what was taken over, or why it was not.
    detail: String,
    /// What to do about it.
    hint: Option<&'static str>,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let hint = hint(finding.difference).filter(|_| !matches!(finding.adoption, Some(Adoption::Done(_))));
        let detail = match finding.adoption {
            Some(Adoption::Done(what)) => what,
            Some(Adoption::Refused(why)) => format!("{} It was not taken over: {why}", finding.detail),
            None => finding.detail,
        };
        Self {
            account_id: finding.account_id.to_string(),
            username: finding.username,
            domain: finding.domain,
            server: finding.server,
            panel_generation: finding.panel_generation.map(Generation::get),
            agent_generation: finding.agent_generation.map(Generation::get),
            detail,
            hint,
        }
    }
}

fn hint(difference: Difference) -> Option<&'static str> {
    match difference {
        Difference::OnlyAgent | Difference::NewerOnAgent => Some("`opterius resync --adopt` takes it over from the server."),
        Difference::OnlyPanel => {
            Some("A repair cannot bring its files back: restore the server from its backup, or terminate the account.")
        }
        Difference::NewerOnPanel | Difference::Different => Some("`opterius account repair` makes the server as the Panel says."),
        Difference::Unclear => Some("`opterius doctor` on the server names the file that cannot be read."),
        Difference::Busy => None,
    }
}

impl From<Report> for ResyncView {
    fn from(report: Report) -> Self {
        let mut view = Self { same: report.same, ..Self::default() };
        for finding in report.findings {
            let list = match finding.difference {
                _ if matches!(finding.adoption, Some(Adoption::Done(_))) => &mut view.adopted,
                Difference::OnlyAgent => &mut view.only_agent,
                Difference::OnlyPanel => &mut view.only_panel,
                Difference::NewerOnAgent => &mut view.newer_on_agent,
                Difference::NewerOnPanel => &mut view.newer_on_panel,
                Difference::Different => &mut view.different,
                Difference::Busy => &mut view.busy,
                Difference::Unclear => &mut view.unclear,
            };
            list.push(FindingView::from(finding));
        }
        view
    }
}

/// Compare the Panel with its servers
///
/// Account by account, and says what only one of them knows. Changes nothing.
#[utoipa::path(
    get, path = "/api/resync", operation_id = "resync.read", extensions(("x-refusals" = json!([Code::ServerUnreachable]))), tag = "servers", security(("token" = ["servers.resync"])),
    responses((status = 200, description = "What differs.", body = Data<ResyncView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, _call: Call) -> Result<Json<Data<ResyncView>>, Problem> {
    Ok(data(app::compare(&core).await?.into()))
}

/// Take over what only the servers know
///
/// Accounts that only a server knows, and newer states of accounts, as after the Panel was restored from a backup. The Panel also does this by itself once after each start.
#[utoipa::path(
    post, path = "/api/resync", operation_id = "resync.adopt", extensions(("x-refusals" = json!([Code::ServerUnreachable]))), tag = "servers", security(("token" = ["servers.resync"])),
    responses((status = 200, description = "What differed, and what was taken over.", body = Data<ResyncView>))
)]
pub(crate) async fn adopt(
    State(core): State<Arc<Core>>,
    call: Call,
    OptionalBody(fields): OptionalBody,
) -> Result<Json<Data<ResyncView>>, Problem> {
    let () = fields.finish(Some(()))?;
    Ok(data(app::resync(&core, &call.caller).await?.into()))
}
