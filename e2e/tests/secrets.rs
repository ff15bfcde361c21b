//! No secret is anywhere but where it is used: after orders that succeed, conflict, fail and repeat, every log, list of processes,
//! table and file is searched for every secret, as it is and encoded.

use opterius_e2e::{Debris, Order, Secret, Server, eventually};
use serde_json::json;

/// Long enough to be found only where they are, and of characters that encodings change.
const PASSWORDS: [&str; 6] = [
    "S3cret & < > \" ' # % : \\ $ one",
    "  Gehe1m ± bläßlich ☃ two ",
    "Qu0te'd \"; DROP TABLE token; -- three",
    "$(id) `id` ${HOME} %2f+four==",
    "{\"password\":\"five\"} /slash/",
    "colon:newhash:$6x:six six six",
];

/// Writes every command line and environment that a process on the server ever has into /run/seen, each once, until /run/enough is there.
const WATCH: &str = r#"
    open my $out, '>>', '/run/seen' or die; select $out; $| = 1;
    my %seen;
    while (!-e '/run/enough') {
        opendir my $proc, '/proc' or die;
        for my $pid (grep /^\d+$/, readdir $proc) {
            for my $file ('cmdline', 'environ') {
                open my $in, '<', "/proc/$pid/$file" or next;
                local $/; my $text = <$in>;
                next if !defined $text || $seen{$text}++;
                $text =~ tr/\0/ /; print "$file $text\n";
            }
        }
    }
"#;

/// Everything written on the server where nobody looks for secrets, by place.
fn everything_written(server: &Server) -> Vec<(&'static str, String)> {
    let of = |script: &str| server.sh(script);
    vec![
        // All fields, of all units, the kernel's included.
        ("the journal", of("journalctl --no-pager --all -o export")),
        ("the journal's files", of("find /var/log/journal /run/log/journal -type f -exec cat {} + 2>/dev/null || true")),
        ("the logs", of("find /var/log -type f -not -path '*/journal/*' -exec cat {} +")),
        ("the Panel's tables", of("sqlite3 /var/lib/opterius-panel/panel.db .dump")),
        ("the Panel's files", of("find /var/lib/opterius-panel -type f -not -name '*.pem' -exec cat {} +")),
        ("the Agent's files", of("find /var/lib/opterius-agent /var/lib/opterius /var/lib/opterius-phpd -type f -exec cat {} +")),
        ("the DNS server's tables", of("sqlite3 /var/lib/powerdns/opterius.sqlite3 .dump")),
        (
            "what runs",
            of(
                "find /run -xdev -type f -not -path '/run/seen' -not -path '/run/log/*' -not -path '/run/credentials/*' -exec cat {} + 2>/dev/null || true",
            ),
        ),
        ("temporary files", of("find /tmp /var/tmp -xdev -type f -exec cat {} +")),
        ("the homes", of("find /home -type f -exec cat {} +")),
        ("the list of processes", of("cat /run/seen")),
    ]
}

