//! Parts that are restarted, upgraded, stopped, slow, or put back to yesterday: operations go on, visitors notice nothing, and no account is
//! lost.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use opterius_e2e::{Call, Order, Page, Server, Setup, Standing, Tenant, WholeAccount, eventually, within};
use opterius_protocol::bounded::{self, MIB};
use serde_json::{Value, json};

const UNITS: [&str; 3] = ["opterius-agent", "opterius-phpd", "opterius-panel"];

/// Higher than any version of these packages.
const LATER: &str = "0.99.0";

/// Puts packages of a higher version on the server, with the same content, and answers their paths there.
fn later_packages(server: &Server) -> Vec<String> {
    let script = r#"
        for deb in "$1"/*.deb; do
            dpkg-deb -R "$deb" "$2/package"
            sed -i -e "s/^Version: .*/Version: $3/" -e "s/(= [^)]*)/(= $3)/" "$2/package/DEBIAN/control"
            dpkg-deb --root-owner-group -Znone -b "$2/package" "$2/$(basename "$deb")"
            rm -r "$2/package"
        done"#;
    let here = tempfile::tempdir().expect("a temporary directory");
    let debs = std::env::var("OPTERIUS_DEBS").expect("OPTERIUS_DEBS names the directory of the packages; ./test sets it");
    #[expect(clippy::disallowed_methods, reason = "it prints nothing but errors")]
    let packed = Command::new("sh").args(["-ec", script, "sh", &debs]).arg(here.path()).arg(LATER).output().expect("sh runs");
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let mut paths = Vec::new();
    for name in bounded::names(here.path(), 100).expect("the packages are there") {
        let path = format!("/srv/later/{}", name.to_string_lossy());
        let content = bounded::file(here.path().join(&name), 1024 * MIB).expect("a package can be read");
        let put = server.feed(&["sh", "-ec", "mkdir -p /srv/later; cat >\"$1\"", "sh", &path], content);
        assert_eq!(put.status, 0, "{}", put.stderr);
        paths.push(path);
    }
    assert_eq!(paths.len(), 3, "{paths:?}");
    paths
}

/// Sends a request as a billing system does, which sends the same one again when it was cut off or is told to, until it is done.
fn persist(server: &Server, id: &str, method: &str, path: &str, body: &Value) -> Value {
    let call = Call { token: &server.token, request_id: id, method, path, body: Some(body), at_once: false };
    within(Duration::from_mins(2), "the request is answered", || match server.call(&call) {
        Some((200 | 201, mut answer)) => Some(answer["data"].take()),
        // Cut off, or not finished yet.
        None | Some((202, _)) => None,
        Some((409, answer)) if answer["code"] == "operation_running" => None,
        Some((500, answer)) if answer["detail"].as_str().is_some_and(|detail| detail.starts_with("The Panel is stopping")) => None,
        Some((status, answer)) => panic!("{method} {path}: {status} {answer}"),
    })
}

/// One account after the other is ordered, suspended and unsuspended, and every other one terminated; says how the last one is called.
fn orders_on_end(server: &Server, client: u32, over: &AtomicBool, lives: &AtomicU32) -> String {
    for number in 0.. {
        let name = format!("client{client}x{number}");
        let account = format!("/api/accounts/ref:{name}");
        let id = |verb: &str| format!("{name}-{verb}");
        let order = json!({ "username": name, "domain": format!("{name}.test"), "password": "correct horse battery", "package": "Starter",
                            "external_ref": name });
        persist(server, &id("create"), "POST", "/api/accounts", &order);
        let suspended = persist(server, &id("suspend"), "POST", &format!("{account}/suspend"), &json!({ "reason": "not paid" }));
        assert_eq!(suspended["status"], "suspended", "{suspended}");
        let active = persist(server, &id("unsuspend"), "POST", &format!("{account}/unsuspend"), &json!({}));
        assert_eq!(active["status"], "active", "{active}");
        lives.fetch_add(1, Ordering::Relaxed);
        if over.load(Ordering::Relaxed) {
            return name;
        }
        if number % 2 == 0 {
            let gone = persist(server, &id("terminate"), "DELETE", &account, &json!({}));
            assert_eq!(gone["status"], "terminated", "{gone}");
        }
    }
    unreachable!("there is always a next one")
}

/// Tells clients to come to an end, also when a test fails while they are at it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn outcomes(server: &Server) -> String {
    let query = "select kind, outcome, error from operation where outcome != 'committed'";
    server.ok(&["sqlite3", "-readonly", "-cmd", ".timeout 5000", "/var/lib/opterius-panel/panel.db", query])
}

