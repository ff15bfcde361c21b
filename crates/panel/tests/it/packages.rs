//! `/api/packages`.

use http::Method;
use opterius_protocol::agent::FailureKind;
use serde_json::json;

use crate::support::{Behaviour, Lab, order};

#[tokio::test]
async fn a_package_is_made_changed_and_deleted() {
    let lab = Lab::bare().await;
    let made = lab.post("/api/packages", &json!({ "name": "Pro & Friends <2>", "disk_mib": 5 })).await.data(201);
    assert_eq!(made["limits"]["disk_mib"], 5);
    assert_eq!(made["limits"]["php_workers"], 5);
    assert_eq!(made["limits"]["php_memory_mib"], 256);
    assert_eq!(made["limits"]["mailboxes"], 0);
    assert_eq!(made["accounts"], 0);
    let path = format!("/api/packages/{}", made["id"].as_str().unwrap());
    let changed = lab.call(Method::PUT, &path).json(&json!({ "files": 7, "name": "Pro" })).send().await.data(200);
    assert_eq!((&changed["name"], &changed["limits"]["files"], &changed["limits"]["disk_mib"]), (&json!("Pro"), &json!(7), &json!(5)));
    assert_eq!(lab.get(&path).await.data(200), changed);
    assert_eq!(lab.call(Method::DELETE, &path).send().await.status, 204);
    lab.get(&path).await.problem(404, "package_not_found");
    lab.call(Method::DELETE, &path).send().await.problem(404, "package_not_found");
    lab.call(Method::PUT, &path).json(&json!({})).send().await.problem(404, "package_not_found");
}

#[tokio::test]
async fn names_are_unique_with_their_case() {
    let lab = Lab::bare().await;
    lab.post("/api/packages", &json!({ "name": "Starter" })).await.data(201);
    lab.post("/api/packages", &json!({ "name": "Starter" })).await.problem(409, "name_taken");
    let other = lab.post("/api/packages", &json!({ "name": "starter" })).await.data(201);
    let path = format!("/api/packages/{}", other["id"].as_str().unwrap());
    lab.call(Method::PUT, &path).json(&json!({ "name": "Starter" })).send().await.problem(409, "name_taken");
    let list = lab.get("/api/packages").await.json();
    assert_eq!(list["page"]["total"], 2);
}

#[tokio::test]
async fn a_package_in_use_stays() {
    let lab = Lab::new().await;
    let id = lab.get("/api/packages").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/packages/{id}");
    lab.create(&order("alice")).await.data(201);
    assert_eq!(lab.get(&path).await.data(200)["accounts"], 1);
    let problem = lab.call(Method::DELETE, &path).send().await.problem(409, "package_in_use");
    assert!(problem["detail"].as_str().unwrap().contains('1'), "{problem}");
    lab.get(&path).await.data(200);
}

#[tokio::test]
async fn an_account_that_failed_does_not_hold_its_package() {
    let lab = Lab::new().await;
    let id = lab.get("/api/packages").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    lab.agent.script("alice", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
    lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    assert_eq!(lab.call(Method::DELETE, &format!("/api/packages/{id}")).send().await.status, 204);
}

#[tokio::test]
async fn limits_are_whole_numbers() {
    let lab = Lab::bare().await;
    for bad in [json!(-1), json!(1.5), json!("5"), json!(true), json!(1_000_000_001u64), json!([])] {
        let problem = lab.post("/api/packages", &json!({ "name": "Starter", "files": bad })).await.problem(422, "invalid_request");
        assert_eq!(problem["field"], "files", "{bad}");
    }
    lab.post("/api/packages", &json!({ "name": "Starter", "disk": 5 })).await.problem(422, "invalid_request");
    lab.post("/api/packages", &json!({ "name": " Starter" })).await.problem(422, "invalid_request");
    assert_eq!(lab.get("/api/packages").await.json()["page"]["total"], 0);
}
