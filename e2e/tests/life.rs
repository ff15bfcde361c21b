//! The whole life of an account on real parts: suspended and back, another package, another password, terminated and restored. What is
//! promised to visitors, to the account's owner, to staff, and to a billing system that asks twice.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Child;

use opterius_e2e::{Lasting, Server, Standing, Tenant, eventually, finish};
use serde_json::{Value, json};

/// Has every operation fail before it touches anything.
const FAILS: &str = "step.forward.preflight.before=return";

/// Tells that it has begun, and waits until it is told to end. Both are files in `tmp`, named by the query.
const HOLD: &str = "<?php $t = getenv('HOME') . '/tmp/'; touch($t . 'begun-' . $_GET['n']); \
    while (!file_exists($t . 'end-' . $_GET['n'])) { usleep(20000); clearstatcache(); } echo 'held ', $_GET['n'];";

/// Everything on the server that belongs to the account, with owners, modes and times. Entry and pool bear the generation in which they were
/// last changed, which is left out, as are the numbers of a zone's rows and its serial, which other name servers want to see grow.
fn everything_of(server: &Server, tenant: &Tenant) -> String {
    let script = r#"
        user=$1 domain=$2 id=$3
        for file in passwd shadow group gshadow; do grep "^$user:" /etc/$file || true; done
        find /home/$user -printf '%p %u:%g %m %T@ %s %l\n' | sort
        find /var/log/opterius/accounts/$user ! -name '*.log' -printf '%p %u:%g %m\n' | sort
        find /var/lib/opterius/entries/$id /var/lib/opterius/sites/$domain /var/lib/opterius-phpd/pools/$id /run/opterius/php/$id \
            -printf '%p %u:%g %m %l\n' | sed -E 's/[.]g[0-9]+/.gN/g; s/[.]main[.][0-9]+/.main.N/' | sort
        sed -E 's/"generation": *[0-9]+/"generation": N/' /var/lib/opterius-phpd/pools/$id/*
        sqlite3 /var/lib/powerdns/opterius.sqlite3 "select name, type, account from domains where name='$domain';
            select r.name, r.type, case r.type when 'SOA' then '' else r.content end, r.ttl, r.disabled from records r join domains d on d.id = r.domain_id
            where d.name='$domain' order by 1, 2, 3"
    "#;
    let found = server.ok(&["sh", "-ec", script, "everything", &tenant.username, &tenant.domain, &tenant.account]);
    assert!(
        found.contains("public_html") && found.contains("SOA") && found.contains("main.sock"),
        "there is something to compare: {found}"
    );
    found
}

/// What there is of accounts on the server: names, owners, modes, times and sizes, but for logs, which are written to at any time.
fn on_the_server(server: &Server) -> String {
    server.sh(r"cd /; cat etc/passwd etc/shadow etc/group etc/gshadow
        find home var/lib/opterius var/lib/opterius-phpd run/opterius/php -printf '%p %u:%g %m %T@ %s %l\n' | sort
        find var/log/opterius/accounts ! -name '*.log' -printf '%p %u:%g %m\n' | sort
        sqlite3 var/lib/powerdns/opterius.sqlite3 .dump")
}

/// What Agent and Panel have written down.
fn written_down(server: &Server) -> String {
    server.sh(r#"cd /; find var/lib/opterius-agent/accounts var/lib/opterius-agent/operations -printf '%p %u:%g %m %T@ %s %l\n' | sort
        for table in account account_hold account_override claimed_name operation activity; do
            sqlite3 -readonly -cmd '.timeout 5000' var/lib/opterius-panel/panel.db "select * from $table order by 1"
        done"#)
}

/// What stands in one of two texts and not in the other, line by line.
fn difference(before: &str, after: &str) -> Vec<String> {
    let only = |these: &str, those: &str, sign: char| -> Vec<String> {
        these.lines().filter(|line| !those.lines().any(|other| other == *line)).map(|line| format!("{sign} {line}")).collect()
    };
    [only(before, after, '-'), only(after, before, '+')].concat()
}

/// The account's path in the API.
fn path(tenant: &Tenant) -> String {
    format!("/api/accounts/{}", tenant.account)
}

fn standing(server: &Server, tenant: &Tenant) -> Standing {
    Standing::of(server, &tenant.username, &tenant.domain)
}

/// A process of the account's that no sandbox holds.
fn outside(server: &Server, tenant: &Tenant, script: &str) -> Child {
    server.spawn(&["setpriv", "--reuid", &tenant.uid, "--regid", &tenant.uid, "--clear-groups", "sh", "-c", script])
}

/// The processes of an account.
fn processes(server: &Server, tenant: &Tenant) -> usize {
    server.sh(&format!("pgrep -u {} || true", tenant.uid)).lines().count()
}

/// Begins a request that lasts until [`end`], and waits until its script runs.
fn hold(server: &Server, tenant: &Tenant, name: &str) -> TcpStream {
    let mut stream = server.web();
    stream.write_all(format!("GET /hold.php?n={name} HTTP/1.0\r\nHost: {}\r\n\r\n", tenant.domain).as_bytes()).expect("sent");
    server.until("the script has begun", &format!("test -e {}/tmp/begun-{name}", tenant.home()));
    stream
}

fn end(server: &Server, tenant: &Tenant, name: &str) {
    tenant.sh(server, &format!("touch ~{}/tmp/end-{name}", tenant.username));
}

/// How many operations the account has had.
fn operations(server: &Server, tenant: &Tenant) -> Value {
    server.admin("GET", &format!("/api/operations?account={}&limit=1", tenant.account)).1["page"]["total"].clone()
}

fn package(server: &Server, name: &str, limits: &[&str]) -> String {
    let command: Vec<&str> = ["opterius", "package", "create", name, "--json"].iter().chain(limits).copied().collect();
    let made: Value = serde_json::from_str(&server.ok(&command)).expect("the command answers JSON");
    made["id"].as_str().expect("a package has an id").to_owned()
}

#[test]
fn a_suspended_account_answers_503_at_once_runs_nothing_and_comes_back_as_it_was() {
    let server = Server::new("suspend");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    for tenant in [&alice, &bob] {
        tenant.put(&server, "static.txt", "there");
        tenant.put(&server, "hold.php", HOLD);
    }
    // What suspends an account must hold by itself, and not only because accounts have no logins anyway.
    server.sh("pam-auth-update --package --remove opterius");
    for tenant in [&alice, &bob] {
        server.feed(&["crontab", "-u", &tenant.username, "-"], format!("* * * * * touch {}/tmp/by-cron\n", tenant.home()));
        for service in ["sshd", "su", "login", "cron", "atd"] {
            assert!(server.lets_in(&tenant.username, service), "{service} takes {}", tenant.username);
        }
    }
    server.sh("systemctl start cron");

    let mut visitor = Lasting::new(&server);
    assert_eq!(visitor.get("alice.test", "/static.txt"), (200, "there".to_owned()));
    let held = hold(&server, &alice, "1");
    alice.inside(&server, "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1000; done' >/dev/null 2>&1 </dev/null &");
    let mut left = [outside(&server, &alice, "sleep 3000"), outside(&server, &alice, "trap '' TERM HUP INT; while :; do sleep 1000; done")];
    let stays = hold(&server, &bob, "1");
    eventually("its processes run", || (processes(&server, &alice) >= 6).then_some(()));
    let before = everything_of(&server, &alice);

    server.done("POST", &format!("{}/suspend", path(&alice)), Some(&json!({ "reason": "spam reports" })));
    let (status, page) = visitor.get("alice.test", "/static.txt");
    assert!(status == 503 && page.contains("suspended"), "on the very connection: {status} {page}");
    assert_eq!(server.get("alice.test", "/inside.php").status, 503);
    assert_eq!(server.get("www.alice.test", "/").status, 503);
    assert_eq!(processes(&server, &alice), 0, "{}", server.sh("ps -eo uid,pid,args"));
    assert_ne!(finish(held).status, 200, "its visitor is told");
    for child in &mut left {
        let _ = child.wait();
    }
    let pool = format!("/run/opterius/php/{0} /var/lib/opterius-phpd/pools/{0}", alice.account);
    assert_ne!(server.run(&["sh", "-c", &format!("ls -d {pool}")]).status, 0, "its pool is closed");
    for service in ["sshd", "su", "login", "cron", "atd"] {
        assert!(!server.lets_in("alice", service) && server.lets_in("bob", service), "{service}");
    }
    let su = |user: &str| server.run(&["su", "-s", "/bin/sh", user, "-c", "id -un"]);
    assert_eq!(su("bob").stdout.trim(), "bob");
    assert!(su("alice").status != 0 && su("alice").stdout.is_empty());
    assert_eq!(standing(&server, &alice), Standing::Suspended, "its zone answers, and all that it had is there");

    // Nothing brings it back: neither a restart of what could, nor its own cron job while Bob's runs.
    server.sh("systemctl restart opterius-phpd opterius-agent; rm -f /home/*/tmp/by-cron");
    server.wait_until_ready();
    assert_eq!(server.get("alice.test", "/inside.php").status, 503);
    opterius_e2e::within(std::time::Duration::from_secs(90), "Bob's cron job runs", || {
        (server.run(&["test", "-e", "/home/bob/tmp/by-cron"]).status == 0).then_some(())
    });
    assert_ne!(server.run(&["test", "-e", "/home/alice/tmp/by-cron"]).status, 0, "Alice's cron job ran");
    assert_eq!(processes(&server, &alice), 0);

    server.sh("crontab -u bob -r");
    server.done("POST", &format!("{}/unsuspend", path(&alice)), None);
    assert_eq!(Lasting::new(&server).get("alice.test", "/static.txt"), (200, "there".to_owned()));
    let changed: Vec<String> = difference(&before, &everything_of(&server, &alice))
        .into_iter()
        // The directory in which its cron job of a moment before the suspension may have left something.
        .filter(|line| !line.contains("/home/alice/tmp ") && !line.contains("by-cron"))
        .collect();
    assert_eq!(changed, [""; 0], "exactly what was there");
    assert_eq!(alice.inside(&server, "echo $HOME").1, "/home/alice\n", "its PHP runs");
    assert_eq!(standing(&server, &alice), Standing::Whole);
    assert!(server.lets_in("alice", "cron"));
    let outside_of_php = server.sh(&format!("pgrep -u {} -x 'sh|sleep' || true", alice.uid));
    assert_eq!(outside_of_php, "", "and no more");

    end(&server, &bob, "1");
    assert_eq!(finish(stays).text(), "held 1", "nobody else's is ended");
}

