//! What the engine does when it starts: reads its journals, and finishes what was open.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::{OperationId, State};
use opterius_protocol::Micros;
use opterius_protocol::client::chain;

use super::journal::{AccountRecord, Remains, Replay};
use super::never::Never;
use super::operation::{Operation, Transition};
use super::{Engine, Known, carry_out, drift, in_turn};
use crate::host::{Host, HostError};
use crate::operations;
use crate::run::Run;

/// The services that recovery waits for. A disk that is short of room will not have more of it in a moment.
const SERVICES: [&str; 3] = ["nginx", "PowerDNS", "phpd"];

/// How long a start waits for them before it judges anything without them.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long recovery waits for one operation at most.
const LONGEST: Duration = Duration::from_mins(10);

/// After a power cut every account committed so shortly before the last one is repaired: what it consists of may not have reached the
/// disk, though its journal has.
const SUSPECT: Duration = Duration::from_mins(10);

/// Reads everything on disk. One unreadable file must not keep the others from being recovered; it is named instead.
pub(super) async fn load(host: &dyn Host) -> Result<Known, HostError> {
    let mut known = Known::default();
    for (id, stored) in host.accounts().await? {
        let read = stored.as_ref().map_err(Clone::clone).and_then(|bytes| AccountRecord::read(bytes).map_err(|error| chain(&error)));
        match read {
            Ok(record) if record.spec.account_id == id => known.commit(record),
            Ok(_) => known.lose_account(id, Remains::of(&stored.unwrap_or_default()), "it is the record of another account"),
            Err(cause) => known.lose_account(id, Remains::of(&stored.unwrap_or_default()), &cause),
        }
    }
    let mut replays = Vec::new();
    for (id, stored) in host.journals().await? {
        let read = match &stored {
            Ok(bytes) => match Replay::read(bytes) {
                Ok(replay) if replay.operation_id != id => Err("it is the journal of another operation".to_owned()),
                read => read.map_err(|error| chain(&error)),
            },
            Err(cause) => Err(cause.clone()),
        };
        match read {
            Ok(replay) => replays.push(replay),
            Err(cause) => drop(known.lose_operation(id, Remains::of(&stored.unwrap_or_default()), &cause)),
        }
    }
    let journals: HashSet<OperationId> = replays.iter().map(|replay| replay.operation_id).collect();
    for (id, acknowledged) in host.nevers().await? {
        // A journal beside it was announced later: writing this down had failed.
        if !journals.contains(&id) && !known.unreadable.is_operation(id) {
            known.nevers.insert(id, Never::found(acknowledged));
        }
    }
    if !known.unreadable.told.is_empty() {
        // A number that cannot be read any more may be on files in the trash; who is in passwd is seen when a number is given.
        match host.kept_uids().await {
            Ok(uids) => known.unreadable.uids.extend(uids),
            Err(error) => known.unreadable.told.push(format!("whose homes are in the trash: {}", chain(&error))),
        }
    }
    for what in &known.unreadable.told {
        tracing::error!("could not read {what}");
    }
    replays.sort_by_key(|replay| replay.announced_at);
    for replay in replays {
        let account = replay.next.account_id;
        known.note_uid(replay.next.uid);
        let kept = known.accounts.get(&account).and_then(|record| record.memo.clone());
        let lost = known.unreadable.account(account).map(str::to_owned);
        if let Some(record) = replay.committed(kept.as_ref()) {
            let newer = known.accounts.get(&account).is_none_or(|known| known.spec.generation < record.spec.generation);
            if newer && lost.is_none() {
                // A start must not need room on a full disk: the journal stays until the record is written.
                if let Err(error) = host.write_account(account, &record.to_text()).await {
                    tracing::error!(account.id = %account, "could not write what is committed of account {account}; its journal has it: {}", chain(&error));
                    known.unwritten.insert(account);
                }
                known.commit(record);
            }
        } else {
            if replay.next.state != State::Absent {
                // The names were claimed when the operation was announced.
                let _ = known.claim(&replay.next);
            }
            known.writers.insert(account, replay.operation_id);
        }
        let parked = lost.or_else(|| carry_out::parked(&replay));
        known.operations.insert(replay.operation_id, Arc::new(Operation::recovered(&replay, parked)));
    }
    Ok(known)
}

