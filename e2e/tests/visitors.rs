//! What a visitor can, and cannot, make the one vhost of all sites do; what one site's load does to another; and what the logs say of it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use opterius_e2e::{Server, Tenant, eventually, finish};
use serde_json::{Value, json};

fn page_of(domain: &str) -> String {
    format!("page-of-{domain}")
}

/// Two sites, each with a page, a script that tells what it was asked, and files that must stay hidden.
fn two_sites(test: &str) -> (Server, Tenant, Tenant) {
    let server = Server::new(test);
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let tenant = Tenant::new(&server, name, &format!("{name}.test"));
        furnish(&server, &tenant);
        tenant
    });
    (server, alice, bob)
}

fn furnish(server: &Server, tenant: &Tenant) {
    tenant.put(server, "page.html", page_of(&tenant.domain));
    tenant.put(
        server,
        "asked.php",
        "<?php header('Content-Type: application/json'); echo json_encode(['server' => $_SERVER, 'get' => $_GET]);",
    );
    for path in [".env", ".git/config", ".htpasswd", ".user.ini", "dir/.env", ".well-known/.env", ".git/x.php"] {
        tenant.put(server, path, "hidden-content");
    }
    tenant.put(server, ".well-known/security.txt", "well-known");
}

/// A request as bytes, with the connection closed after it.
fn request(line: &str, headers: &[&str]) -> Vec<u8> {
    let mut text = format!("{line}\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    format!("{text}\r\n").into_bytes()
}

#[test]
fn a_host_name_leads_to_its_own_site_or_to_nothing() {
    let (server, _alice, _bob) = two_sites("hosts");
    let visit = |host: &[u8]| server.send(&[b"GET /page.html HTTP/1.1\r\nConnection: close\r\nHost: ", host, b"\r\n\r\n"].concat());
    for host in ["alice.test", "ALICE.Test", "alice.test.", "alice.test:99", "www.alice.test", "WWW.alice.test:80"] {
        let reply = visit(host.as_bytes());
        assert_eq!((reply.status, reply.text()), (200, page_of("alice.test")), "{host}");
    }
    // nginx itself finds these malformed.
    for host in [
        "..",
        ".",
        "../bob.test",
        "a/b",
        "a..b",
        "alice.test/../bob.test",
        "[::1/../x]",
        "..%2fbob.test/",
        "alice\ttest",
        "alice.test, bob.test",
        "al ice.test",
        "",
    ] {
        let reply = visit(host.as_bytes());
        assert_eq!(reply.status, 400, "{host:?}: {}", reply.head);
    }
    let odd_port = visit(b"alice.test:bob.test");
    assert!(odd_port.status == 400 || odd_port.text() == page_of("alice.test"), "{}", odd_port.head);
    assert_eq!(visit(b"alice.test\0.bob.test").status, 400);
    assert_eq!(visit(b"alice.test\r\n .bob.test").status, 400);
    // Names that no site may have become part of no path: the connection is closed.
    let long_label = format!("{}.test", "a".repeat(64));
    for host in [
        "%2e%2e",
        "_default",
        "*",
        "$site",
        "x@alice.test",
        "un_der.test",
        "b\u{fc}cher.test",
        "[::1]",
        "127.0.0.1",
        "-a.test",
        "a-.test",
        "test",
        &long_label,
        "sites",
        "x",
        "staging",
        &"a.".repeat(150),
        &format!("{}test", "a.".repeat(4400)),
    ] {
        let reply = visit(host.as_bytes());
        // A final dot after dots is one that nginx itself refuses.
        assert!(reply.status == 0 || (reply.status == 400 && host.len() > 250), "{host}: {}", reply.head);
    }
    assert_eq!(visit(b"b\xfccher.test").status, 0);
    let longest = format!("{}.{}.{}.{}.test", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(55));
    for host in ["nobody.test", "www.www.alice.test", "page.html.alice.test", &longest] {
        let reply = visit(host.as_bytes());
        assert_eq!(reply.status, 404, "{host}: {}", reply.head);
        assert!(!reply.text().contains("/var/lib"), "{}", reply.text());
    }
    assert_eq!(server.send(b"GET /page.html HTTP/1.0\r\n\r\n").status, 0, "HTTP/1.0 without a host");
    assert_eq!(server.send(b"GET /page.html\r\n").head, "", "HTTP/0.9");
    assert_eq!(server.send(b"GET /page.html HTTP/1.1\r\n\r\n").status, 400, "HTTP/1.1 without a host");
    let two = request("GET /page.html HTTP/1.1", &["Host: alice.test", "Host: bob.test", "Connection: close"]);
    assert_eq!(server.send(&two).status, 400);

    // A target that names a site counts, for the file and for what PHP is told.
    let target =
        |path: &str| server.send(&request(&format!("GET http://bob.test{path} HTTP/1.1"), &["Host: alice.test", "Connection: close"]));
    assert_eq!(target("/page.html").text(), page_of("bob.test"));
    let told = target("/asked.php").text();
    assert!(
        told.contains("\"HTTP_HOST\":\"bob.test\"") && told.contains("\"SERVER_NAME\":\"bob.test\"") && !told.contains("alice"),
        "{told}"
    );
    let upper = server.get("WWW.Alice.Test:99", "/asked.php").text();
    assert!(upper.contains("\"HTTP_HOST\":\"www.alice.test\""), "{upper}");
}

#[test]
fn malformed_requests_are_refused_and_smuggle_nothing() {
    let (server, _alice, _bob) = two_sites("requests");
    let line = |line: &str, more: &[&str]| {
        let headers: Vec<&str> = ["Host: alice.test", "Connection: close"].into_iter().chain(more.iter().copied()).collect();
        server.send(&request(line, &headers)).status
    };
    for (method, expected) in
        [("CONNECT", vec![400, 405]), ("TRACE", vec![405]), ("PUT", vec![405]), ("DELETE", vec![405]), ("POST", vec![405])]
    {
        let status = line(&format!("{method} /page.html HTTP/1.1"), &[]);
        assert!(expected.contains(&status), "{method} on a file: {status}");
    }
    let both = ["Content-Length: 5", "Transfer-Encoding: chunked"];
    assert_eq!(line("POST /asked.php HTTP/1.1", &both), 400);
    assert_eq!(line("POST /asked.php HTTP/1.1", &["Content-Length: 5", "Content-Length: 6"]), 400);
    assert_eq!(line("POST /asked.php HTTP/1.1", &["Transfer-Encoding: odd"]), 501);
    for target in ["/../php.sock", "/%2e%2e/php.sock", "/..%2fphp.sock", "/dir/..%2f..%2f..%2faccount", "//..//", "/page.html%00", "/%00"] {
        assert_eq!(line(&format!("GET {target} HTTP/1.1"), &[]), 400, "{target}");
    }
    // Twice encoded, these are names like any other, and no file has them.
    for target in
        ["/%252e%252e/account", "/..%5caccount", "/..;/account", "/php.sock", "/account", "/home/alice.test/public_html/page.html"]
    {
        let reply = server.get("alice.test", target);
        assert!(!reply.text().contains("page-of-") && [200, 404].contains(&reply.status), "{target}: {}", reply.status);
    }
    assert_eq!(server.get("alice.test", "/dir/../page.html").text(), page_of("alice.test"));
}

#[test]
fn hidden_files_and_the_source_of_scripts_are_not_shown() {
    let (server, alice, _bob) = two_sites("hidden");
    for path in [
        "/.env",
        "/.git/config",
        "/%2egit/config",
        "/.htpasswd",
        "/.user.ini",
        "/dir/.env",
        "/dir/../.env",
        "/index.php/../.env",
        "/.well-known/.env",
        "/.git/x.php",
        "//.env",
        "/./.env",
        "/.%65nv",
        "/dir//.env",
    ] {
        let reply = server.get("alice.test", path);
        assert_eq!(reply.status, 404, "{path}");
        assert!(!reply.text().contains("hidden-content"), "{path}");
    }
    assert_eq!(server.get("alice.test", "/.well-known/security.txt").text(), "well-known");

    let source = "<?php /* source-of-a-script */ echo 'ran-', $_SERVER['SCRIPT_NAME'], '-', $_SERVER['PATH_INFO'] ?? '';";
    for path in
        ["UP.PHP", "x.phtml", "x.phar", "x.php5", "x.phps", "x.pht", "evil.php.jpg", "evil.jpg", "info.php", "dir/info.php", "Mixed.pHp"]
    {
        alice.put(&server, path, source);
    }
    for path in ["/UP.PHP", "/x.phtml", "/x.phar", "/x.php5", "/x.phps", "/x.pht", "/Mixed.pHp", "/UP.PHP/info.php", "/INFO.PHP"] {
        let reply = server.get("alice.test", path);
        assert_eq!(reply.status, 404, "{path}");
        assert!(!reply.text().contains("source-of"), "{path}");
    }
    // Sent as the bytes that they are, never run.
    for path in ["/evil.php.jpg", "/evil.jpg"] {
        assert_eq!(server.get("alice.test", path).text(), source, "{path}");
    }
    for path in ["/evil.jpg/x.php", "/evil.jpg/.php", "/nosuch.php/info.php", "/evil.jpg%00.php", "/evil.jpg/info.php", "/nosuch.php"] {
        let reply = server.get("alice.test", path);
        assert!([400, 404].contains(&reply.status), "{path}: {}", reply.status);
        assert!(!reply.text().contains("ran-") && !reply.text().contains("source-of"), "{path}: {}", reply.text());
    }
    for (path, answer) in [
        ("/info.php", "ran-/info.php-"),
        ("/info.php/a/b", "ran-/info.php-/a/b"),
        ("/dir/info.php/x.php/y", "ran-/dir/info.php-/x.php/y"),
        ("/info.php?a=/../../etc/passwd", "ran-/info.php-"),
    ] {
        assert_eq!(server.get("alice.test", path).text(), answer, "{path}");
    }
}

#[test]
fn php_and_headers_reach_no_more_than_the_site() {
    let (server, alice, _bob) = two_sites("headers");
    for (name, value) in [
        ("Redirect", "/.env"),
        ("Redirect", "/page.html"),
        ("Redirect", "/internal/x"),
        ("Redirect", "//bob.test/page.html"),
        ("Redirect", "http://bob.test/page.html"),
        ("Redirect", "@suspended"),
        ("Redirect", "/../bob.test/page.html"),
        ("Expires", "3600"),
        ("Limit-Rate", "1"),
        ("Charset", "x"),
    ] {
        alice.put(&server, "accel.php", format!("<?php header('X-Accel-{name}: {value}'); echo 'the script itself';"));
        let reply = server.get("alice.test", "/accel.php");
        assert_eq!((reply.status, reply.text().as_str()), (200, "the script itself"), "X-Accel-{name}: {value}");
    }
    alice.put(&server, "location.php", "<?php header('Location: /page.html');");
    let reply = server.get("alice.test", "/location.php");
    assert_eq!((reply.status, reply.header("location")), (302, Some("/page.html")));
    // PHP's own answers are passed on as they are.
    for status in [503, 404, 500, 418] {
        alice.put(&server, "status.php", format!("<?php http_response_code({status}); echo 'own page';"));
        let reply = server.get("alice.test", "/status.php");
        assert_eq!((reply.status, reply.text().as_str()), (status, "own page"));
    }

    let headers = "Proxy: http://evil.test/\r\nFoo_Bar: x\r\nContent_Length: 7\r\nPHP_VALUE: auto_prepend_file=/etc/passwd\r\n\
        PHP-Value: auto_prepend_file=/etc/passwd\r\nPHP-Admin-Value: open_basedir=/\r\nX-Forwarded-For: 192.0.2.9\r\nX-Real-IP: 192.0.2.9\r\n\
        X-Request-Id: forged\r\nScript-Filename: /etc/passwd\r\n";
    let told: Value =
        serde_json::from_str(&server.get_with("alice.test", "/asked.php?a=1", headers).text()).expect("the script answers JSON");
    let told = &told["server"];
    assert!(told["HTTP_PROXY"].as_str().unwrap_or_default().is_empty(), "{told}");
    for name in ["HTTP_FOO_BAR", "FOO_BAR", "PHP_VALUE", "PHP_ADMIN_VALUE"] {
        assert!(told[name].is_null(), "{name}: {told}");
    }
    assert_eq!(told["HTTP_PHP_VALUE"], "auto_prepend_file=/etc/passwd", "a header like any other");
    assert_ne!(told["REMOTE_ADDR"], "192.0.2.9");
    assert_ne!(told["HTTP_X_REQUEST_ID"], "forged");
    assert_eq!(told["SCRIPT_FILENAME"], format!("{}/asked.php", alice.docroot()));
    assert_eq!(told["DOCUMENT_ROOT"], alice.docroot());
    assert_eq!((&told["REQUEST_URI"], &told["QUERY_STRING"]), (&json!("/asked.php?a=1"), &json!("a=1")));

    // The probe's page is nobody's who has not its secret, and the secret counts in the header alone.
    let agent = server.sh("grep '^probe_secret' /etc/opterius/agent.toml");
    let secret = agent.split('"').nth(1).expect("the secret").to_owned();
    let path = "/.opterius-probe";
    for (target, headers) in [
        (path, String::new()),
        (path, "X-Opterius-Probe: wrong\r\n".to_owned()),
        (path, format!("X-Opterius-Probe: {}\r\n", &secret[1..])),
        (path, format!("X-Opterius-Probe: {secret}x\r\n")),
        (path, format!("X-Opterius-Probe: x|{secret}\r\n")),
        (path, format!("Opterius-Probe: {secret}\r\n")),
        ("/opterius-ping", String::new()),
        ("/opterius-ping", format!("X-Opterius-Probe: {secret}\r\n")),
    ] {
        let reply = server.get_with("alice.test", target, &headers);
        assert!(!reply.text().contains(&alice.account), "{target}: {}", reply.text());
        assert!(reply.status == 404 || target == "/opterius-ping", "{target}: {}", reply.status);
    }
    let answered = server.get_with("alice.test", path, &format!("X-Opterius-Probe: {secret}\r\n"));
    assert_eq!((answered.status, answered.text()), (200, format!("{} 1", alice.account)), "with it it answers");
    let logs = server.sh("cat /var/log/opterius/*.json /var/log/opterius/*.log /var/log/opterius/accounts/*/* 2>/dev/null; true");
    let told = logs.lines().filter(|line| line.contains(&secret)).count();
    assert_eq!(told, 0, "no log holds the probe's secret");
}

#[test]
fn a_name_of_98_characters_is_a_site_and_one_of_99_is_refused() {
    let server = Server::new("names");
    let name = |length: usize| format!("{}.{}.test", "a".repeat(60), "b".repeat(length - 66));
    let longest = name(98);
    assert_eq!(longest.len(), 98);
    let tenant = Tenant::new(&server, "longest", &longest);
    furnish(&server, &tenant);
    assert_eq!(server.get(&longest, "/page.html").text(), page_of(&longest));
    for host in [longest.clone(), format!("www.{longest}"), longest.to_uppercase()] {
        let reply = server.get(&host, "/asked.php");
        assert_eq!(reply.status, 200, "PHP of {host}");
    }
    let order = json!({ "username": "longer", "domain": name(99), "password": "correct horse battery", "package_id": server.starter,
                        "external_ref": "test:longer" });
    let (status, answer) = server.api("POST", "/api/accounts", Some(&order));
    assert_eq!(status, 422, "{answer}");
    assert!(answer.to_string().contains("98"), "it says how long a name may be: {answer}");
    assert_eq!(server.get(&name(99), "/").status, 404);
}

#[test]
fn a_file_in_the_entry_suspends_a_site_at_once_and_its_removal_brings_it_back() {
    let (server, alice, _bob) = two_sites("suspended");
    let marker = "/var/lib/opterius/sites/alice.test/suspended";
    server
        .sh("mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge; echo token >/var/lib/opterius/acme/.well-known/acme-challenge/t");
    alice.put(&server, "big.php", "<?php echo 'php';");
    let mut alive = server.web();
    let keep_alive = |stream: &mut TcpStream| {
        stream.write_all(b"GET /page.html HTTP/1.1\r\nHost: alice.test\r\n\r\n").expect("sent");
        let mut some = vec![0; 8192];
        let count = stream.read(&mut some).expect("answered");
        String::from_utf8_lossy(&some[..count]).into_owned()
    };
    // Warm caches, on a connection that stays.
    for _ in 0..3 {
        assert!(keep_alive(&mut alive).contains(" 200 "));
    }
    // The page of the host, another one of his, and none: a site whose page was deleted is suspended all the same.
    let page = "/var/lib/opterius/pages/suspended.html";
    for (change, shown) in [("true", "suspended"), ("echo '<h1>out-of-money</h1>' >", "out-of-money"), ("rm ", "503")] {
        server.sh(&if change == "true" { change.to_owned() } else { format!("{change}{page}") });
        server.sh(&format!(": >{marker}"));
        assert!(keep_alive(&mut alive).contains(" 503 "), "also on a live connection");
        for path in ["/", "/page.html", "/big.php", "/nothing", "/page.html?x", "/dir/", "/.well-known/security.txt"] {
            let reply = server.get("alice.test", path);
            assert_eq!(reply.status, 503, "{path}");
            assert!(reply.text().contains(shown), "{path}: {}", reply.text());
            assert_eq!(reply.header("content-type"), Some("text/html"), "{path}");
            assert!(shown == "503" || reply.header("cache-control") == Some("no-store"), "{path}");
            assert!(shown == "503" || reply.header("retry-after").is_some());
        }
        for method in ["POST", "PUT", "DELETE"] {
            let reply = server.send(&request(&format!("{method} /big.php HTTP/1.0"), &["Host: alice.test", "Content-Length: 0"]));
            assert_eq!(reply.status, 503, "{method}");
            assert!(!reply.text().contains("php"), "{method}: {}", reply.text());
        }
        assert_eq!(server.get("alice.test", "/.well-known/acme-challenge/t").text(), "token\n", "certificates are still issued");
        assert_eq!(server.get("bob.test", "/page.html").text(), page_of("bob.test"), "and nobody else is suspended");
        server.sh(&format!("rm {marker}"));
        assert_eq!(server.get("alice.test", "/page.html").status, 200);
        alive = server.web();
        assert!(keep_alive(&mut alive).contains(" 200 "));
    }
    // The owner of the site can make no such file, and no challenge is looked for in its home.
    alice.put(&server, "suspended", "x");
    alice.put(&server, ".well-known/acme-challenge/own", "x");
    assert_eq!(server.get("alice.test", "/page.html").status, 200);
    assert_eq!(server.get("alice.test", "/.well-known/acme-challenge/own").status, 404);
}

#[test]
fn nobody_forges_a_line_of_anothers_error_log() {
    let (server, alice, bob) = two_sites("forged");
    let forged =
        "2026/10/01 12:00:00 [error] 7#7: *1 forged-line, client: 192.0.2.7, server: _, request: \"GET / HTTP/1.1\", host: \"bob.test\"";
    let encoded = forged.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02x}"));
    // A visitor, by a target that nginx decodes: with errors of each kind that show it.
    alice.sh(&server, "mkdir closed; echo x >closed/x; chmod 000 closed");
    for path in ["/closed/", "/", "/page.html/", "/asked.php/", "/nothing.php/", "/.well-known/acme-challenge/"] {
        for end in ["%0a", "%0d", "%0d%0a"] {
            let reply = server.get("alice.test", &format!("{path}{end}{encoded}{end}x"));
            assert_eq!(reply.status, 400, "{path}{end}");
        }
    }
    for byte in (1..0x20).chain([0x7f]) {
        assert_eq!(server.get("alice.test", &format!("/a%{byte:02x}b")).status, 400, "{byte:#x}");
    }
    // In the query they stay encoded, and are nobody's business but the script's.
    let told = server.get("alice.test", "/asked.php?a=%0a1");
    assert!(told.text().contains("\"a\":\"\\n1\""), "{}", told.text());
    assert_eq!(server.get("alice.test", "/asked.php/caf%c3%a9%20x").status, 200, "other characters pass");

    // A tenant, by what PHP says to nginx beside its answer.
    alice.put(&server, "says.php", format!("<?php error_log(\"x\\n\" . {forged:?} . \"\\nx\", 4); echo 'said';"));
    assert_eq!(server.get("alice.test", "/says.php").text(), "said");
    eventually("nginx or PHP has written it down", || {
        let all = server.sh("cat /var/log/opterius/*.log /var/log/opterius/accounts/alice/php.log");
        all.contains("forged-line").then_some(())
    });
    // A true error of Bob's after all of these, so that the splitter has come past them.
    bob.sh(&server, "mkdir closed; echo x >closed/true-error; chmod 000 closed");
    server.get("bob.test", "/closed/true-error");
    let own = |user: &str| server.run(&["cat", &format!("/var/log/opterius/accounts/{user}/error.log")]).stdout;
    eventually("Bob's own error is in his log", || own("bob").contains("true-error").then_some(()));
    assert!(!own("bob").contains("forged-line"), "{}", own("bob"));
    assert!(!server.sh("cat /var/log/opterius/nginx-error.log").lines().any(|line| line.starts_with("2026/10/01 12:00:00")));
}

