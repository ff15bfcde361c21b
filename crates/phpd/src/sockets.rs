//! The listening sockets.
//!
//! A socket is bound to a name of its own, `.main.0`, and then hard-linked to the pool's path, `main.sock`, by a rename. So a socket is
//! replaced without an instant at which nobody listens, and after a restart the descriptors tell by themselves what they are:
//! `getsockname` names the account, the pool and the binding, and the one whose file is also at the pool's path is the one in use.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use opterius_model::{AccountId, PoolName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType};

/// The directory of all sockets, and who may connect.
#[derive(Debug, Clone)]
pub struct Sockets {
    root: PathBuf,
    web_gid: u32,
    /// The number of the next binding. None is given twice while a socket of it is held: an older one, whose file somebody deleted, would
    /// take the newer one's away when it is closed (seen).
    next: Arc<AtomicU32>,
}

/// One listening socket of one pool.
#[derive(Debug)]
pub struct Socket {
    fd: Arc<OwnedFd>,
    bound: PathBuf,
    path: PathBuf,
}

/// Whose socket a descriptor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The account.
    pub account: AccountId,
    /// The pool.
    pub pool: PoolName,
}

impl Sockets {
    /// The sockets below `root`, for the group `web_gid`. Makes the directory, or sets its owner and mode right.
    pub fn open(root: &Path, web_gid: u32) -> io::Result<Self> {
        let sockets = Self { root: root.to_owned(), web_gid, next: Arc::default() };
        if let Some(parent) = root.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        sockets.directory(root)?;
        Ok(sockets)
    }

    /// The path at which nginx finds a pool.
    pub fn path(&self, account: AccountId, pool: &PoolName) -> PathBuf {
        self.root.join(account.to_string()).join(format!("{pool}.sock"))
    }

