//! The Agent's own files: one of JSON lines an operation, one of JSON an account, and one of JSON lines with the heads of the Activity. An operator can read both with `cat`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use opterius_model::{AccountId, OperationId};
use rustix::fs::FallocateFlags;

use super::{Paths, disk};
use crate::host::HostError;

/// Disk space that every operation has for its further lines from the moment it is announced, in bytes, so that a disk that fills up
/// meanwhile cannot keep it from turning back.
const RESERVED: u64 = 64 * 1024;

fn operations(paths: &Paths) -> PathBuf {
    paths.state.join("operations")
}

fn records(paths: &Paths) -> PathBuf {
    paths.state.join("accounts")
}

fn operation_file(paths: &Paths, operation: OperationId) -> PathBuf {
    operations(paths).join(format!("{operation}.jsonl"))
}

pub(super) fn begin(paths: &Paths, operation: OperationId, line: &str) -> Result<(), HostError> {
    let path = operation_file(paths, operation);
    let write = || -> io::Result<()> {
        disk::ensure_dir(&paths.state, 0o700)?;
        disk::ensure_dir(&operations(paths), 0o700)?;
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        let written = (|| {
            rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, RESERVED)?;
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            disk::sync_dir(&operations(paths))
        })();
        if written.is_err() {
            // What was not announced must not be found at the next start.
            let _ = fs::remove_file(&path);
        }
        written
    };
    write().map_err(HostError::failed(format!("announce the operation {operation}")))
}

pub(super) fn append(paths: &Paths, operation: OperationId, line: &str) -> Result<(), HostError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(operation_file(paths, operation))?;
        let whole = file.metadata()?.len();
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would make nonsense of the next one.
            file.set_len(whole)?;
        }
        written
    };
    write().map_err(HostError::failed(format!("write to the journal of operation {operation}")))
}

/// Every file named `<id>.<ending>` in a directory, as text.
fn read_all<T>(dir: &Path, ending: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<(T, String)>, HostError> {
    let doing = || format!("read {}", dir.display());
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(HostError::failed(doing())(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(HostError::failed(doing()))?;
        let name = entry.file_name();
        if let Some(id) = name.to_str().and_then(|name| name.strip_suffix(ending)).and_then(&parse) {
            // Bytes that are no text make one unreadable file, not an unreadable directory.
            let bytes = fs::read(entry.path()).map_err(HostError::failed(format!("read {}", entry.path().display())))?;
            found.push((id, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(found)
}

pub(super) fn all(paths: &Paths) -> Result<Vec<(OperationId, String)>, HostError> {
    read_all(&operations(paths), ".jsonl", |id| OperationId::parse(id).ok())
}

pub(super) fn remove(paths: &Paths, operation: OperationId) -> Result<(), HostError> {
    match fs::remove_file(operation_file(paths, operation)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HostError::failed(format!("forget the operation {operation}"))(error)),
        _ => Ok(()),
    }
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
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::failed(format!("read {}", path.display()))(error)),
    }
}

pub(super) fn accounts(paths: &Paths) -> Result<Vec<(AccountId, String)>, HostError> {
    read_all(&records(paths), ".json", |id| AccountId::parse(id).ok())
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
    match fs::read(heads_file(paths)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(HostError::failed("read the heads of the Activity")(error)),
    }
}

/// The kernel's id of this boot.
fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

/// The file in which the Agent notes the boot it runs in, and an empty line once it has ended in good order.
fn boot_file(paths: &Paths) -> PathBuf {
    paths.state.join("boot")
}

pub(super) fn was_cut_off(paths: &Paths) -> Result<bool, HostError> {
    let look = || -> io::Result<bool> {
        disk::ensure_dir(&paths.state, 0o700)?;
        let noted = fs::read_to_string(boot_file(paths)).unwrap_or_default();
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
    use std::os::unix::fs::MetadataExt as _;

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
        begin(&paths, id, &line).expect("begun");
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
        begin(&paths, id, "{\"one\":1}\n").expect("begun");
        for half in ["{\"tw", "{\"two\":2, and much more than what comes in its place", "{\0\0\0"] {
            let mut file = OpenOptions::new().append(true).open(operation_file(&paths, id)).expect("the journal");
            file.write_all(half.as_bytes()).expect("written");
            append(&paths, id, "{\"two\":2}\n").expect("added");
            let text = fs::read_to_string(operation_file(&paths, id)).expect("text");
            assert!(text.ends_with("}\n{\"two\":2}\n") && text.starts_with("{\"one\":1}\n"), "{text:?}");
            assert!(!text.contains("more") && text.lines().all(|line| line.ends_with('}')), "{text:?}");
            let (length, room_now) = room(&paths, id);
            assert!(room_now >= length + RESERVED, "{length} bytes have {room_now}");
        }
    }

    #[test]
    fn a_journal_is_begun_once() {
        let (_dir, paths) = places();
        let id = OperationId::generate();
        begin(&paths, id, "one\n").expect("begun");
        assert!(matches!(begin(&paths, id, "two\n"), Err(HostError::Taken { .. })));
        assert_eq!(all(&paths).expect("read").len(), 1);
        assert_eq!(room(&paths, id).0, 4, "it stays as it is");
    }

    #[test]
    fn one_file_that_cannot_be_read_keeps_no_other_from_being_read() {
        let (_dir, paths) = places();
        begin(&paths, OperationId::generate(), "one\n").expect("begun");
        fs::create_dir(operation_file(&paths, OperationId::generate())).expect("a directory in the place of a journal");
        let huge = operation_file(&paths, OperationId::generate());
        fs::File::create(huge).expect("a file").set_len(1 << 40).expect("a terabyte of nothing");
        assert_eq!(all(&paths).expect("read").len(), 3, "each is named");
    }
}
