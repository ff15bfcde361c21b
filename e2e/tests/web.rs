//! What visitors and customers can make nginx keep and write: files on the disk that nobody's quota counts, logs that all share, and the
//! answers to the Agent's probe. And what accounts may ask of mail servers.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use opterius_e2e::{Server, Tenant, WholeAccount, eventually};
use opterius_protocol::bounded;
use serde_json::{Value, json};

const MIB: u64 = 1024 * 1024;

/// Sends bodies to sites and does not end them. Each line of standard input is `source-address site count length`, `length` being
/// `chunked` or bytes; for each it says how many were refused with 429, when nginx holds a file for every other one of all so far.
const HOLD: &str = r#"
import glob, os, select, socket, sys, time
def files():
    count = 0
    for fd in glob.glob("/proc/[0-9]*/fd/*"):
        try: count += os.readlink(fd).startswith("/var/lib/nginx/body/")
        except OSError: pass
    return count
held, refused, sent = [], 0, 0
for line in sys.stdin:
    source, site, count, length = line.split()
    fresh, before, names = [], refused, len(held)
    for n in range(int(count)):
        s = socket.socket()
        # A `+` stands for another address each time.
        s.bind((source.replace("+", str(n + 1)), 0))
        s.connect(("127.0.0.1", 80))
        how = "Transfer-Encoding: chunked\r\n\r\n80000\r\n" if length == "chunked" else "Content-Length: %s\r\n\r\n" % length
        s.sendall(("POST /hold.php HTTP/1.1\r\nHost: %s\r\n%s" % (site, how)).encode())
        try: s.sendall(b"x" * 50000)
        except OSError: pass
        fresh.append(s)
    until = time.monotonic() + 60
    while True:
        # nginx gives up on whoever sends nothing.
        if time.monotonic() > sent + 2:
            sent = time.monotonic()
            for s in held + fresh:
                try: s.send(b"x", socket.MSG_DONTWAIT)
                except OSError: pass
        for s in select.select(fresh, [], [], 0.05)[0]:
            try: status = s.recv(64).split(b" ")[1]
            except OSError: status = b"429"
            assert status == b"429", status
            refused += 1
            fresh.remove(s)
        if files() == len(held) + len(fresh): break
        assert time.monotonic() < until, (files(), len(held), len(fresh), refused)
    held += fresh
    print(refused - before, flush=True)
"#;

/// How many of each line's bodies nginx refuses.
fn refused(server: &Server, lines: &str) -> Vec<u32> {
    let output = server.feed(&["python3", "-c", HOLD], lines);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    output.stdout.lines().map(|line| line.parse().expect("a number")).collect()
}

#[test]
fn bodies_on_the_disk_are_so_many_for_an_address_a_site_and_the_server() {
    let server = Server::new("bodies");
    let sites: Vec<Tenant> =
        ["alice", "bob", "carol", "dave", "erin"].iter().map(|name| Tenant::new(&server, name, &format!("{name}.test"))).collect();
    for site in &sites {
        site.put(&server, "hold.php", "<?php echo strlen(file_get_contents('php://input'));");
    }
    // One address, whatever it says of the length.
    assert_eq!(refused(&server, "127.0.1.1 alice.test 6 20000000\n127.0.1.1 alice.test 2 chunked\n"), [4, 2]);
    assert_eq!(refused(&server, "127.0.1.1 alice.test 6 chunked\n127.0.1.1 bob.test 1 200000000\n"), [4, 1]);
    assert_eq!(refused(&server, "127.0.1.1 alice.test 20 100000\n"), [12], "smaller ones may be more");
    // Many addresses and one site; the others' go on.
    assert_eq!(refused(&server, "127.0.2.+ alice.test 12 20000000\n127.0.3.+ bob.test 4 20000000\n"), [4, 0]);
    assert_eq!(refused(&server, "127.0.2.+ alice.test 40 100000\n127.0.3.+ bob.test 4 100000\n"), [8, 0]);
    // Many of both.
    let all = sites.iter().zip(4..).fold(String::new(), |all, (site, net)| format!("{all}127.0.{net}.+ {} 8 20000000\n", site.domain));
    assert_eq!(refused(&server, &all), [0, 0, 0, 0, 8]);
    // Nothing of that stays: files of requests that were given up are gone, and everybody's uploads work.
    eventually("the files are gone", || server.sh("find /var/lib/nginx -type f").is_empty().then_some(()));
    for site in &sites {
        let reply = server.post(&site.domain, "/hold.php", vec![b'x'; 5_000_000]);
        assert_eq!((reply.status, reply.text().as_str()), (200, "5000000"));
    }
    // Without a body, or with a small one, nobody is counted.
    assert_eq!(server.post("alice.test", "/hold.php", "x").text(), "1");
}

