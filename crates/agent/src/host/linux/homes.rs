//! Homes. Each is built whole where only root can reach it and renamed into place, so that it is there or not there; and nothing below
//! it is ever owned by anybody but its user: one file of root's there was bait enough for a rename race to leak a key (seen).

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use opterius_model::{DomainName, Uid, Username};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{Paths, disk, pages, trash, tree};
use crate::host::{DiskSeen, Haste, HomePlan, HomeSeen, HostError};

/// Who may read what a site serves: nginx's workers, and nobody else.
const WEB_GROUP: &str = "opterius-web";

fn staging(paths: &Paths) -> PathBuf {
    paths.homes.join(".opterius-staging")
}

/// One directory that a home is made with.
struct Part {
    /// Below the home.
    path: PathBuf,
    /// Its group: the account's, or that of nginx's workers.
    gid: u32,
    /// The mode it is made with.
    mode: u32,
    /// The bits without which sites or PHP do not work; its owner may add others.
    needed: u32,
}

/// The directories of a home, outer ones first.
fn parts(home: &HomePlan, web: u32) -> [Part; 3] {
    let domain = PathBuf::from(home.domain.as_str());
    let uid = home.uid.get();
    [
        Part { path: domain.clone(), gid: uid, mode: 0o711, needed: 0o701 },
        Part { path: domain.join("public_html"), gid: web, mode: 0o2750, needed: 0o2750 },
        Part { path: "tmp".into(), gid: uid, mode: 0o700, needed: 0o700 },
    ]
}

/// What stands where a part of a home should be.
enum PartSeen {
    Missing,
    Directory(fs::File),
    /// A link or a file. A customer who wants another document root makes a link of it, and is not corrected.
    SomethingElse,
}

