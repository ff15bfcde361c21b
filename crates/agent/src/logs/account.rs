//! Appends to the logs of one account.
//!
//! The directory is root's, and its user may read it. All the same nothing is taken on trust: it must bear the account's mark, no link is
//! followed, and a log is an ordinary file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use opterius_model::{AccountId, Username};
use opterius_protocol::bounded;
use rustix::fs::{CWD, Mode, OFlags, openat, renameat};
use rustix::io::Errno;

/// The file that holds the account's id.
const MARK: &str = ".opterius-account";

/// A log of this size is put aside before more is written to it, in bytes. Two are kept beside it, so that an account has at most six.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The logs of an account that are written here. `php.log` is opterius-phpd's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Access,
    Error,
}

impl Log {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access.log",
            Self::Error => "error.log",
        }
    }
}

/// Why lines did not reach their account.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("could not open the directory of logs of {username}; a repair of the account makes it again")]
    Directory { username: Username, source: io::Error },
    #[error("the directory of logs of {username} belongs to another account; nothing was written to it")]
    Mark { username: Username },
    #[error("could not write to {name} of {username}")]
    Log { username: Username, name: &'static str, source: io::Error },
}

/// Appends whole lines. The files are closed again: with all of them open a server of thousands of accounts would run out of descriptors.
pub(super) fn append(accounts: &Path, account: AccountId, username: &Username, lines: &[(Log, &[u8])]) -> Result<(), AppendError> {
    append_up_to(accounts, account, username, lines, LARGEST)
}

fn append_up_to(accounts: &Path, account: AccountId, username: &Username, lines: &[(Log, &[u8])], largest: u64) -> Result<(), AppendError> {
    let of_directory = |source| AppendError::Directory { username: username.clone(), source };
    let directory = open_directory(accounts, username).map_err(of_directory)?;
    if mark(&directory).map_err(of_directory)? != Some(account) {
        return Err(AppendError::Mark { username: username.clone() });
    }
    let gid = directory.metadata().map_err(of_directory)?.gid();
    let mut outcome = Ok(());
    for (log, lines) in lines.iter().filter(|(_, lines)| !lines.is_empty()) {
        let written = open_log(&directory, log.name(), gid, largest).and_then(|mut file| write(&mut file, lines));
        // The other log is written even so.
        outcome = outcome.and(written.map_err(|source| AppendError::Log { username: username.clone(), name: log.name(), source }));
    }
    outcome
}

fn open_directory(accounts: &Path, username: &Username) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let accounts = openat(CWD, accounts, flags, Mode::empty())?;
    Ok(File::from(openat(accounts, username.as_str(), flags, Mode::empty())?))
}

/// The account that a directory belongs to; `None` if it does not say.
fn mark(directory: &File) -> io::Result<Option<AccountId>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory, MARK, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = bounded::head(file, 64)?;
    Ok(std::str::from_utf8(&text).ok().and_then(|text| AccountId::parse(text.trim_end()).ok()))
}

fn open_log(directory: &File, name: &str, gid: u32, largest: u64) -> io::Result<File> {
    let file = open_ordinary(directory, name)?;
    let file = if file.metadata()?.len() >= largest {
        let (first, second) = (format!("{name}.1"), format!("{name}.2"));
        match renameat(directory, &first, directory, &second) {
            Err(error) if error != Errno::NOENT => return Err(error.into()),
            _ => renameat(directory, name, directory, &first)?,
        }
        open_ordinary(directory, name)?
    } else {
        file
    };
    // Also for a file whose making was cut short. The umask of the Agent leaves its group nothing.
    let found = file.metadata()?;
    if found.gid() != gid {
        fchown(&file, None, Some(gid))?;
    }
    if found.mode() & 0o7777 != 0o640 {
        file.set_permissions(std::fs::Permissions::from_mode(0o640))?;
    }
    Ok(file)
}

/// Opens a log to append to it, and makes it if need be. Nothing but a file with one name is a log.
fn open_ordinary(directory: &File, name: &str) -> io::Result<File> {
    // A pipe would hold up the Agent until somebody read it.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Err(io::Error::other(format!("{name} is not an ordinary file with one name")));
    }
    Ok(file)
}

