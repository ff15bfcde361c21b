//! What cannot be read of the Agent's own files: the journal of an operation, or the record of an account. It is kept as it is, and nothing is
//! done about the account that it is of, since whatever was done could be wrong: a person has to look.

use std::collections::{BTreeMap, HashMap, HashSet};

use opterius_model::{AccountId, OperationId};
use opterius_protocol::agent::{Direction, OperationReport, Outcome};
use opterius_protocol::{Micros, WireCode, WireError};
use tokio::sync::watch;

use super::journal::Remains;
use super::operation::Watcher;
use super::{Engine, Known, refusal};

/// Everything that cannot be read.
#[derive(Default)]
pub(super) struct Unreadable {
    operations: HashMap<OperationId, UnreadableOperation>,
    /// Why nothing is done about an account.
    accounts: BTreeMap<AccountId, String>,
    /// Numbers that may be those of accounts that cannot be read.
    pub(super) uids: HashSet<u32>,
    /// What cannot be read, in a clause each, for the person on call.
    pub(super) told: Vec<String>,
}

/// An operation whose journal cannot be read.
struct UnreadableOperation {
    why: String,
    /// Nothing while nobody knows whose it is.
    report: Option<watch::Sender<OperationReport>>,
}

impl UnreadableOperation {
    /// The operation as its caller hears of it: neither undone nor done, so that its names stay reserved.
    fn follow(&mut self, id: OperationId, account_id: AccountId) -> Watcher {
        let report = self.report.get_or_insert_with(|| {
            watch::Sender::new(OperationReport {
                operation_id: id,
                account_id,
                // Beyond all that an earlier life of the Agent told.
                revision: u64::try_from(Micros::now().0).unwrap_or(1),
                outcome: Outcome::NeedsAttention,
                direction: Direction::Forward,
                started_at: Micros::now(),
                finished_at: None,
                steps: Vec::new(),
                failure: None,
                left: vec![self.why.clone()],
                abandoned: false,
                uid: None,
            })
        });
        Watcher(report.subscribe())
    }
}

impl Unreadable {
    /// Why nothing is done about this account, if that is so.
    pub(super) fn account(&self, account: AccountId) -> Option<&str> {
        self.accounts.get(&account).map(String::as_str)
    }

    /// Follows an operation whose journal cannot be read, if this is one. Who sends it knows whose it is.
    pub(super) fn follow(&mut self, id: OperationId, account: AccountId) -> Option<Watcher> {
        self.operations.get_mut(&id).map(|lost| lost.follow(id, account))
    }

    /// Whether the journal of this operation cannot be read.
    pub(super) fn is_operation(&self, id: OperationId) -> bool {
        self.operations.contains_key(&id)
    }

    /// The operations whose journals cannot be read, and of which it is known whose they are.
    pub(super) fn operations(&self) -> impl Iterator<Item = OperationId> {
        self.operations.iter().filter(|(_, lost)| lost.report.is_some()).map(|(id, _)| *id)
    }
}

impl Known {
    /// An operation's journal cannot be read: the operation is not begun again, and its account and names are neither touched nor given away,
    /// as far as `remains` names them. Answers why, with the file and what to do.
    pub(super) fn lose_operation(&mut self, id: OperationId, remains: Remains, cause: &str) -> String {
        let file = format!("/var/lib/opterius-agent/operations/{id}.jsonl");
        let why = format!(
            "The journal {file} cannot be read: {cause}. Nothing is done about its account until a person has looked. Put the file back from a \
             backup, or update the Agent if a newer version wrote it, and run `systemctl restart opterius-agent`. Once the \
             account is known to be whole or gone, move the file away: `mv {file} /root/ && systemctl restart opterius-agent`."
        );
        self.unreadable.told.push(format!("the journal {file} of operation {id}: {cause}"));
        let mut lost = UnreadableOperation { why: why.clone(), report: None };
        if let Some(account) = remains.account {
            lost.follow(id, account);
            self.lose(account, remains, &why);
        }
        self.unreadable.operations.insert(id, lost);
        why
    }

    /// The record of an account cannot be read: nothing is done about it, and its names and number are not given away.
    pub(super) fn lose_account(&mut self, account: AccountId, remains: Remains, cause: &str) {
        let file = format!("/var/lib/opterius-agent/accounts/{account}.json");
        let why = format!(
            "The record {file} cannot be read: {cause}. Nothing is done about the account until a person has looked. Put the file back from a \
             backup, or update the Agent if a newer version wrote it, and run `systemctl restart opterius-agent`."
        );
        self.unreadable.told.push(format!("the record {file} of account {account}: {cause}"));
        self.lose(account, remains, &why);
    }

    fn lose(&mut self, account: AccountId, remains: Remains, why: &str) {
        for username in remains.usernames {
            self.usernames.entry(username).or_insert(account);
        }
        for host in remains.hosts {
            self.domains.entry(host).or_insert(account);
        }
        for uid in remains.uids {
            self.note_uid(Some(uid));
            self.unreadable.uids.insert(uid.get());
        }
        self.unreadable.accounts.entry(account).or_insert_with(|| why.to_owned());
    }
}

impl Engine {
    /// Why an operation cannot be told of, if that is so: its journal cannot be read, not even whose it is.
    pub fn unreadable_operation(&self, id: OperationId) -> Option<WireError> {
        let known = self.known();
        let why = known.unreadable.operations.get(&id)?.why.clone();
        Some(refusal(WireCode::Internal, why))
    }

    /// Why an account cannot be told of, if that is so: its record cannot be read, or the journal of an operation on it. A refusal of this one
    /// account, and no failure of the server.
    pub fn unreadable_account(&self, id: AccountId) -> Option<WireError> {
        self.known().unreadable.account(id).map(|why| refusal(WireCode::Conflict, why.to_owned()))
    }

    /// Follows an operation whose journal cannot be read, where it is known whose it is.
    pub(super) fn follow_unreadable(&self, id: OperationId) -> Option<Watcher> {
        let known = self.known();
        known.unreadable.operations.get(&id)?.report.as_ref().map(|report| Watcher(report.subscribe()))
    }
}
