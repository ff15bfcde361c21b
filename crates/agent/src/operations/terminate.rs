//! Ending an account: everything that bears its mark goes at once, and its names are free. What a restore needs is put into the trash where
//! that is wanted, and deleted in time; where it is not, as in the undo of a create, nothing of the account is left.
//!
//! The keepsake is made first, while everything is there. Then the site goes, so that no visitor meets half an account, then PHP and every
//! other process, so that nothing runs in the home while it is moved or deleted. A step that fails does not keep the others from being done.

use opterius_protocol::agent::{Failure, Plan};

use crate::resources::{DnsZone, Home, Keepsake, LinuxUser, Logs, PhpPool, Sessions, VirtualHost};
use crate::run::Run;

/// Removes it all, and answers what could not be removed.
pub(crate) async fn terminate(run: &Run) -> Result<(), Vec<Failure>> {
    if run.target.kept() {
        run.converge::<Keepsake>().await.map_err(|failure| vec![failure])?;
    }
    let server = async {
        let site = run.converge::<VirtualHost>().await;
        let pool = run.converge::<PhpPool>().await;
        let sessions = run.converge::<Sessions>().await;
        let home = run.converge::<Home>().await;
        let logs = run.converge::<Logs>().await;
        // The user goes last: while anything is left that bears its number, the number must not look free.
        let before = [site, pool, sessions, home, logs];
        let user = if before.iter().all(Result::is_ok) { run.converge::<LinuxUser>().await } else { Ok(()) };
        before.into_iter().chain([user]).collect::<Vec<_>>()
    };
    let (server, zone) = tokio::join!(server, run.converge::<DnsZone>());
    let failures: Vec<Failure> = server.into_iter().chain([zone]).filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Looks at what an account that can be restored later is taken from: every service must answer, since there is no way back half-way.
pub(crate) async fn preflight(run: &Run) -> Result<(), Failure> {
    let server = async {
        run.check::<Keepsake>().await?;
        run.check::<VirtualHost>().await?;
        run.check::<PhpPool>().await?;
        run.check::<Home>().await?;
        run.check::<Logs>().await?;
        run.check::<LinuxUser>().await
    };
    run.both(server, run.check::<DnsZone>()).await
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
