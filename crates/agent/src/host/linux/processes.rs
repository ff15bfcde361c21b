//! The processes of an account: those of its uid, and whatever runs in its cgroup. What is killed is held by a descriptor while it is looked
//! whose it is, so that a number that was given to somebody else meanwhile costs nobody's process.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_model::{AccountId, Uid};
use opterius_protocol::bounded;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::Semaphore;

use crate::host::{HostError, ProcessesSeen};

/// The unit below whose cgroup phpd makes one for each account.
const UNIT: &str = "opterius-accounts.service";

/// The kernel has no more processes than this (`PID_MAX_LIMIT`).
const MOST_PROCESSES: usize = 4 << 20;

/// The list of a cgroup's processes has no more bytes than this.
const MOST_PROCS_BYTES: u64 = 64 * bounded::MIB;

/// An account's cgroup has one below it for each pool, and these have none.
const CGROUP_DEPTH: usize = 8;

/// The most cgroups of an account.
const MOST_CGROUPS: usize = 10_000;

/// The longest that a file of a process in `/proc` can be: its list of groups is what may be long.
const MOST_STATUS_BYTES: u64 = bounded::MIB;

/// The beginning of a process's status, in which the uids stand: no line before them is long.
const STATUS_BEGIN: usize = 4096;

/// Looks at every process of the server take turns, so that closing many accounts at once leaves threads for everything else.
pub(super) static LOOKS: Semaphore = Semaphore::const_new(8);

/// Whose processes are meant.
#[derive(Debug, Clone)]
struct Owner {
    uid: Uid,
    /// The account's cgroup in each hierarchy that systemd manages: the path as `/proc/<pid>/cgroup` says it, and the directory.
    cgroups: Vec<(String, PathBuf)>,
    /// Whether the kernel's lists of who is in these can be read here.
    has_lists: bool,
}

/// What is looked at of a process.
struct Process {
    of_uid: bool,
    in_cgroup: bool,
    sandboxed: bool,
}

impl Owner {
    fn new(account: Option<AccountId>, uid: Uid) -> Self {
        let own = bounded::text("/proc/self/cgroup", MOST_STATUS_BYTES).unwrap_or_default();
        let cgroups = account.map(|account| own.lines().filter_map(|line| beside(line, account)).collect()).unwrap_or_default();
        let has_lists = own.lines().filter_map(directory_of).all(|(_, _, directory)| lists_this_process(&directory));
        Self { uid, cgroups, has_lists }
    }

