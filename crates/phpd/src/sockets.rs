//! The listening sockets.
//!
//! A socket is bound to a name of its own, `.main.<cookie>`, and then hard-linked to the pool's path, `main.sock`, by a rename. So a socket is
//! replaced without an instant at which nobody listens.
//!
//! The cookie (SO_COOKIE) is the number that the kernel gave to this one socket, and gives to no other until the next boot. The file with
//! that number, in a directory that only root may change, is our record that we made it: after a restart a descriptor is known by it. The
//! name that `getsockname` tells is no proof, since a tenant can bind a socket to any name in a mount namespace of its own (seen). It is
//! proof of what comes from systemd's store: systemd keeps only what the main process of phpd's unit sends (`NotifyAccess=main`), phpd sends
//! only what it has bound itself, and nobody can bind a socket again. So sockets in there that an earlier version bound to `.main.0` are
//! known too: what waits on them is carried to a new one, and they are closed.
//!
//! Once a sandbox got a socket, its tenant holds the same open file as we do, may hand it to anybody, and may change all of its state at any
//! moment: O_NONBLOCK, SO_RCVTIMEO, the backlog. So whoever accepts on it can be made to wait without an end. phpd accepts only on a
//! socket that no sandbox ever got ([`Socket::accept_own`]), or on a thread of its own with a deadline ([`crate::retire`]).

use std::collections::HashSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opterius_model::{AccountId, PoolName};
use opterius_protocol::bounded;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, sockopt};

/// More entries than this has no directory of ours: one account's sockets, and all accounts.
const MOST_FILES: usize = 10_000;
const MOST_ACCOUNTS: usize = 1_000_000;

/// The directory of all sockets, and who may connect.
#[derive(Debug, Clone)]
pub struct Sockets {
    root: Arc<Path>,
    web_gid: u32,
}

/// One listening socket of one pool. Its paths are made of the account, the pool and the cookie, so none of them lies elsewhere.
#[derive(Debug)]
pub struct Socket {
    fd: Arc<OwnedFd>,
    sockets: Sockets,
    whose: Whose,
    cookie: u64,
    /// The number in the name that it was bound to: the cookie, unless an earlier version made it.
    number: u64,
    /// The file that it was bound to, unless that is gone.
    file: Option<FileId>,
    /// Whether a sandbox got it.
    handed_out: AtomicBool,
}

/// Whose socket a descriptor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The account.
    pub account: AccountId,
    /// The pool.
    pub pool: PoolName,
}

/// What tells one file from all others: its device and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

/// An account's directory, open. What is below it is named by one component, and never followed.
struct Directory(OwnedFd);

impl Directory {
    fn file(&self, name: &str) -> Option<FileId> {
        let found = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileId(found.st_dev, found.st_ino))
    }

    /// Removes the name if it is this very file.
    fn remove(&self, name: &str, file: Option<FileId>) {
        if file.is_some() && self.file(name) == file {
            let _ = rustix::fs::unlinkat(&self.0, name, AtFlags::empty());
        }
    }
}

fn link_name(pool: &PoolName) -> String {
    format!("{pool}.sock")
}

fn bound_name(pool: &PoolName, number: u64) -> String {
    format!(".{pool}.{number}")
}

impl Sockets {
    /// The sockets below `root`, for the group `web_gid`. Makes the directory, or sets its owner and mode right.
    pub fn open(root: &Path, web_gid: u32) -> io::Result<Self> {
        let sockets = Self { root: root.into(), web_gid };
        if let Some(parent) = root.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        sockets.directory(root)?;
        Ok(sockets)
    }

    /// The path at which nginx finds a pool.
    pub fn path(&self, account: AccountId, pool: &PoolName) -> PathBuf {
        self.root.join(account.to_string()).join(link_name(pool))
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

    /// An account's directory, if it is there.
    fn of(&self, account: AccountId) -> io::Result<Directory> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(&*self.root, flags, Mode::empty())?;
        Ok(Directory(rustix::fs::openat(&root, account.to_string(), flags, Mode::empty())?))
    }

    /// A new listening socket in the pool's place. Whatever was there before is replaced in one step.
    pub fn create(&self, account: AccountId, pool: &PoolName, backlog: i32) -> io::Result<Socket> {
        self.directory(&self.root.join(account.to_string()))?;
        let directory = self.of(account)?;
        // Not blocking, for as long as it is ours alone.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let cookie = sockopt::socket_cookie(&fd)?;
        let name = bound_name(pool, cookie);
        let address = SocketAddrUnix::new(self.root.join(account.to_string()).join(&name))?;
        match rustix::net::bind(&fd, &address) {
            Err(Errno::ADDRINUSE) => {
                // Of before the boot: no other socket of this one has the number.
                rustix::fs::unlinkat(&directory.0, &name, AtFlags::empty())?;
                rustix::net::bind(&fd, &address)?;
            }
            bound => bound?,
        }
        let file = Some(directory.file(&name).ok_or(io::ErrorKind::NotFound)?);
        let (whose, handed_out) = (Whose { account, pool: pool.clone() }, AtomicBool::new(false));
        let socket = Socket { fd: Arc::new(fd), sockets: self.clone(), whose, cookie, number: cookie, file, handed_out };
        match self.place(&directory, &socket, backlog) {
            Ok(()) => Ok(socket),
            Err(error) => {
                socket.close();
                Err(error)
            }
        }
    }

