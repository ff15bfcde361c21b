//! Whatever fails while an account is made: everything is undone, the answer says what it was, and the same order succeeds once the
//! cause is mended.

use opterius_e2e::{Answer, Debris, Order, Server, Setup, Standing, WholeAccount, eventually};

/// A sentence that names the step and the operation, and does not make the service active.
fn assert_failed(answer: &Answer, step: &str) {
    let text = answer.text();
    assert!(!answer.is_success() && answer.status != "Active", "{step}: {text}");
    assert!(text.contains(&format!("The {step} step failed")), "it names the step {step}: {text}");
    assert!(text.contains("Everything was undone"), "{step}: {text}");
    assert!(text.split("Operation ").nth(1).is_some_and(|id| id.len() > 36), "it names the operation: {text}");
}

/// Presses "Create", which fails at `step` and leaves nothing.
fn fail(server: &Server, order: &Order, step: &str) {
    assert_failed(&order.create(server), step);
    Debris::assert_none(server, &order.username, &order.domain);
}

/// Presses "Create" again, which succeeds.
fn succeed(server: &Server, order: &Order) {
    order.succeed(server);
    WholeAccount::assert(server, &order.username, &order.domain);
}

#[test]
fn with_a_service_stopped_nothing_is_left_and_the_same_order_succeeds_once_it_runs() {
    let server = Server::new("stopped");
    let neighbour = Order::new(&server, 1, "neighbour", "neighbour.example");
    succeed(&server, &neighbour);
    for (service, unit, step, name) in
        [(2, "pdns", "dns zone", "alice"), (3, "nginx", "site", "bob"), (4, "opterius-phpd", "php pool", "carol")]
    {
        let order = Order::new(&server, service, name, &format!("{name}.example"));
        server.sh(&format!("systemctl stop {unit}.service"));
        fail(&server, &order, step);
        server.sh(&format!("systemctl start {unit}.service"));
        succeed(&server, &order);
        WholeAccount::assert(&server, "neighbour", "neighbour.example");
    }
}

#[test]
fn with_the_agent_stopped_nothing_is_begun_and_the_same_order_succeeds_once_it_runs() {
    let server = Server::new("unreachable");
    let order = Order::new(&server, 1, "alice", "alice.example");
    server.sh("systemctl stop opterius-agent.socket opterius-agent.service");
    let answer = order.create(&server);
    assert!(!answer.is_success() && answer.status != "Active", "{}", answer.text());
    assert!(answer.text().contains("could not be reached, so nothing was begun"), "{}", answer.text());
    assert!(answer.text().contains("opterius-agent"), "it says where to look: {}", answer.text());
    Debris::assert_none(&server, "alice", "alice.example");

    // The name is free for anybody, until the same order comes again.
    server.sh("systemctl start opterius-agent.socket opterius-agent.service");
    succeed(&server, &order);
}

#[test]
fn a_service_that_stops_in_the_middle_turns_everything_back() {
    let server = Server::new("middle");
    // What can be undone without the service is gone at once. What cannot be looked at without it is not known to be gone, so the
    // names stay reserved until it runs again.
    for (service, unit, failpoint, begun, needed) in [
        (1, "nginx", "put_site.before=pause", "site", false),
        (2, "pdns", "add_zone.before=pause", "dns zone", true),
        (3, "opterius-phpd", "put_pool.before=pause", "php pool", true),
    ] {
        server.fail_at(failpoint);
        let order = Order::new(&server, service, &format!("user{service}"), &format!("user{service}.example"));
        let answer = std::thread::scope(|scope| {
            // It goes on until the service is back, and nobody is to wait for that longer than needed.
            let pressed = scope.spawn(|| order.create_at_a_browser(&server));
            eventually("the step has begun", || (server.step(&order.username, begun)? == "running").then_some(()));
            server.sh(&format!("systemctl stop {unit}.service"));
            server.fail_at("");
            pressed.join().expect("the order is answered")
        });
        let text = answer.text();
        assert!(!answer.is_success() && answer.status != "Active", "{unit}: {text}");
        if needed {
            assert!(text.contains("peration "), "{unit}: {text}");
            eventually("only the names are left", || {
                let left = Debris::find(&server, &order.username, &order.domain).0;
                let kept = |line: &str| line.starts_with("row:") || (unit == "opterius-phpd" && !line.starts_with("site:"));
                left.iter().all(|line| kept(line)).then_some(())
            });
        } else {
            assert_failed(&answer, "site");
        }
        server.sh(&format!("systemctl start {unit}.service"));
        eventually("everything is undone", || (Standing::of(&server, &order.username, &order.domain) == Standing::Gone).then_some(()));
        succeed(&server, &order);
    }
}

