//! The trash: `/home/.opterius-trash/<account id>` holds the home of a terminated account, its Spec with the password hash, and its zone. Only
//! root can enter it, and it is on the file system of the homes, so that moving one there is a rename.
//!
//! The directory is made with the account, with a reserve: two files of some kilobytes into which the Spec and the zone are written. An
//! account can thus be terminated on a file system without a free block or inode, which is what terminations are to make room on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use opterius_model::AccountId;
use opterius_protocol::bounded;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::{Paths, disk, tree};
use crate::host::{HostError, KeepsakeSeen};

/// The home, in an account's trash.
pub(super) const HOME: &str = "home";
const SPEC: &str = "spec.json";
const ZONE: &str = "zone.json";

/// What an account's trash is called within itself while it is deleted, where there is no room for [`deleting`].
const GOING: &str = "deleting";

/// A file of the reserve.
struct Reserve {
    /// Its name until it is written into.
    name: &'static str,
    /// Its name afterwards.
    becomes: &'static str,
    /// Its size until then, in bytes.
    size: u64,
}

const RESERVES: [Reserve; 2] = [
    Reserve { name: "spec.reserve", becomes: SPEC, size: 16 * bounded::KIB },
    Reserve { name: "zone.reserve", becomes: ZONE, size: 48 * bounded::KIB },
];

/// The longest zone that is kept, as text, in bytes.
const LONGEST_ZONE: u64 = 64 * bounded::MIB;

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
    let made = disk::ensure_dir(&root(paths), 0o700).and_then(|()| disk::ensure_dir(&place, 0o700));
    made.map_err(|error| without_room(format!("make {}", place.display()), error))?;
    Ok(place)
}

/// A failure to keep something, and what helps if it is that there is no room.
pub(super) fn without_room(doing: String, error: io::Error) -> HostError {
    if disk::is_full(&error) {
        let advice = "make room on the file system of the homes, or terminate the account without keeping it";
        return HostError::failed(doing)(format!("{error}; {advice}"));
    }
    HostError::failed(doing)(error)
}

/// Makes an account's reserve, or what is missing of it.
pub(super) fn reserve(paths: &Paths, account: AccountId) -> Result<(), HostError> {
    let place = make(paths, account)?;
    let reserve = |reserve: &Reserve| -> io::Result<()> {
        if disk::is_there(&place.join(reserve.becomes))? {
            return Ok(());
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(place.join(reserve.name))?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, reserve.size) {
            // Not every file system can set blocks aside; all of them keep those that were written.
            Err(Errno::OPNOTSUPP) if file.metadata()?.len() < reserve.size => {
                io::copy(&mut io::Read::take(io::repeat(0), reserve.size), &mut file).map(drop)
            }
            Err(Errno::OPNOTSUPP) => Ok(()),
            other => Ok(other?),
        }
    };
    RESERVES.iter().try_for_each(reserve).map_err(HostError::failed(format!("set room aside in {}", place.display())))
}

/// The same, for an account that is as good without it for the moment: it is made later.
pub(super) fn reserve_if_possible(paths: &Paths, account: AccountId) {
    if let Err(error) = reserve(paths, account) {
        tracing::warn!(account.id = %account, "account {account} has no room set aside for its termination yet: {}", opterius_protocol::client::chain(&error));
    }
}