    /// Looks at a process; nothing if it has ended.
    fn look_at(&self, pid: i32) -> io::Result<Option<Process>> {
        let Some(status) = or_gone(bounded::file(format!("/proc/{pid}/status"), MOST_STATUS_BYTES))? else { return Ok(None) };
        // A process names itself, in whatever bytes it pleases.
        let status = String::from_utf8_lossy(&status);
        if has_ended(&status) {
            return Ok(None);
        }
        let of_uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).is_some_and(|uids| self.is_among(uids));
        let in_cgroup = !self.cgroups.is_empty() && {
            let cgroups = or_gone(bounded::file(format!("/proc/{pid}/cgroup"), MOST_STATUS_BYTES))?.unwrap_or_default();
            let is_below = |line: &str| self.cgroups.iter().any(|(path, _)| is_in(line, path));
            String::from_utf8_lossy(&cgroups).lines().any(is_below)
        };
        // Nothing more of strangers' processes: a create looks at every process of the server.
        Ok(Some(Process { of_uid, in_cgroup, sandboxed: in_cgroup || (of_uid && is_sandboxed(&pid.to_string())) }))
    }

    /// Whether the uid is one of these: the real, effective, saved and file-system uid of a process.
    fn is_among(&self, uids: &str) -> bool {
        uids.split_whitespace().any(|uid| uid.parse() == Ok(self.uid.get()))
    }

    /// Whether a process is another uid's, by the beginning of its status, which is all that is read of most processes. What cannot be told
    /// from that is looked at as a whole.
    fn is_a_strangers(&self, pid: i32) -> io::Result<bool> {
        let mut begin = [0; STATUS_BEGIN];
        let read = File::open(format!("/proc/{pid}/status")).and_then(|mut status| status.read(&mut begin));
        let Some(length) = or_gone(read)? else { return Ok(true) };
        let mut ends = memchr::memmem::find_iter(&begin[..length], "\nUid:");
        let Some(uids) = ends.next().map(|at| &begin[at + "\nUid:".len()..length]) else { return Ok(false) };
        let Some(end) = memchr::memchr(b'\n', uids) else { return Ok(false) };
        Ok(!self.is_among(&String::from_utf8_lossy(&uids[..end])))
    }

    /// Every process of the uid and in the cgroups. These lists are read last: whoever was in a cgroup when this began is in one of them, and
    /// they hide nobody, as `/proc` may.
    fn all(&self) -> Result<Vec<(i32, Process)>, HostError> {
        let looking = |pid: i32| HostError::failed(format!("look at the process {pid}"));
        let uids_are_enough = self.cgroups.is_empty() || self.has_lists;
        let mut found = BTreeMap::new();
        for name in bounded::names("/proc", MOST_PROCESSES).map_err(HostError::failed("read /proc"))? {
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if !(uids_are_enough && self.is_a_strangers(pid).map_err(looking(pid))?) {
                found.insert(pid, self.look_at(pid).map_err(looking(pid))?);
            }
        }
        let mut listed = BTreeSet::new();
        for (_, directory) in &self.cgroups {
            members(directory, CGROUP_DEPTH, &mut listed).map_err(HostError::failed(format!("read {}", directory.display())))?;
        }
        for pid in listed {
            found.insert(pid, self.look_at(pid).map_err(looking(pid))?);
        }
        let processes = found.into_iter().filter_map(|(pid, process)| Some((pid, process?)));
        Ok(processes.filter(|(_, process)| process.of_uid || process.in_cgroup).collect())
    }

    /// Kills a process if it is still one of these.
    fn kill(&self, pid: i32, wanted: fn(&Process) -> bool) {
        // From here on the number may be given to another process, but the descriptor is this one's.
        let Some(Ok(process)) = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return };
        if self.look_at(pid).ok().flatten().is_some_and(|found| (found.of_uid || found.in_cgroup) && wanted(&found)) {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
}

/// Nothing of a process that ended meanwhile; any other failure says nothing about it.
fn or_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        read => read.map(Some),
    }
}

/// Whether a process has ended, by its status. That is the first thread's, which may end long before the others.
fn has_ended(status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    field("State:").starts_with(['Z', 'X']) && field("Threads:").parse().is_ok_and(|threads: u32| threads <= 1)
}

/// Adds the processes of a cgroup and of those below it.
fn members(cgroup: &Path, depth: usize, found: &mut BTreeSet<i32>) -> io::Result<()> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV);
    let procs = match bounded::text(cgroup.join("cgroup.procs"), MOST_PROCS_BYTES) {
        Ok(procs) => procs,
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    found.extend(procs.lines().filter_map(|line| line.trim().parse::<i32>().ok()).filter(|pid| *pid > 0));
    if depth == 0 {
        return Ok(());
    }
    let names = match bounded::names(cgroup, MOST_CGROUPS) {
        Ok(names) => names,
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for below in names.into_iter().map(|name| cgroup.join(name)).filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_dir())) {
        members(&below, depth - 1, found)?;
    }
    Ok(())
}

