//! How far the logs are split and what was counted on the way: `/var/lib/opterius-agent/logs.json`, which an operator can read.
//!
//! Totals and offsets are one file, replaced by a rename, so that a request is counted exactly once whatever is killed when. It holds the
//! last two months; an older one is moved to `traffic-<month>.json` beside it and stays there.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use opterius_model::AccountId;
use opterius_protocol::Micros;
use opterius_protocol::agent::LinesLost;
use opterius_protocol::bounded::{self, MIB};
use serde::{Deserialize, Serialize};

use super::account::Log;

/// The version of the state that is written. A new field is a new version, since an earlier build knows no unknown ones and would call the
/// state broken instead of new. Version 1 has neither `tail`, `left` and `ignored` nor rotated files and `lost`; all are read.
const VERSION: u32 = 2;

/// The version of a month's own file.
const VERSION_OF_A_MONTH: u32 = 1;

/// The largest state that is read, in bytes: 40,000 accounts have 12 MiB.
const LARGEST: u64 = 256 * MIB;

/// Months in the file that is written after every batch: this one and the last. More would be written again and again for nothing.
const MONTHS: usize = 2;

/// What one account's sites sent and received in one UTC month: headers and bodies, before TLS.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Traffic {
    /// Bytes sent to visitors.
    pub(super) sent: u64,
    /// Bytes received from visitors.
    pub(super) received: u64,
    /// Requests that were answered or given up.
    pub(super) requests: u64,
}

/// Which file this is, whatever it is called. An inode alone would not do, as a new file soon gets a deleted one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileId {
    pub(super) inode: u64,
    /// When it was made, in microseconds; nothing where the file system does not say.
    pub(super) born: Option<i64>,
}

impl FileId {
    pub(super) fn is(self, other: Self) -> bool {
        self.inode == other.inode && self.born.zip(other.born).is_none_or(|(one, another)| one == another)
    }
}

/// How far one of nginx's logs is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    pub(super) file: FileId,
    /// Bytes of it that are done with.
    pub(super) offset: u64,
    /// The offset is within a line that is too long, and its rest is to be skipped.
    pub(super) skipping: bool,
    /// When this was noted.
    pub(super) at: Micros,
    /// A hash of the bytes before the offset, by which a file is known that was emptied and has grown again; nothing if an earlier version
    /// wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tail: Option<u64>,
    /// Bytes behind the offset that were there when this was noted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) left: u64,
    /// It is no part of the log, such as a copy that somebody made: nothing of it is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ignored: bool,
}

impl Position {
    /// At the start of a file.
    pub(super) fn start(file: FileId, at: Micros) -> Self {
        Self { file, offset: 0, skipping: false, at, tail: None, left: 0, ignored: false }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far the files of one log are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// The one that bore the log's name last.
    pub(super) current: Option<Position>,
    /// Those that it was rotated to and that are still there, the oldest first.
    pub(super) rotated: Vec<Position>,
}

/// What was lost before it was split and counted. Each loss is of at least as many bytes as were known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lost {
    /// How often something was.
    pub(super) times: u64,
    /// Bytes of the access log that are known to be lost.
    pub(super) bytes: u64,
    /// When it was last seen.
    pub(super) at: Micros,
}

impl Lost {
    /// What was lost before, and these bytes now.
    pub(super) fn and(before: Option<Self>, bytes: u64, at: Micros) -> Self {
        let (times, sum) = before.map_or((0, 0), |before| (before.times, before.bytes));
        Self { times: times.saturating_add(1), bytes: sum.saturating_add(bytes), at }
    }
}

/// What is known of the lines that were lost before they were counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// The state that says so could not be read, or not yet.
    #[default]
    Unknown,
    /// All losses so far; nothing if nothing was ever lost.
    Known(Option<LinesLost>),
}

impl From<Option<Lost>> for Losses {
    fn from(lost: Option<Lost>) -> Self {
        Self::Known(lost.map(|lost| LinesLost { times: lost.times, bytes: lost.bytes, last: lost.at }))
    }
}

/// Traffic by account.
pub(super) type Month = BTreeMap<AccountId, Traffic>;

/// Everything the task has to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// Where in `access.json`; nothing before it was first seen.
    pub(super) access: Option<Position>,
    /// Where in `nginx-error.log`.
    pub(super) error: Option<Position>,
    /// Where in the files that `access.json` was rotated to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) access_rotated: Vec<Position>,
    /// Where in those of `nginx-error.log`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) error_rotated: Vec<Position>,
    /// What was lost of `access.json`, which is what traffic is counted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<Lost>,
    /// The last month that has a file of its own.
    archived_through: Option<String>,
    /// By UTC month, `2026-10`.
    pub(super) months: BTreeMap<String, Month>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            access: None,
            error: None,
            access_rotated: Vec::new(),
            error_rotated: Vec::new(),
            lost: None,
            archived_through: None,
            months: BTreeMap::new(),
        }
    }
}

