//! What accounts use: measured on demand, and of every live account again and again in the background, one after the other.

use std::time::Duration;

use opterius_model::{AccountId, State, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::{AccountUsage, DiskUsage, Usage, UsageReport};
use opterius_protocol::client::chain;
use tokio::time::Instant;

use super::Engine;
use crate::host::{Haste, HostError};

/// How often it is looked whether an account is to be measured: a new one waits no longer for its first number.
const EVERY: Duration = Duration::from_mins(1);

/// The shortest pause after each account.
const BETWEEN: Duration = Duration::from_millis(20);

/// After an account that took long, so many times as long nothing is measured: the background takes a quarter of one disk at most.
const PAUSES: u32 = 3;

/// A look at an account's home.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// When it was last tried.
    tried: Instant,
    /// What it was when that last worked.
    disk: Option<DiskUsage>,
}

impl Engine {
    /// What a live account uses now.
    pub async fn usage(&self, id: AccountId) -> Result<Option<Usage>, HostError> {
        let Some((username, uid)) = self.measurable(id) else { return Ok(None) };
        let disk = self.measure(id, &username, uid, Haste::Waited).await?;
        let processes = self.host().processes(id, uid).await?;
        let (_, traffic) = self.host().traffic_this_month(Some(id)).await?;
        Ok(Some(Usage {
            measured_at: disk.measured_at,
            disk_bytes: disk.bytes,
            files: disk.files,
            at_least: disk.at_least,
            traffic_bytes: traffic.get(&id).copied().unwrap_or_default(),
            processes: processes.sandboxed + processes.sessions,
        }))
    }

    /// What every live account used when it was last measured, and its traffic of this month.
    pub async fn all_usage(&self) -> Result<UsageReport, HostError> {
        let (month, traffic) = self.host().traffic_this_month(None).await?;
        let known = self.known();
        let live = known.accounts.values().filter(|record| record.spec.state != State::Absent);
        let accounts = live.map(|record| {
            let account_id = record.spec.account_id;
            let disk = known.measured.get(&account_id).and_then(|measured| measured.disk);
            AccountUsage { account_id, traffic_bytes: traffic.get(&account_id).copied().unwrap_or_default(), disk }
        });
        Ok(UsageReport { month, accounts: accounts.collect() })
    }

    /// Measures every live account whose last measurement is older than `after`, for ever.
    pub async fn keep_measuring(&self, after: Duration) {
        loop {
            for account in self.due_for_measuring(after) {
                let began = Instant::now();
                // Somebody may have measured it, or ended it, since the list was made.
                if !self.is_fresh(account, after)
                    && let Some((username, uid)) = self.measurable(account)
                    && let Err(error) = self.measure(account, &username, uid, Haste::Leisurely).await
                {
                    tracing::warn!(account.id = %account, account.username = %username, "could not measure what the account {username} ({account}) uses: {}", chain(&error));
                }
                self.set_room_aside(account).await;
                tokio::time::sleep((began.elapsed() * PAUSES).max(BETWEEN)).await;
            }
            tokio::time::sleep(EVERY.min(after)).await;
        }
    }

    /// Sees to it that a live account can be terminated on a full disk: one that was made before there was such a thing as a reserve, or while
    /// the disk was full, has none. Where somebody works on the account it is done the next time.
    async fn set_room_aside(&self, account: AccountId) {
        let Ok(_turn) = tokio::time::timeout(BETWEEN, self.turn_of(account)).await else { return };
        let is_settled = self.measurable(account).is_some() && !self.known().writers.contains_key(&account);
        if is_settled && let Err(error) = self.host().reserve_keepsake(account).await {
            tracing::debug!(account.id = %account, "account {account} has no room set aside for its termination: {}", chain(&error));
        }
    }

    /// The accounts to measure, those that have waited longest first. Forgets what was measured of accounts that are gone.
    fn due_for_measuring(&self, after: Duration) -> Vec<AccountId> {
        let mut known = self.known();
        let live: Vec<AccountId> =
            known.accounts.values().filter(|record| record.spec.state != State::Absent).map(|record| record.spec.account_id).collect();
        let mut measured = std::mem::take(&mut known.measured);
        known.measured = live.iter().filter_map(|account| measured.remove_entry(account)).collect();
        let tried = |account: &AccountId| known.measured.get(account).map(|measured| measured.tried);
        let mut due: Vec<AccountId> =
            live.into_iter().filter(|account| tried(account).is_none_or(|tried| tried.elapsed() >= after)).collect();
        due.sort_by_key(tried);
        due
    }

    fn is_fresh(&self, account: AccountId, after: Duration) -> bool {
        self.known().measured.get(&account).is_some_and(|measured| measured.tried.elapsed() < after)
    }

    /// The user of a live account.
    fn measurable(&self, account: AccountId) -> Option<(Username, Uid)> {
        let known = self.known();
        let spec = &known.accounts.get(&account).filter(|record| record.spec.state != State::Absent)?.spec;
        Some((spec.username.clone(), spec.uid?))
    }

    async fn measure(&self, account: AccountId, username: &Username, uid: Uid, haste: Haste) -> Result<DiskUsage, HostError> {
        let result = self.host().disk_usage(username, uid, haste).await;
        let disk =
            result.map(|seen| DiskUsage { measured_at: Micros::now(), bytes: seen.bytes, files: seen.files, at_least: seen.at_least });
        let mut known = self.known();
        let before = known.measured.get(&account).and_then(|measured| measured.disk);
        let measured = Measured { tried: Instant::now(), disk: disk.as_ref().ok().copied().or(before) };
        known.measured.insert(account, measured);
        disk
    }
}