#[test]
fn holds_are_separate_and_their_reasons_are_kept_and_shown() {
    let server = Server::new("holds");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let (suspend, unsuspend) = (format!("{}/suspend", path(&alice)), format!("{}/unsuspend", path(&alice)));
    let holds = |view: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        view["holds"].as_array().expect("a list").iter().map(|hold| (text(&hold["hold"]), text(&hold["reason"]))).collect()
    };
    let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(hold, reason)| ((*hold).to_owned(), (*reason).to_owned())).collect::<Vec<_>>();

    // By the name that the billing system gave it, twice.
    let by_ref = |verb: &str, body: Value| server.api("POST", &format!("/api/accounts/ref:test:alice/{verb}"), Some(&body));
    let (status, first) = by_ref("suspend", json!({ "reason": "Invoice 4711 is overdue" }));
    assert_eq!((status, &first["data"]["status"]), (200, &json!("suspended")), "{first}");
    assert_eq!(holds(&first["data"]), of(&[("billing", "Invoice 4711 is overdue")]));
    let count = operations(&server, &alice);
    assert_eq!(by_ref("suspend", json!({ "reason": "Invoice 4711 is overdue" })), (200, first), "the same answer");
    assert_eq!(operations(&server, &alice), count, "and nothing begun");
    for (verb, body) in [("suspend", json!({ "reason": "x", "hold": "abuse" })), ("unsuspend", json!({ "hold": "abuse" }))] {
        let (status, refused) = by_ref(verb, body);
        assert_eq!((status, &refused["code"]), (403, &json!("forbidden")), "{refused}");
    }

    let both = server.done("POST", &suspend, Some(&json!({ "reason": "spam reports" })));
    assert_eq!(holds(&both), of(&[("billing", "Invoice 4711 is overdue"), ("abuse", "spam reports")]));
    let shown = server.ok(&["opterius", "account", "show", "alice"]);
    for words in ["suspended", "billing: Invoice 4711 is overdue", "abuse: spam reports", "token:test"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let (status, lifted) = by_ref("unsuspend", json!({}));
    assert_eq!((status, &lifted["data"]["status"]), (200, &json!("suspended")), "{lifted}");
    assert_eq!(lifted["data"]["notice"], "The account stays suspended: abuse (spam reports).");
    assert_eq!(standing(&server, &alice), Standing::Suspended);
    assert_eq!(by_ref("unsuspend", json!({})), (200, lifted), "its own hold is lifted already");

    // Whatever else becomes of it, it stays suspended.
    server.done("PUT", &format!("{}/password", path(&alice)), Some(&json!({ "password": "a new one meanwhile" })));
    assert!(server.has_password("alice", "a new one meanwhile"));
    package(&server, "Other", &["--php-workers", "3"]);
    server.done("PUT", &format!("{}/package", path(&alice)), Some(&json!({ "package": "Other" })));
    server.done("POST", &format!("{}/repair", path(&alice)), None);
    assert_eq!(standing(&server, &alice), Standing::Suspended);
    server.done("DELETE", &path(&alice), None);
    assert_eq!(standing(&server, &alice), Standing::Kept);
    let back = server.done("POST", &format!("{}/restore", path(&alice)), None);
    assert_eq!((holds(&back), &back["package"]["name"]), (of(&[("abuse", "spam reports")]), &json!("Other")), "{back}");
    assert_eq!(standing(&server, &alice), Standing::Suspended);

    let active = server.done("POST", &unsuspend, None);
    assert_eq!((&active["status"], &active["holds"], &active["notice"]), (&json!("active"), &json!([]), &Value::Null));
    assert_eq!(standing(&server, &alice), Standing::Whole);
    assert!(server.has_password("alice", "a new one meanwhile"));
}

