//! The accounts' PHP: what a package gives, how it answers, and how opterius-phpd holds, starts and ends it.

use std::io::Write as _;
use std::net::TcpStream;

use opterius_e2e::{Server, Tenant, eventually, finish};
use serde_json::Value;

/// A package of this name with more of its limits set.
fn package(server: &Server, name: &str, limits: &[&str]) -> String {
    let command: Vec<&str> =
        ["opterius", "package", "create", name, "--disk-mib", "1024", "--json"].iter().chain(limits).copied().collect();
    let made: Value = serde_json::from_str(&server.ok(&command)).expect("the command answers JSON");
    made["id"].as_str().expect("a package has an id").to_owned()
}

/// A request whose answer is not waited for.
fn begin(server: &Server, host: &str, target: &str) -> TcpStream {
    let mut stream = server.web();
    stream.write_all(format!("GET {target} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).expect("sent");
    stream
}

/// Tells that it has begun, and waits until it is told to end. Both are files in `tmp`, named by the query.
const HOLD: &str = "<?php $t = getenv('HOME') . '/tmp/'; touch($t . 'begun-' . $_GET['n']); \
    while (!file_exists($t . 'end-' . $_GET['n'])) { usleep(20000); clearstatcache(); } echo 'held ', $_GET['n'];";

fn begun(server: &Server, tenant: &Tenant, name: &str) -> bool {
    server.run(&["test", "-e", &format!("{}/tmp/begun-{name}", tenant.home())]).status == 0
}

fn wait_until_begun(server: &Server, tenant: &Tenant, name: &str) {
    eventually("the script has begun", || begun(server, tenant, name).then_some(()));
}

fn end(server: &Server, tenant: &Tenant, name: &str) {
    tenant.sh(server, &format!("touch ~{}/tmp/end-{name}", tenant.username));
}

/// The processes of an account.
fn processes(server: &Server, tenant: &Tenant) -> usize {
    server.sh(&format!("pgrep -u {} || true", tenant.uid)).lines().count()
}

#[test]
fn a_packages_memory_and_workers_take_effect() {
    let server = Server::new("limits");
    let small = package(&server, "Small", &["--php-memory-mib", "64", "--php-workers", "2"]);
    let alice = Tenant::of_package(&server, "alice", "alice.test", &small);
    alice.put(&server, "limit.php", "<?php ini_set('memory_limit', '1G'); echo ini_get('memory_limit');");
    assert_eq!(server.get("alice.test", "/limit.php").text(), "64M", "and a script cannot raise it");
    alice.put(&server, ".user.ini", "memory_limit = 1G\nauto_prepend_file = nothing.php\n");
    assert_eq!(server.get("alice.test", "/limit.php").text().lines().last(), Some("64M"));
    alice.sh(&server, "rm .user.ini");
    alice.put(&server, "greedy.php", "<?php $all = str_repeat('x', 80 << 20); echo strlen($all);");
    alice.put(&server, "modest.php", "<?php $all = str_repeat('x', 40 << 20); echo strlen($all);");
    assert_eq!(server.get("alice.test", "/modest.php").text(), (40 << 20).to_string());
    assert_eq!(server.get("alice.test", "/greedy.php").status, 500);

    alice.put(&server, "hold.php", HOLD);
    let held: Vec<TcpStream> = ["1", "2"]
        .map(|name| {
            let stream = begin(&server, "alice.test", &format!("/hold.php?n={name}"));
            wait_until_begun(&server, &alice, name);
            stream
        })
        .into();
    let third = begin(&server, "alice.test", "/hold.php?n=3");
    // The third waits where nobody has taken it yet.
    eventually("the third request waits at the socket", || {
        let waiting = server
            .sh(&format!("ss -Hxl | grep -F /run/opterius/php/{}/ | awk '{{ waiting += $3 }} END {{ print waiting }}'", alice.account));
        (waiting.trim() == "1").then_some(())
    });
    assert!(!begun(&server, &alice, "3"), "two workers are two workers");
    // The one PHP process beside them is their master.
    assert_eq!(server.sh(&format!("pgrep -cu {} php-fpm", alice.uid)).trim(), "3");
    end(&server, &alice, "1");
    wait_until_begun(&server, &alice, "3");
    end(&server, &alice, "2");
    end(&server, &alice, "3");
    for stream in held.into_iter().chain([third]) {
        let reply = finish(stream);
        assert!(reply.status == 200 && reply.text().starts_with("held "), "{}", reply.head);
    }
}

#[test]
fn what_php_keeps_for_a_while_lies_in_the_homes_tmp() {
    let server = Server::new("tmp");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(
        &server,
        "session.php",
        "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; \
         echo json_encode([$_SESSION['n'], file_exists('/home/alice/tmp/sess_' . session_id()), sys_get_temp_dir(), dirname(tempnam('', 'x')), session_id()]);",
    );
    let first = server.get("alice.test", "/session.php");
    let told: Value = serde_json::from_str(&first.text()).expect("JSON");
    assert_eq!(told[0], 1);
    assert_eq!((&told[2], &told[3]), (&Value::from("/home/alice/tmp"), &Value::from("/home/alice/tmp")), "temporary files");
    let id = told[4].as_str().expect("a session").to_owned();
    let again: Value =
        serde_json::from_str(&server.get_with("alice.test", "/session.php", &format!("Cookie: PHPSESSID={id}\r\n")).text()).expect("JSON");
    assert_eq!((&again[0], &again[1]), (&Value::from(2), &Value::from(true)), "a session lives on in the home");
    assert_eq!(server.sh(&format!("stat -c %U /home/alice/tmp/sess_{id}")).trim(), "alice");

    alice.put(
        &server,
        "upload.php",
        "<?php $f = $_FILES['f']; echo $f['error'], ' ', $f['size'], ' ', dirname($f['tmp_name']), ' ', (int) move_uploaded_file($f['tmp_name'], 'kept.bin');",
    );
    let boundary = "x-x-x";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n{}\r\n--{boundary}--\r\n",
        "x".repeat(1_500_000)
    );
    let head = format!(
        "POST /upload.php HTTP/1.0\r\nHost: alice.test\r\nContent-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let reply = server.send(format!("{head}{body}").as_bytes());
    assert_eq!(reply.text(), "0 1500000 /home/alice/tmp 1");
    assert_eq!(server.sh("stat -c '%s %U' /home/alice/alice.test/public_html/kept.bin").trim(), "1500000 alice");

    alice.put(&server, "mail.php", "<?php echo 'sent: ', var_export(@mail('a@b.test', 'x', 'y'), true);");
    let mail = server.get("alice.test", "/mail.php");
    assert!(mail.status == 200 && mail.text().starts_with("sent: "), "mail() comes back: {}", mail.text());
}

#[test]
fn requests_reach_scripts_as_an_application_expects_them() {
    let server = Server::new("requests");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(
        &server,
        "index.php",
        "<?php header('Content-Type: application/json'); echo json_encode(['script' => $_SERVER['SCRIPT_NAME'], 'uri' => $_SERVER['REQUEST_URI'], \
         'info' => $_SERVER['PATH_INFO'] ?? '', 'query' => $_SERVER['QUERY_STRING'], 'method' => $_SERVER['REQUEST_METHOD'], \
         'length' => strlen(file_get_contents('php://input')), 'host' => $_SERVER['HTTP_HOST'], 'cwd' => getcwd(), 'user' => get_current_user()]);",
    );
    let told = |path: &str| -> Value { serde_json::from_str(&server.get("alice.test", path).text()).unwrap_or_default() };
    // The front controller gets what is no file.
    for path in ["/", "/blog/2026/a-post?x=1", "/blog/a.html", "/index.php/deep/path?x=1", "/caf%C3%A9"] {
        let told = told(path);
        assert_eq!((&told["script"], &told["uri"]), (&Value::from("/index.php"), &Value::from(path)), "{path}");
    }
    assert_eq!(told("/blog/a?x=1&y=%20")["query"], "x=1&y=%20");
    assert_eq!(told("/index.php/deep/path?x=1")["info"], "/deep/path");
    assert_eq!(told("/")["user"], "alice");
    assert_eq!(told("/")["cwd"], alice.docroot());

    let posted = server.post("alice.test", "/form", vec![b'x'; 5 << 20]);
    let posted: Value = serde_json::from_str(&posted.text()).expect("JSON");
    assert_eq!((&posted["length"], &posted["method"]), (&Value::from(5 << 20), &Value::from("POST")), "five MiB arrive");
    // In chunks, and with a body announced first, as curl does.
    let chunked = server.send(
        b"POST /chunks HTTP/1.1\r\nHost: alice.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    assert!(chunked.status == 200 && chunked.text().contains("\"length\":5"), "{}", chunked.text());
    let head = server.send(b"HEAD / HTTP/1.0\r\nHost: alice.test\r\n\r\n");
    assert_eq!((head.status, head.body.len()), (200, 0));
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = server.send(format!("{method} /index.php HTTP/1.0\r\nHost: alice.test\r\nContent-Length: 0\r\n\r\n").as_bytes());
        assert!(reply.text().contains(&format!("\"method\":\"{method}\"")), "{method}: {}", reply.status);
    }
    alice.put(&server, "long.php", "<?php header('Content-Type: text/html'); echo str_repeat('compress me ', 1000);");
    let zipped = server.send(b"GET /long.php HTTP/1.1\r\nHost: alice.test\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let plain = server.get("alice.test", "/long.php");
    assert_eq!((plain.body.len(), plain.header("x-powered-by")), (12_000, None));

    // What a script writes is there for visitors, whether the document root kept its group or its owner changed its mode.
    alice.put(&server, "write.php", "<?php @mkdir('made'); file_put_contents('made/' . $_GET['n'], 'written'); echo 'done';");
    for (name, before) in [("a.txt", "true"), ("b.txt", "chmod 755 .")] {
        alice.sh(&server, before);
        assert_eq!(server.get("alice.test", &format!("/write.php?n={name}")).text(), "done");
        assert_eq!(server.get("alice.test", &format!("/made/{name}")).text(), "written", "{name}");
    }

    // What goes wrong is told to the owner, in the log, and not to the visitor.
    alice.put(&server, "wrong.php", "<?php error_log('to-the-log'); throw new Exception('secret-detail');");
    let wrong = server.get("alice.test", "/wrong.php");
    assert!(wrong.status == 500 && !wrong.text().contains("secret-detail"), "{}", wrong.text());
    eventually("it is in the log", || {
        let log = server.run(&["cat", "/var/log/opterius/accounts/alice/php.log"]).stdout;
        (log.contains("to-the-log") && log.contains("secret-detail")).then_some(())
    });
    alice.put(&server, "warns.php", "<?php file_put_contents('php://stderr', \"from-stderr\\n\"); echo $nothing; echo 'fine';");
    assert_eq!(server.get("alice.test", "/warns.php").text(), "fine");
    eventually("standard error is in the log too", || {
        server.run(&["cat", "/var/log/opterius/accounts/alice/php.log"]).stdout.contains("from-stderr").then_some(())
    });
}

#[test]
fn requests_and_sockets_survive_a_restart_and_a_kill_of_phpd() {
    let server = Server::new("survive");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    for tenant in [&alice, &bob] {
        tenant.put(&server, "three.php", "<?php touch('/tmp/x'); sleep(3); echo 'slept ', getmypid();");
        tenant.put(&server, "hold.php", HOLD);
        tenant.put(&server, "hello.php", "<?php echo 'hello';");
    }
    let socket = || {
        server.sh(&format!("stat -c '%i %U %G %a' /run/opterius/php/*/main.sock; ss -Hxl | grep -c /run/opterius/php/{}/", alice.account))
    };
    let before = socket();
    let pid = || server.ok(&["systemctl", "show", "-P", "MainPID", "opterius-phpd"]).trim().to_owned();
    for (round, way) in ["restart", "kill", "restart", "kill"].into_iter().enumerate() {
        let name = round.to_string();
        let three = begin(&server, "alice.test", "/three.php");
        let held = begin(&server, "alice.test", &format!("/hold.php?n={name}"));
        wait_until_begun(&server, &alice, &name);
        let old = pid();
        match way {
            "restart" => drop(server.ok(&["systemctl", "restart", "opterius-phpd"])),
            _ => server.kill("opterius-phpd"),
        }
        // Nobody is refused meanwhile, neither where PHP runs nor where it sleeps.
        for host in ["alice.test", "bob.test"] {
            assert_eq!(server.get(host, "/hello.php").text(), "hello", "{way}: {host}");
        }
        eventually("phpd is back", || {
            let new = pid();
            (new != old
                && new != "0"
                && server.run(&["curl", "-sf", "--unix-socket", "/run/opterius/phpd.sock", "http://phpd/health"]).status == 0)
                .then_some(())
        });
        end(&server, &alice, &name);
        for (stream, answer) in [(three, "slept "), (held, "held ")] {
            let reply = finish(stream);
            assert!(reply.status == 200 && reply.text().starts_with(answer), "{way}: {} {}", reply.head, reply.text());
        }
        assert_eq!(socket(), before, "{way}: the same sockets");
    }
    // It holds what runs as its own again: a change of the pool still ends it.
    assert!(server.ok(&["opterius", "doctor"]).contains("holds 2 pools"));
    drop(bob);
}

#[test]
fn php_that_nobody_asks_for_stops_and_wakes_with_the_next_request() {
    let server = Server::new("idle");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "hello.php", "<?php echo 'hello';");
    alice.put(&server, "hold.php", HOLD);
    server.sh("echo 'idle_seconds = 2' >>/etc/opterius/phpd.toml; systemctl restart opterius-phpd");
    for round in 0..3 {
        assert_eq!(server.get("alice.test", "/hello.php").text(), "hello", "round {round}");
        eventually("PHP is stopped", || (processes(&server, &alice) == 0).then_some(()));
    }
    let journal = server.journal("opterius-phpd");
    assert!(journal.contains("after 2 seconds without a request"), "{journal}");
    // A request that takes longer than that is one.
    let held = begin(&server, "alice.test", "/hold.php?n=1");
    wait_until_begun(&server, &alice, "1");
    let begun = server.sh("date +%s").trim().parse::<u64>().expect("a number");
    eventually("three times as long has passed", || {
        (server.sh("date +%s").trim().parse::<u64>().expect("a number") > begun + 6).then_some(())
    });
    end(&server, &alice, "1");
    assert_eq!(finish(held).text(), "held 1");
}

