//! What a billing system asks beside the life of its accounts: what can be had, whose an account is, and who may ask at all.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Lab, Reply, order, until};

const BILLING: &str = "url=https%3A%2F%2Fbilling.example.com&directory=%2Fvar%2Fwww%2Fwhmcs";
const STAGING: &str = "url=https%3A%2F%2Fstaging.example.com&directory=%2Fsrv%2Fstaging";

fn whmcs_order(username: &str, external_ref: &str) -> Value {
    let mut order = order(username);
    order["external_ref"] = json!(external_ref);
    order
}

/// Sends a request with a token, perhaps saying where it comes from.
async fn ask(lab: &Lab, token: &str, from: &str, method: Method, path: &str, body: Option<&Value>) -> Reply {
    let call = lab.call(method, path).token(token);
    let call = if from.is_empty() { call } else { call.header("opterius-caller", from) };
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

#[tokio::test]
async fn what_can_be_had_is_said_part_by_part() {
    let lab = Lab::new().await;
    until("the Agent was asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    lab.create(&order("alice")).await.data(201);
    let ask = async |query: &str| lab.get(&format!("/api/availability?{query}")).await.data(200);

    let free = ask("username=bob&domain=bob.example.com&package=Starter").await;
    assert_eq!((&free["orderable"], &free["suggestion"]), (&json!(true), &json!("bob")), "{free}");
    assert_eq!((&free["username"]["available"], &free["domain"]["name"]), (&json!(true), &json!("bob.example.com")));
    assert_eq!((&free["package"]["name"], &free["server"]["name"]), (&json!("Starter"), &json!("default")));

    let taken = ask("username=alice&domain=alice.example&package=starter").await;
    assert_eq!((&taken["orderable"], &taken["suggestion"]), (&json!(false), &json!("alice2")), "{taken}");
    assert_eq!(taken["username"]["problem"]["code"], "username_taken");
    assert_eq!(taken["domain"]["problem"]["code"], "domain_taken");
    assert_eq!(taken["package"]["problem"]["code"], "package_not_found");

    let nonsense = ask("username=Ada%20Lovelace&domain=localhost").await;
    assert_eq!((&nonsense["username"]["problem"]["code"], &nonsense["suggestion"]), (&json!("invalid_request"), &json!("adalovelace")));
    assert_eq!(nonsense["domain"]["problem"]["code"], "invalid_request");
    assert_eq!(ask("domain=panel.hoster.example").await["domain"]["problem"]["code"], "invalid_request", "the Panel's own name");
    assert_eq!(ask("domain=4ever-young.example").await["suggestion"], "everyoung");
    assert_eq!(ask("domain=xn--wgv71a.example&username=root").await["suggestion"], "root2");
    assert_eq!(ask("").await["orderable"], true, "what was not asked for is not in the way");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2, "nothing was reserved");

    lab.agent.stop().await;
    until("the Agent is missed", async || ask("username=bob").await["server"]["problem"]["code"] == "server_unreachable").await;
}

#[tokio::test]
async fn a_suggestion_can_be_ordered() {
    let lab = Lab::new().await;
    for number in 1..=12 {
        let suggestion = lab.get("/api/availability?domain=averyveryverylongname.example").await.data(200)["suggestion"].clone();
        let mut order = order(suggestion.as_str().unwrap());
        order["domain"] = json!(format!("site{number}.example"));
        lab.create(&order).await.data(201);
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM account WHERE username LIKE 'averyverylong%' OR username LIKE 'averyvery%'").await, 12);
}

#[tokio::test]
async fn a_full_server_takes_no_order_and_keeps_what_it_has() {
    let lab = Lab::new().await;
    let server = lab.get("/api/servers/default").await.data(200);
    assert_eq!(server["max_accounts"], 0);
    let mut body =
        json!({ "hostname": server["hostname"], "ipv4": server["ipv4"], "nameservers": server["nameservers"], "max_accounts": 2 });
    lab.put("/api/servers/default", &body).await.data(200);
    let alice = lab.create(&order("alice")).await.data(201);
    lab.create(&order("bob")).await.data(201);
    let problem = lab.create(&order("carol")).await.problem(409, "server_full");
    assert!(problem["detail"].as_str().unwrap().contains('2'), "{problem}");
    assert_eq!(lab.get("/api/availability?username=carol").await.data(200)["server"]["problem"]["code"], "server_full");
    lab.create(&order("alice")).await.data(200);
    let planned = lab.post("/api/accounts?plan=true", &order("carol")).await.data(200);
    assert!(planned["missing"][0]["detail"].as_str().unwrap().contains("takes 2 accounts"), "{planned}");
    // Whoever was there before comes back, and whoever says nothing of the number leaves it.
    let path = format!("/api/accounts/{}", alice["id"].as_str().unwrap());
    lab.delete(&path).await.data(200);
    lab.create(&order("carol")).await.data(201);
    lab.post(&format!("{path}/restore"), &json!({})).await.data(200);
    body.as_object_mut().unwrap().remove("max_accounts");
    assert_eq!(lab.put("/api/servers/default", &body).await.data(200)["max_accounts"], 2);
    body["max_accounts"] = json!(0);
    lab.put("/api/servers/default", &body).await.data(200);
    lab.create(&order("dave")).await.data(201);
}

#[tokio::test]
async fn whose_an_account_is_can_be_changed_without_its_server() {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    let mut wanted = whmcs_order("alice", "s1");
    wanted["client_ref"] = json!("c7");
    wanted["next_due_on"] = json!("2026-12-31");
    wanted["email"] = json!("ada@example.com");
    let made = ask(&lab, &token, "", Method::POST, "/api/accounts", Some(&wanted)).await.data(201);
    assert_eq!((&made["client_ref"], &made["next_due_on"], &made["php_version"]), (&json!("c7"), &json!("2026-12-31"), &json!("newest")));
    lab.agent.stop().await;
    let path = "/api/accounts/ref:s1";
    let change = async |body: Value| ask(&lab, &token, "", Method::PATCH, path, Some(&body)).await;
    let rows = || lab.count("SELECT COUNT(*) FROM activity WHERE action = 'account.record' AND outcome = 'ok'");
    let changed = change(json!({ "next_due_on": "2027-01-31" })).await.data(200);
    assert_eq!(
        (&changed["client_ref"], &changed["next_due_on"], &changed["email"]),
        (&json!("c7"), &json!("2027-01-31"), &json!("ada@example.com"))
    );
    change(json!({ "next_due_on": "2027-01-31" })).await.data(200);
    assert_eq!(rows().await, 1, "the same again changes nothing");
    let cleared = change(json!({ "email": null, "client_ref": "c8" })).await.data(200);
    assert_eq!((&cleared["email"], &cleared["client_ref"]), (&Value::Null, &json!("c8")));
    for (field, bad) in [
        ("next_due_on", json!("31.1.2027")),
        ("next_due_on", json!(5)),
        ("email", json!("nobody")),
        ("client_ref", json!("a b")),
        ("username", json!("x")),
    ] {
        let problem = change(json!({ field: bad })).await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let list = async |query: &str, token: &str| {
        ask(&lab, token, "", Method::GET, &format!("/api/accounts?client_ref={query}"), None).await.data(200).as_array().unwrap().len()
    };
    assert_eq!((list("c8", &token).await, list("c7", &token).await), (1, 0));
    let other = lab.whmcs("other").await;
    assert_eq!(list("c8", &other).await, 0, "another installation's client of the same number is another client");
    ask(&lab, &other, "", Method::PATCH, path, Some(&json!({ "email": null }))).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_copy_of_an_installation_changes_nothing_until_a_person_allows_it() {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    let suspend = json!({ "reason": "overdue" });
    let own = async |from: &str| ask(&lab, &token, from, Method::GET, "/api/self", None).await.data(200)["caller"].clone();
    assert_eq!(own(STAGING).await["allowed"], true, "nobody has changed anything yet, and looking does not count");
    ask(&lab, &token, BILLING, Method::POST, "/api/accounts", Some(&whmcs_order("alice", "s1"))).await.data(201);

    assert_eq!(own(BILLING).await["allowed"], true);
    let copy = own(STAGING).await;
    assert_eq!((&copy["allowed"], &copy["calls_from"]), (&json!(false), &json!("https://staging.example.com in /srv/staging")));
    for _ in 0..2 {
        let refused = ask(&lab, &token, STAGING, Method::POST, "/api/accounts/ref:s1/suspend", Some(&suspend)).await;
        let problem = refused.problem(403, "other_caller");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("https://staging.example.com") && detail.contains("https://billing.example.com"), "{detail}");
    }
    ask(&lab, &token, STAGING, Method::DELETE, "/api/accounts/ref:s1", None).await.problem(403, "other_caller");
    let moved = "url=https%3A%2F%2Fbilling.example.com&directory=%2Fcopy";
    ask(&lab, &token, moved, Method::DELETE, "/api/accounts/ref:s1", None).await.problem(403, "other_caller");
    assert_eq!(ask(&lab, &token, STAGING, Method::GET, "/api/accounts/ref:s1", None).await.data(200)["status"], "active");
    assert_eq!(lab.agent.account("alice").unwrap().generation.get(), 1, "the server was never asked");

    let listed = lab.get("/api/tokens").await.data(200)[0].clone();
    let callers: Vec<(String, bool)> =
        listed["callers"].as_array().unwrap().iter().map(|row| (row["url"].as_str().unwrap().to_owned(), row["allowed"] == true)).collect();
    assert_eq!(callers.iter().filter(|(_, allowed)| *allowed).count(), 1);
    assert_eq!(callers.len(), 3, "{callers:?}");
    let allow = format!("/api/tokens/{}/callers", listed["id"].as_str().unwrap());
    ask(&lab, &token, STAGING, Method::POST, &allow, Some(&json!({ "url": "https://staging.example.com", "directory": "/srv/staging" })))
        .await
        .problem(403, "forbidden");
    lab.post(&allow, &json!({ "url": "https://staging.example.com/", "directory": "/srv/staging" })).await;
    ask(&lab, &token, STAGING, Method::POST, "/api/accounts/ref:s1/suspend", Some(&suspend)).await.data(200);
    ask(&lab, &token, BILLING, Method::POST, "/api/accounts/ref:s1/unsuspend", None).await.data(200);
    lab.post(&allow, &json!({ "url": "https://staging.example.com", "directory": "/srv/staging", "only": true })).await;
    ask(&lab, &token, BILLING, Method::POST, "/api/accounts/ref:s1/suspend", Some(&suspend)).await.problem(403, "other_caller");

    for bad in ["nonsense", "url=ftp%3A%2F%2Fx&directory=%2Fx", "url=https%3A%2F%2Fx"] {
        let problem =
            ask(&lab, &token, bad, Method::POST, "/api/accounts/ref:s1/suspend", Some(&suspend)).await.problem(422, "invalid_request");
        assert_eq!(problem["field"], "Opterius-Caller");
    }
    for (field, body) in [("url", json!({ "url": "billing", "directory": "/x" })), ("directory", json!({ "url": "https://x.example" }))] {
        assert_eq!(lab.post(&allow, &body).await.problem(422, "invalid_request")["field"], field);
    }
    lab.delete(allow.trim_end_matches("/callers")).await;
    assert_eq!(lab.count("SELECT COUNT(*) FROM token_caller").await, 0, "a deleted token leaves nothing");
}

#[tokio::test]
async fn many_made_up_installations_fill_no_table() {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    for number in 0..60 {
        let from = format!("url=https%3A%2F%2Fcopy{number}.example.com&directory=%2Fx");
        ask(&lab, &token, &from, Method::DELETE, "/api/accounts/ref:s1", None).await;
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM token_caller").await, 50);
    assert_eq!(lab.count("SELECT COUNT(*) FROM token_caller WHERE allowed = 1").await, 1);
}

#[tokio::test]
async fn a_rotated_token_opens_until_the_new_one_is_used() {
    let lab = Lab::new().await;
    let old = lab.whmcs("WHMCS").await;
    let own = async |token: &str| ask(&lab, token, "", Method::GET, "/api/self", None).await;
    let rotate = async |token: &str| {
        let made = ask(&lab, token, "", Method::POST, "/api/self/token", None).await.data(201);
        assert_eq!(made["access_hash"], format!("o1.{}", made["token"].as_str().unwrap()));
        made["token"].as_str().unwrap().to_owned()
    };
    let lost = rotate(&old).await;
    own(&old).await.data(200);
    // Its answer got lost, so it is asked for once more.
    let new = rotate(&old).await;
    own(&lost).await.problem(401, "unauthorized");
    own(&old).await.data(200);
    assert_eq!(own(&new).await.data(200)["caller"]["name"], "WHMCS");
    own(&old).await.problem(401, "unauthorized");
    own(&new).await.data(200);
    assert_eq!(lab.count("SELECT COUNT(*) FROM activity WHERE action = 'token.rotate' AND outcome = 'ok'").await, 2);
    let listed = lab.get("/api/tokens").await;
    let id = listed.data(200)[0]["id"].as_str().unwrap().to_owned();
    assert!(!listed.text.contains(&new));
    let by_hand = lab.post(&format!("/api/tokens/{id}/rotate"), &json!({})).await.data(201)["token"].as_str().unwrap().to_owned();
    own(&by_hand).await.data(200);
    own(&new).await.problem(401, "unauthorized");
    lab.post("/api/self/token", &json!({})).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_token_for_whmcs_does_what_the_module_needs_for_its_own_accounts_and_nothing_else() {
    let lab = Lab::new().await;
    let (own, other) = (lab.whmcs("one").await, lab.whmcs("two").await);
    let made = |token: String, name: &'static str| {
        let lab = &lab;
        async move { ask(lab, &token, "", Method::POST, "/api/accounts", Some(&whmcs_order(name, "s1"))).await.data(201) }
    };
    let alice = made(own.clone(), "alice").await;
    let bob = made(other.clone(), "bob").await;
    let unlabelled = lab.create(&order("carol")).await.data(201);
    let operation = bob["operation"]["id"].as_str().unwrap();
    let scopes: Vec<String> =
        serde_json::from_value(ask(&lab, &own, "", Method::GET, "/api/self", None).await.data(200)["caller"]["scopes"].clone()).unwrap();
    let document = lab.get("/api/openapi.json").await.json();
    let (mut allowed, mut refused) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let Some(scope) = described["security"][0]["token"][0].as_str() else { continue };
            let method: Method = method.to_uppercase().parse().unwrap();
            for foreign in [&bob, &unlabelled] {
                let id = foreign["id"].as_str().unwrap();
                let target = if path.starts_with("/api/operations") { path.replace("{id}", operation) } else { path.replace("{id}", id) };
                let reply = ask(&lab, &own, "", method.clone(), &target, None).await;
                if !scopes.iter().any(|mine| mine == scope) {
                    reply.problem(403, "forbidden");
                    refused += 1;
                } else if path.contains("{id}") && !path.starts_with("/api/packages") {
                    // A body that is missing is told before the account is looked for: then nothing of the account is told either.
                    assert!(matches!(reply.status, 404 | 415 | 422), "{method} {target}: {} {}", reply.status, reply.text);
                    for name in ["bob", "carol"] {
                        assert!(!reply.text.contains(name), "{method} {target}: {}", reply.text);
                    }
                    allowed += 1;
                }
            }
        }
    }
    assert!(allowed > 20 && refused > 20, "{allowed} {refused}");
    let bodies = [
        (Method::POST, "suspend", json!({ "reason": "x" })),
        (Method::POST, "unsuspend", json!({})),
        (Method::PUT, "package", json!({ "package": "Starter" })),
        (Method::PUT, "password", json!({ "password": "battery staple" })),
        (Method::POST, "repair", json!({})),
        (Method::POST, "restore", json!({})),
    ];
    for (method, verb, body) in bodies {
        for foreign in [&bob, &unlabelled] {
            let target = format!("/api/accounts/{}/{verb}", foreign["id"].as_str().unwrap());
            ask(&lab, &own, "", method.clone(), &target, Some(&body)).await.problem(404, "not_found");
        }
    }
    // The names of others are taken, and whose they are is not told.
    let mut wish = whmcs_order("bob", "s2");
    let taken = ask(&lab, &own, "", Method::POST, "/api/accounts", Some(&wish)).await;
    taken.problem(409, "username_taken");
    assert!(!taken.text.contains(bob["id"].as_str().unwrap()));
    wish["username"] = json!("dora");
    wish["external_ref"] = json!("s1");
    ask(&lab, &own, "", Method::POST, "/api/accounts", Some(&wish)).await.problem(409, "external_ref_mismatch");
    for listed in ["/api/accounts", "/api/operations"] {
        let reply = ask(&lab, &own, "", Method::GET, listed, None).await;
        assert_eq!(reply.data(200).as_array().unwrap().len(), 1, "{listed}");
        assert!(reply.text.contains("alice") && !reply.text.contains("bob") && !reply.text.contains("carol"));
    }
    // Its whole life is the module's.
    let path = format!("/api/accounts/{}", alice["id"].as_str().unwrap());
    for (method, verb, body) in [
        (Method::POST, "/suspend", json!({ "reason": "overdue" })),
        (Method::POST, "/unsuspend", json!({})),
        (Method::PUT, "/package", json!({ "package": "Starter", "limits": { "databases": 3 } })),
        (Method::PUT, "/password", json!({ "password": "battery staple" })),
        (Method::POST, "/repair", json!({})),
        (Method::PATCH, "", json!({ "next_due_on": "2027-01-01" })),
    ] {
        ask(&lab, &own, "", method, &format!("{path}{verb}"), Some(&body)).await.data(200);
    }
    ask(&lab, &own, "", Method::DELETE, &path, None).await.data(200);
    ask(&lab, &own, "", Method::POST, &format!("{path}/restore"), Some(&json!({}))).await.data(200);
}