#[test]
fn another_package_is_in_force_at_once_and_none_below_what_is_used() {
    let server = Server::new("package");
    package(&server, "Small", &["--php-memory-mib", "64", "--php-workers", "2", "--disk-mib", "1024"]);
    package(&server, "Big", &["--php-memory-mib", "192", "--php-workers", "4", "--disk-mib", "4096"]);
    package(&server, "Tiny", &["--php-memory-mib", "64", "--php-workers", "2", "--disk-mib", "1"]);
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "limit.php", "<?php echo ini_get('memory_limit');");
    alice.put(&server, "hold.php", HOLD);
    let url = format!("{}/package", path(&alice));
    let change = |body: Value| server.done("PUT", &url, Some(&body));
    let memory = || server.get("alice.test", "/limit.php").text();

    change(json!({ "package": "Small" }));
    assert_eq!(memory(), "64M");
    let (one, two) = (hold(&server, &alice, "1"), hold(&server, &alice, "2"));
    let view = change(json!({ "package": "Big" }));
    assert_eq!((&view["package"]["name"], &view["limits"]["php_workers"]), (&json!("Big"), &json!(4)), "{view}");
    assert_eq!(memory(), "192M");
    let more = ["3", "4", "5"].map(|name| hold(&server, &alice, name));
    // What had begun before comes to its end.
    for name in ["1", "2", "3", "4", "5"] {
        end(&server, &alice, name);
    }
    for stream in [one, two].into_iter().chain(more) {
        assert_eq!(finish(stream).status, 200);
    }

    // What the account has of its own survives, or is named when it is dropped.
    let own = change(json!({ "package": "Big", "limits": { "php_memory_mib": 96 } }));
    assert_eq!((memory().as_str(), &own["overrides"]), ("96M", &json!({ "php_memory_mib": 96 })));
    let kept = change(json!({ "package": "Small" }));
    assert_eq!((memory().as_str(), &kept["overrides"], &kept["dropped_overrides"]), ("96M", &json!({ "php_memory_mib": 96 }), &json!({})));
    let count = operations(&server, &alice);
    assert_eq!(change(json!({ "package": "Small" })), kept, "the same answer");
    assert_eq!(operations(&server, &alice), count, "and nothing begun");
    let dropped = change(json!({ "package": "Small", "keep_overrides": false }));
    assert_eq!((memory().as_str(), &dropped["dropped_overrides"]), ("64M", &json!({ "php_memory_mib": 96 })));
    assert_eq!(dropped["overrides"], json!({}));

    alice.sh(&server, "head -c 5M /dev/urandom >~alice/tmp/much; sync");
    let used = server.done("GET", &format!("{}/usage", path(&alice)), None);
    assert!(used.to_string().contains("disk"), "{used}");
    let before = everything_of(&server, &alice);
    let refused = server.refused("PUT", &url, Some(&json!({ "package": "Tiny" })), 409, "limits_below_use");
    let detail = refused["errors"][0]["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("disk_mib: ") && detail.contains(" MiB are used, and Tiny allows 1."), "{refused}");
    let number: u32 = detail.trim_start_matches("disk_mib: ").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    assert!((5..=7).contains(&number), "{detail}");
    assert_eq!(difference(&before, &everything_of(&server, &alice)), [""; 0], "nothing was begun");
    let said = server.run(&["opterius", "account", "package", "alice", "Tiny"]);
    assert!(said.status != 0 && said.stderr.contains("are used, and Tiny allows 1"), "{said:?}");
    let forced = change(json!({ "package": "Tiny", "force": true }));
    assert_eq!((&forced["package"]["name"], &forced["limits"]["disk_mib"]), (&json!("Tiny"), &json!(1)));
    assert_eq!(standing(&server, &alice), Standing::Whole);
}

