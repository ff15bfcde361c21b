//! What a phpd of an earlier version leaves when it is upgraded: sockets that it bound to `.<pool>.<number>`, which systemd keeps, records
//! without the numbers of sockets, a `php.log` that belongs to the account and that its PHP writes to itself.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use opterius_phpd::process::{Process, ProcessId, children};
use opterius_protocol::phpd::{PoolSpec, PoolState};
use serde_json::json;

use crate::server::{Server, eventually, exists, fastcgi, processes_of};

/// A socket in the pool's place, as earlier versions made it.
fn older_socket(server: &Server, spec: &PoolSpec, number: u32) -> UnixListener {
    let path = server.socket(spec);
    let bound = path.with_file_name(format!(".{}.{number}", spec.pool));
    let listener = UnixListener::bind(&bound).expect("bound");
    let group = fs::metadata(path.parent().expect("a directory")).expect("it is there").gid();
    lchown(&bound, None, Some(group)).expect("given");
    fs::set_permissions(&bound, fs::Permissions::from_mode(0o660)).expect("set");
    let link = path.with_file_name("new");
    fs::hard_link(&bound, &link).expect("linked");
    fs::rename(link, &path).expect("put in place");
    listener
}

/// A record as earlier versions wrote it.
fn older_record(server: &Server, spec: &PoolSpec, bound: &Path, processes: Option<(ProcessId, ProcessId)>) -> PathBuf {
    let run = server.path("run/phpd/runs").join(format!("{}.{}.1700000000000000", spec.account_id, spec.pool));
    fs::create_dir(&run).expect("made");
    let processes = processes.map(|(first, master)| json!({ "first": first, "master": master }));
    let record = json!({ "version": 1, "spec": spec, "bound": bound, "processes": processes, "retiring": false });
    fs::write(run.join("record.json"), record.to_string()).expect("written");
    run
}

/// Stands for a sandbox whose workers are all busy: root's first process, and an FPM of the account's that accepts nothing, and ends when it
/// is told to, after a last line in its log.
struct Busy(Child);

