//! What is done to reach a Spec, one direction a file, each readable from top to bottom. Undo is not written down anywhere: it is the
//! same code with the Spec from before.

mod create;
mod remove;
mod verify;

use opterius_protocol::agent::{Failure, Plan};

use crate::run::Run;

/// Makes the server as the run's target says, and proves it. Safe to repeat from any state in between.
///
/// Answers every failure that remained: one when something wanted could not be had, and as many as there are things left when
/// something was to be removed.
pub(crate) async fn reach(run: &Run) -> Result<(), Vec<Failure>> {
    if run.target.absent() { remove::remove(run).await } else { create::create(run).await.map_err(|failure| vec![failure]) }
}

/// Looks at every resource before anything is touched, and answers the first one that cannot become what the target says.
pub(crate) async fn preflight(run: &Run) -> Result<(), Failure> {
    create::preflight(run).await
}

/// What [`reach`] would change.
pub(crate) async fn plan(run: &Run) -> Plan {
    if run.target.absent() { remove::plan(run).await } else { create::plan(run).await }
}
