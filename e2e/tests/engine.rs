//! What the Agent does when something it needs is not there, or cannot be read, or breaks: what closes an account waits for nothing, what cannot
//! be read is kept, and what breaks is started again and parked.

use std::time::Duration;

use opterius_e2e::{Debris, Order, Server, Setup, Standing, Tenant, WholeAccount, eventually, within};
use serde_json::{Value, json};

fn signal_phpd(server: &Server, signal: &str) {
    server.sh(&format!("kill -{signal} $(systemctl show -P MainPID opterius-phpd.service)"));
}

fn path(tenant: &Tenant) -> String {
    format!("/api/accounts/{}", tenant.account)
}

fn status_of(server: &Server, tenant: &Tenant) -> u16 {
    server.visit(&tenant.domain, "/").0
}

fn runs(server: &Server, tenant: &Tenant) -> bool {
    // Zombies of a phpd that is frozen run nothing.
    server.run(&["sh", "-c", &format!("ps -o stat= -u {} | grep -qv '^Z'", tenant.uid)]).status == 0
}

/// The operation as the Agent tells it.
fn report(server: &Server, id: &str) -> Value {
    let (status, report) = server.agent("GET", &format!("/operations/{id}?seen=0&wait_ms=0"), None);
    assert_eq!(status, 200, "{report}");
    report
}

#[test]
fn with_phpd_frozen_a_suspension_and_a_termination_close_at_once_and_end_when_it_is_back() {
    closes_at_once_and_ends_with_phpd(&Server::new("frozen-closes"), true);
}

#[test]
fn with_phpd_stopped_a_suspension_and_a_termination_close_at_once_and_end_when_it_is_back() {
    closes_at_once_and_ends_with_phpd(&Server::new("stopped-closes"), false);
}

/// Whether phpd is frozen or stopped meanwhile.
fn closes_at_once_and_ends_with_phpd(server: &Server, freeze: bool) {
    let neighbour = Tenant::new(server, "neighbour", "neighbour.test");
    for (n, terminate) in [false, true].into_iter().enumerate() {
        let tenant = Tenant::new(server, &format!("user{n}"), &format!("user{n}.test"));
        tenant.put(server, "in.php", "<?php echo 'in';");
        assert_eq!(server.get(&tenant.domain, "/in.php").status, 200);
        let mut login = server.spawn(&["setpriv", "--reuid", &tenant.uid, "--regid", &tenant.uid, "--clear-groups", "sleep", "3000"]);
        eventually("it runs", || runs(server, &tenant).then_some(()));
        if freeze {
            signal_phpd(server, "STOP");
        } else {
            server.sh("systemctl stop opterius-phpd.service");
        }
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                if terminate {
                    server.admin_send("DELETE", &format!("{}?keep_days=7", path(&tenant)), &json!({}))
                } else {
                    server.admin_send("POST", &format!("{}/suspend", path(&tenant)), &json!({ "reason": "spam" }))
                }
            });
            within(Duration::from_secs(15), "its site is closed, and nothing of it runs", || {
                (status_of(server, &tenant) != 200 && !runs(server, &tenant)).then_some(())
            });
            if !terminate {
                assert_eq!(status_of(server, &tenant), 503);
            }
            let expired = format!("test $(getent shadow {} | cut -d: -f8)", tenant.username);
            server.until("nobody logs in", &expired);
            let (status, answer) = asked.join().expect("it is answered");
            assert!(status == 202 || answer["code"] == "needs_attention", "it is not told as undone or done: {status} {answer}");
        });
        let id = server.newest_operation(&tenant.username).expect("an operation");
        assert_eq!(report(server, &id)["direction"], "forward");
        within(Duration::from_mins(2), "it needs attention, and names phpd", || {
            let report = report(server, &id);
            (report["outcome"] == "needs_attention" && report["left"].to_string().contains("phpd")).then_some(())
        });
        if terminate {
            server.ok(&["test", "-d", &tenant.home()]);
            server.ok(&["getent", "passwd", &tenant.username]);
        }
        if freeze {
            signal_phpd(server, "CONT");
        } else {
            server.sh("systemctl start opterius-phpd.service");
        }
        let ends = if terminate { Standing::Kept } else { Standing::Suspended };
        eventually("it is done by itself", || {
            (report(server, &id)["outcome"] == "committed" && Standing::of(server, &tenant.username, &tenant.domain) == ends).then_some(())
        });
        assert!(!runs(server, &tenant));
        let _ = login.wait();
        assert_eq!(server.visit(&neighbour.domain, "/").0, 200);
    }
}