/// Asks for these targets of Bob's site over and over while `while_this` runs; how many answers there were.
fn unharmed(server: &Server, targets: &[&str], while_this: impl FnOnce()) -> usize {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    // At least so many, however quickly the rest goes.
                    while !done.load(std::sync::atomic::Ordering::Relaxed) || count < 500 {
                        let target = targets[count % targets.len()];
                        let reply = server.get("bob.test", target);
                        assert_eq!(reply.status, 200, "request {count} for {target}: {}", reply.text());
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        while_this();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        visitors.into_iter().map(|visitor| visitor.join().expect("no request failed")).sum()
    })
}

#[test]
fn a_neighbour_that_sleeps_floods_stalls_and_crashes_costs_no_request() {
    let (server, alice, bob) = two_sites("neighbours");
    let carol = Tenant::new(&server, "carol", "carol.test");
    alice.put(&server, "sleep.php", "<?php sleep(240);");
    carol.put(&server, "crash.php", "<?php posix_kill(posix_getppid(), 9); sleep(1);");
    bob.put(&server, "hello.php", "<?php echo 'hello';");
    let open = |request: &[u8]| {
        let mut stream = server.web();
        stream.write_all(request).expect("sent");
        stream
    };
    let mut held = Vec::new();
    let answered = unharmed(&server, &["/page.html", "/hello.php"], || {
        for round in 0..200 {
            // All of Alice's workers, and everybody who waits for one.
            held.push(open(b"GET /sleep.php HTTP/1.1\r\nHost: alice.test\r\n\r\n"));
            // Those who never end their headers, or their body.
            held.push(open(b"GET /page.html HTTP/1.1\r\nHost: alice.test\r\nX-Slow: "));
            held.push(open(b"POST /sleep.php HTTP/1.1\r\nHost: alice.test\r\nContent-Length: 100000\r\n\r\nx"));
            if round % 5 == 0 {
                let reply = server.get("carol.test", "/crash.php");
                assert!([502, 504].contains(&reply.status), "a crash is a crash: {}", reply.status);
            }
        }
    });
    assert!(answered >= 1000, "{answered}");
    drop(held);
}