/// Whether a place in the trash holds more than a reserve.
fn holds_something(place: &Path) -> io::Result<bool> {
    if !is_ours(place)? {
        return disk::is_there(place);
    }
    let is_reserve = |name: &std::ffi::OsString| RESERVES.iter().any(|reserve| name.to_str() == Some(reserve.name));
    match bounded::names(place, 1000) {
        Ok(names) => Ok(!names.iter().all(is_reserve)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(true),
        Err(error) => Err(error),
    }
}

/// A directory that root owns, as whom the Agent runs. Version 0.1 deleted homes at the same place, under the owner that they had.
fn is_ours(place: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(place) {
        Ok(found) => Ok(found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the account's home is kept, and whether the account has a place in the trash, or something of it is being deleted.
pub(super) fn see_home(paths: &Paths, account: AccountId) -> Result<(bool, bool), HostError> {
    let place = of(paths, account);
    let look = || {
        let ours = is_ours(&place)?;
        let kept = ours && disk::is_there(&place.join(HOME))?;
        Ok::<_, io::Error>((kept, disk::is_there(&place)? || disk::is_there(&deleting(paths, account))?))
    };
    look().map_err(HostError::failed(format!("look into {}", root(paths).display())))
}

/// The owners of the homes that are kept or being deleted.
pub(super) fn owners(paths: &Paths) -> io::Result<std::collections::BTreeSet<u32>> {
    use std::os::unix::fs::MetadataExt as _;

    let names = match opterius_protocol::bounded::names(root(paths), 1_000_000) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(std::collections::BTreeSet::new()),
        names => names?,
    };
    let homes = names.into_iter().map(|name| root(paths).join(name).join(HOME));
    Ok(homes.filter_map(|home| Some(home.symlink_metadata().ok()?.uid())).collect())
}

pub(super) fn see(paths: &Paths, account: AccountId) -> Result<KeepsakeSeen, HostError> {
    let place = of(paths, account);
    let look = || {
        let ours = is_ours(&place)?;
        Ok::<_, io::Error>(KeepsakeSeen {
            whole: ours && disk::is_there(&place.join(SPEC))?,
            zone: ours && disk::is_there(&place.join(ZONE))?,
            any: holds_something(&place)? || disk::is_there(&deleting(paths, account))?,
        })
    };
    look().map_err(HostError::failed(format!("look into {}", place.display())))
}

/// The Spec comes last: with it, all is there. A zone that is not there any more leaves the one that was kept before.
pub(super) fn write(paths: &Paths, account: AccountId, spec: &str, zone: Option<&str>) -> Result<(), HostError> {
    let place = make(paths, account)?;
    let [for_spec, for_zone] = &RESERVES;
    let write = || {
        if let Some(zone) = zone {
            write_into(&place, for_zone, zone)?;
        }
        write_into(&place, for_spec, spec)
    };
    write().map_err(|error| without_room(format!("put the Spec and the zone into {}", place.display()), error))
}

/// Writes into the blocks that were set aside, and gives the file its name only when it is whole and on the disk.
fn write_into(place: &Path, reserve: &Reserve, text: &str) -> io::Result<()> {
    let staged = place.join(reserve.name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&staged)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()?;
    fs::rename(&staged, place.join(reserve.becomes))?;
    disk::sync_dir(place)
}

/// The zone that is kept.
pub(super) fn zone(paths: &Paths, account: AccountId) -> Result<String, HostError> {
    let path = of(paths, account).join(ZONE);
    bounded::text(&path, LONGEST_ZONE).map_err(HostError::failed(format!("read {}", path.display())))
}

/// Takes something of the account's out of its place to be deleted, by one rename where there is room for one. Where there is none it is
/// deleted where it is, which takes no room at all.
pub(super) fn discard(paths: &Paths, account: AccountId, place: &Path) -> io::Result<()> {
    let deleting = deleting(paths, account);
    tree::remove(&deleting)?;
    match disk::rename_exclusively(place, &deleting) {
        Err(error) if disk::is_full(&error) || error.kind() == io::ErrorKind::NotFound => tree::remove(place),
        other => other,
    }
}

/// Deletes everything that the trash has of the account, its place with the reserve included.
pub(super) fn remove(paths: &Paths, account: AccountId) -> Result<(), HostError> {
    let (place, deleting) = (of(paths, account), deleting(paths, account));
    let remove = || {
        tree::remove(&deleting)?;
        if disk::is_there(&place)? {
            match disk::rename_exclusively(&place, &deleting) {
                Err(error) if disk::is_full(&error) => {
                    // Half of what was kept must not look kept. Here, where there are few names, there is room for another.
                    forget(&place)?;
                    tree::remove(&place)?;
                }
                other => other?,
            }
            tree::remove(&deleting)?;
        }
        Ok::<_, io::Error>(())
    };
    remove().map_err(HostError::failed(format!("delete what the trash has of account {account}")))
}

/// Takes away from a place in the trash what makes it look kept.
fn forget(place: &Path) -> io::Result<()> {
    for name in [SPEC, ZONE] {
        match fs::remove_file(place.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    tree::remove(&place.join(GOING))?;
    match disk::rename_exclusively(&place.join(HOME), &place.join(GOING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Deletes what the trash has of an account that is there, and sets room aside for its next termination.
pub(super) fn clear(paths: &Paths, account: AccountId) -> Result<(), HostError> {
    remove(paths, account)?;
    reserve_if_possible(paths, account);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        account: AccountId,
    }

    impl Place {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().expect("a temporary directory"), account: AccountId::generate() }
        }

        fn paths(&self) -> Paths {
            Paths { homes: self.dir.path().to_owned(), ..Paths::default() }
        }

        fn see(&self) -> KeepsakeSeen {
            see(&self.paths(), self.account).expect("a look")
        }
    }

    #[test]
    fn the_spec_and_the_zone_are_written_into_what_was_set_aside_for_them() {
        let place = Place::new();
        let (paths, account) = (place.paths(), place.account);
        reserve(&paths, account).expect("set aside");
        assert_eq!(place.see(), KeepsakeSeen::default(), "a reserve is nothing that is kept");
        assert_eq!(see_home(&paths, account).expect("a look"), (false, true));
        let inode = |name: &str| fs::metadata(of(&paths, account).join(name)).expect("it is there");
        let (before, zone_before) = (inode("spec.reserve"), inode("zone.reserve"));
        assert!(before.blocks() * 512 >= 16 * bounded::KIB && zone_before.blocks() * 512 >= 48 * bounded::KIB);
        write(&paths, account, "the spec", Some("the zone")).expect("written");
        assert_eq!((inode(SPEC).ino(), inode(ZONE).ino()), (before.ino(), zone_before.ino()));
        assert_eq!(bounded::text(of(&paths, account).join(SPEC), 100).expect("read"), "the spec");
        assert_eq!(zone(&paths, account).expect("read"), "the zone");
        assert_eq!(place.see(), KeepsakeSeen { whole: true, zone: true, any: true });
        write(&paths, account, "another spec", None).expect("written again");
        assert_eq!(zone(&paths, account).expect("read"), "the zone");

        clear(&paths, account).expect("cleared");
        assert_eq!(place.see(), KeepsakeSeen::default());
        assert!(inode("spec.reserve").blocks() * 512 >= 16 * bounded::KIB, "for the next time");
        remove(&paths, account).expect("removed");
        assert_eq!(see_home(&paths, account).expect("a look"), (false, false));
    }

    #[test]
    fn a_reserve_that_was_cut_short_is_completed() {
        let place = Place::new();
        let (paths, account) = (place.paths(), place.account);
        fs::write(make(&paths, account).expect("made").join("zone.reserve"), "half").expect("written");
        assert!(!place.see().any);
        reserve(&paths, account).expect("set aside");
        for reserve in RESERVES {
            assert!(fs::metadata(of(&paths, account).join(reserve.name)).expect("there").blocks() * 512 >= reserve.size);
        }
    }

    #[test]
    fn what_is_being_deleted_never_looks_kept() {
        let place = Place::new();
        let (paths, account) = (place.paths(), place.account);
        write(&paths, account, "the spec", Some("the zone")).expect("written");
        fs::create_dir_all(of(&paths, account).join("home/below")).expect("made");
        forget(&of(&paths, account)).expect("forgotten");
        assert_eq!(place.see(), KeepsakeSeen { whole: false, zone: false, any: true });
        assert_eq!(see_home(&paths, account).expect("a look"), (false, true));
        forget(&of(&paths, account)).expect("also when it was cut short");
        remove(&paths, account).expect("removed");
        let home = paths.homes.join("alice");
        fs::create_dir_all(home.join("below")).expect("made");
        discard(&paths, account, &home).expect("there is no trash, so it goes where it is");
        fs::create_dir_all(home.join("below")).expect("made");
        fs::create_dir_all(root(&paths)).expect("made");
        discard(&paths, account, &home).expect("into the trash, to be deleted");
        assert!(!home.exists() && place.see() == KeepsakeSeen { whole: false, zone: false, any: true });
    }
}