#[test]
fn a_crash_loop_is_turned_away_told_once_and_ends_when_it_is_mended() {
    let server = Server::new("crashes");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    for tenant in [&alice, &bob] {
        tenant.put(&server, "hello.php", "<?php echo 'hello';");
    }
    alice.put(&server, "crash.php", "<?php posix_kill(posix_getppid(), 9); sleep(5);");
    let backs_off = |server: &Server| {
        let told = server.run(&["opterius", "doctor"]);
        let told = format!("{}{}", told.stdout, told.stderr);
        told.contains("the PHP of alice").then_some(told)
    };
    assert!(backs_off(&server).is_none());
    let mut crashes = 0;
    let told = eventually("doctor tells of the crash loop", || {
        let reply = server.get("alice.test", "/crash.php");
        assert_eq!(reply.status, 502, "{}", reply.text());
        crashes += 1;
        backs_off(&server)
    });
    assert!(told.contains("does not stay up"), "{told}");
    // Turned away, however many come, and Bob notices nothing.
    for _ in 0..300 {
        assert_eq!(server.get("alice.test", "/crash.php").status, 502);
        assert_eq!(server.get("bob.test", "/hello.php").status, 200);
    }
    let lines = server.journal("opterius-phpd").lines().filter(|line| line.contains("alice")).count();
    assert!(lines <= 12, "{} requests made {lines} lines: {}", crashes + 300, server.journal("opterius-phpd"));
    // Mended, it comes back by itself.
    alice.sh(&server, "rm crash.php");
    opterius_e2e::within(std::time::Duration::from_mins(2), "the site is back", || {
        (server.get("alice.test", "/hello.php").text() == "hello").then_some(())
    });
    eventually("doctor has nothing to tell", || backs_off(&server).is_none().then_some(()));
}

