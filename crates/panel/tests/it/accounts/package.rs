//! `PUT /api/accounts/{id}/package`.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Lab, order};

const MIB: u64 = 1024 * 1024;

/// A Panel with `alice` and the packages `Starter`, `Small` and `Pro`, and the path of her package.
async fn alice() -> (Lab, String) {
    let lab = Lab::new().await;
    lab.post("/api/packages", &json!({ "name": "Small", "disk_mib": 1024, "databases": 1 })).await.data(201);
    lab.post("/api/packages", &json!({ "name": "Pro", "disk_mib": 0, "databases": 10, "php_workers": 20 })).await.data(201);
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}/package", account["id"].as_str().unwrap());
    (lab, path)
}

#[tokio::test]
async fn every_limit_changes_at_once() {
    let (lab, path) = alice().await;
    let account = lab.put(&path, &json!({ "package": "Pro" })).await.data(200);
    assert_eq!(account["package"]["name"], "Pro");
    assert_eq!(account["limits"]["databases"], 10);
    assert_eq!((&account["overrides"], &account["dropped_overrides"]), (&json!({}), &json!({})));
    let spec = lab.agent.account("alice").unwrap();
    assert_eq!((spec.limits.php_workers.stored(), spec.limits.disk_mib.stored()), (20, 0));
    let again = lab.put(&path, &json!({ "package": "Pro" })).await.data(200);
    assert_eq!(again["operation"], account["operation"], "again");
    assert_eq!(lab.agent.begun("alice"), 2);
    let problem = lab.put(&path, &json!({ "package": "pro" })).await.problem(404, "package_not_found");
    assert!(problem["detail"].as_str().unwrap().starts_with("Package not found"), "{problem}");
}

#[tokio::test]
async fn a_limit_below_what_is_used_is_refused_with_the_numbers_unless_it_is_forced() {
    let (lab, path) = alice().await;
    let problem = lab.put(&path, &json!({ "package": "Small" })).await.problem(503, "server_unreachable");
    assert!(problem["detail"].as_str().unwrap().contains("nothing was begun"), "{problem}");
    lab.agent.uses("alice", 5120 * MIB, 10);
    let problem = lab.put(&path, &json!({ "package": "Small", "limits": { "files": 5 } })).await.problem(409, "limits_below_use");
    let errors: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
    assert_eq!(errors, ["disk_mib: 5120 MiB are used, and Small allows 1024.", "files: 10 are used, and its override allows 5."]);
    assert!(problem["hint"].as_str().unwrap().contains("force"));
    assert_eq!(lab.agent.begun("alice"), 1);
    let account = lab.put(&path, &json!({ "package": "Small", "force": true })).await.data(200);
    assert_eq!(account["limits"]["disk_mib"], 1024);
    lab.put(&path, &json!({ "package": "Pro" })).await.data(200);
    lab.agent.uses("alice", 1000 * MIB, 10);
    lab.put(&path, &json!({ "package": "Small" })).await.data(200);
}

#[tokio::test]
async fn overrides_survive_another_package_or_are_listed_as_dropped() {
    let (lab, path) = alice().await;
    let account = lab.put(&path, &json!({ "package": "Starter", "limits": { "databases": 7, "disk_mib": 20480 } })).await.data(200);
    assert_eq!(account["overrides"], json!({ "databases": 7, "disk_mib": 20480 }));
    assert_eq!((&account["limits"]["databases"], &account["limits"]["disk_mib"]), (&json!(7), &json!(20480)));
    let account = lab.put(&path, &json!({ "package": "Small" })).await.data(200);
    assert_eq!((&account["limits"]["databases"], &account["limits"]["disk_mib"]), (&json!(7), &json!(20480)));
    lab.agent.uses("alice", 0, 0);
    let account = lab.put(&path, &json!({ "package": "Small", "limits": { "disk_mib": null } })).await.data(200);
    assert_eq!((&account["overrides"], &account["limits"]["disk_mib"]), (&json!({ "databases": 7 }), &json!(1024)));
    let account = lab.put(&path, &json!({ "package": "Pro", "keep_overrides": false })).await.data(200);
    assert_eq!((&account["overrides"], &account["dropped_overrides"]), (&json!({}), &json!({ "databases": 7 })));
    assert_eq!(account["limits"]["databases"], 10);
    let read = lab.get(&path.replace("/package", "")).await.data(200);
    assert!(read.get("dropped_overrides").is_none());
}

#[tokio::test]
async fn a_suspended_account_gets_its_package_and_stays_suspended() {
    let (lab, path) = alice().await;
    lab.post(&path.replace("package", "suspend"), &json!({ "reason": "spam" })).await.data(200);
    let account = lab.put(&path, &json!({ "package": "Pro" })).await.data(200);
    assert_eq!((&account["status"], &account["package"]["name"]), (&json!("suspended"), &json!("Pro")));
}

#[tokio::test]
async fn what_is_wrong_with_it_is_told() {
    let (lab, path) = alice().await;
    for (body, field) in [
        (json!({}), "package"),
        (json!({ "package": "Pro", "package_id": "0193a5e0-7c1e-7000-8000-000000000000" }), "package_id"),
        (json!({ "package": "Pro", "limits": [] }), "limits"),
        (json!({ "package": "Pro", "limits": { "cats": 1 } }), "limits"),
        (json!({ "package": "Pro", "limits": { "databases": "7" } }), "databases"),
        (json!({ "package": "Pro", "limits": { "databases": 1_000_000_001_u64 } }), "databases"),
        (json!({ "package": "Pro", "keep_overrides": "yes" }), "keep_overrides"),
        (json!({ "package": "Pro", "force": 1 }), "force"),
        (json!({ "package": "Pro", "cats": 1 }), "cats"),
    ] {
        let problem = lab.put(&path, &body).await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
    assert_eq!(lab.agent.begun("alice"), 1);
    let token = lab.token(&json!({ "name": "x", "scopes": ["accounts.suspend"] })).await;
    let reply = lab.call(Method::PUT, &path).token(&token).json(&json!({ "package": "Pro" })).send().await;
    assert_eq!(reply.problem(403, "forbidden")["errors"], Value::Null);
}