    fn place(&self, directory: &Directory, socket: &Socket, backlog: i32) -> io::Result<()> {
        let bound = socket.bound();
        std::os::unix::fs::lchown(&bound, None, Some(self.web_gid))?;
        fs::set_permissions(&bound, Permissions::from_mode(0o660))?;
        rustix::net::listen(&socket.fd, backlog)?;
        let name = bound_name(&socket.whose.pool, socket.number);
        let link = format!("{name}.new");
        let _ = rustix::fs::unlinkat(&directory.0, &link, AtFlags::empty());
        rustix::fs::linkat(&directory.0, &name, &directory.0, &link, AtFlags::empty())?;
        Ok(rustix::fs::renameat(&directory.0, &link, &directory.0, link_name(&socket.whose.pool))?)
    }

    /// The socket behind a descriptor that came from a sandbox, and whose it is. Nothing unless we made it: the descriptor is closed then, and
    /// nothing else happens.
    ///
    /// What a sandbox did with it since is unknown, so it counts as handed out.
    pub fn recognise(&self, fd: OwnedFd) -> Option<(Whose, Socket)> {
        // The name says where to look for the record. That it is there is what counts.
        let socket = self.named(&Arc::new(fd))?;
        (socket.file.is_some() && !socket.is_of_an_earlier_version()).then(|| (socket.whose.clone(), socket))
    }

    /// The socket behind a descriptor that came from systemd's store, and whose it is. A socket of an earlier version is known by its name.
    ///
    /// Whatever else is there is shut down, or systemd would keep it for ever. It is no tenant's: only phpd puts anything there.
    pub fn recognise_stored(&self, fd: OwnedFd) -> Option<(Whose, Socket)> {
        let fd = Arc::new(fd);
        let ours = self.named(&fd).filter(|socket| socket.file.is_some() || socket.is_of_an_earlier_version());
        if ours.is_none() {
            let _ = rustix::net::shutdown(&fd, Shutdown::Both);
            tracing::warn!("systemd kept a socket that is no pool's; it was closed");
        }
        ours.map(|socket| (socket.whose.clone(), socket))
    }

    /// What the name that a descriptor was bound to says of it.
    fn named(&self, fd: &Arc<OwnedFd>) -> Option<Socket> {
        let cookie = sockopt::socket_cookie(fd).ok()?;
        let address = SocketAddrUnix::try_from(rustix::net::getsockname(fd).ok()?).ok()?;
        let bound = PathBuf::from(std::ffi::OsStr::from_bytes(address.path_bytes()?));
        let mut parts = bound.strip_prefix(&*self.root).ok()?.to_str()?.split('/');
        let (account, file, None) = (parts.next()?, parts.next()?, parts.next()) else { return None };
        let account = AccountId::parse(account).ok()?;
        let (pool, number) = file.strip_prefix('.')?.split_once('.')?;
        let (pool, number) = (PoolName::parse(pool).ok()?, number.parse().ok()?);
        let file = self.of(account).ok().and_then(|directory| directory.file(&bound_name(&pool, number)));
        let (whose, handed_out) = (Whose { account, pool }, AtomicBool::new(true));
        Some(Socket { fd: Arc::clone(fd), sockets: self.clone(), whose, cookie, number, file, handed_out })
    }

    /// Removes every file that is not of `keep`, and every directory that is empty then.
    pub fn sweep(&self, keep: &HashSet<PathBuf>) -> io::Result<()> {
        for name in bounded::names(&*self.root, MOST_ACCOUNTS)? {
            let path = self.root.join(&name);
            let account = name.to_str().and_then(|name| AccountId::parse(name).ok());
            let Some(directory) = account.and_then(|account| self.of(account).ok()) else { continue };
            let mut kept = false;
            for file in bounded::names(&path, MOST_FILES).unwrap_or_default() {
                if keep.contains(&path.join(&file)) {
                    kept = true;
                } else {
                    let _ = rustix::fs::unlinkat(&directory.0, &*file, AtFlags::empty());
                }
            }
            if !kept {
                drop(fs::remove_dir(path));
            }
        }
        Ok(())
    }

    /// Removes the account's directory if it is empty.
    pub fn forget(&self, account: AccountId) {
        drop(fs::remove_dir(self.root.join(account.to_string())));
    }
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
    pub fn bound(&self) -> PathBuf {
        self.sockets.root.join(self.whose.account.to_string()).join(bound_name(&self.whose.pool, self.number))
    }

    /// Whether a phpd bound it that did not yet name sockets by their cookies.
    pub fn is_of_an_earlier_version(&self) -> bool {
        self.number != self.cookie
    }

    /// The pool's path.
    pub fn path(&self) -> PathBuf {
        self.sockets.path(self.whose.account, &self.whose.pool)
    }

