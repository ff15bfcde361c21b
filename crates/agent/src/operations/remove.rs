//! Removing everything that bears an account's mark: the undo of a create, and the end of an account.
//!
//! The site goes first, so that no visitor meets half an account, then PHP, so that nothing runs in the home while it is deleted. A
//! step that fails does not keep the others from being done.

use opterius_protocol::agent::{Failure, Plan};

use crate::resources::{DnsZone, Home, LinuxUser, Logs, PhpPool, VirtualHost};
use crate::run::Run;

/// Removes it all, and answers what could not be removed.
pub(crate) async fn remove(run: &Run) -> Result<(), Vec<Failure>> {
    let server = async {
        let site = run.converge::<VirtualHost>().await;
        let pool = run.converge::<PhpPool>().await;
        let home = run.converge::<Home>().await;
        let logs = run.converge::<Logs>().await;
        // The user goes last: while anything is left that bears its number, the number must not look free.
        let before = [site, pool, home, logs];
        let user = if before.iter().all(Result::is_ok) { run.converge::<LinuxUser>().await } else { Ok(()) };
        before.into_iter().chain([user]).collect::<Vec<_>>()
    };
    let (server, zone) = tokio::join!(server, run.converge::<DnsZone>());
    let failures: Vec<Failure> = server.into_iter().chain([zone]).filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// What [`remove`] would change, in its order.
pub(crate) async fn plan(run: &Run) -> Plan {
    let mut plan = Plan { changes: Vec::new(), conflicts: Vec::new() };
    run.plan::<VirtualHost>(&mut plan).await;
    run.plan::<PhpPool>(&mut plan).await;
    run.plan::<Home>(&mut plan).await;
    run.plan::<Logs>(&mut plan).await;
    run.plan::<LinuxUser>(&mut plan).await;
    run.plan::<DnsZone>(&mut plan).await;
    plan
}
