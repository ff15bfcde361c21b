//! What the file-system work shares: exclusive renames, and files that are there whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use opterius_model::AccountId;
use opterius_protocol::bounded;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags};

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

/// A file that says whose a directory is has no more bytes than this.
const LONGEST_MARK: u64 = 128;

/// Reads such a file: the account, if it names one.
pub(super) fn read_mark(path: &Path) -> Option<AccountId> {
    AccountId::parse(bounded::text(path, LONGEST_MARK).ok()?.trim_end()).ok()
}

/// Whether there is no room on the disk, or none for this user.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
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

/// Makes a directory unless it is there. A link in its place, or one of somebody else's, is refused: what is put there would be theirs.
pub(super) fn ensure_dir(path: &Path, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(mode)) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let found = path.symlink_metadata()?;
    if !found.is_dir() {
        let what = if found.is_symlink() { "a link" } else { "a file" };
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a directory (it is {what})", path.display())));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        let text = format!("{} belongs to uid {}, and must belong to root: move it away", path.display(), found.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_rename_keeps_what_is_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        std::fs::create_dir(&one).unwrap();
        std::os::unix::fs::symlink("/nowhere", &two).unwrap();
        assert_eq!(rename_exclusively(&one, &two).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(one.exists() && two.is_symlink());
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_refused_and_nothing_is_put_where_it_leads() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (real, link, file) = (dir.path().join("real"), dir.path().join("link"), dir.path().join("file"));
        ensure_dir(&real, 0o700).expect("made");
        ensure_dir(&real, 0o700).expect("there");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        std::fs::write(&file, "").expect("written");
        for path in [&link, &file] {
            let error = ensure_dir(path, 0o700).expect_err("refused");
            assert!(error.kind() == io::ErrorKind::NotADirectory && error.to_string().contains("is not a directory"), "{error}");
        }
    }
}