#[test]
fn restarts_and_upgrades_of_every_part_under_load_fail_no_operation_and_no_request() {
    let server = Server::new("upgrades");
    let packages = later_packages(&server);
    let alice = Tenant::new(&server, "alice", "alice.test");
    alice.put(&server, "hello.php", "<?php echo 'hello';");
    alice.put(&server, "page.html", "a page");
    let pages = [("/hello.php", "hello"), ("/page.html", "a page")].map(|(target, body)| Page { host: &alice.domain, target, body });
    let (over, lives) = (AtomicBool::new(false), AtomicU32::new(0));
    let last = server.visited(2, &pages, |visits| {
        std::thread::scope(|scope| {
            let clients = [1, 2].map(|client| {
                let (server, over, lives) = (&server, &over, &lives);
                scope.spawn(move || orders_on_end(server, client, over, lives))
            });
            let ends = Ends(&over);
            let goes_on = |what: &str| {
                let before = (lives.load(Ordering::Relaxed), visits.so_far());
                eventually(&format!("orders and visits go on after {what}"), || {
                    let ended = clients.iter().any(std::thread::ScopedJoinHandle::is_finished);
                    assert!(!ended, "a client met an error after {what}");
                    (lives.load(Ordering::Relaxed) >= before.0 + 2 && visits.so_far() >= before.1 + 20).then_some(())
                });
            };
            goes_on("their begin");
            // Each at several moments of whatever goes on.
            for unit in UNITS.repeat(4) {
                server.ok(&["systemctl", "restart", unit]);
                goes_on(&format!("the restart of {unit}"));
            }
            let install: Vec<&str> = std::iter::once("install").chain(packages.iter().map(String::as_str)).collect();
            let upgraded = server.apt(&install);
            assert_eq!(upgraded.status, 0, "{}{}", upgraded.stdout, upgraded.stderr);
            goes_on("the upgrade");
            drop(ends);
            clients.map(|client| client.join().expect("no request of a client failed"))
        })
    });
    let versions = server.ok(&["dpkg-query", "-W", "-f", "${Version} ", "opterius", "opterius-agent", "opterius-panel"]);
    assert_eq!(versions, format!("{LATER} {LATER} {LATER} "));
    assert_eq!(outcomes(&server), "", "every operation is committed");
    for name in last {
        WholeAccount::assert(&server, &name, &format!("{name}.test"));
    }
}

/// The operation with this id, as the Panel tells it.
fn operation(server: &Server, id: &str) -> Value {
    let (status, answer) = server.api("GET", &format!("/api/operations/{id}"), None);
    assert_eq!(status, 200, "{answer}");
    answer["data"].clone()
}

/// What the caller gets who does not wait.
fn at_once(server: &Server, id: &str, path: &str, body: &Value) -> (u16, Value) {
    let call = Call { token: &server.token, request_id: id, method: "POST", path, body: Some(body), at_once: true };
    server.call(&call).expect("the Panel answers")
}

#[test]
fn with_the_agent_down_every_change_is_refused_and_nothing_is_begun() {
    let server = Server::new("down");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let account = format!("/api/accounts/{}", alice.account);
    let before = server.admin("GET", &account).1;
    server.sh("systemctl stop opterius-agent.socket opterius-agent.service");
    let changes = [
        ("POST", format!("{account}/suspend"), json!({ "reason": "not paid" })),
        ("PUT", format!("{account}/password"), json!({ "password": "another horse battery" })),
        ("PUT", format!("{account}/package"), json!({ "package": "Starter", "limits": { "php_workers": 9 } })),
        ("POST", format!("{account}/repair"), json!({})),
        ("DELETE", account.clone(), json!({})),
    ];
    for (method, path, body) in &changes {
        let (status, answer) = server.api(method, path, Some(body));
        assert_eq!((status, &answer["code"]), (503, &json!("server_unreachable")), "{method} {path}: {answer}");
        assert_eq!(answer["retryable"], true, "{answer}");
        let of_it = operation(&server, answer["operation_id"].as_str().expect("it names its operation"));
        assert_eq!(of_it["outcome"], "not_sent", "{of_it}");
    }
    let (_, plan) = server.api("GET", &format!("{account}/plan"), None);
    assert!(plan["data"]["missing"].as_array().is_some_and(|missing| missing.len() == 1), "{plan}");
    server.sh("systemctl start opterius-agent.socket opterius-agent.service");
    server.wait_until_ready();
    let after = server.admin("GET", &account).1;
    for field in ["status", "holds", "package", "limits", "overrides"] {
        assert_eq!(after["data"][field], before["data"][field], "{field}");
    }
    WholeAccount::assert(&server, "alice", "alice.test");
    assert!(server.has_password("alice", "correct horse battery"), "the password is the one from before");
    // Each of them, now that the Agent is back.
    for (method, path, body) in &changes {
        let (status, answer) = server.api(method, path, Some(body));
        assert_eq!(status, 200, "{method} {path}: {answer}");
    }
    assert_eq!(Standing::of(&server, "alice", "alice.test"), Standing::Kept);
}

