//! What the engine writes to disk, so that a crash at any point leaves a decision or the means to make it: one file of JSON lines an
//! operation, one JSON file an account. Both bear a version, and a fixture of each version must still load.

use opterius_model::{OperationId, RequestId, Spec};
use opterius_protocol::Micros;
use opterius_protocol::agent::{AccountSummary, Direction, Failure, OperationReport, Outcome, spec_hash};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resources::Target;

/// The version of both forms that this build writes. Version 1 had no memo.
pub(super) const VERSION: u32 = 2;

/// One line of an operation's journal. Lines are only ever added, and each is on disk before what it announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The operation goes forwards from `previous` (nothing for a create) to `next`, which has its uid.
    Announced {
        version: u32,
        at: Micros,
        operation_id: OperationId,
        request_id: RequestId,
        previous: Option<Box<Spec>>,
        next: Box<Spec>,
        /// What the Panel wants kept with the account once this is committed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memo: Option<Box<Value>>,
    },
    /// From here on it goes back to `previous`.
    Turned { at: Micros, failure: Failure },
    /// It has its outcome, which the report tells.
    Decided { report: Box<OperationReport> },
    /// The Panel knows the outcome.
    Acknowledged { at: Micros },
}

impl Line {
    /// The line as it is written, with its end.
    pub(crate) fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a line holds nothing that JSON cannot");
        text.push('\n');
        text
    }
}

fn readable(version: u32) -> bool {
    (1..=VERSION).contains(&version)
}

/// An operation as its journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replay {
    pub(crate) operation_id: OperationId,
    pub(crate) request_id: RequestId,
    pub(crate) announced_at: Micros,
    pub(crate) previous: Option<Spec>,
    pub(crate) next: Spec,
    pub(crate) memo: Option<Value>,
    pub(crate) direction: Direction,
    pub(crate) failure: Option<Failure>,
    pub(crate) decided: Option<OperationReport>,
    pub(crate) acknowledged: bool,
}

/// The longest journal or record that is read, in bytes: more than the largest change that the Agent takes on makes of it.
pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

/// Why a journal or a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is empty")]
    Empty,
    #[error("line {number} is not what the Agent writes")]
    Line {
        number: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("it has version {0}, and this build reads versions 1 to {VERSION}")]
    Version(u32),
    #[error("its lines are out of order")]
    Order,
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
}

impl Replay {
    /// Reads a journal. A last line without its end was being written when the machine stopped; what it announces has not happened.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Unreadable> {
        if text.len() > LONGEST {
            return Err(Unreadable::TooLong);
        }
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &text[..end]);
        let mut replay: Option<Self> = None;
        for (index, line) in complete.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let line: Line = serde_json::from_slice(line).map_err(|source| Unreadable::Line { number: index + 1, source })?;
            match (line, &mut replay) {
                (Line::Announced { version, at, operation_id, request_id, previous, next, memo }, None) => {
                    if !readable(version) {
                        return Err(Unreadable::Version(version));
                    }
                    replay = Some(Self {
                        operation_id,
                        request_id,
                        announced_at: at,
                        previous: previous.map(|spec| *spec),
                        next: *next,
                        memo: memo.map(|memo| *memo),
                        direction: Direction::Forward,
                        failure: None,
                        decided: None,
                        acknowledged: false,
                    });
                }
                // A line whose writing seemed to fail, and had not, is there twice.
                (Line::Decided { report }, Some(replay)) if replay.decided.as_ref() == Some(&*report) => {}
                (Line::Turned { failure, .. }, Some(replay)) if replay.decided.is_none() => {
                    replay.direction = Direction::Back;
                    replay.failure = Some(failure);
                }
                (Line::Decided { report }, Some(replay)) if replay.decided.is_none() => replay.decided = Some(*report),
                (Line::Acknowledged { .. }, Some(replay)) if replay.decided.is_some() => replay.acknowledged = true,
                _ => return Err(Unreadable::Order),
            }
        }
        replay.ok_or(Unreadable::Empty)
    }

    /// What the operation left committed, if it has its outcome. `kept` is the account's memo from before.
    pub(crate) fn committed(&self, kept: Option<&Value>) -> Option<AccountRecord> {
        let report = self.decided.as_ref()?;
        let at = report.finished_at.unwrap_or(self.announced_at);
        AccountRecord::after(report.outcome, self.operation_id, self.previous.as_ref(), &self.next, (self.memo.as_ref(), kept), at)
    }
}

/// What is committed of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountRecord {
    pub(crate) version: u32,
    /// The operation that committed it.
    pub(crate) operation_id: OperationId,
    pub(crate) committed_at: Micros,
    pub(crate) spec: Spec,
    /// What the Panel wants to find again with the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memo: Option<Value>,
}

impl AccountRecord {
    /// What is committed of an account once an operation has this outcome; `None` if that is what it was before.
    ///
    /// A create that was rolled back leaves a tombstone, so that a copy of its request that arrives later is refused as stale, and so
    /// that its uid is not the next one's. The memos are the one that came with the operation and the one that is kept already.
    pub(crate) fn after(
        outcome: Outcome,
        operation_id: OperationId,
        previous: Option<&Spec>,
        next: &Spec,
        (memo, kept): (Option<&Value>, Option<&Value>),
        at: Micros,
    ) -> Option<Self> {
        let memo = if outcome == Outcome::Committed { memo.or(kept) } else { kept };
        let spec = match (outcome, previous) {
            (Outcome::Committed, _) => next.clone(),
            (Outcome::RolledBack, None) => Spec { generation: next.generation, ..next.absent() },
            (Outcome::RolledBack, Some(previous)) => Spec { generation: next.generation, ..previous.clone() },
            _ => return None,
        };
        Some(Self { version: VERSION, operation_id, committed_at: at, spec, memo: memo.cloned() })
    }