/// A month with a file of its own.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    version: u32,
    month: String,
    accounts: Month,
}

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("could not read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not make sense of {}; put back a copy of it, or move it away to split and count from the start of nginx's present logs", path.display())]
    Form { path: PathBuf, source: serde_json::Error },
    #[error("{} has version {version}, and this build reads up to version {VERSION}: install a newer opterius-agent", path.display())]
    Version { path: PathBuf, version: u32 },
    #[error("could not write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl State {
    /// Counts a request. One of a month that has its file already, which takes a clock that was put back, counts for the first month here.
    pub(super) fn count(&mut self, month: &str, account: AccountId, sent: u64, received: u64) {
        let archived = self.archived_through.as_deref().is_some_and(|through| month <= through);
        let first = if archived { self.months.keys().next().cloned() } else { None };
        let traffic = self.months.entry(first.unwrap_or_else(|| month.to_owned())).or_default().entry(account).or_default();
        traffic.sent = traffic.sent.saturating_add(sent);
        traffic.received = traffic.received.saturating_add(received);
        traffic.requests = traffic.requests.saturating_add(1);
    }

    /// Takes leave of a file of `access.json` or `nginx-error.log` that goes before it was read: what is behind its position is lost. What is
    /// lost of `access.json` is counted.
    pub(super) fn give_up(&mut self, log: Log, file: FileId, size: u64, now: Micros) {
        let (current, rotated) = match log {
            Log::Access => (&mut self.access, &mut self.access_rotated),
            Log::Error => (&mut self.error, &mut self.error_rotated),
        };
        let known = rotated.iter_mut().chain(current).find(|position| position.file.is(file));
        let unread = if let Some(position) = known {
            let unread = if position.ignored { 0 } else { size.saturating_sub(position.offset) };
            (position.left, position.ignored) = (0, true);
            unread
        } else {
            // Nothing more is expected of it for as long as it is still there.
            rotated.push(Position { offset: size, ignored: true, ..Position::start(file, now) });
            size
        };
        if log == Log::Access && unread > 0 {
            self.lost = Some(Lost::and(self.lost, unread, now));
        }
    }

    /// Whether anything of a log was ever looked at.
    pub(super) fn knows(&self, log: Log) -> bool {
        match log {
            Log::Access => self.access.is_some() || !self.access_rotated.is_empty(),
            Log::Error => self.error.is_some() || !self.error_rotated.is_empty(),
        }
    }

    /// How far a file is read; nothing if that is nowhere noted.
    pub(super) fn position(&self, log: Log, file: FileId) -> Option<&Position> {
        let (current, rotated) = match log {
            Log::Access => (&self.access, &self.access_rotated),
            Log::Error => (&self.error, &self.error_rotated),
        };
        rotated.iter().chain(current).find(|position| position.file.is(file))
    }

    /// Reads the state in `dir`; a new one if there is none.
    pub(super) fn load(dir: &Path) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let path = place(dir);
        let Some(bytes) = read(&path)? else { return Ok(Self::default()) };
        match serde_json::from_slice::<Versioned>(&bytes) {
            Ok(Versioned { version }) if !(1..=VERSION).contains(&version) => Err(StateError::Version { path, version }),
            Err(source) => Err(StateError::Form { path, source }),
            Ok(_) => serde_json::from_slice(&bytes)
                .map(|state| Self { version: VERSION, ..state })
                .map_err(|source| StateError::Form { path, source }),
        }
    }

    /// Writes the state, and the months that get a file of their own before it. Cut short in between, those are written again, with the
    /// same or more in them.
    pub(super) fn store(&mut self, dir: &Path) -> Result<(), StateError> {
        while self.months.len() > MONTHS {
            let (month, accounts) = self.months.pop_first().expect("there are some");
            let archive = Archive { version: VERSION_OF_A_MONTH, month, accounts };
            let path = dir.join(format!("traffic-{}.json", archive.month));
            if let Err(error) = replace(dir, &path, &archive) {
                self.months.insert(archive.month, archive.accounts);
                return Err(error);
            }
            self.archived_through = Some(archive.month);
        }
        replace(dir, &place(dir), self)
    }
}

