//! Follows one of nginx's logs through rotations, however many and by whoever, through truncation, and through lines of any length.
//!
//! Every file that the log was rotated to and that is still there has a position of its own, so that nothing depends on when nginx's workers
//! open the new one, or on how often a log was renamed between two looks. A file is known by inode and time of birth, whatever it is called.
//! What goes before it was read is counted: nothing is lost without a word.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use opterius_protocol::{Micros, bounded};
use rustix::fs::{Mode, OFlags};

use super::rotate;
use super::state::{FileId, Files, Position};

/// Names in the directory of the logs: some dozens.
const MOST_NAMES: usize = 10_000;

/// Files that are open at a time; further ones are opened when these are read.
const MOST_OPEN: usize = 64;

/// A file system's clock runs behind ours by one tick.
const TICK: i64 = 100_000;

/// Bytes before the offset that must be as they were.
const TAIL: u64 = 64;

/// What a follower takes in at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes read at once; more than a line may have.
    pub(super) chunk: usize,
    /// Bytes that a line may have. A longer one is skipped whole.
    pub(super) line: usize,
    /// How many looks at a file that was removed must find nothing new before it is closed: nginx's workers open the next one after the
    /// other, and until then write what they have buffered to the old one.
    pub(super) quiet: u32,
}

/// What was read: whole lines, and the positions behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    bytes: Vec<u8>,
    longest: usize,
    pub(super) files: Files,
    /// What was lost since the step before: for each loss the bytes that are known of it.
    pub(super) lost: Vec<u64>,
    /// There is more to be read at once.
    pub(super) more: bool,
}

impl Step {
    /// The lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line.len() <= self.longest)
    }
}

/// One log under its name of now. A file that is being read is open, so that it can be finished whatever becomes of its name.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    limits: Limits,
    open: Vec<Open>,
    /// When the log was last seen under its name.
    seen: Option<Micros>,
}

#[derive(Debug)]
struct Open {
    id: FileId,
    file: File,
    /// The size at which nothing was left to read but half a line.
    looked: Option<u64>,
    quiet: u32,
}

/// A file with the log's name, or one that it was rotated to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    path: PathBuf,
    current: bool,
    compressed: bool,
    id: FileId,
    size: u64,
    modified: Micros,
    /// By its name: what is greater was rotated later.
    rank: i64,
}

impl Found {
    /// When it was made, as far as that can be told.
    fn born(&self) -> Micros {
        self.id.born.map_or(self.modified, Micros)
    }
}

impl Follower {
    pub(super) fn new(path: PathBuf, limits: Limits) -> Self {
        Self { path, limits, open: Vec::new(), seen: None }
    }

    /// Reads on from where `files` says; from the start of the log where that is nowhere. `None` if there is nothing new.
    pub(super) fn step(&mut self, files: &Files, now: Micros) -> io::Result<Option<Step>> {
        let step = self.look(files, now);
        if step.is_err() {
            self.open.clear();
        }
        step
    }

    /// Lets go of a file that was removed on purpose, so that its space is free. What was not read of it is lost.
    pub(super) fn release(&mut self, file: FileId) {
        self.open.retain(|open| !open.id.is(file));
    }

    fn look(&mut self, files: &Files, now: Micros) -> io::Result<Option<Step>> {
        let found = self.found_at_rest()?;
        let mut lost = Vec::new();
        let mut next = self.arrange(files, &found, now, &mut lost);
        let read = self.read_next(&mut next, &found, now, &mut lost)?;
        self.close_finished(&mut next, &found, &mut lost);
        let (bytes, more) = read.unwrap_or_default();
        if let Some(log) = found.iter().find(|found| found.current) {
            self.seen = Some(now);
            if let Some(current) = next.current.as_mut().filter(|current| current.file.is(log.id)) {
                current.at = now;
            }
        }
        let moved = !same(files, &next) || !bytes.is_empty() || !lost.is_empty();
        Ok(moved.then_some(Step { bytes, longest: self.limits.line, files: next, lost, more }))
    }