#[test]
fn an_answer_that_nobody_reads_takes_little_of_the_disk() {
    let server = Server::new("answers");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "big.php", "<?php for ($i = 0; $i < 64; $i++) { echo str_repeat('x', 1048576); flush(); }");
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = server.web();
            stream.write_all(b"GET /big.php HTTP/1.0\r\nHost: alice.test\r\n\r\n").expect("sent");
            stream
        })
        .collect();
    let largest = || -> u64 {
        let sizes = server.sh(
            "for f in /proc/[0-9]*/fd/*; do case $(readlink $f 2>/dev/null) in /var/lib/nginx/*) stat -Lc %s $f 2>/dev/null || true;; esac; done",
        );
        sizes.lines().filter_map(|size| size.parse().ok()).max().unwrap_or(0)
    };
    eventually("some of it is on the disk", || (largest() > 128 * 1024).then_some(()));
    for _ in 0..20 {
        let size = largest();
        assert!(size <= 512 * 1024, "{size}");
    }
    // It is not cut: whoever reads gets all of it.
    drop(slow);
    let reply = server.get("alice.test", "/big.php");
    assert_eq!((reply.status, reply.body.len() as u64), (200, 64 * MIB));
}

fn size_of_access_logs(server: &Server) -> u64 {
    server.sh("cat /var/log/opterius/access.json* | wc -c").trim().parse().expect("a number")
}

/// Requests and bytes sent, as counted for an account this month.
fn traffic(server: &Server, account: &str) -> (u64, u64) {
    let state: Value = serde_json::from_str(&server.sh("cat /var/lib/opterius-agent/logs.json")).unwrap_or_default();
    let months = state["months"].as_object().cloned().unwrap_or_default();
    let of = |key: &str| months.values().map(|month| month[account][key].as_u64().unwrap_or(0)).sum();
    (of("requests"), of("sent"))
}

/// Sends the same request so many times over connections that stay, and reads the answers.
fn pipelined(server: &Server, request: &[u8], count: usize) {
    for _ in 0..count.div_ceil(500) {
        let mut stream = server.web();
        let mut reader = stream.try_clone().expect("a second handle");
        let reads = std::thread::spawn(move || {
            let answer = bounded::read(&mut reader, 64 * MIB).unwrap_or_default();
            answer.windows(9).filter(|bytes| bytes == b"HTTP/1.1 ").count()
        });
        let request = request.to_vec();
        for _ in 0..499 {
            stream.write_all(&request).expect("sent");
        }
        let last = String::from_utf8_lossy(&request).replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(last.as_bytes()).expect("sent");
        assert_eq!(reads.join().expect("read"), 500);
    }
}