/// What the sites of every account that had any traffic, or of this one, sent and received in a UTC month (`2026-10`), in bytes, as far as
/// the logs are split.
pub(crate) fn traffic_in_month(dir: &Path, only: Option<AccountId>, month: &str) -> Result<BTreeMap<AccountId, u64>, StateError> {
    let mut state = State::load(dir)?;
    let mut month = state.months.remove(month).unwrap_or_default();
    month.retain(|account, _| only.is_none_or(|only| only == *account));
    Ok(month.into_iter().map(|(account, traffic)| (account, traffic.sent.saturating_add(traffic.received))).collect())
}

/// The content of a state; nothing if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match bounded::file(path, LARGEST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Read { path: path.to_owned(), source }),
    }
}

fn place(dir: &Path) -> PathBuf {
    dir.join("logs.json")
}

fn replace(dir: &Path, path: &Path, content: &impl Serialize) -> Result<(), StateError> {
    let staged = dir.join(".logs.json.new");
    let write = || -> io::Result<()> {
        let mut json = serde_json::to_vec(content)?;
        json.push(b'\n');
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| StateError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
mod tests {
    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId::parse(&format!("0193a5e0-7c1e-7000-8000-0000000000{n:02}")).expect("an id")
    }

    #[test]
    fn version_1_still_loads_and_is_written_as_version_2_which_an_earlier_agent_tells_from_a_broken_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let fixture = include_str!("fixtures/logs-v1.json");
        fs::write(place(dir.path()), fixture).expect("written");
        let mut state = State::load(dir.path()).expect("the fixture loads");
        assert_eq!(state.access.expect("a position").offset, 4_194_304);
        assert_eq!(state.months["2026-10"][&account(1)], Traffic { sent: 123_456_789, received: 45_678, requests: 321 });
        state.store(dir.path()).expect("stored");
        let written = fs::read_to_string(place(dir.path())).expect("read");
        assert_eq!(written, fixture.replace("\"version\":1", "\"version\":2"));
    }

    #[test]
    fn version_2_loads_and_is_written_as_it_was() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let fixture = include_str!("fixtures/logs-v2.json");
        fs::write(place(dir.path()), fixture).expect("written");
        let mut state = State::load(dir.path()).expect("the fixture loads");
        assert_eq!((state.access_rotated[0].left, state.error_rotated.len()), (512, 1));
        assert_eq!(state.lost.map(|lost| (lost.times, lost.bytes)), Some((2, 4096)));
        state.store(dir.path()).expect("stored");
        assert_eq!(fs::read_to_string(place(dir.path())).expect("read"), fixture);
    }

    #[test]
    fn the_traffic_of_a_month_is_told_of_all_or_of_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut state = State::default();
        state.count("2026-09", account(1), 7, 7);
        state.count("2026-10", account(1), 10, 1);
        state.count("2026-10", account(2), 20, 2);
        state.store(dir.path()).expect("stored");
        let traffic = |only, month| traffic_in_month(dir.path(), only, month).expect("it is read");
        assert_eq!(traffic(None, "2026-10"), BTreeMap::from([(account(1), 11), (account(2), 22)]));
        assert_eq!(traffic(Some(account(2)), "2026-10"), BTreeMap::from([(account(2), 22)]));
        assert_eq!(traffic(Some(account(3)), "2026-10"), BTreeMap::new());
        assert_eq!(traffic(None, "2026-11"), BTreeMap::new());
    }

    #[test]
    fn a_version_of_the_future_and_nonsense_are_refused_and_left_as_they_are() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (text, told) in
            [("{\"version\":3,\"new\":1}", "has version 3"), ("{", "could not make sense"), ("{\"version\":1}", "could not make sense")]
        {
            fs::write(place(dir.path()), text).expect("written");
            let error = State::load(dir.path()).expect_err("refused");
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(fs::read_to_string(place(dir.path())).expect("read"), text);
        }
    }

    #[test]
    fn a_past_month_gets_its_own_file_and_nothing_is_counted_twice() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut state = State::default();
        for month in ["2026-08", "2026-09", "2026-10"] {
            state.count(month, account(1), 10, 1);
        }
        state.store(dir.path()).expect("stored");
        let archive: Archive =
            serde_json::from_slice(&fs::read(dir.path().join("traffic-2026-08.json")).expect("there")).expect("an archive");
        assert_eq!(archive.accounts[&account(1)].sent, 10);
        // A late line does not go into a file that is final.
        state.count("2026-08", account(1), 5, 1);
        state.store(dir.path()).expect("stored");
        let state = State::load(dir.path()).expect("loads");
        assert_eq!(state.months.keys().collect::<Vec<_>>(), ["2026-09", "2026-10"]);
        assert_eq!(state.months["2026-09"][&account(1)].sent, 15);
    }
}
