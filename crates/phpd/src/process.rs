//! Other processes, held by pidfd, so that a number that was used again is never taken for the process it once named.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;

use crate::watch;

/// The name of a process that no other one ever has until the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since the boot.
    pub start_time: u64,
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
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in brackets, may itself hold spaces and brackets; the fields after it cannot. proc(5): starttime is the
    // 22nd field, and the first one after the name is the third.
    let after_name = stat.rfind(')').and_then(|end| stat.get(end + 1..)).unwrap_or_default();
    after_name.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The children of the process `pid` now; none if it has ended.
pub fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
        .unwrap_or_default()
}

/// Every process whose command line has an argument that contains `needle`.
pub fn with_argument(needle: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let holds = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|argument| String::from_utf8_lossy(argument).contains(needle)))
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
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
}
