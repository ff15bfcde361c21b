//! What the file-system work shares: exclusive renames, files that are there whole, and deletion that cannot be led astray.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use opterius_model::AccountId;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags};

use crate::host::HostError;

/// How anything below a directory is looked up that its owner may change meanwhile: not past a link, not out of it, not across a mount.
pub(super) const INSIDE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_XDEV);

/// Opens a directory that no link leads to.
pub(super) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// Renames, and fails with `AlreadyExists` if anything is at `to`.
pub(super) fn rename_exclusively(from: &Path, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

/// What an exclusive rename to `place` that failed is: something was there already, or the failure of what was being done.
pub(super) fn taken_or_failed(place: &Path, doing: String, error: io::Error) -> HostError {
    if error.kind() == io::ErrorKind::AlreadyExists {
        HostError::Taken { what: place.display().to_string() }
    } else {
        HostError::failed(doing)(error)
    }
}

/// Replaces a file, for root alone, by one that is there whole: after a power cut either the old text is there or the new one.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    replace_with_mode(path, text, 0o600)
}

/// The same with a file that everybody may read.
pub(super) fn replace_for_all(path: &Path, text: &str) -> io::Result<()> {
    replace_with_mode(path, text, 0o644)
}

fn replace_with_mode(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let staged = directory.join(format!(".{}.new", name.display()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    file.write_all(text.as_bytes())?;
    // On the descriptor: the process's umask takes bits away.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(&staged, path)?;
    sync_dir(directory)
}

/// Makes the file that says whose a directory is that is still being made. On the disk before that is renamed into its place: a power cut
/// that left an empty mark there would leave it to nobody, for ever (seen).
pub(super) fn write_mark(path: &Path, account: AccountId) -> io::Result<()> {
    let mut mark = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(mark, "{account}")?;
    mark.sync_all()
}

/// Writes what was done in a directory to the disk.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether anything is there, a link that leads nowhere included.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a directory unless it is there.
pub(super) fn ensure_dir(path: &Path, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Deeper directories are first moved up, so that a tree as deep as its owner pleased needs neither stack nor descriptors.
const DEPTH: u32 = 32;

/// Deletes a tree in a directory that only root can reach. Works on descriptors, follows no link, crosses no mount.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let top = match open_dir(path) {
        Ok(top) => top,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut moved = 0;
    // Each round empties everything but what it moved up, which the next one finds at the top.
    while !empty(top.as_fd(), top.as_fd(), 0, &mut moved)? {}
    rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR)?;
    Ok(())
}

/// Empties a directory. Answers `false` if something was moved up to `top`.
fn empty(top: BorrowedFd<'_>, dir: BorrowedFd<'_>, depth: u32, moved: &mut u64) -> io::Result<bool> {
    let mut whole = true;
    let entries: Vec<_> = Dir::read_from(dir)?.collect::<Result<_, _>>()?;
    for entry in entries {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() != FileType::Directory && entry.file_type() != FileType::Unknown {
            rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
            continue;
        }
        match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
            Ok(()) => continue,
            Err(rustix::io::Errno::NOTDIR) => {
                rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
                continue;
            }
            Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        if depth >= DEPTH {
            *moved += 1;
            rustix::fs::renameat_with(dir, name, top, format!(".opterius-deep-{moved}"), RenameFlags::NOREPLACE)?;
            whole = false;
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let child = rustix::fs::openat2(dir, name, flags, Mode::empty(), INSIDE)?;
        if empty(top, child.as_fd(), depth + 1, moved)? {
            rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?;
        } else {
            whole = false;
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_any_depth_is_deleted_and_links_are_not_followed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let keep = dir.path().join("keep");
        std::fs::create_dir(&keep).unwrap();
        std::fs::write(keep.join("file"), "kept").unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::os::unix::fs::symlink(&keep, tree.join("link")).unwrap();
        // Made by moving down, since no path could name the deepest directory.
        let mut at = open_dir(&tree).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o700)).unwrap();
            rustix::fs::symlinkat(keep.to_str().unwrap(), &at, "link").ok();
            at = rustix::fs::openat(&at, "d", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert_eq!(std::fs::read_to_string(keep.join("file")).unwrap(), "kept");
        remove_tree(&tree).expect("nothing there is no failure");
    }

    /// Makes a directory with so many directories in each other, and a file in the last.
    fn make_deep(top: &Path, depth: usize) {
        std::fs::create_dir(top).unwrap();
        let mut at = open_dir(top).unwrap();
        for _ in 0..depth {
            rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o700)).unwrap();
            at = rustix::fs::openat(&at, "d", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        }
        rustix::fs::openat(&at, "file", OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC, Mode::from_raw_mode(0o600)).unwrap();
    }

    #[test]
    fn a_deletion_does_not_trip_over_names_that_a_deletion_uses() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let tree = dir.path().join("tree");
        make_deep(&tree, 100);
        for number in 0..50 {
            make_deep(&tree.join(format!(".opterius-deep-{number}")), 40);
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn an_exclusive_rename_keeps_what_is_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        std::os::unix::fs::symlink("/nowhere", &two).unwrap();
        assert_eq!(rename_exclusively(&one, &two).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(one.exists() && two.is_symlink());
    }
}
