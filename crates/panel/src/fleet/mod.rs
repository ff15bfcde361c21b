//! The servers' Agents: how to reach them, and how they are.

mod agent;
mod answer;
mod list;
mod open_operations;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_model::{AccountId, OperationId, PhpChoice, PhpVersion, ServerId};
use opterius_protocol::agent::{Drift, DriftReport, Health};

pub(crate) use agent::Agent;
pub(crate) use answer::ACCOUNTS;
pub(crate) use list::Reading;
pub(crate) use open_operations::{Full, OpenOperation, OpenOperations};

use crate::turns::{Limits, Turns};

/// Operations that a server has begun and not ended, as far as they are sent in turn: as many as its Agent works on, so that none waits there.
const AT_ONCE: usize = opterius_protocol::agent::AT_ONCE;

/// How many of them may be of one party: half, so that another party's operation begins at once, and is slowed down little.
const SHARE: usize = AT_ONCE / 2;

/// How many operations of one token may be open on a server: those that run, or wait for their turn, but for what suspends or ends accounts.
const OPEN_OF_ONE: usize = 200;

/// How many of all tokens, and of the host's staff: what the Panel keeps of each in memory is some 10 KiB.
const OPEN_OF_ALL: usize = 5000;

/// The operations of one server.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    /// Whose is sent next.
    pub(crate) turns: Turns<OperationId>,
    /// How many are open.
    pub(crate) open: OpenOperations,
}

/// What is known of the PHPs of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerPhp {
    /// Its Agent did not answer when it was last asked, or cannot tell now.
    Unknown,
    /// Its Agent is of an earlier version: it does not tell, and cannot read any choice but a version.
    OnlyVersions,
    /// These are installed, the newest first.
    Versions(Vec<PhpVersion>),
}

/// Every server's Agent.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    /// The Agent on the Panel's own machine, the only one there is so far.
    local: Agent,
    /// Those of other machines.
    others: Arc<HashMap<ServerId, Agent>>,
    health: Arc<Mutex<HashMap<ServerId, Option<Health>>>>,
    /// What was not as committed when each server was last asked.
    drift: Arc<Mutex<HashMap<ServerId, BTreeMap<AccountId, Drift>>>>,
    /// The accounts whose last drift is not in the Activity yet, since there are many rows of it; with how many findings before it never came
    /// to be there.
    postponed: Arc<Mutex<HashMap<(ServerId, AccountId), u64>>>,
    queues: Arc<Mutex<HashMap<ServerId, Queue>>>,
    /// How long an operation that was sent keeps others from being sent.
    counted: Duration,
    /// The servers whose accounts were compared with ours since the start, or are being compared.
    compared: Arc<Mutex<HashSet<ServerId>>>,
}

impl Fleet {
    pub(crate) fn new(agent_socket: &Path, others: &HashMap<ServerId, PathBuf>, counted: Duration) -> Self {
        let others = others.iter().map(|(server, socket)| (*server, Agent::new(socket))).collect();
        Self {
            local: Agent::new(agent_socket),
            others: Arc::new(others),
            health: Arc::default(),
            drift: Arc::default(),
            postponed: Arc::default(),
            queues: Arc::default(),
            counted,
            compared: Arc::default(),
        }
    }

    /// The Agent of a server.
    pub(crate) fn agent(&self, server: ServerId) -> &Agent {
        self.others.get(&server).unwrap_or(&self.local)
    }

    /// The operations of a server.
    pub(crate) fn queue(&self, server: ServerId) -> Queue {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Queue {
            turns: Turns::new(Limits { at_once: AT_ONCE, share: SHARE, counted: self.counted }),
            open: OpenOperations::new(OPEN_OF_ONE, OPEN_OF_ALL),
        };
        queues.entry(server).or_insert_with(new).clone()
    }

    pub(crate) fn learn(&self, server: ServerId, health: Option<Health>) -> bool {
        let reachable = health.is_some();
        let before = self.health.lock().unwrap_or_else(PoisonError::into_inner).insert(server, health);
        before.is_none_or(|before| before.is_some() != reachable)
    }

