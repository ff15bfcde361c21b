//! Walking through directories whose owner made them as deep and as wide as they pleased, and perhaps moves them about meanwhile.
//!
//! A walk streams: of a wide directory it holds a buffer, of a deep one a descriptor for each of the first levels and a few bytes for each
//! of the others. It follows no link, crosses no mount, and never leaves the directory that it began in.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::disk;
use crate::host::{DiskSeen, Haste};

/// So many levels are held open. What is moved away below them ends the walk of the deepest of these, and not the whole walk.
const HELD: usize = if cfg!(test) { 4 } else { 32 };

/// So many levels more are remembered, in 24 bytes each.
const REMEMBERED: usize = 1_000_000;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory that the walk went down from and does not hold open: the way back is its child's `..`.
struct Level {
    device: u64,
    inode: u64,
    /// Where its stream goes on.
    resume: i64,
}

/// A way back up.
struct Ascent {
    /// The name, in the directory where the walk is now, of the child that it comes from; nothing where the stream goes on by itself.
    from: Option<CString>,
    /// Where its stream goes on, if it is known.
    resume: i64,
    /// Whether the way led past directories that were not walked to their end.
    lost: bool,
}

/// One walk, which is at every moment in one directory.
struct Walk {
    held: Vec<(Dir, CString)>,
    remembered: Vec<Level>,
    /// Whether levels between those that are held and those that are remembered were forgotten.
    forgot: bool,
    here: Dir,
}

impl Walk {
    #[expect(clippy::disallowed_methods, reason = "it streams, and collects nothing")]
    fn new(top: OwnedFd) -> io::Result<Self> {
        Ok(Self { held: Vec::new(), remembered: Vec::new(), forgot: false, here: Dir::new(top)? })
    }

    /// The next entry of the directory, but `.` and `..`.
    fn read(&mut self) -> Option<io::Result<DirEntry>> {
        loop {
            match self.here.read()? {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                other => return Some(other.map_err(Into::into)),
            }
        }
    }

    /// Whether one more level cannot be remembered.
    fn is_full(&self) -> bool {
        self.remembered.len() == REMEMBERED
    }

    /// Goes down into a child. `resume` is where this directory's stream goes on when the walk is back.
    #[expect(clippy::disallowed_methods, reason = "it streams, and collects nothing")]
    fn descend(&mut self, name: &CStr, resume: i64) -> rustix::io::Result<()> {
        let child = rustix::fs::openat2(self.here.fd()?, name, DIRECTORY, Mode::empty(), disk::INSIDE)?;
        if self.held.len() < HELD {
            let before = std::mem::replace(&mut self.here, Dir::new(child)?);
            self.held.push((before, name.to_owned()));
            return Ok(());
        }
        if self.is_full() {
            self.remembered.clear();
            self.forgot = true;
        }
        let (device, inode) = identity(&self.here.stat()?);
        self.remembered.push(Level { device, inode, resume });
        self.here = Dir::new(child)?;
        Ok(())
    }

    /// Goes up again. Nothing at the top.
    fn ascend(&mut self) -> Option<Ascent> {
        let lost = if let Some(level) = self.remembered.pop() {
            if let Ok(parent) = self.parent(&level) {
                self.here = parent;
                return Some(Ascent { from: None, resume: level.resume, lost: false });
            }
            // It was moved somewhere else, or deleted. Nothing of where its `..` leads now is any of the walk's business.
            self.remembered.clear();
            true
        } else {
            self.forgot
        };
        self.forgot = false;
        let (parent, from) = self.held.pop()?;
        self.here = parent;
        Some(Ascent { from: Some(from), resume: 0, lost })
    }

    #[expect(clippy::disallowed_methods, reason = "it streams, and collects nothing")]
    fn parent(&self, level: &Level) -> rustix::io::Result<Dir> {
        let parent = rustix::fs::openat(self.here.fd()?, c"..", DIRECTORY, Mode::empty())?;
        let mut parent = Dir::new(parent)?;
        if identity(&parent.stat()?) != (level.device, level.inode) {
            return Err(Errno::STALE);
        }
        if parent.seek(level.resume).is_err() {
            parent.rewind();
        }
        Ok(parent)
    }
}

