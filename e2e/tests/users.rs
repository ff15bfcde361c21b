//! Linux users, whose files the Agent writes beside every other tool of the server: no line of anybody's is lost, and nothing of anybody's
//! is changed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use opterius_e2e::{Debris, Order, Server, Standing, Tenant, eventually};
use opterius_protocol::bounded;
use serde_json::json;

/// Loops of what administrators and packages run, each of which notes what it made, until the file `enough` is there. The editor is a script, as
/// an administrator's would be that adds a line in `vipw`.
const TOOLS: &str = r#"
mkdir -p /run/tools && cd /run/tools
# vipw takes a file for unchanged whose time is in the second in which passwd was last changed.
printf '#!/bin/sh\necho "$LINE" >>"$1" && touch -d "1 minute" "$1"\n' >editor && chmod +x editor
repeat() { # NAME COMMAND...: the number of each round that succeeded
    local name=$1 n=0
    shift
    while [ ! -e enough ]; do
        n=$((n + 1))
        if N=$n "$@" >"$name.said" 2>&1; then echo $n >>"$name.made"; else echo "$n: $(cat "$name.said")" >>"$name.failed"; fi
    done
}
add_user() { useradd -M "hand$N"; }
add_and_delete() { useradd -M "short$N" && userdel "short$N"; }
add_group() { groupadd "team$N"; }
set_password() { echo "root-made:hash$N" | chpasswd -e; }
edit() { LINE="edited$N:x:$((61000 + N)):65534::/nonexistent:/usr/sbin/nologin" VISUAL=/run/tools/editor vipw -q && pwconv; }
package() { echo "u package$N - - -" >package.conf && systemd-sysusers /run/tools/package.conf; }
useradd -M root-made
for loop in add_user add_and_delete add_group set_password edit package; do repeat $loop $loop & done
wait
"#;

/// A name service that never answers, as sssd(8) may be whose directory is away.
const HANGING: &str = r"
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <unistd.h>
static enum nss_status hang(void) { for (;;) pause(); }
enum nss_status _nss_hang_getpwnam_r(const char *n, struct passwd *p, char *b, size_t s, int *e) { return hang(); }
enum nss_status _nss_hang_getpwuid_r(uid_t u, struct passwd *p, char *b, size_t s, int *e) { return hang(); }
enum nss_status _nss_hang_getgrnam_r(const char *n, struct group *g, char *b, size_t s, int *e) { return hang(); }
enum nss_status _nss_hang_getgrgid_r(gid_t u, struct group *g, char *b, size_t s, int *e) { return hang(); }
";

/// The numbers that a loop noted.
fn made(server: &Server, of: &str) -> Vec<u32> {
    let noted = server.run(&["cat", &format!("/run/tools/{of}.made")]).stdout;
    noted.lines().map(|line| line.parse().expect("a number")).collect()
}

