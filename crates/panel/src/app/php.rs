//! What the PHP of an account does.

use std::time::Duration;

use opterius_model::{PhpVersion, PoolName};
use opterius_protocol::agent::{GetPhp, Php};
use opterius_protocol::client::{CallError, chain};
use opterius_protocol::phpd::PoolState;
use opterius_protocol::{Micros, WireCode};

use super::{AppError, Caller, Reference, Refusal, read};
use crate::core::Core;
use crate::store::account::Account;

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
    pub(crate) php_version: PhpVersion,
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
