//! phpd, over its socket.

use std::time::{Duration, Instant};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::client::{CallError, Client};
use opterius_protocol::phpd::{DeletePool, GetHealth, GetPool, Health, PoolSpec, PutPool};
use opterius_protocol::{Call, WireCode};

use crate::config::Config;
use crate::host::{HostError, PoolSeen};

/// Closing a pool waits for its processes to end, which takes phpd at most some seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// How it is, it says at once or not at all. The Panel waits 10 s for an Agent's health, which is told without phpd's.
const HEALTH: Duration = Duration::from_secs(5);

/// How long a phpd that is not there, or goes away without an answer, is taken for one that is being restarted: the longest restart that
/// was measured took a second, with 10,000 pools. What it is asked can be asked again.
const RESTARTING: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Phpd {
    client: Client,
}

impl Phpd {
    pub(super) fn new(config: &Config) -> Self {
        Self { client: Client::new(&config.phpd_socket) }
    }

    /// Asks, and asks again while phpd may be restarting, so that its upgrade fails no operation.
    async fn call<C: Call>(&self, doing: String, call: &C) -> Result<Option<C::Reply>, HostError> {
        let begun = Instant::now();
        loop {
            match self.call_once(&doing, call, PATIENCE).await {
                Err(HostError::Unavailable { .. }) if begun.elapsed() < RESTARTING => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
    }

    async fn call_once<C: Call>(&self, doing: &str, call: &C, patience: Duration) -> Result<Option<C::Reply>, HostError> {
        match self.client.call(call, patience).await {
            Ok(reply) => Ok(Some(reply)),
            Err(CallError::Refused(refusal)) if refusal.code == WireCode::NotFound => Ok(None),
            Err(error @ (CallError::NotSent { .. } | CallError::NoReply { .. })) => Err(HostError::Unavailable {
                part: "phpd",
                hint: "Start it with `systemctl start opterius-phpd`, and see `journalctl -u opterius-phpd -n 50`.".to_owned(),
                source: error.into(),
            }),
            Err(error) => Err(HostError::failed(doing)(error)),
        }
    }

    pub(super) async fn pool(&self, account: AccountId, pool: &PoolName) -> Result<Option<PoolSeen>, HostError> {
        self.call(format!("look at the PHP pool {pool}"), &GetPool { account, pool: pool.clone() }).await
    }

    pub(super) async fn put(&self, spec: &PoolSpec) -> Result<(), HostError> {
        self.call(format!("open the PHP pool of {}", spec.username), &PutPool { spec: spec.clone() }).await.map(drop)
    }

    pub(super) async fn remove(&self, account: AccountId, pool: &PoolName) -> Result<(), HostError> {
        self.call(format!("close the PHP pool {pool}"), &DeletePool { account, pool: pool.clone() }).await.map(drop)
    }

    pub(super) async fn health(&self) -> Result<Health, HostError> {
        let health = self.call_once("ask phpd how it is", &GetHealth {}, HEALTH).await?;
        health.ok_or_else(|| HostError::failed("ask phpd how it is")("it does not know the question; update it"))
    }
}