#[test]
fn beside_every_tool_of_the_server_no_line_is_lost_for_a_minute() {
    let server = Server::new("users");
    let whole = "pwck -q -r && grpck -r";
    server.sh(whole);
    let mut tools = server.spawn(&["bash", "-c", TOOLS]);
    server.until("the tools are at work", "test -s /run/tools/edit.made && test -s /run/tools/package.made");
    let begun = Instant::now();
    let (mut stay, mut gone) = (Vec::new(), Vec::new());
    for round in 0.. {
        if begun.elapsed() > Duration::from_mins(1) {
            break;
        }
        let names: Vec<String> = (0..4).map(|n| format!("user{round}x{n}")).collect();
        let of_these =
            |n: usize| Order::new(&server, u32::try_from(10 * round + n + 1).expect("few"), &names[n], &format!("{}.example", names[n]));
        std::thread::scope(|scope| {
            for n in 0..names.len() {
                let order = of_these(n);
                let server = &server;
                scope.spawn(move || order.succeed(server));
            }
        });
        // At the same time: another password, a suspension and its end, a termination.
        std::thread::scope(|scope| {
            let (server, id) = (&server, |n: usize| server.account_id(&names[n]));
            let (password, hold, end) = (id(0), id(1), id(2));
            scope.spawn(move || {
                server.done("PUT", &format!("/api/accounts/{password}/password"), Some(&json!({ "password": "another good one" })))
            });
            scope.spawn(move || {
                server.done("POST", &format!("/api/accounts/{hold}/suspend"), Some(&json!({ "reason": "a test" })));
                server.done("POST", &format!("/api/accounts/{hold}/unsuspend"), None)
            });
            scope.spawn(move || server.terminate(&end));
        });
        gone.push(names[2].clone());
        stay.extend([&names[0], &names[1], &names[3]].map(Clone::clone));
    }
    server.ok(&["touch", "/run/tools/enough"]);
    assert!(tools.wait().expect("the tools end").success());

    let failed = server.sh("cat /run/tools/*.failed 2>/dev/null || true");
    assert_eq!(failed, "", "every tool got its turn within its patience");
    for (of, file, name) in [
        ("add_user", "passwd", "hand"),
        ("add_user", "shadow", "hand"),
        ("add_group", "group", "team"),
        ("add_group", "gshadow", "team"),
        ("edit", "passwd", "edited"),
        ("package", "passwd", "package"),
    ] {
        let there = server.sh(&format!("cut -d: -f1 /etc/{file}"));
        let numbers = made(&server, of);
        assert!(numbers.len() > 3, "{of} came to its turn");
        for n in numbers {
            assert!(there.lines().any(|line| line == format!("{name}{n}")), "{name}{n} is in {file}");
        }
    }
    let last = made(&server, "set_password").into_iter().max().expect("passwords were set");
    assert!(server.ok(&["getent", "shadow", "root-made"]).starts_with(&format!("root-made:hash{last}:")));
    assert_eq!(server.sh("grep -c ^short /etc/passwd /etc/shadow /etc/group /etc/gshadow | grep -v ':0$' || true"), "");
    // Every line of every account, and some accounts in whole, as each of those takes seconds.
    let files = ["passwd", "shadow", "group", "gshadow"].map(|file| (file, server.sh(&format!("cut -d: -f1 /etc/{file}"))));
    for (file, names) in &files {
        let names: BTreeSet<&str> = names.lines().collect();
        for name in &stay {
            assert!(names.contains(name.as_str()), "{name} is in {file}");
        }
        for name in &gone {
            assert!(!names.contains(name.as_str()), "{name} is still in {file}");
        }
    }
    for name in stay.iter().step_by(6) {
        assert_eq!(Standing::of(&server, name, &format!("{name}.example")), Standing::Whole, "{name}");
    }
    for name in gone.iter().step_by(4) {
        Debris::assert_none(&server, name, &format!("{name}.example"));
    }
    assert!(stay.len() > 5, "{stay:?}");
    server.sh(whole);
    assert_eq!(server.sh("ls /etc | grep -E '^(passwd|shadow|group|gshadow|subuid|subgid)[+]' || true"), "");
}

#[test]
fn a_group_that_a_stranger_made_in_the_same_instant_under_the_same_name_and_number_stays() {
    let server = Server::new("same-instant");
    let order = Order::new(&server, 1, "alice", "alice.example");
    server.fail_at("add_user.before=pause");
    let look = "grep -h '^alice:' /etc/passwd /etc/shadow /etc/group /etc/gshadow || true";
    std::thread::scope(|scope| {
        let pressed = scope.spawn(|| order.create(&server));
        eventually("the Agent is about to make the user", || {
            (server.step("alice", "linux user").as_deref() == Some("running")).then_some(())
        });
        let operation = server.newest_operation("alice").expect("it was put down");
        let (_, report) = server.agent("GET", &format!("/operations/{operation}?seen=0&wait_ms=0"), None);
        let uid = report["uid"].as_u64().expect("its number was chosen");
        server.sh(&format!("groupadd -g {uid} alice"));
        let theirs = server.sh(look);
        server.fail_at("");
        // The pause goes on until the Agent is started again, which finds the stranger's group.
        server.kill("opterius-agent.service");
        let answer = pressed.join().expect("it is answered");
        assert!(!answer.is_success() && answer.text().contains("username"), "{}", answer.text());
        assert_eq!(server.sh(look), theirs, "it is as its owner made it");
        server.sh("groupdel alice");
    });
    Debris::assert_none(&server, "alice", "alice.example");
    order.succeed(&server);
}

/// Orders are refused while `/etc` cannot be written, and what closes an account waits until it can.
fn nothing_is_changed_or_left_while_etc_cannot_be_written(server: &Server, blocks: &str, frees: &str) {
    let tenant = Tenant::new(server, "bob", "bob.test");
    let files = "sha256sum /etc/passwd /etc/shadow /etc/group /etc/gshadow; ls /etc | grep -E '^(passwd|shadow|group|gshadow)[+]' || true";
    let before = server.sh(files);
    server.sh(&format!("{blocks}\nsystemctl restart opterius-agent.service"));
    server.wait_until_ready();
    let order = Order::new(server, 1, "alice", "alice.example");
    assert!(!order.create(server).is_success(), "nothing can be written");
    assert_eq!(server.sh(files), before);
    let url = format!("/api/accounts/{}/password", tenant.account);
    server.refused("PUT", &url, Some(&json!({ "password": "another good one" })), 502, "provisioning_failed");
    assert_eq!(server.sh(files), before);
    Debris::assert_none(server, "alice", "alice.example");
    // What closes an account waits, and then is done.
    let suspend = format!("/api/accounts/{}/suspend", tenant.account);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| server.api("POST", &suspend, Some(&json!({ "reason": "a test" }))));
        eventually("its site says so at once", || (server.visit("bob.test", "/").0 == 503).then_some(()));
        server.sh(frees);
        let (status, answer) = closing.join().expect("it is answered");
        assert!(matches!(status, 200 | 202), "{answer}");
    });
    eventually("nobody logs in as the user any more", || (!server.lets_in("bob", "login")).then_some(()));
    order.succeed(server);
    server.sh("pwck -q -r && grpck -r");
}

