//! An account's `php.log`.
//!
//! PHP does not write to it. It writes to a file in a small file system of its sandbox's own, in memory, where the kernel refuses what does not
//! fit ([`view::PHP_LOG`]); nobody ever waits there, whether phpd runs or not. phpd takes what is new once a second, at a limited rate, and
//! appends it to `php.log`, a file of root's with a largest size. So a tenant who writes as fast as it can fills neither the disk nor memory,
//! and the bound is one of size, not of time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use opterius_model::{AccountId, MIB, Uid, Username};
use opterius_protocol::bounded;
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::process::{Gid, Uid as RawUid};

use crate::process::Process;
use crate::view;

const NAME: &str = "php.log";
const NEW: &str = ".php.log.new";
const KEPT: &str = "php.log.1";
const KEPT_NEW: &str = ".php.log.1.new";
const MARK: &str = ".opterius-account";

const MODE: Mode = Mode::from_raw_mode(0o640);

/// How much of a log stays when it is cut.
const TAIL: u64 = MIB;

/// How much a log takes: so many bytes a second, and so many at once after a quiet time.
const RATE: u64 = 64 * 1024;
const BURST: u64 = MIB;

/// A line that is longer is taken in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// So much free space, or less, means that something may have been refused.
const NEARLY_FULL: u64 = 64 * 1024;

/// A file that somebody has made to look larger than this is emptied.
const ABSURD: u64 = 1 << 42;

/// The longest line that is told to staff, in characters.
const LONGEST_TOLD: usize = 300;

/// Several sandboxes of one account may end up in one log: each writes whole lines, and one at a time cuts it.
static TURNS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// The directories of logs that a PHP of an earlier version still writes to, and how many of those there are.
static WRITTEN_BY_PHP: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// A PHP of an earlier version, which writes to `php.log` itself. While there is one, the file stays the one that it is: such a PHP opens it
/// anew for each line, and would find that it may not write to another.
#[derive(Debug)]
pub struct WrittenByPhp(PathBuf);

impl WrittenByPhp {
    /// For the log of this account.
    pub fn new(logs: &Path, username: &Username) -> Self {
        let directory = logs.join(username.as_str());
        *WRITTEN_BY_PHP.lock().unwrap_or_else(PoisonError::into_inner).entry(directory.clone()).or_default() += 1;
        Self(directory)
    }

    fn is(directory: &Path) -> bool {
        WRITTEN_BY_PHP.lock().unwrap_or_else(PoisonError::into_inner).contains_key(directory)
    }
}

impl Drop for WrittenByPhp {
    fn drop(&mut self) {
        let mut written = WRITTEN_BY_PHP.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = written.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                written.remove(&self.0);
            }
        }
    }
}

/// The log of one account.
#[derive(Debug, Clone)]
pub struct PhpLog {
    directory: PathBuf,
    uid: u32,
}

impl PhpLog {
    /// The log in `<logs>/<username>`, which the Agent has made; the file is made if it is not there. An error names what is in the way.
    pub fn open(logs: &Path, username: &Username, uid: Uid, account: AccountId) -> io::Result<Self> {
        let log = Self { directory: logs.join(username.as_str()), uid: uid.get() };
        let directory = log.directory()?;
        if let Ok(mark) = open_below(&directory, MARK, OFlags::RDONLY) {
            let holder = bounded::head(mark, 64)?;
            if holder.trim_ascii() != account.to_string().as_bytes() {
                let holder = opterius_model::clean(&holder, 64);
                return Err(io::Error::other(format!("{} belongs to account {holder}", log.directory.display())));
            }
        }
        log.file(&directory)?;
        Ok(log)
    }

