//! Making a live account as its Spec says: creating one, restoring one from the trash, lifting a suspension, changing limits or password,
//! repairing. The same steps, of which those that find everything right change nothing.
//!
//! What the customer sees: nothing, and then all of it. The site is linked last, and the operation is committed only once the account's
//! own PHP answered through nginx and the DNS server knew the name.

use opterius_protocol::agent::{Failure, Plan};

use super::verify;
use crate::resources::php_pool::check_choice;
use crate::resources::{DnsZone, Home, Keepsake, LinuxPassword, LinuxUser, Logs, PhpPool, Sessions, VirtualHost};
use crate::run::Run;

/// Linux user, home and logs, PHP pool, site; the zone beside them; then the proof.
pub(crate) async fn create(run: &Run) -> Result<(), Failure> {
    let scope = run.target.scope();
    let server = async {
        run.converge_if::<LinuxUser>(scope.login).await?;
        run.converge_if::<LinuxPassword>(scope.password).await?;
        // Who is logged in with the password from before is logged out.
        run.converge_if::<Sessions>(run.target.replaces_password()).await?;
        run.converge_if::<Home>(scope.rest).await?;
        run.converge_if::<Logs>(scope.rest).await?;
        run.converge_if::<PhpPool>(scope.php).await?;
        run.converge_if::<VirtualHost>(scope.site).await?;
        if scope.php || scope.site { verify::site(run).await } else { Ok(()) }
    };
    let names = async {
        run.converge_if::<DnsZone>(scope.zone).await?;
        if scope.zone { verify::dns(run).await } else { Ok(()) }
    };
    run.both(server, names).await?;
    // What a restored account came back from is thrown away once it is committed; until then the way back leads there.
    run.converge_if::<Keepsake>(run.keeps_nothing()).await
}

/// Looks at everything that [`create`] will touch.
pub(crate) async fn preflight(run: &Run) -> Result<(), Failure> {
    let scope = run.target.scope();
    let server = async {
        run.check_if::<LinuxUser>(scope.login || scope.password).await?;
        run.check_if::<Home>(scope.rest).await?;
        run.check_if::<Logs>(scope.rest).await?;
        run.check_if::<PhpPool>(scope.php).await?;
        check_choice(run).await?;
        run.check_if::<VirtualHost>(scope.php || scope.site).await
    };
    run.both(server, run.check_if::<DnsZone>(scope.zone)).await
}

/// What [`create`] would change, in its order.
pub(crate) async fn plan(run: &Run) -> Plan {
    let scope = run.target.scope();
    let mut plan = Plan::default();
    run.plan_if::<LinuxUser>(scope.login, &mut plan).await;
    run.plan_if::<LinuxPassword>(scope.password, &mut plan).await;
    run.plan_if::<Sessions>(run.target.replaces_password(), &mut plan).await;
    run.plan_if::<Home>(scope.rest, &mut plan).await;
    run.plan_if::<Logs>(scope.rest, &mut plan).await;
    run.plan_if::<PhpPool>(scope.php, &mut plan).await;
    plan.conflicts.extend(check_choice(run).await.err());
    run.plan_if::<VirtualHost>(scope.php || scope.site, &mut plan).await;
    run.plan_if::<DnsZone>(scope.zone, &mut plan).await;
    run.plan_if::<Keepsake>(run.keeps_nothing(), &mut plan).await;
    plan
}
