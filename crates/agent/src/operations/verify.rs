//! The proof that an account answers. An exit code of 0 proves nothing: nginx goes on with its old configuration after a reload that
//! said it worked (measured, with too few file descriptors).

use std::collections::BTreeSet;

use futures::FutureExt;
use opterius_protocol::agent::Failure;

use crate::host::HostError;
use crate::run::Run;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unexpected(String);

fn unexpected(doing: &str, saw: String) -> HostError {
    HostError::failed(doing)(Unexpected(saw))
}

/// Through nginx, by the site's name, to this account's own PHP-FPM.
pub(crate) async fn site(run: &Run) -> Result<(), Failure> {
    run.prove("verify site", || {
        async {
            let site = run.target.site();
            let pool = run.host().pool(run.target.spec.account_id, &site.pool).await?;
            let expected = pool.map(|pool| pool.spec.ping_response());
            let answer = run.host().ping(site.primary()).await?;
            if Some(&answer) == expected.as_ref() {
                Ok(format!("{} was answered by this account's PHP", site.primary()))
            } else {
                let doing = format!("see {} answered by this account's PHP", site.primary());
                Err(unexpected(&doing, format!("the answer through nginx was `{}`", answer.chars().take(80).collect::<String>())))
            }
        }
        .boxed()
    })
    .await
}

/// Through nginx, by the site's name, that it is suspended.
pub(crate) async fn suspended(run: &Run) -> Result<(), Failure> {
    run.prove("verify site", || {
        async {
            let site = run.target.site().primary();
            match run.host().visit(site).await? {
                503 => Ok(format!("{site} was answered with 503")),
                status => Err(unexpected(&format!("see {site} answered with 503"), format!("nginx answered {status}"))),
            }
        }
        .boxed()
    })
    .await
}

/// SOA and addresses from the DNS server, over UDP and TCP.
pub(crate) async fn dns(run: &Run) -> Result<(), Failure> {
    run.prove("verify dns", || {
        async {
            let domain = run.target.site().primary();
            let doing = format!("see {domain} answered by the DNS server");
            let nameserver = run.host().ask_soa(domain).await?;
            if nameserver != run.target.spec.nameservers[0].as_str() {
                return Err(unexpected(&doing, format!("its SOA names `{nameserver}`")));
            }
            let addresses = run.host().ask_a(domain).await?;
            if addresses != run.target.spec.addresses.ipv4.iter().copied().collect::<BTreeSet<_>>() {
                return Err(unexpected(&doing, format!("its addresses are {addresses:?}")));
            }
            Ok(format!("{domain} was answered by the DNS server"))
        }
        .boxed()
    })
    .await
}
