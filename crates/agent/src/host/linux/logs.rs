//! The directories of accounts' logs. Root owns them: a log directory that its user could write was an old way to become root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use opterius_model::{AccountId, Uid, Username};

use super::{Paths, disk, tree};
use crate::host::{HostError, LogsSeen};

/// The file that holds the account's id.
const MARK: &str = ".opterius-account";

fn accounts(paths: &Paths) -> PathBuf {
    paths.logs.join("accounts")
}

fn staging(paths: &Paths, account: AccountId) -> PathBuf {
    accounts(paths).join(format!(".staging-{account}"))
}

fn aside(paths: &Paths, account: AccountId) -> PathBuf {
    accounts(paths).join(format!(".kept-{account}"))
}

fn read_mark(directory: &Path) -> Option<AccountId> {
    disk::read_mark(&directory.join(MARK))
}

pub(super) fn see(paths: &Paths, account: AccountId, username: &Username) -> Result<LogsSeen, HostError> {
    let path = accounts(paths).join(username.as_str());
    let doing = || format!("look at {}", path.display());
    let there = |path: &Path| disk::is_there(path).map_err(HostError::failed(doing()));
    let (staged, kept) = (there(&staging(paths, account))?, there(&aside(paths, account))?);
    let nothing = LogsSeen { staged, kept, ..LogsSeen::default() };
    match fs::symlink_metadata(&path) {
        Ok(found) => {
            let mark = if found.is_dir() { read_mark(&path) } else { None };
            // The group is the account's own, which is there as long as the account is; a directory that outlives it is nobody's flaw.
            let group = nix::unistd::Group::from_name(username.as_str()).ok().flatten().map(|group| group.gid.as_raw());
            let flawed = found.uid() != 0 || found.mode() & 0o7777 != 0o750 || group.is_some_and(|group| group != found.gid());
            Ok(LogsSeen { there: true, account: mark, flawed, ..nothing })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(nothing),
        Err(error) => Err(HostError::failed(doing())(error)),
    }
}

pub(super) fn add(paths: &Paths, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
    let doing = || format!("make the directory of logs of {username}");
    let place = accounts(paths).join(username.as_str());
    let staged = staging(paths, account);
    disk::ensure_dir(&accounts(paths), 0o711).map_err(HostError::failed(doing()))?;
    tree::remove(&staged).map_err(HostError::failed(doing()))?;
    let build = || -> io::Result<()> {
        disk::ensure_dir(&staged, 0o700)?;
        disk::write_mark(&staged.join(MARK), account)?;
        open_to(&staged, uid)?;
        disk::rename_exclusively(&staged, &place)
    };
    build().map_err(|error| {
        let _ = tree::remove(&staged);
        disk::taken_or_failed(&place, doing(), error)
    })
}

/// Root's, for the account's group to read.
fn open_to(path: &Path, uid: Uid) -> io::Result<()> {
    let directory = fs::File::from(disk::open_dir(path)?);
    fchown(&directory, Some(0), Some(uid.get()))?;
    directory.set_permissions(fs::Permissions::from_mode(0o750))
}

pub(super) fn mend(paths: &Paths, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
    let place = accounts(paths).join(username.as_str());
    if read_mark(&place) != Some(account) {
        return Err(HostError::Taken { what: place.display().to_string() });
    }
    open_to(&place, uid).map_err(HostError::failed(format!("set the permissions of {}", place.display())))
}

pub(super) fn keep(paths: &Paths, account: AccountId, username: &Username) -> Result<(), HostError> {
    let doing = || format!("put the logs of {username} aside");
    let place = accounts(paths).join(username.as_str());
    if read_mark(&place) == Some(account) {
        let aside = aside(paths, account);
        // What is aside while logs are in their place is of a time before, and must not be in their way for ever.
        tree::remove(&aside).map_err(HostError::failed(doing()))?;
        disk::rename_exclusively(&place, &aside).map_err(HostError::failed(doing()))?;
    }
    Ok(())
}

pub(super) fn restore(paths: &Paths, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
    let doing = || format!("put the logs of {username} back");
    let place = accounts(paths).join(username.as_str());
    let kept = aside(paths, account);
    let put = || {
        open_to(&kept, uid)?;
        disk::rename_exclusively(&kept, &place)
    };
    put().map_err(|error| disk::taken_or_failed(&place, doing(), error))
}

pub(super) fn remove(paths: &Paths, account: AccountId, username: &Username) -> Result<(), HostError> {
    let doing = || format!("remove the logs of {username}");
    let place = accounts(paths).join(username.as_str());
    let staged = staging(paths, account);
    tree::remove(&staged).map_err(HostError::failed(doing()))?;
    tree::remove(&aside(paths, account)).map_err(HostError::failed(doing()))?;
    if see(paths, account, username)?.account == Some(account) {
        // Renamed first: a deletion that is cut short must not leave a directory without its mark in the account's place.
        disk::rename_exclusively(&place, &staged).map_err(HostError::failed(doing()))?;
        tree::remove(&staged).map_err(HostError::failed(doing()))?;
    }
    Ok(())
}