#[test]
fn deleting_a_pool_ends_what_runs_in_it() {
    let server = Server::new("delete");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    for tenant in [&alice, &bob] {
        tenant.put(&server, "hold.php", HOLD);
    }
    alice.inside(&server, "setsid sleep 3000 >/dev/null 2>&1 </dev/null & setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1000; done' >/dev/null 2>&1 </dev/null &");
    let [ends, stays] = [&alice, &bob].map(|tenant| {
        let stream = begin(&server, &tenant.domain, "/hold.php?n=1");
        wait_until_begun(&server, tenant, "1");
        stream
    });
    assert!(processes(&server, &alice) >= 4, "its PHP and what it left in the background");
    // As the Agent does when an account goes.
    server.ok(&[
        "curl",
        "-sf",
        "-X",
        "DELETE",
        "--unix-socket",
        "/run/opterius/phpd.sock",
        &format!("http://phpd/pools/{}/main", alice.account),
    ]);
    assert_eq!(processes(&server, &alice), 0, "{}", server.sh("ps -eo uid,pid,args"));
    assert_eq!(finish(ends).status, 502, "its visitor is told at once");
    assert_eq!(server.get("alice.test", "/hold.php").status, 502);
    assert_eq!(
        server.sh(&format!("find /run/opterius/php/{} /run/opterius-phpd -path '*{}*' 2>/dev/null || true", alice.account, alice.account)),
        ""
    );
    end(&server, &bob, "1");
    assert_eq!(finish(stays).text(), "held 1", "nobody else's is ended");
}
