//! What the engine writes to disk, so that a crash at any point leaves a decision or the means to make it: one file of JSON lines an
//! operation, one JSON file an account. Both bear a version, and a fixture of each version must still load.

use std::collections::BTreeSet;

use opterius_model::{AccountId, DomainName, OperationId, RequestId, Spec, Uid, Username};
use opterius_protocol::Micros;
use opterius_protocol::agent::{AccountSummary, Direction, Failure, OperationReport, Outcome, spec_hash};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resources::Target;

/// The version of journals that this build writes. Version 1 had no memo, version 2 no lines about attempts.
pub(super) const VERSION: u32 = 3;

/// The version of accounts' records that this build writes. Version 1 had no memo.
const RECORD_VERSION: u32 = 2;

/// The longest journal or record that is read, in bytes: more than the largest change that the Agent takes on makes of it.
pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

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
    /// The Agent was started again, and goes on with it.
    Resumed { at: Micros },
    /// The Agent panicked at it, and ended.
    Panicked { at: Micros, why: String },
    /// An attempt since then came to an end, so it is not this operation that ends the Agent.
    Returned { at: Micros },
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

/// Whether bytes without the end of a line are the start of one, as a write leaves them that was cut short: nothing, or a text that is JSON
/// so far, perhaps with zeros in the place of its rest. A whole line whose end has become something else is no start of one.
fn is_half_a_line(bytes: &[u8]) -> bool {
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(&[][..], |last| &bytes[..=last]);
    let mut values = serde_json::Deserializer::from_slice(written).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        None => true,
        // Only its end is missing.
        Some(Ok(_)) => values.byte_offset() == written.len(),
        Some(Err(error)) => error.is_eof(),
    }
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
    /// How often the Agent was started with it, since an attempt last came to an end.
    pub(crate) resumed: u32,
    /// Why the Agent panicked at it last, since then.
    pub(crate) panicked: Option<String>,
}

/// Why a journal or a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it has no whole line, as a power cut leaves it, or an older Agent that was ended before it had announced anything")]
    Empty,
    #[error("line {number} is not what the Agent writes")]
    Line {
        number: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("it has version {0}, which this build does not read")]
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
        let (complete, rest) = text.split_at(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        let lines = || complete.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        if !is_half_a_line(rest) {
            let source = serde::de::Error::custom("its end is not the end of a line");
            return Err(Unreadable::Line { number: lines().count() + 1, source });
        }
        let mut replay: Option<Self> = None;
        for (index, line) in lines().enumerate() {
            let line: Line = serde_json::from_slice(line).map_err(|source| Unreadable::Line { number: index + 1, source })?;
            match (line, &mut replay) {
                (Line::Announced { version, at, operation_id, request_id, previous, next, memo }, None) => {
                    if !(1..=VERSION).contains(&version) {
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
                        resumed: 0,
                        panicked: None,
                    });
                }
                // A line whose writing seemed to fail, and had not, is there twice.
                (Line::Decided { report }, Some(replay)) if replay.decided.as_ref() == Some(&*report) => {}
                (Line::Resumed { .. }, Some(replay)) if replay.decided.is_none() => replay.resumed += 1,
                // It may have panicked behind the decision, at what is done then.
                (Line::Panicked { why, .. }, Some(replay)) => replay.panicked = Some(why),
                (Line::Returned { .. }, Some(replay)) if replay.decided.is_none() => (replay.resumed, replay.panicked) = (0, None),
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

/// What can still be told from a journal or a record that cannot be read: whatever is in its place.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// The one account that it names.
    pub(crate) account: Option<AccountId>,
    pub(crate) usernames: BTreeSet<Username>,
    pub(crate) hosts: BTreeSet<DomainName>,
    pub(crate) uids: BTreeSet<Uid>,
}

impl Remains {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
        let accounts: BTreeSet<AccountId> = quoted(&text, "account_id").filter_map(|id| AccountId::parse(id).ok()).collect();
        let hosts = behind(&text, "hosts").filter_map(|rest| rest.strip_prefix('[')?.split(']').next());
        Self {
            account: accounts.first().copied().filter(|_| accounts.len() == 1),
            usernames: quoted(&text, "username").filter_map(|name| Username::parse(name).ok()).collect(),
            hosts: hosts.flat_map(|list| list.split('"').skip(1).step_by(2)).filter_map(|host| DomainName::parse(host).ok()).collect(),
            uids: behind(&text, "uid").filter_map(|rest| Uid::try_from(digits(rest).parse::<u32>().ok()?).ok()).collect(),
        }
    }
}

