//! Plans: what a change would do.

use opterius_protocol::agent::PlannedChange;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{Obstacle, Plan};

/// What a change would do. Nothing was changed, and nothing reserved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanView {
    /// `create`, `password`, `suspend`, `unsuspend`, `package`, `terminate`, `restore` or `repair`.
    action: &'static str,
    /// What would change, in the order in which it would.
    changes: Vec<ChangeView>,
    /// What is in the way.
    conflicts: Vec<ConflictView>,
    /// What is needed and is not there.
    missing: Vec<MissingView>,
    /// Whether there is nothing to change, nothing in the way, and nothing missing.
    empty: bool,
}

/// One change.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PlannedChange)]
pub(crate) struct ChangeView {
    /// A part of the server's (`linux user`, `site`, …), or of the Panel's: `account`, `limits`, `home`.
    resource: String,
    change: String,
}

/// Something that is in the way.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PlannedConflict)]
pub(crate) struct ConflictView {
    /// The step that would fail; `panel` if nothing would be begun.
    step: String,
    /// As in a problem document, or `unavailable` and `failed` of the server.
    code: String,
    detail: String,
    hint: Option<String>,
}

/// Something that is needed and is not there.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PlannedMissing)]
pub(crate) struct MissingView {
    step: String,
    detail: String,
    hint: Option<String>,
}

impl From<PlannedChange> for ChangeView {
    fn from(change: PlannedChange) -> Self {
        Self { resource: change.resource, change: change.change }
    }
}

impl From<Obstacle> for ConflictView {
    fn from(Obstacle { step, code, detail, hint }: Obstacle) -> Self {
        Self { step, code, detail, hint }
    }
}

impl From<Obstacle> for MissingView {
    fn from(Obstacle { step, code: _, detail, hint }: Obstacle) -> Self {
        Self { step, detail, hint }
    }
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        Self {
            action: plan.action,
            empty: plan.is_empty(),
            changes: plan.changes.into_iter().map(ChangeView::from).collect(),
            conflicts: plan.conflicts.into_iter().map(ConflictView::from).collect(),
            missing: plan.missing.into_iter().map(MissingView::from).collect(),
        }
    }
}