/// The cgroup that a line of `/proc/self/cgroup` names in a hierarchy that systemd manages: how the line begins, the mount, the directory.
fn directory_of(line: &str) -> Option<(String, &'static Path, PathBuf)> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let mount = match (id, controllers) {
        ("0", "") if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() => "/sys/fs/cgroup",
        ("0", "") => "/sys/fs/cgroup/unified",
        (_, "name=systemd") => "/sys/fs/cgroup/systemd",
        _ => return None,
    };
    let mount = Path::new(mount);
    Some((format!("{id}:{controllers}:"), mount, mount.join(path.strip_prefix('/')?)))
}

/// The account's cgroup in a hierarchy that systemd manages, from the line of `/proc/self/cgroup` that names the Agent's own: the unit of all
/// accounts stands beside the Agent's. The path as such a line says it, and the directory.
fn beside(line: &str, account: AccountId) -> Option<(String, PathBuf)> {
    let (begin, mount, own) = directory_of(line)?;
    let parent = own.parent().filter(|parent| parent.starts_with(mount))?;
    let directory = parent.join(UNIT).join(account.to_string());
    let path = Path::new("/").join(directory.strip_prefix(mount).ok()?);
    Some((format!("{begin}{}", path.to_str()?), directory))
}

/// Whether a cgroup's list of processes can be read, and is the kernel's: this process must be in it.
fn lists_this_process(own: &Path) -> bool {
    let this = std::process::id().to_string();
    bounded::text(own.join("cgroup.procs"), MOST_PROCS_BYTES).is_ok_and(|procs| procs.lines().any(|line| line.trim() == this))
}

/// Whether a line of `/proc/<pid>/cgroup` names this cgroup or one below it.
fn is_in(line: &str, cgroup: &str) -> bool {
    line.strip_prefix(cgroup).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a process is in a sandbox: these have PID namespaces of their own, which nobody gets into later.
fn is_sandboxed(pid: &str) -> bool {
    #[cfg(test)]
    tests::NAMESPACES_LOOKED_AT.with_borrow_mut(|looked_at| looked_at.push(pid.to_owned()));
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    namespace(pid).is_some_and(|theirs| Some(theirs) != namespace("self"))
}

/// Whether a process has this uid.
pub(super) fn any_of(uid: Uid) -> Result<bool, HostError> {
    Ok(!Owner::new(None, uid).all()?.is_empty())
}

pub(super) fn see(account: AccountId, uid: Uid) -> Result<ProcessesSeen, HostError> {
    let (sandboxed, sessions): (Vec<_>, Vec<_>) =
        Owner::new(Some(account), uid).all()?.into_iter().partition(|(_, process)| process.sandboxed);
    Ok(ProcessesSeen { sandboxed: sandboxed.len() as u64, sessions: sessions.len() as u64 })
}

/// The real uid of a thread that kills as an account. No process has it: in 16 bits it is the number for "none", so nothing uses it.
const NOBODYS_UID: u32 = 65_535;

/// Kills every process of a uid at once. A list is outdated when it is read: whatever forks and ends fast enough is never met in one. The
/// kernel kills all that a sender may signal while nothing can be forked, so that none gets away.
///
/// A sender may signal by its effective uid, its real uid, and by a capability; only the first of these is the account's, and there must be
/// nothing that the other two reach. The account cannot signal the sender, whose real and saved uid are not its own.
fn kill_at_once(uid: Uid) -> Result<(), HostError> {
    // Only for this thread, which does nothing else. To the kernel each thread has credentials of its own, and the sender's other threads are
    // spared like itself.
    let kill = move || -> io::Result<()> {
        let nobodys = rustix::process::Uid::from_raw(NOBODYS_UID);
        let theirs = rustix::process::Uid::from_raw(uid.get());
        rustix::thread::set_thread_res_uid(nobodys, theirs, nobodys)?;
        let may_kill_others = rustix::thread::capabilities(None)?.effective.contains(rustix::thread::CapabilitySet::KILL);
        if may_kill_others || (rustix::process::getuid(), rustix::process::geteuid()) != (nobodys, theirs) {
            return Err(io::Error::other("the thread would kill more than the account's processes"));
        }
        match nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), nix::sys::signal::Signal::SIGKILL) {
            // Nobody is there, or nobody of this uid.
            Ok(()) | Err(nix::errno::Errno::ESRCH | nix::errno::Errno::EPERM) => Ok(()),
            Err(error) => Err(error.into()),
        }
    };
    let doing = || format!("kill the processes of uid {uid}");
    let thread = std::thread::Builder::new().name("kill".to_owned()).spawn(kill).map_err(HostError::failed(doing()))?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked"))).map_err(HostError::failed(doing()))
}