    /// Gives every file that is there a position, and takes leave of those that are gone.
    fn arrange(&self, files: &Files, found: &[Found], now: Micros, lost: &mut Vec<u64>) -> Files {
        let start = |found: &Found| Position { tail: Some(hash(&[])), ..Position::start(found.id, now) };
        let log = found.iter().find(|found| found.current);
        let is_there = |position: &Position| found.iter().any(|found| !found.compressed && position.file.is(found.id));
        let is_held = |position: &Position| self.open.iter().any(|open| position.file.is(open.id));
        let stays = match (&files.current, log) {
            (Some(current), Some(log)) => current.file.is(log.id),
            (known, _) => known.is_none(),
        };
        // What was made after the log was last seen under its name was the log itself for a while. While it bears its name, and where nothing
        // is known yet, whatever else there is is a copy, or was read before.
        let since = files.current.filter(|_| !stays).map(|current| match (current.tail, current.file.born) {
            (Some(_), _) => Micros(self.seen.unwrap_or(current.at).0.max(current.at.0) - TICK),
            // An earlier version's: it may have been behind by several files.
            (None, born) => born.map_or(current.at, Micros),
        });
        let mut tracked: Vec<Position> = files.rotated.clone();
        tracked.extend(files.current);
        let gone: Vec<Position> = tracked.iter().copied().filter(|position| !is_there(position) && !is_held(position)).collect();
        for position in gone.iter().filter(|position| !position.ignored) {
            let was_log = files.current.is_some_and(|current| current.file.is(position.file));
            if was_log || position.left > 0 {
                lost.push(position.left);
            }
        }
        // Once, when it is known what followed: until then the log may still be written to without a name.
        let is_over = log.is_some() || files.current.is_some_and(|current| gone.contains(&current));
        if let Some(since) = since.filter(|_| is_over) {
            // Compressed before it was read, and not one that was: those have the size that was read.
            let size_of = |position: &Position| {
                let held = self.open.iter().find(|open| position.file.is(open.id)).and_then(|open| open.file.metadata().ok());
                held.map_or(position.offset + position.left, |held| held.len())
            };
            let mut known: Vec<u64> = tracked.iter().filter(|position| !is_there(position)).map(size_of).collect();
            // Beside its original it is not finished, and the original is still there to be read.
            let is_whole = |compressed: &Found| !found.iter().any(|found| compressed.path == found.path.with_added_extension("gz"));
            let sizes = found.iter().filter(|found| found.compressed && found.born() > since && is_whole(found));
            let mut unknown: Vec<u64> = sizes.map(|compressed| uncompressed_size(&compressed.path).unwrap_or(0)).collect();
            unknown.retain(|size| match known.iter().position(|known| *known % (1 << 32) == *size) {
                Some(index) => {
                    known.swap_remove(index);
                    false
                }
                None => true,
            });
            // One that was written to after it was compressed has another size.
            if unknown.len() > known.len() || !gone.is_empty() {
                lost.extend(unknown);
            }
        }
        tracked.retain(|position| !gone.contains(position));
        let mut fresh: Vec<&Found> =
            found.iter().filter(|found| !found.compressed && !tracked.iter().any(|known| known.file.is(found.id))).collect();
        fresh.sort_by_key(|found| (found.current, found.born(), found.rank));
        // A copy that has just been made, begins with what was read, and is longer than the log: it was emptied behind the copy.
        if let (Some(current), Some(log), Some(seen)) = (files.current, log, self.seen.filter(|_| stays)) {
            let is_new = |time: Micros| time.0 > seen.0 - TICK;
            let begins_alike = |copy: &Found| {
                let tail = open(&copy.path).ok().flatten().and_then(|(file, _)| tail_of(&file, current.offset).ok());
                current.tail.is_none_or(|known| tail == Some(known))
            };
            let longest = log.size.max(current.offset);
            let copies = fresh.iter().filter(|copy| !copy.current && copy.size > longest && is_new(copy.born()) && is_new(copy.modified));
            lost.extend(copies.filter(|copy| begins_alike(copy)).map(|copy| copy.size - current.offset));
        }
        for found in fresh {
            let ignored = !found.current && since.is_none_or(|since| found.born() <= since);
            tracked.push(Position { ignored, ..start(found) });
        }
        let bears_the_name = |position: &Position| match log {
            Some(log) => position.file.is(log.id),
            None => files.current.is_some_and(|current| current.file.is(position.file)),
        };
        let current = tracked.iter().position(bears_the_name).map(|index| tracked.remove(index));
        // Somebody gave a rotated file, or a copy, the log's name.
        Files { current: current.map(|current| Position { ignored: false, ..current }), rotated: tracked }
    }

