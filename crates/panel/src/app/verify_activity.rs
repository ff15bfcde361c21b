//! Checks the Activity: each row continues the one before, and what the servers were told of it is still in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opterius_protocol::WireCode;
use opterius_protocol::agent::{ListHeads, NotedHead};
use opterius_protocol::client::{CallError, chain};

use super::{ActivityDays, AppError};
use crate::activity_key::{ActivityKey, is_signed};
use crate::core::{Core, compute};
use crate::fleet::Reading;
use crate::store::activity::{self, GENESIS, Row};
use crate::store::activity_removal::{self, ACTION, Removal};
use crate::store::server::{self, Server};

/// Rows that are read and hashed at once: some milliseconds of work, and no transaction that stays open.
const A_TURN: u32 = 2000;

/// How many heads one question to a server asks for.
const PAGE: u16 = 1000;

/// More heads than any server keeps.
const MOST_HEADS: usize = 50_000;

const TIMEOUT: Duration = Duration::from_secs(10);

/// What a check found.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Rows that were looked at: all of them, or those up to what is wrong.
    pub(crate) rows: u64,
    /// Heads that servers had, and that were compared.
    pub(crate) heads: u64,
    /// Servers whose heads could not be asked for, with the reason.
    pub(crate) not_asked: Vec<(String, String)>,
    /// What was removed from the beginning, if it is signed by this Panel's key.
    pub(crate) removed: Option<Removal>,
    /// Heads that servers had of rows that are removed: nothing is left to compare them with.
    pub(crate) heads_of_removed: u64,
    /// The public key that this Panel signs removals with, if it has one.
    pub(crate) key: Option<String>,
    /// The first thing that is wrong.
    pub(crate) wrong: Option<Wrong>,
}

/// How the Activity is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongKind {
    /// A row is not what its hash says.
    RowChanged,
    /// Rows are not there.
    RowsMissing,
    /// A row does not continue the one before it.
    ChainBroken,
    /// The chain is whole, and not the one that a server was told of.
    HeadUnknown,
    /// Rows are removed, and what says so was not written by this Panel, or says something else than what is there.
    RemovalForged,
    /// The key that removals are signed with is not the one that the servers were told.
    KeyReplaced,
}

impl WrongKind {
    /// As programs know it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RowChanged => "row_changed",
            Self::RowsMissing => "rows_missing",
            Self::ChainBroken => "chain_broken",
            Self::HeadUnknown => "head_unknown",
            Self::RemovalForged => "removal_forged",
            Self::KeyReplaced => "key_replaced",
        }
    }
}

/// The first thing that is wrong with the Activity.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) kind: WrongKind,
    /// The row where it shows.
    pub(crate) row: i64,
    /// The server that knows better.
    pub(crate) server: Option<String>,
    pub(crate) detail: String,
    /// What to do.
    pub(crate) hint: String,
}

/// Walks the whole chain, and compares what every server was told of it. One check at a time; nobody who writes waits for it.
pub(crate) async fn verify_activity(core: &Arc<Core>) -> Result<Verdict, AppError> {
    let _turn = core.verifying.lock().await;
    let mut heads: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    let mut not_asked = Vec::new();
    // Before the end of the chain is looked for: what a server was told is then before that.
    for server in server::list(core.store.read(), &core.owner).await? {
        match heads_of(core, &server).await {
            Ok(known) => known.into_iter().for_each(|(row, one)| heads.entry(row).or_default().push(one)),
            Err(why) => not_asked.push((server.name, why)),
        }
    }
    let removal = activity_removal::last(core.store.read()).await?;
    let key = core.activity_key.as_ref().ok().map(ActivityKey::public);
    let until = activity::head(core.store.read()).await?.map_or(0, |(row, _)| row);
    let (mut walk, mut wrong) = Walk::begin(heads, removal.clone(), key.as_deref());
    while wrong.is_none() {
        let rows = activity::chained(core.store.read(), walk.row, until, A_TURN).await?;
        if rows.is_empty() {
            wrong = walk.unsaid().or_else(|| walk.beyond()).or_else(|| walk.more.take());
            break;
        }
        (walk, wrong) = compute("check the Activity", move || walk.over(rows)).await?;
    }
    if let Some(wrong) = &wrong {
        tracing::error!(activity.row = wrong.row, kind = wrong.kind.as_str(), "the Activity is not whole: {}", wrong.detail);
    }
    let (rows, heads, heads_of_removed) = (walk.rows, walk.compared, walk.passed);
    Ok(Verdict { rows, heads, not_asked, removed: removal, heads_of_removed, key, wrong })
}

