//! An account's `php.log`.
//!
//! The file belongs to the account's uid, in a directory that belongs to root: FPM opens it itself, so that it survives phpd, and the
//! account's quota counts it. It can be written to without phpd, so phpd looks at its size now and then and cuts it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use opterius_model::{AccountId, Uid, Username};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::{Gid, Uid as RawUid};

const NAME: &str = "php.log";
const KEPT: &str = "php.log.1";
const KEPT_NEW: &str = ".php.log.1.new";
const MARK: &str = ".opterius-account";

const MODE: Mode = Mode::from_raw_mode(0o640);

/// How much of a log stays when it is cut.
const TAIL: u64 = 1024 * 1024;

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
            let mut holder = String::new();
            mark.take(64).read_to_string(&mut holder)?;
            if holder.trim() != account.to_string() {
                return Err(io::Error::other(format!("{} belongs to account {}", log.directory.display(), holder.trim())));
            }
        }
        let file = rustix::fs::openat(
            &directory,
            NAME,
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
            MODE,
        )?;
        let file = File::from(file);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other(format!("{} is not a file", log.directory.join(NAME).display())));
        }
        if (found.uid(), found.gid()) != (log.uid, log.uid) {
            rustix::fs::fchown(&file, Some(RawUid::from_raw(log.uid)), Some(Gid::from_raw(log.uid)))?;
            rustix::fs::fchmod(&file, MODE)?;
        }
        Ok(log)
    }

    /// The directory on the server.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    fn directory(&self) -> io::Result<OwnedFd> {
        Ok(rustix::fs::open(&self.directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Cuts the log if it is larger than `most` bytes. The file stays the same one, since FPM holds it open; the end of what was in it is
    /// kept beside it.
    pub fn cut(&self, most: u64) -> io::Result<()> {
        let directory = self.directory()?;
        let mut file = open_below(&directory, NAME, OFlags::RDWR)?;
        let size = file.metadata()?.len();
        if size <= most {
            return Ok(());
        }
        file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        (&file).take(TAIL).read_to_end(&mut tail)?;
        match rustix::fs::unlinkat(&directory, KEPT_NEW, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut kept = File::from(rustix::fs::openat(&directory, KEPT_NEW, flags, MODE)?);
        rustix::fs::fchown(&kept, None, Some(Gid::from_raw(self.uid)))?;
        // Said again, since phpd's umask may have taken it away.
        rustix::fs::fchmod(&kept, MODE)?;
        kept.write_all(&tail)?;
        rustix::fs::renameat(&directory, KEPT_NEW, &directory, KEPT)?;
        file.set_len(0)
    }

    /// Its last line that is not empty, if anything was written to it after `since`.
    pub fn last_line(&self, since: SystemTime) -> Option<String> {
        let mut file = open_below(&self.directory().ok()?, NAME, OFlags::RDONLY).ok()?;
        let found = file.metadata().ok()?;
        if found.modified().ok()? < since {
            return None;
        }
        file.seek(SeekFrom::Start(found.len().saturating_sub(4096))).ok()?;
        let mut end = Vec::new();
        file.take(4096).read_to_end(&mut end).ok()?;
        last_line_of(&end)
    }
}

fn open_below(directory: &OwnedFd, name: &str, flags: OFlags) -> io::Result<File> {
    // NONBLOCK so that nothing that is not a file can hold phpd up.
    Ok(File::from(rustix::fs::openat(directory, name, flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?))
}

/// The last line that is not empty, at most its first 300 characters, printable.
pub fn last_line_of(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn log_in(root: &Path) -> PhpLog {
        fs::create_dir(root.join("alice")).expect("made");
        fs::write(root.join("alice/php.log"), "").expect("written");
        PhpLog { directory: root.join("alice"), uid: rustix::process::getgid().as_raw() }
    }

    #[test]
    fn a_log_that_grew_too_large_is_cut_and_its_end_is_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let log = log_in(root.path());
        let path = root.path().join("alice/php.log");
        let mut writer = fs::OpenOptions::new().append(true).open(&path).expect("opened");
        for number in 0..300_000 {
            writeln!(writer, "line {number}").expect("written");
        }
        log.cut(1024 * 1024).expect("cut");
        writeln!(writer, "after").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "after\n", "the writer's descriptor still works");
        let kept = fs::read_to_string(root.path().join("alice/php.log.1")).expect("read");
        assert!(kept.ends_with("line 299999\n") && kept.len() as u64 <= TAIL);
        log.cut(1024 * 1024).expect("nothing to do");
        assert_eq!(log.last_line(SystemTime::UNIX_EPOCH).as_deref(), Some("after"));
    }

    #[test]
    fn a_link_in_the_logs_place_is_not_followed() {
        let root = tempfile::tempdir().expect("a directory");
        let log = log_in(root.path());
        fs::remove_file(root.path().join("alice/php.log")).expect("removed");
        fs::write(root.path().join("precious"), "x".repeat(100)).expect("written");
        std::os::unix::fs::symlink("../precious", root.path().join("alice/php.log")).expect("linked");
        assert!(log.cut(10).is_err() && log.last_line(SystemTime::UNIX_EPOCH).is_none());
        assert_eq!(fs::metadata(root.path().join("precious")).expect("there").len(), 100);
    }
}