#[test]
fn what_a_stranger_writes_into_the_access_log_is_no_more_than_what_he_sends() {
    let server = Server::new("amplified");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let before = size_of_access_logs(&server);
    let long = |byte: &str, count| byte.repeat(count);
    for (method, target, headers) in [
        ("GET".to_owned(), "/".to_owned(), format!("Referer: {}\r\nUser-Agent: {}\r\n", long("\u{1}", 7000), long("\\", 7000))),
        ("GET".to_owned(), format!("/{}", long("\"", 15_000)), String::new()),
        (long("X", 7000), "/".to_owned(), String::new()),
        ("GET".to_owned(), "/".to_owned(), format!("Cookie: {}\r\n", long("x", 7000))),
    ] {
        let request = format!("{method} {target} HTTP/1.{}1\r\nHost: alice.test\r\n{headers}\r\n", long("0", 100));
        for _ in 0..50 {
            server.send(request.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1).as_bytes());
        }
    }
    server.get("alice.test", "/the-last-one");
    eventually("the log has all of it", || server.sh("cat /var/log/opterius/access.json*").contains("the-last-one").then_some(()));
    let grown = size_of_access_logs(&server) - before;
    assert!(grown < 201 * 8 * 1024, "{grown} bytes of 201 requests");
    let longest: u64 = server
        .sh("cat /var/log/opterius/access.json* | awk '{ if (length($0) > n) n = length($0) } END { print n }'")
        .trim()
        .parse()
        .expect("a number");
    assert!(longest < 10 * 1024, "{longest}");
    // Cut lines count as others do.
    eventually("all are counted", || (traffic(&server, &alice.account).0 >= 201).then_some(()));
}

#[test]
fn a_log_that_grows_is_rotated_by_its_size_and_every_request_is_counted() {
    let server = Server::new("rotated");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "page.html", "page");
    let (before, _) = traffic(&server, &alice.account);
    // 3 KiB a line, 26,000 lines.
    let request = format!(
        "GET /page.html?{} HTTP/1.1\r\nHost: alice.test\r\nUser-Agent: {}\r\nReferer: {}\r\n\r\n",
        "q".repeat(1500),
        "u".repeat(500),
        "r".repeat(1000)
    );
    pipelined(&server, request.as_bytes(), 26_000);
    eventually("it is rotated, and nginx writes to the new one", || {
        let rotated = server.sh("ls /var/log/opterius");
        let fresh = server.run(&["stat", "-c", "%s", "/var/log/opterius/access.json"]).stdout.trim().parse::<u64>();
        (rotated.lines().any(|name| name.starts_with("access.json.")) && fresh.is_ok_and(|size| size < 64 * MIB)).then_some(())
    });
    let number = |line: &str| line.parse::<u64>().expect("a size");
    server.get("alice.test", "/page.html?after");
    let newest = || server.run(&["cat", "/var/log/opterius/access.json"]).stdout;
    eventually("the new one is written to", || newest().contains("page.html?after").then_some(()));
    opterius_e2e::within(std::time::Duration::from_mins(5), "every request is counted once", || {
        let counted = traffic(&server, &alice.account).0 - before;
        assert!(counted <= 26_001, "{counted}");
        (counted == 26_001).then_some(())
    });
    let own = server.sh("stat -c %s /var/log/opterius/accounts/alice/access.log*");
    assert!(own.lines().map(number).all(|size| size < 80 * MIB), "{own}");
    // What goes wrong between nginx and PHP: a tenant writes it.
    server.sh("head -c 70000000 /dev/zero | tr '\\0' 'x' >>/var/log/opterius/nginx-php.log");
    eventually("it is rotated, too", || {
        server.sh("ls /var/log/opterius").lines().any(|name| name.starts_with("nginx-php.log.")).then_some(())
    });
}

#[test]
fn three_rotations_at_once_lose_no_line_and_no_traffic() {
    let server = Server::new("thrice");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "page.html", "page");
    let lines = || -> usize {
        let log = server.run(&["sh", "-c", "cat /var/log/opterius/accounts/alice/access.log* | grep -c 'page.html?turn'"]).stdout;
        log.trim().parse().unwrap_or(0)
    };
    let before = traffic(&server, &alice.account).0;
    for turn in 0..4 {
        let request = format!("GET /page.html?turn{turn} HTTP/1.1\r\nHost: alice.test\r\n\r\n");
        pipelined(&server, request.as_bytes(), 500);
        if turn < 3 {
            // As logrotate does it, and at once again as soon as nginx has a new file.
            server.sh(
                "cd /var/log/opterius; [ ! -e access.json.2 ] || mv access.json.2 access.json.3; [ ! -e access.json.1 ] || mv access.json.1 access.json.2
                 mv access.json access.json.1; kill -USR1 $(cat /run/nginx.pid); timeout 60 sh -c 'until [ -e access.json ]; do sleep 0.01; done'",
            );
        }
    }
    eventually("every request is counted", || {
        let counted = traffic(&server, &alice.account).0 - before;
        assert!(counted <= 2000, "{counted}");
        (counted == 2000 && lines() == 2000).then_some(())
    });
}

