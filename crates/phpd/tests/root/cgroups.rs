//! Cgroups of the accounts, in a tree of version 2 of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use opterius_protocol::phpd::{CgroupLevel, PoolSpec, PoolState};

use crate::UNTIL_GO;
use crate::server::{Server, eventually, exists, processes_of};

/// A cgroup of this test's own.
struct Delegated(PathBuf);

impl Delegated {
    fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("read");
        let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[2] == "cgroup2");
        let mount = mount.expect("this machine has a tree of cgroups of version 2")[1];
        let path = Path::new(mount).join(format!("opterius-phpd-test-{}", std::process::id()));
        fs::create_dir(&path).expect("made");
        Self(path)
    }

    /// The cgroups of the account's sandboxes.
    fn runs(&self, spec: &PoolSpec) -> Vec<PathBuf> {
        let pool = self.0.join(spec.account_id.to_string()).join(spec.pool.as_str());
        fs::read_dir(pool).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        drop(fs::write(self.0.join("cgroup.kill"), "1"));
        // The deepest first; what was killed may take a moment to be gone.
        for _ in 0..100 {
            drop(Command::new("find").arg(&self.0).args(["-depth", "-type", "d", "-delete"]).output());
            if !self.0.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

fn has(cgroup: &Path, pid: u32) -> bool {
    fs::read_to_string(cgroup.join("cgroup.procs")).expect("read").lines().any(|line| line == pid.to_string())
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn each_sandbox_is_in_a_cgroup_of_its_own_and_ends_with_all_that_is_in_it() {
    let delegated = Delegated::new();
    let mut server = Server::start(&format!("accounts_cgroup = {:?}", delegated.0)).await;
    let handed_on = fs::read_to_string(delegated.0.join("cgroup.subtree_control")).expect("read");
    let all = ["cpu", "memory", "pids"].iter().all(|controller| handed_on.split_whitespace().any(|on| on == *controller));
    let expected = if all { CgroupLevel::Full } else { CgroupLevel::Tree };
    assert_eq!(server.health().await.cgroup_level, Some(expected), "handed on: {handed_on}");

    let mut spec = server.account("alice");
    server.put(&spec).await;
    let script = server.script(&spec, "slow", UNTIL_GO);
    let (socket, path) = (server.socket(&spec), script.clone());
    let request = tokio::task::spawn_blocking(move || crate::server::fastcgi::ask(&socket, &path));
    let inside = server.path("home").join(spec.username.as_str()).join("tmp");
    eventually("the request runs", async || exists(&inside.join("begun"))).await;
    let first = server.status(&spec).await.master_pid.expect("it runs");
    let [old] = &delegated.runs(&spec)[..] else { panic!("one cgroup: {:?}", delegated.runs(&spec)) };
    assert!(has(old, first), "FPM's master is in it");

    // The next sandbox begins while the first one still works on a request: the end of the first is not that of the second.
    spec.generation = spec.generation.next();
    server.put(&spec).await;
    server.ping(&spec).await;
    server.until(&spec, PoolState::Running).await;
    let second = server.status(&spec).await.master_pid.expect("it runs");
    let runs = delegated.runs(&spec);
    let new = runs.iter().find(|run| *run != old).expect("a second cgroup");
    assert!(first != second && has(new, second) && has(old, first), "each in its own");
    // What the end of the sandbox's first process does not end.
    let mut stray = Command::new("/bin/sleep").arg("600").spawn().expect("it starts");
    fs::write(old.join("cgroup.procs"), stray.id().to_string()).expect("it joins");
    fs::write(inside.join("go"), "").expect("written");
    assert_eq!(request.await.expect("it does not panic").expect("an answer").body(), "whole");
    eventually("the first cgroup is gone", async || !exists(old)).await;
    assert!(!stray.wait().expect("it was a child").success(), "it was killed");
    assert_eq!(server.ping(&spec).await, format!("{} {}", spec.account_id, spec.generation));
    assert_eq!(server.status(&spec).await.master_pid, Some(second), "the second one goes on");

    let mut stray = Command::new("/bin/sleep").arg("600").spawn().expect("it starts");
    fs::write(new.join("cgroup.procs"), stray.id().to_string()).expect("it joins");
    assert!(server.delete(&spec).await);
    assert!(!stray.wait().expect("it was a child").success(), "the pool's end is that of all in its cgroup");
    eventually("nothing is left", async || processes_of(&spec).is_empty()).await;
    eventually("the account's cgroup is gone", async || !exists(&delegated.0.join(spec.account_id.to_string()))).await;
}

#[tokio::test]
#[ignore = "needs root, bubblewrap and PHP-FPM"]
async fn what_a_phpd_that_was_killed_left_in_a_cgroup_ends_when_the_next_one_starts() {
    let delegated = Delegated::new();
    let mut server = Server::start(&format!("accounts_cgroup = {:?}", delegated.0)).await;
    let spec = server.account("alice");
    server.put(&spec).await;
    server.ping(&spec).await;
    server.until(&spec, PoolState::Running).await;
    let [run] = &delegated.runs(&spec)[..] else { panic!("one cgroup: {:?}", delegated.runs(&spec)) };
    let mut stray = Command::new("/bin/sleep").arg("600").spawn().expect("it starts");
    fs::write(run.join("cgroup.procs"), stray.id().to_string()).expect("it joins");
    // Its master ends while nobody looks, so the next phpd finds a sandbox that is none any more.
    server.kill_phpd();
    let master = processes_of(&spec);
    for pid in &master {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL);
    }
    eventually("PHP has ended", async || processes_of(&spec).is_empty()).await;
    assert!(stray.try_wait().expect("a look").is_none(), "the end of PHP is not that of all in its cgroup");
    server.start_phpd().await;
    assert!(!stray.wait().expect("it was a child").success(), "it was killed");
    eventually("the run's cgroup is gone", async || !exists(run)).await;
    assert_eq!(server.ping(&spec).await, format!("{} {}", spec.account_id, spec.generation));
}