fn identity(found: &Stat) -> (u64, u64) {
    (found.st_dev, found.st_ino)
}

/// A deletion comes back so often to a directory that it had emptied and in which there is something again.
const RETURNS: u32 = 10_000;

/// Deletes a directory with everything in it, or whatever else stands in its place, and succeeds where nothing is.
///
/// It renames nothing and writes nothing, so that it needs no room on a full disk, and whatever moment it is cut short at, what is left is a
/// smaller tree that the next one deletes. A directory that its owner moves out of the tree meanwhile is not followed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    remove_watched(path, &mut || Ok(()))
}

/// The same, asking `go_on` before every change.
fn remove_watched(path: &Path, go_on: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    let top = match disk::open_dir(path) {
        Ok(top) => top,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            go_on()?;
            return Ok(rustix::fs::unlinkat(CWD, path, AtFlags::empty())?);
        }
        Err(error) => return Err(error),
    };
    let mut left = RETURNS;
    let mut again = || {
        left -= 1;
        if left == 0 { Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "it was filled again and again meanwhile")) } else { Ok(()) }
    };
    let mut top = Some(top);
    loop {
        empty(top.take().map_or_else(|| disk::open_dir(path), Ok)?, go_on, &mut again)?;
        go_on()?;
        match rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => again()?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Deletes everything in a directory.
fn empty(top: OwnedFd, go_on: &mut dyn FnMut() -> io::Result<()>, again: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut walk = Walk::new(top)?;
    // Where the entry that is looked at stands: before it the stream goes on, so that an emptied child is met again.
    let mut before = 0;
    // The directory that the walk came back from last.
    let mut came_from = None;
    loop {
        let (name, at) = if let Some(entry) = walk.read() {
            let entry = entry?;
            let at = std::mem::replace(&mut before, entry.offset());
            let is_directory = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
            go_on()?;
            if delete(&walk, entry.file_name(), is_directory)? {
                continue;
            }
            if came_from == Some(entry.ino()) {
                again()?;
            }
            (entry.file_name().to_owned(), at)
        } else {
            came_from = Some(walk.here.stat()?.st_ino);
            let Some(up) = walk.ascend() else { return Ok(()) };
            before = up.resume;
            let Some(name) = up.from else { continue };
            go_on()?;
            if delete(&walk, &name, true)? {
                continue;
            }
            again()?;
            (name, 0)
        };
        match walk.descend(&name, at) {
            Ok(()) => before = 0,
            // It went, or became something else, since it was looked at: the next round meets what is there now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => again()?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Deletes one entry. Answers `false` for a directory that is not empty.
fn delete(walk: &Walk, name: &CStr, is_directory: bool) -> io::Result<bool> {
    let here = walk.here.fd()?;
    let flags = |directory| if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    let mut done = rustix::fs::unlinkat(here, name, flags(is_directory));
    // The type that the stream told may be unknown, or from before.
    if matches!(done, Err(Errno::NOTDIR | Errno::ISDIR)) {
        done = rustix::fs::unlinkat(here, name, flags(done == Err(Errno::ISDIR)));
    }
    match done {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The most entries that are counted, and the longest that is counted where nobody waits, and where somebody does.
const MOST_ENTRIES: u64 = 50_000_000;
const LONGEST: Duration = Duration::from_mins(15);
const LONGEST_WAITED: Duration = Duration::from_secs(15);

/// What everything below a directory takes on the disk. A file of several names counts at each of them with its share. What cannot be counted
/// makes it a number that there is at least. Once it is not `wanted` any more, it ends.
pub(super) fn measure(top: OwnedFd, haste: Haste, wanted: &dyn Fn() -> bool) -> io::Result<DiskSeen> {
    measure_within(top, MOST_ENTRIES, if haste == Haste::Waited { LONGEST_WAITED } else { LONGEST }, wanted)
}

fn measure_within(top: OwnedFd, most: u64, longest: Duration, wanted: &dyn Fn() -> bool) -> io::Result<DiskSeen> {
    let began = Instant::now();
    let mut walk = Walk::new(top)?;
    let mut seen = DiskSeen::default();
    // In 2^-32 bytes, so that the shares of a file of many names add up.
    let mut shares: u128 = 0;
    loop {
        let entry = match walk.read() {
            Some(Ok(entry)) => entry,
            ended => {
                seen.at_least |= ended.is_some();
                let Some(up) = walk.ascend() else { break };
                seen.at_least |= up.lost;
                continue;
            }
        };
        if seen.files == most || began.elapsed() >= longest || !wanted() {
            seen.at_least = true;
            break;
        }
        let found = match rustix::fs::statat(walk.here.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(error) => {
                seen.at_least |= error != Errno::NOENT;
                continue;
            }
        };
        seen.files += 1;
        let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        let names = if is_directory { 1 } else { u128::from(found.st_nlink.max(1)) };
        shares += ((u128::from(found.st_blocks.unsigned_abs()) * 512) << 32) / names;
        // Gone, moved, replaced, unreadable, another mount: whatever it is, it is not counted.
        seen.at_least |= is_directory && (walk.is_full() || walk.descend(entry.file_name(), entry.offset()).is_err());
    }
    seen.bytes = u64::try_from((shares + (1 << 31)) >> 32).unwrap_or(u64::MAX);
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// Makes a directory with so many directories in each other, which no path could name, and a file and a link in each.
    fn make_deep(top: &Path, depth: usize, keep: &Path) {
        fs::create_dir(top).unwrap();
        let mut at = disk::open_dir(top).unwrap();
        for _ in 0..depth {
            rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o700)).unwrap();
            rustix::fs::symlinkat(keep, &at, "link").unwrap();
            rustix::fs::openat(&at, "file", OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC, Mode::from_raw_mode(0o600)).unwrap();
            at = rustix::fs::openat(&at, "d", DIRECTORY, Mode::empty()).unwrap();
        }
    }

    /// A place for trees, with something beside them that must stay.
    struct Place {
        dir: tempfile::TempDir,
        keep: PathBuf,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let keep = dir.path().join("keep");
            fs::create_dir(&keep).unwrap();
            fs::write(keep.join("file"), "kept").unwrap();
            Self { dir, keep }
        }

        fn tree(&self) -> PathBuf {
            self.dir.path().join("tree")
        }

        fn assert_kept(&self) {
            assert_eq!(opterius_protocol::bounded::file(self.keep.join("file"), 100).unwrap(), b"kept");
        }
    }

    #[test]
    fn a_tree_of_any_depth_is_deleted_and_links_are_not_followed() {
        let place = Place::new();
        make_deep(&place.tree(), 3000, &place.keep);
        remove(&place.tree()).unwrap();
        assert!(!place.tree().exists());
        place.assert_kept();
        remove(&place.tree()).expect("nothing there is no failure");
        std::os::unix::fs::symlink(&place.keep, place.tree()).unwrap();
        remove(&place.tree()).expect("a link goes, and not what it leads to");
        assert!(!place.tree().is_symlink());
        place.assert_kept();
    }

    type Make = fn(&Place);

    fn deep(place: &Place) {
        make_deep(&place.tree(), HELD + 20, &place.keep);
    }

    fn wide(place: &Place) {
        fs::create_dir(place.tree()).unwrap();
        for number in 0..20 {
            fs::create_dir(place.tree().join(number.to_string())).unwrap();
            fs::write(place.tree().join(format!("{number}/file")), "").unwrap();
            std::os::unix::fs::symlink(&place.keep, place.tree().join(format!("link-{number}"))).unwrap();
        }
    }

    /// Wide where the levels are not held open any more.
    fn wide_below(place: &Place) {
        make_deep(&place.tree(), HELD + 2, &place.keep);
        let mut at = disk::open_dir(&place.tree()).unwrap();
        for _ in 0..HELD + 2 {
            at = rustix::fs::openat(&at, "d", DIRECTORY, Mode::empty()).unwrap();
        }
        for number in 0..20 {
            let name = format!(".opterius-deep-{number}");
            rustix::fs::mkdirat(&at, name.as_str(), Mode::from_raw_mode(0o700)).unwrap();
            let child = rustix::fs::openat(&at, name.as_str(), DIRECTORY, Mode::empty()).unwrap();
            rustix::fs::mkdirat(&child, "d", Mode::from_raw_mode(0o700)).unwrap();
        }
    }

    fn names_of_ours(place: &Place) {
        fs::create_dir(place.tree()).unwrap();
        for name in [".opterius-deep-1", ".deleting-1", "home", "reserve", ".opterius-trash"] {
            make_deep(&place.tree().join(name), 3, &place.keep);
        }
    }

    #[test]
    fn a_deletion_that_is_cut_short_at_any_call_is_finished_by_the_next() {
        for make in [deep as Make, wide, wide_below, names_of_ours] {
            for stop_at in 0.. {
                let place = Place::new();
                make(&place);
                let mut calls = 0;
                let cut = remove_watched(&place.tree(), &mut || {
                    calls += 1;
                    if calls > stop_at { Err(io::Error::other("cut short")) } else { Ok(()) }
                });
                place.assert_kept();
                assert_eq!(cut.is_err(), place.tree().exists());
                remove(&place.tree()).expect("it is finished");
                assert!(!place.tree().exists());
                place.assert_kept();
                if cut.is_ok() {
                    break;
                }
            }
        }
    }

    #[test]
    fn what_is_moved_out_of_a_tree_while_it_is_deleted_does_not_lead_out_of_it() {
        let place = Place::new();
        deep(&place);
        let (tree, outside) = (place.tree(), place.keep.clone());
        let at_depth = |depth| {
            let open = |at: OwnedFd, _| rustix::fs::openat(&at, "d", DIRECTORY, Mode::empty());
            (0..depth).try_fold(disk::open_dir(&tree).unwrap(), open)
        };
        let mut moved = false;
        remove_watched(&place.tree(), &mut || {
            // The walk is on its way up from the deepest: its owner moves a directory that it is below of beside what is to stay.
            if !moved && at_depth(HELD + 20).is_err() {
                rustix::fs::renameat(at_depth(HELD + 2)?, "d", CWD, outside.join("moved"))?;
                moved = true;
            }
            Ok(())
        })
        .expect("the rest is deleted");
        assert!(moved && !place.tree().exists());
        place.assert_kept();
    }

    #[test]
    fn a_tree_is_counted_to_its_last_depth() {
        let place = Place::new();
        make_deep(&place.tree(), 2000, &place.keep);
        let seen = measure(disk::open_dir(&place.tree()).unwrap(), Haste::Leisurely, &|| true).unwrap();
        assert_eq!((seen.files, seen.at_least), (6000, false));
        remove(&place.tree()).unwrap();
    }

    #[test]
    fn what_is_not_counted_is_not_passed_over_in_silence() {
        let place = Place::new();
        wide(&place);
        let seen = |most, longest| measure_within(disk::open_dir(&place.tree()).unwrap(), most, longest, &|| true).unwrap();
        assert_eq!((seen(60, LONGEST).files, seen(60, LONGEST).at_least), (60, false));
        assert_eq!((seen(59, LONGEST).files, seen(59, LONGEST).at_least), (59, true));
        assert!(seen(60, Duration::ZERO).at_least);
        // Nobody waits any more after the tenth look.
        let left = std::cell::Cell::new(10);
        let wanted = || left.replace(left.get() - 1) > 0;
        let seen = measure(disk::open_dir(&place.tree()).unwrap(), Haste::Waited, &wanted).unwrap();
        assert_eq!((seen.files, seen.at_least), (10, true));
    }

    #[test]
    fn a_file_of_several_names_takes_its_room_once() {
        let place = Place::new();
        fs::create_dir(place.tree()).unwrap();
        let one = place.tree().join("one");
        fs::write(&one, vec![1; 100_000]).unwrap();
        fs::File::open(&one).unwrap().sync_all().unwrap();
        let look = || measure(disk::open_dir(&place.tree()).unwrap(), Haste::Leisurely, &|| true).unwrap();
        let once = look();
        for name in 0..6 {
            fs::hard_link(&one, place.tree().join(name.to_string())).unwrap();
        }
        assert_eq!(look(), DiskSeen { files: 7, ..once });
    }
}