#[test]
fn of_a_logrotate_that_is_run_again_and_again_nothing_is_lost_without_a_word() {
    let server = Server::new("logrotate");
    let alice = Tenant::new(&server, "alice", "alice.test");
    // As Debian's packages have it.
    server.feed(
        &["sh", "-c", "cat >/srv/logrotate"],
        "/var/log/opterius/access.json {\n daily\n rotate 14\n missingok\n notifempty\n compress\n delaycompress\n nocreate\n postrotate\n \
         kill -USR1 $(cat /run/nginx.pid)\n endscript\n}\n",
    );
    let before = traffic(&server, &alice.account).0;
    for _ in 0..3 {
        pipelined(&server, b"GET /page HTTP/1.1\r\nHost: alice.test\r\n\r\n", 500);
        eventually("nginx has written it", || server.sh("cat /var/log/opterius/access.json").contains("\"uri\":\"/page\"").then_some(()));
        server.sh("logrotate -f /srv/logrotate; cd /var/log/opterius; timeout 60 sh -c 'until [ -e access.json ]; do sleep 0.01; done'");
    }
    pipelined(&server, b"GET /page HTTP/1.1\r\nHost: alice.test\r\n\r\n", 500);
    eventually("every request is counted, or that some are not is said", || {
        let counted = traffic(&server, &alice.account).0 - before;
        assert!(counted <= 2000, "{counted}");
        (counted == 2000 || server.run(&["opterius", "doctor"]).stdout.contains("were lost before they were counted")).then_some(())
    });
}

#[test]
fn lines_that_vanish_unread_are_counted_and_said() {
    let server = Server::new("vanished");
    let alice = Tenant::new(&server, "alice", "alice.test");
    server.get("alice.test", "/?seen");
    eventually("it is counted", || (traffic(&server, &alice.account).0 >= 1).then_some(()));
    server.sh("systemctl stop opterius-agent.socket opterius-agent.service");
    pipelined(&server, b"GET /nothing HTTP/1.1\r\nHost: alice.test\r\n\r\n", 500);
    server.sh("cd /var/log/opterius; rm access.json; kill -USR1 $(cat /run/nginx.pid); timeout 60 sh -c 'until [ -e access.json ]; do sleep 0.01; done'");
    server.sh("systemctl start opterius-agent.socket opterius-agent.service");
    server.wait_until_ready();
    let said = eventually("doctor says so", || {
        let said = server.run(&["opterius", "doctor", "--json"]).stdout;
        said.contains("were lost before they were counted").then_some(said)
    });
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["ok"], true, "a warning, no problem: {report}");
    server.get("alice.test", "/?after");
    eventually("what follows is read", || {
        server.run(&["cat", "/var/log/opterius/accounts/alice/access.log"]).stdout.contains("/?after").then_some(())
    });
}