#[test]
fn an_operation_whose_agent_stops_in_the_middle_goes_on_by_itself_when_it_is_back() {
    let server = Server::new("midway");
    let alice = Tenant::new(&server, "alice", "alice.test");
    let account = format!("/api/accounts/{}", alice.account);
    for (kind, path, body, ends) in [
        ("suspend", format!("{account}/suspend"), json!({ "reason": "not paid" }), Standing::Suspended),
        ("unsuspend", format!("{account}/unsuspend"), json!({}), Standing::Whole),
    ] {
        server.sh("printf step.forward.site.before='sleep(3000)' >/run/opterius/failpoints");
        let (status, answer) = at_once(&server, &format!("midway-{kind}"), &path, &body);
        assert_eq!(status, 202, "{answer}");
        let id = answer["data"]["id"].as_str().expect("an operation has an id").to_owned();
        eventually("the Agent has begun", || server.operation_journal("alice").contains("announced").then_some(()));
        server.sh("systemctl stop opterius-agent.socket opterius-agent.service; rm /run/opterius/failpoints");
        // Whoever asks sees that it is not over, and nobody else begins anything.
        assert_eq!(operation(&server, &id)["outcome"], "running", "{kind}");
        let (status, answer) = server.api("GET", &account, None);
        assert_eq!((status, &answer["data"]["operation"]["outcome"]), (200, &json!("running")), "{kind}: {answer}");
        let (status, answer) = at_once(&server, &format!("midway-{kind}-repair"), &format!("{account}/repair"), &json!({}));
        assert_eq!((status, &answer["code"]), (409, &json!("operation_running")), "{kind}: {answer}");
        assert_eq!(answer["operation_id"], id.as_str(), "{kind}: {answer}");

        server.sh("systemctl start opterius-agent.socket opterius-agent.service");
        let outcome = eventually("it ends by itself", || {
            operation(&server, &id)["outcome"].as_str().filter(|outcome| *outcome != "running").map(str::to_owned)
        });
        assert_eq!(outcome, "committed", "{kind}");
        assert_eq!(Standing::of(&server, "alice", "alice.test"), ends, "{kind}");
        let (_, plan) = server.api("GET", &format!("{account}/plan"), None);
        assert_eq!(plan["data"]["empty"], true, "{kind}: {plan}");
    }
}

#[test]
fn an_agent_that_takes_long_is_waited_for_twenty_seconds_and_done_later() {
    let server = Server::new("slow");
    server.sh("printf step.forward.home.before='sleep(25000)' >/run/opterius/failpoints");
    let order = json!({ "username": "alice", "domain": "alice.test", "password": "correct horse battery", "package": "Starter",
                        "external_ref": "s1" });
    let begun = Instant::now();
    let (status, answer) = server.api("POST", "/api/accounts", Some(&order));
    assert_eq!((status, &answer["data"]["outcome"]), (202, &json!("running")), "{answer}");
    assert!(begun.elapsed() >= Duration::from_secs(20), "it was waited for");
    let id = answer["data"]["id"].as_str().expect("an operation has an id").to_owned();
    let (status, view) = server.api("GET", "/api/accounts/ref:s1", None);
    assert_eq!((status, &view["data"]["status"]), (200, &json!("provisioning")), "{view}");
    // The same order, asked for again, is the same account.
    let again = persist(&server, "slow-order-again", "POST", "/api/accounts", &order);
    assert_eq!((&again["id"], &again["status"]), (&answer["data"]["account_id"], &json!("active")), "{again}");
    assert_eq!(operation(&server, &id)["outcome"], "committed");
    WholeAccount::assert(&server, "alice", "alice.test");
}