#[test]
fn no_secret_is_in_any_log_table_file_or_list_of_processes() {
    let server = Server::new("secrets");
    let mut watching = server.spawn(&["perl", "-e", WATCH]);
    eventually("the processes are watched", || server.run(&["test", "-s", "/run/seen"]).status.eq(&0).then_some(()));

    let mut said = String::new();
    let mut place = |order: &Order, succeeds: bool| {
        // The order asserts by itself that the module's own log has no secret of this order.
        let answer = order.create(&server);
        assert_eq!(answer.is_success(), succeeds, "{}", answer.text());
        said.push_str(&answer.log);
        said.push_str(answer.text());
    };
    let with = |password: &str, order: Order| Order { password: password.to_owned(), ..order };
    let alice = Order::new(&server, 12, "alice", "alice.example");
    // A create, the same again, other passwords, a conflict on both names.
    place(&with(PASSWORDS[0], alice.clone()), true);
    place(&with(PASSWORDS[0], alice.clone()), true);
    place(&with(PASSWORDS[1], alice.clone()), true);
    place(&with(PASSWORDS[2], alice.clone()), true);
    place(&with(PASSWORDS[3], Order::new(&server, 13, "alice", "other.example")), false);
    place(&with(PASSWORDS[4], Order::new(&server, 14, "bob", "alice.example")), false);
    // Another intent, and a package that is not there.
    place(&with(PASSWORDS[5], Order { domain: "other.example".to_owned(), ..alice.clone() }), false);
    place(&with(PASSWORDS[5], Order { package: "none".to_owned(), ..Order::new(&server, 15, "bob", "bob.example") }), false);
    // Failures, with all that is logged of them, before and after the user was made with its password, and in between.
    for (call, service) in [("users.replace.shadow", 20), ("add_user.before", 21), ("add_user.after", 22), ("ask_soa.before", 23)] {
        server.fail_at(&format!("{call}=return"));
        place(&with(PASSWORDS[4], Order::new(&server, service, "carol", "carol.example")), false);
        Debris::assert_none(&server, "carol", "carol.example");
    }
    server.fail_at("");
    place(&with(PASSWORDS[3], Order::new(&server, 23, "carol", "carol.example")), true);
    // Mistakes in the field itself and beside it.
    for body in [
        json!({ "username": "Wrong!", "domain": "wrong", "password": PASSWORDS[2], "email": "nobody", "external_ref": "a b" }).to_string(),
        json!({ "password": { "text": PASSWORDS[2] } }).to_string(),
        format!("{{\"password\": \"{}\"", PASSWORDS[3]),
    ] {
        let (status, problem) = server.api_as(&server.token, "POST", "/api/accounts", Some(&body), "application/json");
        assert_eq!(status, 422, "{problem}");
        said.push_str(&problem.to_string());
    }
    assert_eq!(server.visit("alice.example", "/").0, 200);
    // nginx keeps its lines back for a moment.
    eventually("the visit is logged", || server.run(&["grep", "-rq", "alice.example", "/var/log/opterius"]).status.eq(&0).then_some(()));
    server.ok(&["opterius", "doctor"]);
    for path in ["/api/accounts", "/api/operations", "/api/activity?limit=500", "/api/tokens", "/api/self", "/api/servers", "/api/packages"]
    {
        said.push_str(&server.admin("GET", path).1.to_string());
    }

    server.ok(&["touch", "/run/enough"]);
    assert!(watching.wait().expect("the watcher ends").success());

    let mut secrets: Vec<Secret> = (1..).zip(PASSWORDS).map(|(n, password)| Secret::new(format!("password {n}"), password)).collect();
    secrets.push(Secret::new("token", &server.token));
    secrets.push(Secret::new("administrator's password", &server.admin_password));
    let configuration = server.sh("cat /etc/opterius/agent.toml");
    for key in ["pdns_api_key", "probe_secret"] {
        let line = configuration.lines().find(|line| line.starts_with(key)).expect(key);
        secrets.push(Secret::new(key, line.split('"').nth(1).expect(key)));
    }

    let mut places = everything_written(&server);
    places.push(("the module's log, or a reply", said));
    let text_of = |place: &str| &places.iter().find(|(name, _)| *name == place).expect(place).1;
    // Had one of these seen nothing, finding nothing in it would mean nothing.
    for (place, proof) in [
        ("the journal", "created the account"),
        ("the logs", "alice.example"),
        ("the Panel's tables", "carol.example"),
        ("the Agent's files", "password_hash"),
        ("the list of processes", "cmdline "),
        ("the list of processes", "environ "),
        ("the module's log, or a reply", "s12"),
    ] {
        assert!(text_of(place).contains(proof), "{place} tells of {proof}");
    }
    for (place, text) in &places {
        for secret in &secrets {
            let found = secret.found_in(text);
            assert_eq!(found, None, "the {} is in {place}", secret.name);
        }
    }

    // A hash is enough to guess passwords at home. It stands where it is needed, and nowhere else.
    for (place, text) in &places {
        match *place {
            "the Panel's tables" | "the Panel's files" | "the Agent's files" => {}
            _ => assert!(!text.contains("$6$"), "a password hash is in {place}"),
        }
    }
    for piece in text_of("the Agent's files").split("$6$").collect::<Vec<_>>().windows(2) {
        let before = piece[0].trim_end_matches(['"', ' ', ':']);
        assert!(before.ends_with("\"password_hash"), "a hash in the Agent's files stands under password_hash");
    }
    let columns = "sqlite3 /var/lib/opterius-panel/panel.db \"select m.name, p.name from sqlite_master m join pragma_table_info(m.name) p \
                   where m.type = 'table'\" | while IFS='|' read -r table column; do \
                   n=$(sqlite3 /var/lib/opterius-panel/panel.db \"select count(*) from \\\"$table\\\" where \\\"$column\\\" like '%\\$6\\$%'\"); \
                   [ $n = 0 ] || echo $table.$column $n; done";
    // One for each of the two accounts; none for what failed and for what a newer password took the place of.
    assert_eq!(server.sh(columns).trim(), "account.spec 2");
    let modes = server
        .sh("stat -c '%a %U' /etc/opterius/agent.toml /var/lib/opterius-agent /var/lib/opterius-panel /var/lib/opterius-panel/panel.db");
    for mode in modes.lines() {
        assert!(mode.split(' ').next().is_some_and(|bits| bits.ends_with('0')), "nobody else reads it: {modes}");
    }
}