fn write(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let whole = file.metadata()?.len();
    file.write_all(lines).inspect_err(|_| {
        // Half a line would make nonsense of the next one. A log that was emptied meanwhile must not grow by this.
        if file.metadata().is_ok_and(|now| now.len() > whole) {
            let _ = file.set_len(whole);
        }
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId::parse(&format!("0193a5e0-7c1e-7000-8000-0000000000{n:02}")).expect("an id")
    }

    fn alice() -> Username {
        Username::parse("alice").expect("a username")
    }

    fn directory(accounts: &Path) -> PathBuf {
        let path = accounts.join("alice");
        fs::create_dir(&path).expect("made");
        fs::write(path.join(MARK), format!("{}\n", account(1))).expect("marked");
        path
    }

    #[test]
    fn a_log_is_readable_by_the_group_of_its_directory_and_nobody_else() {
        let accounts = tempfile::tempdir().expect("a temporary directory");
        let path = directory(accounts.path());
        append(accounts.path(), account(1), &alice(), &[(Log::Access, b"one\n"), (Log::Error, b"")]).expect("appended");
        append(accounts.path(), account(1), &alice(), &[(Log::Access, b"two\n")]).expect("appended");
        assert_eq!(fs::read_to_string(path.join("access.log")).expect("read"), "one\ntwo\n");
        assert!(!path.join("error.log").exists());
        let log = fs::metadata(path.join("access.log")).expect("there");
        assert_eq!((log.mode() & 0o7777, log.gid()), (0o640, fs::metadata(&path).expect("there").gid()));
    }

    #[test]
    fn the_directory_of_another_account_gets_nothing() {
        let accounts = tempfile::tempdir().expect("a temporary directory");
        let path = directory(accounts.path());
        for mark in [Some(account(2).to_string()), Some("nonsense".to_owned()), None] {
            match &mark {
                Some(text) => fs::write(path.join(MARK), text).expect("marked"),
                None => fs::remove_file(path.join(MARK)).expect("removed"),
            }
            let refused = append(accounts.path(), account(1), &alice(), &[(Log::Access, b"one\n")]);
            assert!(matches!(refused, Err(AppendError::Mark { .. })), "{mark:?}: {refused:?}");
            assert!(!path.join("access.log").exists());
        }
    }

    #[test]
    fn no_link_and_no_pipe_is_a_log() {
        let accounts = tempfile::tempdir().expect("a temporary directory");
        let path = directory(accounts.path());
        let precious = accounts.path().join("precious");
        fs::write(&precious, "kept").expect("written");
        std::os::unix::fs::symlink(&precious, path.join("access.log")).expect("linked");
        fs::hard_link(&precious, path.join("error.log")).expect("linked");
        for log in [Log::Access, Log::Error] {
            let refused = append(accounts.path(), account(1), &alice(), &[(log, b"one\n")]);
            assert!(matches!(refused, Err(AppendError::Log { .. })), "{refused:?}");
        }
        assert_eq!(fs::read_to_string(&precious).expect("read"), "kept");
        fs::remove_file(path.join("error.log")).expect("removed");
        rustix::fs::mknodat(CWD, path.join("error.log"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
        // The other log fails, and this one is written all the same.
        fs::remove_file(path.join("access.log")).expect("removed");
        append(accounts.path(), account(1), &alice(), &[(Log::Error, b"one\n"), (Log::Access, b"one\n")]).expect_err("a pipe");
        assert_eq!(fs::read_to_string(path.join("access.log")).expect("read"), "one\n");
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_not_followed() {
        let accounts = tempfile::tempdir().expect("a temporary directory");
        let path = directory(accounts.path());
        fs::rename(&path, accounts.path().join("real")).expect("moved");
        std::os::unix::fs::symlink("real", &path).expect("linked");
        let refused = append(accounts.path(), account(1), &alice(), &[(Log::Access, b"one\n")]);
        assert!(matches!(refused, Err(AppendError::Directory { .. })), "{refused:?}");
    }

    #[test]
    fn a_large_log_is_put_aside_and_two_are_kept() {
        let accounts = tempfile::tempdir().expect("a temporary directory");
        let path = directory(accounts.path());
        for line in [b"one\n", b"two\n", b"six\n", b"ten\n"] {
            append_up_to(accounts.path(), account(1), &alice(), &[(Log::Access, line)], 4).expect("appended");
        }
        let text = |name: &str| fs::read_to_string(path.join(name)).expect("there");
        assert_eq!([text("access.log"), text("access.log.1"), text("access.log.2")], ["ten\n", "six\n", "two\n"]);
        assert_eq!(fs::metadata(path.join("access.log")).expect("there").mode() & 0o7777, 0o640);
    }
}