/// A head that a server has.
#[derive(Debug)]
struct Known {
    server: String,
    hash: String,
    noted_at: jiff::Timestamp,
    /// The key that came with it.
    key: Option<String>,
    /// The last row that was removed by then.
    removed: i64,
}

/// Every head that a server has, by its row, or why it cannot be asked.
async fn heads_of(core: &Core, server: &Server) -> Result<Vec<(i64, Known)>, String> {
    let mut known = Vec::new();
    let mut reading = Reading::new(PAGE, MOST_HEADS);
    loop {
        let question = ListHeads { after: reading.last().unwrap_or_default(), limit: PAGE };
        let page = core.fleet.agent(server.id).call(&question, TIMEOUT).await.map_err(|error| match error {
            CallError::Refused(refusal) if refusal.code == WireCode::NotFound => {
                "Its Agent is of an earlier version, which keeps no heads of the Activity.".to_owned()
            }
            error => format!("Its Agent could not be asked: {}.", chain(&error)),
        })?;
        let more = reading.take(page.heads.iter().map(|noted| noted.number));
        if !more.map_err(|error| format!("Its Agent could not be asked: {error}."))? {
            return Ok(known);
        }
        if page.heads.iter().any(|noted| noted.head.hash.len() != GENESIS.len()) {
            return Err("Its Agent could not be asked: what it tells is no hash.".to_owned());
        }
        known.extend(page.heads.into_iter().map(|NotedHead { noted_at, head, .. }| {
            let noted_at = jiff::Timestamp::from_microsecond(noted_at.0).unwrap_or_default();
            let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            (
                whole(head.row),
                Known {
                    server: server.name.clone(),
                    hash: head.hash,
                    noted_at,
                    key: head.key,
                    removed: whole(head.removed.unwrap_or_default()),
                },
            )
        }));
    }
}

/// How far a check has come.
struct Walk {
    /// The last row.
    row: i64,
    /// Its hash.
    hash: String,
    rows: u64,
    /// The heads behind it.
    heads: BTreeMap<i64, Vec<Known>>,
    compared: u64,
    /// The last row that a server was told of as it is.
    held: Option<i64>,
    /// Heads of rows that are removed.
    passed: u64,
    /// What was removed, until the row that says so was met.
    unsaid: Option<Removal>,
    /// That a server was told of more that was removed.
    more: Option<Wrong>,
}

impl Walk {
    /// Begins behind what was removed, if that is signed and nothing that a server was told speaks against it.
    fn begin(mut heads: BTreeMap<i64, Vec<Known>>, removal: Option<Removal>, key: Option<&str>) -> (Self, Option<Wrong>) {
        let another = heads.values().flatten().find(|known| known.key.as_deref().is_some_and(|told| Some(told) != key));
        let mut wrong = another.map(replaced);
        let last = removal.as_ref().map_or(0, |removal| removal.last_row);
        if let Some(removal) = &removal {
            let at = removal.activity_row;
            if !is_signed(&removal.sentence(), &removal.key, &removal.signature) {
                wrong = Some(forged(at, "Rows are removed from its beginning, and what says so is not signed by the key that it names."));
            } else if Some(removal.key.as_str()) != key {
                let detail = "Rows are removed from its beginning, and what says so is signed by another key than this Panel's.";
                wrong = Some(Wrong { kind: WrongKind::KeyReplaced, ..forged(at, detail) });
            }
        }
        let more = heads.values().flatten().find(|known| known.removed > last).map(|known| {
            let detail = format!(
                "The server `{}` was told at {:.0} that the rows up to {} are removed, and here it is said of those up to {last}.",
                known.server, known.noted_at, known.removed
            );
            forged(last + 1, &detail)
        });
        let behind = heads.split_off(&(last + 1));
        let before = std::mem::replace(&mut heads, behind);
        wrong = wrong.or_else(|| too_early(&before, &heads, last));
        let passed = before.range(..last).map(|(_, known)| known.len() as u64).sum();
        let hash = removal.as_ref().map_or_else(|| GENESIS.to_owned(), |removal| removal.hash.clone());
        let mut walk = Self { row: last, hash, rows: 0, heads, compared: 0, held: None, passed, unsaid: removal, more };
        for known in before.into_iter().filter(|(row, _)| *row == last).flat_map(|(_, known)| known) {
            walk.compared += 1;
            if known.hash != walk.hash {
                wrong = wrong.or_else(|| Some(walk.unknown(last, &known, "was removed with another hash")));
            }
        }
        (walk, wrong)
    }