#[test]
fn one_site_holds_so_many_connections_and_no_more() {
    let (server, alice, _bob) = two_sites("connections");
    alice.put(&server, "post.php", "<?php echo strlen(file_get_contents('php://input'));");
    // Requests under way: their bodies are still to come.
    let half = b"POST /post.php HTTP/1.1\r\nHost: alice.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nx";
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..512 {
        let mut stream = server.web();
        stream.write_all(half).expect("sent");
        held.push(stream);
    }
    eventually("one more is too many", || (server.get("alice.test", "/page.html").status == 429).then_some(()));
    assert_eq!(server.get("www.alice.test", "/page.html").status, 429, "by whatever name");
    let answered = unharmed(&server, &["/page.html"], || {});
    assert!(answered >= 1000);
    // None of those that were let in was given up.
    let mut last = held.pop().expect("there are some");
    last.write_all(b"y").expect("sent");
    let reply = finish(last);
    assert_eq!((reply.status, reply.text().contains('2')), (200, true), "{}", reply.head);
    drop(held);
    eventually("the site answers again", || (server.get("alice.test", "/page.html").status == 200).then_some(()));
}

#[test]
fn an_accounts_logs_and_traffic_are_its_own() {
    let (server, alice, bob) = two_sites("logs");
    let log = |user: &str, name: &str| server.run(&["cat", &format!("/var/log/opterius/accounts/{user}/{name}")]).stdout;
    let agent = "User-Agent: visitor \"x\"\r\nReferer: http://from.test/\r\n";
    assert_eq!(server.get_with("www.alice.test", "/page.html?for=alice", agent).status, 200);
    bob.put(&server, "big.bin", vec![b'x'; 3_000_000]);
    assert_eq!(server.get("bob.test", "/big.bin?for=bob").body.len(), 3_000_000);
    let posted = server.post("bob.test", "/asked.php", vec![b'x'; 1_000_000]);
    assert_eq!(posted.status, 200);
    alice.sh(&server, "mkdir closed; echo x >closed/x.txt; chmod 000 closed");
    server.get("alice.test", "/closed/x.txt");
    alice.put(&server, "error.php", "<?php error_log('said by a script'); undefined_function();");
    assert_eq!(server.get("alice.test", "/error.php").status, 500);

    let line = eventually("the request is in the log", || {
        log("alice", "access.log").lines().find(|line| line.contains("for=alice")).map(str::to_owned)
    });
    let (before, after) = line.split_once("] \"GET /page.html?for=alice HTTP/1.0\" 200 ").unwrap_or_else(|| panic!("{line}"));
    assert!(before.contains(" - - ["), "{line}");
    assert!(after.ends_with(" \"http://from.test/\" \"visitor \\x22x\\x22\""), "{line}");
    eventually("Bob's is in his", || log("bob", "access.log").contains("for=bob").then_some(()));
    let error = eventually("the error is in the log", || {
        let error = log("alice", "error.log");
        error.contains("closed/x.txt").then_some(error)
    });
    assert!(error.contains("host: \"alice.test\""), "{error}");
    eventually("what went wrong in PHP is in its log", || {
        let php = log("alice", "php.log");
        (php.contains("said by a script") && php.contains("undefined_function")).then_some(())
    });
    for (user, other) in [("alice", "bob"), ("bob", "alice")] {
        let all: String = ["access.log", "error.log", "php.log"].map(|name| log(user, name)).concat();
        assert!(!all.contains(&format!("for={other}")) && !all.contains(&format!("{other}.test")), "{user}: {all}");
    }
    assert!(!log("bob", "php.log").contains("said by"));

    // Its owner reads them, where its PHP runs, and writes to none of them.
    let logs = "/var/log/opterius/accounts/alice";
    let (status, read) = alice.inside(&server, &format!("cat {logs}/access.log {logs}/error.log {logs}/php.log"));
    assert!(status == 0 && read.contains("for=alice") && read.contains("said by a script"), "{read}");
    let (_, wrote) = alice.inside(
        &server,
        &format!(
            "for f in access.log error.log new .opterius-account; do (echo x >>{logs}/$f) 2>/dev/null && echo wrote $f; \
             (chmod 777 {logs}/$f || rm -f {logs}/$f || mv {logs}/$f {logs}/y) 2>/dev/null && [ -e {logs}/y -o ! -e {logs}/$f ] && echo changed $f; done; \
             (rm {logs}/php.log || mv {logs}/php.log {logs}/z) 2>/dev/null && echo moved; (echo x >>{logs}/php.log) 2>/dev/null && echo wrote php.log"
        ),
    );
    let wrote: Vec<&str> = wrote.lines().filter(|line| !line.is_empty() && !line.ends_with(" new")).collect();
    assert_eq!(wrote, [""; 0]);
    let modes = server.sh(&format!("cd {logs}; stat -c '%n %a %U %G' . access.log error.log"));
    assert_eq!(modes, ". 750 root alice\naccess.log 640 root alice\nerror.log 640 root alice\n");

    // Traffic: headers and bodies in both directions, and nobody else's.
    let counted = || -> BTreeMap<String, (u64, u64)> {
        let state: Value = serde_json::from_str(&server.sh("cat /var/lib/opterius-agent/logs.json")).unwrap_or_default();
        let months = state["months"].as_object().cloned().unwrap_or_default();
        let mut sums = BTreeMap::new();
        for (account, traffic) in months.values().filter_map(Value::as_object).flatten() {
            let sum: &mut (u64, u64) = sums.entry(account.clone()).or_default();
            sum.0 += traffic["sent"].as_u64().unwrap_or(0);
            sum.1 += traffic["received"].as_u64().unwrap_or(0);
        }
        sums
    };
    let (sent, received) = eventually("Bob's traffic is counted", || counted().get(&bob.account).copied().filter(|bob| bob.1 > 1_000_000));
    assert!((3_000_000..3_100_000).contains(&sent), "{sent}");
    assert!((1_000_000..1_100_000).contains(&received), "{received}");
    let (sent, received) = counted()[&alice.account];
    assert!((1..200_000).contains(&sent) && (1..200_000).contains(&received), "{sent} {received}");
}

