//! The Agent's own files: one of JSON lines an operation, one of JSON an account, and one of JSON lines with the heads of the Activity. Each can be read with `cat`.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use opterius_model::{AccountId, OperationId};
use opterius_protocol::{Micros, bounded};
use rustix::fs::FallocateFlags;

use super::{Paths, disk, trash};
use crate::engine::journal::LONGEST;
use crate::host::{HostError, Room, Stored};

/// Disk space that every operation has for its further lines from the moment it is announced, in bytes, so that a disk that fills up
/// meanwhile cannot keep it from turning back. It lies behind what is written.
const RESERVED: u64 = 64 * 1024;

/// Files with room for an announcement and [`RESERVED`], for operations that must be possible on a full disk.
const SPARES: usize = 8;

/// The size of each, in bytes.
const SPARE: u64 = 2 * RESERVED;

/// More files than a server ever has of one kind.
const MANY: usize = 1_000_000;

/// More than the heads of the Activity, which are thinned out, ever take, in bytes.
const HEADS: u64 = 64 * bounded::MIB;

fn operations(paths: &Paths) -> PathBuf {
    paths.state.join("operations")
}

fn records(paths: &Paths) -> PathBuf {
    paths.state.join("accounts")
}

fn operation_file(paths: &Paths, operation: OperationId) -> PathBuf {
    operations(paths).join(format!("{operation}.jsonl"))
}

fn spare_file(paths: &Paths, number: usize) -> PathBuf {
    operations(paths).join(format!(".spare-{number}"))
}

/// Gives a file disk space from an offset on, without making it longer.
fn reserve(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, bytes)?)
}

fn ensure_operations(paths: &Paths) -> io::Result<()> {
    disk::ensure_dir(&paths.state, 0o700)?;
    disk::ensure_dir(&operations(paths), 0o700)
}

pub(super) fn begin(paths: &Paths, operation: OperationId, line: &str, room: Room) -> Result<(), HostError> {
    let doing = || format!("announce the operation {operation}");
    ensure_operations(paths).map_err(HostError::failed(doing()))?;
    let path = operation_file(paths, operation);
    let begun = match begin_in_a_new_file(paths, &path, line) {
        Err(error) if room == Room::Spare && disk::is_full(&error) => begin_in_a_spare_file(paths, &path, line, error),
        begun => begun,
    };
    begun.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            HostError::Taken { what: format!("the journal {}", path.display()) }
        } else {
            HostError::failed(doing())(error)
        }
    })
}

/// What an announcement is called until it is on the disk.
const NEW: &str = ".new-";

fn new_file(paths: &Paths, journal: &Path) -> PathBuf {
    operations(paths).join(format!("{NEW}{}", journal.file_name().unwrap_or_default().display()))
}

