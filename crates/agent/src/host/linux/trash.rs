//! The trash: `/home/.opterius-trash/<account id>` holds the home of a terminated account, its Spec with the password hash, and its zone. Only
//! root can enter it, and it is on the file system of the homes, so that moving one there is a rename.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use opterius_model::AccountId;

use super::{Paths, disk};
use crate::host::{HostError, KeepsakeSeen};

/// The home, in an account's trash.
pub(super) const HOME: &str = "home";
const SPEC: &str = "spec.json";
const ZONE: &str = "zone.json";

fn root(paths: &Paths) -> PathBuf {
    paths.homes.join(".opterius-trash")
}

/// An account's place in the trash.
pub(super) fn of(paths: &Paths, account: AccountId) -> PathBuf {
    root(paths).join(account.to_string())
}

/// Where it is deleted, so that a deletion that is cut short leaves nothing that looks kept.
fn deleting(paths: &Paths, account: AccountId) -> PathBuf {
    root(paths).join(format!(".deleting-{account}"))
}

/// Makes an account's place in the trash, unless it is there.
pub(super) fn make(paths: &Paths, account: AccountId) -> Result<PathBuf, HostError> {
    let place = of(paths, account);
    let make = || {
        disk::ensure_dir(&root(paths), 0o700)?;
        disk::ensure_dir(&place, 0o700)
    };
    make().map_err(HostError::failed(format!("make {}", place.display())))?;
    Ok(place)
}

/// A directory that root owns. Version 0.1 deleted homes at the same place, under the owner that they had.
fn is_ours(place: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(place) {
        Ok(found) => Ok(found.is_dir() && found.uid() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the account's home is kept, and whether anything of the account is in the trash or being deleted.
pub(super) fn see_home(paths: &Paths, account: AccountId) -> Result<(bool, bool), HostError> {
    let place = of(paths, account);
    let look = || {
        let ours = is_ours(&place)?;
        let kept = ours && disk::is_there(&place.join(HOME))?;
        Ok::<_, io::Error>((kept, disk::is_there(&place)? || disk::is_there(&deleting(paths, account))?))
    };
    look().map_err(HostError::failed(format!("look into {}", root(paths).display())))
}

pub(super) fn see(paths: &Paths, account: AccountId) -> Result<KeepsakeSeen, HostError> {
    let place = of(paths, account);
    let look = || {
        let ours = is_ours(&place)?;
        Ok::<_, io::Error>(KeepsakeSeen {
            whole: ours && disk::is_there(&place.join(SPEC))?,
            zone: ours && disk::is_there(&place.join(ZONE))?,
            any: disk::is_there(&place)? || disk::is_there(&deleting(paths, account))?,
        })
    };
    look().map_err(HostError::failed(format!("look into {}", place.display())))
}

/// The Spec comes last: with it, all is there. A zone that is not there any more leaves the one that was kept before.
pub(super) fn write(paths: &Paths, account: AccountId, spec: &str, zone: Option<&str>) -> Result<(), HostError> {
    let place = make(paths, account)?;
    let write = || {
        if let Some(zone) = zone {
            disk::replace(&place.join(ZONE), zone)?;
        }
        disk::replace(&place.join(SPEC), spec)
    };
    write().map_err(HostError::failed(format!("put the Spec and the zone into {}", place.display())))
}

/// The zone that is kept.
pub(super) fn zone(paths: &Paths, account: AccountId) -> Result<String, HostError> {
    let path = of(paths, account).join(ZONE);
    fs::read_to_string(&path).map_err(HostError::failed(format!("read {}", path.display())))
}

pub(super) fn remove(paths: &Paths, account: AccountId) -> Result<(), HostError> {
    let (place, deleting) = (of(paths, account), deleting(paths, account));
    let remove = || {
        disk::remove_tree(&deleting)?;
        if disk::is_there(&place)? {
            disk::rename_exclusively(&place, &deleting)?;
            disk::remove_tree(&deleting)?;
        }
        Ok::<_, io::Error>(())
    };
    remove().map_err(HostError::failed(format!("delete what the trash has of account {account}")))
}
