//! The PHP of an account, as phpd holds it.

use async_trait::async_trait;
use opterius_model::PhpVersion;
use opterius_protocol::agent::{Failure, FailureKind};
use opterius_protocol::phpd::PoolSpec;

use super::{Conflict, Resource, Target};
use crate::host::{Host, HostError, PoolSeen};
use crate::run::{Run, failure};

/// The PHP pool. It is kept under the account's id, so nobody else's can be in its place.
pub(crate) struct PhpPool;

/// What is to be done about the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Put,
    Remove,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Put => "open the PHP pool",
            Self::Remove => "close the PHP pool",
        })
    }
}

fn wanted(target: &Target) -> PoolSpec {
    PoolSpec {
        account_id: target.spec.account_id,
        pool: target.pool().name.clone(),
        username: target.spec.username.clone(),
        uid: target.uid,
        php_version: target.pool().php_version.clone(),
        workers: target.spec.limits.php_workers,
        memory_mib: target.spec.limits.php_memory_mib,
        generation: target.spec.generation,
    }
}

/// Refuses a version of PHP that is chosen now and is not there. One that was chosen before and is gone is in no change's way: another one
/// runs in its place.
pub(crate) async fn check_choice(run: &Run) -> Result<(), Failure> {
    let Some(chosen) = run.target.chosen_php() else { return Ok(()) };
    let there = run.host().php_versions().await.map_err(|error| failure(PhpPool::NAME, PhpPool::TAKEN, &error))?;
    match there {
        Some(there) if !there.contains(chosen) => Err(Failure {
            step: PhpPool::NAME.to_owned(),
            kind: FailureKind::Failed,
            detail: not_there(chosen, &there),
            hint: Some(format!("Choose one that is there or `newest`, or install php{chosen}-fpm on the server.")),
        }),
        _ => Ok(()),
    }
}

fn not_there(chosen: &PhpVersion, there: &[PhpVersion]) -> String {
    let there: Vec<&str> = there.iter().map(PhpVersion::as_str).collect();
    let has = if there.is_empty() { "no PHP".to_owned() } else { format!("PHP {}", there.join(", ")) };
    format!("php_version: PHP {chosen} is not on this server, which has {has}.")
}

#[async_trait]
impl Resource for PhpPool {
    const NAME: &'static str = "php pool";
    const TAKEN: FailureKind = FailureKind::Failed;
    const VISIBLE: bool = true;
    type Seen = Option<PoolSeen>;
    type Change = Change;

    async fn inspect(host: &dyn Host, target: &Target) -> Result<Self::Seen, HostError> {
        host.pool(target.spec.account_id, &target.pool().name).await
    }

    fn diff(seen: &Self::Seen, target: &Target) -> Result<Option<Change>, Conflict> {
        // A suspended account's PHP ends now, and nothing can start it.
        Ok(match (seen, target.absent() || target.suspended()) {
            (None, true) => None,
            (Some(_), true) => Some(Change::Remove),
            (None, false) => Some(Change::Put),
            (Some(seen), false) => {
                // A pool keeps the generation in which it was last changed: a new one would end its running PHP for nothing.
                let same = PoolSpec { generation: seen.spec.generation, ..wanted(target) } == seen.spec;
                (!same || !seen.listening || !seen.saved).then_some(Change::Put)
            }
        })
    }

    async fn apply(host: &dyn Host, target: &Target, change: &Change) -> Result<(), HostError> {
        match change {
            Change::Put => host.put_pool(&wanted(target)).await,
            Change::Remove => host.remove_pool(target.spec.account_id, &target.pool().name).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{absent, suspended, target};
    use opterius_model::{Generation, Limit, PhpChoice};
    use opterius_protocol::phpd::PoolState;

    #[test]
    fn a_pool_is_replaced_only_when_it_differs() {
        let status = |spec, listening| {
            Some(PoolSeen { spec, state: PoolState::Asleep, listening, saved: true, master_pid: None, last_failure: None, runs: None })
        };
        let spec = wanted(&target());
        let older = PoolSpec { generation: Generation::FIRST, ..spec.clone() };
        let smaller = PoolSpec { workers: Limit::try_from(1).expect("a limit"), ..spec.clone() };
        let other_php = PoolSpec { php_version: PhpChoice::Newest, ..spec.clone() };
        let unsaved = status(spec.clone(), true).map(|status| PoolSeen { saved: false, ..status });
        let table = [
            ("nothing there", None, Some(Change::Put), None),
            ("as wanted", status(spec.clone(), true), None, Some(Change::Remove)),
            ("of an older generation", status(older, true), None, Some(Change::Remove)),
            ("its socket lost", status(spec, false), Some(Change::Put), Some(Change::Remove)),
            ("not on the disk", unsaved, Some(Change::Put), Some(Change::Remove)),
            ("with another choice of PHP", status(other_php, true), Some(Change::Put), Some(Change::Remove)),
            ("with other limits", status(smaller, true), Some(Change::Put), Some(Change::Remove)),
        ];
        for (case, seen, wanted, unwanted) in table {
            assert_eq!(PhpPool::diff(&seen, &target()), Ok(wanted), "{case}, wanted");
            assert_eq!(PhpPool::diff(&seen, &absent()), Ok(unwanted), "{case}, not wanted");
            assert_eq!(PhpPool::diff(&seen, &suspended()), Ok(unwanted), "{case}, suspended");
        }
    }
}