/// Written under another name and renamed: whatever bears a journal's name was announced, so one that has lost its first line is known as such.
fn begin_in_a_new_file(paths: &Paths, path: &Path, line: &str) -> io::Result<()> {
    if disk::is_there(path)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let new = new_file(paths, path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let mut is_renamed = false;
    let written = (|| {
        reserve(&file, 0, line.len() as u64 + RESERVED)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        disk::rename_exclusively(&new, path)?;
        is_renamed = true;
        disk::sync_dir(&operations(paths))
    })();
    if written.is_err() {
        // What was not announced must not be found at the next start.
        let _ = fs::remove_file(if is_renamed { path } else { &new });
    }
    written
}

/// The same on a disk that is `full`: in a file that was made while there was room. It is renamed before it is written, so that no two
/// announcements are ever written into one file.
fn begin_in_a_spare_file(paths: &Paths, path: &Path, line: &str, full: io::Error) -> io::Result<()> {
    if line.len() as u64 > SPARE - RESERVED {
        return Err(full);
    }
    let new = new_file(paths, path);
    for number in 0..SPARES {
        let spare = spare_file(paths, number);
        match fs::rename(&spare, &new) {
            // Another announcement took it, or it was not made again yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            renamed => renamed?,
        }
        let written = (|| {
            let file = OpenOptions::new().write(true).open(&new)?;
            file.write_all_at(line.as_bytes(), 0)?;
            // What an earlier use left behind, that did not come to its end.
            if file.metadata()?.len() > line.len() as u64 {
                file.set_len(line.len() as u64)?;
            }
            file.sync_all()?;
            disk::rename_exclusively(&new, path)
        })();
        match written {
            Ok(()) => return disk::sync_dir(&operations(paths)),
            Err(error) => {
                // The room in it is for the next, unless it has been made again meanwhile.
                if disk::rename_exclusively(&new, &spare).is_err() {
                    let _ = fs::remove_file(&new);
                }
                if !disk::is_full(&error) {
                    return Err(error);
                }
            }
        }
    }
    Err(full)
}

pub(super) fn keep_spares(paths: &Paths) -> Result<(), HostError> {
    make_spares(paths).map(drop).map_err(HostError::failed("keep room for operations on a full disk"))
}

/// Makes what is missing of them. Answers whether anything was.
fn make_spares(paths: &Paths) -> io::Result<bool> {
    let make = |spare: &Path| -> io::Result<bool> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(spare)?;
        if file.metadata()?.blocks() * 512 >= SPARE {
            return Ok(false);
        }
        reserve(&file, 0, SPARE)?;
        file.sync_all()?;
        Ok(true)
    };
    ensure_operations(paths)?;
    let mut changed = false;
    for spare in (0..SPARES).map(|number| spare_file(paths, number)) {
        match make(&spare) {
            // What cannot be had is not wanted in part: whoever fills the disk needs it more.
            Err(error) if disk::is_full(&error) => {
                let _ = fs::remove_file(&spare);
                break;
            }
            made => changed |= made?,
        }
    }
    if changed {
        disk::sync_dir(&operations(paths))?;
    }
    Ok(changed)
}

pub(super) fn append(paths: &Paths, operation: OperationId, line: &str) -> Result<(), HostError> {
    let write = || -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(operation_file(paths, operation))?;
        let whole = end_of_lines(&file)?;
        // What was written in part when the machine stopped has not happened, and would make nonsense of this line.
        cut(&file, whole)?;
        // Made again with each line, as a file that was put back from a backup has none. A disk without room may still have the one from before.
        let _ = reserve(&file, whole, line.len() as u64 + RESERVED);
        let written = file.write_all_at(line.as_bytes(), whole).and_then(|()| file.sync_data());
        if written.is_err() {
            cut(&file, whole)?;
        }
        written
    };
    write().map_err(HostError::failed(format!("write to the journal of operation {operation}")))
}

/// Cuts off what is behind `whole`, and keeps the file's reserve, which goes with it.
fn cut(file: &File, whole: u64) -> io::Result<()> {
    if file.metadata()?.len() > whole {
        file.set_len(whole)?;
        // Whatever took the room in this moment needs it as much.
        let _ = reserve(file, whole, RESERVED);
    }
    Ok(())
}

/// The offset behind the last line that has its end.
fn end_of_lines(file: &File) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let count = buffer.len().min(usize::try_from(end).unwrap_or(usize::MAX));
        let start = end - count as u64;
        file.read_exact_at(&mut buffer[..count], start)?;
        if let Some(last) = buffer[..count].iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Every file named `<id>.<ending>` in a directory.
fn read_all<T>(dir: &Path, ending: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<(T, Stored)>, HostError> {
    let names = match bounded::names(dir, MANY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.map_err(HostError::failed(format!("read {}", dir.display())))?,
    };
    let mut found = Vec::new();
    for name in names {
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(ending)).and_then(&parse) else { continue };
        match bounded::file(dir.join(&name), LONGEST as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => found.push((id, read.map_err(|error| error.to_string()))),
        }
    }
    Ok(found)
}

