//! One engine for every change: it takes a Spec, journals what it is about to do, makes the server as the Spec says, proves it, and
//! decides the outcome. What fails turns back, once, to the Spec from before; what was killed goes on at the next start.

mod carry_out;
mod drift;
mod heads;
pub(crate) mod journal;
mod never;
mod operation;
mod php;
mod recovery;
mod trash;
mod unreadable;
mod usage;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod never_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use opterius_model::{AccountId, DomainName, OperationId, Site, Spec, State, UID_RANGE, Uid, Username};
use opterius_protocol::agent::{AT_ONCE, AccountDetail, AccountSummary, Change, Drift, Failure, FailureKind, Plan};
use opterius_protocol::{Micros, WireCode, WireError};
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore, watch};

pub use operation::Watcher;

use crate::host::{Host, HostError};
use crate::jobs::Jobs;
use crate::logs::Losses;
use crate::operations;
use crate::resources::Target;
use crate::run::Run;
use journal::AccountRecord;
use operation::Operation;
use trash::is_due;

/// How long one of them counts at most: what takes longer waits for something, such as a service that does not answer.
const COUNTED: Duration = Duration::from_secs(5);

/// How long an Agent that panicked may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long an acknowledged operation is remembered, so that a copy of its request that is still under way finds the outcome.
const REMEMBERED: Duration = Duration::from_hours(1);

/// How often it is looked whether one can be forgotten.
const FORGETS_EVERY: Duration = Duration::from_mins(5);

/// Everything the Agent does to accounts. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    host: Arc<dyn Host>,
    state: Mutex<Known>,
    slots: Slots,
    /// Looks at homes for which somebody waits.
    looks: Semaphore,
    jobs: Jobs,
    losses: Mutex<Losses>,
    ready: watch::Sender<bool>,
    /// Something may have come into the trash.
    trash_changed: Notify,
    /// Whose turn it is with the heads of the Activity.
    heads: tokio::sync::Mutex<()>,
    /// Whose turn it is with what never begins.
    nevers: tokio::sync::Mutex<()>,
}

/// How many work at the same time, so that none of one kind keeps those of another waiting.
struct Slots {
    /// First attempts of what makes or changes an account.
    making: Semaphore,
    /// First attempts of what suspends or ends one, once it is closed.
    closing: Arc<Semaphore>,
    /// Every further attempt.
    again: Semaphore,
}

impl Default for Slots {
    fn default() -> Self {
        let slots = || Semaphore::new(AT_ONCE);
        Self { making: slots(), closing: Arc::new(slots()), again: slots() }
    }
}

/// Does some work in its turn. It counts for a while only, so that what waits for a service that does not answer keeps nobody waiting.
pub(crate) async fn in_turn<T>(slots: &Semaphore, work: impl Future<Output = T>) -> T {
    let slot = slots.acquire().await;
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(COUNTED, &mut work).await {
        return done;
    }
    drop(slot);
    work.await
}

/// What the engine knows, all of it also on disk.
#[derive(Default)]
struct Known {
    accounts: BTreeMap<AccountId, AccountRecord>,
    operations: HashMap<OperationId, Arc<Operation>>,
    /// Operations that are not known and never begin.
    nevers: HashMap<OperationId, never::Never>,
    /// The operation that writes an account now, by account.
    writers: HashMap<AccountId, OperationId>,
    usernames: HashMap<Username, AccountId>,
    domains: HashMap<DomainName, AccountId>,
    last_uid: Option<Uid>,
    /// Accounts whose record on disk is behind, so that only their journals tell what is committed.
    unwritten: HashSet<AccountId>,
    /// Whose turn it is with an account: an operation's, or the Agent's own work on it.
    turns: HashMap<AccountId, Weak<tokio::sync::Mutex<()>>>,
    /// Accounts that are back, and of which the trash still has something.
    leftovers: HashSet<AccountId>,
    /// Accounts that were not as they were committed when they were last looked at.
    drift: BTreeMap<AccountId, Drift>,
    looked_at: Option<Micros>,
    mends_drift: bool,
    /// What live accounts used on the disk when they were last measured. Not kept over a restart: the Panel keeps what it was told, and an
    /// old number is not worth a form on the disk that later versions must read.
    measured: HashMap<AccountId, usage::Measured>,
    /// Homes that are being looked at, each once for all who wait.
    looks: HashMap<AccountId, usage::WeakLook>,
    /// Journals and records of accounts that cannot be read.
    unreadable: unreadable::Unreadable,
}