    /// What says that rows were removed must be in the Activity itself.
    fn unsaid(&self) -> Option<Wrong> {
        let removal = self.unsaid.as_ref()?;
        Some(forged(removal.activity_row, "Rows are removed from its beginning, and no row of the Activity says so."))
    }

    /// Goes over the next rows, up to the first thing that is wrong.
    fn over(mut self, rows: Vec<(i64, Option<Row>)>) -> (Self, Option<Wrong>) {
        for (id, row) in rows {
            if let Err(wrong) = self.step(id, row) {
                return (self, Some(wrong));
            }
        }
        (self, None)
    }

    fn step(&mut self, id: i64, row: Option<Row>) -> Result<(), Wrong> {
        let expected = self.row + 1;
        if id != expected {
            let which =
                if id == expected + 1 { format!("The row {expected} is") } else { format!("The rows {expected} to {} are", id - 1) };
            return Err(tampered(WrongKind::RowsMissing, expected, format!("{which} missing.")));
        }
        self.rows += 1;
        let Some(row) = row else {
            return Err(tampered(WrongKind::RowChanged, id, format!("The row {id} holds something that the Panel never wrote.")));
        };
        if row.prev != self.hash {
            let detail = if id == 1 {
                "The row 1 is not the first of a chain: rows were taken out before it.".to_owned()
            } else {
                format!("The row {id} does not continue the row {}: one of the two was put in another's place.", self.row)
            };
            return Err(tampered(WrongKind::ChainBroken, id, detail));
        }
        if row.computed_hash() != row.hash {
            return Err(tampered(WrongKind::RowChanged, id, format!("The row {id} was changed after it was written.")));
        }
        if let Some(removal) = self.unsaid.take_if(|removal| removal.activity_row == id)
            && (row.action != ACTION || row.detail != removal.detail())
        {
            return Err(forged(
                id,
                &format!("Rows are removed from its beginning, and the row {id}, which is to say so, says something else."),
            ));
        }
        (self.row, self.hash) = (id, row.hash);
        for known in self.heads.remove(&id).unwrap_or_default() {
            self.compared += 1;
            if known.hash != self.hash {
                return Err(self.unknown(id, &known, "has another hash here"));
            }
            self.held = Some(id);
        }
        Ok(())
    }

    /// The end of the chain: a head behind it is one that it never came to.
    fn beyond(&mut self) -> Option<Wrong> {
        let (row, known) = self.heads.pop_first()?;
        self.compared += 1;
        let known = known.into_iter().next()?;
        Some(self.unknown(row, &known, &format!("is not here: the last one is {}", self.row)))
    }