#[test]
fn another_password_counts_everywhere_or_nowhere_and_ends_logins_but_no_request() {
    let server = Server::new("password");
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "hold.php", HOLD);
    let url = format!("{}/password", path(&alice));
    let (old, new) = ("correct horse battery", "another & better <one>");
    let hash =
        || server.sh("sqlite3 -readonly /var/lib/opterius-panel/panel.db \"select json_extract(spec, '$.password_hash') from account\"");

    // Not at all, if Linux does not take it.
    let before = (hash(), server.ok(&["getent", "shadow", "alice"]));
    server.fail_at("set_password.before=return");
    let refused = server.refused("PUT", &url, Some(&json!({ "password": new })), 502, "provisioning_failed");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("password")), "{refused}");
    server.fail_at("");
    assert_eq!((hash(), server.ok(&["getent", "shadow", "alice"])), before);
    assert!(server.has_password("alice", old));

    let held = hold(&server, &alice, "1");
    let mut session = outside(&server, &alice, "trap '' TERM HUP; while :; do sleep 1000; done");
    server.until("the session is there", &format!("pgrep -u {} -x sleep", alice.uid));
    let first = server.done("PUT", &url, Some(&json!({ "password": new })));
    assert!(server.has_password("alice", new) && !server.has_password("alice", old));
    let shadow = server.ok(&["getent", "shadow", "alice"]);
    assert_eq!(shadow.split(':').nth(1), Some(hash().trim()), "the Panel has the very hash");
    assert_ne!(server.run(&["pgrep", "-u", &alice.uid, "-x", "sleep"]).status, 0, "its open session has ended");
    let _ = session.wait();
    end(&server, &alice, "1");
    assert_eq!(finish(held).text(), "held 1", "a request that was running is answered");
    assert_eq!(server.done("PUT", &url, Some(&json!({ "password": new }))), first, "the same answer when repeated");
    assert_eq!(standing(&server, &alice), Standing::Whole);
}