    /// Reads on in the first file that has something new, and notes what is left in the others.
    fn read_next(&mut self, files: &mut Files, found: &[Found], now: Micros, lost: &mut Vec<u64>) -> io::Result<Option<(Vec<u8>, bool)>> {
        let mut outcome: Option<(Vec<u8>, bool)> = None;
        let current = files.current.map(|current| current.file);
        // The oldest first. Where nothing has the log's name, what had it last is older than what was rotated after it.
        let has_log = found.iter().any(|found| found.current);
        let Files { current: log, rotated } = files;
        let (first, last) = if has_log { (None, log.as_mut()) } else { (log.as_mut(), None) };
        for position in first.into_iter().chain(rotated).chain(last).filter(|position| !position.ignored) {
            let known = found.iter().find(|found| !found.compressed && position.file.is(found.id));
            let mut index = self.open.iter().position(|open| position.file.is(open.id));
            if index.is_none()
                && let Some(known) = known
                && (known.size != position.offset || current.is_some_and(|current| current.is(position.file)))
            {
                position.left = known.size.saturating_sub(position.offset);
                if self.open.len() < MOST_OPEN
                    && let Some((file, id)) = open(&known.path)?
                    // Renamed since the look; the next one finds it.
                    && position.file.is(id)
                {
                    self.open.push(Open { id, file, looked: None, quiet: 0 });
                    index = Some(self.open.len() - 1);
                }
            }
            let Some(open) = index.map(|index| &mut self.open[index]) else { continue };
            let size = open.file.metadata()?.len();
            let is_as_it_was = size >= position.offset
                && position.tail.is_none_or(|tail| tail_of(&open.file, position.offset).is_ok_and(|now| now == tail));
            if !is_as_it_was {
                tracing::warn!(path = %self.path.display(), "the log was emptied; reading it from its start");
                lost.push(position.left);
                *position = Position { tail: Some(hash(&[])), ..Position::start(position.file, now) };
                open.looked = None;
            }
            if open.looked == Some(size) {
                position.left = size.saturating_sub(position.offset);
                continue;
            }
            position.left = size.saturating_sub(position.offset);
            if let Some((_, more)) = &mut outcome {
                *more |= position.left > 0;
                continue;
            }
            let read = read(&open.file, *position, &self.limits, now)?;
            if !read.more {
                // What was read, and not the size: the file may have grown in between.
                open.looked = Some(position.offset + read.length);
            }
            open.quiet = 0;
            let skipped = read.length_skipped;
            if skipped > 0 {
                lost.push(skipped);
            }
            let end = position.offset + read.length;
            *position = read.position;
            position.left = size.max(end).saturating_sub(position.offset);
            position.tail = Some(tail_of(&open.file, position.offset)?);
            if !read.bytes.is_empty() || read.more {
                outcome = Some((read.bytes, read.more));
            }
        }
        Ok(outcome)
    }

    /// Closes what is read to its end. A file without a name can still be written to for a while.
    fn close_finished(&mut self, files: &mut Files, found: &[Found], lost: &mut Vec<u64>) {
        let has_name = |id: FileId| found.iter().any(|found| !found.compressed && found.id.is(id));
        let has_log = found.iter().any(|found| found.current);
        let limit = self.limits.quiet;
        self.open.retain_mut(|open| {
            if files.current.is_some_and(|current| current.file.is(open.id)) {
                return true;
            }
            let Some(index) = files.rotated.iter().position(|position| position.file.is(open.id)) else { return false };
            if has_name(open.id) {
                return files.rotated[index].left > 0;
            }
            let finished = open.looked.is_some_and(|looked| looked == files.rotated[index].offset + files.rotated[index].left);
            open.quiet = if finished && has_log { open.quiet + 1 } else { 0 };
            if open.quiet <= limit {
                return true;
            }
            // Half a line, which nobody will end.
            if files.rotated[index].left > 0 {
                lost.push(files.rotated[index].left);
            }
            files.rotated.remove(index);
            false
        });
    }