/// Every journal, at a start: what was never announced goes.
pub(super) fn all(paths: &Paths) -> Result<Vec<(OperationId, Stored)>, HostError> {
    for name in bounded::names(operations(paths), MANY).unwrap_or_default() {
        if name.to_str().is_some_and(|name| name.starts_with(NEW)) {
            let _ = fs::remove_file(operations(paths).join(name));
        }
    }
    read_all(&operations(paths), ".jsonl", |id| OperationId::parse(id).ok())
}

pub(super) fn remove(paths: &Paths, operation: OperationId) -> Result<(), HostError> {
    match fs::remove_file(operation_file(paths, operation)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HostError::failed(format!("forget the operation {operation}"))(error)),
        _ => Ok(()),
    }
}

/// The file that says that an operation never begins. Its name says everything, so that it needs no room on the disk but its line in the directory,
/// and has nothing in it that could not be read. 10,000 take 3 MB with all that the file system keeps of them, and are listed in 13 ms (ext4).
fn never_file(paths: &Paths, operation: OperationId) -> PathBuf {
    operations(paths).join(format!("{operation}.never"))
}

/// The same once the Panel has acknowledged it, at the time of the file's last change.
fn acknowledged_never_file(paths: &Paths, operation: OperationId) -> PathBuf {
    operations(paths).join(format!("{operation}.never-acknowledged"))
}

pub(super) fn add_never(paths: &Paths, operation: OperationId) -> Result<(), HostError> {
    let write = || -> io::Result<()> {
        ensure_operations(paths)?;
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(never_file(paths, operation))?.sync_all()?;
        disk::sync_dir(&operations(paths))
    };
    write().map_err(HostError::failed(format!("write down that the operation {operation} never begins")))
}

pub(super) fn acknowledge_never(paths: &Paths, operation: OperationId, at: Micros) -> Result<(), HostError> {
    let write = || -> io::Result<()> {
        let from = never_file(paths, operation);
        let file = OpenOptions::new().write(true).open(&from)?;
        file.set_modified(UNIX_EPOCH + Duration::from_micros(at.0.try_into().unwrap_or(0)))?;
        file.sync_all()?;
        fs::rename(from, acknowledged_never_file(paths, operation))?;
        disk::sync_dir(&operations(paths))
    };
    write().map_err(HostError::failed(format!("write down that the Panel knows that the operation {operation} never begins")))
}

pub(super) fn nevers(paths: &Paths) -> Result<Vec<(OperationId, Option<Micros>)>, HostError> {
    let dir = operations(paths);
    let names = match bounded::names(&dir, MANY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.map_err(HostError::failed(format!("read {}", dir.display())))?,
    };
    let found = names.iter().filter_map(|name| {
        let (id, ending) = name.to_str()?.split_once('.')?;
        let id = OperationId::parse(id).ok()?;
        match ending {
            "never" => Some((id, None)),
            "never-acknowledged" => Some((id, Some(last_change(&dir.join(name))))),
            _ => None,
        }
    });
    Ok(found.collect())
}

/// When a file was last changed; now, if that cannot be told.
fn last_change(path: &Path) -> Micros {
    let changed = fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
    let since = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_micros()).ok()).map_or_else(Micros::now, Micros)
}

pub(super) fn remove_never(paths: &Paths, operation: OperationId) -> Result<(), HostError> {
    let remove = || -> io::Result<()> {
        let mut removed = false;
        for path in [never_file(paths, operation), acknowledged_never_file(paths, operation)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                gone => removed |= gone.map(|()| true)?,
            }
        }
        // What is gone must not be found again beside the operation that is begun then.
        if removed { disk::sync_dir(&operations(paths)) } else { Ok(()) }
    };
    remove().map_err(HostError::failed(format!("forget that the operation {operation} never begins")))
}

