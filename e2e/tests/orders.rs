//! Orders, from WHMCS to the answering site: what is promised to a host and to whoever bought the account.

use std::process::Command;

use opterius_e2e::{Answer, Debris, Order, Server, WholeAccount, eventually};
use serde_json::{Value, json};

/// Passwords that somebody somewhere would quote, decode, cut or expand.
const NASTY: [&str; 8] = [
    "S3cret & < > \" ' # % : \\ $ end",
    "  blanks at both ends  ",
    "pässwörd-geheim-☃-日本",
    "{\"a\":\"b\"}; DROP TABLE account",
    "%53%65cret-%00-plain+plus",
    "$6$not$a-hash-at-all",
    "`id` $(id) ${HOME} \\n !!",
    "colon:in:the:middle",
];

/// Everything on the server that belongs to an account, with owners, modes and times: equal before and after means untouched.
fn everything_of(server: &Server, username: &str, domain: &str) -> String {
    let script = r#"
        user=$1 domain=$2
        for file in passwd shadow group gshadow; do grep "^$user:" /etc/$file || true; done
        find /home/$user /var/log/opterius/accounts/$user /var/lib/opterius/sites/$domain -printf '%p %u:%g %m %T@ %s %l\n' | sort
        find /var/lib/opterius/entries/ -path "*/$domain.g*" -printf '%p %u:%g %m %T@ %s %l\n' | sort
        sqlite3 /var/lib/powerdns/opterius.sqlite3 "select * from domains where name='$domain';
            select r.* from records r join domains d on d.id = r.domain_id where d.name='$domain' order by r.id"
        sqlite3 /var/lib/opterius-panel/panel.db "select * from account where username='$user' and status='active';
            select * from claimed_name where name in ('user:$user', 'domain:$domain') order by name"
    "#;
    let found = server.ok(&["sh", "-ec", script, "everything", username, domain]);
    assert!(found.contains("public_html") && found.contains("SOA"), "there is something to compare: {found}");
    found
}

fn account(server: &Server, username: &str) -> Value {
    let (status, answer) = server.admin("GET", &format!("/api/accounts?username={username}"));
    assert_eq!((status, &answer["page"]["total"]), (200, &json!(1)), "{answer}");
    answer["data"][0].clone()
}

fn accounts_in_all(server: &Server) -> Value {
    server.admin("GET", "/api/accounts").1["page"]["total"].clone()
}

/// The newest operation of an order.
fn newest_operation(server: &Server, external_ref: &str) -> Value {
    let (status, answer) = server.api("GET", &format!("/api/operations?external_ref={external_ref}&limit=1"), None);
    assert_eq!(status, 200, "{answer}");
    answer["data"][0].clone()
}

/// A sentence for staff: what is in the way, by name, and what to do. Never `success`, and the service does not become Active.
fn assert_refused(answer: &Answer, names: &[&str]) {
    let text = answer.text();
    assert!(!answer.is_success() && answer.status != "Active", "{text}");
    for name in names {
        assert!(text.contains(name), "`{name}` is named: {text}");
    }
}

#[test]
fn an_order_makes_an_account_that_answers_with_its_own_php_and_dns() {
    let server = Server::new("order");
    let order = Order::new(&server, 12, "alice", "alice.example");
    assert_eq!(order.call(&server, "TestConnection").result, json!({ "success": true, "error": "" }));
    let packages = order.call(&server, "PackageLoader").result;
    assert!(packages[&server.starter].as_str().is_some_and(|label| label.contains("Starter")), "{packages}");

    let answer = order.succeed(&server);
    assert_eq!(answer.text(), "success");
    assert_eq!(answer.status, "Active");
    WholeAccount::assert(&server, "alice", "alice.example");
    assert_eq!(server.visit("www.alice.example", "/").0, 200, "with www. in front too");

    // Not just some PHP: the account's own user runs it.
    let who = "<?php echo 'uid ', posix_geteuid(), ' in ', __DIR__;";
    let wrote = server.feed(&["runuser", "-u", "alice", "--", "tee", "/home/alice/alice.example/public_html/who.php"], who);
    assert_eq!(wrote.status, 0, "{}", wrote.stderr);
    let uid = server.ok(&["id", "-u", "alice"]);
    let said = server.visit("alice.example", "/who.php");
    assert_eq!(said, (200, format!("uid {} in /home/alice/alice.example/public_html", uid.trim())));

    for ask in [Server::dig, Server::dig_over_tcp] {
        assert_eq!(ask(&server, "alice.example", "SOA").len(), 1);
        for name in ["alice.example", "www.alice.example", "mail.alice.example"] {
            assert_eq!(ask(&server, name, "A"), std::slice::from_ref(&server.ip), "{name}");
        }
    }
    assert_eq!(account(&server, "alice")["status"], "active");
}