#[test]
fn a_call_of_the_system_that_fails_turns_everything_back_wherever_it_is() {
    let server = Server::new("calls");
    let calls = [
        ("add_user", "linux user"),
        ("add_home", "home"),
        ("add_logs", "logs"),
        ("put_pool", "php pool"),
        ("put_site", "site"),
        ("add_zone", "dns zone"),
        ("ping", "verify site"),
        ("ask_soa", "verify dns"),
        ("ask_a", "verify dns"),
    ];
    let order = Order::new(&server, 1, "alice", "alice.example");
    for (call, step) in calls {
        for moment in ["before", "after"] {
            server.fail_at(&format!("{call}.{moment}=return"));
            fail(&server, &order, step);
        }
    }
    // What fails while it is undone is tried again.
    for call in ["remove_site", "remove_pool", "remove_home", "remove_logs", "end_processes", "remove_user", "remove_zone"] {
        for moment in ["before", "after"] {
            server.fail_at(&format!("step.forward.verify_site.before=return;{call}.{moment}=1*return->off"));
            fail(&server, &order, "verify site");
        }
    }
    server.fail_at("");
    succeed(&server, &order);
}

#[test]
fn an_order_that_cannot_even_be_announced_is_refused_and_leaves_nothing() {
    let server = Server::new("announce");
    let order = Order::new(&server, 1, "alice", "alice.example");
    server.fail_at("begin_journal.before=return");
    let answer = order.create(&server);
    assert!(!answer.is_success() && answer.text().contains("Everything was undone"), "{}", answer.text());
    Debris::assert_none(&server, "alice", "alice.example");
    server.fail_at("");
    succeed(&server, &order);
}

/// Fills the file system below `dir` up to its last block.
fn fill(server: &Server, dir: &str) {
    server.sh(&format!(
        "dd if=/dev/zero of={dir}/filler bs=1M 2>/dev/null || true; dd if=/dev/zero of={dir}/filler2 bs=1k 2>/dev/null || true\n\
         [ $(df --output=avail -k {dir} | tail -1) -lt 16 ]"
    ));
}

fn make_room(server: &Server, dir: &str) {
    server.sh(&format!("rm -f {dir}/filler {dir}/filler2"));
}

#[test]
fn homes_that_cannot_be_written_and_full_homes_fail_the_order_and_leave_nothing() {
    let server = Server::with("homes", &Setup { small: vec!["/home:64M"], ..Setup::default() });
    let order = Order::new(&server, 1, "alice", "alice.example");
    server.sh("mount -o remount,ro /home");
    fail(&server, &order, "home");
    server.sh("mount -o remount,rw /home");
    succeed(&server, &order);

    let order = Order::new(&server, 2, "bob", "bob.example");
    fill(&server, "/home");
    fail(&server, &order, "home");
    WholeAccount::assert(&server, "alice", "alice.example");
    make_room(&server, "/home");
    succeed(&server, &order);

    // A disk without room for another inode says so at another place.
    let order = Order::new(&server, 3, "carol", "carol.example");
    server.sh("mkdir /home/filler.d; cd /home/filler.d; seq 100000 | xargs touch 2>/dev/null || true; [ $(df --output=iavail /home | tail -1) -eq 0 ]");
    fail(&server, &order, "home");
    server.sh("rm -r /home/filler.d");
    succeed(&server, &order);
}

#[test]
fn a_full_disk_under_sites_or_journals_fails_the_order_and_leaves_nothing() {
    let server = Server::with("full", &Setup { small: vec!["/var/lib/opterius:16M", "/var/lib/opterius-agent:16M"], ..Setup::default() });
    let order = Order::new(&server, 1, "alice", "alice.example");
    fill(&server, "/var/lib/opterius");
    fail(&server, &order, "site");
    make_room(&server, "/var/lib/opterius");
    succeed(&server, &order);

    let order = Order::new(&server, 2, "bob", "bob.example");
    fill(&server, "/var/lib/opterius-agent");
    let answer = order.create(&server);
    assert!(!answer.is_success() && answer.text().contains("No space left on device"), "{}", answer.text());
    Debris::assert_none(&server, "bob", "bob.example");
    fill(&server, "/var/lib/opterius");
    assert!(!order.create(&server).is_success());
    Debris::assert_none(&server, "bob", "bob.example");
    WholeAccount::assert(&server, "alice", "alice.example");
    make_room(&server, "/var/lib/opterius-agent");
    make_room(&server, "/var/lib/opterius");
    succeed(&server, &order);
}

