//! What the PHP of an account does.

use opterius_model::{AccountId, State};
use opterius_protocol::agent::{Php, PhpPool};

use super::Engine;
use crate::host::HostError;

impl Engine {
    /// What every pool of a live account does now.
    pub async fn php(&self, id: AccountId) -> Result<Option<Php>, HostError> {
        let spec = self.known().accounts.get(&id).map(|record| record.spec.clone()).filter(|spec| spec.state != State::Absent);
        let Some(spec) = spec else { return Ok(None) };
        let mut pools = Vec::new();
        for pool in spec.pools {
            let seen = self.host().pool(id, &pool.name).await?;
            pools.push(PhpPool {
                name: pool.name,
                php_version: pool.php_version,
                runs: seen.as_ref().and_then(|seen| seen.runs.clone()),
                state: seen.as_ref().map(|seen| seen.state),
                last_failure: seen.and_then(|seen| seen.last_failure),
            });
        }
        Ok(Some(Php { pools }))
    }
}
