//! The accounts' PHP: what a package gives, how it answers, and how opterius-phpd holds, starts and ends it.

use std::io::Write as _;
use std::net::TcpStream;

use opterius_e2e::{Server, Tenant, eventually, finish, within};
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

/// The version of PHP that the server's packages brought.
fn packaged(server: &Server) -> String {
    versions(server).pop().expect("the server has a PHP")
}

/// The versions that the Panel knows of the server, the newest first.
fn versions(server: &Server) -> Vec<String> {
    eventually("the Panel knows which PHPs there are", || {
        let servers: Value = serde_json::from_str(&server.ok(&["opterius", "server", "list", "--json"])).ok()?;
        let versions: Option<Vec<String>> =
            servers[0]["php_versions"].as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect();
        versions
    })
}

/// Installs the server's PHP once more as another version: a program of its own that reads a configuration of its own, side by side with the
/// one that is there. Debian has one version a release, and its packages of two releases exclude each other.
fn install(server: &Server, own: &str, version: &str) {
    assert_eq!(own.len(), version.len(), "the paths within the program are replaced by others of their length");
    server.sh(&format!(
        "cp -a /etc/php/{own} /etc/php/{version}\n\
         LC_ALL=C sed 's#/etc/php/{own}/#/etc/php/{version}/#g' /usr/sbin/php-fpm{own} >/usr/sbin/php-fpm{version}.new\n\
         echo 'opterius_which = {version}' >/etc/php/{version}/fpm/conf.d/99-which.ini\n\
         chmod 755 /usr/sbin/php-fpm{version}.new && mv /usr/sbin/php-fpm{version}.new /usr/sbin/php-fpm{version}"
    ));
}

fn remove(server: &Server, version: &str) {
    server.sh(&format!("rm -r /usr/sbin/php-fpm{version} /etc/php/{version}"));
}

fn wait_until_there(server: &Server, wanted: &[&str]) {
    within(std::time::Duration::from_mins(2), "the Panel knows it", || (versions(server) == wanted).then_some(()));
}

/// Says which PHP answers.
const WHICH: &str = "<?php echo get_cfg_var('opterius_which') ?: PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;";

/// The PHP that answers now; a visitor always gets an answer.
fn which(server: &Server, host: &str) -> String {
    let reply = server.get(host, "/which.php");
    assert_eq!(reply.status, 200, "{host}: {}", reply.text());
    reply.text()
}

/// Waits until another PHP answers, while every request in between is answered.
fn wait_for_php(server: &Server, host: &str, version: &str) {
    within(std::time::Duration::from_mins(2), "another PHP answers", || (which(server, host) == version).then_some(()));
}

/// What doctor says of PHP, with the level of each finding.
fn doctor_on_php(server: &Server) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(&server.run(&["opterius", "doctor", "--json"]).stdout).expect("JSON");
    let findings = told["findings"].as_array().expect("findings").iter().filter(|finding| finding["check"] == "PHP");
    findings.map(|one| (one["level"].as_str().unwrap_or_default().to_owned(), format!("{} {}", one["detail"], one["hint"]))).collect()
}

#[test]
fn an_account_has_the_php_that_is_chosen_and_its_site_answers_all_the_while() {
    let server = Server::new("choice");
    let own = packaged(&server);
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "which.php", WHICH);
    alice.put(&server, "hold.php", HOLD);
    let (_, account) = server.api("GET", &format!("/api/accounts/{}", alice.account), None);
    assert_eq!((&account["data"]["php_version"], &account["data"]["php_runs"]), (&Value::from("newest"), &Value::from(own.as_str())));
    let refused = server.run(&["opterius", "account", "php", "alice", "7.0"]);
    assert!(refused.status == 1 && refused.stderr.contains("php_version") && refused.stderr.contains(&own), "{}", refused.stderr);

    assert_eq!(which(&server, "alice.test"), own);
    install(&server, &own, "9.9");
    wait_until_there(&server, &["9.9", &own]);
    // What runs gives way to it by itself, and so does what was chosen to what is chosen next. What is running is finished.
    wait_for_php(&server, "alice.test", "9.9");
    for (round, version) in [own.as_str(), "9.9", "newest"].into_iter().enumerate() {
        let name = round.to_string();
        let held = begin(&server, "alice.test", &format!("/hold.php?n={name}"));
        wait_until_begun(&server, &alice, &name);
        server.ok(&["opterius", "account", "php", "alice", version]);
        let answers = if version == "newest" { "9.9" } else { version };
        assert_eq!(which(&server, "alice.test"), answers, "the next request");
        end(&server, &alice, &name);
        assert_eq!(finish(held).text(), format!("held {name}"));
        let shown = server.ok(&["opterius", "account", "show", "alice"]);
        assert!(shown.contains(&format!("running, PHP {answers}")), "{shown}");
    }
    // The one that was ordered is the one that it has.
    let order = |choice: &str| {
        let words = ["opterius", "account", "create", "--username", "bob", "--domain", "bob.test", "--package", "Starter", "--php", choice];
        server.run(&words)
    };
    let refused = order("7.0");
    assert!(
        refused.status == 1 && refused.stderr.contains("PHP 7.0 is not installed") && refused.stderr.contains(&own),
        "{}",
        refused.stderr
    );
    assert_eq!(order(&own).status, 0);
    server.sh("install -o bob -g bob /home/alice/alice.test/public_html/which.php /home/bob/bob.test/public_html/which.php");
    assert_eq!(which(&server, "bob.test"), own);
}

