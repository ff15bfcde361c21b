//! systemd's descriptor store, which keeps the sockets listening while phpd is restarted. Without systemd all of this does nothing.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;

/// So many descriptors go to systemd at a time. It compares each with all that it has (252: 10,000 of them took it a minute), and answers
/// nobody meanwhile. The kernel passes at most 253 (SCM_MAX_FD).
const AT_A_TIME: usize = 16;

/// All descriptors bear one short name: systemd hands the names of all of them to exec in one variable, and 10,000 distinct ones are more
/// than exec takes.
const MESSAGE: &[u8] = b"FDSTORE=1\nFDNAME=php\n";

/// What an earlier phpd stored. To be called once, before the process has a second thread.
pub fn take() -> Vec<OwnedFd> {
    let mut given = listenfd::ListenFd::from_env();
    (0..given.len()).filter_map(|index| given.take_unix_listener(index).ok().flatten()).map(OwnedFd::from).collect()
}

/// Gives systemd a copy of a descriptor.
pub fn keep(fd: BorrowedFd<'_>) {
    if let Some(manager) = Manager::find()
        && let Err(error) = manager.send(MESSAGE, &[fd])
    {
        tracing::warn!("could not put a socket into systemd's store; it will be made anew after a restart: {error}");
    }
}

/// Gives systemd a copy of each descriptor, taking turns with what else it has to do. Blocks for as long as that takes.
pub fn keep_all(fds: &[Arc<OwnedFd>]) {
    let Some(manager) = Manager::find() else { return };
    for some in fds.chunks(AT_A_TIME) {
        let some: Vec<_> = some.iter().map(|fd| fd.as_fd()).collect();
        let begun = Instant::now();
        if let Err(error) = manager.send(MESSAGE, &some).and_then(|()| manager.wait()) {
            tracing::warn!("could not put {} sockets into systemd's store; they will be made anew after a restart: {error}", some.len());
        }
        // Half of systemd's time is for others.
        std::thread::park_timeout(begun.elapsed());
    }
}

/// The way to systemd.
struct Manager(OsString);

impl Manager {
    fn find() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET").map(Self)
    }

    fn send(&self, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let address = match self.0.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddrUnix::new_abstract_name(name)?,
            None => SocketAddrUnix::new(self.0.as_bytes())?,
        };
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_A_TIME))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::net::sendmsg_addr(&socket, &address, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits until systemd has read what was sent before: it closes the pipe that comes with a barrier (sd_notify(3)).
    fn wait(&self) -> io::Result<()> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        self.send(b"BARRIER=1", &[write.as_fd()])?;
        drop(write);
        let mut fds = [PollFd::new(&read, PollFlags::empty())];
        let patience = Timespec { tv_sec: 60, tv_nsec: 0 };
        match poll(&mut fds, Some(&patience))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

/// Tells systemd that phpd serves.
pub fn ready() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!("could not tell systemd that phpd is ready: {error}");
    }
}
