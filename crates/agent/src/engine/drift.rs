//! Drift: what has become of accounts that were committed. The Agent looks at one after the other on a slow timer, says what it finds, and
//! mends it only if it is set to.

use std::time::Duration;

use opterius_model::{AccountId, State};
use opterius_protocol::Micros;
use opterius_protocol::agent::{Drift, DriftReport, Plan};

use super::journal::AccountRecord;
use super::{Engine, in_turn};
use crate::jobs;
use crate::operations;
use crate::resources::Target;
use crate::run::{Run, details_of};

/// The pause after each account, so that a look at ten thousand of them is spread over minutes and slows nobody down.
const BETWEEN: Duration = Duration::from_millis(20);

impl Engine {
    /// Says whether what is found is mended, for whoever asks.
    pub(crate) fn say_whether_drift_is_mended(&self, mends: bool) {
        self.known().mends_drift = mends;
    }

    /// Looks at every live account once. One at which the Agent breaks keeps the others from nothing; it is told at the end.
    pub(crate) async fn look_for_drift(&self, mends: bool) -> Result<(), String> {
        let live: Vec<AccountId> = {
            let known = self.known();
            known.accounts.values().filter(|record| record.spec.state != State::Absent).map(|record| record.spec.account_id).collect()
        };
        let mut broken = Vec::new();
        for account in live {
            let look = async {
                self.look_at(account, mends).await;
                Ok(())
            };
            if let Err(why) = jobs::caught(look).await {
                broken.push(format!("could not look at account {account}: {why}"));
            }
            tokio::time::sleep(BETWEEN).await;
        }
        self.known().looked_at = Some(Micros::now());
        if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) }
    }

    async fn look_at(&self, account: AccountId, mends: bool) {
        // Nobody changes the account while it is looked at; whoever wants to is next. What an operation works on it looks at itself, and one
        // that needs attention keeps no other account from being looked at.
        let Some(_turn) = self.turn_if_idle(account) else { return };
        let found = self.known().accounts.get(&account).filter(|record| record.spec.state != State::Absent).cloned();
        let Some((record, target)) = found.and_then(|record| Some((record.clone(), record.target()?))) else { return };
        let plan = self.plan_of(&record, target.clone()).await;
        let before = self.known().drift.get(&account).cloned();
        if plan.is_empty() {
            // What was mended is told once more than it is seen, and then forgotten.
            self.known().drift.remove(&account);
            return;
        }
        let username = record.spec.username.clone();
        let news = before.as_ref().is_none_or(|before| before.mended || before.plan != plan);
        if news {
            tracing::warn!(account.id = %account, account.username = %username, "the account {username} ({account}) is not as it was committed: {}", sentences(&plan));
        }
        let mut drift = Drift { account_id: account, username: username.clone(), found_at: Micros::now(), plan, mended: false };
        if let Some(before) = before.filter(|_| !news) {
            drift.found_at = before.found_at;
        }
        if mends && drift.plan.missing.is_empty() && drift.plan.conflicts.is_empty() {
            let run = Run::unobserved(self.inner.host.clone(), target);
            match in_turn(&self.inner.slots.again, mend(&run, &drift.plan)).await {
                Ok(changes) => {
                    self.record(&record).await;
                    tracing::warn!(account.id = %account, account.username = %username, "mended the account {username} ({account}): {changes}");
                    drift.mended = true;
                }
                Err(failures) => {
                    tracing::error!(account.id = %account, account.username = %username, "could not mend the account {username} ({account}): {failures}");
                }
            }
        }
        self.known().drift.insert(account, drift);
    }

    /// What is to be done about an account that was committed, its record on the disk included.
    pub(super) async fn plan_of(&self, record: &AccountRecord, target: Target) -> Plan {
        let account = record.spec.account_id;
        let mut plan = operations::plan(&Run::unobserved(self.inner.host.clone(), target)).await;
        let behind = self.known().unwritten.contains(&account);
        if !behind && !self.inner.host.account(account).await.is_ok_and(|text| text.is_some_and(|text| text == record.to_text())) {
            plan.changes.push(opterius_protocol::agent::PlannedChange {
                resource: "record".to_owned(),
                change: "write the Agent's own record of the account".to_owned(),
            });
        }
        plan
    }

    /// What the last look found.
    pub fn drift(&self) -> DriftReport {
        let known = self.known();
        DriftReport { looked_at: known.looked_at, mends: known.mends_drift, accounts: known.drift.values().cloned().collect() }
    }
}

/// Makes a live account as it was committed. Answers what was done, or what could not be, in sentences.
pub(super) async fn mend(run: &Run, plan: &Plan) -> Result<String, String> {
    match operations::reach(run).await {
        Ok(()) => Ok(sentences(plan)),
        Err(failures) => Err(details_of(&failures).join(" ")),
    }
}

fn sentences(plan: &Plan) -> String {
    let changes = plan.changes.iter().map(|change| change.change.as_str());
    let failures = plan.conflicts.iter().chain(&plan.missing).map(|failure| failure.detail.as_str());
    changes.chain(failures).collect::<Vec<_>>().join("; ")
}
