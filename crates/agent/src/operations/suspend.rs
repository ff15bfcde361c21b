//! Suspending an account: its site says so at the next request, and nothing of it runs or can be started until the last hold is lifted. Its
//! data and its DNS zone stay. Whatever else a suspended account is changed to, restored or repaired, goes the same way.
//!
//! What closes the account comes first and waits for nothing: the site, the login and the processes within milliseconds, and each though
//! another of them failed. phpd may be frozen by a customer; what it started is ended by its uid, and once more after phpd has closed the pool,
//! since a phpd that thaws starts PHP for whoever waited at its socket.

use opterius_protocol::agent::{Failure, Plan};

use super::verify;
use crate::resources::{DnsZone, Home, Keepsake, LinuxPassword, LinuxUser, Logs, PhpPool, Sessions, VirtualHost};
use crate::run::Run;

/// The site; then login and processes beside the pool; what else there is of it; every process that is left; the zone beside them; then the
/// proof. Answers every failure.
pub(crate) async fn suspend(run: &Run) -> Result<(), Vec<Failure>> {
    let scope = run.target.scope();
    let server = async {
        let site = run.converge_if::<VirtualHost>(scope.site).await;
        // Nobody can come in any more, and only then whoever is in is shown out.
        let user = async {
            let login = run.converge_if::<LinuxUser>(scope.login).await;
            (login, run.converge_if::<Sessions>(scope.login).await)
        };
        let (pool, (login, ended)) = tokio::join!(run.in_turn(run.converge_if::<PhpPool>(scope.php)), user);
        let rest = async {
            login.clone()?;
            run.converge_if::<Home>(scope.rest).await?;
            run.converge_if::<Logs>(scope.rest).await?;
            run.converge_if::<LinuxPassword>(scope.password).await
        };
        let rest = async {
            let rest = rest.await;
            let left = run.converge_if::<Sessions>(scope.login || scope.password).await;
            (rest, left, if scope.site { verify::suspended(run).await } else { Ok(()) })
        };
        let (rest, left, proof) = run.in_turn(rest).await;
        [site, login, ended, pool, rest, left, proof]
    };
    let names = async {
        run.converge_if::<DnsZone>(scope.zone).await?;
        if scope.zone { verify::dns(run).await } else { Ok(()) }
    };
    let (server, names) = tokio::join!(server, names);
    run.failures(server.into_iter().chain([names]))?;
    // What a restored account came back from is thrown away once it is committed; until then the way back leads there.
    run.converge_if::<Keepsake>(run.keeps_nothing()).await.map_err(|failure| vec![failure])
}

/// Looks whether something else is in the place of what [`suspend`] will close. Nothing that does not answer keeps an account from being suspended.
pub(crate) async fn preflight(run: &Run) -> Result<(), Failure> {
    run.check_for_a_conflict::<LinuxUser>().await?;
    run.check_for_a_conflict::<VirtualHost>().await
}

/// What [`suspend`] would change, in its order.
pub(crate) async fn plan(run: &Run) -> Plan {
    let scope = run.target.scope();
    let mut plan = Plan::default();
    run.plan_if::<VirtualHost>(scope.site, &mut plan).await;
    run.plan_if::<PhpPool>(scope.php, &mut plan).await;
    run.plan_if::<LinuxUser>(scope.login, &mut plan).await;
    run.plan_if::<Home>(scope.rest, &mut plan).await;
    run.plan_if::<Logs>(scope.rest, &mut plan).await;
    run.plan_if::<LinuxPassword>(scope.password, &mut plan).await;
    run.plan_if::<Sessions>(scope.login || scope.password, &mut plan).await;
    run.plan_if::<DnsZone>(scope.zone, &mut plan).await;
    run.plan_if::<Keepsake>(run.keeps_nothing(), &mut plan).await;
    plan
}