/// What is behind every `"key":`.
fn behind<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let key = format!("\"{key}\":");
    let places: Vec<usize> = text.match_indices(&key).map(|(at, _)| at + key.len()).collect();
    places.into_iter().map(|at| text[at..].trim_start())
}

/// Every text behind `"key":`.
fn quoted<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    behind(text, key).filter_map(|rest| rest.strip_prefix('"')?.split('"').next())
}

fn digits(text: &str) -> &str {
    &text[..text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len())]
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
        Some(Self { version: RECORD_VERSION, operation_id, committed_at: at, spec, memo: memo.cloned() })
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
        if (1..=RECORD_VERSION).contains(&record.version) { Ok(record) } else { Err(Unreadable::Version(record.version)) }
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
    const OPERATION_V3: &str = include_str!("../../fixtures/operation-v3.jsonl");

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
    fn what_version_3_wrote_still_loads_and_tells_how_often_the_agent_was_started_with_it() {
        let replay = Replay::read(OPERATION_V3.as_bytes()).expect("the fixture is a journal");
        assert_eq!((replay.resumed, replay.panicked.as_deref(), replay.decided), (2, Some("index out of bounds"), None));
        for line in OPERATION_V3.lines() {
            let read: Line = serde_json::from_str(line).expect("a line");
            assert_eq!(read.to_text().trim_end(), line);
        }
    }

    #[test]
    fn what_cannot_be_read_still_tells_whose_it_is() {
        let names = |text: &str| {
            let Remains { account, usernames, hosts, uids } = Remains::of(text.as_bytes());
            let usernames: Vec<String> = usernames.iter().map(ToString::to_string).collect();
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            (account, usernames, hosts, uids.into_iter().map(Uid::get).collect::<Vec<_>>())
        };
        let spec = Replay::read(OPERATION_V3.as_bytes()).expect("the fixture is a journal").next;
        let wanted = (
            Some(spec.account_id),
            vec![spec.username.to_string()],
            vec![spec.sites[0].primary().to_string()],
            spec.uid.map(Uid::get).into_iter().collect::<Vec<_>>(),
        );
        // A newer version's, and one of which only the middle is left.
        assert_eq!(names(&OPERATION_V3.replace("\"version\":3", "\"version\":4,\"more\":{}")), wanted);
        assert_eq!(names(&OPERATION_V3[10..OPERATION_V3.len() - 10]), wanted);
        let record = AccountRecord::read(ACCOUNT_V2.as_bytes()).expect("the fixture is a record");
        assert_eq!(names(&ACCOUNT_V2[5..]).0, Some(record.spec.account_id));
        assert_eq!(names("nonsense"), (None, vec![], vec![], vec![]));
        assert_eq!(names("\"hosts\":[\"uid\":\"account_id\":").0, None);
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
        assert!(matches!(Replay::read(&[&lines[0].as_bytes()[..30], &[0; 50]].concat()), Err(Unreadable::Empty)), "zeros of a power cut");
        for end in ["\u{b}", "}", " {"] {
            let flipped = format!("{}{end}", lines[0]);
            assert!(matches!(Replay::read(flipped.as_bytes()), Err(Unreadable::Line { number: 1, .. })), "its end was something else");
            let flipped = format!("{}\n{}{end}", lines[0], lines[1]);
            assert!(matches!(Replay::read(flipped.as_bytes()), Err(Unreadable::Line { number: 2, .. })), "its end was something else");
        }
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