    /// What there is, as two looks in a row saw it: a file that is renamed while names are read can be seen twice or not at all.
    fn found_at_rest(&self) -> io::Result<Vec<Found>> {
        let mut found = self.found()?;
        for _ in 0..8 {
            let again = self.found()?;
            let names = |found: &[Found]| found.iter().map(|found| (found.path.clone(), found.id)).collect::<Vec<_>>();
            let rests = names(&found) == names(&again);
            found = again;
            if rests {
                break;
            }
        }
        Ok(found)
    }

    fn found(&self) -> io::Result<Vec<Found>> {
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name().and_then(|name| name.to_str())) else {
            return Ok(Vec::new());
        };
        let names = match bounded::names(directory, MOST_NAMES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let mut files = Vec::new();
        for file_name in names {
            let Some(rest) = file_name.to_str().and_then(|found| found.strip_prefix(name)) else { continue };
            if !rest.is_empty() && rotate::number(rest).is_none() {
                continue;
            }
            // Gone again between the two looks is as good as not there.
            let path = directory.join(&file_name);
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_file() {
                files.push(Found {
                    path,
                    current: rest.is_empty(),
                    compressed: rest.strip_suffix(".gz").is_some(),
                    id: identity(&metadata),
                    size: metadata.len(),
                    modified: metadata.modified().map_or(Micros(0), micros),
                    rank: rank(rest),
                });
            } else if rest.is_empty() {
                return Err(io::Error::other(format!("{} is not an ordinary file", path.display())));
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }
}

/// Whether two say the same, but for when.
fn same(one: &Files, other: &Files) -> bool {
    let plain = |position: &Position| Position { at: Micros(0), ..*position };
    let both = |one: &[Position], other: &[Position]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| plain(one) == plain(other))
    };
    one.current.as_ref().map(plain) == other.current.as_ref().map(plain) && both(&one.rotated, &other.rotated)
}

/// Our numbers and dates grow; logrotate's plain numbers are the higher the older.
fn rank(rest: &str) -> i64 {
    let digits: String = rest.chars().filter(char::is_ascii_digit).take(18).collect();
    let number: i64 = digits.parse().unwrap_or(0);
    if rest.starts_with('.') && !rest.starts_with(".r") { -number } else { number }
}

/// What a file compressed by gzip had before, in bytes modulo 2^32 (RFC 1952, ISIZE).
fn uncompressed_size(path: &Path) -> Option<u64> {
    let (file, _) = open(path).ok()??;
    let at = file.metadata().ok()?.len().checked_sub(4)?;
    let mut size = [0; 4];
    file.read_exact_at(&mut size, at).ok()?;
    Some(u32::from_le_bytes(size).into())
}

/// FNV-1a, which stays the same from one version to the next.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash of what stands before an offset.
fn tail_of(file: &File, offset: u64) -> io::Result<u64> {
    let length = offset.min(TAIL);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, offset - length)?;
    Ok(hash(&bytes))
}

