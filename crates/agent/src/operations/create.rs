//! Creating an account, and converging one to a newer Spec: the same steps, of which those that find everything right change nothing.
//!
//! What the customer sees: nothing, and then all of it. The site is linked last, and the operation is committed only once the account's
//! own PHP answered through nginx and the DNS server knew the name.

use opterius_protocol::agent::{Failure, Plan};

use super::verify;
use crate::resources::{DnsZone, Home, LinuxPassword, LinuxUser, Logs, PhpPool, VirtualHost};
use crate::run::Run;

/// Linux user, home and logs, PHP pool, site; the zone beside them; then the proof.
pub(crate) async fn create(run: &Run) -> Result<(), Failure> {
    let server = async {
        run.converge::<LinuxUser>().await?;
        // Changing the password rewrites the whole of shadow, which takes long on a server with many users, and nothing else waits for it.
        let password = run.converge::<LinuxPassword>();
        let site = async {
            run.converge::<Home>().await?;
            run.converge::<Logs>().await?;
            run.converge::<PhpPool>().await?;
            run.converge::<VirtualHost>().await?;
            verify::site(run).await
        };
        run.both(site, password).await
    };
    let names = async {
        run.converge::<DnsZone>().await?;
        verify::dns(run).await
    };
    run.both(server, names).await
}

/// Looks at everything that [`create`] will touch.
pub(crate) async fn preflight(run: &Run) -> Result<(), Failure> {
    let server = async {
        run.check::<LinuxUser>().await?;
        run.check::<Home>().await?;
        run.check::<Logs>().await?;
        run.check::<PhpPool>().await?;
        run.check::<VirtualHost>().await
    };
    run.both(server, run.check::<DnsZone>()).await
}

/// What [`create`] would change, in its order.
pub(crate) async fn plan(run: &Run) -> Plan {
    let mut plan = Plan { changes: Vec::new(), conflicts: Vec::new() };
    run.plan::<LinuxUser>(&mut plan).await;
    run.plan::<LinuxPassword>(&mut plan).await;
    run.plan::<Home>(&mut plan).await;
    run.plan::<Logs>(&mut plan).await;
    run.plan::<PhpPool>(&mut plan).await;
    run.plan::<VirtualHost>(&mut plan).await;
    run.plan::<DnsZone>(&mut plan).await;
    plan
}
