//! What the PHP of an account does.

use std::time::Duration;

use opterius_model::{PhpChoice, PhpVersion, PoolName};
use opterius_protocol::agent::{GetPhp, Php};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::phpd::PoolState;
use opterius_protocol::{Micros, WireCode};

use super::{AppError, Caller, Reference, Refusal, read};
use crate::core::Core;
use crate::fleet::ServerPhp;
use crate::store::account::Account;
use crate::store::server::{self, Server};

/// The Agent waits some seconds for a phpd that is being restarted.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a pool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// No process; the next request starts one.
    Asleep,
    Running,
    /// It ends once its requests are done.
    Ending,
    /// It ended too soon, too often; it is tried again later.
    CrashLoop,
    /// It takes no requests, as while the account is suspended.
    Closed,
}

impl Doing {
    /// As programs know it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::CrashLoop => "crash_loop",
            Self::Closed => "closed",
        }
    }
}

/// One pool of an account.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) name: PoolName,
    /// What it is to run.
    pub(crate) php_version: PhpChoice,
    /// What answers; nothing if nothing does, or if the server is of an earlier version.
    pub(crate) runs: Option<PhpVersion>,
    pub(crate) doing: Doing,
    pub(crate) failure: Option<Failure>,
}

/// The last start that failed, unless one worked since.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) at: Micros,
    /// How often in a row.
    pub(crate) count: u32,
    pub(crate) retry_at: Micros,
    /// One line without control characters. Its end is a tenant's text.
    pub(crate) detail: String,
}

/// The version that every server of an earlier version has, whose packages depend on it.
fn of_earlier_servers() -> PhpVersion {
    PhpVersion::parse("8.2").expect("a version")
}

/// Refuses a choice that a server cannot make true. One whose Agent did not answer last is asked all the same, and refuses for itself.
pub(super) fn check_choice(has: &ServerPhp, server: &str, choice: &PhpChoice) -> Result<(), AppError> {
    let refused = |detail: String| Err(AppError::from(Refusal::invalid_field("php_version", "not_installed", detail)));
    match (has, choice) {
        (ServerPhp::Versions(there), PhpChoice::Version(version)) if !there.contains(version) => {
            let there: Vec<&str> = there.iter().map(PhpVersion::as_str).collect();
            refused(format!("PHP {version} is not installed on the server `{server}`: use `newest`, or one of {}", there.join(", ")))
        }
        (ServerPhp::OnlyVersions, PhpChoice::Newest) => refused(format!(
            "the server `{server}` is of an earlier version and knows no `newest`: upgrade it, or use a version such as `8.2`"
        )),
        _ => Ok(()),
    }
}

/// The PHP of a new account on this server: the one that is ordered, or else what the host's configuration says as far as the server has it.
pub(super) fn of_new_account(core: &Core, server: &Server, ordered: Option<&PhpChoice>) -> Result<PhpChoice, AppError> {
    let has = core.fleet.php(server.id);
    if let Some(choice) = ordered {
        check_choice(&has, &server.name, choice)?;
        return Ok(choice.clone());
    }
    let default = &core.config.php_version;
    Ok(match has {
        ServerPhp::OnlyVersions if *default == PhpChoice::Newest => of_earlier_servers().into(),
        ServerPhp::Versions(_) if check_choice(&has, &server.name, default).is_err() => {
            tracing::warn!(server = %server.name, "PHP {default} of the Panel's configuration is not on the server, so a new account gets the newest");
            PhpChoice::Newest
        }
        _ => default.clone(),
    })
}

/// The version that the PHP of a new account on the default server says of itself, as far as that is known.
pub(crate) async fn php_of_new_accounts(core: &Core) -> Result<String, AppError> {
    let server = super::servers::find(server::list(core.store.read(), &core.owner).await?, "default")?;
    let default = &core.config.php_version;
    let known = core.fleet.php_of(server.id, default).or_else(|| default.version().map(ToString::to_string));
    Ok(known.unwrap_or_else(|| of_earlier_servers().to_string()))
}

/// The account, and what its PHP does now.
pub(crate) async fn php(core: &Core, caller: &Caller, reference: &Reference) -> Result<(Account, Vec<Pool>), AppError> {
    let account = read::account(core, caller, reference).await?;
    let Php { pools } = core.fleet.agent(account.server.id).call(&GetPhp { id: account.id }, TIMEOUT).await.map_err(|error| {
        let why = match error {
            CallError::Refused(refusal) if refusal.code == WireCode::NotFound => {
                "its Agent is of an earlier version, which does not tell what PHP does, or has no such account".to_owned()
            }
            error => chain(&error),
        };
        Refusal::server_unreachable(&account.server.name, &why)
    })?;
    let pool = |pool: opterius_protocol::agent::PhpPool| Pool {
        name: pool.name,
        php_version: pool.php_version,
        runs: pool.runs,
        doing: match pool.state {
            Some(PoolState::Asleep) => Doing::Asleep,
            Some(PoolState::Running) => Doing::Running,
            Some(PoolState::Stopping) => Doing::Ending,
            Some(PoolState::BackingOff) => Doing::CrashLoop,
            None => Doing::Closed,
        },
        failure: pool.last_failure.map(|failure| Failure {
            at: failure.at,
            count: failure.count,
            retry_at: failure.retry_at,
            detail: failure.detail,
        }),
    };
    Ok((account, pools.into_iter().map(pool).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_refused_only_where_the_server_is_known_not_to_have_it() {
        let versions = |texts: &[&str]| ServerPhp::Versions(texts.iter().map(|text| text.parse().unwrap()).collect());
        let check = |has: &ServerPhp, choice: &str| check_choice(has, "web1", &choice.parse().unwrap()).map_err(|error| error.to_string());
        let two = versions(&["8.4", "8.2"]);
        assert_eq!((check(&two, "newest"), check(&two, "8.2")), (Ok(()), Ok(())));
        let said = check(&two, "7.4").unwrap_err();
        assert_eq!(said, "PHP 7.4 is not installed on the server `web1`: use `newest`, or one of 8.4, 8.2.");
        assert_eq!((check(&ServerPhp::Unknown, "newest"), check(&ServerPhp::Unknown, "7.4")), (Ok(()), Ok(())));
        assert_eq!(check(&ServerPhp::OnlyVersions, "7.4"), Ok(()), "its own Agent decides");
        assert!(check(&ServerPhp::OnlyVersions, "newest").unwrap_err().contains("earlier version"));
    }
}