/// Finishes open operations, and repairs what a power cut may have lost.
pub(super) async fn recover(engine: &Engine) {
    let open: Vec<Arc<Operation>> = {
        let known = engine.known();
        known.operations.values().filter(|operation| operation.announced && !operation.is_decided()).cloned().collect()
    };
    // Restored, and perhaps killed before the rest was thrown away. Not where anything has begun since: a termination that is still open has
    // put the account's home there.
    let restored: Vec<_> = {
        let known = engine.known();
        let is_last = |operation: &Operation| {
            let account = operation.asked.account_id;
            let last = known.accounts.get(&account).map(|record| record.operation_id);
            last == Some(operation.id) && !known.writers.contains_key(&account)
        };
        let restored =
            known.operations.values().filter(|operation| operation.transition == Transition::Restore && operation.is_committed());
        restored.filter(|operation| is_last(operation)).map(|operation| operation.asked.account_id).collect()
    };
    for account in restored {
        super::trash::tell(account, engine.forget_keepsake(account).await);
    }
    let cut_off = engine.inner.host.was_cut_off().await.unwrap_or(true);
    let suspects = if cut_off { suspects(engine) } else { Vec::new() };
    if open.is_empty() && suspects.is_empty() {
        return;
    }
    tracing::info!("finishing {} open operations and looking at {} accounts after the start", open.len(), suspects.len());
    // What suspends or ends an account waits for nothing.
    let (closing, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|operation| operation.closes() || operation.parked().is_some());
    let carry_out = |operation: Arc<Operation>| {
        let watcher = operation.watch();
        engine.begin_to_carry_out(operation);
        // One that needs attention goes on by itself, and keeps nobody waiting; nor does one that cannot even write its journal.
        watcher.outcome(LONGEST)
    };
    let closing: Vec<_> = closing.into_iter().map(carry_out).collect();
    if !others.is_empty() || !suspects.is_empty() {
        wait_for_parts(engine).await;
    }
    let open: Vec<_> = closing.into_iter().chain(others.into_iter().map(carry_out)).collect();
    let repairs = suspects.into_iter().map(|record| repair(engine, record));
    tokio::join!(futures::future::join_all(open), futures::future::join_all(repairs));
}

/// Those committed shortly before, terminated ones too: what was taken away may be there again.
fn suspects(engine: &Engine) -> Vec<AccountRecord> {
    let known = engine.known();
    let last = known.accounts.values().map(|record| record.committed_at).max().unwrap_or(Micros(0));
    let records = known.accounts.values().filter(|record| last.since(record.committed_at) <= SUSPECT);
    records.filter(|record| !known.writers.contains_key(&record.spec.account_id)).cloned().collect()
}

async fn repair(engine: &Engine, record: AccountRecord) {
    let (account, username) = (record.spec.account_id, record.spec.username.clone());
    let _turn = engine.turn_of(account).await;
    let is_the_last = {
        let known = engine.known();
        !known.writers.contains_key(&account) && known.accounts.get(&account) == Some(&record)
    };
    // An operation that came while this waited has looked at the account itself.
    let Some(target) = record.target().filter(|_| is_the_last) else { return };
    let run = Run::unobserved(engine.inner.host.clone(), target);
    let plan = in_turn(&engine.inner.slots.making, operations::plan(&run)).await;
    if plan.is_empty() {
        return;
    }
    match in_turn(&engine.inner.slots.making, drift::mend(&run, &plan)).await {
        Ok(changes) => tracing::warn!(account.id = %account, "repaired the account {username} ({account}) after a power cut: {changes}"),
        Err(failures) => {
            tracing::error!(account.id = %account, "could not repair the account {username} ({account}) after a power cut: {failures}");
        }
    }
}

async fn wait_for_parts(engine: &Engine) {
    let all_well = async {
        loop {
            match engine.inner.host.condition().await {
                Ok(condition) if condition.parts.iter().all(|part| part.ok || !SERVICES.contains(&part.name.as_str())) => return,
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    if tokio::time::timeout(PATIENCE, all_well).await.is_err() {
        tracing::warn!("went on after {} s although not every service answers", PATIENCE.as_secs());
    }
}