#[test]
fn a_frozen_phpd_keeps_no_change_that_needs_none_from_being_made() {
    let server = Server::new("frozen");
    let tenants: Vec<Tenant> = (0..10).map(|n| Tenant::new(&server, &format!("user{n}"), &format!("user{n}.test"))).collect();
    signal_phpd(&server, "STOP");
    std::thread::scope(|scope| {
        for tenant in &tenants[..9] {
            let server = &server;
            scope.spawn(move || server.admin_send("POST", &format!("{}/suspend", path(tenant)), &json!({ "reason": "spam" })));
        }
        for tenant in &tenants[..9] {
            eventually("it is closed", || (status_of(&server, tenant) == 503).then_some(()));
        }
        server.done("PUT", &format!("{}/password", path(&tenants[9])), Some(&json!({ "password": "Another-Good-Passw0rd" })));
    });
    signal_phpd(&server, "CONT");
    for tenant in &tenants[..9] {
        eventually("it is suspended", || (Standing::of(&server, &tenant.username, &tenant.domain) == Standing::Suspended).then_some(()));
    }
}

#[test]
fn an_agent_that_breaks_at_an_operation_starts_again_and_parks_it_until_a_person_asks() {
    let server = Server::new("parked");
    let bystander = Order::new(&server, 1, "bystander", "bystander.example");
    bystander.succeed(&server);
    let order = Order::new(&server, 2, "alice", "alice.example");
    server.fail_at("put_pool.before=panic(it is broken)");
    let answer = order.create(&server);
    assert!(!answer.is_success(), "{}", answer.text());
    let id = server.newest_operation("alice").expect("an operation");
    eventually("it is parked", || {
        let (status, report) = server.agent("GET", &format!("/operations/{id}?seen=0&wait_ms=0"), None);
        let left = report["left"].to_string();
        (status == 200 && report["outcome"] == "needs_attention" && left.contains("operation retry") && left.contains("it is broken"))
            .then_some(())
    });
    // It stays so, also over a start, and keeps nobody else.
    let starts = || server.sh("systemctl show -P NRestarts opterius-agent.service");
    let before = starts();
    WholeAccount::assert(&server, "bystander", "bystander.example");
    server.fail_at("");
    server.sh("systemctl restart opterius-agent.service");
    server.wait_until_ready();
    assert_eq!(report(&server, &id)["outcome"], "needs_attention");
    let other = Order::new(&server, 3, "bob", "bob.example");
    other.succeed(&server);
    assert!(starts() <= before, "it does not go on ending");
    server.ok(&["opterius", "operation", "retry", &id]);
    eventually("it is gone on with", || (Standing::of(&server, "alice", "alice.example") == Standing::Whole).then_some(()));
}

#[test]
fn a_job_that_breaks_is_begun_again_and_told_by_doctor() {
    let server = Server::new("jobs");
    let failing = || {
        let (status, health) = server.agent("GET", "/health", None);
        assert_eq!(status, 200, "{health}");
        let jobs = health["jobs"].as_array().expect("it tells its jobs").clone();
        jobs.into_iter().find(|job| job["name"] == "spare journals").expect("the job")
    };
    assert_eq!(failing()["failing"], false);
    server.fail_at("keep_spare_journals.before=panic(it is broken)");
    // Its first round is at the start; the next one would be in a minute.
    server.sh("systemctl restart opterius-agent.service");
    server.wait_until_ready();
    within(Duration::from_mins(3), "it failed twice", || (failing()["failures"].as_u64() >= Some(2)).then_some(()));
    let doctor = server.run(&["opterius", "doctor"]);
    assert!(doctor.status != 0 && doctor.stdout.contains("spare journals"), "{}", doctor.stdout);
    server.fail_at("");
    within(Duration::from_mins(3), "it goes on", || (failing()["failing"] == false).then_some(()));
    assert!(failing()["last_failure"].to_string().contains("it is broken"));
}