#[test]
fn files_are_sent_as_browsers_expect_them() {
    let (server, alice, _bob) = two_sites("files");
    let text = "body { color: red }\n".repeat(500);
    alice.put(&server, "style.css", text.clone());
    alice.put(&server, "small.css", "a{}");
    alice.put(&server, "picture.png", vec![7_u8; 5000]);
    let plain = server.get("alice.test", "/style.css");
    assert_eq!((plain.status, plain.text()), (200, text.clone()));
    assert!(plain.header("content-type").is_some_and(|kind| kind.starts_with("text/css")), "{}", plain.head);
    assert!(
        plain.header("etag").is_some() && plain.header("last-modified").is_some(),
        "a browser can ask whether it changed: {}",
        plain.head
    );
    assert!(plain.header("x-content-type-options").is_some_and(|value| value == "nosniff"), "{}", plain.head);
    assert!(plain.header("server").is_some_and(|value| value == "nginx"), "no version: {}", plain.head);
    for forever in ["expires", "cache-control"] {
        assert!(plain.header(forever).is_none(), "how long a file may be kept is the site's to say: {}", plain.head);
    }
    let tag = plain.header("etag").expect("a tag").to_owned();
    let again = server.get_with("alice.test", "/style.css", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    let part = server.send(&request("GET /style.css HTTP/1.1", &["Host: alice.test", "Range: bytes=0-3", "Connection: close"]));
    assert_eq!((part.status, part.text().as_str()), (206, "body"));
    let head = server.send(b"HEAD /style.css HTTP/1.0\r\nHost: alice.test\r\n\r\n");
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some(text.len().to_string().as_str())));

    let zipped = |path: &str| {
        server.send(&request(&format!("GET {path} HTTP/1.1"), &["Host: alice.test", "Accept-Encoding: gzip", "Connection: close"]))
    };
    let small = zipped("/style.css");
    assert_eq!(small.header("content-encoding"), Some("gzip"));
    assert!(small.header("vary").is_some() && small.body.len() < text.len() / 2, "{}", small.head);
    for path in ["/picture.png", "/small.css"] {
        assert_eq!(zipped(path).header("content-encoding"), None, "{path}");
    }
    assert_eq!(server.get("www.alice.test", "/page.html").text(), page_of("alice.test"));
    // A change is seen within the two seconds that a look-up may be old.
    alice.put(&server, "page.html", "changed");
    eventually("the change is seen", || (server.get("alice.test", "/page.html").text() == "changed").then_some(()));
    let directory = server.get("alice.test", "/dir");
    assert!(directory.status == 301 && directory.header("location") == Some("/dir/"), "no name or port is made up: {}", directory.head);
}