    /// The number that no other socket has until the next boot.
    pub fn cookie(&self) -> u64 {
        self.cookie
    }

    /// Whether a connection to the pool's path reaches this socket.
    pub fn in_place(&self) -> bool {
        let linked = self.sockets.of(self.whose.account).ok().and_then(|directory| directory.file(&link_name(&self.whose.pool)));
        linked.is_some() && linked == self.file && !self.is_dead()
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
            tracing::warn!("could not set the backlog of {}: {error}", self.path().display());
        }
    }

    /// Connects and goes away again.
    ///
    /// FPM's `ondemand` hears of a connection once, and starts no worker if one is idle; if that one is just being ended for its idleness,
    /// the connection waits until another one comes (seen). This is the other one.
    pub fn nudge(&self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let nudged = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .and_then(|fd| rustix::net::connect(&fd, &SocketAddrUnix::new(self.path())?));
        if let Err(error) = nudged {
            tracing::debug!("could not nudge {}: {error}", self.path().display());
        }
    }

    /// Whether a sandbox got it, so that its state is the tenant's to change.
    pub fn is_handed_out(&self) -> bool {
        self.handed_out.load(Ordering::SeqCst)
    }

    /// Takes one waiting connection, if there is one, without ever waiting. Takes none from a socket that was handed out, where nobody could
    /// promise that.
    pub fn accept_own(&self) -> Option<OwnedFd> {
        if self.is_handed_out() {
            return None;
        }
        rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC).ok()
    }

    /// The descriptor itself, to be held for a while longer than the socket may be.
    pub fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// A second descriptor of it, to be handed to a sandbox. FPM needs it to be blocking, which holds for all descriptors of it.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.handed_out.store(true, Ordering::SeqCst);
        set_blocking(&self.fd, true);
        self.fd.try_clone()
    }

    /// Ends it for everybody who holds it.
    pub fn shut_down(&self) {
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Both);
    }

    /// Ends it for everybody who holds it, and removes its files. The shutdown also makes systemd drop its copy from the store: all
    /// copies share one name there, so one alone could not be removed by name, but one that hangs up goes by itself.
    pub fn close(self) {
        self.shut_down();
        let Whose { account, pool } = &self.whose;
        if let Ok(directory) = self.sockets.of(*account) {
            directory.remove(&link_name(pool), self.file);
            directory.remove(&bound_name(pool, self.number), self.file);
        }
    }
}

/// Sets or takes away O_NONBLOCK, which belongs to the open file and not to the descriptor. It never waits.
pub(crate) fn set_blocking(fd: impl AsFd, blocking: bool) {
    if let Ok(flags) = rustix::fs::fcntl_getfl(&fd) {
        let wanted = if blocking { flags - OFlags::NONBLOCK } else { flags | OFlags::NONBLOCK };
        if wanted != flags {
            let _ = rustix::fs::fcntl_setfl(&fd, wanted);
        }
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
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
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
        assert_eq!(mode(&socket.path()), 0o660);
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
        assert!(again.recognise(old.duplicate().expect("a descriptor")).is_none(), "its record is gone");
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
        assert!(old.accept_own().is_some() && old.accept_own().is_none());
        assert!(new.accept_own().is_some() && new.accept_own().is_none());
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
        let name = neighbour.bound();
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
    fn a_socket_that_was_handed_out_is_never_accepted_on() {
        let (_root, sockets) = sockets();
        let socket = sockets.create(AccountId::generate(), &PoolName::main(), 16).expect("it is made");
        let _waits = UnixStream::connect(socket.path()).expect("somebody listens");
        let copy = socket.duplicate().expect("a copy");
        assert!(socket.has_connection() && socket.accept_own().is_none());
        let (_, again) = sockets.recognise(copy).expect("it is ours");
        assert!(again.has_connection() && again.accept_own().is_none(), "nobody knows what became of it");
    }

    #[test]
    fn only_its_own_files_go_with_a_socket() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let socket = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        let (bound, path) = (socket.bound(), socket.path());
        for file in [&bound, &path] {
            fs::remove_file(file).expect("removed");
            fs::write(file, "another file").expect("written");
        }
        socket.close();
        assert!(bound.exists() && path.exists());
    }

    #[test]
    fn a_closed_socket_is_gone_for_everybody() {
        let (_root, sockets) = sockets();
        let account = AccountId::generate();
        let socket = sockets.create(account, &PoolName::main(), 16).expect("it is made");
        let (_, copy) = sockets.recognise(socket.duplicate().expect("a copy")).expect("it is ours");
        let path = socket.path();
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
        sockets.sweep(&HashSet::from([socket.bound(), socket.path()])).expect("swept");
        let left: Vec<_> = fs::read_dir(sockets.root.join(account.to_string())).expect("it is there").flatten().collect();
        assert_eq!(left.len(), 2, "the binding and the path");
        assert!(socket.in_place());
        sockets.sweep(&HashSet::new()).expect("swept");
        assert_eq!(fs::read_dir(&sockets.root).expect("it is there").count(), 0);
    }
}