pub(super) fn write_account(paths: &Paths, account: AccountId, json: &str) -> Result<(), HostError> {
    let dir = records(paths);
    let write = || -> io::Result<()> {
        disk::ensure_dir(&paths.state, 0o700)?;
        disk::ensure_dir(&dir, 0o700)?;
        disk::replace(&dir.join(format!("{account}.json")), json)
    };
    write().map_err(HostError::failed(format!("write the record of account {account}")))
}

pub(super) fn account(paths: &Paths, account: AccountId) -> Result<Option<String>, HostError> {
    let path = records(paths).join(format!("{account}.json"));
    match bounded::file(&path, LONGEST as u64) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::failed(format!("read {}", path.display()))(error)),
    }
}

pub(super) fn accounts(paths: &Paths) -> Result<Vec<(AccountId, Stored)>, HostError> {
    read_all(&records(paths), ".json", |id| AccountId::parse(id).ok())
}

/// The owners of what is in the trash.
pub(super) fn kept_uids(paths: &Paths) -> Result<BTreeSet<u32>, HostError> {
    trash::owners(paths).map_err(HostError::failed("look whose homes are in the trash"))
}

fn heads_file(paths: &Paths) -> PathBuf {
    paths.state.join("activity-heads.jsonl")
}

pub(super) fn append_head(paths: &Paths, line: &str) -> Result<(), HostError> {
    let write = || -> io::Result<()> {
        disk::ensure_dir(&paths.state, 0o700)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(heads_file(paths))?;
        let whole = file.metadata()?.len();
        let mut last = [b'\n'];
        if whole > 0 {
            file.read_exact_at(&mut last, whole - 1)?;
        }
        // What a power cut broke off ends there, and takes no other line with it.
        let text = if last == *b"\n" { line.to_owned() } else { format!("\n{line}") };
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            file.set_len(whole)?;
        } else if whole == 0 {
            disk::sync_dir(&paths.state)?;
        }
        written
    };
    write().map_err(HostError::failed("note the head of the Activity"))
}

pub(super) fn replace_heads(paths: &Paths, text: &str) -> Result<(), HostError> {
    disk::replace(&heads_file(paths), text).map_err(HostError::failed("thin out the heads of the Activity"))
}

pub(super) fn heads(paths: &Paths) -> Result<String, HostError> {
    match bounded::file(heads_file(paths), HEADS) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(HostError::failed("read the heads of the Activity")(error)),
    }
}

/// The kernel's id of this boot.
fn boot_id() -> io::Result<String> {
    bounded::text("/proc/sys/kernel/random/boot_id", bounded::KIB)
}

/// The file in which the Agent notes the boot it runs in, and an empty line once it has ended in good order.
fn boot_file(paths: &Paths) -> PathBuf {
    paths.state.join("boot")
}

pub(super) fn was_cut_off(paths: &Paths) -> Result<bool, HostError> {
    let look = || -> io::Result<bool> {
        disk::ensure_dir(&paths.state, 0o700)?;
        let noted = bounded::text(boot_file(paths), bounded::KIB).unwrap_or_default();
        let boot = boot_id()?;
        note_boot(paths, &boot)?;
        Ok(!noted.trim().is_empty() && noted != boot)
    };
    look().map_err(HostError::failed("note that the Agent runs in this boot"))
}

/// Replaced whole: a second power cut at this very moment must not leave an empty file, which would say that all was in order.
fn note_boot(paths: &Paths, text: &str) -> io::Result<()> {
    disk::replace(&boot_file(paths), text)
}