#[test]
fn a_disk_that_fills_up_in_the_middle_loses_nothing_that_was_promised() {
    let server = Server::with("fills-up", &Setup { small: vec!["/var/lib/opterius-agent:16M"], ..Setup::default() });
    let halt = |order: &Order, pauses: &str, then: &str, reached: &str| {
        server.fail_at(&format!("{pauses}=pause"));
        std::thread::scope(|scope| {
            let pressed = scope.spawn(|| order.create(&server));
            eventually("the journal says so", || server.operation_journal(&order.username).contains(reached).then_some(()));
            fill(&server, "/var/lib/opterius-agent");
            server.fail_at(then);
            pressed.join().expect("the order is answered")
        })
    };
    // Announced: there is room for the rest of the journal, in either direction.
    let order = Order::new(&server, 1, "alice", "alice.example");
    assert_failed(&halt(&order, "add_user.before", "ping.after=return", "announced"), "verify site");
    Debris::assert_none(&server, "alice", "alice.example");
    make_room(&server, "/var/lib/opterius-agent");

    // Decided: the account is there, and stays known, although its record finds no room, also to an Agent that starts on the full disk.
    // Another name, since the journal of the first order says "decided" too.
    let order = Order::new(&server, 2, "bob", "bob.example");
    let answer = halt(&order, "write_account.before", "", "decided");
    assert!(answer.is_success(), "{}", answer.text());
    WholeAccount::assert(&server, "bob", "bob.example");
    server.ok(&["systemctl", "restart", "opterius-agent"]);
    let account = server.account_id("bob");
    assert_eq!(server.agent("GET", &format!("/accounts/{account}"), None).0, 200);
    WholeAccount::assert(&server, "bob", "bob.example");
    make_room(&server, "/var/lib/opterius-agent");
    server.sh("systemctl restart opterius-agent.service");
    server.sh(&format!("test -s /var/lib/opterius-agent/accounts/{account}.json"));
}

/// Moves a directory onto a small file system, with its services stopped meanwhile.
fn make_small(server: &Server, dir: &str, units: &str) {
    server.sh(&format!(
        "systemctl stop {units}\ncp -a {dir} /root/kept\nmount -t tmpfs -o size=8M,mode=$(stat -c %a {dir}) tmpfs {dir}\n\
         chown --reference=/root/kept {dir}\ncp -a /root/kept/. {dir}/\nrm -r /root/kept\nsystemctl start {units}"
    ));
}

#[test]
fn a_full_disk_under_the_zones_fails_the_order_and_leaves_nothing() {
    let server = Server::new("full-zones");
    make_small(&server, "/var/lib/powerdns", "pdns.service");
    let order = Order::new(&server, 1, "alice", "alice.example");
    fill(&server, "/var/lib/powerdns");
    // Small changes may still find room in a page that is there, so orders are placed until there is none.
    let refused = (2..200).find_map(|n| {
        let order = Order::new(&server, n, &format!("user{n}"), &format!("user{n}.example"));
        let answer = order.create(&server);
        (!answer.is_success()).then_some((order, answer))
    });
    let (refused, answer) = refused.expect("a full disk takes no more zones");
    assert_failed(&answer, "dns zone");
    Debris::assert_none(&server, &refused.username, &refused.domain);
    make_room(&server, "/var/lib/powerdns");
    succeed(&server, &refused);
    succeed(&server, &order);
}

#[test]
fn a_full_disk_under_the_panel_refuses_the_order_and_leaves_nothing() {
    let server = Server::new("full-panel");
    make_small(&server, "/var/lib/opterius-panel", "opterius-panel.socket opterius-panel.service");
    server.wait_until_ready();
    fill(&server, "/var/lib/opterius-panel");
    let refused = (1..200).find_map(|n| {
        let order = Order::new(&server, n, &format!("user{n}"), &format!("user{n}.example"));
        let answer = order.create(&server);
        (!answer.is_success()).then_some((order, answer))
    });
    let (order, answer) = refused.expect("a full disk takes no more orders");
    assert!(answer.status != "Active", "{}", answer.text());
    make_room(&server, "/var/lib/opterius-panel");
    // Wherever the disk became full, the Panel finishes what it may have begun.
    eventually("the account is whole or gone", || {
        matches!(Standing::of(&server, &order.username, &order.domain), Standing::Whole | Standing::Gone).then_some(())
    });
    succeed(&server, &order);
}

#[test]
fn a_domain_that_was_asked_for_before_its_order_is_answered_at_once_after_it() {
    let server = Server::new("asked-before");
    let order = Order::new(&server, 1, "alice", "alice.example");
    let names = ["alice.example", "www.alice.example", "mail.alice.example"];
    for name in names {
        assert!(server.dig(name, "A").is_empty() && server.dig_over_tcp(name, "A").is_empty() && server.dig(name, "SOA").is_empty());
    }
    order.succeed(&server);
    for name in names {
        assert_eq!(server.dig(name, "A"), std::slice::from_ref(&server.ip), "{name}");
        assert_eq!(server.dig_over_tcp(name, "A"), std::slice::from_ref(&server.ip), "{name}");
    }
    WholeAccount::assert(&server, "alice", "alice.example");
}
