//! What a server's kernel and systemd give for limits: cgroups and their controllers, quota, and sockets that outlive phpd.

use opterius_e2e::{Machine, Server, Setup, Tenant, eventually};
use serde_json::{Value, json};

/// What phpd, the Agent, the Panel and doctor say of cgroups; nothing unless they agree.
fn level(server: &Server) -> Option<String> {
    let health = |socket: &str| -> Value {
        let answer = server.sh(&format!("curl -sf -m 30 --unix-socket /run/opterius/{socket}.sock http://here/health"));
        serde_json::from_str(&answer).expect("health is JSON")
    };
    let (_, panel) = server.admin("GET", "/api/servers/default");
    let (phpd, agent) = (health("phpd"), health("agent"));
    let said = [&phpd["cgroup_level"], &agent["cgroup_level"], &panel["data"]["cgroups"]].map(Value::as_str);
    let doctor: Value = serde_json::from_str(&server.run(&["opterius", "doctor", "--json"]).stdout).expect("doctor answers JSON");
    let doctor = doctor.to_string();
    let level = said[0]?.to_owned();
    (said.iter().all(|one| *one == Some(&level)) && doctor.contains(&format!("\"{level}: "))).then_some(level)
}

fn until_level(server: &Server, wanted: &str) {
    eventually(&format!("all parts say that the level is {wanted}"), || (level(server)? == wanted).then_some(()));
}

fn systemd(server: &Server) -> u32 {
    let version = server.sh("systemctl --version | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p'");
    version.trim().parse().expect("a version")
}

/// The sockets of accounts' PHP that a process listens on.
fn listening(server: &Server) -> String {
    server.sh("ss -Hxlp | grep -F /run/opterius/php/ || true")
}

/// An account on a machine on which making it may take longer than the Panel has its caller wait.
fn patient_tenant(server: &Server, username: &str) -> Tenant {
    let domain = format!("{username}.test");
    let order = json!({ "username": username, "domain": domain, "password": "correct horse battery", "package_id": server.starter,
                        "external_ref": format!("test:{username}") });
    let account = eventually("the account is made", || {
        let (status, answer) = server.api("POST", "/api/accounts", Some(&order));
        assert!([200, 201, 202].contains(&status), "{answer}");
        answer["data"]["id"].as_str().filter(|_| status != 202).map(str::to_owned)
    });
    let uid = server.ok(&["id", "-u", username]).trim().to_owned();
    Tenant { username: username.to_owned(), domain, account, uid }
}

#[test]
fn a_server_without_controllers_says_so_and_its_sandboxes_have_cgroups_all_the_same() {
    let server = Server::new("tree");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "hello.php", "<?php echo 'hello';");
    until_level(&server, "tree");
    assert_eq!(server.get("alice.test", "/hello.php").text(), "hello");
    let tree = server.sh("find /sys/fs/cgroup -name cgroup.controllers -path '*/opterius-accounts.service/cgroup.controllers' -printf %h");
    let runs = server.sh(&format!("find {tree}/{} -mindepth 2 -name cgroup.procs -exec cat {{}} +", alice.account));
    for pid in server.sh(&format!("pgrep -u {}", alice.uid)).lines() {
        assert!(runs.lines().any(|line| line == pid), "{pid} is in none of the account's cgroups: {runs}");
    }

    // Where nothing is delegated there are none.
    server.sh("systemctl mask -q --runtime opterius-accounts; systemctl stop opterius-phpd opterius-accounts; pkill -9 -u alice || true");
    let gone = "find /sys/fs/cgroup -depth -type d -path '*/opterius-accounts.service*' -exec rmdir {} + 2>/dev/null
         ! find /sys/fs/cgroup -type d -path '*/opterius-accounts.service*' | grep -q .";
    server.until("nothing is delegated", gone);
    server.sh("systemctl start opterius-phpd");
    until_level(&server, "none");
    assert_eq!(server.get("alice.test", "/hello.php").text(), "hello");
    server.sh("systemctl unmask -q --runtime opterius-accounts; systemctl restart opterius-accounts opterius-phpd");
    until_level(&server, "tree");
}

#[test]
fn sockets_outlive_a_stop_of_phpd_where_systemd_keeps_them_and_never_a_removal() {
    let server = Server::new("preserved");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "hello.php", "<?php echo 'hello';");
    // So that nobody but systemd and phpd has the socket.
    server.sh("echo 'idle_seconds = 1' >>/etc/opterius/phpd.toml; systemctl restart opterius-phpd");
    server.until("its PHP sleeps", "! pgrep -u alice");
    let keeps = systemd(&server) >= 254;
    server.sh("systemctl stop opterius-phpd");
    assert_eq!(!listening(&server).is_empty(), keeps, "{}", listening(&server));
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| server.visit("alice.test", "/hello.php"));
        if keeps {
            server.until("the visitor waits", "ss -Hxl | grep -F /run/opterius/php/ | awk '$3 > 0 { found = 1 } END { exit !found }'");
        } else {
            assert_eq!(visitor.join().expect("no panic").0, 502);
            return;
        }
        server.sh("systemctl start opterius-phpd");
        assert_eq!(visitor.join().expect("no panic"), (200, "hello".to_owned()));
    });
    server.sh("systemctl start opterius-phpd");
    assert_eq!(server.get("alice.test", "/hello.php").text(), "hello");

    server.until("its PHP sleeps again", "! pgrep -u alice");
    server.sh("apt-get -q -y remove opterius-agent");
    assert_eq!(listening(&server), "", "nobody waits where nobody answers");
}

