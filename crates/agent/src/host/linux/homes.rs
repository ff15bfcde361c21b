//! Homes. Each is built whole where only root can reach it and renamed into place, so that it is there or not there; and nothing below
//! it is ever owned by anybody but its user: one file of root's there was bait enough for a rename race to leak a key (seen).

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use opterius_model::{AccountId, Uid, Username};

use super::{Paths, disk};
use crate::host::{HomePlan, HomeSeen, HostError};

/// Who may read what a site serves: nginx's workers, and nobody else.
const WEB_GROUP: &str = "opterius-web";

/// The page a new site shows until its owner puts their own in its place. It runs PHP, so that it shows that PHP runs.
const WELCOME: &str = include_str!("../../../assets/welcome.php");

fn staging(paths: &Paths) -> PathBuf {
    paths.homes.join(".opterius-staging")
}

fn trash(paths: &Paths) -> PathBuf {
    paths.homes.join(".opterius-trash")
}

pub(super) fn see(paths: &Paths, account: AccountId, username: &Username) -> Result<HomeSeen, HostError> {
    let path = paths.homes.join(username.as_str());
    let home = match fs::symlink_metadata(&path) {
        // What is no directory is nobody's home, whoever owns it; root never is an account.
        Ok(found) if !found.is_dir() => Some((0, found.mode() & 0o7777)),
        Ok(found) => Some((found.uid(), found.mode() & 0o7777)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(HostError::failed(format!("look at {}", path.display()))(error)),
    };
    let of_account =
        |dir: PathBuf| disk::is_there(&dir.join(account.to_string())).map_err(HostError::failed(format!("look into {}", dir.display())));
    Ok(HomeSeen { home, staged: of_account(staging(paths))?, trashed: of_account(trash(paths))? })
}

/// The group's number. It does not change while the package is installed.
pub(super) fn web_group() -> Result<u32, HostError> {
    let doing = "look up the group opterius-web";
    match Group::from_name(WEB_GROUP) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(HostError::failed(doing)("there is no such group; install the opterius-agent package again")),
        Err(error) => Err(HostError::failed(doing)(error)),
    }
}

pub(super) fn add(paths: &Paths, home: &HomePlan) -> Result<(), HostError> {
    let doing = || format!("build the home of {}", home.username);
    let staged = staging(paths).join(home.account.to_string());
    disk::ensure_dir(&staging(paths), 0o700).map_err(HostError::failed(doing()))?;
    // What an earlier attempt left half built is built anew.
    disk::remove_tree(&staged).map_err(HostError::failed(doing()))?;
    let web = web_group()?;
    build(&staged, home, web).map_err(HostError::failed(doing()))?;
    let place = paths.homes.join(home.username.as_str());
    match disk::rename_exclusively(&staged, &place) {
        Ok(()) => Ok(()),
        Err(error) => {
            let _ = disk::remove_tree(&staged);
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Err(HostError::Taken { what: place.display().to_string() })
            } else {
                Err(HostError::failed(format!("put the home of {} in place", home.username))(error))
            }
        }
    }
}

/// The tree of a new home. Every mode is set on the descriptor, since the process's umask takes bits away.
fn build(staged: &Path, home: &HomePlan, web: u32) -> std::io::Result<()> {
    let uid = home.uid.get();
    let docroot = Path::new(home.domain.as_str()).join("public_html");
    let directories: [(&Path, u32, u32); 4] = [
        (Path::new(""), uid, 0o711),
        (Path::new(home.domain.as_str()), uid, 0o711),
        (&docroot, web, 0o2750),
        (Path::new("tmp"), uid, 0o700),
    ];
    for (name, gid, mode) in directories {
        let path = staged.join(name);
        fs::create_dir(&path)?;
        let directory = fs::File::from(disk::open_dir(&path)?);
        // The owner first: changing it clears the set-group-id bit.
        fchown(&directory, Some(uid), Some(gid))?;
        directory.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    let mut page = fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(staged.join(&docroot).join("index.php"))?;
    page.write_all(WELCOME.as_bytes())?;
    fchown(&page, Some(uid), Some(web))?;
    page.set_permissions(fs::Permissions::from_mode(0o640))
}

pub(super) fn mend(paths: &Paths, username: &Username, uid: Uid) -> Result<(), HostError> {
    let path = paths.homes.join(username.as_str());
    let doing = || format!("set the permissions of {}", path.display());
    let home = fs::File::from(disk::open_dir(&path).map_err(HostError::failed(doing()))?);
    let found = home.metadata().map_err(HostError::failed(doing()))?;
    if found.uid() != uid.get() {
        return Err(HostError::Taken { what: path.display().to_string() });
    }
    home.set_permissions(fs::Permissions::from_mode(0o711)).map_err(HostError::failed(doing()))
}

pub(super) fn remove(paths: &Paths, account: AccountId, username: &Username, uid: Uid) -> Result<(), HostError> {
    let doing = || format!("remove the home of {username}");
    let trashed = trash(paths).join(account.to_string());
    disk::remove_tree(&staging(paths).join(account.to_string())).map_err(HostError::failed(doing()))?;
    disk::remove_tree(&trashed).map_err(HostError::failed(doing()))?;
    let seen = see(paths, account, username)?;
    if seen.home.is_some_and(|(owner, _)| owner == uid.get()) {
        disk::ensure_dir(&trash(paths), 0o700).map_err(HostError::failed(doing()))?;
        disk::rename_exclusively(&paths.homes.join(username.as_str()), &trashed).map_err(HostError::failed(doing()))?;
        disk::remove_tree(&trashed).map_err(HostError::failed(doing()))?;
    }
    Ok(())
}