#[test]
fn a_package_is_found_by_its_exact_name_and_by_no_other() {
    let server = Server::new("package");
    for typed in ["starter", "STARTER", "Starter ", " Starter", "Start", "Starter2", "00000000-0000-7000-8000-000000000000"] {
        let order = Order { package: typed.to_owned(), ..Order::new(&server, 12, "alice", "alice.example") };
        let answer = order.create(&server);
        assert_refused(&answer, &[]);
        assert!(answer.text().starts_with("Package not found"), "`{typed}`: {}", answer.text());
        Debris::assert_none(&server, "alice", "alice.example");
    }
    assert_eq!(accounts_in_all(&server), 0);
    assert_eq!(server.admin("GET", "/api/operations").1["page"]["total"], 0);

    let order = Order { package: "Starter".to_owned(), ..Order::new(&server, 12, "alice", "alice.example") };
    order.succeed(&server);
    WholeAccount::assert(&server, "alice", "alice.example");
    assert_eq!(account(&server, "alice")["package"]["id"], json!(server.starter));
}

#[test]
fn a_renamed_package_is_still_found_by_its_id_and_one_in_use_is_not_deleted() {
    let server = Server::new("rename");
    Order::new(&server, 12, "alice", "alice.example").succeed(&server);
    let package = format!("/api/packages/{}", server.starter);
    let (status, answer) = server.admin_send("PUT", &package, &json!({ "name": "Beginner & Co" }));
    assert_eq!((status, &answer["data"]["name"]), (200, &json!("Beginner & Co")), "{answer}");

    Order::new(&server, 12, "alice", "alice.example").succeed(&server);
    Order::new(&server, 13, "bob", "bob.example").succeed(&server);
    assert_eq!(account(&server, "bob")["package"], json!({ "id": server.starter, "name": "Beginner & Co" }));
    let typed = Order { package: "Starter".to_owned(), ..Order::new(&server, 14, "carol", "carol.example") };
    assert!(typed.create(&server).text().starts_with("Package not found"));
    // WHMCS may hand names over as they stand in HTML.
    let typed = Order { package: "Beginner &amp; Co".to_owned(), ..typed };
    typed.succeed(&server);

    let (status, answer) = server.admin("DELETE", &package);
    assert_eq!((status, &answer["code"]), (409, &json!("package_in_use")), "{answer}");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains('3')), "the number is told: {answer}");
    assert_eq!(server.admin("GET", &package).1["data"]["accounts"], 3);
    let (status, unused) = server.admin_send("POST", "/api/packages", &json!({ "name": "Unused" }));
    assert_eq!(status, 201, "{unused}");
    let unused = format!("/api/packages/{}", unused["data"]["id"].as_str().unwrap());
    assert_eq!(server.admin_send("DELETE", &unused, &json!({})).0, 204);
    assert_eq!(server.admin("GET", &unused).0, 404);
}