    /// The directory on the server.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    fn directory(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::open(&self.directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The file, for appending. One that is not root's own, as earlier versions made them, is replaced by a copy of its end as soon as no
    /// PHP writes to it any more.
    fn file(&self, directory: &OwnedFd) -> io::Result<File> {
        let tail = match open_below(directory, NAME, OFlags::RDWR | OFlags::APPEND) {
            Ok(file) => {
                let found = file.metadata()?;
                if !found.is_file() {
                    return Err(io::Error::other(format!("{} is not a file", self.directory.join(NAME).display())));
                }
                if found.uid() == rustix::process::geteuid().as_raw() {
                    if found.gid() != self.uid {
                        rustix::fs::fchown(&file, None, Some(Gid::from_raw(self.uid)))?;
                    }
                    return Ok(file);
                }
                if found.uid() == self.uid && WrittenByPhp::is(&self.directory) {
                    return Ok(file);
                }
                end_of(&file, TAIL)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        self.put(directory, &tail, NEW, NAME)?;
        open_below(directory, NAME, OFlags::RDWR | OFlags::APPEND)
    }

    /// Puts a file of root's with this content in the place of `name`.
    fn put(&self, directory: &OwnedFd, content: &[u8], new: &str, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(directory, new, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(directory, new, flags, MODE)?);
        rustix::fs::fchown(&file, Some(RawUid::from_raw(rustix::process::geteuid().as_raw())), Some(Gid::from_raw(self.uid)))?;
        // Said again, since phpd's umask may have taken it away.
        rustix::fs::fchmod(&file, MODE)?;
        file.write_all(content)?;
        Ok(rustix::fs::renameat_with(directory, new, directory, name, RenameFlags::empty())?)
    }

    /// Appends to the log, and cuts it if it is larger than `most` bytes then; its end is kept beside it. Blocks.
    pub fn append(&self, text: &[u8], most: u64) -> io::Result<()> {
        let turn = &TURNS[self.uid as usize % TURNS.len()];
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = self.directory()?;
        let mut file = self.file(&directory)?;
        file.write_all(text)?;
        if file.metadata()?.len() > most {
            self.put(&directory, &end_of(&file, TAIL)?, KEPT_NEW, KEPT)?;
            file.set_len(0)?;
        }
        Ok(())
    }

    /// Its last line that is not empty, if anything was written to it after `since`.
    pub fn last_line(&self, since: SystemTime) -> Option<String> {
        let file = open_below(&self.directory().ok()?, NAME, OFlags::RDONLY).ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || found.modified().ok()? < since {
            return None;
        }
        last_line_of(&end_of(&file, 4096).ok()?)
    }
}

fn open_below(directory: &OwnedFd, name: &str, flags: OFlags) -> io::Result<File> {
    // NONBLOCK so that nothing that is not a file can hold phpd up.
    Ok(File::from(rustix::fs::openat(directory, name, flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?))
}

/// The last `most` bytes.
fn end_of(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let begin = file.metadata()?.len().saturating_sub(most);
    bounded::head(At { file, offset: begin }, most)
}

/// A file from some place on.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl io::Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// The last line that is not empty, as it may be shown to staff.
pub fn last_line_of(text: &[u8]) -> Option<String> {
    let lines = text.rsplit(|byte| *byte == b'\n');
    lines.map(|line| opterius_model::clean(line, LONGEST_TOLD)).find(|line| !line.is_empty())
}

/// The file that one sandbox's PHP writes to, and what was taken of it.
#[derive(Debug)]
pub struct SandboxLog {
    file: File,
    log: PhpLog,
    /// The size at which the log is cut, in bytes.
    most: u64,
    busy: AtomicBool,
    /// Everything before is in the log, and no longer in the file.
    offset: AtomicU64,
    taken: Mutex<Taken>,
    /// Why the log could not be written, the last time that it was tried.
    failure: Mutex<Option<String>>,
}

/// What is worth telling staff of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It cannot be written, and why.
    Fails(String),
    /// It is written again.
    Works,
}

#[derive(Debug)]
struct Taken {
    allowance: u64,
    counted: Instant,
}

impl SandboxLog {
    /// The file in the sandbox whose first process this is.
    ///
    /// The way there leads through the sandbox's mounts, which only root can change.
    pub fn of(first: &Process, log: PhpLog, most: u64) -> io::Result<Self> {
        let path = format!("/proc/{}/root{}", first.id().pid, view::PHP_LOG);
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let found = file.metadata()?;
        if first.has_ended() || !found.is_file() || found.uid() != 0 {
            return Err(io::Error::other("it is not the file that was made for it"));
        }
        Ok(Self::new(file, log, most))
    }

    fn new(file: File, log: PhpLog, most: u64) -> Self {
        let taken = Mutex::new(Taken { allowance: BURST, counted: Instant::now() });
        Self { file, log, most, busy: AtomicBool::new(false), offset: AtomicU64::new(0), taken, failure: Mutex::default() }
    }

    /// The log that it goes to.
    pub fn log(&self) -> &PhpLog {
        &self.log
    }

    /// Whether there is something new and nobody is taking it. Then the caller is to [`Self::take`] it, where that may block.
    pub fn begin(&self) -> bool {
        let news = self.file.metadata().is_ok_and(|found| found.len() != self.offset.load(Ordering::SeqCst));
        news && !self.busy.swap(true, Ordering::SeqCst)
    }

    /// Takes what is new into the log: whole lines, unless PHP has ended. Blocks.
    pub fn take(&self, ended: bool) -> io::Result<()> {
        let taken = self.take_some(ended, Instant::now());
        self.busy.store(false, Ordering::SeqCst);
        taken
    }

    /// What is new about how a [`Self::take`] ended: it failed in another way than the one before, or works again after one that failed.
    pub fn news(&self, taken: io::Result<()>) -> Option<News> {
        let failure = taken.err().map(|error| error.to_string());
        let mut before = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == failure {
            return None;
        }
        before.clone_from(&failure);
        Some(failure.map_or(News::Works, News::Fails))
    }

    fn take_some(&self, ended: bool, now: Instant) -> io::Result<()> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.file.metadata()?;
        if found.len() > ABSURD {
            self.file.set_len(0)?;
            self.offset.store(0, Ordering::SeqCst);
            return Ok(());
        }
        let offset = self.offset.load(Ordering::SeqCst);
        // Its owner may have emptied it.
        let offset = if found.len() < offset { 0 } else { offset };
        let full = found.blocks() * 512 + NEARLY_FULL >= view::PHP_LOG_BYTES;
        // More than this it holds only in holes.
        let begin = offset.max(found.len().saturating_sub(view::PHP_LOG_BYTES));
        let mut text = bounded::head(At { file: &self.file, offset: begin }, view::PHP_LOG_BYTES)?;
        if !ended && text.len() < LONGEST_LINE {
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            text.truncate(whole);
        }
        let end = begin + text.len() as u64;
        // Zeros are what is read where it was taken away before, or never written.
        text.retain(|byte| *byte != 0);

        let earned =
            u64::try_from(now.saturating_duration_since(taken.counted).as_millis()).unwrap_or(u64::MAX).saturating_mul(RATE) / 1000;
        taken.allowance = taken.allowance.saturating_add(earned).min(BURST);
        taken.counted = now;
        let fits = fitting(&text, taken.allowance);
        taken.allowance -= fits as u64;
        let left_out = &text[fits..];
        let note = note(left_out, full);
        text.truncate(fits);
        text.extend(note.into_bytes());
        if !text.is_empty() {
            self.log.append(&text, self.most)?;
        }
        if end > 0 {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&self.file, hole, 0, end)?;
        }
        self.offset.store(end, Ordering::SeqCst);
        Ok(())
    }
}

