//! The trash: what is kept of terminated accounts goes when its time is over.

use std::time::Duration;

use opterius_model::{AccountId, Spec, State};
use opterius_protocol::Micros;
use opterius_protocol::client::chain;

use super::Engine;
use super::journal::AccountRecord;
use crate::jobs;
use crate::operations;
use crate::resources::Target;
use crate::run::{Run, details_of};

/// How often the trash is looked at while nothing changes in it. Times are days; a minute is no matter.
const EVERY: Duration = Duration::from_mins(1);

impl Engine {
    /// Empties the trash of whatever has been kept long enough, and waits until there may be more. One account that cannot be done keeps the
    /// others from nothing; it is told at the end.
    pub(crate) async fn empty_the_trash(&self) -> Result<(), String> {
        let mut failures = Vec::new();
        for account in self.due() {
            failures.extend(jobs::caught(self.forget_kept(account)).await.err());
        }
        let leftovers = self.known().leftovers.clone();
        for account in leftovers {
            failures.extend(jobs::caught(self.forget_leftovers(account)).await.err());
        }
        if !failures.is_empty() {
            return Err(failures.join("; "));
        }
        let _ = tokio::time::timeout(EVERY, self.inner.trash_changed.notified()).await;
        Ok(())
    }

    fn due(&self) -> Vec<AccountId> {
        let now = Micros::now();
        let known = self.known();
        let due = known.accounts.values().filter(|record| is_due(&record.spec, now));
        due.map(|record| record.spec.account_id).filter(|account| !known.writers.contains_key(account)).collect()
    }

    /// Throws away what a live account came back from. Should it fail, it is tried again in a while. Only for whoever has the account's turn:
    /// what a termination that is under way has put into the trash is all that there is of the account.
    pub(super) async fn forget_keepsake(&self, account: AccountId) -> Result<(), String> {
        // First, so that a panic loses nothing.
        self.known().leftovers.insert(account);
        let removed = self.inner.host.remove_keepsake(account).await;
        removed.map_err(|error| {
            format!("could not empty the trash of what account {account} came back from, will try again: {}", chain(&error))
        })?;
        self.known().leftovers.remove(&account);
        Ok(())
    }

    /// Does that for an account that was restored before, unless something else has happened to it since.
    async fn forget_leftovers(&self, account: AccountId) -> Result<(), String> {
        // What an operation works on is looked at again later.
        let Some(_turn) = self.turn_if_idle(account) else { return Ok(()) };
        let is_there = {
            let mut known = self.known();
            let is_there = !known.is_absent(account);
            if !is_there {
                known.leftovers.remove(&account);
            }
            is_there
        };
        if is_there { self.forget_keepsake(account).await } else { Ok(()) }
    }

    /// Deletes what is kept of an account, and only then gives its uid free.
    async fn forget_kept(&self, account: AccountId) -> Result<(), String> {
        let Some(_turn) = self.turn_if_idle(account) else { return Ok(()) };
        let Some(record) = self.known().accounts.get(&account).filter(|record| is_due(&record.spec, Micros::now())).cloned() else {
            return Ok(());
        };
        let Some(uid) = record.spec.uid else { return Ok(()) };
        let spec = Spec { kept_until: None, ..record.spec.clone() };
        let target = Target { spec: spec.clone(), uid, before: Some(record.spec.clone()) };
        let username = &record.spec.username;
        match operations::reach(&Run::unobserved(self.inner.host.clone(), target)).await {
            Ok(()) => {
                let record = AccountRecord { spec, ..record.clone() };
                self.record(&record).await;
                self.known().commit(record);
                tracing::info!(account.id = %account, account.username = %username, "deleted what was kept of the account {username} ({account})");
                Ok(())
            }
            Err(failures) => Err(format!(
                "could not delete what was kept of the account {username} ({account}), will try again: {}",
                details_of(&failures).join(" ")
            )),
        }
    }
}

/// Says what failed outside of the job, which tries it again.
pub(super) fn tell(account: AccountId, result: Result<(), String>) {
    if let Err(why) = result {
        tracing::warn!(account.id = %account, "{why}");
    }
}

pub(super) fn is_due(spec: &Spec, now: Micros) -> bool {
    spec.state == State::Absent && spec.kept_until.is_some_and(|until| until <= now)
}
