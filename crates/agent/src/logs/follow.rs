//! Follows one of nginx's logs from where it was left, through rotation by rename, truncation and lines of any length.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use opterius_protocol::Micros;
use rustix::fs::{Mode, OFlags};

use super::state::{FileId, Position};

/// What a follower takes in at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes read at once; more than a line may have.
    pub(super) chunk: usize,
    /// Bytes that a line may have. A longer one is skipped whole.
    pub(super) line: usize,
    /// How many looks at a renamed file must find nothing new before the next one is begun: nginx's workers reopen their logs one after
    /// the other, and until then write what they have buffered to the old one.
    pub(super) quiet: u32,
}

/// What was read: whole lines, and the position behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    bytes: Vec<u8>,
    longest: usize,
    pub(super) position: Position,
    /// There is more to be read at once.
    pub(super) more: bool,
}

impl Step {
    /// The lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line.len() <= self.longest)
    }
}

/// One log under its name of now. The file that is read stays open, so that it can be finished whatever becomes of its name.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    limits: Limits,
    file: Option<(File, FileId)>,
    /// The size at which nothing was left to read but half a line.
    looked: Option<u64>,
    quiet: u32,
}

impl Follower {
    pub(super) fn new(path: PathBuf, limits: Limits) -> Self {
        Self { path, limits, file: None, looked: None, quiet: 0 }
    }

    /// Reads on from `position`; from the start of the file where there is none. `None` if there is nothing new.
    pub(super) fn step(&mut self, position: Option<Position>, now: Micros) -> io::Result<Option<Step>> {
        let step = self.read_on(position, now);
        if step.is_err() {
            self.file = None;
        }
        step
    }

    fn read_on(&mut self, position: Option<Position>, now: Micros) -> io::Result<Option<Step>> {
        if self.file.is_none() {
            self.file = self.find(position)?;
            self.looked = None;
            self.quiet = 0;
        }
        let Some((file, id)) = &self.file else { return Ok(None) };
        let id = *id;
        let size = file.metadata()?.len();
        let start = Position { file: id, offset: 0, skipping: false, at: now };
        let mut from = position.filter(|position| position.file.is(id)).unwrap_or(start);
        if size < from.offset {
            tracing::info!(path = %self.path.display(), "the log was emptied; reading it from its start");
            from = start;
            self.looked = None;
        }
        if self.looked != Some(size) {
            let step = read(file, from, &self.limits, now)?;
            if !step.more {
                // What was read, and not the size: the file may have grown in between.
                self.looked = Some(from.offset + step.length);
            }
            self.quiet = 0;
            let moved = position.is_none_or(|position| {
                (position.offset, position.skipping, position.file) != (step.position.offset, step.position.skipping, step.position.file)
            });
            return Ok(moved.then_some(Step { bytes: step.bytes, longest: self.limits.line, position: step.position, more: step.more }));
        }
        if self.is_renamed(id)? {
            self.quiet += 1;
            if self.quiet > self.limits.quiet
                && let Some(next) = self.after(id, from.at)?
            {
                if from.offset < size {
                    tracing::warn!(path = %self.path.display(), "the rotated log ended within a line, which is left out");
                }
                let position = Position { file: next.1, offset: 0, skipping: false, at: now };
                self.file = Some(next);
                self.looked = None;
                self.quiet = 0;
                return Ok(Some(Step { bytes: Vec::new(), longest: self.limits.line, position, more: true }));
            }
        } else {
            self.quiet = 0;
        }
        Ok(None)
    }