#[test]
fn the_same_order_again_is_the_same_account_with_the_newest_password() {
    let server = Server::new("repeat");
    let order = Order::new(&server, 12, "alice", "alice.example");
    order.succeed(&server);
    assert!(server.has_password("alice", &order.password));
    let (first, before) = (account(&server, "alice"), everything_of(&server, "alice", "alice.example"));

    order.succeed(&server);
    assert_eq!(everything_of(&server, "alice", "alice.example"), before, "the same order changes nothing");

    let mut old = order.password.clone();
    for password in NASTY {
        let order = Order { password: password.to_owned(), ..order.clone() };
        order.succeed(&server);
        assert!(server.has_password("alice", password), "{password}");
        assert!(!server.has_password("alice", &old), "{old} no longer");
        old = password.to_owned();
    }
    // As WHMCS hands over what it stores encoded: the password itself looks like HTML.
    let encoded = Order { password: "literally &amp;lt;b&amp;gt; &quot;this&quot;".to_owned(), ..order.clone() };
    encoded.succeed(&server);
    assert!(server.has_password("alice", "literally &lt;b&gt; \"this\""));

    let last = account(&server, "alice");
    for field in ["id", "uid", "username", "domain", "created_at", "external_ref", "package"] {
        assert_eq!(last[field], first[field], "{field}");
    }
    assert_eq!(accounts_in_all(&server), 1);
    WholeAccount::assert(&server, "alice", "alice.example");

    // Another intent under the same service is not carried out.
    let other = Order { domain: "other.example".to_owned(), ..order.clone() };
    assert_refused(&other.create(&server), &["alice.example", "other.example", "s12"]);
    Debris::assert_none(&server, "nobodyelse", "other.example");

    // The first order's password is held to exactly, too.
    for (service, password) in (100..).zip(NASTY) {
        let username = format!("user{service}");
        let order = Order { password: password.to_owned(), ..Order::new(&server, service, &username, &format!("{username}.example")) };
        order.succeed(&server);
        assert!(server.has_password(&username, password), "{password}");
    }
}

#[test]
fn names_of_another_account_are_refused_and_the_other_account_is_not_touched() {
    let server = Server::new("conflict");
    Order::new(&server, 12, "alice", "shop.alice.example").succeed(&server);
    let before = everything_of(&server, "alice", "shop.alice.example");

    let same_username = Order::new(&server, 13, "alice", "other.example");
    assert_refused(&same_username.create(&server), &["`alice`", "another username"]);
    Debris::assert_none(&server, "nobodyelse", "other.example");
    for (service, username, domain) in [
        (14, "bob", "shop.alice.example"),
        (15, "bob", "SHOP.Alice.Example"),
        (16, "bob", "alice.example"),
        (17, "bob", "new.shop.alice.example"),
        (18, "bob", "deep.below.shop.alice.example"),
    ] {
        let answer = Order::new(&server, service, username, domain).create(&server);
        assert_refused(&answer, &[&domain.to_lowercase(), "Order another domain"]);
    }
    Debris::assert_none(&server, "bob", "new.shop.alice.example");
    assert_eq!(everything_of(&server, "alice", "shop.alice.example"), before);
    assert_eq!(accounts_in_all(&server), 1);

    // Beside it, nothing is in the way: neither a sibling nor a name that only ends alike.
    Order::new(&server, 20, "bob", "blog.alice.example").succeed(&server);
    Order::new(&server, 21, "carol", "myshop.alice.example").succeed(&server);
    WholeAccount::assert(&server, "bob", "blog.alice.example");
    WholeAccount::assert(&server, "alice", "shop.alice.example");
}

#[test]
fn an_international_domain_answers_under_its_a_label() {
    let server = Server::new("idn");
    let order = Order::new(&server, 12, "alice", "Bücher.example");
    order.succeed(&server);
    WholeAccount::assert(&server, "alice", "xn--bcher-kva.example");
    assert_eq!(account(&server, "alice")["domain"], "xn--bcher-kva.example");
    // The same name in its other spellings is the same order, and for somebody else it is taken.
    for spelling in ["bücher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.example"] {
        Order { domain: spelling.to_owned(), ..order.clone() }.succeed(&server);
        assert_refused(&Order::new(&server, 13, "bob", spelling).create(&server), &["xn--bcher-kva.example"]);
    }
    assert_eq!(accounts_in_all(&server), 1);
}