#[test]
fn a_version_that_goes_away_takes_no_site_with_it() {
    let server = Server::new("gone");
    let own = packaged(&server);
    let (alice, bob) = (Tenant::new(&server, "alice", "alice.test"), Tenant::new(&server, "bob", "bob.test"));
    for tenant in [&alice, &bob] {
        tenant.put(&server, "which.php", WHICH);
        tenant.put(&server, "page.html", "static");
    }
    install(&server, &own, "7.9");
    wait_until_there(&server, &[&own, "7.9"]);
    server.ok(&["opterius", "account", "php", "alice", "7.9"]);
    assert_eq!((which(&server, "alice.test").as_str(), which(&server, "bob.test")), ("7.9", own.clone()));
    // Who could lose one is named before.
    let told = doctor_on_php(&server);
    assert!(told.iter().any(|(level, text)| level == "ok" && text.contains("PHP 7.9") && text.contains("alice")), "{told:?}");

    remove(&server, "7.9");
    wait_for_php(&server, "alice.test", &own);
    let told = doctor_on_php(&server);
    let lost = told.iter().find(|(level, _)| level == "problem").expect("it is a problem");
    assert!(lost.1.contains("PHP 7.9 is not installed") && lost.1.contains("alice") && lost.1.contains("opterius account php"), "{told:?}");
    assert!(server.ok(&["opterius", "account", "show", "alice"]).contains(&format!("PHP {own} in place of 7.9")));
    // A start of it, a restart of phpd, and whatever else is done to the account: nothing of it fails.
    server.ok(&["systemctl", "restart", "opterius-phpd"]);
    assert_eq!(which(&server, "alice.test"), own);
    server.ok(&["opterius", "account", "suspend", "alice", "--reason", "a test"]);
    server.ok(&["opterius", "account", "unsuspend", "alice"]);
    server.ok(&["opterius", "account", "repair", "alice"]);
    assert_eq!(which(&server, "alice.test"), own);
    // Once it is back, so is the site.
    install(&server, &own, "7.9");
    wait_for_php(&server, "alice.test", "7.9");
    assert!(doctor_on_php(&server).iter().all(|(level, _)| level == "ok"));

    // Without any PHP what is no PHP goes on, and all of it once there is one again.
    remove(&server, "7.9");
    server.sh(&format!("mv /usr/sbin/php-fpm{own} /root/ && pkill php-fpm"));
    eventually("no PHP answers any more", || (server.get("bob.test", "/which.php").status >= 500).then_some(()));
    assert_eq!(server.get("bob.test", "/page.html").text(), "static");
    let told = doctor_on_php(&server);
    assert!(told.iter().any(|(level, text)| level == "problem" && text.contains("no PHP is installed")), "{told:?}");
    server.sh(&format!("mv /root/php-fpm{own} /usr/sbin/"));
    for host in ["alice.test", "bob.test"] {
        within(std::time::Duration::from_mins(2), "the site is back", || {
            let reply = server.get(host, "/which.php");
            (reply.status == 200 && reply.text() == own).then_some(())
        });
    }
}

#[test]
fn a_server_whose_php_was_upgraded_with_accounts_on_it_serves_all_of_them() {
    let server = Server::new("upgraded");
    let own = packaged(&server);
    let tenants = ["alice", "bob", "carol"].map(|name| Tenant::new(&server, name, &format!("{name}.test")));
    for tenant in &tenants {
        tenant.put(&server, "which.php", WHICH);
    }
    for name in ["bob", "carol"] {
        server.ok(&["opterius", "account", "php", name, &own]);
        assert_eq!(which(&server, &format!("{name}.test")), own);
    }
    server.ok(&["opterius", "account", "suspend", "carol", "--reason", "a test"]);
    let told = doctor_on_php(&server);
    assert!(told.iter().any(|(_, text)| text.contains(&format!("PHP {own} and no other is chosen for bob"))), "{told:?}");
    assert!(!told.iter().any(|(_, text)| text.contains("alice")), "who follows the server is not named: {told:?}");

    // As the upgrade of a release does it: another version is there, that of before is not, and the server is booted again.
    install(&server, &own, "9.9");
    server.sh(&format!("rm -r /usr/sbin/php-fpm{own} /etc/php/{own}/fpm"));
    server.reboot();
    server.wait_until_ready();
    assert_eq!(versions(&server), ["9.9"]);
    for host in ["alice.test", "bob.test"] {
        assert_eq!(which(&server, host), "9.9", "{host}");
    }
    server.ok(&["opterius", "account", "unsuspend", "carol"]);
    assert_eq!(which(&server, "carol.test"), "9.9");
    let dave = Tenant::new(&server, "dave", "dave.test");
    dave.put(&server, "which.php", WHICH);
    assert_eq!(which(&server, "dave.test"), "9.9");
    let problem = |told: &[(String, String)]| told.iter().find(|(level, _)| level == "problem").map(|(_, text)| text.clone());
    let told = problem(&doctor_on_php(&server)).expect("it is said who has another one now");
    assert!(told.contains("bob") && told.contains("carol") && told.contains("PHP 9.9 answers in its place"), "{told}");
    for name in ["bob", "carol"] {
        server.ok(&["opterius", "account", "php", name, "newest"]);
    }
    assert_eq!(problem(&doctor_on_php(&server)), None);
}