fn micros(time: SystemTime) -> Micros {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Which file this is.
pub(super) fn identity(found: &Metadata) -> FileId {
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
    /// Bytes of lines that are too long, which are left out.
    length_skipped: u64,
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
    let too_long =
        bytes[lines.clone()].split(|byte| *byte == b'\n').filter(|line| line.len() > limits.line).map(<[u8]>::len).sum::<usize>();
    let length_skipped = (start + (end - lines.end) + too_long) as u64;
    bytes.truncate(lines.end);
    bytes.drain(..lines.start);
    let position = Position { offset: from.offset + end as u64, skipping, at: now, ..from };
    Ok(Read { bytes, length: length as u64, length_skipped, position, more })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMITS: Limits = Limits { chunk: 32, line: 10, quiet: 2 };

    struct Log {
        dir: tempfile::TempDir,
        follower: Follower,
        files: Files,
        lost: Vec<u64>,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let follower = Follower::new(dir.path().join("log"), LIMITS);
            Self { dir, follower, files: Files::default(), lost: Vec::new() }
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
                match self.follower.step(&self.files, Micros::now()).expect("read") {
                    Some(step) => {
                        lines.extend(step.lines().map(|line| String::from_utf8_lossy(line).into_owned()));
                        self.files = step.files;
                        self.lost.extend(step.lost);
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
        assert_eq!(log.read(), ["six"]);
        // A worker that has not opened the new one yet, however late.
        log.add("log.1", "ten\n");
        assert_eq!(log.read(), ["ten"]);
        assert_eq!(log.lost, [] as [u64; 0]);
    }

    /// As logrotate does it: each gets the next number.
    fn rotate(log: &Log) {
        for number in (1..9).rev() {
            if log.path(&format!("log.{number}")).exists() {
                log.rename(&format!("log.{number}"), &format!("log.{}", number + 1));
            }
        }
        log.rename("log", "log.1");
    }

    #[test]
    fn rotations_between_two_looks_lose_nothing_and_repeat_nothing() {
        for restarts in [false, true] {
            for ours in [false, true] {
                let mut log = Log::new();
                log.add("log", "zero\n");
                assert_eq!(log.read(), ["zero"]);
                for (number, line) in ["one\n", "two\n", "three\n", "four\n"].into_iter().enumerate() {
                    log.add("log", line);
                    if ours {
                        log.rename("log", &format!("log.r{}", 9 + number));
                    } else {
                        rotate(&log);
                    }
                }
                if restarts {
                    log.restart();
                }
                // nginx has not opened a new one yet.
                assert_eq!(log.read(), ["one", "two", "three", "four"], "restarts: {restarts}, ours: {ours}");
                log.add("log", "five\n");
                log.add("logger", "no\n");
                assert_eq!(log.read(), ["five"]);
                log.restart();
                assert!(log.read().is_empty());
                assert_eq!(log.lost, [] as [u64; 0]);
            }
        }
    }

    #[test]
    fn a_file_that_is_compressed_or_removed_while_it_is_read_is_read_to_its_end() {
        for compressed in [false, true] {
            let mut log = Log::new();
            log.add("log", "one\n");
            assert_eq!(log.read(), ["one"]);
            log.add("log", "two\n");
            let unlinked = fs::OpenOptions::new().append(true).open(log.path("log")).expect("opened");
            fs::remove_file(log.path("log")).expect("removed");
            if compressed {
                fs::write(log.path("log.1.gz"), [b"\x1f\x8b and so on".as_slice(), &8_u32.to_le_bytes()].concat()).expect("written");
            }
            assert_eq!(log.read(), ["two"]);
            // Nobody has opened a new one, so nginx still writes to it.
            std::io::Write::write_all(&mut &unlinked, b"six\n").expect("written");
            assert_eq!(log.read(), ["six"]);
            log.add("log", "ten\n");
            assert_eq!(log.read(), ["ten"]);
            assert_eq!(log.lost, [] as [u64; 0]);
        }
    }

    #[test]
    fn what_went_before_it_was_read_is_counted() {
        // Removed while nobody looked.
        let mut log = Log::new();
        log.add("log", "one\n");
        log.read();
        fs::remove_file(log.path("log")).expect("removed");
        log.add("log.new", "two\n");
        log.rename("log.new", "log");
        log.restart();
        assert_eq!(log.read(), ["two"]);
        assert_eq!(log.lost, [0], "how much is not known");

        // Rotated and compressed while nobody looked: the one that was read, and one that nobody saw.
        let mut log = Log::new();
        log.add("log", "one\n");
        log.read();
        log.add("log", "two\n");
        fs::remove_file(log.path("log")).expect("removed");
        let mut wait = 0;
        // The clock of the file system goes by ticks.
        while wait < 2 * TICK {
            log.add("log.2.gz", "");
            wait = Micros::now().0 - log.files.current.expect("a position").at.0;
            fs::remove_file(log.path("log.2.gz")).expect("removed");
        }
        fs::write(log.path("log.2.gz"), [b"\x1f\x8b".as_slice(), &8_u32.to_le_bytes()].concat()).expect("written");
        fs::write(log.path("log.1.gz"), [b"\x1f\x8b".as_slice(), &70_u32.to_le_bytes()].concat()).expect("written");
        log.add("log", "six\n");
        log.restart();
        assert_eq!(log.read(), ["six"]);
        assert!(log.lost.iter().sum::<u64>() >= 74, "{:?}", log.lost);
        let lost = log.lost.len();
        log.restart();
        assert!(log.read().is_empty());
        assert_eq!(log.lost.len(), lost, "once");

        // Removed to make room, unread.
        let mut log = Log::new();
        log.add("log", &"a\n".repeat(100));
        let step = log.follower.step(&log.files, Micros::now()).expect("read").expect("a step");
        log.files = step.files;
        let position = log.files.current.expect("a position");
        assert_eq!((position.offset, position.left), (32, 168));
        log.rename("log", "log.r1");
        log.follower.release(position.file);
        fs::remove_file(log.path("log.r1")).expect("removed");
        log.add("log", "b\n");
        assert_eq!(log.read(), ["b"]);
        assert_eq!(log.lost, [168]);
    }

    #[test]
    fn copies_are_not_read_and_what_was_emptied_is_read_from_its_start() {
        for restarts in [false, true] {
            let mut log = Log::new();
            for turn in 0..3 {
                log.add("log", &format!("one{turn}\ntwo{turn}\n"));
                assert_eq!(log.read().len(), 2, "{turn}");
                // As `copytruncate` does it, and at once as much again, and more.
                fs::copy(log.path("log"), log.path(&format!("log.{turn}"))).expect("copied");
                fs::OpenOptions::new().write(true).open(log.path("log")).expect("opened").set_len(0).expect("emptied");
                log.add("log", &format!("six{turn}\nten{turn}\n"));
                if turn == 2 {
                    log.add("log", "more\n");
                }
                if restarts {
                    log.restart();
                }
                let lines = log.read();
                assert_eq!(lines[..2], [format!("six{turn}"), format!("ten{turn}")]);
                assert_eq!(log.lost.len(), turn + 1, "each time it is said");
            }
            // A real rotation after that.
            log.rename("log", "log.7");
            log.add("log", "end\n");
            assert_eq!(log.read(), ["end"]);
        }
    }

    #[test]
    fn a_log_that_is_copied_and_emptied_again_and_again_between_two_looks_is_said_to_have_lost_something() {
        let mut log = Log::new();
        log.add("log", "one\n");
        assert_eq!(log.read(), ["one"]);
        for turn in 0..3 {
            log.add("log", &format!("two{turn}\n"));
            fs::copy(log.path("log"), log.path(&format!("log.{turn}"))).expect("copied");
            fs::OpenOptions::new().write(true).open(log.path("log")).expect("opened").set_len(0).expect("emptied");
        }
        log.add("log", "x\n");
        assert_eq!(log.read(), ["x"]);
        assert!(log.lost.iter().sum::<u64>() >= 5, "{:?}", log.lost);
        // With nothing read of it before.
        let mut log = Log::new();
        log.add("log", "");
        log.read();
        log.add("log", "two\n");
        fs::copy(log.path("log"), log.path("log.1")).expect("copied");
        fs::OpenOptions::new().write(true).open(log.path("log")).expect("opened").set_len(0).expect("emptied");
        log.add("log", "x\n");
        assert_eq!(log.read(), ["x"]);
        assert_eq!(log.lost, [4]);
    }

    #[test]
    fn a_file_that_is_unpacked_or_copied_beside_the_log_is_not_read() {
        let mut log = Log::new();
        log.add("log.1", "before\n");
        log.add("log", "one\n");
        assert_eq!(log.read(), ["one"]);
        log.add("log.3", "unpacked\n");
        assert!(log.read().is_empty());
        log.restart();
        log.add("log.4", "copied\n");
        assert!(log.read().is_empty());
        log.add("log.3", "more\n");
        rotate(&log);
        log.add("log", "two\n");
        assert_eq!(log.read(), ["two"]);
        assert_eq!(log.lost, [] as [u64; 0]);
    }

    #[test]
    fn a_position_of_an_earlier_version_that_was_behind_goes_on_through_all_that_followed() {
        let mut log = Log::new();
        log.add("log", "one\n");
        log.read();
        let current = log.files.current.expect("a position");
        log.add("log", "two\n");
        rotate(&log);
        // Births of one tick cannot be told apart.
        let mut born = current.file.born;
        while born == current.file.born {
            drop(fs::remove_file(log.path("log")));
            log.add("log", "six\n");
            born = fs::metadata(log.path("log")).expect("there").created().ok().map(|time| micros(time).0);
        }
        rotate(&log);
        log.add("log", "ten\n");
        log.files = Files { current: Some(Position { tail: None, at: Micros::now(), ..current }), rotated: Vec::new() };
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
        log.follower.step(&Files::default(), Micros::now()).expect_err("a link");
    }
}