/// Every account that is there, by its id: all that the Panel says of it, but for what it has looked up or did last.
fn everything(server: &Server) -> BTreeMap<String, Value> {
    let (status, answer) = server.admin("GET", "/api/accounts?limit=500");
    assert_eq!(status, 200, "{answer}");
    let mut accounts = BTreeMap::new();
    for account in answer["data"].as_array().expect("a list") {
        let mut account = account.clone();
        for own in ["operation", "enforcement", "drift"] {
            account.as_object_mut().expect("an account is an object").remove(own);
        }
        let id = account["id"].as_str().expect("an account has an id").to_owned();
        accounts.insert(id, account);
    }
    accounts
}

#[test]
fn a_panel_put_back_to_yesterday_takes_over_from_its_server_whatever_has_happened_since() {
    let server = Server::new("yesterday");
    let whmcs = |name: &str, service: u32| Order::new(&server, service, name, &format!("{name}.test"));
    let done = |method: &str, service: u32, path: &str, body: Value| {
        let (status, mut answer) = server.api(method, &format!("/api/accounts/ref:s{service}{path}"), Some(&body));
        assert_eq!(status, 200, "{method} {service} {path}: {answer}");
        answer["data"].take()
    };
    let large = json!({ "name": "Large", "disk_mib": 20480 });
    assert_eq!(server.admin_send("POST", "/api/packages", &large).0, 201);
    for (service, name) in ["same", "suspended", "freed", "terminated", "packaged", "password"].into_iter().enumerate() {
        whmcs(name, u32::try_from(service).expect("a small number") + 1).succeed(&server);
    }
    done("POST", 3, "/suspend", json!({ "reason": "not paid in time" }));
    server.sh("systemctl stop opterius-panel.socket opterius-panel.service; mkdir /root/yesterday; \
        cp -a /var/lib/opterius-panel/panel.db* /root/yesterday; systemctl start opterius-panel.socket opterius-panel.service");
    server.wait_until_ready();

    // A day goes by.
    done("POST", 2, "/suspend", json!({ "reason": "three reminders" }));
    let (status, answer) = server.admin_send(
        "POST",
        &format!("/api/accounts/{}/suspend", server.account_id("suspended")),
        &json!({ "reason": "spam reports" }),
    );
    assert_eq!(status, 200, "{answer}");
    done("POST", 3, "/unsuspend", json!({}));
    let gone = done("DELETE", 4, "", json!({}));
    done("PUT", 5, "/package", json!({ "package": "Large", "limits": { "php_workers": 7 } }));
    done("PUT", 6, "/password", json!({ "password": "quite another one" }));
    whmcs("fresh", 7).succeed(&server);
    whmcs("held", 8).succeed(&server);
    done("POST", 8, "/suspend", json!({ "reason": "a card expired" }));
    // The same ref and the same names, for a new account.
    whmcs("terminated", 4).succeed(&server);
    let today = everything(&server);
    assert_eq!(today.len(), 8);

    server.sh("systemctl stop opterius-panel.socket opterius-panel.service; rm /var/lib/opterius-panel/panel.db*; \
        cp -a /root/yesterday/panel.db* /var/lib/opterius-panel/; systemctl start opterius-panel.socket opterius-panel.service");
    eventually("the Panel has taken over what its server knows", || {
        let (_, report) = server.admin("GET", "/api/resync");
        let lists = ["only_agent", "newer_on_agent", "busy"];
        lists.iter().all(|list| report["data"][*list].as_array().is_some_and(Vec::is_empty)).then_some(())
    });
    let taken_over = everything(&server);
    for (id, account) in &today {
        assert_eq!(taken_over.get(id), Some(account), "{id}");
    }
    assert_eq!(taken_over.len(), today.len());
    let report = server.ok(&["opterius", "resync"]);
    assert!(!report.is_empty(), "it says that nothing differs");
    let (_, report) = server.admin("GET", "/api/resync");
    for (list, findings) in report["data"].as_object().expect("an object") {
        assert!(list == "same" || findings.as_array().is_some_and(Vec::is_empty), "{list}: {report}");
    }
    let (_, activity) = server.admin("GET", "/api/activity?action=account.adopt&limit=100");
    assert_eq!(activity["data"].as_array().map(Vec::len), Some(8), "each of the changed and new accounts was taken over once: {activity}");

    // The account that was terminated is gone, and is kept.
    let id = gone["id"].as_str().expect("an account has an id");
    let (status, answer) = server.admin("GET", &format!("/api/accounts/{id}"));
    assert_eq!((status, &answer["restorable_until"]), (410, &gone["restorable_until"]), "{answer}");
    // The same orders are the same accounts, in whatever state, and nobody else gets their names.
    for (service, name) in [(1, "same"), (4, "terminated"), (7, "fresh"), (8, "held")] {
        let before = server.account_id(name);
        let answer = whmcs(name, service).create(&server);
        let expected = if name == "held" { "exists already and is suspended" } else { "success" };
        assert!(answer.text().contains(expected), "{name}: {}", answer.text());
        assert_eq!(server.account_id(name), before, "{name}");
    }
    let thief = whmcs("fresh", 9).create(&server);
    assert!(thief.text().contains("fresh"), "{}", thief.text());
    assert!(!thief.is_success());
    // And life goes on from there.
    for (service, status) in [(2, "suspended"), (8, "active")] {
        assert_eq!(done("POST", service, "/unsuspend", json!({}))["status"], status, "{service}");
    }
    done("POST", 7, "/suspend", json!({ "reason": "not paid" }));
    done("DELETE", 5, "", json!({}));
    for (name, standing) in [
        ("same", Standing::Whole),
        ("suspended", Standing::Suspended),
        ("freed", Standing::Whole),
        ("terminated", Standing::Whole),
        ("packaged", Standing::Kept),
        ("password", Standing::Whole),
        ("fresh", Standing::Suspended),
        ("held", Standing::Whole),
    ] {
        assert_eq!(Standing::of(&server, name, &format!("{name}.test")), standing, "{name}");
    }
    assert!(server.has_password("password", "quite another one"), "the newest password");
    assert_eq!(outcomes(&server), "");
}