#[test]
fn a_terminated_account_is_gone_at_once_and_comes_back_as_it_was_or_under_another_name() {
    let server = Server::new("terminate");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    for tenant in [&alice, &bob] {
        tenant.put(&server, "kept.txt", format!("the file of {}", tenant.username));
        tenant.put(&server, "who.php", "<?php echo posix_geteuid(), ' ', getenv('HOME');");
        server.ok(&["pdnsutil", "add-record", &tenant.domain, "shop", "A", "3600", "192.0.2.7"]);
        server.get(&tenant.domain, "/a-line-for-the-log");
        let log = format!("grep -q a-line-for-the-log /var/log/opterius/accounts/{}/access.log", tenant.username);
        server.until("the visit is in the log", &log);
    }
    let mut left = outside(&server, &alice, "trap '' TERM HUP; while :; do sleep 1000; done");
    server.until("it runs", &format!("pgrep -u {} -x sleep", alice.uid));
    let before = everything_of(&server, &bob);

    let gone = server.done("DELETE", &path(&alice), None);
    assert_eq!(server.get("alice.test", "/kept.txt").status, 404);
    assert_eq!(server.dig("alice.test", "SOA"), [""; 0]);
    assert_eq!(standing(&server, &alice), Standing::Kept);
    assert_eq!(server.sh(&format!("pgrep -u {} || true", alice.uid)), "");
    let _ = left.wait();
    // Only root reaches what is kept of it, and it is all there.
    let trash = format!("/home/.opterius-trash/{}", alice.account);
    let modes = server.sh(&format!("stat -c '%U %a %n' /home/.opterius-trash {trash} {trash}/spec.json {trash}/zone.json"));
    assert_eq!(
        modes,
        format!("root 700 /home/.opterius-trash\nroot 700 {trash}\nroot 600 {trash}/spec.json\nroot 600 {trash}/zone.json\n")
    );
    assert_eq!(server.sh(&format!("cat {trash}/home/alice.test/public_html/kept.txt")), "the file of alice");
    assert!(server.sh(&format!("cat {trash}/zone.json")).contains("192.0.2.7"));
    assert!(server.sh(&format!("cat {trash}/spec.json")).contains("$6$"));
    assert_ne!(bob.run(&server, "ls /home/.opterius-trash", "").status, 0);

    // Gone, gone again, and never there are three things.
    assert_eq!((&gone["status"], &gone["username"]), (&json!("terminated"), &json!("alice")), "{gone}");
    assert_eq!(server.done("DELETE", &path(&alice), None), gone, "the same answer when repeated");
    let problem = server.refused("GET", &path(&alice), None, 410, "account_gone");
    assert_eq!((&problem["terminated_at"], &problem["account_id"]), (&gone["terminated_at"], &json!(alice.account)));
    let date = server.ok(&["date", "-u", "+%Y-%m-%d"]);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&format!("terminated at {}", date.trim()))), "{problem}");
    let hours = |view: &Value| {
        let at = |field: &str| view[field].as_i64().unwrap_or_default();
        (at("restorable_until") - at("terminated_at")) / 3_600_000_000
    };
    assert!((167..=168).contains(&hours(&gone)), "seven days: {gone}");
    assert_eq!(server.api("GET", "/api/accounts/ref:test:alice", None).0, 410);
    for never in ["ref:test:nobody", "0193a5e0-7c1e-7000-8000-000000000001"] {
        for method in ["GET", "DELETE"] {
            let (status, answer) = server.api(method, &format!("/api/accounts/{never}"), None);
            assert_eq!((status, &answer["code"]), (404, &json!("not_found")), "{method} {never}: {answer}");
        }
    }

    // Another customer has its names within the same second, and nothing of it.
    let order = json!({ "username": "alice", "domain": "alice.test", "password": "somebody else's", "package_id": server.starter,
                        "external_ref": "test:heir" });
    let (status, heir) = server.api("POST", "/api/accounts", Some(&order));
    assert_eq!((status, &heir["data"]["previous"]), (201, &Value::Null), "{heir}");
    assert_ne!(heir["data"]["uid"].to_string(), alice.uid, "what is kept is no one else's");
    assert_eq!(standing(&server, &alice), Standing::Whole, "its heir");
    assert!(server.get("alice.test", "/kept.txt").text().contains("is ready"), "the welcome page, which takes what is no file");
    assert_eq!(server.dig("shop.alice.test", "A"), [""; 0]);

    // The first one comes back beside it, under names of its own.
    let restore = format!("{}/restore", path(&alice));
    server.refused("POST", &restore, None, 409, "username_taken");
    server.refused("POST", &restore, Some(&json!({ "username": "alice2" })), 409, "domain_taken");
    assert_eq!(server.done("DELETE", &path(&alice), None), gone, "it is terminated as before");
    let back = server.done("POST", &restore, Some(&json!({ "username": "alice2", "domain": "alice2.test" })));
    assert_eq!((&back["id"], &back["username"], &back["domain"]), (&json!(alice.account), &json!("alice2"), &json!("alice2.test")));
    let renamed = Tenant { username: "alice2".to_owned(), domain: "alice2.test".to_owned(), ..alice.clone() };
    assert_eq!(standing(&server, &renamed), Standing::Whole);
    assert_eq!(server.get("alice2.test", "/kept.txt").text(), "the file of alice");
    assert_eq!(server.get("www.alice2.test", "/who.php").text(), format!("{} /home/alice2", alice.uid));
    assert!(server.has_password("alice2", "correct horse battery") && server.has_password("alice", "somebody else's"));
    assert!(server.get("alice.test", "/kept.txt").text().contains("is ready"), "its heir is not touched");
    assert!(server.done("GET", &format!("{}/plan", path(&renamed)), None)["empty"] == true);
    assert_eq!(server.sh(&format!("ls -A {trash}")), "spec.reserve\nzone.reserve\n", "nothing of it is left in the trash");

    // Without a new name it is as it was, its records and logs included.
    server.ok(&["opterius", "account", "terminate", "bob", "--yes"]);
    assert_eq!(standing(&server, &bob), Standing::Kept);
    server.ok(&["opterius", "account", "restore", "bob"]);
    assert_eq!(difference(&before, &everything_of(&server, &bob)), [""; 0], "as it was");
    assert_eq!(standing(&server, &bob), Standing::Whole);
    assert_eq!(server.get("bob.test", "/kept.txt").text(), "the file of bob");
    assert_eq!(server.get("bob.test", "/who.php").text(), format!("{} /home/bob", bob.uid));
    assert_eq!(server.dig("shop.bob.test", "A"), ["192.0.2.7"]);
    assert!(server.has_password("bob", "correct horse battery"));
    server.sh("grep -q a-line-for-the-log /var/log/opterius/accounts/bob/access.log");

    // The same service ordered again is a new account, and says what it could have been.
    server.done("DELETE", &path(&bob), None);
    let order = json!({ "username": "bob", "domain": "bob.test", "password": "correct horse battery", "package_id": server.starter,
                        "external_ref": "test:bob" });
    let (status, again) = server.api("POST", "/api/accounts", Some(&order));
    assert_eq!((status, &again["data"]["previous"]["id"]), (201, &json!(bob.account)), "{again}");
    assert!((167..=168).contains(&hours(&again["data"]["previous"])), "{again}");
    assert_ne!(again["data"]["id"], json!(bob.account));
    // A look-up of nginx's may be two seconds old.
    eventually("nothing of its predecessor is served", || server.get("bob.test", "/kept.txt").text().contains("is ready").then_some(()));
    server.refused("POST", &format!("{}/restore", path(&bob)), None, 409, "external_ref_taken");

    // Where nothing is to be kept, nothing is.
    server.ok(&["opterius", "settings", "set", "kept-days", "0"]);
    let id = again["data"]["id"].as_str().unwrap_or_default().to_owned();
    let heir = Tenant { account: id.clone(), ..bob.clone() };
    let gone = server.done("DELETE", &path(&heir), None);
    assert_eq!(gone["restorable_until"].as_i64().filter(|until| Some(*until) > gone["terminated_at"].as_i64()), None, "{gone}");
    server.until("its home is deleted", &format!("! ls -d /home/.opterius-trash/*{id} /var/log/opterius/accounts/.kept-{id}"));
    let late = server.refused("POST", &format!("{}/restore", path(&heir)), None, 410, "account_gone");
    assert!(late["hint"].as_str().is_some_and(|hint| hint.contains("order a new account")), "{late}");
}

