//! systemd's descriptor store, which keeps the sockets listening while phpd is restarted. Without systemd all of this does nothing.

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// The kernel passes at most 253 descriptors at a time (SCM_MAX_FD).
pub const AT_A_TIME: usize = 253;

/// All descriptors bear one short name: systemd hands the names of all of them to exec in one variable, and 10,000 distinct ones are more
/// than exec takes.
const MESSAGE: &[u8] = b"FDSTORE=1\nFDNAME=php\n";

/// What an earlier phpd stored. To be called once, before the process has a second thread.
pub fn take() -> Vec<OwnedFd> {
    let mut given = listenfd::ListenFd::from_env();
    (0..given.len()).filter_map(|index| given.take_unix_listener(index).ok().flatten()).map(OwnedFd::from).collect()
}

/// Gives systemd a copy of each descriptor.
pub fn keep(fds: &[BorrowedFd<'_>]) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    for some in fds.chunks(AT_A_TIME) {
        if let Err(error) = send(&address, some) {
            tracing::warn!("could not put {} sockets into systemd's store; they will be made anew after a restart: {error}", some.len());
        }
    }
}

fn send(address: &OsStr, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name)?,
        None => SocketAddrUnix::new(address.as_bytes())?,
    };
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_A_TIME))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::net::sendmsg_addr(&socket, &address, &[IoSlice::new(MESSAGE)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Tells systemd that phpd serves.
pub fn ready() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!("could not tell systemd that phpd is ready: {error}");
    }
}