#[test]
fn a_journal_that_cannot_be_read_is_kept_and_its_names_stay_reserved() {
    let server = Server::new("unreadable");
    let order = Order::new(&server, 1, "alice", "alice.example");
    server.set_failpoints("put_pool.before=pause");
    std::thread::scope(|scope| {
        let pressed = scope.spawn(|| order.create(&server));
        eventually("the pool is being opened", || (server.step("alice", "php pool")? == "running").then_some(()));
        let id = server.newest_operation("alice").expect("an operation");
        let file = format!("/var/lib/opterius-agent/operations/{id}.jsonl");
        server.arm("opterius-agent", "");
        server.kill("opterius-agent.service");
        // One byte of the announcement, as a disk flips it.
        server.sh(&format!(
            "systemctl stop opterius-agent.service; printf X | dd of={file} bs=1 seek=3 conv=notrunc 2>/dev/null; cp {file} /root/kept"
        ));
        server.sh("systemctl start opterius-agent.socket opterius-agent.service");
        let answer = pressed.join().expect("the order is answered");
        assert!(!answer.is_success() && answer.text().contains("neither finished nor undone"), "{}", answer.text());
        eventually("the Panel says that it needs attention", || {
            let (_, operation) = server.admin("GET", &format!("/api/operations/{id}"));
            (operation["data"]["status"] == "needs_attention" || operation["data"]["outcome"] == "needs_attention").then_some(())
        });
        let again = order.create(&server);
        assert!(!again.is_success() && again.status != "Active", "{}", again.text());
        server.ok(&["cmp", &file, "/root/kept"]);
        let left = Debris::find(&server, "alice", "alice.example").0;
        assert!(left.iter().filter(|line| line.starts_with("row:")).count() == 2, "its names stay reserved: {left:?}");
        let doctor = server.run(&["opterius", "doctor"]);
        assert!(doctor.status != 0 && doctor.stdout.contains(&file), "{}", doctor.stdout);

        // What is put back is gone on with.
        server.sh(&format!("printf v | dd of={file} bs=1 seek=3 conv=notrunc 2>/dev/null; systemctl restart opterius-agent.service"));
        eventually("it is whole", || (Standing::of(&server, "alice", "alice.example") == Standing::Whole).then_some(()));
    });
}

#[test]
fn on_a_full_disk_an_account_can_be_suspended_and_ended_and_nothing_else_is_begun() {
    let server = Server::with("full-closes", &Setup { small: vec!["/var/lib/opterius-agent:16M"], ..Setup::default() });
    let alice = Tenant::new(&server, "alice", "alice.test");
    let bob = Tenant::new(&server, "bob", "bob.test");
    server.until("there is room for it", "test -e /var/lib/opterius-agent/operations/.spare-7");
    server.sh("dd if=/dev/zero of=/var/lib/opterius-agent/filler bs=1M 2>/dev/null || true; dd if=/dev/zero of=/var/lib/opterius-agent/filler2 bs=1k 2>/dev/null || true");
    server.done("POST", &format!("{}/suspend", path(&alice)), Some(&json!({ "reason": "spam" })));
    assert_eq!(Standing::of(&server, "alice", "alice.test"), Standing::Suspended);
    let gone = server.done("DELETE", &format!("{}?keep_days=7", path(&bob)), None);
    assert_eq!(gone["status"], "terminated", "{gone}");
    // The record that says so finds no room; the journal has it.
    server.sh(&format!(
        "test -d /home/.opterius-trash/{}/home && ! getent passwd bob && ! test -e /var/lib/opterius/sites/bob.test",
        bob.account
    ));
    let order = Order::new(&server, 3, "carol", "carol.example");
    assert!(order.create(&server).text().contains("No space left on device"));
    server.sh("rm /var/lib/opterius-agent/filler /var/lib/opterius-agent/filler2");
    order.succeed(&server);
}
