//! Other processes, held by pidfd, so that a number that was used again is never taken for the process it once named.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use opterius_protocol::bounded;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;

use crate::watch;

/// More than a file of `/proc` about one process holds that we read. None of those read here touches the memory of the process, which is its
/// owner's and can hold up who reads it (`cmdline`, `environ`).
const MOST: u64 = 4096;

/// More processes than this has no server (pid_max on 64 bits).
const MOST_PROCESSES: usize = 4 << 20;

/// The name of a process that no other one ever has until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since the boot.
    pub start_time: u64,
}

impl ProcessId {
    /// Of this very process.
    pub fn own() -> io::Result<Self> {
        let pid = std::process::id();
        Ok(Self { pid, start_time: start_time(pid)? })
    }
}

/// One process, held.
#[derive(Debug)]
pub struct Process {
    id: ProcessId,
    pidfd: AsyncFd<OwnedFd>,
}

impl Process {
    /// The process that now has the number `pid`.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pidfd = rustix::process::pidfd_open(number(pid)?, PidfdFlags::empty())?;
        // Read after the pidfd was opened: if the process is still the one of the pidfd, this is its start.
        let start_time = start_time(pid)?;
        let process = Self { id: ProcessId { pid, start_time }, pidfd: watch::readable(pidfd).map_err(|refused| refused.into_parts().1)? };
        if process.has_ended() { Err(io::ErrorKind::NotFound.into()) } else { Ok(process) }
    }

    /// The process of that name, if it still runs.
    pub fn reopen(id: ProcessId) -> Option<Self> {
        Self::open(id.pid).ok().filter(|process| process.id == id)
    }

    /// Its name.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::error!("could not send a signal to process {}: {error}", self.id.pid);
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        let mut fds = [rustix::event::PollFd::new(self.pidfd.get_ref(), rustix::event::PollFlags::IN)];
        matches!(rustix::event::poll(&mut fds, Some(&rustix::event::Timespec::default())), Ok(ready) if ready > 0)
    }

    /// Waits until it has ended. For the first process of a PID namespace that is when all the others in it are gone too.
    pub async fn ended(&self) {
        // An ended process stays readable, so the readiness is never cleared. An error means that the runtime is going away.
        if self.pidfd.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whose it is, its real uid, and the number of its parent.
    pub fn uid_and_parent(&self) -> Option<(u32, u32)> {
        let status = bounded::file(format!("/proc/{}/status", self.id.pid), 64 * 1024).ok()?;
        let status = String::from_utf8_lossy(&status);
        // A name of a program cannot hold a line end here: proc(5) escapes it.
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok());
        let told = (field("Uid:")?, field("PPid:")?);
        // Only now it is sure that the number was still this process's.
        (!self.has_ended()).then_some(told)
    }

    /// Stops it, and waits a moment until it stands still.
    pub async fn stop(&self) {
        self.signal(Signal::STOP);
        for _ in 0..100 {
            let stat = bounded::file(format!("/proc/{}/stat", self.id.pid), MOST).unwrap_or_default();
            let after_name = stat.iter().rposition(|byte| *byte == b')').and_then(|end| stat.get(end + 2));
            if after_name.is_none_or(|state| matches!(state, b'T' | b'Z' | b'X')) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// A duplicate of its descriptor `fd`. Needs the right to trace it.
    pub fn descriptor(&self, fd: RawFd) -> io::Result<OwnedFd> {
        Ok(rustix::process::pidfd_getfd(self.pidfd.get_ref(), fd, PidfdGetfdFlags::empty())?)
    }
}

fn number(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// When the process `pid` began, in clock ticks since the boot.
fn start_time(pid: u32) -> io::Result<u64> {
    let stat = bounded::file(format!("/proc/{pid}/stat"), MOST)?;
    let stat = String::from_utf8_lossy(&stat);
    // The name of the program, in brackets, may itself hold spaces and brackets; the fields after it cannot. proc(5): starttime is the
    // 22nd field, and the first one after the name is the third.
    let after_name = stat.rfind(')').and_then(|end| stat.get(end + 1..)).unwrap_or_default();
    after_name.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Children of the process `pid` now: the first few hundred; none if it has ended.
pub fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let list = std::fs::File::open(path).and_then(|file| bounded::head(file, MOST)).unwrap_or_default();
    let whole = if list.len() as u64 == MOST { list.rsplitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default() } else { &list };
    String::from_utf8_lossy(whole).split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Processes of root's with an argument that is `path` or below it. Blocks.
///
/// Those of nobody else are looked at: the command line is read from the memory of the process, where its owner can make a reader wait.
pub fn roots_with_argument_below(path: &str) -> Vec<ProcessId> {
    let numbers = bounded::names("/proc", MOST_PROCESSES).unwrap_or_default().into_iter();
    let numbers = numbers.filter_map(|name| name.to_str()?.parse().ok());
    numbers
        .filter(|pid| *pid != std::process::id() && is_roots(*pid))
        .filter_map(|pid| {
            let start_time = start_time(pid).ok()?;
            let line = bounded::file(format!("/proc/{pid}/cmdline"), bounded::MIB).ok()?;
            let is_below = |argument: &[u8]| argument.strip_prefix(path.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
            line.split(|byte| *byte == 0).any(is_below).then_some(ProcessId { pid, start_time })
        })
        .collect()
}

/// Whether all uids of the process are root's.
fn is_roots(pid: u32) -> bool {
    let status = bounded::file(format!("/proc/{pid}/status"), 64 * 1024).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.is_some_and(|uids| uids.split_ascii_whitespace().all(|uid| uid == "0"))
}

/// The inode of the PID namespace that the process is in.
pub fn pid_namespace(pid: u32) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_the_same_only_with_the_same_start() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().expect("sleep starts");
        let process = Process::open(child.id()).expect("it runs");
        assert!(Process::reopen(process.id()).is_some());
        assert!(Process::reopen(ProcessId { start_time: process.id().start_time + 1, ..process.id() }).is_none());
        assert!(!process.has_ended());
        process.signal(Signal::KILL);
        process.ended().await;
        assert!(process.has_ended());
        assert!(Process::reopen(process.id()).is_none(), "a zombie is not adopted");
        child.wait().expect("it was a child");
    }

    #[tokio::test]
    async fn a_process_tells_whose_it_is_and_stands_still() {
        let mut child = std::process::Command::new("/bin/sh").args(["-c", "sleep 60 & sleep 60 & wait"]).spawn().expect("it starts");
        let process = Process::open(child.id()).expect("it runs");
        let own = ProcessId::own().expect("it is known");
        assert_eq!(process.uid_and_parent(), Some((rustix::process::getuid().as_raw(), own.pid)));
        assert_eq!(pid_namespace(child.id()), pid_namespace(own.pid));
        while children(child.id()).len() < 2 {
            tokio::task::yield_now().await;
        }
        process.stop().await;
        for pid in children(child.id()) {
            Process::open(pid).expect("it runs").signal(Signal::KILL);
        }
        process.signal(Signal::KILL);
        process.ended().await;
        child.wait().expect("it was a child");
    }
}