/// The findings of doctor that are problems, each in a line.
fn problems(server: &Server) -> Vec<String> {
    let told: Value = serde_json::from_str(&server.run(&["opterius", "doctor", "--json"]).stdout).expect("JSON");
    let findings = told["findings"].as_array().expect("findings").iter().filter(|finding| finding["level"] == "problem");
    findings.map(|one| format!("{}: {} {}", one["check"], one["detail"], one["hint"])).collect()
}

#[test]
fn a_server_goes_from_debian_12_to_13_with_accounts_on_it() {
    let server = Server::with("release", &Setup { release: Some("bookworm"), ..Setup::default() });
    let own = || server.sh("php -r 'echo PHP_MAJOR_VERSION, \".\", PHP_MINOR_VERSION;'");
    let before = own();
    let tenants = ["alice", "bob", "carol", "dave"].map(|name| Tenant::new(&server, name, &format!("{name}.test")));
    let [alice, _, carol, dave] = &tenants;
    for tenant in &tenants {
        tenant.put(&server, "which.php", "<?php echo PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;");
        assert_eq!(server.get(&tenant.domain, "/which.php").text(), before);
    }
    server.ok(&["opterius", "account", "php", "alice", &before]);
    server.ok(&["opterius", "account", "suspend", "carol", "--reason", "a test"]);
    server.ok(&["opterius", "account", "terminate", "dave", "--yes"]);
    let told = server.ok(&["opterius", "doctor"]);
    assert!(told.contains(&format!("PHP {before} and no other is chosen for alice:")), "who has a version that goes is named: {told}");
    let uid = |tenant: &Tenant| server.ok(&["id", "-u", &tenant.username]).trim().to_owned();

    server.upgrade("trixie");
    server.wait_until_ready();
    let after = own();
    assert_ne!(after, before);
    for host in ["alice.test", "bob.test"] {
        let reply = server.get(host, "/which.php");
        assert_eq!((reply.status, reply.text()), (200, after.clone()), "{host}");
        assert_eq!(server.dig(host, "A"), std::slice::from_ref(&server.ip));
    }
    assert_eq!(uid(alice), alice.uid);
    assert_eq!(server.get("carol.test", "/which.php").status, 503, "who was suspended is");
    server.ok(&["opterius", "account", "unsuspend", "carol"]);
    server.ok(&["opterius", "account", "restore", &dave.account]);
    for tenant in [carol, dave] {
        assert_eq!(server.get(&tenant.domain, "/which.php").text(), after, "{}", tenant.username);
    }
    let erin = Tenant::new(&server, "erin", "erin.test");
    assert_eq!(server.get(&erin.domain, "/inside.php").status, 200);
    // That alice has another one than was chosen is all that there is to say.
    let found = problems(&server);
    assert!(found.len() == 1 && found[0].contains("alice") && found[0].contains(&format!("PHP {after} answers")), "{found:?}");
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        let plan: Value = serde_json::from_str(&server.ok(&["opterius", "account", "plan", name, "--json"])).expect("JSON");
        assert_eq!(plan["empty"], true, "{name}: {plan}");
    }
    server.ok(&["opterius", "account", "php", "alice", "newest"]);
    assert_eq!(problems(&server), Vec::<String>::new());
}