#[test]
fn an_addon_is_another_order_than_the_service_of_the_same_number() {
    let server = Server::new("addon");
    Order::new(&server, 7, "alice", "alice.example").succeed(&server);
    let addon = Order { addon: 7, ..Order::new(&server, 7, "bob", "bob.example") };
    addon.succeed(&server);
    addon.succeed(&server);
    for (external_ref, username) in [("s7", "alice"), ("a7", "bob")] {
        let (_, found) = server.api("GET", &format!("/api/accounts?external_ref={external_ref}"), None);
        assert_eq!((&found["page"]["total"], &found["data"][0]["username"]), (&json!(1), &json!(username)), "{found}");
    }
    assert_eq!(accounts_in_all(&server), 2);
}

#[test]
fn of_twenty_orders_of_one_username_at_once_one_gets_it() {
    let server = Server::new("twenty");
    let orders: Vec<Order> = (100..120).map(|service| Order::new(&server, service, "alice", &format!("site{service}.example"))).collect();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let running: Vec<_> = orders.iter().map(|order| scope.spawn(|| order.create(&server))).collect();
        running.into_iter().map(|order| order.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = orders.iter().zip(&answers).partition(|(_, answer)| answer.is_success());
    assert_eq!(won.len(), 1, "{answers:?}");
    for (_, answer) in &lost {
        assert_refused(answer, &["`alice`", "another username"]);
    }
    for (order, _) in &lost {
        assert!(server.dig(&order.domain, "SOA").is_empty(), "{}", order.domain);
        assert_ne!(server.visit(&order.domain, "/").0, 200, "{}", order.domain);
    }
    let [(order, _)] = won[..] else { unreachable!("one won") };
    WholeAccount::assert(&server, "alice", &order.domain);
    assert!(server.has_password("alice", &order.password));
    assert_eq!(accounts_in_all(&server), 1);
    let sites = server.sh("ls /var/lib/opterius/sites; ls /home; ls /var/lib/opterius/entries | wc -l");
    assert_eq!(sites.split_whitespace().collect::<Vec<_>>(), [order.domain.as_str(), "alice", "1"]);
}

#[test]
fn ten_copies_of_one_order_at_once_all_succeed_and_make_one_account() {
    let server = Server::new("ten");
    let order = Order::new(&server, 12, "alice", "alice.example");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..10).map(|_| scope.spawn(|| order.create(&server))).collect();
        running.into_iter().map(|order| order.join().unwrap()).collect()
    });
    assert!(answers.iter().all(Answer::is_success), "{answers:?}");
    assert_eq!(accounts_in_all(&server), 1);
    let (_, operations) = server.admin("GET", "/api/operations");
    assert_eq!(operations["page"]["total"], 1, "one create and no change of the password: {operations}");
    WholeAccount::assert(&server, "alice", "alice.example");
}

/// Something that an administrator made by hand, in the way of an order.
struct Stranger {
    what: &'static str,
    /// The call of the Agent that makes the same thing, and the step that it belongs to.
    call: &'static str,
    step: &'static str,
    make: &'static str,
    /// Writes down all of it.
    look: &'static str,
    remove: &'static str,
    /// What the sentence says is taken: the username or the domain.
    taken: &'static str,
}