#[test]
fn with_no_room_in_etc_an_order_is_refused_and_nothing_is_changed_or_left() {
    // Another file system with the same files, and no room.
    let blocks =
        "mkdir /run/small && mount -t tmpfs -o size=16m small /run/small && cp -a /etc/. /run/small/ && mount --bind /run/small /etc
         head -c 16M /dev/zero >/etc/filler 2>/dev/null || true";
    nothing_is_changed_or_left_while_etc_cannot_be_written(&Server::new("full-etc"), blocks, "rm /etc/filler");
}

#[test]
fn with_etc_read_only_an_order_is_refused_and_nothing_is_changed_or_left() {
    let blocks = "mount --bind /etc /etc && mount -o remount,bind,ro /etc && ! touch /etc/passwd 2>/dev/null";
    nothing_is_changed_or_left_while_etc_cannot_be_written(
        &Server::new("frozen-etc"),
        blocks,
        "mount -o remount,bind,rw /etc && systemctl restart opterius-agent.service",
    );
}

#[test]
fn who_keeps_users_in_memory_is_told_of_every_change_and_one_that_hangs_holds_up_nobody() {
    let server = Server::new("caches");
    // They note what they are asked for, as nscd(8) and sss_cache(8) are asked.
    server.sh("for name in nscd sss_cache; do
             printf '#!/bin/sh\\necho %s $* >>/run/told\\n' $name >/usr/sbin/$name && chmod 755 /usr/sbin/$name
         done");
    let told = || {
        let told = server.sh("sort -u /run/told && rm /run/told");
        told.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let everyone = ["nscd -i group", "nscd -i passwd", "sss_cache -U -G"];
    let tenant = Tenant::new(&server, "alice", "alice.test");
    assert_eq!(told(), everyone);
    server.terminate(&tenant.account);
    assert_eq!(told(), everyone);
    server.sh("printf '#!/bin/sh\\nexec sleep 600\\n' >/usr/sbin/sss_cache");
    Order::new(&server, 1, "bob", "bob.example").succeed(&server);
    assert_eq!(told(), everyone[..2]);
}

#[test]
fn with_a_name_service_that_hangs_an_order_is_refused_and_what_closes_an_account_is_done() {
    let server = Server::new("hanging-names");
    let tenant = Tenant::new(&server, "bob", "bob.test");
    let directory = tempfile::tempdir().expect("a directory");
    let (source, library) = (directory.path().join("hang.c"), directory.path().join("libnss_hang.so.2"));
    std::fs::write(&source, HANGING).expect("it is written");
    let built = std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.expect("cc runs").success());
    let into = server.sh("dirname $(ls /usr/lib/*/libnss_files.so.2 /usr/lib/*/libc.so.6 2>/dev/null | head -1)");
    server.feed(
        &["sh", "-c", &format!("cat >{}/libnss_hang.so.2", into.trim())],
        bounded::file(&library, bounded::MIB).expect("it is there"),
    );
    server.sh("cp /etc/nsswitch.conf /root/ && printf 'passwd: files hang\\ngroup: files hang\\nshadow: files\\n' >/etc/nsswitch.conf");
    let asked = server.run(&["timeout", "2", "getent", "passwd", "nobody-of-this-name"]);
    assert_eq!(asked.status, 124, "it hangs: {}", asked.stderr);

    let order = Order::new(&server, 1, "alice", "alice.example");
    let answer = order.create(&server);
    assert!(!answer.is_success() && answer.text().contains("name service"), "{}", answer.text());
    Debris::assert_none(&server, "alice", "alice.example");
    let account = format!("/api/accounts/{}", tenant.account);
    server.done("PUT", &format!("{account}/password"), Some(&json!({ "password": "another good one" })));
    server.done("POST", &format!("{account}/suspend"), Some(&json!({ "reason": "a test" })));
    assert_eq!(server.visit("bob.test", "/").0, 503);
    let (status, answer) = server.admin_send("DELETE", &format!("{account}?keep_days=0"), &json!({}));
    assert!(matches!(status, 200 | 202), "{answer}");
    assert_ne!(server.visit("bob.test", "/").0, 200);

    server.sh("cp /root/nsswitch.conf /etc/");
    eventually("it is terminated", || (Standing::of(&server, "bob", "bob.test") == Standing::Gone).then_some(()));
    order.succeed(&server);
}
