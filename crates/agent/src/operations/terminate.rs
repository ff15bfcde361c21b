//! Ending an account: everything that bears its mark goes at once, and its names are free. What a restore needs is put into the trash where
//! that is wanted, and deleted in time; where it is not, as in the undo of a create, nothing of the account is left.
//!
//! What closes the account comes first and waits for nothing: the site goes, so that no visitor meets half an account, then PHP and every other
//! process. Each is done though another failed; phpd may be frozen by a customer, and what it started is ended by its uid. What a restore needs
//! is made while all of it is there: neither home nor user nor zone goes before the keepsake is whole, and the home is neither moved nor deleted
//! while phpd can start anything in it.

use std::time::Duration;

use opterius_protocol::agent::{Failure, Plan};

use crate::resources::{DnsZone, Home, Keepsake, LinuxUser, Login, Logs, PhpPool, Sessions, VirtualHost};
use crate::run::Run;

/// How long closing the pool may take until the login is closed before it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Removes it all, and answers what could not be removed.
pub(crate) async fn terminate(run: &Run) -> Result<(), Vec<Failure>> {
    let site = run.converge::<VirtualHost>().await;
    let mut pool = std::pin::pin!(run.in_turn(run.converge::<PhpPool>()));
    let (pool_at_once, ended) = tokio::join!(tokio::time::timeout(AT_ONCE, &mut pool), run.converge::<Sessions>());
    let (pool, closed) = if let Ok(pool) = pool_at_once {
        (pool, Ok(()))
    } else {
        // Nobody logs in while this waits.
        let close = async {
            run.converge::<Login>().await?;
            run.converge::<Sessions>().await
        };
        tokio::join!(pool, close)
    };
    // Once more: phpd may have started PHP for whoever waited, until it closed the pool.
    let sessions = if pool.is_ok() { run.converge::<Sessions>().await } else { ended.clone() };
    let keepsake = if run.target.kept() { run.converge::<Keepsake>().await } else { Ok(()) };
    let server = async {
        if [&pool, &sessions, &keepsake].into_iter().any(Result::is_err) {
            // What waits, perhaps for days, is at least closed.
            return vec![run.converge::<Login>().await];
        }
        let home = run.converge::<Home>().await;
        let logs = run.converge::<Logs>().await;
        // The user goes last: while anything is left that bears its number, the number must not look free.
        let is_empty = [&site, &home, &logs].into_iter().all(Result::is_ok);
        let user = if is_empty { run.converge::<LinuxUser>().await } else { Ok(()) };
        vec![home, logs, user]
    };
    let zone = async { if keepsake.is_ok() { run.converge::<DnsZone>().await } else { Ok(()) } };
    let (server, zone) = run.in_turn(async { tokio::join!(server, zone) }).await;
    run.failures([site, pool, ended, closed, sessions, keepsake].into_iter().chain(server).chain([zone]))
}

/// What [`terminate`] would change, in its order.
pub(crate) async fn plan(run: &Run) -> Plan {
    let mut plan = Plan::default();
    run.plan_if::<Keepsake>(run.target.kept(), &mut plan).await;
    run.plan::<VirtualHost>(&mut plan).await;
    run.plan::<PhpPool>(&mut plan).await;
    run.plan::<Sessions>(&mut plan).await;
    run.plan::<Home>(&mut plan).await;
    run.plan::<Logs>(&mut plan).await;
    run.plan::<LinuxUser>(&mut plan).await;
    run.plan::<DnsZone>(&mut plan).await;
    plan
}