/// A verb of the API, and how to ask for it.
struct Verb {
    kind: &'static str,
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
}

fn verbs() -> [Verb; 7] {
    let verb = |kind, method, path, body| Verb { kind, method, path, body };
    [
        verb("suspend", "POST", "/suspend", Some(json!({ "reason": "a test" }))),
        verb("unsuspend", "POST", "/unsuspend", Some(json!({}))),
        verb("package", "PUT", "/package", Some(json!({ "package": "Big" }))),
        verb("password", "PUT", "/password", Some(json!({ "password": "another & better <one>" }))),
        verb("repair", "POST", "/repair", Some(json!({}))),
        verb("terminate", "DELETE", "", None),
        verb("restore", "POST", "/restore", Some(json!({}))),
    ]
}

#[test]
fn every_change_is_planned_without_a_trace_told_in_steps_and_answered_alike_when_repeated() {
    let server = Server::new("verbs");
    package(&server, "Big", &["--php-memory-mib", "192"]);
    let alice = Tenant::new(&server, "alice", "alice.test");
    let activity = |action: &str, outcome: &str| {
        let (status, rows) = server.admin("GET", &format!("/api/activity?account={}&action={action}&outcome={outcome}", alice.account));
        assert_eq!(status, 200, "{rows}");
        rows["page"]["total"].as_u64().unwrap_or_default()
    };
    for Verb { kind, method, path: verb, body } in verbs() {
        let url = format!("{}{verb}", path(&alice));
        let newest = || server.admin("GET", &format!("/api/operations?account={}&limit=1", alice.account)).1["data"][0].clone();

        let (server_before, written_before) = (on_the_server(&server), written_down(&server));
        let plan = server.done(method, &format!("{url}?plan=true"), body.as_ref());
        assert_eq!(plan["action"], kind, "{plan}");
        let nothing = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
        assert!(nothing(&plan["conflicts"]) && nothing(&plan["missing"]), "{plan}");
        assert_eq!(nothing(&plan["changes"]), kind == "repair", "{plan}");
        assert_eq!(difference(&server_before, &on_the_server(&server)), [""; 0], "the plan of {kind} leaves no trace");
        assert_eq!(difference(&written_before, &written_down(&server)), [""; 0], "the plan of {kind} is not written down");

        // One that fails leaves the account as it was, and the next try is not hindered by it.
        server.fail_at(FAILS);
        let refused = server.refused(method, &url, body.as_ref(), 502, "provisioning_failed");
        server.fail_at("");
        let failed = newest();
        assert_eq!((&failed["kind"], &failed["outcome"], &failed["id"]), (&json!(kind), &json!("rolled_back"), &refused["operation_id"]));
        assert_eq!((activity(&format!("account.{kind}"), "ok"), activity(&format!("account.{kind}.outcome"), "failed")), (1, 1), "{kind}");
        assert_eq!(difference(&server_before, &on_the_server(&server)), [""; 0], "{kind} failed and changed nothing");

        let first = server.done(method, &url, body.as_ref());
        let operation = newest();
        assert_eq!((&operation["kind"], &operation["outcome"]), (&json!(kind), &json!("committed")), "{operation}");
        let told = server.done("GET", &format!("/api/operations/{}", operation["id"].as_str().unwrap_or_default()), None);
        let steps = told["steps"].as_array().expect("a list of steps");
        assert!(steps.len() >= 2 && steps[0]["name"] == "preflight", "{kind}: {told}");
        for step in steps {
            assert!(step["duration_us"].is_u64() && ["done", "unchanged"].iter().any(|state| step["state"] == *state), "{kind}: {step}");
        }
        assert_eq!((activity(&format!("account.{kind}"), "ok"), activity(&format!("account.{kind}.outcome"), "ok")), (2, 1), "{kind}");

        let mut second = server.done(method, &url, body.as_ref());
        if kind == "repair" {
            // Who asks for a repair wants the server looked at, however often: only its generation and operation are new.
            for field in ["generation", "operation"] {
                second[field] = first[field].clone();
            }
        } else {
            assert_eq!(newest()["id"], operation["id"], "{kind} begins nothing when repeated");
        }
        assert_eq!(second, first, "{kind} is answered alike when repeated");
    }
    assert_eq!(standing(&server, &alice), Standing::Whole);

    // A service that is needed and does not answer: the plan names it. The account is closed, and the rest of it goes once the service is back.
    server.sh("systemctl stop pdns");
    let plan = server.done("DELETE", &format!("{}?plan=true", path(&alice)), None);
    assert!(plan["missing"].to_string().contains("PowerDNS"), "{plan}");
    let waits = server.refused("DELETE", &path(&alice), None, 500, "needs_attention");
    assert!(waits["detail"].as_str().is_some_and(|detail| detail.contains("PowerDNS")), "{waits}");
    assert_ne!(server.get("alice.test", "/").status, 200);
    assert!(server.run(&["test", "-d", &alice.home()]).status == 0 && !server.lets_in("alice", "su"), "what a restore needs is there");
    server.sh("systemctl start pdns");
    eventually("it is terminated", || (standing(&server, &alice) == Standing::Kept).then_some(()));
}

