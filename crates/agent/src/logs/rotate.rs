//! Rotates nginx's logs by size, since whoever sends requests decides how fast they grow: renames a log that is large or a day old, has nginx
//! open a new one, and removes the oldest of what is kept.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use opterius_protocol::bounded::{self, KIB, MIB};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::follow::identity;
use super::state::FileId;

/// Names in the directory of the logs: some dozens.
const MOST_NAMES: usize = 10_000;

/// When a log is rotated, and what is kept of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// A log of this size is rotated, in bytes.
    pub(super) size: u64,
    /// So is one that is this old.
    pub(super) age: Duration,
    /// Files that are kept beside it, and their sum in bytes.
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Those that are not read yet may have this sum instead.
    pub(super) unread_bytes: u64,
    /// How long a file is kept.
    pub(super) longest: Duration,
}

/// For each of the three logs. What is written within a second comes on top.
pub(super) const KEEP: Keep = Keep {
    size: 64 * MIB,
    age: Duration::from_hours(24),
    files: 14,
    bytes: 1024 * MIB,
    unread_bytes: 4096 * MIB,
    longest: Duration::from_hours(14 * 24),
};

/// A file that a log was rotated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rotated {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) size: u64,
    /// When it was last written to.
    pub(super) modified: SystemTime,
    /// Its number among ours, which only grow; nothing for one of logrotate's.
    number: Option<u64>,
}

/// What stands behind a log's name in that of a file that it was rotated to: `.r12` is ours, `.1`, `-20261001` and, compressed, `.2.gz` are
/// logrotate's. Answers our number.
#[expect(clippy::option_option, reason = "no rotated file at all, and one without a number of ours")]
pub(super) fn number(rest: &str) -> Option<Option<u64>> {
    if let Some(number) = rest.strip_prefix(".r") {
        return number.parse().ok().map(Some);
    }
    let plain = rest.strip_suffix(".gz").unwrap_or(rest).strip_prefix(['.', '-'])?;
    (!plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')).then_some(None)
}

/// The files that a log was rotated to, in no order.
fn rotated(log: &Path) -> io::Result<Vec<Rotated>> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let names = match bounded::names(directory, MOST_NAMES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut files = Vec::new();
    for found in names {
        let Some(number) = found.to_str().and_then(|found| found.strip_prefix(name)).and_then(number) else { continue };
        let path = directory.join(&found);
        // Gone again between the two looks is as good as not there.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_file() {
            let modified = metadata.modified()?;
            files.push(Rotated { path, id: identity(&metadata), size: metadata.len(), modified, number });
        }
    }
    Ok(files)
}

/// Rotates a log if it is time. Answers whether nginx has to open a new one.
pub(super) fn rotate(log: &Path, keep: &Keep, now: SystemTime) -> io::Result<bool> {
    let metadata = match fs::symlink_metadata(log) {
        // Rotated, and nginx has not opened a new one yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rotated(log)?.iter().any(|file| file.number.is_some())),
        metadata => metadata?,
    };
    let old = metadata.created().is_ok_and(|born| now.duration_since(born).is_ok_and(|age| age >= keep.age));
    if !metadata.is_file() || !(metadata.len() >= keep.size || (old && metadata.len() > 0)) {
        return Ok(false);
    }
    let number = rotated(log)?.iter().filter_map(|file| file.number).max().unwrap_or(0).saturating_add(1);
    let mut name = log.file_name().unwrap_or_default().to_owned();
    name.push(format!(".r{number}"));
    renameat_with(CWD, log, CWD, log.with_file_name(name), RenameFlags::NOREPLACE)?;
    Ok(true)
}

/// The oldest of what is kept of a log, as far as it is too much or too old.
pub(super) fn surplus(log: &Path, keep: &Keep, now: SystemTime, is_unread: impl Fn(&Rotated) -> bool) -> io::Result<Vec<Rotated>> {
    let files = rotated(log)?;
    let is_written_to = fs::symlink_metadata(log).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    Ok(surplus_of(files, keep, now, is_written_to, is_unread))
}

/// While nginx has not opened a new log, it writes to the newest of these: to remove that one would free nothing, and what it goes on writing
/// could not be said to be lost.
fn surplus_of(
    mut files: Vec<Rotated>,
    keep: &Keep,
    now: SystemTime,
    newest_is_written_to: bool,
    is_unread: impl Fn(&Rotated) -> bool,
) -> Vec<Rotated> {
    // The newest first; of those of one moment, the one with the higher number.
    files.sort_by_key(|file| std::cmp::Reverse((file.modified, file.number)));
    let newest = files.first().map(|file| file.id).filter(|_| newest_is_written_to);
    let (mut count, mut read, mut unread) = (0, 0_u64, 0_u64);
    files.retain(|file| {
        let (sum, most) = if is_unread(file) { (&mut unread, keep.unread_bytes) } else { (&mut read, keep.bytes) };
        *sum = sum.saturating_add(file.size);
        let too_much = *sum > most;
        let goes = if is_unread(file) {
            too_much
        } else {
            count += 1;
            too_much || count > keep.files || now.duration_since(file.modified).is_ok_and(|age| age > keep.longest)
        };
        goes && newest != Some(file.id)
    });
    files
}