/// An FPM of a customer's making: it answers every request with the headers in /srv/answer, and writes down what it was told.
const FORGED_FPM: &str = r#"
import os, socket, struct, sys, threading
path = sys.argv[1]
if os.path.exists(path): os.unlink(path)
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(64)
os.chown(path, 0, int(sys.argv[2])); os.chmod(path, 0o660)
def serve(c):
    f, told = c.makefile("rb"), b""
    while True:
        head = f.read(8)
        if len(head) < 8: return
        _, kind, id, length, padding, _ = struct.unpack(">BBHHBB", head)
        body = f.read(length); f.read(padding)
        if kind == 4: told += body
        if kind == 5 and length == 0: break
    open("/srv/told", "ab").write(told + b"\n")
    out = open("/srv/answer", "rb").read()
    c.sendall(struct.pack(">BBHHBB", 1, 6, id, len(out), 0, 0) + out + struct.pack(">BBHHBB", 1, 3, id, 8, 0, 0) + b"\0" * 8)
    c.close()
print("ready", flush=True)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"#;

fn probe_secret(server: &Server) -> String {
    let line = server.sh("grep '^probe_secret' /etc/opterius/agent.toml");
    line.split('"').nth(1).expect("a secret").to_owned()
}

/// Where the Agent asks, of those that any version of it uses.
fn probe_paths(secret: &str) -> [String; 2] {
    ["/.opterius-probe".to_owned(), format!("/.opterius-probe/{secret}")]
}

