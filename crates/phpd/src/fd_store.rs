//! systemd's descriptor store, which keeps the sockets listening while phpd is restarted. Without systemd all of this does nothing.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;

use crate::panics::{self, Panics};

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

/// Gives systemd a copy of a descriptor, now if systemd takes it now, else on the thread of [`keep_up`].
pub fn keep(fd: &Arc<OwnedFd>) {
    let Some(manager) = Manager::find() else { return };
    match manager.send(MESSAGE, &[fd.as_fd()], SendFlags::DONTWAIT) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => later(fd),
        Err(error) => tracing::warn!("could not put a socket into systemd's store; it will be made anew after a restart: {error}"),
    }
}

/// Gives systemd a copy of each descriptor, on the thread of [`keep_up`].
pub fn keep_all(fds: &[Arc<OwnedFd>]) {
    if Manager::find().is_some() {
        fds.iter().for_each(later);
    }
}

/// What waits for systemd. So many fit, as many as the unit lets systemd keep.
static WAITING: OnceLock<SyncSender<Arc<OwnedFd>>> = OnceLock::new();
const MOST_WAITING: usize = 20_000;

fn later(fd: &Arc<OwnedFd>) {
    let sent = WAITING.get().is_some_and(|waiting| waiting.try_send(Arc::clone(fd)).is_ok());
    if !sent {
        tracing::warn!("could not put a socket into systemd's store, which is too slow; it will be made anew after a restart");
    }
}

/// Starts the thread that waits for systemd, so that nothing else does. The end of phpd does not wait for it.
pub fn keep_up(panics: Panics) -> io::Result<()> {
    let (sender, waiting) = std::sync::mpsc::sync_channel(MOST_WAITING);
    if WAITING.set(sender).is_err() {
        return Ok(());
    }
    std::thread::Builder::new().name("fd-store".to_owned()).spawn(move || {
        let mut in_a_row = 0;
        while panics.guard_blocking("the thread that fills systemd's store", || keep_what_waits(&waiting)).is_none() {
            in_a_row += 1;
            std::thread::park_timeout(panics::pause(in_a_row));
        }
    })?;
    Ok(())
}

/// Takes turns with what else systemd has to do.
fn keep_what_waits(waiting: &Receiver<Arc<OwnedFd>>) {
    while let Ok(first) = waiting.recv() {
        let some: Vec<_> = std::iter::once(first).chain(waiting.try_iter().take(AT_A_TIME - 1)).collect();
        let Some(manager) = Manager::find() else { continue };
        let fds: Vec<_> = some.iter().map(|fd| fd.as_fd()).collect();
        let begun = Instant::now();
        if let Err(error) = manager.send(MESSAGE, &fds, SendFlags::empty()).and_then(|()| manager.wait()) {
            tracing::warn!("could not put {} sockets into systemd's store; they will be made anew after a restart: {error}", fds.len());
        }
        drop(some);
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

    fn send(&self, message: &[u8], fds: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
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
        rustix::net::sendmsg_addr(&socket, &address, &[IoSlice::new(message)], &mut control, flags | SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits until systemd has read what was sent before: it closes the pipe that comes with a barrier (sd_notify(3)).
    fn wait(&self) -> io::Result<()> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        self.send(b"BARRIER=1", &[write.as_fd()], SendFlags::empty())?;
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