/// Has nginx open its logs anew. Nothing is done if it does not run.
pub(super) fn reopen(pid_file: &Path) -> io::Result<()> {
    let pid = match bounded::text(pid_file, KIB) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        pid => pid?,
    };
    let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) else { return Ok(()) };
    // What is looked at is what gets the signal, even if nginx ends in between and its number becomes another's.
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        process => process?,
    };
    if !is_master(pid)? {
        return Err(io::Error::other(format!("{} names a process that is not nginx's master", pid_file.display())));
    }
    match pidfd_send_signal(process, Signal::USR1) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}

/// Whether a process is root's and runs nginx as its master. A stale file of its pid may name anybody's.
fn is_master(pid: Pid) -> io::Result<bool> {
    let directory = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    if fs::metadata(&directory)?.uid() != 0 {
        return Ok(false);
    }
    let program = fs::read_link(directory.join("exe"))?;
    // After an upgrade of nginx its file is another.
    let program = program.to_string_lossy();
    let title = bounded::head(fs::File::open(directory.join("cmdline"))?, KIB)?;
    Ok(program.trim_end_matches(" (deleted)").ends_with("/nginx") && title.starts_with(b"nginx: master process"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
mod tests {
    use super::*;

    const SMALL: Keep =
        Keep { size: 10, age: Duration::from_hours(24), files: 3, bytes: 100, unread_bytes: 200, longest: Duration::from_hours(48) };

    fn file(number: u64, size: u64, hours: u64, now: SystemTime) -> Rotated {
        let modified = now - Duration::from_hours(hours);
        let id = FileId { inode: number, born: None };
        Rotated { path: format!("log.r{number}").into(), id, size, modified, number: Some(number) }
    }

    #[test]
    fn a_log_is_rotated_at_its_size_or_age_and_never_over_another() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = dir.path().join("log");
        let (now, tomorrow) = (SystemTime::now(), SystemTime::now() + Duration::from_hours(25));
        assert!(!rotate(&log, &SMALL, now).expect("looked"), "there is none");
        fs::write(&log, "").expect("written");
        assert!(!rotate(&log, &SMALL, tomorrow).expect("looked"), "an empty one stays");
        fs::write(&log, "123456789").expect("written");
        assert!(!rotate(&log, &SMALL, now).expect("looked"));
        for (name, content, at) in [("log.r1", "1234567890", now), ("log.r2", "1", tomorrow)] {
            fs::write(&log, content).expect("written");
            assert!(rotate(&log, &SMALL, at).expect("rotated"));
            assert_eq!(fs::read_to_string(dir.path().join(name)).expect("there"), content);
            assert!(rotate(&log, &SMALL, at).expect("looked"), "until nginx has opened a new one");
        }
        fs::remove_file(dir.path().join("log.r1")).expect("removed");
        fs::write(&log, "1234567890").expect("written");
        assert!(rotate(&log, &SMALL, now).expect("rotated"));
        assert!(dir.path().join("log.r3").exists());
        std::os::unix::fs::symlink(dir.path().join("log.r3"), &log).expect("linked");
        assert!(!rotate(&log, &SMALL, tomorrow).expect("looked"), "a link is no log");
    }

    #[test]
    fn the_names_of_rotated_files_are_known() {
        assert_eq!(number(".r12"), Some(Some(12)));
        for foreign in [".1", ".14.gz", "-20261001", "-20261001-12", "-20261001.gz"] {
            assert_eq!(number(foreign), Some(None), "{foreign}");
        }
        for other in ["", ".", ".r", ".rx", ".gz", ".bak", "x", ".1.bak", "-"] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_too_large_or_too_old_ones() {
        let now = SystemTime::now();
        let numbers = |files: Vec<Rotated>| files.into_iter().map(|file| file.id.inode).collect::<Vec<_>>();
        let read = |files: &[Rotated]| numbers(surplus_of(files.to_vec(), &SMALL, now, false, |_| false));
        assert_eq!(read(&[file(1, 1, 4, now), file(2, 1, 3, now), file(3, 1, 2, now), file(4, 1, 1, now)]), [1]);
        assert_eq!(read(&[file(1, 60, 3, now), file(2, 60, 2, now), file(3, 30, 1, now)]), [1]);
        assert_eq!(read(&[file(1, 1, 49, now), file(2, 1, 47, now)]), [1]);
        assert_eq!(read(&[file(2, 1, 1, now), file(1, 1, 1, now), file(3, 1, 1, now), file(4, 1, 1, now)]), [1]);
        // What is not read yet stays longer, and not for ever.
        let unread = |files: &[Rotated]| numbers(surplus_of(files.to_vec(), &SMALL, now, false, |_| true));
        assert_eq!(unread(&[file(1, 30, 99, now), file(2, 30, 3, now), file(3, 30, 2, now), file(4, 60, 1, now)]), [] as [u64; 0]);
        assert_eq!(unread(&[file(1, 90, 3, now), file(2, 90, 2, now), file(3, 90, 1, now)]), [1]);
        // What nginx writes to stays, whatever its size.
        let written_to = |files: &[Rotated]| numbers(surplus_of(files.to_vec(), &SMALL, now, true, |_| true));
        assert_eq!(written_to(&[file(1, 90, 2, now), file(2, 900, 1, now)]), [1]);
    }

    #[test]
    fn nobody_but_nginxs_master_gets_the_signal() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pid_file = dir.path().join("nginx.pid");
        reopen(&pid_file).expect("it does not run");
        fs::write(&pid_file, "nonsense").expect("written");
        reopen(&pid_file).expect("it does not run");
        // USR1 would end this process.
        fs::write(&pid_file, format!("{}\n", std::process::id())).expect("written");
        reopen(&pid_file).expect_err("a process that is not nginx");
    }
}