#[test]
fn no_answer_to_the_probe_makes_nginx_do_or_tell_anything() {
    let server = Server::new("probed");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    alice.put(&server, "page.html", "the page");
    let secret = probe_secret(&server);
    let ask = |target: &str| server.get_with("alice.test", target, &format!("X-Opterius-Probe: {secret}\r\n"));
    assert!(probe_paths(&secret).iter().any(|path| ask(path).text() == format!("{} 1", alice.account)), "the probe answers");
    server.feed(&["sh", "-c", "cat >/srv/fpm.py"], FORGED_FPM);
    server.sh("mkdir -p /srv/forged; chmod 711 /srv/forged; : >/srv/answer; : >/srv/told
         systemd-run -q --unit=forged python3 /srv/fpm.py /srv/forged/php.sock $(getent group opterius-web | cut -d: -f3)
         timeout 60 sh -c 'until [ -S /srv/forged/php.sock ]; do sleep 0.01; done'
         ln -sfn /srv/forged/php.sock /var/lib/opterius/sites/alice.test/php.sock");
    for header in [
        "X-Accel-Redirect: /page.html",
        "X-Accel-Redirect: /any.php",
        "X-Accel-Redirect: /inside.php?x",
        "X-Accel-Redirect: @suspended",
        "X-Accel-Redirect: //bob.test/",
        "X-Accel-Expires: 3600",
        "X-Accel-Limit-Rate: 1",
        "X-Accel-Buffering: no",
        "X-Accel-Charset: x",
        "Status: 503",
        "Status: 404",
        "Status: 302\r\nLocation: /any.php",
        "Status: 103\r\nLink: </any.php>; rel=preload",
        "Refresh: 0; url=/any.php",
        "Set-Cookie: a=b",
    ] {
        server.feed(&["sh", "-c", "cat >/srv/answer"], format!("{header}\r\nContent-Type: text/plain\r\n\r\nits own words"));
        for path in probe_paths(&secret) {
            let reply = ask(&path);
            assert!([404, 0].contains(&reply.status) || reply.text() == "its own words", "{header}: {}{}", reply.head, reply.text());
        }
        let reply = server.get_with("alice.test", "/inside.php", &format!("X-Opterius-Probe: {secret}\r\n"));
        assert_eq!(reply.text(), "its own words", "{header}: {}", reply.head);
    }
    // Answers that nginx itself finds wrong, and writes of, and none at all.
    for answer in ["no header", "X: \u{1}\r\n\r\n", ""] {
        server.feed(&["sh", "-c", "cat >/srv/answer"], answer);
        for path in probe_paths(&secret) {
            assert_ne!(ask(&path).text(), "the page");
        }
    }
    // A suspended site, one that is not there, and a path that is refused before anything is looked up.
    server.sh(": >/var/lib/opterius/sites/alice.test/suspended");
    ask(&probe_paths(&secret)[0]);
    server.sh("rm /var/lib/opterius/sites/alice.test/suspended; systemctl stop forged");
    ask(&probe_paths(&secret)[0]);
    server.get("alice.test", "/the-last-one");
    eventually("the logs are split", || {
        server.run(&["cat", "/var/log/opterius/accounts/alice/access.log"]).stdout.contains("the-last-one").then_some(())
    });
    let told = server.sh("cat /srv/told");
    assert!(told.contains("/inside.php") && told.contains("/opterius-ping"), "the forged FPM was asked");
    assert!(!told.contains(&secret), "an FPM was told the secret");
    let logs = server.sh("cat /var/log/opterius/accounts/*/*.log");
    assert!(!logs.contains(&secret), "a customer's log holds the secret");
    drop(bob);
}

#[test]
fn what_a_stranger_asks_at_the_probes_path_is_logged_and_counted_and_what_the_agent_asks_is_not() {
    let server = Server::new("strange");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let secret = probe_secret(&server);
    let known = server.get_with("alice.test", "/.opterius-probe?known", &format!("X-Opterius-Probe: {secret}\r\n"));
    assert_eq!(known.text(), format!("{} 1", alice.account));
    let before = traffic(&server, &alice.account).0;
    assert_eq!(server.get("alice.test", "/.opterius-probe?without").status, 404);
    assert_eq!(server.get_with("alice.test", "/.opterius-probe/x?wrong", "X-Opterius-Probe: wrong\r\n").status, 404);
    eventually("both are counted", || (traffic(&server, &alice.account).0 >= before + 2).then_some(()));
    let log = server.sh("cat /var/log/opterius/access.json*");
    assert!(log.contains("?without") && log.contains("?wrong") && !log.contains("?known"), "{log}");
}

#[test]
fn a_new_secret_of_the_probe_is_put_in_place_while_orders_run() {
    let server = Server::new("newsecret");
    let old = probe_secret(&server);
    let alice = Tenant::new(&server, "alice", "alice.test");
    let (over, made) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let orders = scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) || number < 4 {
                let name = format!("order{number}");
                let order = json!({ "username": name, "domain": format!("{name}.test"), "password": "correct horse battery",
                                    "package": "Starter", "external_ref": name });
                // The same order again, as a billing system does when it was told to.
                eventually("the order is done", || match server.api("POST", "/api/accounts", Some(&order)) {
                    (200 | 201, _) => Some(()),
                    (202, _) => None,
                    (409, answer) if answer["code"] == "operation_running" => None,
                    (503, answer) if answer["code"] == "server_unreachable" => None,
                    (status, answer) => panic!("{status} {answer}"),
                });
                made.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
            number
        });
        for round in 1..=3 {
            let before = probe_secret(&server);
            let setup = server.run(&["opterius", "setup", "--new-probe-secret"]);
            over.store(setup.status != 0, Ordering::Relaxed);
            assert_eq!(setup.status, 0, "{}{}", setup.stdout, setup.stderr);
            assert_ne!(probe_secret(&server), before);
            assert!(!setup.stdout.contains(&probe_secret(&server)), "it is not shown");
            eventually("orders go on", || (made.load(Ordering::Relaxed) >= round || orders.is_finished()).then_some(()));
        }
        over.store(true, Ordering::Relaxed);
        for number in 0..orders.join().expect("no order failed") {
            WholeAccount::assert(&server, &format!("order{number}"), &format!("order{number}.test"));
        }
    });
    let new = probe_secret(&server);
    let ask = |secret: &str| server.get_with("alice.test", "/.opterius-probe", &format!("X-Opterius-Probe: {secret}\r\n"));
    assert_eq!(ask(&new).text(), format!("{} 1", alice.account));
    assert_eq!(ask(&old).status, 404, "the old one opens nothing any more");
    assert!(!server.sh("cat /etc/nginx/opterius/probe.conf").contains(&old));
    // Cut short in the middle: nginx knows both, the Agent's file has the new one, and the Agent runs with the old one.
    let half = "h".repeat(43);
    server.sh(&format!("sed -i 's/{new}/{new}|{half}/' /etc/nginx/opterius/probe.conf; sed -i 's/{new}/{half}/' /etc/opterius/agent.toml; systemctl reload nginx"));
    server.ok(&["opterius", "setup"]);
    assert_eq!(probe_secret(&server), half);
    assert!(!server.sh("cat /etc/nginx/opterius/probe.conf").contains(&new));
    assert_eq!(ask(&half).text(), format!("{} 1", alice.account));
    let repaired = server.run(&["opterius", "account", "repair", "alice"]);
    assert_eq!(repaired.status, 0, "the Agent knows it: {}{}", repaired.stdout, repaired.stderr);
}

