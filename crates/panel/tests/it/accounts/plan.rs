//! `GET /api/accounts/{id}/plan`, and every change with `?plan=true`: what would be done is said, and nothing is.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Behaviour, Lab, order, until};

const NOBODY: &str = "/api/accounts/0193a5e0-7c1e-7000-8000-000000000000";

/// A Panel with `alice`, and her path.
async fn alice() -> (Lab, String) {
    let lab = Lab::new().await;
    lab.post("/api/packages", &json!({ "name": "Small", "disk_mib": 1024, "databases": 1 })).await.data(201);
    until("the Agent was asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    (lab, path)
}

/// `resource: change` of everything that would change.
fn changes(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap().iter();
    changes.map(|one| format!("{}: {}", one["resource"].as_str().unwrap(), one["change"].as_str().unwrap())).collect()
}

fn codes(plan: &Value) -> Vec<&str> {
    plan["conflicts"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// Every row of every table, but the Activity's of what was refused.
async fn rows(lab: &Lab) -> i64 {
    lab.count(
        "SELECT (SELECT COUNT(*) FROM account) + (SELECT COUNT(*) FROM operation) + (SELECT COUNT(*) FROM claimed_name) \
         + (SELECT COUNT(*) FROM account_hold) + (SELECT COUNT(*) FROM account_override) + (SELECT SUM(generation) FROM account) \
         + (SELECT COUNT(*) FROM activity WHERE outcome <> 'refused')",
    )
    .await
}

#[tokio::test]
async fn a_clean_account_has_nothing_to_repair_and_damage_is_named() {
    let (lab, path) = alice().await;
    let plan = lab.get(&format!("{path}/plan")).await.data(200);
    assert_eq!(plan, json!({ "action": "repair", "changes": [], "conflicts": [], "missing": [], "empty": true }));
    lab.agent.damage("alice", "public_html would get mode 2750");
    let plan = lab.get(&format!("{path}/plan")).await.data(200);
    assert_eq!((changes(&plan), &plan["empty"]), (vec!["home: public_html would get mode 2750".to_owned()], &json!(false)));
    lab.post(&format!("{path}/repair"), &json!({})).await.data(200);
    assert_eq!(lab.get(&format!("{path}/plan")).await.data(200)["empty"], true);
    lab.get(&format!("{NOBODY}/plan")).await.problem(404, "not_found");
}

#[tokio::test]
async fn every_change_can_be_planned_and_does_nothing_then() {
    let (lab, path) = alice().await;
    let before = rows(&lab).await;
    let call = |method: Method, verb: &str, body: Value| lab.call(method, &format!("{path}{verb}")).json(&body).send();

    let plan = call(Method::POST, "/suspend?plan=true", json!({ "reason": "spam" })).await.data(200);
    assert_eq!(plan["action"], "suspend");
    assert_eq!(changes(&plan), ["account: status: active to suspended", "account: hold abuse: spam", "site: Active to Suspended"]);
    let plan = call(Method::POST, "/unsuspend?plan=true", json!({})).await.data(200);
    assert_eq!(plan["empty"], true, "nobody holds it");
    let plan = call(Method::PUT, "/password?plan=true", json!({ "password": "battery staple" })).await.data(200);
    assert_eq!(changes(&plan), ["password: would be changed"]);
    let plan = call(Method::PUT, "/password?plan=true", json!({ "password": "correct horse" })).await.data(200);
    assert_eq!(plan["empty"], true);
    let plan = call(Method::POST, "/repair?plan=true", json!({})).await.data(200);
    assert_eq!(plan["empty"], true);
    let plan = lab.delete(&format!("{path}?plan=true&keep_days=0")).await.data(200);
    assert_eq!(plan["action"], "terminate");
    assert_eq!(changes(&plan), ["account: status: active to terminated", "home: would be deleted", "site: Active to Absent"]);
    let plan = lab.delete(&format!("{path}?plan=true")).await.data(200);
    assert!(changes(&plan)[1].starts_with("home: would be kept until 2"), "{plan}");
    let plan = call(Method::POST, "/restore?plan=true", json!({})).await.data(200);
    assert_eq!(plan["empty"], true, "it is there");
    call(Method::POST, "/suspend?plan=maybe", json!({ "reason": "spam" })).await.problem(422, "invalid_request");

    assert_eq!(rows(&lab).await, before);
    assert_eq!(lab.agent.begun("alice"), 1);
}

#[tokio::test]
async fn a_plan_of_a_package_names_limits_what_enforces_them_and_what_is_below_use() {
    let (lab, path) = alice().await;
    let path = format!("{path}/package?plan=true");
    lab.agent.uses("alice", 5120 * 1024 * 1024, 1);
    let plan = lab.put(&path, &json!({ "package": "Small", "limits": { "databases": 7 } })).await.data(200);
    assert_eq!(
        changes(&plan),
        [
            "limits: disk_mib: 10240 to 1024 (not enforced on this server)",
            "limits: databases: 1 to 7 (unknown whether this server enforces it)",
            "account: package: Starter to Small",
            "account: override databases: 7",
            "php pool: would get other limits",
        ]
    );
    assert_eq!(codes(&plan), ["limits_below_use"]);
    assert!(plan["conflicts"][0]["detail"].as_str().unwrap().contains("5120 MiB are used, and Small allows 1024."));
    let plan = lab.put(&path, &json!({ "package": "small" })).await.data(200);
    assert!(plan["missing"][0]["detail"].as_str().unwrap().starts_with("Package not found"), "{plan}");
}

#[tokio::test]
async fn a_plan_of_an_order_says_what_would_be_made_and_what_is_in_its_way() {
    let (lab, path) = alice().await;
    let before = rows(&lab).await;
    let plan = |order: Value| async {
        let order = order;
        lab.post("/api/accounts?plan=true", &order).await.data(200)
    };
    let made = plan(order("bob")).await;
    assert_eq!(made["action"], "create");
    assert_eq!(changes(&made), ["account: bob (bob.example) would be made with the package Starter", "linux user: would be made"]);
    let mut taken = order("alice");
    taken["external_ref"] = json!("other");
    assert_eq!(codes(&plan(taken.clone()).await), ["username_taken"]);
    taken["username"] = json!("bob");
    assert_eq!(codes(&plan(taken).await), ["domain_taken"]);
    let mut unknown = order("bob");
    unknown["package"] = json!("Gold");
    assert_eq!(plan(unknown).await["missing"].as_array().unwrap().len(), 1);
    assert_eq!(plan(order("alice")).await["empty"], true, "the same order");
    let mut other = order("alice");
    other["domain"] = json!("other.example");
    assert_eq!(codes(&plan(other).await), ["external_ref_mismatch"]);
    assert_eq!(rows(&lab).await, before);
    assert_eq!(lab.agent.arrived("bob").len(), 0);
    lab.get(&path).await.data(200);
}

#[tokio::test]
async fn a_plan_of_a_restore_names_whose_names_they_are_by_now() {
    let (lab, path) = alice().await;
    lab.delete(&path).await.data(200);
    let restore = format!("{path}/restore?plan=true");
    let plan = lab.post(&restore, &json!({ "username": "bob" })).await.data(200);
    assert_eq!(changes(&plan), ["account: status: terminated to active", "account: username: alice to bob", "site: Absent to Active"]);
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    lab.get(&path).await.problem(410, "account_gone");
    let mut other = order("alice");
    other["external_ref"] = json!("other");
    lab.create(&other).await.data(201);
    let plan = lab.post(&restore, &json!({})).await.data(200);
    assert_eq!(codes(&plan), ["username_taken", "username_taken"], "the Panel knows it, and so does the server");
    assert_eq!(lab.delete(&format!("{path}?plan=true")).await.data(200)["empty"], true);
    lab.get(&format!("{path}/plan")).await.problem(410, "account_gone");
}

#[tokio::test]
async fn a_plan_says_that_the_account_is_being_changed_or_the_server_does_not_answer() {
    let (lab, path) = alice().await;
    lab.agent.script("alice", Behaviour::Stuck);
    lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await.problem(500, "needs_attention");
    let plan = lab.get(&format!("{path}/plan")).await.data(200);
    assert_eq!(codes(&plan), ["needs_attention"]);
    lab.agent.stop().await;
    let plan = lab.get(&format!("{path}/plan")).await.data(200);
    assert!(plan["missing"][0]["detail"].as_str().unwrap().contains("could not be reached"), "{plan}");
    assert_eq!(plan["empty"], false);
}