/// How many bytes of `text` are taken: whole lines, as many as the allowance lets.
fn fitting(text: &[u8], allowance: u64) -> usize {
    let allowed = usize::try_from(allowance).unwrap_or(usize::MAX);
    if text.len() <= allowed {
        return text.len();
    }
    text[..allowed].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

/// What the log says of what it did not take.
fn note(left_out: &[u8], full: bool) -> String {
    if left_out.is_empty() {
        return if full { "[opterius] too much was written at once: lines may be missing here\n".to_owned() } else { String::new() };
    }
    let lines = left_out.split_inclusive(|byte| *byte == b'\n').count();
    let more = if full { " or more" } else { "" };
    format!("[opterius] left out {lines} lines ({} bytes){more}: this log takes {} KiB a second\n", left_out.len(), RATE / 1024)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn log_in(root: &Path) -> PhpLog {
        fs::create_dir(root.join("alice")).expect("made");
        PhpLog { directory: root.join("alice"), uid: rustix::process::getgid().as_raw() }
    }

    /// A file of the kind that the sandbox gets.
    fn live_in(root: &Path) -> (SandboxLog, File) {
        let path = root.join("live");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("made");
        let writer = File::options().append(true).open(&path).expect("opened");
        (SandboxLog::new(file, log_in(root), 10 * MIB), writer)
    }

    fn text_of(live: &SandboxLog) -> String {
        fs::read_to_string(live.log.directory.join(NAME)).unwrap_or_default()
    }

    #[test]
    fn a_log_that_grew_too_large_is_cut_and_its_end_is_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let log = log_in(root.path());
        let text = (0..300_000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
        log.append(text.as_bytes(), MIB).expect("written");
        log.append(b"after\n", MIB).expect("written");
        assert_eq!(fs::read_to_string(root.path().join("alice/php.log")).expect("read"), "after\n");
        let kept = fs::read_to_string(root.path().join("alice/php.log.1")).expect("read");
        assert!(kept.ends_with("line 299999\n") && kept.len() as u64 <= TAIL);
        assert_eq!(log.last_line(SystemTime::UNIX_EPOCH).as_deref(), Some("after"));
    }

    #[test]
    fn a_link_in_the_logs_place_is_not_followed() {
        let root = tempfile::tempdir().expect("a directory");
        let log = log_in(root.path());
        fs::write(root.path().join("precious"), "x".repeat(100)).expect("written");
        std::os::unix::fs::symlink("../precious", root.path().join("alice/php.log")).expect("linked");
        assert!(log.append(b"line\n", 10).is_err() && log.last_line(SystemTime::UNIX_EPOCH).is_none());
        assert_eq!(fs::metadata(root.path().join("precious")).expect("there").len(), 100);
    }

    #[test]
    fn what_php_writes_comes_into_the_log_once_and_line_by_line() {
        let root = tempfile::tempdir().expect("a directory");
        let (live, mut writer) = live_in(root.path());
        writer.write_all(b"one\ntwo\nthr").expect("written");
        assert!(live.begin());
        live.take(false).expect("taken");
        assert_eq!(text_of(&live), "one\ntwo\n");
        writer.write_all(b"ee\n").expect("written");
        live.take(false).expect("taken");
        assert_eq!(text_of(&live), "one\ntwo\nthree\n");
        writer.write_all(b"the last words").expect("written");
        live.take(true).expect("taken");
        assert_eq!(text_of(&live), "one\ntwo\nthree\nthe last words");
        // A phpd that was restarted knows no more how far the other one had come.
        let again = SandboxLog::new(live.file.try_clone().expect("a copy"), live.log.clone(), live.most);
        writer.write_all(b"\nafter\n").expect("written");
        again.take(false).expect("taken");
        assert_eq!(text_of(&live), "one\ntwo\nthree\nthe last words\nafter\n");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_told_of_once_and_when_it_is_over() {
        let root = tempfile::tempdir().expect("a directory");
        let (log, _) = live_in(root.path());
        let full = || Err(io::Error::from(rustix::io::Errno::NOSPC));
        let told: Vec<_> = [Ok(()), full(), full(), full(), Err(io::ErrorKind::NotFound.into()), full(), Ok(()), Ok(())]
            .into_iter()
            .map(|taken| log.news(taken))
            .collect();
        let fails = |news: &Option<News>| matches!(news, Some(News::Fails(_)));
        assert!(fails(&told[1]) && fails(&told[4]) && fails(&told[5]) && told[6] == Some(News::Works), "{told:?}");
        assert_eq!(told.iter().flatten().count(), 4, "{told:?}");
    }

    #[test]
    fn a_log_counts_as_written_by_php_until_the_last_such_php_has_ended() {
        let username = Username::parse("alice").expect("a username");
        let (logs, directory) = (Path::new("/nowhere"), Path::new("/nowhere/alice"));
        let (one, other) = (WrittenByPhp::new(logs, &username), WrittenByPhp::new(logs, &username));
        drop(one);
        assert!(WrittenByPhp::is(directory));
        drop(other);
        assert!(!WrittenByPhp::is(directory));
    }

    #[test]
    fn whoever_writes_without_an_end_is_cut_short_and_it_is_said() {
        let root = tempfile::tempdir().expect("a directory");
        let (live, mut writer) = live_in(root.path());
        let begun = Instant::now();
        for second in 0..30 {
            writer.write_all("a line of a flood\n".repeat(100_000).as_bytes()).expect("written");
            live.take_some(false, begun + Duration::from_secs(second)).expect("taken");
        }
        let text = text_of(&live);
        assert!(text.len() as u64 <= BURST + 30 * (RATE + 100), "{} bytes", text.len());
        assert!(text.contains("[opterius] left out 41746 lines (751428 bytes)"), "{}", &text[text.len() - 200..]);
        assert!(live.file.metadata().expect("there").blocks() * 512 <= 8192, "what was taken takes no room");
    }

    #[test]
    fn whatever_its_owner_makes_of_the_file_is_bounded() {
        let root = tempfile::tempdir().expect("a directory");
        let (live, mut writer) = live_in(root.path());
        writer.write_all(b"before\n").expect("written");
        live.take(false).expect("taken");
        writer.set_len(1 << 40).expect("it has holes");
        writer.write_all(b"beyond\n").expect("written");
        live.take(false).expect("taken");
        writer.set_len(0).expect("emptied");
        writer.write_all(b"again\n").expect("written");
        live.take(false).expect("taken");
        assert_eq!(text_of(&live), "before\nbeyond\nagain\n");
        writer.set_len(ABSURD + 1).expect("absurd");
        live.take(false).expect("taken");
        assert_eq!(live.file.metadata().expect("there").len(), 0);
    }

    #[test]
    fn what_a_tenant_wrote_is_told_without_what_a_terminal_obeys() {
        assert_eq!(last_line_of(b"one\n\x1b]0;x\x07two\n \n").as_deref(), Some("\u{fffd}]0;x\u{fffd}two"));
        assert_eq!(last_line_of(b"\n \n"), None);
        assert_eq!(last_line_of(&[b'x'; 10_000]).map(|line| line.len()), Some(LONGEST_TOLD));
    }
}