#[test]
fn an_operation_that_is_stuck_says_what_is_left_and_a_person_retries_or_abandons_it() {
    let server = Server::new("stuck");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let suspend = format!("{}/suspend", path(&alice));
    let body = json!({ "reason": "a test" });
    // What a visitor has seen is not taken back: a suspension goes on until it is done.
    let stuck = || {
        server.fail_at("mend_user.before=return");
        let problem = server.refused("POST", &suspend, Some(&body), 500, "needs_attention");
        assert_eq!(server.get("alice.test", "/").status, 503, "the visitor sees it already");
        problem["operation_id"].as_str().expect("an operation").to_owned()
    };
    let operation = |id: &str| server.done("GET", &format!("/api/operations/{id}"), None);

    let id = stuck();
    let told = operation(&id);
    assert_eq!((&told["outcome"], &told["abandoned"]), (&json!("needs_attention"), &json!(false)));
    assert!(told["left"].to_string().contains("linux user"), "{told}");
    let busy = server.refused(
        "PUT",
        &format!("{}/password", path(&alice)),
        Some(&json!({ "password": "another one yet" })),
        500,
        "needs_attention",
    );
    assert!(
        busy["operation_id"] == json!(id) && busy["hint"].as_str().is_some_and(|hint| hint.contains("opterius operation retry")),
        "{busy}"
    );
    let doctor = server.run(&["opterius", "doctor"]);
    assert!(format!("{}{}", doctor.stdout, doctor.stderr).contains(&id), "{doctor:?}");
    // Tried again while it cannot work, it stays; once it can, it is done.
    assert_ne!(server.run(&["opterius", "operation", "retry", &id]).status, 0);
    server.fail_at("");
    server.ok(&["opterius", "operation", "retry", &id]);
    assert_eq!(operation(&id)["outcome"], "committed");
    assert_eq!(standing(&server, &alice), Standing::Suspended);
    assert!(!server.lets_in("alice", "su"));
    let done = operation(&id);
    server.ok(&["opterius", "operation", "retry", &id]);
    assert_eq!(operation(&id), done, "one that is over stays as it is");
    server.done("POST", &format!("{}/unsuspend", path(&alice)), None);

    let id = stuck();
    server.ok(&["opterius", "operation", "abandon", &id]);
    let told = operation(&id);
    assert_eq!((&told["outcome"], &told["abandoned"]), (&json!("committed"), &json!(true)), "{told}");
    assert!(told["left"].to_string().contains("linux user"), "{told}");
    let plan = server.done("GET", &format!("{}/plan", path(&alice)), None);
    assert!(plan["changes"].to_string().contains("linux user"), "{plan}");
    server.fail_at("");
    assert_eq!(server.done("POST", &format!("{}/repair", path(&alice)), None)["status"], "suspended");
    assert_eq!(server.done("GET", &format!("{}/plan", path(&alice)), None)["empty"], true);
    assert_eq!(standing(&server, &alice), Standing::Suspended);
    let rows = server.admin("GET", &format!("/api/activity?account={}", alice.account)).1.to_string();
    assert!(rows.contains("operation.retry") && rows.contains("operation.abandon"), "{rows}");
}
