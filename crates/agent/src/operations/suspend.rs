//! Suspending an account: its site says so at the next request, and nothing of it runs or can be started until the last hold is lifted. Its
//! data and its DNS zone stay. Whatever else a suspended account is changed to, restored or repaired, goes the same way.
//!
//! What the visitor sees comes first. The site is closed before anything else is looked at, so a suspension is there within milliseconds.

use opterius_protocol::agent::{Failure, Plan};

use super::verify;
use crate::resources::{DnsZone, Home, Keepsake, LinuxPassword, LinuxUser, Logs, PhpPool, Sessions, VirtualHost};
use crate::run::Run;

/// The site, PHP, the login, then every process that is left; the zone beside them; then the proof.
pub(crate) async fn suspend(run: &Run) -> Result<(), Failure> {
    let scope = run.target.scope();
    let server = async {
        run.converge_if::<VirtualHost>(scope.site).await?;
        run.converge_if::<PhpPool>(scope.php).await?;
        // Nobody can come in any more, and only then whoever is in is shown out.
        run.converge_if::<LinuxUser>(scope.login).await?;
        run.converge_if::<Home>(scope.rest).await?;
        run.converge_if::<Logs>(scope.rest).await?;
        run.converge_if::<LinuxPassword>(scope.password).await?;
        run.converge_if::<Sessions>(scope.login || scope.password).await?;
        if scope.site { verify::suspended(run).await } else { Ok(()) }
    };
    let names = async {
        run.converge_if::<DnsZone>(scope.rest).await?;
        if scope.rest { verify::dns(run).await } else { Ok(()) }
    };
    run.both(server, names).await?;
    // What a restored account came back from is thrown away once it is committed; until then the way back leads there.
    run.converge_if::<Keepsake>(run.keeps_nothing()).await
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
    run.plan_if::<DnsZone>(scope.rest, &mut plan).await;
    run.plan_if::<Keepsake>(run.keeps_nothing(), &mut plan).await;
    plan
}