    /// Whether the accounts of a server are still to be compared with ours after the start; says so once.
    pub(crate) fn begin_resync(&self, server: ServerId) -> bool {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).insert(server)
    }

    /// Takes in which pages of the host's a server has by now.
    pub(crate) fn learn_pages(&self, server: ServerId, hash: String) {
        if let Some(Some(health)) = self.health.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&server) {
            health.pages_hash = Some(hash);
        }
    }

    /// Takes in what is not as committed; returns what is new of it, says something new, or was postponed.
    pub(crate) fn learn_drift(&self, server: ServerId, report: DriftReport) -> Vec<Drift> {
        let mut drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        let mut postponed = self.postponed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = drift.entry(server).or_default();
        let now: BTreeMap<AccountId, Drift> = report.accounts.into_iter().map(|one| (one.account_id, one)).collect();
        let before = std::mem::replace(known, now);
        let same = |one: &Drift| before.get(&one.account_id).is_some_and(|before| before.plan == one.plan && before.mended == one.mended);
        let mut news = Vec::new();
        for one in known.values() {
            match (postponed.get_mut(&(server, one.account_id)), same(one)) {
                (None, true) => continue,
                (None, false) | (Some(_), true) => {}
                // The one that was postponed is not to be seen any more.
                (Some(left_out), false) => *left_out += 1,
            }
            news.push(one.clone());
        }
        news
    }

    /// Has the drift of an account looked at again with the next report, whether or not it is another by then.
    pub(crate) fn postpone_drift(&self, server: ServerId, account: AccountId) {
        self.postponed.lock().unwrap_or_else(PoisonError::into_inner).entry((server, account)).or_default();
    }

    /// How many findings of an account never came to be in the Activity since the last that did.
    pub(crate) fn left_out_of_drift(&self, server: ServerId, account: AccountId) -> u64 {
        self.postponed.lock().unwrap_or_else(PoisonError::into_inner).get(&(server, account)).copied().unwrap_or_default()
    }

    /// The drift of an account is in the Activity.
    pub(crate) fn drift_is_recorded(&self, server: ServerId, account: AccountId) {
        self.postponed.lock().unwrap_or_else(PoisonError::into_inner).remove(&(server, account));
    }

    /// What of an account is not as committed, as far as its server has looked.
    pub(crate) fn drift(&self, server: ServerId, account: AccountId) -> Option<Drift> {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner).get(&server)?.get(&account).cloned()
    }

    /// Every account that is not as committed, as far as the server has looked.
    pub(crate) fn drifted(&self, server: ServerId) -> Vec<Drift> {
        let drift = self.drift.lock().unwrap_or_else(PoisonError::into_inner);
        drift.get(&server).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Whether the Agent answered when it was last asked.
    pub(crate) fn reachable(&self, server: ServerId) -> bool {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).get(&server).is_some_and(Option::is_some)
    }

    /// What the Agent said of itself when it was last asked; nothing if it did not answer.
    pub(crate) fn health(&self, server: ServerId) -> Option<Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).get(&server)?.clone()
    }

    /// What is known of the PHPs of a server.
    pub(crate) fn php(&self, server: ServerId) -> ServerPhp {
        match self.health.lock().unwrap_or_else(PoisonError::into_inner).get(&server) {
            None | Some(None) => ServerPhp::Unknown,
            Some(Some(health)) => match &health.php_versions {
                None => ServerPhp::OnlyVersions,
                Some(none) if none.is_empty() => ServerPhp::Unknown,
                Some(versions) => ServerPhp::Versions(versions.clone()),
            },
        }
    }

    /// The version that a server runs for a choice, if that is known.
    pub(crate) fn php_of(&self, server: ServerId, choice: &PhpChoice) -> Option<String> {
        let ServerPhp::Versions(there) = self.php(server) else { return None };
        choice.pick(&there).map(ToString::to_string)
    }

    /// What the server makes true of every limit, in words.
    pub(crate) fn enforcement(&self, server: ServerId) -> BTreeMap<String, String> {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let probed = health.get(&server).and_then(Option::as_ref).map(|health| health.enforcement.as_slice()).unwrap_or_default();
        let said = |limit: &str| match probed.iter().find(|one| one.limit == limit) {
            Some(one) if one.enforced => "enforced",
            Some(_) => "not enforced on this server",
            None => "unknown",
        };
        opterius_model::Limits::DEFAULT.named().into_iter().map(|(limit, _)| (limit.to_owned(), said(limit).to_owned())).collect()
    }
}
