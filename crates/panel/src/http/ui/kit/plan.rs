//! What a change would do, shown before its button.

use crate::app::{Obstacle, Plan};

/// A plan, in the order in which it would be done.
#[derive(Debug)]
pub(crate) struct PlanShown {
    pub(crate) changes: Vec<(String, String)>,
    /// What is in the way, or not there: the step, what is wrong, and what to do.
    pub(crate) obstacles: Vec<(String, String, Option<String>)>,
}

impl PlanShown {
    /// Whether nothing keeps it from being done.
    pub(crate) fn possible(&self) -> bool {
        self.obstacles.is_empty()
    }
}

impl From<Plan> for PlanShown {
    fn from(plan: Plan) -> Self {
        let obstacle = |Obstacle { step, code: _, detail, hint }: Obstacle| (step, detail, hint);
        Self {
            changes: plan.changes.into_iter().map(|change| (change.resource, change.change)).collect(),
            obstacles: plan.conflicts.into_iter().chain(plan.missing).map(obstacle).collect(),
        }
    }
}