/// The names of a Spec that no other account may have. A field that is new does not compile until somebody has decided whether it is one.
fn names(spec: &Spec) -> (&Username, impl Iterator<Item = &DomainName>) {
    let Spec {
        username,
        sites,
        version: _,
        account_id: _,
        owner_id: _,
        generation: _,
        state: _,
        uid: _,
        password_hash: _,
        pools: _,
        addresses: _,
        limits: _,
        holds: _,
        nameservers: _,
        kept_until: _,
        records: _,
    } = spec;
    (username, sites.iter().flat_map(|Site { hosts, docroot: _, pool: _, tls: _ }| hosts))
}

impl Known {
    /// Reserves the Spec's names for its account, or answers who has which.
    fn claim(&mut self, spec: &Spec) -> Result<(), (bool, AccountId)> {
        if let Some(holder) = self.holder(spec) {
            return Err(holder);
        }
        let (username, hosts) = names(spec);
        self.usernames.insert(username.clone(), spec.account_id);
        self.domains.extend(hosts.map(|host| (host.clone(), spec.account_id)));
        Ok(())
    }

    /// The other account that has a name of the Spec, and whether that is the username.
    fn holder(&self, spec: &Spec) -> Option<(bool, AccountId)> {
        let others = |account: &&AccountId| **account != spec.account_id;
        let (username, mut hosts) = names(spec);
        if let Some(other) = self.usernames.get(username).filter(others) {
            return Some((true, *other));
        }
        hosts.find_map(|host| self.domains.get(host).filter(others)).map(|other| (false, *other))
    }

    /// Whether nothing of an account is committed to be here.
    fn is_absent(&self, account: AccountId) -> bool {
        self.accounts.get(&account).is_none_or(|record| record.spec.state == State::Absent)
    }

    /// Gives free whatever of an account's names is not committed. For the end of an operation: nothing else of the account is open then.
    fn release_uncommitted(&mut self, account: AccountId) {
        let committed = self.accounts.get(&account).map(|record| &record.spec).filter(|spec| spec.state != State::Absent);
        let (username, hosts) = match committed.map(names) {
            Some((username, hosts)) => (Some(username), hosts.collect()),
            None => (None, HashSet::new()),
        };
        self.usernames.retain(|name, owner| *owner != account || Some(name) == username);
        self.domains.retain(|name, owner| *owner != account || hosts.contains(name));
    }

    /// Takes in what is committed of an account, which holds exactly its names from here on.
    fn commit(&mut self, record: AccountRecord) {
        let account = record.spec.account_id;
        if record.spec.state != State::Absent {
            // Recovery and commits only meet names that were claimed before, so this cannot refuse.
            let _ = self.claim(&record.spec);
        }
        self.note_uid(record.spec.uid);
        self.accounts.insert(account, record);
        self.release_uncommitted(account);
    }

    /// A uid that was given, whatever has become of its account.
    fn note_uid(&mut self, uid: Option<Uid>) {
        self.last_uid = self.last_uid.into_iter().chain(uid).min();
    }

    /// The uid below the last one given, around the range; `None` when every uid belongs to a live account.
    ///
    /// From the top down, since useradd(8) and groupadd(8) take the number above the highest one there: going up, a group that somebody
    /// made by hand in the middle of a create got the very number that was chosen for the account, and was removed as the account's own
    /// (seen). It also keeps the users that administrators make out of this range, from which nobody logs in.
    fn next_uid(&mut self) -> Option<Uid> {
        // Files of an account that is kept still bear its number.
        let given = self.accounts.values().filter(|record| record.spec.state != State::Absent || record.spec.kept_until.is_some());
        let live: HashSet<Uid> = given.filter_map(|record| record.spec.uid).collect();
        let below = self.last_uid.map_or(*UID_RANGE.end() + 1, Uid::get);
        let downwards = (*UID_RANGE.start()..below).rev().chain(UID_RANGE.rev());
        let uid = downwards
            .filter_map(|n| Uid::try_from(n).ok())
            .find(|uid| !live.contains(uid) && !self.unreadable.uids.contains(&uid.get()))?;
        self.last_uid = Some(uid);
        Some(uid)
    }
}