#[test]
fn an_upgrade_brings_the_probe_into_its_form_of_today_and_keeps_its_secret() {
    let server = Server::new("oldform");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let secret = probe_secret(&server);
    // As an earlier setup wrote it.
    let old = format!(
        "location = /.opterius-probe/{secret} {{\n    access_log off;\n    if ($http_x_opterius_probe != \"{secret}\") {{ return 404; }}\n    \
         fastcgi_pass unix:$site/php.sock;\n}}\n"
    );
    server.feed(&["sh", "-c", "cat >/etc/nginx/opterius/probe.conf"], old);
    server.sh("dpkg-reconfigure opterius-agent");
    let conf = server.sh("cat /etc/nginx/opterius/probe.conf");
    assert!(conf.contains("include /etc/nginx/opterius/php.conf;") && conf.contains(&secret), "it is in today's form");
    assert_eq!(server.sh("stat -c '%U %G %a' /etc/nginx/opterius/probe.conf"), "root root 600\n");
    assert_eq!(probe_secret(&server), secret);
    eventually("it answers", || {
        let reply = server.get_with("alice.test", "/.opterius-probe", &format!("X-Opterius-Probe: {secret}\r\n"));
        (reply.text() == format!("{} 1", alice.account)).then_some(())
    });
    let setup = server.ok(&["opterius", "setup", "--json"]);
    assert!(!setup.contains("changed /etc/nginx/opterius/probe.conf"), "setup writes the same: {setup}");
}

#[test]
fn an_account_reaches_no_mail_server_and_every_submission_port() {
    let server = Server::new("mail");
    let alice = Tenant::new(&server, "alice", "alice.test");
    // This machine is the world outside of the server.
    let outside = [
        server.sh("ip -4 route show default | awk '{ print $3 }'"),
        server.sh("ip -6 -o addr show dev host0 scope global | awk '{ print $4 }' | sed 's/::2.*/::1/'"),
    ];
    let mut dialled = String::new();
    let mut listeners = Vec::new();
    for address in outside.iter().map(|address| address.trim()) {
        let ip: IpAddr = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        for port in [25, 465, 587] {
            listeners.push(TcpListener::bind((ip, port)).unwrap_or_else(|error| panic!("{address} {port}: {error}")));
            let _ = writeln!(dialled, "{address} {port}");
        }
    }
    let dial = r#"python3 -c '
import socket, sys
for line in sys.stdin:
    address, port = line.split()
    try:
        socket.create_connection((address, int(port)), timeout=20).close(); print(address, port, "answers")
    except ConnectionRefusedError: print(address, port, "refused")
    except OSError as error: print(address, port, error)
'"#;
    let expected = |of: &str| {
        dialled.lines().fold(String::new(), |all, line| format!("{all}{line} {}\n", if line.ends_with(" 25") { of } else { "answers" }))
    };
    assert_eq!(server.feed(&["sh", "-c", dial], dialled.clone()).stdout, expected("answers"), "root's own mail goes out");
    assert_eq!(alice.run(&server, dial, dialled.clone()).stdout, expected("refused"), "from outside of the sandbox");
    let (_, inside) = alice.inside(&server, &format!("{dial} <<'END'\n{dialled}END\n"));
    assert_eq!(format!("{}\n", inside.trim()), expected("refused"), "from PHP");
}