/// Writes everything to the disk and notes that nothing can be lost any more. For the end of the Agent's life in good order.
pub fn farewell(paths: &Paths) -> io::Result<()> {
    rustix::fs::sync();
    note_boot(paths, "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = Paths { state: dir.path().to_owned(), ..Paths::default() };
        (dir, paths)
    }

    /// The length of an operation's journal, and the disk space that it has, in bytes.
    fn room(paths: &Paths, operation: OperationId) -> (u64, u64) {
        let found = fs::metadata(operation_file(paths, operation)).expect("the journal");
        (found.len(), found.blocks() * 512)
    }

    #[test]
    fn every_journal_has_its_reserve_behind_what_is_written() {
        let (_dir, paths) = places();
        let id = OperationId::generate();
        let line = format!("{}\n", "x".repeat(100_000));
        begin(&paths, id, &line, Room::Ordinary).expect("begun");
        let (length, room_now) = room(&paths, id);
        assert!(length == 100_001 && room_now >= length + RESERVED, "{length} bytes have {room_now}");
        append(&paths, id, "more\n").expect("added");
        let (length, room_now) = room(&paths, id);
        assert!(room_now >= length + RESERVED, "{length} bytes have {room_now}");
    }

    #[test]
    fn what_was_half_written_is_cut_off_before_the_next_line_and_the_reserve_stays() {
        let (_dir, paths) = places();
        let id = OperationId::generate();
        begin(&paths, id, "{\"one\":1}\n", Room::Ordinary).expect("begun");
        for half in ["{\"tw", "{\"two\":2, and much more than what comes in its place", "{\0\0\0"] {
            let mut file = OpenOptions::new().append(true).open(operation_file(&paths, id)).expect("the journal");
            file.write_all(half.as_bytes()).expect("written");
            append(&paths, id, "{\"two\":2}\n").expect("added");
            let text = bounded::text(operation_file(&paths, id), bounded::MIB).expect("text");
            assert!(text.ends_with("}\n{\"two\":2}\n") && text.starts_with("{\"one\":1}\n"), "{text:?}");
            assert!(!text.contains("more") && text.lines().all(|line| line.ends_with('}')), "{text:?}");
            let (length, room_now) = room(&paths, id);
            assert!(room_now >= length + RESERVED, "{length} bytes have {room_now}");
        }
    }

    #[test]
    fn what_was_never_announced_is_no_journal() {
        let (_dir, paths) = places();
        begin(&paths, OperationId::generate(), "one\n", Room::Ordinary).expect("begun");
        // Killed in the middle of an announcement: it has no journal's name yet, and is not met again.
        fs::write(operations(&paths).join(format!(".new-{}", OperationId::generate())), "hal").expect("written");
        assert_eq!(all(&paths).expect("read").len(), 1);
        assert_eq!(bounded::names(operations(&paths), 10).expect("the directory").len(), 1, "nothing is left of it");
    }

    #[test]
    fn a_journal_is_begun_once() {
        let (_dir, paths) = places();
        let id = OperationId::generate();
        begin(&paths, id, "one\n", Room::Ordinary).expect("begun");
        assert!(matches!(begin(&paths, id, "two\n", Room::Spare), Err(HostError::Taken { .. })));
        assert_eq!(all(&paths).expect("read").len(), 1);
        assert_eq!(room(&paths, id).0, 4, "it stays as it is");
    }

    #[test]
    fn what_never_begins_is_known_by_a_name_alone_and_is_no_journal() {
        let (_dir, paths) = places();
        assert!(nevers(&paths).expect("read").is_empty());
        let (one, two) = (OperationId::generate(), OperationId::generate());
        for id in [one, one, two] {
            add_never(&paths, id).expect("written");
        }
        assert_eq!(fs::metadata(never_file(&paths, one)).expect("the file").blocks(), 0, "it needs no room");
        let at = Micros(1_795_600_000_123_456);
        acknowledge_never(&paths, two, at).expect("written");
        assert!(acknowledge_never(&paths, OperationId::generate(), at).is_err(), "nothing is acknowledged that was not promised");
        begin(&paths, OperationId::generate(), "one\n", Room::Ordinary).expect("begun");
        make_spares(&paths).expect("made");
        let found: std::collections::BTreeMap<_, _> = nevers(&paths).expect("read").into_iter().collect();
        assert_eq!(found, [(one, None), (two, Some(at))].into());
        assert_eq!(all(&paths).expect("read").len(), 1);
        for id in [one, two, two] {
            remove_never(&paths, id).expect("removed, also when it is gone");
        }
        assert!(nevers(&paths).expect("read").is_empty());
    }

    #[test]
    fn one_file_that_cannot_be_read_keeps_no_other_from_being_read() {
        let (_dir, paths) = places();
        begin(&paths, OperationId::generate(), "one\n", Room::Ordinary).expect("begun");
        fs::create_dir(operation_file(&paths, OperationId::generate())).expect("a directory in the place of a journal");
        let huge = operation_file(&paths, OperationId::generate());
        fs::File::create(huge).expect("a file").set_len(1 << 40).expect("a terabyte of nothing");
        assert_eq!(all(&paths).expect("read").len(), 3, "each is named");
    }

    #[test]
    fn a_spare_journal_is_an_announcement_with_its_reserve_and_is_made_again() {
        let (_dir, paths) = places();
        assert!(make_spares(&paths).expect("made") && !make_spares(&paths).expect("a look"), "what is there is not made again");
        let spares = || (0..SPARES).filter(|number| spare_file(&paths, *number).exists()).count();
        assert_eq!((spares(), all(&paths).expect("read").len()), (SPARES, 0));
        // A power cut left a longer line in the first.
        fs::write(spare_file(&paths, 0), "something that was announced to nobody\n").expect("written");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for number in 0..SPARES {
            let id = OperationId::generate();
            let path = operation_file(&paths, id);
            begin_in_a_spare_file(&paths, &path, "{\"one\":1}\n", full()).expect("begun");
            assert_eq!(spares(), SPARES - number - 1);
            append(&paths, id, "{\"two\":2}\n").expect("added");
            assert_eq!(bounded::text(&path, bounded::KIB).expect("text"), "{\"one\":1}\n{\"two\":2}\n");
            let (length, room_now) = room(&paths, id);
            assert!(room_now >= length + RESERVED, "{length} bytes have {room_now}");
        }
        let path = operation_file(&paths, OperationId::generate());
        assert!(disk::is_full(&begin_in_a_spare_file(&paths, &path, "{}\n", full()).expect_err("there is none")));
        keep_spares(&paths).expect("made again");
        assert_eq!(spares(), SPARES);
        let long = "x".repeat(usize::try_from(SPARE).expect("a size"));
        assert!(begin_in_a_spare_file(&paths, &path, &long, full()).is_err() && !path.exists());
    }

    #[test]
    fn announcements_at_the_same_time_on_a_full_disk_get_a_spare_file_each() {
        let (_dir, paths) = places();
        for _ in 0..20 {
            keep_spares(&paths).expect("made");
            let together = std::sync::Barrier::new(SPARES + 2);
            let announce = || {
                let (id, full) = (OperationId::generate(), io::Error::from(io::ErrorKind::StorageFull));
                together.wait();
                let line = format!("{{\"id\":\"{id}\"}}\n");
                (id, line.clone(), begin_in_a_spare_file(&paths, &operation_file(&paths, id), &line, full))
            };
            let announced: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..SPARES + 2).map(|_| scope.spawn(announce)).collect();
                threads.into_iter().map(|thread| thread.join().expect("an end")).collect()
            });
            let begun = announced.iter().filter(|(.., begun)| begun.is_ok()).count();
            assert_eq!(begun, SPARES, "{announced:?}");
            for (id, line, begun) in announced {
                match begun {
                    Ok(()) => assert_eq!(bounded::text(operation_file(&paths, id), bounded::MIB).expect("text"), line),
                    Err(error) => assert!(disk::is_full(&error) && !operation_file(&paths, id).exists(), "{error}"),
                }
                remove(&paths, id).expect("removed");
            }
        }
    }
}