impl Busy {
    fn start(spec: &PoolSpec, socket: &UnixListener, log: &Path) -> (Self, ProcessId, ProcessId) {
        let master = r#"$SIG{QUIT} = sub { open(my $log, '>>', $ARGV[0]) or die; print $log "its last words\n"; close $log; exit };
                        $| = 1; print "up\n"; sleep 1 while 1"#;
        let uid = spec.uid.get().to_string();
        let first = Command::new("/bin/sh")
            .args(["-c", r#"setpriv --reuid "$1" --regid "$1" --clear-groups perl -e "$2" "$3" & wait"#, "sh", &uid, master])
            .arg(log)
            .stdin(Stdio::from(socket.as_fd().try_clone_to_owned().expect("a copy")))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut busy = Self(first);
        let mut up = [0; 3];
        std::io::Read::read_exact(busy.0.stdout.as_mut().expect("a pipe"), &mut up).expect("it is up");
        let pid = busy.0.id();
        let of = |pid| Process::open(pid).expect("it runs").id();
        let master = *children(pid).first().expect("it has a child");
        (busy, of(pid), of(master))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in children(self.0.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.cast_signed()), nix::sys::signal::Signal::SIGKILL);
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Whether systemd would drop its copy.
fn hangs_up(fd: impl AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(&fd, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).expect("polled");
    fds[0].revents().contains(PollFlags::HUP)
}

async fn nothing_of_it_stays(server: &Server, spec: &PoolSpec, store: impl AsFd) {
    eventually("systemd drops its copy", async || hangs_up(&store)).await;
    eventually("only the new socket and its record are on disk", async || {
        let directory = server.socket(spec).parent().expect("a directory").to_owned();
        let names: Vec<_> = fs::read_dir(directory).expect("it is there").flatten().map(|file| file.file_name()).collect();
        names.len() == 2 && !names.contains(&format!(".{}.0", spec.pool).into())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn what_waits_at_the_socket_of_an_earlier_version_is_answered_and_the_socket_goes() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.kill_phpd();
    let store = OwnedFd::from(older_socket(&server, &spec, 0));
    let script = server.script(&spec, "hello", "echo 'hello';");
    let waiting: Vec<_> = (0..3).map(|_| fastcgi::send(&server.socket(&spec), &script).expect("connected")).collect();
    server.start_phpd_with(&[&store]).await;
    for sent in waiting {
        let answer = tokio::task::spawn_blocking(|| sent.answer()).await.expect("no panic").expect("it is answered");
        assert_eq!(answer.body(), "hello");
    }
    nothing_of_it_stays(&server, &spec, &store).await;
    assert_eq!(server.ping(&spec).await, spec.ping_response());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn what_waits_for_a_php_of_an_earlier_version_is_answered_and_its_last_words_are_kept() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.kill_phpd();
    let listener = older_socket(&server, &spec, 0);
    let log = server.path("logs/alice/php.log");
    fs::write(&log, "before\n").expect("written");
    lchown(&log, Some(spec.uid.get()), Some(spec.uid.get())).expect("given");
    let (_busy, first, master) = Busy::start(&spec, &listener, &log);
    let run = older_record(&server, &spec, &server.socket(&spec).with_file_name(".main.0"), Some((first, master)));
    let store = OwnedFd::from(listener);
    let script = server.script(&spec, "hello", "error_log('from the new one'); echo 'hello';");
    let waiting: Vec<_> = (0..3).map(|_| fastcgi::send(&server.socket(&spec), &script).expect("connected")).collect();
    server.start_phpd_with(&[&store]).await;
    for sent in waiting {
        let answer = tokio::task::spawn_blocking(|| sent.answer()).await.expect("no panic").expect("it is answered");
        assert_eq!(answer.body(), "hello");
    }
    nothing_of_it_stays(&server, &spec, &store).await;
    eventually("its record is gone", async || !exists(&run)).await;
    eventually("the log has it all", async || {
        let text = fs::read_to_string(&log).expect("read");
        ["before\n", "its last words\n", "from the new one"].iter().all(|line| text.contains(line))
    })
    .await;
    server.until(&spec, PoolState::Running).await;
    server.php(&spec, "error_log('and it goes on');").await;
    eventually("the log is root's", async || {
        let text = fs::read_to_string(&log).expect("read");
        text.contains("and it goes on") && fs::metadata(&log).expect("there").uid() == 0
    })
    .await;
    assert!(!server.journal().contains("without a log"), "{}", server.journal());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_start_that_an_earlier_version_left_half_done_is_ended() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.kill_phpd();
    let run = older_record(&server, &spec, &server.socket(&spec).with_file_name(".main.0"), None);
    fs::write(run.join("passwd"), "").expect("written");
    let uid = spec.uid.get();
    let mut outer = Command::new("/usr/bin/bwrap")
        .args(["--unshare-pid", "--new-session", "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"])
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--ro-bind"])
        .arg(run.join("passwd"))
        .args(["/etc/passwd", "/usr/bin/setpriv", "--clear-groups"])
        .args([format!("--reuid={uid}"), format!("--regid={uid}")])
        .args(["/bin/sleep", "1000"])
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("it starts");
    eventually("it runs", async || !processes_of(&spec).is_empty()).await;
    server.start_phpd().await;
    let outer = std::thread::spawn(move || outer.wait());
    eventually("it has ended", async || processes_of(&spec).is_empty() && outer.is_finished()).await;
    eventually("its record is gone", async || !exists(&run)).await;
    assert_eq!(server.ping(&spec).await, spec.ping_response());
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn a_stored_socket_of_no_pool_is_dropped() {
    let mut server = Server::start("").await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.kill_phpd();
    let elsewhere = UnixListener::bind(server.path("elsewhere")).expect("bound");
    let gone = older_socket(&server, &spec, 0);
    fs::remove_dir_all(server.path("state/pools").join(spec.account_id.to_string())).expect("removed");
    let stores = [OwnedFd::from(elsewhere), OwnedFd::from(gone)];
    server.start_phpd_with(&[&stores[0], &stores[1]]).await;
    for store in &stores {
        eventually("systemd drops its copy", async || hangs_up(store)).await;
    }
    assert!(!exists(server.socket(&spec).parent().expect("a directory")));
}