    /// What the account is to be on the server, repaired.
    pub(crate) fn target(&self) -> Option<Target> {
        Some(Target { uid: self.spec.uid?, before: Some(self.spec.clone()), spec: self.spec.clone() })
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a record holds nothing that JSON cannot")
    }

    pub(crate) fn read(text: &[u8]) -> Result<Self, Unreadable> {
        if text.len() > LONGEST {
            return Err(Unreadable::TooLong);
        }
        let record: Self = serde_json::from_slice(text).map_err(|source| Unreadable::Line { number: 1, source })?;
        if readable(record.version) { Ok(record) } else { Err(Unreadable::Version(record.version)) }
    }

    pub(crate) fn summary(&self) -> AccountSummary {
        AccountSummary {
            id: self.spec.account_id,
            username: self.spec.username.clone(),
            generation: self.spec.generation,
            spec_hash: spec_hash(&self.spec),
            state: self.spec.state,
            uid: self.spec.uid,
            committed_at: self.committed_at,
            operation_id: Some(self.operation_id),
            kept_until: self.spec.kept_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION_V1: &str = include_str!("../../fixtures/operation-v1.jsonl");
    const ACCOUNT_V1: &str = include_str!("../../fixtures/account-v1.json");
    const OPERATION_V2: &str = include_str!("../../fixtures/operation-v2.jsonl");
    const ACCOUNT_V2: &str = include_str!("../../fixtures/account-v2.json");

    #[test]
    fn what_version_1_wrote_still_loads() {
        let replay = Replay::read(OPERATION_V1.as_bytes()).expect("the fixture is a journal");
        assert_eq!(replay.direction, Direction::Back);
        assert_eq!(replay.decided.as_ref().map(|report| report.outcome), Some(Outcome::RolledBack));
        assert!(replay.acknowledged);
        let record = AccountRecord::read(ACCOUNT_V1.as_bytes()).expect("the fixture is a record");
        assert_eq!(record.summary().username.as_str(), "alice");
    }

    #[test]
    fn what_version_2_wrote_still_loads_and_is_written_back_the_same() {
        let replay = Replay::read(OPERATION_V2.as_bytes()).expect("the fixture is a journal");
        assert_eq!((replay.direction, replay.memo.is_some()), (Direction::Forward, true));
        assert_eq!(replay.previous.map(|spec| spec.state), Some(opterius_model::State::Absent));
        let record = AccountRecord::read(ACCOUNT_V2.as_bytes()).expect("the fixture is a record");
        assert_eq!(record.summary().kept_until, Some(Micros(1_795_600_000_000_000)));
        assert_eq!(record.to_text(), ACCOUNT_V2.trim_end());
        for line in OPERATION_V2.lines() {
            let read: Line = serde_json::from_str(line).expect("a line");
            assert_eq!(read.to_text().trim_end(), line);
        }
    }

    #[test]
    fn a_line_that_was_being_written_has_not_happened() {
        let whole = Replay::read(OPERATION_V1.as_bytes()).expect("the fixture is a journal");
        let lines: Vec<&str> = OPERATION_V1.lines().collect();
        let cut = |lines: &[&str], rest: &str| Replay::read(format!("{}\n{rest}", lines.join("\n")).as_bytes());
        assert_eq!(cut(&lines[..1], &lines[1][..20]).expect("one line is a journal").direction, Direction::Forward);
        assert_eq!(cut(&lines[..2], &lines[2][..lines[2].len() - 1]).expect("two lines are a journal").decided, None);
        assert_eq!(cut(&lines, "").expect("all lines are a journal"), whole);
        assert!(matches!(Replay::read(b""), Err(Unreadable::Empty)));
        assert!(matches!(Replay::read(lines[0].as_bytes()), Err(Unreadable::Empty)));
        assert!(matches!(Replay::read(b"nonsense\n"), Err(Unreadable::Line { number: 1, .. })));
        assert!(matches!(Replay::read(b"\xff\n"), Err(Unreadable::Line { number: 1, .. })));
    }

    #[test]
    fn what_is_longer_than_anything_that_the_agent_writes_is_not_read() {
        let long = vec![b'\n'; LONGEST + 1];
        assert!(matches!(Replay::read(&long), Err(Unreadable::TooLong)));
        assert!(matches!(AccountRecord::read(&long), Err(Unreadable::TooLong)));
    }

    #[test]
    fn no_journal_turns_or_decides_twice() {
        let lines: Vec<&str> = OPERATION_V1.lines().collect();
        let text = |order: &[usize]| -> String { order.iter().flat_map(|n| [lines[*n], "\n"]).collect() };
        for order in [vec![1], vec![0, 2, 1], vec![0, 0], vec![0, 3]] {
            assert!(matches!(Replay::read(text(&order).as_bytes()), Err(Unreadable::Order)), "{order:?}");
        }
        assert!(Replay::read(text(&[0, 1, 1, 2, 2]).as_bytes()).is_ok(), "the same line twice is one that was written again");
        let other = text(&[0, 2]) + &lines[2].replace("rolled_back", "committed") + "\n";
        assert!(matches!(Replay::read(other.as_bytes()), Err(Unreadable::Order)), "one outcome, and then another");
    }
}