/// `$u` is the username, `$d` the domain, and `api` calls PowerDNS.
const STRANGERS: [Stranger; 6] = [
    Stranger {
        what: "user",
        call: "add_user",
        step: "linux user",
        make: "useradd -m -s /bin/bash -c 'made by hand' $u; echo theirs >/home/$u/file",
        look: "grep -h \"^$u:\" /etc/passwd /etc/shadow /etc/group /etc/gshadow; find /home/$u -printf '%p %U:%G %m %T@ %s\\n'; cat /home/$u/file",
        remove: "userdel -r $u 2>/dev/null",
        taken: "username",
    },
    Stranger {
        what: "group",
        call: "add_user",
        step: "linux user",
        make: "groupadd $u",
        look: "grep -h \"^$u:\" /etc/group /etc/gshadow",
        remove: "groupdel $u",
        taken: "username",
    },
    Stranger {
        what: "home",
        call: "add_home",
        step: "home",
        make: "mkdir /home/$u; echo theirs >/home/$u/file",
        look: "find /home/$u -printf '%p %U:%G %m %T@ %s\\n'; cat /home/$u/file",
        remove: "rm -r /home/$u",
        taken: "username",
    },
    Stranger {
        what: "logs",
        call: "add_logs",
        step: "logs",
        make: "mkdir /var/log/opterius/accounts/$u; echo theirs >/var/log/opterius/accounts/$u/access.log",
        look: "find /var/log/opterius/accounts/$u -printf '%p %U:%G %m %T@ %s\\n'; cat /var/log/opterius/accounts/$u/access.log",
        remove: "rm -r /var/log/opterius/accounts/$u",
        taken: "username",
    },
    Stranger {
        what: "site",
        call: "put_site",
        step: "site",
        make: "ln -s /srv/by-hand /var/lib/opterius/sites/$d",
        look: "find /var/lib/opterius/sites/$d -printf '%p %U:%G %T@ %l\\n'",
        remove: "rm /var/lib/opterius/sites/$d",
        taken: "domain",
    },
    Stranger {
        what: "zone",
        call: "add_zone",
        step: "dns zone",
        make: "api POST '' '{\"name\":\"'$d'.\",\"kind\":\"Native\",\"nameservers\":[\"ns.elsewhere.test.\"]}' >/dev/null",
        look: "sqlite3 /var/lib/powerdns/opterius.sqlite3 \"select * from domains where name='$d'; \
               select r.* from records r join domains d on d.id = r.domain_id where d.name='$d' order by r.id\"",
        remove: "api DELETE /$d.",
        taken: "domain",
    },
];

impl Stranger {
    fn username(&self, when: &str) -> String {
        format!("{}{when}", self.what)
    }

    fn domain(&self, when: &str) -> String {
        format!("{}-{when}.example", self.what)
    }

    fn sh(&self, server: &Server, when: &str, script: &str) -> String {
        // The key stays in the server's shell and curl's standard input.
        let api = "api() { key=$(sed -n 's/^api-key=//p' /etc/powerdns/pdns.d/opterius.conf); \
                   printf 'header = \"X-API-Key: %s\"\\n' \"$key\" | curl -sS --fail-with-body -K - -X $1 -d \"$3\" \
                   http://127.0.0.1:781/api/v1/servers/localhost/zones$2; }";
        server.sh(&format!("u={} d={}\n{api}\n{script}", self.username(when), self.domain(when)))
    }

    /// The order was refused with a sentence for staff, the stranger's is as it was, and once that is gone nothing is left and the
    /// order succeeds.
    fn assert_survived(&self, server: &Server, when: &str, order: &Order, answer: &Answer, theirs: &str) {
        let (name, todo) = if self.taken == "username" { (&order.username, "another username") } else { (&order.domain, "another domain") };
        assert_refused(answer, &[&format!("The {} `{name}`", self.taken), "by another hand", todo, "Everything was undone"]);
        assert_eq!(self.sh(server, when, self.look), theirs, "the {} made by hand is as it was", self.what);
        self.sh(server, when, self.remove);
        Debris::assert_none(server, &order.username, &order.domain);
    }
}

#[test]
fn what_was_made_by_hand_before_an_order_stays_and_the_order_succeeds_once_it_is_gone() {
    let server = Server::new("strangers");
    for (service, stranger) in (100..).zip(&STRANGERS) {
        let order = Order::new(&server, service, &stranger.username("1"), &stranger.domain("1"));
        stranger.sh(&server, "1", stranger.make);
        let theirs = stranger.sh(&server, "1", stranger.look);
        let answer = order.create(&server);
        stranger.assert_survived(&server, "1", &order, &answer, &theirs);
        let operation = newest_operation(&server, &format!("s{service}"));
        let changed = operation["steps"].as_array().unwrap().iter().any(|step| step["state"] == "done");
        assert!(!changed, "nothing was touched before the conflict was seen: {operation}");
        order.succeed(&server);
        WholeAccount::assert(&server, &order.username, &order.domain);
    }
}

