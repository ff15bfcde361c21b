//! What accounts use: measured on demand, and of every live account again and again in the background, one after the other.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use opterius_model::{AccountId, State, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::{AccountUsage, DiskUsage, Usage, UsageReport};
use opterius_protocol::client::chain;
use tokio::time::Instant;

use super::Engine;
use crate::host::{Haste, HostError};
use crate::jobs;

/// How often it is looked whether an account is to be measured: a new one waits no longer for its first number.
const EVERY: Duration = Duration::from_mins(1);

/// The shortest pause after each account.
const BETWEEN: Duration = Duration::from_millis(20);

/// After an account that took long, so many times as long nothing is measured: the background takes a quarter of one disk at most.
const PAUSES: u32 = 3;

/// So many homes are looked at at once because somebody waits.
pub(super) const AT_ONCE: usize = 2;

/// How long somebody waits for a number at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// A look at a home, of which all who wait hear. It ends when nobody does any more.
type Look = Shared<BoxFuture<'static, Result<DiskUsage, String>>>;
pub(super) type WeakLook = WeakShared<BoxFuture<'static, Result<DiskUsage, String>>>;

/// A look at an account's home.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// When it was last tried to its end.
    tried: Option<Instant>,
    /// What it was when that last worked.
    disk: Option<DiskUsage>,
}

impl Engine {
    /// What a live account uses now, or used when it was last measured, if its home is so large, or so many wait, that it cannot be told at once.
    pub async fn usage(&self, id: AccountId) -> Result<Option<Usage>, HostError> {
        let Some((username, uid)) = self.measurable(id) else { return Ok(None) };
        let disk = match tokio::time::timeout(PATIENCE, self.look(id, &username, uid, Haste::Waited)).await {
            Ok(disk) => disk.map_err(HostError::failed(format!("measure what the account {username} uses")))?,
            Err(_) => self.last_measured(id).ok_or_else(|| HostError::Unavailable {
                part: "the measuring of homes",
                hint: "Ask again in a few minutes: the Agent measures every home by itself.".to_owned(),
                source: format!("the home of {username} could not be measured within {} seconds", PATIENCE.as_secs()).into(),
            })?,
        };
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

    /// Measures every live account whose last measurement is older than `after`, and waits a while. A home that cannot be measured is its
    /// account's matter, and only logged; a panic, or that none of several can be, is the job's failure.
    pub(crate) async fn keep_measuring(&self, after: Duration) -> Result<(), String> {
        let (mut measured, mut failures, mut panics) = (0, Vec::new(), Vec::new());
        for account in self.due_for_measuring(after) {
            let began = Instant::now();
            // Somebody may have measured it, or ended it, since the list was made.
            if !self.is_fresh(account, after)
                && let Some((username, uid)) = self.measurable(account)
            {
                match self.look(account, &username, uid, Haste::Leisurely).await {
                    Ok(_) => measured += 1,
                    Err(why) => {
                        tracing::warn!(account.id = %account, account.username = %username, "could not measure what the account {username} ({account}) uses: {why}");
                        let list = if why.starts_with(jobs::PANICKED) { &mut panics } else { &mut failures };
                        list.push(format!("could not measure what account {account} uses: {why}"));
                    }
                }
            }
            let room = async {
                self.set_room_aside(account).await;
                Ok(())
            };
            panics.extend(jobs::caught(room).await.err());
            tokio::time::sleep((began.elapsed() * PAUSES).max(BETWEEN)).await;
        }
        let is_the_servers = measured == 0 && failures.len() > 1;
        if let Some(why) = panics.into_iter().chain(failures.into_iter().filter(|_| is_the_servers)).next() {
            return Err(why);
        }
        tokio::time::sleep(EVERY.min(after)).await;
        Ok(())
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
        let tried = |account: &AccountId| known.measured.get(account).and_then(|measured| measured.tried);
        let mut due: Vec<AccountId> =
            live.into_iter().filter(|account| tried(account).is_none_or(|tried| tried.elapsed() >= after)).collect();
        due.sort_by_key(tried);
        due
    }

    fn is_fresh(&self, account: AccountId, after: Duration) -> bool {
        self.known().measured.get(&account).and_then(|measured| measured.tried).is_some_and(|tried| tried.elapsed() < after)
    }

    /// The user of a live account.
    fn measurable(&self, account: AccountId) -> Option<(Username, Uid)> {
        let known = self.known();
        let spec = &known.accounts.get(&account).filter(|record| record.spec.state != State::Absent)?.spec;
        Some((spec.username.clone(), spec.uid?))
    }

    fn last_measured(&self, account: AccountId) -> Option<DiskUsage> {
        self.known().measured.get(&account)?.disk
    }

    /// The look at a home that is under way, or a new one.
    fn look(&self, account: AccountId, username: &Username, uid: Uid, haste: Haste) -> Look {
        let mut known = self.known();
        known.looks.retain(|_, look| look.upgrade().is_some());
        if let Some(look) = known.looks.get(&account).and_then(WeakLook::upgrade) {
            return look;
        }
        let (engine, username) = (self.clone(), username.clone());
        let look = async move { engine.measure(account, &username, uid, haste).await }.boxed().shared();
        known.looks.extend(look.downgrade().map(|weak| (account, weak)));
        look
    }

    async fn measure(&self, account: AccountId, username: &Username, uid: Uid, haste: Haste) -> Result<DiskUsage, String> {
        let seen = jobs::caught(async {
            // The background is one at a time by itself.
            let _turn = if haste == Haste::Waited { self.inner.looks.acquire().await.ok() } else { None };
            self.host().disk_usage(username, uid, haste).await.map_err(|error| chain(&error))
        });
        let seen = seen.await;
        let disk = seen.map(|seen| DiskUsage { measured_at: Micros::now(), bytes: seen.bytes, files: seen.files, at_least: seen.at_least });
        let mut known = self.known();
        let before = known.measured.get(&account).copied();
        let last = before.and_then(|measured| measured.disk);
        // What was cut short because somebody waits does not take the place of a number that counted further, nor of the background's look.
        let cut_short = haste == Haste::Waited && disk.as_ref().is_ok_and(|disk| disk.at_least);
        let disk = match (disk, last) {
            (Ok(disk), Some(last)) if cut_short && last.files > disk.files => Ok(last),
            (disk, _) => disk,
        };
        let tried = if cut_short { before.and_then(|measured| measured.tried) } else { Some(Instant::now()) };
        known.measured.insert(account, Measured { tried, disk: disk.as_ref().ok().copied().or(last) });
        disk
    }
}
