//! The lock of lckpwdf(3), which every program takes that writes these files: the tools of shadow-utils, PAM, systemd-sysusers, vipw.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use opterius_model::clean;
use opterius_protocol::bounded;

/// As long as lckpwdf(3) waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// The pause between looks at the lock files.
const PAUSE: Duration = Duration::from_millis(20);

/// The most that a lock file says: a number.
const LONGEST: u64 = bounded::KIB;

/// So many make a second, in what the kernel says of processes.
const TICKS: i64 = 100;

/// Who waits for the lock. One thread at most does so in the kernel, which serves those who wait in turn; one that looks again and again comes
/// to nothing beside a loop of useradd.
#[derive(Default)]
pub(super) struct Lock {
    waiting: Option<Receiver<io::Result<File>>>,
}

/// Holds the lock until it is dropped.
pub(super) struct Held(#[expect(dead_code, reason = "the lock is the open file's")] File);

impl Lock {
    /// Waits for the lock of the files in `etc`, and for lock files of `names` that a living process holds.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] after some seconds; it names who holds the lock.
    pub(super) fn take(&mut self, etc: &Path, names: &[&str]) -> io::Result<Held> {
        let until = Instant::now() + PATIENCE;
        loop {
            let held = Held(self.take_until(etc, until)?);
            let Some(holder) = names.iter().find_map(|name| holder_of(&etc.join(format!("{name}.lock")))) else { return Ok(held) };
            if Instant::now() >= until {
                return Err(timed_out(&holder));
            }
            // Whoever needs the lock to give up its lock file gets it.
            drop(held);
            std::thread::park_timeout(PAUSE);
        }
    }

    fn take_until(&mut self, etc: &Path, until: Instant) -> io::Result<File> {
        let path = etc.join(".pwd.lock");
        loop {
            let waiting = match self.waiting.take() {
                Some(waiting) => waiting,
                None => wait_in_a_thread(path.clone())?,
            };
            match waiting.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(taken) => return taken,
                Err(RecvTimeoutError::Timeout) => {
                    self.waiting = Some(waiting);
                    return Err(timed_out(&holder_of_lock(&path).unwrap_or_else(|| "another program".to_owned())));
                }
                // It got the lock when nobody wanted it any more, and gave it back.
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

fn timed_out(holder: &str) -> io::Error {
    let why = format!("{holder} has held the lock of these files for {} s: end it, or wait for it, and try again", PATIENCE.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, why)
}

fn wait_in_a_thread(path: PathBuf) -> io::Result<Receiver<io::Result<File>>> {
    // Without a place in between: what is not wanted any more is not sent, and its lock not held.
    let (taken, waiting) = sync_channel(0);
    let wait = move || {
        let _ = taken.try_send(wait_for(&path));
    };
    std::thread::Builder::new().name("lock of passwd".to_owned()).spawn(wait)?;
    Ok(waiting)
}

fn wait_for(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    // Of the open file, not of the process: the lock of a process is gone as soon as any of its threads closes the file.
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLKW(&whole(libc::F_WRLCK))) {
            Ok(_) => return Ok(file),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A lock of the whole file, as lckpwdf(3) takes it.
fn whole(kind: libc::c_int) -> libc::flock {
    let short = |value: libc::c_int| i16::try_from(value).unwrap_or_default();
    libc::flock { l_type: short(kind), l_whence: short(libc::SEEK_SET), l_start: 0, l_len: 0, l_pid: 0 }
}

fn holder_of_lock(path: &Path) -> Option<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).ok()?;
    let mut asked = whole(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut asked)).ok()?;
    named(asked.l_pid)
}

/// Who holds a lock file, if a living process does. Those who make these files take the lock first, so one that is met under the lock was left
/// by a process that was killed, or belongs to a program that was told to work on another root.
fn holder_of(lock_file: &Path) -> Option<String> {
    let made = lock_file.symlink_metadata().ok()?;
    let text = bounded::file(lock_file, LONGEST).ok()?;
    let pid: i32 = std::str::from_utf8(&text).ok()?.trim_matches(['\0', '\n', ' ']).parse().ok()?;
    let began = begin_of(pid)?;
    // The number was given to another process since: as after a power cut.
    let is_another = began > made.ctime() + 1;
    if is_another { None } else { named(pid) }
}

/// When a process that is alive began, in seconds since 1970.
fn begin_of(pid: i32) -> Option<i64> {
    let stat = bounded::text(format!("/proc/{pid}/stat"), bounded::MIB).ok()?;
    // proc_pid_stat(5): the name is in brackets and may hold anything; the state is the third field, the start the 22nd.
    let behind: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(behind.first(), Some(&("Z" | "X"))) {
        return None;
    }
    let after_boot = behind.get(19)?.parse::<i64>().ok()? / TICKS;
    // proc_uptime(5): seconds since the boot, with a fraction.
    let up: i64 = bounded::text("/proc/uptime", LONGEST).ok()?.split('.').next()?.parse().ok()?;
    Some(jiff::Timestamp::now().as_second() - up + after_boot)
}

fn named(pid: i32) -> Option<String> {
    if pid <= 0 {
        return None;
    }
    let name = bounded::file(format!("/proc/{pid}/comm"), LONGEST).unwrap_or_default();
    Some(format!("{} (process {pid})", clean(&name, 64).trim()))
}