#[test]
fn what_is_made_by_hand_in_the_middle_of_an_order_stays_and_the_order_is_undone() {
    let server = Server::new("between");
    for (service, stranger) in (100..).zip(&STRANGERS) {
        // Everything was looked at, and the Agent waits right before it makes its own.
        server.fail_at(&format!("{}.before=pause", stranger.call));
        let order = Order::new(&server, service, &stranger.username("2"), &stranger.domain("2"));
        let (answer, theirs) = std::thread::scope(|scope| {
            let placed = scope.spawn(|| order.create(&server));
            eventually("the Agent is about to make it", || {
                let operation = newest_operation(&server, &format!("s{service}"));
                let steps = operation["steps"].as_array()?;
                steps.iter().any(|step| step["name"] == stranger.step && step["state"] == "running").then_some(())
            });
            stranger.sh(&server, "2", stranger.make);
            let theirs = stranger.sh(&server, "2", stranger.look);
            server.fail_at("");
            (placed.join().unwrap(), theirs)
        });
        stranger.assert_survived(&server, "2", &order, &answer, &theirs);
        order.succeed(&server);
        WholeAccount::assert(&server, &order.username, &order.domain);
    }
}

#[test]
fn one_request_id_finds_the_whole_story_of_a_success_and_of_a_failure() {
    let server = Server::new("request-id");
    let made = Order::new(&server, 12, "alice", "alice.example").succeed(&server);
    server.fail_at("add_home.before=return");
    let failed = Order::new(&server, 13, "bob", "bob.example").create(&server);
    assert_refused(&failed, &["home", "Everything was undone"]);
    Debris::assert_none(&server, "bob", "bob.example");

    for (answer, external_ref, username, outcome, activity) in
        [(made, "s12", "alice", "committed", "ok"), (failed, "s13", "bob", "rolled_back", "failed")]
    {
        let id = answer.request_id();
        assert!(answer.log.contains(&format!("request.id={id}")), "{}", answer.log);
        let operation = newest_operation(&server, external_ref);
        if !answer.is_success() {
            // What staff sees in WHMCS leads to the rest.
            assert_refused(&answer, &[&id, operation["id"].as_str().unwrap()]);
        }
        assert_eq!((&operation["request_id"], &operation["outcome"]), (&json!(id), &json!(outcome)), "{operation}");

        let (_, rows) = server.admin("GET", "/api/activity?limit=500");
        let rows: Vec<&Value> = rows["data"].as_array().unwrap().iter().filter(|row| row["request_id"] == json!(id)).collect();
        let of = |action: &str| rows.iter().find(|row| row["action"] == action).unwrap_or_else(|| panic!("{action} of {id}: {rows:?}"));
        assert_eq!(of("account.create")["outcome"], "ok");
        assert_eq!(of("account.create.outcome")["outcome"], activity);
        // The first change with a token also puts down whose it is.
        assert!(rows.iter().all(|row| row["operation_id"] == operation["id"] || row["action"] == "token.caller"), "{rows:?}");

        // Sentences to read, and the ids beside them as fields to search by.
        for unit in ["opterius-agent", "opterius-panel"] {
            let lines = server.ok(&["journalctl", "--no-pager", "-o", "json", "-u", unit]);
            let lines: Vec<&str> = lines.lines().filter(|line| line.contains(&id)).collect();
            assert!(lines.iter().any(|line| line.contains(operation["id"].as_str().unwrap())), "{unit} of {id}: {lines:#?}");
            assert!(lines.iter().any(|line| line.contains(username)), "{unit} of {id}: {lines:#?}");
        }
        let story = server.ok(&["journalctl", "--no-pager", "-o", "cat", "-u", "opterius-agent", "-n", "100"]);
        assert!(story.contains(&id), "the Agent's journal shows the id to whoever reads it: {story}");
        assert!(story.lines().any(|line| line.contains(username)), "{story}");
    }
}