/// Kills until nothing is left.
pub(super) async fn end_all(account: AccountId, uid: Uid) -> Result<(), HostError> {
    end(Some(account), uid, Whose::All).await
}

/// The same, but for what is in the sandbox. What forks while it is being killed is met in the next round.
pub(super) async fn end_sessions(account: AccountId, uid: Uid) -> Result<(), HostError> {
    end(Some(account), uid, Whose::Sessions).await
}

/// So often is killed and looked, with a shorter pause at the beginning, when most of what was killed has ended.
const ROUNDS: u32 = 200;
const SOON: u32 = 10;

/// Which of the account's processes are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    All,
    /// Those that are not in its sandbox.
    Sessions,
}

async fn end(account: Option<AccountId>, uid: Uid, whose: Whose) -> Result<(), HostError> {
    let wanted: fn(&Process) -> bool = match whose {
        Whose::All => |_| true,
        Whose::Sessions => |process| !process.sandboxed,
    };
    let mut empty = 0;
    for round in 0..ROUNDS {
        let left = super::blocking_in_turn(&LOOKS, move || {
            if whose == Whose::All {
                kill_at_once(uid)?;
            }
            let owner = Owner::new(account, uid);
            let processes: Vec<_> = owner.all()?.into_iter().filter(|(_, process)| wanted(process)).collect();
            for (pid, _) in &processes {
                owner.kill(*pid, wanted);
            }
            Ok(processes.len())
        })
        .await?;
        if left > 0 {
            // They need a moment to end.
            empty = 0;
            tokio::time::sleep(Duration::from_millis(if round < SOON { 2 } else { 10 })).await;
            continue;
        }
        empty += 1;
        if empty == 2 {
            return Ok(());
        }
        // Something may have begun between the two. What is killed at once has nothing left that could begin anything, so that the next look
        // needs no pause; of sessions that fork it may show another one.
        if whose == Whose::Sessions {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Err(HostError::failed(format!("end the processes of uid {uid}"))("some were still there after 200 rounds of SIGKILL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        pub(super) static NAMESPACES_LOOKED_AT: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    #[test]
    fn of_strangers_processes_no_more_is_read_than_whose_they_are() {
        assert!(!any_of(owner().uid).expect("a look"), "nobody has this uid");
        assert_eq!(NAMESPACES_LOOKED_AT.take(), Vec::<String>::new());
        let own = std::process::id().to_string();
        assert!(owner().all().expect("a look").iter().any(|(pid, _)| pid.to_string() == own));
    }

    fn account() -> AccountId {
        AccountId::parse("0193a5e0-7c1e-7000-8000-000000000001").expect("an id")
    }

    #[test]
    fn the_accounts_cgroup_is_looked_for_beside_the_agents_own() {
        let (line, directory) = beside("1:name=systemd:/machine/system.slice/opterius-agent.service", account()).expect("one");
        let path = format!("/machine/system.slice/opterius-accounts.service/{}", account());
        assert_eq!((line, directory), (format!("1:name=systemd:{path}"), PathBuf::from(format!("/sys/fs/cgroup/systemd{path}"))));
        assert!(beside("8:pids:/system.slice/opterius-agent.service", account()).is_none());
        assert!(beside("1:name=systemd:/", account()).is_none());
    }

    #[test]
    fn a_cgroup_holds_those_below_it_and_none_whose_name_begins_alike() {
        assert!(is_in("0::/unit/one", "0::/unit/one") && is_in("0::/unit/one/main", "0::/unit/one"));
        assert!(!is_in("0::/unit/one-more", "0::/unit/one") && !is_in("1:name=systemd:/unit/one", "0::/unit/one"));
    }

    /// This process's own cgroup as if it was the account's, and a uid that nobody has.
    fn owner() -> Owner {
        let own = bounded::text("/proc/self/cgroup", MOST_STATUS_BYTES).expect("a file of the kernel");
        let line = own.lines().find(|line| line.starts_with("0::") || line.contains(":name=systemd:")).expect("a hierarchy of systemd");
        Owner { uid: Uid::try_from(20_000).expect("a uid"), cgroups: vec![(line.to_owned(), "/nowhere".into())], has_lists: false }
    }

    #[test]
    fn a_process_is_known_by_its_cgroup_whatever_its_uid() {
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().expect("it starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        let theirs = Owner { cgroups: vec![("0::/nobody's".to_owned(), "/nowhere".into())], ..owner() };
        theirs.kill(pid, |_| true);
        assert!(theirs.look_at(pid).expect("a look").is_some_and(|found| !found.in_cgroup && !found.of_uid), "a stranger's process stays");
        assert!(owner().all().expect("a look").iter().any(|(found, process)| *found == pid && process.in_cgroup));
        owner().kill(pid, |_| false);
        assert!(child.try_wait().expect("a look").is_none(), "what is not wanted stays");
        owner().kill(pid, |_| true);
        assert!(!child.wait().expect("it ends").success());
        assert!(owner().look_at(pid).expect("a look").is_none());
    }

    #[test]
    fn the_members_of_a_cgroup_are_listed_with_those_below_it() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("main")).expect("made");
        std::fs::write(dir.path().join("cgroup.procs"), "").expect("written");
        std::fs::write(dir.path().join("main/cgroup.procs"), "12\n0\n34\n").expect("written");
        let mut found = BTreeSet::new();
        members(dir.path(), CGROUP_DEPTH, &mut found).expect("a look");
        assert_eq!(found, BTreeSet::from([12, 34]));
        members(&dir.path().join("gone"), CGROUP_DEPTH, &mut found).expect("none is no failure");
    }

    /// A uid that nothing else here has.
    const UID: u32 = 59_777;

    /// A program of that uid, which only root can start.
    fn python(script: &str) -> tokio::process::Command {
        assert!(rustix::process::geteuid().is_root(), "this test is run as root, as ./test does");
        let mut command = tokio::process::Command::new("/usr/bin/python3");
        command.args(["-c", script]).uid(UID).gid(UID).env_clear().current_dir("/").kill_on_drop(true);
        command
    }

    /// Waits for the end of what a test started, but not for ever.
    async fn at_most<T>(what: &str, ends: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), ends).await.unwrap_or_else(|_| panic!("{what} goes on"))
    }

    #[tokio::test]
    async fn a_process_whose_first_thread_has_ended_is_alive_while_another_goes_on() {
        let uid = Uid::try_from(UID).expect("a uid");
        let script = "import ctypes, sys, threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); \
            ctypes.CDLL(None).syscall(ctypes.c_long(int(sys.argv[1])), 0)";
        let mut child = python(script).arg(libc::SYS_exit.to_string()).spawn().expect("it starts");
        let pid = i32::try_from(child.id().expect("it was not waited for")).expect("a pid");
        let status = || bounded::text(format!("/proc/{pid}/status"), MOST_STATUS_BYTES).expect("it was not waited for");
        at_most("its first thread", async {
            while !status().contains("State:\tZ") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(Owner::new(None, uid).look_at(pid).expect("a look").is_some_and(|found| found.of_uid), "{}", status());
        end(None, uid, Whose::All).await.expect("an end");
        assert!(!at_most("the process", child.wait()).await.expect("it ends").success());
    }

    #[tokio::test]
    async fn a_process_is_seen_whatever_it_calls_itself() {
        let uid = Uid::try_from(UID + 3).expect("a uid");
        // No UTF-8, and what looks like a line of its status.
        for name in [r"b'\xff\xfe'", r"b'x\nUid:\t0 0 0'", r"b'\n\n\n\n\n\n\n\n'"] {
            let script =
                format!("import ctypes, os, time\nctypes.CDLL(None).prctl(15, {name}, 0, 0, 0)\nos.write(1, b'x')\ntime.sleep(600)");
            let mut child = python(&script).uid(uid.get()).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
            let mut output = child.stdout.take().expect("a pipe");
            let begins = tokio::io::AsyncReadExt::read_exact(&mut output, &mut [0]).await;
            begins.expect("it begins");
            assert!(any_of(uid).expect("a look"), "{name}");
            end(None, uid, Whose::Sessions).await.expect("an end");
            assert!(!at_most("the process", child.wait()).await.expect("it ends").success(), "{name}");
        }
        assert!(!any_of(uid).expect("a look"));
    }

    #[test]
    fn who_is_in_a_cgroup_is_looked_for_among_all_processes_where_its_lists_cannot_be_read() {
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().expect("it starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        let is_found = |owner: &Owner| owner.all().expect("a look").iter().any(|(found, process)| *found == pid && process.in_cgroup);
        assert!(is_found(&owner()), "its directory is nowhere");
        let dir = tempfile::tempdir().expect("a directory");
        let listed = Owner { cgroups: vec![(owner().cgroups.remove(0).0, dir.path().to_owned())], has_lists: true, ..owner() };
        std::fs::write(dir.path().join("cgroup.procs"), format!("{pid}\n")).expect("written");
        assert!(is_found(&listed), "by the list, whatever its uid");
        std::fs::write(dir.path().join("cgroup.procs"), "").expect("written");
        assert!(!lists_this_process(dir.path()), "a list without this process is not the kernel's");
        std::fs::write(dir.path().join("cgroup.procs"), format!("1\n{}\n", std::process::id())).expect("written");
        assert!(lists_this_process(dir.path()));
        child.kill().and_then(|()| child.wait()).expect("it ends");
    }

    #[tokio::test]
    async fn a_process_that_has_ended_and_was_not_waited_for_is_none() {
        let mut child = std::process::Command::new("/bin/true").spawn().expect("it starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        at_most("the process", async {
            while owner().look_at(pid).expect("a look").is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(bounded::text(format!("/proc/{pid}/status"), MOST_STATUS_BYTES).is_ok_and(|status| status.contains("State:\tZ")));
        assert!(child.wait().expect("it ends").success());
    }

    #[tokio::test]
    async fn what_forks_and_ends_too_fast_to_be_seen_is_ended() {
        let uid = Uid::try_from(UID + 1).expect("a uid");
        // The chain ends by itself after a while, lest a failure leaves it behind.
        let script = "import os, time\nend = time.monotonic() + 120\nos.write(1, b'x')\n\
            while time.monotonic() < end:\n    if os.fork(): os._exit(0)";
        let mut first = python(script).uid(uid.get()).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
        let mut output = first.stdout.take().expect("a pipe");
        let mut byte = [0];
        tokio::io::AsyncReadExt::read_exact(&mut output, &mut byte).await.expect("it begins");
        let mut bystander =
            tokio::process::Command::new("/bin/sleep").arg("600").uid(UID + 2).kill_on_drop(true).spawn().expect("it starts");
        end(None, uid, Whose::All).await.expect("an end");
        // Each link of the chain holds the pipe open.
        at_most("the chain", bounded::drain(output, 1)).await.expect("its end");
        assert!(bystander.try_wait().expect("a look").is_none(), "what is another uid's stays");
        let own = rustix::process::geteuid();
        assert!(own.is_root(), "this process is still who it was");
    }
}
