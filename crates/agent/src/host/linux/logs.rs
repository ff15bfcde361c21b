//! The directories of accounts' logs. Root owns them: a log directory that its user could write was an old way to become root.

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::PathBuf;

use opterius_model::{AccountId, Uid, Username};

use super::{Paths, disk};
use crate::host::{HostError, LogsSeen};

/// The file that holds the account's id.
const MARK: &str = ".opterius-account";

fn accounts(paths: &Paths) -> PathBuf {
    paths.logs.join("accounts")
}

fn staging(paths: &Paths, account: AccountId) -> PathBuf {
    accounts(paths).join(format!(".staging-{account}"))
}

pub(super) fn see(paths: &Paths, account: AccountId, username: &Username) -> Result<LogsSeen, HostError> {
    let path = accounts(paths).join(username.as_str());
    let doing = || format!("look at {}", path.display());
    let staged = disk::is_there(&staging(paths, account)).map_err(HostError::failed(doing()))?;
    match fs::symlink_metadata(&path) {
        Ok(found) => {
            let mark = if found.is_dir() { fs::read_to_string(path.join(MARK)).ok() } else { None };
            Ok(LogsSeen { there: true, account: mark.and_then(|text| AccountId::parse(text.trim_end()).ok()), staged })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LogsSeen { there: false, account: None, staged }),
        Err(error) => Err(HostError::failed(doing())(error)),
    }
}

pub(super) fn add(paths: &Paths, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
    let doing = || format!("make the directory of logs of {username}");
    let place = accounts(paths).join(username.as_str());
    let staged = staging(paths, account);
    disk::ensure_dir(&accounts(paths), 0o711).map_err(HostError::failed(doing()))?;
    disk::remove_tree(&staged).map_err(HostError::failed(doing()))?;
    let build = || -> io::Result<()> {
        disk::ensure_dir(&staged, 0o700)?;
        let mut mark = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(staged.join(MARK))?;
        io::Write::write_all(&mut mark, format!("{account}\n").as_bytes())?;
        let directory = fs::File::from(disk::open_dir(&staged)?);
        fchown(&directory, Some(0), Some(uid.get()))?;
        directory.set_permissions(fs::Permissions::from_mode(0o750))?;
        disk::rename_exclusively(&staged, &place)
    };
    build().map_err(|error| {
        let _ = disk::remove_tree(&staged);
        if error.kind() == io::ErrorKind::AlreadyExists {
            HostError::Taken { what: place.display().to_string() }
        } else {
            HostError::failed(doing())(error)
        }
    })
}

pub(super) fn remove(paths: &Paths, account: AccountId, username: &Username) -> Result<(), HostError> {
    let doing = || format!("remove the logs of {username}");
    let place = accounts(paths).join(username.as_str());
    let staged = staging(paths, account);
    disk::remove_tree(&staged).map_err(HostError::failed(doing()))?;
    if see(paths, account, username)?.account == Some(account) {
        // Renamed first: a deletion that is cut short must not leave a directory without its mark in the account's place.
        disk::rename_exclusively(&place, &staged).map_err(HostError::failed(doing()))?;
        disk::remove_tree(&staged).map_err(HostError::failed(doing()))?;
    }
    Ok(())
}