    fn unknown(&self, row: i64, known: &Known, what: &str) -> Wrong {
        let Known { server, hash, noted_at, .. } = known;
        let held = match self.held {
            Some(held) => format!("Up to the row {held} it is as the servers were told"),
            None => "No head of a server holds before that".to_owned(),
        };
        Wrong {
            kind: WrongKind::HeadUnknown,
            row,
            server: Some(server.clone()),
            detail: format!(
                "Each row continues the one before, and it is not the Activity that was here before: the server `{server}` was told at {noted_at:.0} that the row {row} has the hash {hash}, and that row {what}. {held}. Either the rows after that were rewritten, or the Panel was restored from an older backup, or set up anew."
            ),
            hint: format!(
                "If you restored the Panel, this is why, and what was written between the backup and the restore is lost: put /var/lib/opterius-agent/activity-heads.jsonl on `{server}` aside, and the Panel's next start begins a new list. If nobody did, somebody rewrote it: `journalctl -u opterius-agent ACTIVITY_ROW={row}` on `{server}` proves what the row was; compare with a backup of /var/lib/opterius-panel/panel.db."
            ),
        }
    }
}

/// Rows go when they are old. A server that was told of one of them, by its own clock, less than the shortest time ago that a host can set knows better:
/// by then it was still there, and young.
fn too_early(before: &BTreeMap<i64, Vec<Known>>, behind: &BTreeMap<i64, Vec<Known>>, last: i64) -> Option<Wrong> {
    let mut newest: BTreeMap<&str, jiff::Timestamp> = BTreeMap::new();
    for known in before.values().chain(behind.values()).flatten() {
        let at = newest.entry(known.server.as_str()).or_insert(known.noted_at);
        *at = known.noted_at.max(*at);
    }
    // The first time that a server was told of a row is the time that counts. A day of grace is for a server that was away.
    let shortest = ActivityDays::shortest().saturating_sub(Duration::from_hours(24));
    let mut first: BTreeMap<(&str, i64), &Known> = BTreeMap::new();
    for (row, known) in before.iter().flat_map(|(row, all)| all.iter().map(move |known| (*row, known))) {
        let kept = first.entry((known.server.as_str(), row)).or_insert(known);
        if known.noted_at < kept.noted_at {
            *kept = known;
        }
    }
    let young = |known: &Known| {
        let age = newest[known.server.as_str()].duration_since(known.noted_at);
        age.as_secs() < i64::try_from(shortest.as_secs()).unwrap_or(i64::MAX)
    };
    let ((server, row), known) = first.into_iter().find(|(_, known)| young(known))?;
    Some(forged(
        last,
        &format!(
            "The rows up to {last} are removed, and the server `{server}` was told of the row {row} of them at {:.0}, less than {} days ago: so young a row is never removed.",
            known.noted_at,
            ActivityDays::LEAST
        ),
    ))
}

fn forged(row: i64, detail: &str) -> Wrong {
    Wrong {
        kind: WrongKind::RemovalForged,
        row,
        server: None,
        detail: detail.to_owned(),
        hint: "The Panel removes what is older than `opterius settings show` says, and signs it with /var/lib/opterius-panel/activity-key.der. Somebody or something else took these rows out, or the database and the key are from different backups: compare with a backup of /var/lib/opterius-panel.".to_owned(),
    }
}

fn replaced(known: &Known) -> Wrong {
    let told = known.key.as_deref().unwrap_or_default();
    Wrong {
        kind: WrongKind::KeyReplaced,
        row: 0,
        server: Some(known.server.clone()),
        detail: format!(
            "The server `{}` was told at {:.0} that this Panel signs what it removes from the Activity with the key {told}, and now it has another, or none.",
            known.server, known.noted_at
        ),
        hint: "If /var/lib/opterius-panel/activity-key.der was lost or restored, put the one from a backup in its place and start the Panel again. If the Panel was set up anew, put /var/lib/opterius-agent/activity-heads.jsonl on each server aside. If nobody did either, somebody replaced the key so as to sign what they took out.".to_owned(),
    }
}

fn tampered(kind: WrongKind, row: i64, detail: String) -> Wrong {
    let hint = format!(
        "The Panel changes no row, so somebody or something else did: compare the rows around {row} with a backup of /var/lib/opterius-panel/panel.db, and find out who could write to that file. `PRAGMA integrity_check` says whether it was the disk."
    );
    Wrong { kind, row, server: None, detail, hint }
}