#[test]
fn quota_refuses_and_memory_has_an_end_on_a_server_with_controllers() {
    let server = Server::with("full", &Setup { machine: Machine::Virtual, home: Some("xfs"), ..Setup::default() });
    // On a slow machine no PHP is to end meanwhile.
    server.sh("echo 'idle_seconds = 3600' >>/etc/opterius/phpd.toml; systemctl restart opterius-phpd");
    let [alice, bob] = ["alice", "bob"].map(|name| patient_tenant(&server, name));
    for tenant in [&alice, &bob] {
        tenant.put(&server, "hello.php", "<?php echo 'hello';");
    }
    // Two mebibytes at a time, so that each is written to at once.
    alice.put(&server, "eat.php", "<?php for ($n = 0; $n < 40; $n++) $all[] = str_repeat('x', 2 << 20); echo 'ate';");
    until_level(&server, "full");

    // Quota, of users and of projects, on an ext4 and on an xfs.
    for (root, kind) in [("/", "ext4"), ("/home", "xfs")] {
        assert_eq!(server.ok(&["findmnt", "-no", "FSTYPE", root]).trim(), kind);
        let directory = format!("{}/quota-of-bob", root.trim_end_matches('/'));
        server.sh(&format!("install -d -o bob {directory}; setquota -u bob 0 4096 0 0 {root}"));
        let write = format!("dd if=/dev/zero of={directory}/file bs=64k count=128");
        let refused = bob.run(&server, &write, "");
        assert!(refused.status != 0 && refused.stderr.contains("Disk quota exceeded"), "{kind}: {refused:?}");
        let used = server.sh(&format!("repquota -u {root} | awk '$1 == \"bob\" {{ print $3 }}'"));
        assert!((3000..=4096).contains(&used.trim().parse::<u64>().expect("KiB")), "{kind}: {used}");
        server.sh(&format!("setquota -u bob 0 0 0 0 {root}; rm {directory}/file"));
        assert_eq!(bob.run(&server, &write, "").status, 0, "{kind}: without a limit it fits");
        server.sh(&format!("rm {directory}/file"));

        // What is made in a directory of a project belongs to it.
        server.sh(&format!("xfs_quota -f -x -c 'project -s -p {directory} 77' -c 'limit -p bhard=4m 77' {root}"));
        let refused = bob.run(&server, &write, "");
        // A project's end is that of a disk to those in it on xfs.
        let said = ["Disk quota exceeded", "No space left on device"].iter().any(|said| refused.stderr.contains(said));
        assert!(refused.status != 0 && said, "{kind}: {refused:?}");
    }
    let state = server.sh("quotaon -p / || true; xfs_quota -x -c state /home");
    assert!(state.contains("user quota on / (/dev/vda) is on") && state.contains("project quota on / (/dev/vda) is on"), "{state}");
    assert_eq!(state.matches("Enforcement: ON").count(), 2, "{state}");

    // What an account's cgroup has no room for is killed, and it alone.
    assert_eq!(server.get("alice.test", "/eat.php").text(), "ate");
    let tree = format!("/sys/fs/cgroup{}", server.ok(&["systemctl", "show", "-P", "ControlGroup", "opterius-accounts"]).trim());
    server.sh(&format!("echo 48M >{tree}/{}/memory.max", alice.account));
    assert_eq!(server.get("bob.test", "/hello.php").text(), "hello");
    let master = "pgrep -o -u bob php-fpm";
    let bobs = server.sh(master);
    assert_ne!(server.get("alice.test", "/eat.php").text(), "ate");
    let killed = server.sh(&format!("awk '$1 == \"oom_kill\" {{ print $2 }}' {tree}/{}/memory.events", alice.account));
    assert_ne!(killed.trim(), "0");
    assert_eq!(server.sh(master), bobs, "nobody else's");
    assert_eq!(server.get("alice.test", "/hello.php").text(), "hello", "and it goes on");

    // A new anchor has to go below the controllers.
    if systemd(&server) >= 254 {
        let anchor = server.ok(&["systemctl", "show", "-P", "MainPID", "opterius-accounts"]);
        server.kill("opterius-accounts");
        let back = format!(
            "test \"$(systemctl show -P MainPID opterius-accounts)\" != {} && systemctl is-active --quiet opterius-accounts && \
             grep -q opterius-accounts.service/anchor /proc/$(systemctl show -P MainPID opterius-accounts)/cgroup",
            anchor.trim()
        );
        server.until("the unit of the cgroups runs again", &back);
        assert_eq!(server.sh(master), bobs, "and ended nobody's PHP");
        let carol = patient_tenant(&server, "carol");
        server.ok(&["test", "-e", &format!("{tree}/{}/memory.max", carol.account)]);
    }
    until_level(&server, "full");
}