    /// Whether another file has the log's name now. Between the rename and nginx's reopening there is none.
    fn is_renamed(&self, id: FileId) -> io::Result<bool> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) => Ok(!identity(&found).is(id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the file of a position, or what comes after it; without a position, the one under the log's name.
    fn find(&self, position: Option<Position>) -> io::Result<Option<(File, FileId)>> {
        let Some(position) = position else { return open(&self.path) };
        if let Some(known) = self.files()?.into_iter().find(|known| known.id.is(position.file)) {
            return open(&known.path);
        }
        let next = self.after(position.file, position.at)?;
        if next.is_some() {
            tracing::warn!(path = %self.path.display(), "the log was removed before all of it was read; going on with the next one");
        }
        Ok(next)
    }

    /// Opens the file that follows the one of `id`. Where that is gone, everything written since `at` follows it.
    fn after(&self, id: FileId, at: Micros) -> io::Result<Option<(File, FileId)>> {
        let files = self.files()?;
        let next = match files.iter().position(|known| known.id.is(id)) {
            Some(index) => files.get(index + 1),
            None => files.iter().find(|known| known.current || known.modified > at),
        };
        next.map_or(Ok(None), |known| open(&known.path))
    }

    /// The log and what it was rotated to (`.1` or `-20261001`, not what is compressed), the oldest first.
    fn files(&self) -> io::Result<Vec<Known>> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name().and_then(|name| name.to_str())) else {
            return Ok(Vec::new());
        };
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some(rest) = file_name.to_str().and_then(|found| found.strip_prefix(name)) else { continue };
            let rotated = rest.strip_prefix(['.', '-']).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
            if !(rest.is_empty() || rotated) {
                continue;
            }
            // Gone again between the two looks is as good as not there.
            let Ok(found) = entry.metadata() else { continue };
            if found.is_file() {
                let modified = found.modified().map_or(Micros(0), micros);
                files.push(Known { path: entry.path(), current: rest.is_empty(), id: identity(&found), modified });
            }
        }
        files.sort_by_key(|known| (known.current, known.modified));
        Ok(files)
    }
}

struct Known {
    path: PathBuf,
    current: bool,
    id: FileId,
    modified: Micros,
}

fn micros(time: SystemTime) -> Micros {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn identity(found: &Metadata) -> FileId {
    FileId { inode: found.ino(), born: found.created().ok().map(|time| micros(time).0) }
}

/// Opens a log to read it; `None` if there is none.
fn open(path: &Path) -> io::Result<Option<(File, FileId)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other(format!("{} is not an ordinary file", path.display())));
    }
    let id = identity(&found);
    Ok(Some((file, id)))
}

struct Read {
    bytes: Vec<u8>,
    /// Bytes read, those of half a line at the end too.
    length: u64,
    position: Position,
    more: bool,
}