    /// A directory that only root may change and only the web server may enter.
    fn directory(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(path)?;
        if !found.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is not a directory", path.display())));
        }
        let owner = rustix::process::geteuid().as_raw();
        if (found.uid(), found.gid(), found.mode() & 0o7777) != (owner, self.web_gid, 0o750) {
            std::os::unix::fs::lchown(path, Some(owner), Some(self.web_gid))?;
            fs::set_permissions(path, Permissions::from_mode(0o750))?;
        }
        Ok(())
    }

    /// A new listening socket in the pool's place. Whatever was there before is replaced in one step.
    pub fn create(&self, account: AccountId, pool: &PoolName, backlog: i32) -> io::Result<Socket> {
        let path = self.path(account, pool);
        let directory = self.root.join(account.to_string());
        self.directory(&directory)?;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let bound = self.bind(&fd, &directory, pool)?;
        let socket = Socket { fd: Arc::new(fd), bound, path };
        match self.place(&socket, backlog) {
            Ok(()) => Ok(socket),
            Err(error) => {
                socket.close();
                Err(error)
            }
        }
    }

    /// Binds to a name that is free. Binding is exclusive: a name that is taken is never taken over.
    fn bind(&self, fd: &OwnedFd, directory: &Path, pool: &PoolName) -> io::Result<PathBuf> {
        for _ in 0..10_000 {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let bound = directory.join(format!(".{pool}.{number}"));
            match rustix::net::bind(fd, &SocketAddrUnix::new(&bound)?) {
                Ok(()) => return Ok(bound),
                Err(Errno::ADDRINUSE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, format!("10,000 names of pool {pool} in {} are taken", directory.display())))
    }

    fn place(&self, socket: &Socket, backlog: i32) -> io::Result<()> {
        std::os::unix::fs::lchown(&socket.bound, None, Some(self.web_gid))?;
        fs::set_permissions(&socket.bound, Permissions::from_mode(0o660))?;
        rustix::net::listen(&socket.fd, backlog)?;
        let link = with_suffix(&socket.bound, ".new");
        drop(fs::remove_file(&link));
        fs::hard_link(&socket.bound, &link)?;
        fs::rename(&link, &socket.path)
    }

    /// The socket behind a descriptor that came from an earlier phpd, and whose it is; nothing if it is none of ours.
    pub fn recognise(&self, fd: OwnedFd) -> Option<(Whose, Socket)> {
        let address = SocketAddrUnix::try_from(rustix::net::getsockname(&fd).ok()?).ok()?;
        let bound = PathBuf::from(std::ffi::OsStr::from_bytes(address.path_bytes()?));
        let mut parts = bound.strip_prefix(&self.root).ok()?.to_str()?.split('/');
        let (account, file, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
        let account = AccountId::parse(account).ok()?;
        let (pool, number) = file.strip_prefix('.')?.split_once('.')?;
        let number = number.parse::<u32>().ok()?;
        self.next.fetch_max(number.saturating_add(1), Ordering::Relaxed);
        let pool = PoolName::parse(pool).ok()?;
        let path = self.path(account, &pool);
        Some((Whose { account, pool }, Socket { fd: Arc::new(fd), bound, path }))
    }

    /// Removes every file that is not of `keep`, and every directory that is empty then.
    pub fn sweep(&self, keep: &HashSet<PathBuf>) -> io::Result<()> {
        for account in fs::read_dir(&self.root)?.flatten() {
            let mut kept = false;
            for file in fs::read_dir(account.path()).into_iter().flatten().flatten() {
                let path = file.path();
                if keep.contains(&path) {
                    kept = true;
                } else {
                    drop(fs::remove_file(path));
                }
            }
            if !kept {
                drop(fs::remove_dir(account.path()));
            }
        }
        Ok(())
    }

    /// Removes the account's directory if it is empty.
    pub fn forget(&self, account: AccountId) {
        drop(fs::remove_dir(self.root.join(account.to_string())));
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether `a` and `b` are one file.
fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::symlink_metadata(a), fs::symlink_metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Whether the socket bound at `bound` is the one that a connection to `path` reaches.
pub fn is_in_place(bound: &Path, path: &Path) -> bool {
    same_file(bound, path)
}

/// Whether nginx, and nobody else, may connect to the socket at `path`: it and its directory have the owner and the permissions that they
/// were made with. The group is that of the directory of all sockets.
pub fn is_open_to_nginx_alone(path: &Path) -> bool {
    let seen = |path: &Path| fs::symlink_metadata(path).ok();
    let (Some(directory), Some(socket)) = (path.parent().and_then(seen), seen(path)) else { return false };
    let (owner, web) = match path.parent().and_then(Path::parent).and_then(seen) {
        Some(all) => (all.uid(), all.gid()),
        None => return false,
    };
    let is = |found: &fs::Metadata, mode: u32| (found.uid(), found.gid(), found.mode() & 0o7777) == (owner, web, mode);
    is(&directory, 0o750) && is(&socket, 0o660)
}

impl Socket {
    /// The name it was bound to.
    pub fn bound(&self) -> &Path {
        &self.bound
    }

    /// The pool's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a connection to the pool's path reaches this socket.
    pub fn in_place(&self) -> bool {
        is_in_place(&self.bound, &self.path) && !self.is_dead()
    }

    /// Whether a connection waits.
    pub fn has_connection(&self) -> bool {
        self.polled().contains(PollFlags::IN)
    }

    /// Whether it can never accept again. A tenant can do that to its own: it holds the socket too, and may shut it down.
    pub fn is_dead(&self) -> bool {
        self.polled().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    fn polled(&self) -> PollFlags {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(_) => fds[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }

    /// Sets how many connections may wait.
    pub fn set_backlog(&self, backlog: i32) {
        if let Err(error) = rustix::net::listen(&self.fd, backlog) {
            tracing::warn!("could not set the backlog of {}: {error}", self.path.display());
        }
    }

    /// Connects and goes away again.
    ///
    /// FPM's `ondemand` hears of a connection once, and starts no worker if one is idle; if that one is just being ended for its idleness,
    /// the connection waits until another one comes (seen). This is the other one.
    pub fn nudge(&self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let nudged = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .and_then(|fd| rustix::net::connect(&fd, &SocketAddrUnix::new(&self.path)?));
        if let Err(error) = nudged {
            tracing::debug!("could not nudge {}: {error}", self.path.display());
        }
    }

    /// Takes one waiting connection, if there is one, without ever waiting.
    ///
    /// FPM needs the socket to be blocking, and the flag belongs to the socket, not to the descriptor. So this is only called while no
    /// FPM accepts on it.
    pub fn accept_now(&self) -> Option<OwnedFd> {
        let flags = rustix::fs::fcntl_getfl(&self.fd).ok()?;
        rustix::fs::fcntl_setfl(&self.fd, flags | OFlags::NONBLOCK).ok()?;
        let accepted = rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC);
        self.make_blocking();
        accepted.ok()
    }

    /// Takes away what a phpd that was killed in [`Self::accept_now`] may have left.
    pub fn make_blocking(&self) {
        if let Ok(flags) = rustix::fs::fcntl_getfl(&self.fd)
            && flags.contains(OFlags::NONBLOCK)
        {
            let _ = rustix::fs::fcntl_setfl(&self.fd, flags - OFlags::NONBLOCK);
        }
    }

    /// The descriptor itself, to be held for a while longer than the socket may be.
    pub fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// A second descriptor of it, to be handed to a sandbox.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    /// Ends it for everybody who holds it, and removes its files. The shutdown also makes systemd drop its copy from the store: all
    /// copies share one name there, so one alone could not be removed by name, but one that hangs up goes by itself.
    pub fn close(self) {
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
        if is_in_place(&self.bound, &self.path) {
            drop(fs::remove_file(&self.path));
        }
        drop(fs::remove_file(&self.bound));
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn sockets() -> (tempfile::TempDir, Sockets) {
        let root = tempfile::tempdir().expect("a directory");
        let gid = rustix::process::getgid().as_raw();
        let sockets = Sockets::open(&root.path().join("php"), gid).expect("it opens");
        (root, sockets)
    }

    #[test]
    fn only_the_web_server_may_come_near() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let socket = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o7777;
        assert_eq!(mode(socket.path()), 0o660);
        assert_eq!(mode(socket.path().parent().expect("a directory")), 0o750);
        assert_eq!(mode(&sockets.root), 0o750);
    }

    #[test]
    fn a_socket_whose_directory_was_deleted_takes_nothing_of_its_successor_away() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let old = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        fs::remove_dir_all(old.path().parent().expect("a directory")).expect("it is deleted");
        let again = Sockets::open(&sockets.root, sockets.web_gid).expect("it opens");
        let (_, old) = again.recognise(old.duplicate().expect("a descriptor")).expect("it is one of ours");
        let new = again.create(account, &PoolName::main(), 16).expect("it is made");
        assert!(new.in_place() && !old.in_place());
        old.close();
        assert!(new.in_place());
        UnixStream::connect(new.path()).expect("somebody listens");
    }

    #[test]
    fn a_replaced_socket_keeps_its_connections_and_gets_no_new_ones() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let old = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        let _first = UnixStream::connect(old.path()).expect("somebody listens");
        let new = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        assert!(new.in_place() && !old.in_place());
        let _second = UnixStream::connect(new.path()).expect("somebody listens");
        assert!(old.accept_now().is_some() && old.accept_now().is_none());
        assert!(new.accept_now().is_some() && new.accept_now().is_none());
        old.close();
        assert!(new.in_place());
    }

    #[test]
    fn a_descriptor_tells_whose_it_is() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let socket = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        let (whose, found) = sockets.recognise(socket.duplicate().expect("a copy")).expect("it is ours");
        assert_eq!(whose, Whose { account, pool: PoolName::main() });
        assert!(found.in_place());
        let stranger = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
        assert!(sockets.recognise(stranger).is_none());
    }

    #[test]
    fn a_tenants_socket_with_a_neighbours_name_is_not_the_neighbours() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let neighbour = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        // What a tenant does in a mount namespace of its own: a socket that is bound to the very name of another one.
        let name = neighbour.bound().to_owned();
        let aside = name.with_extension("aside");
        fs::rename(&name, &aside).expect("aside");
        let tenants = std::os::unix::net::UnixListener::bind(&name).expect("bound");
        fs::rename(&aside, &name).expect("back");
        if let Some((_, taken)) = sockets.recognise(tenants.into()) {
            taken.close();
        }
        assert!(neighbour.in_place(), "the neighbour's files are still there");
        UnixStream::connect(neighbour.path()).expect("and lead to the neighbour");
    }

    #[test]
    fn a_closed_socket_is_gone_for_everybody() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let socket = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        let (_, copy) = sockets.recognise(socket.duplicate().expect("a copy")).expect("it is ours");
        let path = socket.path().to_owned();
        socket.close();
        sockets.forget(account);
        assert!(copy.is_dead(), "systemd sees a hang-up and drops its copy");
        assert!(UnixStream::connect(&path).is_err());
        assert!(!path.parent().expect("a directory").exists());
    }

    #[test]
    fn what_an_earlier_phpd_left_is_swept() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        drop(sockets.create(account, &PoolName::main(), 16).expect("it is made"));
        let socket = sockets.create(account, &PoolName::main(), 16).expect("a stale socket is no obstacle");
        sockets.sweep(&HashSet::from([socket.bound().to_owned(), socket.path().to_owned()])).expect("swept");
        let left: Vec<_> = fs::read_dir(sockets.root.join(account.to_string())).expect("it is there").flatten().collect();
        assert_eq!(left.len(), 2, "the binding and the path");
        assert!(socket.in_place());
        sockets.sweep(&HashSet::new()).expect("swept");
        assert_eq!(fs::read_dir(&sockets.root).expect("it is there").count(), 0);
    }
}