/// Looks below an open home, never past a link and never out of it.
fn see_part(home: &OwnedFd, path: &Path) -> std::io::Result<PartSeen> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat2(home, path, flags, Mode::empty(), disk::INSIDE) {
        Ok(directory) => Ok(PartSeen::Directory(directory.into())),
        Err(Errno::NOENT) => Ok(PartSeen::Missing),
        Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(PartSeen::SomethingElse),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn see(paths: &Paths, home: &HomePlan) -> Result<HomeSeen, HostError> {
    let path = paths.homes.join(home.username.as_str());
    let doing = || format!("look at {}", path.display());
    let account = home.account;
    let staged = disk::is_there(&staging(paths).join(account.to_string())).map_err(HostError::failed(doing()))?;
    let (kept, trashed) = trash::see_home(paths, account)?;
    let rest = HomeSeen { staged, kept, trashed, ..HomeSeen::default() };
    match fs::symlink_metadata(&path) {
        // What is no directory is nobody's home, whoever owns it; root never is an account.
        Ok(found) if !found.is_dir() => Ok(HomeSeen { owner: Some(0), ..rest }),
        Ok(found) => {
            let (ours, flaws) = look_into(&path, home, &found).map_err(HostError::failed(doing()))?;
            Ok(HomeSeen { owner: Some(found.uid()), ours, flaws, ..rest })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(rest),
        Err(error) => Err(HostError::failed(doing())(error)),
    }
}

/// Whether a home is the account's, and what is wrong with it if it is.
fn look_into(path: &Path, home: &HomePlan, found: &fs::Metadata) -> std::io::Result<(bool, Vec<String>)> {
    let uid = home.uid.get();
    let mut ours = found.uid() == uid;
    let mut flaws = Vec::new();
    if !ours {
        flaws.push(format!("it belongs to uid {}", found.uid()));
    } else if found.gid() != uid {
        flaws.push(format!("its group is {}", found.gid()));
    }
    if found.mode() & 0o7777 != 0o711 {
        flaws.push(format!("its permissions are {:04o}", found.mode() & 0o7777));
    }
    let directory = disk::open_dir(path)?;
    let web = web_group().map_err(std::io::Error::other)?;
    for part in parts(home, web) {
        let name = part.path.display();
        match see_part(&directory, &part.path)? {
            PartSeen::SomethingElse => {}
            PartSeen::Missing => flaws.push(format!("{name} is missing")),
            PartSeen::Directory(directory) => {
                let found = directory.metadata()?;
                // Nobody else's files bear this number, so a home that was given away is still known by what is in it.
                ours |= found.uid() == uid;
                if found.uid() != uid {
                    flaws.push(format!("{name} belongs to uid {}", found.uid()));
                } else if found.gid() != part.gid && part.gid == web {
                    flaws.push(format!("{name} cannot be read by nginx"));
                }
                if found.mode() & part.needed != part.needed {
                    flaws.push(format!("{name} has the permissions {:04o}", found.mode() & 0o7777));
                }
            }
        }
    }
    Ok(if ours { (true, flaws) } else { (false, Vec::new()) })
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
    tree::remove(&staged).map_err(HostError::failed(doing()))?;
    let web = web_group()?;
    build(&staged, home, web, &pages::welcome(paths, &home.domain)).map_err(HostError::failed(doing()))?;
    let place = paths.homes.join(home.username.as_str());
    disk::rename_exclusively(&staged, &place).map_err(|error| {
        let _ = tree::remove(&staged);
        disk::taken_or_failed(&place, format!("put the home of {} in place", home.username), error)
    })?;
    trash::reserve_if_possible(paths, home.account);
    Ok(())
}

/// The tree of a new home, with the page that its site shows until its owner puts another in its place. Every mode is set on the descriptor, since the process's umask takes bits away.
fn build(staged: &Path, home: &HomePlan, web: u32, welcome: &str) -> std::io::Result<()> {
    let uid = home.uid.get();
    make_dir(staged, uid, uid, 0o711)?;
    for part in parts(home, web) {
        make_dir(&staged.join(part.path), uid, part.gid, part.mode)?;
    }
    let page = staged.join(home.domain.as_str()).join("public_html/index.php");
    let mut page = fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(page)?;
    page.write_all(welcome.as_bytes())?;
    fchown(&page, Some(uid), Some(web))?;
    page.set_permissions(fs::Permissions::from_mode(0o640))?;
    // A power cut must not leave a home in its place whose page is empty: nobody would miss it but its visitors.
    page.sync_all()
}

fn make_dir(path: &Path, uid: u32, gid: u32, mode: u32) -> std::io::Result<()> {
    fs::create_dir(path)?;
    give(&disk::open_dir(path)?.into(), uid, gid, mode)
}

/// The owner first: changing it clears the set-group-id bit.
fn give(directory: &fs::File, uid: u32, gid: u32, mode: u32) -> std::io::Result<()> {
    fchown(directory, Some(uid), Some(gid))?;
    directory.set_permissions(fs::Permissions::from_mode(mode))
}

pub(super) fn mend(paths: &Paths, home: &HomePlan) -> Result<(), HostError> {
    let path = paths.homes.join(home.username.as_str());
    let doing = || format!("mend {}", path.display());
    if !see(paths, home)?.ours {
        return Err(HostError::Taken { what: path.display().to_string() });
    }
    let web = web_group()?;
    mend_parts(paths, home, &path, web).map_err(HostError::failed(doing()))?;
    trash::reserve_if_possible(paths, home.account);
    Ok(())
}

/// Works on descriptors of directories only: nothing that a customer may put in their place meanwhile is followed, and no file is touched.
fn mend_parts(paths: &Paths, home: &HomePlan, path: &Path, web: u32) -> std::io::Result<()> {
    let uid = home.uid.get();
    let directory = disk::open_dir(path)?;
    give(&directory.try_clone()?.into(), uid, uid, 0o711)?;
    for part in parts(home, web) {
        match see_part(&directory, &part.path)? {
            PartSeen::SomethingElse => {}
            PartSeen::Missing => {
                // Made where only root is, so that nothing of root's is ever below a home.
                let staged = staging(paths).join(home.account.to_string());
                disk::ensure_dir(&staging(paths), 0o700)?;
                tree::remove(&staged)?;
                make_dir(&staged, uid, part.gid, part.mode)?;
                let name = part.path.file_name().unwrap_or_default();
                let parent = part.path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = match parent.map(|parent| see_part(&directory, parent)).transpose()? {
                    Some(PartSeen::Directory(parent)) => parent,
                    None => directory.try_clone()?.into(),
                    // Its owner has put something else there, which is theirs to lead on.
                    Some(_) => {
                        tree::remove(&staged)?;
                        continue;
                    }
                };
                rustix::fs::renameat_with(CWD, &staged, &parent, name, RenameFlags::NOREPLACE)?;
            }
            PartSeen::Directory(part_directory) => {
                let found = part_directory.metadata()?;
                let gid = if part.gid == web { web } else { found.gid() };
                let mode = found.mode() & 0o7777 | part.needed;
                if (found.uid(), found.gid(), found.mode() & 0o7777) != (uid, gid, mode) {
                    give(&part_directory, uid, gid, mode)?;
                }
            }
        }
    }
    Ok(())
}

pub(super) fn keep(paths: &Paths, home: &HomePlan) -> Result<(), HostError> {
    let doing = || format!("move the home of {} into the trash", home.username);
    if see(paths, home)?.ours {
        let kept = trash::make(paths, home.account)?.join(trash::HOME);
        let place = paths.homes.join(home.username.as_str());
        disk::rename_exclusively(&place, &kept).map_err(|error| trash::without_room(doing(), error))?;
    }
    Ok(())
}

/// Takes the home out of its place to be deleted, by a rename where that is possible.
pub(super) fn discard(paths: &Paths, home: &HomePlan) -> Result<(), HostError> {
    if see(paths, home)?.ours {
        let place = paths.homes.join(home.username.as_str());
        trash::discard(paths, home.account, &place)
            .map_err(HostError::failed(format!("take the home of {} out of its place", home.username)))?;
    }
    Ok(())
}

pub(super) fn restore(paths: &Paths, home: &HomePlan, before: &DomainName) -> Result<(), HostError> {
    let doing = || format!("put the home of {} back", home.username);
    let kept = trash::of(paths, home.account).join(trash::HOME);
    if *before != home.domain {
        lead_to_the_old_root(&kept, home, before).map_err(HostError::failed(doing()))?;
    }
    let place = paths.homes.join(home.username.as_str());
    disk::rename_exclusively(&kept, &place).map_err(|error| disk::taken_or_failed(&place, doing(), error))
}

/// Gives a home that comes back under another domain a document root of that name: a link to the one it had. The home is in the trash, where
/// only root is, and no process of its user is left.
fn lead_to_the_old_root(kept: &Path, home: &HomePlan, before: &DomainName) -> std::io::Result<()> {
    let uid = home.uid.get();
    let directory = disk::open_dir(kept)?;
    match see_part(&directory, Path::new(home.domain.as_str()))? {
        PartSeen::Missing => {}
        PartSeen::Directory(_) | PartSeen::SomethingElse => return Ok(()),
    }
    let staged = kept.with_file_name("document-root");
    tree::remove(&staged)?;
    make_dir(&staged, uid, uid, 0o711)?;
    let link = staged.join("public_html");
    std::os::unix::fs::symlink(Path::new("..").join(before.as_str()).join("public_html"), &link)?;
    std::os::unix::fs::lchown(&link, Some(uid), Some(uid))?;
    Ok(rustix::fs::renameat_with(CWD, &staged, &directory, home.domain.as_str(), RenameFlags::NOREPLACE)?)
}

pub(super) fn remove(paths: &Paths, home: &HomePlan) -> Result<(), HostError> {
    let doing = || format!("remove the home of {}", home.username);
    tree::remove(&staging(paths).join(home.account.to_string())).map_err(HostError::failed(doing()))?;
    discard(paths, home)?;
    trash::remove(paths, home.account)
}

/// What a home that is the user's takes on the disk. Nothing is followed out of it.
/// Ends early, with what was counted, where somebody waits for it, and once it is not `wanted` any more.
pub(super) fn usage(paths: &Paths, username: &Username, uid: Uid, haste: Haste, wanted: &dyn Fn() -> bool) -> Result<DiskSeen, HostError> {
    let path = paths.homes.join(username.as_str());
    let doing = || format!("measure {}", path.display());
    let top = disk::open_dir(&path).map_err(HostError::failed(doing()))?;
    let owner = rustix::fs::fstat(&top).map_err(HostError::failed(doing()))?.st_uid;
    if owner != uid.get() {
        return Err(HostError::failed(doing())(format!("it belongs to uid {owner}")));
    }
    tree::measure(top, haste, wanted).map_err(HostError::failed(doing()))
}