impl Engine {
    /// Reads everything that is on disk. Nothing is done until [`Engine::recover`].
    pub async fn load(host: Arc<dyn Host>) -> Result<Self, HostError> {
        let known = recovery::load(&*host).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                host,
                state: Mutex::new(known),
                slots: Slots::default(),
                looks: Semaphore::new(usage::AT_ONCE),
                jobs: Jobs::default(),
                losses: Mutex::default(),
                ready: watch::Sender::new(false),
                trash_changed: Notify::new(),
                heads: tokio::sync::Mutex::default(),
                nevers: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Finishes every open operation in its recorded direction, and after a power cut repairs the accounts committed shortly before.
    pub async fn recover(&self) {
        recovery::recover(self).await;
        self.inner.ready.send_replace(true);
    }

    /// Waits until recovery is over.
    pub(crate) async fn until_ready(&self) {
        // The sender lives as long as the engine.
        let _ = self.inner.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Whether recovery is over.
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    /// What the Agent does by itself again and again.
    pub fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    /// What was lost of nginx's access log, as far as the job that splits it knows.
    pub fn losses(&self) -> Losses {
        *self.inner.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down what the job knows.
    pub(crate) fn tell_losses(&self, losses: Losses) {
        *self.inner.losses.lock().unwrap_or_else(PoisonError::into_inner) = losses;
    }

    /// The host, for what is not about one account.
    pub fn host(&self) -> &dyn Host {
        &*self.inner.host
    }

    /// Waits until nobody else works on the account. Whoever holds the guard is the only one who does.
    async fn turn_of(&self, account: AccountId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut known = self.known();
            known.turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = known.turns.get(&account).and_then(Weak::upgrade).unwrap_or_default();
            known.turns.insert(account, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }

    /// The same, where nobody else works on the account now. An operation can go on for days, which nothing else waits for.
    fn turn_if_idle(&self, account: AccountId) -> Option<OwnedMutexGuard<()>> {
        let turn = {
            let mut known = self.known();
            if known.writers.contains_key(&account) {
                return None;
            }
            let turn = known.turns.get(&account).and_then(Weak::upgrade).unwrap_or_default();
            known.turns.insert(account, Arc::downgrade(&turn));
            turn
        };
        turn.try_lock_owned().ok()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that holds the lock can panic half-way through a change of what it guards.
        self.inner.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes on a change, or finds the operation it is already. The work goes on by itself, whatever becomes of the caller.
    pub fn submit(&self, change: &Change, creates: bool) -> Result<Watcher, WireError> {
        check(&change.spec, creates)?;
        let mut known = self.known();
        if let Some(watcher) = known.unreadable.follow(change.operation_id, change.spec.account_id) {
            return Ok(watcher);
        }
        if let Some(operation) = known.operations.get(&change.operation_id) {
            return if operation.is_for(&change.spec) {
                Ok(operation.watch())
            } else {
                Err(refusal(WireCode::OtherContent, format!("Operation {} is known with another Spec.", change.operation_id)))
            };
        }
        if let Some(why) = known.refuses(change.operation_id) {
            return Err(why);
        }
        let account = change.spec.account_id;
        if let Some(why) = known.unreadable.account(account) {
            return Err(refusal(WireCode::Conflict, why.to_owned()));
        }
        let previous = known.accounts.get(&account).map(|record| record.spec.clone());
        if let Some(previous) = previous.as_ref().filter(|previous| previous.generation >= change.spec.generation) {
            return Err(refusal(
                WireCode::StaleGeneration,
                format!("Account {account} has generation {} here, and the Spec sent has {}.", previous.generation, change.spec.generation),
            ));
        }
        if let Some(writer) = known.writers.get(&account) {
            return Err(refusal(WireCode::Conflict, format!("Operation {writer} of account {account} is still being carried out.")));
        }
        let (was_here, uid) = (previous.is_some(), previous.as_ref().and_then(|spec| spec.uid));
        // An account of which nothing is kept has no state to change from.
        let previous = previous.filter(|spec| spec.state != State::Absent || spec.kept_until.is_some_and(|until| until > Micros::now()));
        if creates && previous.is_some() {
            return Err(refusal(WireCode::Conflict, format!("Account {account} is on this server already.")));
        }
        if !creates && !was_here && change.spec.state != State::Absent {
            return Err(refusal(WireCode::NotFound, format!("Account {account} is not on this server.")));
        }
        let operation = Arc::new(Operation::new(change, previous, creates, uid));
        known.operations.insert(change.operation_id, operation.clone());
        known.writers.insert(account, change.operation_id);
        drop(known);
        let watcher = operation.watch();
        self.begin_to_carry_out(operation);
        Ok(watcher)
    }

    /// Carries an operation out in a task of its own, unless that is done already. A panic there ends the Agent: the account would stay locked,
    /// and the next start finishes what is open.
    fn begin_to_carry_out(&self, operation: Arc<Operation>) {
        if !operation.take() {
            return;
        }
        let engine = self.clone();
        tokio::spawn(async move {
            let done = AssertUnwindSafe(engine.carry_out(&operation)).catch_unwind().await;
            if let Err(panic) = done {
                let why = opterius_model::clean(opterius_protocol::panic_message(&*panic).as_bytes(), 500);
                tracing::error!(
                    operation.id = %operation.id, request.id = %operation.request, account.id = %operation.asked.account_id,
                    "the Agent panicked while it carried out the operation {}, and ends; the next start goes on with it: {why}", operation.id
                );
                // For the next start, as far as it can be written.
                let line = journal::Line::Panicked { at: Micros::now(), why }.to_text();
                let _ = tokio::time::timeout(LAST_WORDS, engine.inner.host.append_journal(operation.id, &line)).await;
                engine.inner.host.end_process();
            }
        });
    }

    /// An operation that was submitted and not yet forgotten.
    pub fn operation(&self, id: OperationId) -> Option<Watcher> {
        self.follow_unreadable(id).or_else(|| self.known().operations.get(&id).map(|operation| operation.watch()))
    }

    /// The caller has recorded the outcome. Answers whether the operation is known; one that has no outcome yet stays as it is.
    pub async fn acknowledge(&self, id: OperationId) -> bool {
        let Some(operation) = self.known().operations.get(&id).cloned() else { return false };
        if operation.is_decided() && operation.acknowledge() {
            let line = journal::Line::Acknowledged { at: Micros::now() };
            if let Err(error) = self.inner.host.append_journal(id, &line.to_text()).await {
                tracing::warn!(operation.id = %id, "could not note that the Panel acknowledged the operation {id}: {}", opterius_protocol::client::chain(&error));
            }
        }
        true
    }

    /// Tries an operation that needs attention again at once.
    pub fn retry(&self, id: OperationId) -> Option<Watcher> {
        if let Some(watcher) = self.follow_unreadable(id) {
            return Some(watcher);
        }
        let operation = self.known().operations.get(&id).cloned()?;
        operation.poke();
        Some(operation.watch())
    }

    /// Ends an operation that needs attention where it stands.
    pub fn abandon(&self, id: OperationId) -> Option<Result<Watcher, WireError>> {
        if let Some(error) = self.unreadable_operation(id) {
            return Some(Err(refusal(WireCode::Conflict, error.detail)));
        }
        let operation = self.known().operations.get(&id).cloned()?;
        if operation.abandon() || operation.is_abandoned() {
            return Some(Ok(operation.watch()));
        }
        let detail = format!("Operation {id} does not need attention, so there is nothing to abandon.");
        Some(Err(refusal(WireCode::Conflict, detail)))
    }

    /// Forgets every operation whose outcome was acknowledged long enough ago, or that it never begins, and waits a while.
    pub(crate) async fn forget_acknowledged(&self) -> Result<(), String> {
        let due: Vec<OperationId> = {
            let known = self.known();
            known.operations.values().filter(|operation| operation.is_acknowledged_for(REMEMBERED)).map(|operation| operation.id).collect()
        };
        for id in due {
            self.forget(id).await;
        }
        self.forget_nevers().await;
        tokio::time::sleep(FORGETS_EVERY).await;
        Ok(())
    }

    /// Answers whether the operation is forgotten: not while its journal is all that is on disk of what it committed.
    async fn forget(&self, id: OperationId) -> bool {
        let behind = {
            let known = self.known();
            let account = known.operations.get(&id).map(|operation| operation.asked.account_id);
            account.filter(|account| known.unwritten.contains(account)).and_then(|account| known.accounts.get(&account).cloned())
        };
        if let Some(record) = behind
            && !self.record(&record).await
        {
            return false;
        }
        let forgotten = self.inner.host.remove_journal(id).await.is_ok();
        if forgotten {
            self.known().operations.remove(&id);
        }
        forgotten
    }

    /// What is known of every account behind `after`, at most `limit` of them, and how many there are in all.
    pub fn list(&self, after: Option<AccountId>, limit: usize) -> (Vec<AccountSummary>, usize) {
        use std::ops::Bound;
        let known = self.known();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = known.accounts.range((start, Bound::Unbounded)).take(limit).map(|(_, record)| record.summary()).collect();
        (page, known.accounts.len())
    }

    /// What is committed of one account.
    pub fn account(&self, id: AccountId) -> Option<AccountDetail> {
        let known = self.known();
        let record = known.accounts.get(&id)?;
        Some(AccountDetail { summary: record.summary(), spec: record.spec.clone(), memo: record.memo.clone() })
    }

    /// The live account that has this site.
    pub fn owner_of(&self, domain: &DomainName) -> Option<(AccountId, Username)> {
        let known = self.known();
        let account = *known.domains.get(domain)?;
        Some((account, known.accounts.get(&account)?.spec.username.clone()))
    }

    /// How everything stands, in numbers.
    pub fn tally(&self) -> Tally {
        let known = self.known();
        let now = Micros::now();
        let count = |is: &dyn Fn(&Spec) -> bool| known.accounts.values().filter(|record| is(&record.spec)).count();
        Tally {
            open: {
                let open = known.operations.values().filter(|operation| !operation.is_decided()).map(|operation| operation.id);
                open.chain(known.unreadable.operations()).collect()
            },
            live: count(&|spec| spec.state != State::Absent),
            kept: count(&|spec| spec.kept_until.is_some() && !is_due(spec, now)),
            deleting: count(&|spec| is_due(spec, now)) + known.leftovers.len(),
            drifted: known.drift.values().filter(|drift| !drift.mended).count(),
            unreadable: known.unreadable.told.clone(),
        }
    }

    /// What converging to `spec` would change. Touches nothing.
    pub async fn plan(&self, spec: Spec) -> Result<Plan, WireError> {
        check(&spec, false)?;
        let (record, taken) = {
            let known = self.known();
            if let Some(why) = known.unreadable.account(spec.account_id) {
                return Err(refusal(WireCode::Conflict, why.to_owned()));
            }
            let record = known.accounts.get(&spec.account_id).cloned();
            (record, if spec.state == State::Absent { None } else { known.holder(&spec) })
        };
        let before = record.as_ref().map(|record| record.spec.clone());
        // An account that is not here yet has no uid; nothing can bear the last to be given before the others were.
        let uid = before.as_ref().and_then(|spec| spec.uid).or(spec.uid).or_else(|| Uid::try_from(*UID_RANGE.start()).ok());
        let uid = uid.expect("the range has a start");
        let is_here = |before: &Spec| before.state != State::Absent || before.kept_until.is_some_and(|until| until > Micros::now());
        let target = Target { spec, uid, before: before.filter(is_here) };
        let mut plan = match &record {
            Some(record) if target.repairs() => self.plan_of(record, target).await,
            _ => operations::plan(&Run::unobserved(self.inner.host.clone(), target)).await,
        };
        if let Some((user, other)) = taken {
            let (kind, what) = if user { (FailureKind::UsernameTaken, "username") } else { (FailureKind::DomainTaken, "domain") };
            let detail = format!("The {what} belongs to the account {other} on this server.");
            plan.conflicts.push(Failure { step: "preflight".to_owned(), kind, detail, hint: Some(crate::run::hint_for(kind)) });
        }
        Ok(plan)
    }
}

/// How everything stands, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Operations without an outcome.
    pub open: Vec<OperationId>,
    /// Accounts that are there.
    pub live: usize,
    /// Accounts of which something is kept.
    pub kept: usize,
    /// Accounts of which what was kept is being deleted.
    pub deleting: usize,
    /// Accounts that were not as committed when they were last looked at.
    pub drifted: usize,
    /// What could not be read from the disk.
    pub unreadable: Vec<String>,
}

fn refusal(code: WireCode, detail: String) -> WireError {
    WireError { code, detail }
}

/// Refuses what no operation could make true.
fn check(spec: &Spec, creates: bool) -> Result<(), WireError> {
    let invalid = |detail: String| Err(refusal(WireCode::Invalid, detail));
    if let Err(error) = spec.check() {
        return invalid(error.to_string());
    }
    if spec.sites.len() > 1 || spec.sites[0].hosts.len() > 1 || spec.pools.len() > 1 {
        return invalid("This Agent serves accounts with one site of one host name and one pool.".to_owned());
    }
    match spec.state {
        State::Suspended | State::Absent if creates => invalid("An account is created active.".to_owned()),
        State::Active if creates && spec.uid.is_some() => invalid("The uid of a new account is chosen by the Agent.".to_owned()),
        _ => Ok(()),
    }
}