/// Reads whole lines from a position.
fn read(file: &File, from: Position, limits: &Limits, now: Micros) -> io::Result<Read> {
    let mut bytes = vec![0; limits.chunk];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], from.offset + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let more = length == bytes.len();
    bytes.truncate(length);
    let newline = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    // The rest of a line whose beginning was skipped.
    let start = match newline(&bytes) {
        Some(end) if from.skipping => end,
        None if from.skipping => length,
        _ => 0,
    };
    let mut skipping = from.skipping && start == length && !bytes.ends_with(b"\n");
    let mut end = bytes[start..].iter().rposition(|byte| *byte == b'\n').map_or(start, |at| start + at + 1);
    let lines = start..end;
    if length - end > limits.line {
        end = length;
        skipping = true;
    }
    bytes.truncate(lines.end);
    bytes.drain(..lines.start);
    let position = Position { file: from.file, offset: from.offset + end as u64, skipping, at: now };
    Ok(Read { bytes, length: length as u64, position, more })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMITS: Limits = Limits { chunk: 32, line: 10, quiet: 2 };

    struct Log {
        dir: tempfile::TempDir,
        follower: Follower,
        position: Option<Position>,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let follower = Follower::new(dir.path().join("log"), LIMITS);
            Self { dir, follower, position: None }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn add(&self, name: &str, text: &str) {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(self.path(name)).expect("opened");
            file.write_all(text.as_bytes()).expect("written");
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.path(from), self.path(to)).expect("renamed");
        }

        fn restart(&mut self) {
            self.follower = Follower::new(self.path("log"), LIMITS);
        }

        /// Everything there is until as many looks as a rotation takes find nothing.
        fn read(&mut self) -> Vec<String> {
            let mut lines = Vec::new();
            let mut idle = 0;
            while idle <= LIMITS.quiet + 1 {
                match self.follower.step(self.position, Micros::now()).expect("read") {
                    Some(step) => {
                        lines.extend(step.lines().map(|line| String::from_utf8_lossy(line).into_owned()));
                        self.position = Some(step.position);
                        idle = 0;
                    }
                    None => idle += 1,
                }
            }
            lines
        }
    }

    #[test]
    fn half_a_line_waits_for_its_rest() {
        let mut log = Log::new();
        assert!(log.read().is_empty(), "no file is no failure");
        log.add("log", "one\ntw");
        assert_eq!(log.read(), ["one"]);
        log.restart();
        assert!(log.read().is_empty());
        log.add("log", "o\n");
        assert_eq!(log.read(), ["two"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_whole_also_across_a_restart() {
        let mut log = Log::new();
        log.add("log", &format!("one\n{}\ntwo\n12345678901\n{}", "x".repeat(100), "y".repeat(50)));
        assert_eq!(log.read(), ["one", "two"]);
        log.restart();
        log.add("log", "yyyyyyyyy");
        assert!(log.read().is_empty());
        log.add("log", "\nsix\n");
        assert_eq!(log.read(), ["six"]);
    }

    #[test]
    fn a_line_of_just_the_longest_length_is_read_wherever_it_lies() {
        for before in 1..40 {
            let mut log = Log::new();
            log.add("log", &format!("{}\n1234567890\nend\n", "a\n".repeat(before)));
            let lines = log.read();
            assert_eq!(lines[lines.len() - 2..], ["1234567890", "end"]);
            assert_eq!(lines.len(), before + 2);
        }
    }

    #[test]
    fn a_renamed_log_is_finished_before_the_new_one() {
        let mut log = Log::new();
        log.add("log", "one\n");
        assert_eq!(log.read(), ["one"]);
        log.rename("log", "log.1");
        log.add("log.1", "two\n");
        assert_eq!(log.read(), ["two"]);
        log.add("log", "six\n");
        assert_eq!(log.follower.step(log.position, Micros::now()).expect("read"), None);
        // A worker that has not reopened its log yet.
        log.add("log.1", "ten\n");
        assert_eq!(log.read(), ["ten", "six"]);
    }

    #[test]
    fn rotations_during_a_restart_lose_nothing() {
        let mut log = Log::new();
        log.add("log", "one\n");
        assert_eq!(log.read(), ["one"]);
        log.add("log", "two\n");
        log.rename("log", "log.1");
        log.add("log", "six\n");
        log.rename("log.1", "log.2");
        log.rename("log", "log.1");
        log.add("log", "ten\n");
        log.add("log.3.gz", "no\n");
        log.add("logger", "no\n");
        let old = fs::File::open(log.path("log.2")).expect("opened");
        old.set_modified(SystemTime::now() - std::time::Duration::from_hours(24)).expect("dated");
        let middle = fs::File::open(log.path("log.1")).expect("opened");
        middle.set_modified(SystemTime::now() - std::time::Duration::from_hours(1)).expect("dated");
        log.restart();
        assert_eq!(log.read(), ["two", "six", "ten"]);
    }

    #[test]
    fn when_the_log_is_gone_what_was_read_before_it_is_not_read_again() {
        let mut log = Log::new();
        log.add("log", "one\n");
        log.read();
        log.rename("log", "log.1");
        log.add("log", "two\n");
        assert_eq!(log.read(), ["two"]);
        let read = fs::File::open(log.path("log.1")).expect("opened");
        read.set_modified(SystemTime::now() - std::time::Duration::from_hours(1)).expect("dated");
        fs::remove_file(log.path("log")).expect("removed");
        log.restart();
        assert!(log.read().is_empty());
        log.add("log.new", "six\n");
        log.rename("log.new", "log");
        assert_eq!(log.read(), ["six"]);
    }

    #[test]
    fn a_truncated_log_is_read_from_its_start() {
        let mut log = Log::new();
        log.add("log", "one\ntwo\n");
        assert_eq!(log.read(), ["one", "two"]);
        fs::OpenOptions::new().write(true).open(log.path("log")).expect("opened").set_len(0).expect("emptied");
        log.add("log", "six\n");
        assert_eq!(log.read(), ["six"]);
    }

    #[test]
    fn a_link_in_place_of_a_log_is_not_read() {
        let mut log = Log::new();
        log.add("other", "one\n");
        std::os::unix::fs::symlink(log.path("other"), log.path("log")).expect("linked");
        log.follower.step(None, Micros::now()).expect_err("a link");
    }
}