#[test]
fn the_api_and_the_command_line_tell_the_same_of_an_account_and_its_operation() {
    let server = Server::new("read");
    for (service, username) in [(12, "alice"), (13, "bob"), (14, "carol")] {
        Order::new(&server, service, username, &format!("{username}.example")).succeed(&server);
    }
    let whole = account(&server, "alice");
    let id = whole["id"].as_str().unwrap();

    // The list, by every filter and page by page.
    for query in ["username=alice", "domain=ALICE.example", "external_ref=s12"] {
        let (_, found) = server.api("GET", &format!("/api/accounts?{query}"), None);
        assert_eq!((&found["page"]["total"], &found["data"][0]["id"]), (&json!(1), &whole["id"]), "{query}: {found}");
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = server.api("GET", &format!("/api/accounts?limit=2{cursor}"), None);
        assert_eq!((status, &page["page"]["total"]), (200, &json!(3)), "{page}");
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["username"].as_str().unwrap().to_owned()));
        let Some(next) = page["page"]["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["alice", "bob", "carol"]);

    let (status, one) = server.admin("GET", &format!("/api/accounts/{id}"));
    assert_eq!((status, &one["data"]), (200, &whole));
    assert_eq!(whole["ipv4"], json!([server.ip]));
    assert_eq!(whole["nameservers"], json!(["ns1.opterius.test", "ns2.opterius.test"]));
    let limits = whole["limits"].as_object().unwrap();
    assert_eq!(limits["disk_mib"], 10240);
    for name in limits.keys() {
        let said = whole["enforcement"][name].as_str().unwrap_or_default();
        assert!(["enforced", "not enforced on this server"].contains(&said), "{name}: {}", whole["enforcement"]);
    }
    // The sandbox's file system has no quotas, and an account that may fill the disk must not look as if it could not.
    assert_eq!(whole["enforcement"]["disk_mib"], "not enforced on this server");

    let operation_id = whole["operation"]["id"].as_str().unwrap();
    let (status, operation) = server.api("GET", &format!("/api/operations/{operation_id}"), None);
    let operation = &operation["data"];
    assert_eq!((status, &operation["outcome"], &operation["account_id"]), (200, &json!("committed"), &whole["id"]));
    let steps = operation["steps"].as_array().unwrap();
    for name in ["linux user", "home", "php pool", "site", "dns zone"] {
        let step = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("{name}: {steps:?}"));
        assert_eq!((&step["direction"], &step["state"]), (&json!("forward"), &json!("done")), "{step}");
        assert!(
            step["duration_us"].as_u64().is_some_and(|us| us > 0) && step["started_at"].as_i64() >= operation["started_at"].as_i64(),
            "{step}"
        );
    }
    assert!(operation["finished_at"].as_i64() > operation["started_at"].as_i64(), "{operation}");

    let (status, events) = server.get_text(&server.token, &format!("/api/operations/{operation_id}/events"));
    assert_eq!(status, 200, "{events}");
    let events: Vec<&str> = events.trim_end().split("\n\n").collect();
    let (last, before) = events.split_last().unwrap();
    assert_eq!(before.len(), steps.len());
    assert!(before.iter().all(|event| event.contains("event: step")), "{events:?}");
    assert!(last.contains("event: done") && last.contains("committed"), "{last}");

    let json_of = |command: &[&str]| -> Value { serde_json::from_str(&server.ok(command)).expect("the command prints JSON") };
    for name in [id, "alice", "alice.example"] {
        assert_eq!(json_of(&["opterius", "account", "show", name, "--json"]), whole, "{name}");
    }
    let shown = json_of(&["opterius", "operation", "show", operation_id, "--json"]);
    assert_eq!((&shown["id"], &shown["steps"], &shown["outcome"]), (&operation["id"], &operation["steps"], &operation["outcome"]));
    let text = server.ok(&["opterius", "account", "show", "alice"]);
    for part in [id, "alice.example", "Starter", "active", "not enforced on this server"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = server.ok(&["opterius", "operation", "show", operation_id]);
    for part in [operation_id, "committed", "linux user", "dns zone"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let (status, document) = server.api_as("", "GET", "/api/openapi.json", None, "");
    assert_eq!(status, 200);
    for path in ["/api/accounts", "/api/accounts/{id}", "/api/operations/{id}/events", "/api/activity"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let (status, page) = server.get_text("", "/api/docs");
    assert!(status == 200 && page.contains("<html") && page.contains("/api/accounts"), "{status}: {page}");
}

#[test]
fn the_activity_is_one_unbroken_chain_of_every_order_and_outcome() {
    let server = Server::new("activity");
    Order::new(&server, 12, "alice", "alice.example").succeed(&server);
    assert_refused(&Order::new(&server, 13, "alice", "other.example").create(&server), &["`alice`"]);
    assert_refused(&Order { package: "none".to_owned(), ..Order::new(&server, 14, "bob", "bob.example") }.create(&server), &[]);

    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = server.admin("GET", &format!("/api/activity?limit=3{cursor}"));
        assert_eq!(status, 200, "{page}");
        rows.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["page"]["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    rows.reverse();
    let refused = rows.iter().filter(|row| row["action"] == "account.create" && row["outcome"] == "refused").count();
    assert_eq!(refused, 2, "{rows:?}");

    // The API says what a hash covers, so whoever reads it can check it with sha256sum(1).
    let directory = tempfile::tempdir().unwrap();
    let mut prev = "0".repeat(64);
    for (number, row) in (1..).zip(&rows) {
        assert_eq!((&row["id"], &row["prev"]), (&json!(number), &json!(prev)), "{row}");
        prev = row["hash"].as_str().unwrap().to_owned();
        let mut covered = row.as_object().unwrap().clone();
        covered.remove("hash");
        assert!(covered.keys().is_sorted(), "canonical JSON has its keys in order");
        std::fs::write(directory.path().join(format!("{number:06}")), Value::from(covered).to_string()).unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "it prints one line a row")]
    let sums = Command::new("sh").args(["-ec", "sha256sum *"]).current_dir(directory.path()).output().unwrap();
    let sums = String::from_utf8(sums.stdout).unwrap();
    let computed: Vec<&str> = sums.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let told: Vec<&str> = rows.iter().filter_map(|row| row["hash"].as_str()).collect();
    assert_eq!(computed, told);
}

#[test]
fn setup_again_on_a_server_with_accounts_changes_nothing_that_matters() {
    let server = Server::new("setup-again");
    let order = Order::new(&server, 12, "alice", "alice.example");
    order.succeed(&server);
    let kept = |server: &Server| {
        let files = "find /etc/opterius /etc/powerdns/pdns.d /etc/nginx -type f | sort | xargs sha256sum";
        let rows = "sqlite3 /var/lib/opterius-panel/panel.db 'select * from administrator; select * from token; select * from server; select * from package'";
        server.sh(&format!("{files}\n{rows}"))
    };
    let (before, of_alice) = (kept(&server), everything_of(&server, "alice", "alice.example"));
    let again = server.ok(&[
        "opterius",
        "setup",
        "--json",
        "--hostname",
        "server1.opterius.test",
        "--ipv4",
        &server.ip,
        "--nameserver",
        "ns1.opterius.test",
        "--nameserver",
        "ns2.opterius.test",
    ]);
    let again: Value = serde_json::from_str(again.lines().last().unwrap()).unwrap();
    assert!(again["admin_password"].is_null(), "the administrator has a password already");
    assert_eq!(kept(&server), before, "keys, secrets, administrators and tokens are as they were");
    assert_eq!(everything_of(&server, "alice", "alice.example"), of_alice);
    server.wait_until_ready();
    WholeAccount::assert(&server, "alice", "alice.example");

    // The token and the pin in WHMCS still fit.
    order.succeed(&server);
    Order::new(&server, 13, "bob", "bob.example").succeed(&server);
    let doctor = server.run(&["opterius", "doctor"]);
    assert_eq!(doctor.status, 0, "{}{}", doctor.stdout, doctor.stderr);
}
