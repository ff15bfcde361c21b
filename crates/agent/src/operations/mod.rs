//! What is done to reach a Spec, one state of an account a file, each readable from top to bottom. Undo is not written down anywhere: it is
//! the same code with the Spec from before.

mod create;
mod suspend;
mod terminate;
mod verify;

use opterius_model::State;
use opterius_protocol::agent::{Failure, Plan};

use crate::run::Run;

/// Makes the server as the run's target says, and proves it. Safe to repeat from any state in between.
///
/// Answers every failure that remained: one when something wanted could not be had, and as many as there are things left when
/// something was to be removed.
pub(crate) async fn reach(run: &Run) -> Result<(), Vec<Failure>> {
    match run.target.spec.state {
        State::Active => Box::pin(create::create(run)).await.map_err(|failure| vec![failure]),
        State::Suspended => Box::pin(suspend::suspend(run)).await,
        State::Absent => Box::pin(terminate::terminate(run)).await,
    }
}

/// Looks at everything before anything is touched, and answers the first thing that cannot become what the target says.
pub(crate) async fn preflight(run: &Run) -> Result<(), Failure> {
    match run.target.spec.state {
        State::Suspended if run.target.closes() => suspend::preflight(run).await,
        State::Active | State::Suspended => create::preflight(run).await,
        // What is not wanted goes on until nothing is left, whatever is wrong now, and what is another's is in nobody's way.
        State::Absent => Ok(()),
    }
}

/// What [`reach`] would change.
pub(crate) async fn plan(run: &Run) -> Plan {
    match run.target.spec.state {
        State::Active => Box::pin(create::plan(run)).await,
        State::Suspended => Box::pin(suspend::plan(run)).await,
        State::Absent => Box::pin(terminate::plan(run)).await,
    }
}
