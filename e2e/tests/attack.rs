//! Strangers and greedy tokens keep nobody else from working with the Panel.

use opterius_e2e::{Attack, Did, NETWORKS, Server, eventually};
use serde_json::json;

/// Orders an account with the server's own token, and waits until it is there.
fn order(server: &Server, name: &str) {
    let body = json!({ "username": name, "domain": format!("{name}.test"), "password": format!("Pass word {name}"), "package": "Starter", "external_ref": name });
    let (status, answer) = server.api("POST", "/api/accounts", Some(&body));
    match status {
        201 => {}
        202 => {
            let path = format!("/api/operations/{}", answer["data"]["id"].as_str().expect("an id"));
            eventually("the order ends", || (server.api("GET", &path, None).1["data"]["outcome"] != "running").then_some(()));
            assert_eq!(server.api("GET", &path, None).1["data"]["outcome"], "committed");
        }
        _ => panic!("{name}: {status} {answer}"),
    }
}

/// What the Panel did to an attack, which goes on until it was turned away so often, while orders of another token come through.
fn attacked(server: &Server, kind: &str, arguments: &[&str], token: &str, turned_away: u64) -> Did {
    let least = turned_away.to_string();
    let arguments = [arguments, &["--turned-away", &least]].concat();
    let attack = Attack::begin(server, kind, &arguments, token);
    for number in 0..3 {
        order(server, &format!("{}{}{number}", kind.replace('-', ""), arguments.len()));
    }
    let did = attack.end();
    assert!(did.turned_away() >= turned_away, "{did}");
    did
}

/// How much memory the Panel has, in KiB.
fn memory(server: &Server) -> u64 {
    let taken = server.sh("awk '/^VmRSS:/ { print $2 }' /proc/$(systemctl show -P MainPID opterius-panel)/status");
    taken.trim().parse().expect("a number")
}

/// How many rows the Activity has of refused callers.
fn rows(server: &Server, what: &str) -> u64 {
    let (status, answer) = server.admin("GET", &format!("/api/activity?{what}&limit=500"));
    assert_eq!(status, 200, "{answer}");
    answer["data"].as_array().expect("a list").len() as u64
}

#[test]
fn whatever_strangers_and_greedy_tokens_do_anothers_orders_come_through() {
    let server = Server::new("attack");
    let greedy = server.another_whmcs("greedy")["token"].as_str().expect("a token").to_owned();
    let networks = ["--from", NETWORKS];
    // The address of the other token is known from here on.
    order(&server, "first");

    attacked(&server, "idle", &[], "", 900);
    attacked(&server, "idle", &networks, "", 500);
    attacked(&server, "slow", &[], "", 100);
    attacked(&server, "unread", &[], "", 100);

    let before = memory(&server);
    for arguments in [&[][..], &networks] {
        let did = attacked(&server, "sign-ins", arguments, "", 500);
        assert!(did.times("429") > 5 * did.times("401"), "{did}");
    }
    let after = memory(&server);
    assert!(after < before + 150_000, "{before} KiB, then {after} KiB");

    let did = attacked(&server, "guesses", &networks, "", 0);
    assert!(did.times("401") > 0, "{did}");
    attacked(&server, "refusals", &[], &greedy, 1000);
    attacked(&server, "orders", &["--places", "300"], &greedy, 300);

    // What was refused left few rows.
    assert!(rows(&server, "action=account.create&outcome=refused") < 200);
    assert!(rows(&server, "action=caller.refused") < 200);
}
