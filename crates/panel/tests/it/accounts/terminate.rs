//! Terminate and restore: what is gone, what is kept, and who is told.

use std::time::Duration;

use http::Method;
use opterius_model::{Hold, Password, State};
use opterius_protocol::agent::{FailureKind, Outcome};
use serde_json::{Value, json};

use crate::support::{Behaviour, Lab, order, until};

const DAY: Duration = Duration::from_hours(24);

/// A Panel with `alice`, and her path.
async fn alice() -> (Lab, String) {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    (lab, path)
}

#[tokio::test]
async fn a_terminated_account_is_gone_its_names_are_free_and_it_says_until_when_it_is_kept() {
    let (lab, path) = alice().await;
    let gone = lab.delete(&path).await.data(200);
    assert_eq!((&gone["status"], &gone["username"], &gone["domain"]), (&json!("terminated"), &json!("alice"), &json!("alice.example")));
    assert_eq!(gone["external_ref"], "ref-alice");
    let (at, until) = (gone["terminated_at"].as_i64().unwrap(), gone["restorable_until"].as_i64().unwrap());
    let days = (until - at) / 86_400_000_000;
    assert!((6..=7).contains(&days), "{days}");
    let spec = lab.agent.last("alice").unwrap();
    assert_eq!((spec.state, spec.kept_until.map(|until| until.0)), (State::Absent, Some(until)));
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);

    assert_eq!(lab.delete(&path).await.data(200), gone, "again");
    assert_eq!(lab.delete("/api/accounts/ref:ref-alice").await.data(200), gone);
    assert_eq!(lab.agent.begun("alice"), 2);
    let problem = lab.get(&path).await.problem(410, "account_gone");
    assert_eq!(problem["terminated_at"], at);
    assert_eq!(problem["restorable_until"], until);
    assert_eq!(problem["account_id"], gone["id"]);
    assert!(problem["detail"].as_str().unwrap().contains('T') && problem["hint"].as_str().unwrap().contains("restored until"), "{problem}");
    lab.get("/api/accounts/ref:ref-alice").await.problem(410, "account_gone");
    for (method, verb, body) in [
        (Method::POST, "suspend", json!({ "reason": "spam" })),
        (Method::POST, "unsuspend", json!({})),
        (Method::PUT, "package", json!({ "package": "Starter" })),
        (Method::PUT, "password", json!({ "password": "battery staple" })),
        (Method::POST, "repair", json!({})),
    ] {
        lab.call(method, &format!("{path}/{verb}")).json(&body).send().await.problem(410, "account_gone");
    }
    lab.get(&format!("{path}/usage")).await.problem(410, "account_gone");

    assert_eq!(lab.get("/api/accounts").await.json()["page"]["total"], 0);
    let listed = lab.get("/api/accounts?status=terminated").await.data(200);
    assert_eq!((&listed[0]["status"], &listed[0]["terminated_at"]), (&json!("terminated"), &json!(at)));
    assert_eq!(listed[0]["restorable_until"], until);
}

#[tokio::test]
async fn what_never_existed_is_not_what_is_gone() {
    let lab = Lab::new().await;
    for path in ["/api/accounts/0193a5e0-7c1e-7000-8000-000000000000", "/api/accounts/ref:nobody"] {
        lab.get(path).await.problem(404, "not_found");
        lab.delete(path).await.problem(404, "not_found");
        lab.post(&format!("{path}/restore"), &json!({})).await.problem(404, "not_found");
    }
    lab.agent.script("alice", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
    let problem = lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    let operation = lab.get(&format!("/api/operations/{}", problem["operation_id"].as_str().unwrap())).await.data(200);
    let failed = format!("/api/accounts/{}", operation["account_id"].as_str().unwrap());
    lab.delete(&failed).await.problem(404, "not_found");
    lab.delete("/api/accounts/ref:ref-alice").await.problem(404, "not_found");
}

#[tokio::test]
async fn a_restored_account_is_as_it_was() {
    let (lab, path) = alice().await;
    lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await.data(200);
    lab.agent.uses("alice", 0, 0);
    let limits = json!({ "package": "Starter", "limits": { "databases": 5 } });
    let before = lab.put(&format!("{path}/package"), &limits).await.data(200);
    let spec = lab.agent.account("alice").unwrap();
    lab.delete(&path).await.data(200);
    let account = lab.post(&format!("{path}/restore"), &json!({})).await.data(200);
    for field in
        ["id", "username", "domain", "external_ref", "email", "package", "status", "holds", "limits", "overrides", "uid", "created_at"]
    {
        assert_eq!(account[field], before[field], "{field}");
    }
    assert_eq!((&account["terminated_at"], &account["restorable_until"]), (&Value::Null, &Value::Null));
    let after = lab.agent.account("alice").unwrap();
    assert_eq!(after.holds, [Hold::Abuse]);
    assert_eq!(opterius_model::Spec { generation: spec.generation, ..after }, spec);
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2);
    let again = lab.post(&format!("{path}/restore"), &json!({})).await.data(200);
    assert_eq!(again["operation"], account["operation"], "again");
    lab.post(&format!("{path}/restore"), &json!({ "username": "bob" })).await.problem(422, "invalid_request");
}

#[tokio::test]
async fn a_restore_needs_its_names_and_its_ref_or_takes_others() {
    let (lab, path) = alice().await;
    lab.delete(&path).await.data(200);
    let restore = format!("{path}/restore");
    let mut other = order("alice");
    other["external_ref"] = json!("other");
    let stranger = lab.create(&other).await.data(201);
    let problem = lab.post(&restore, &json!({})).await.problem(409, "username_taken");
    assert_eq!(problem["conflict"]["account_id"], stranger["id"]);
    lab.post(&restore, &json!({ "username": "bob" })).await.problem(409, "domain_taken");
    lab.post(&restore, &json!({ "domain": "panel.hoster.example" })).await.problem(422, "invalid_request");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2, "nothing was taken");

    let account = lab.post(&restore, &json!({ "username": "bob", "domain": "bob.example" })).await.data(200);
    assert_eq!((&account["username"], &account["domain"]), (&json!("bob"), &json!("bob.example")));
    let spec = lab.agent.account("bob").unwrap();
    assert_eq!((spec.account_id.to_string(), spec.sites[0].hosts[0].as_str()), (account["id"].as_str().unwrap().to_owned(), "bob.example"));

    lab.delete(&path).await.data(200);
    let mut again = order("carol");
    again["external_ref"] = json!("ref-alice");
    let new = lab.create(&again).await.data(201);
    let problem = lab.post(&restore, &json!({})).await.problem(409, "external_ref_taken");
    assert_eq!(problem["conflict"]["account_id"], new["id"]);
    assert!(problem["detail"].as_str().unwrap().contains("ref-alice"), "{problem}");
}

#[tokio::test]
async fn a_restore_that_is_undone_leaves_the_account_as_gone_as_it_was() {
    let (lab, path) = alice().await;
    let gone = lab.delete(&path).await.data(200);
    lab.agent.script("bob", Behaviour::Hold);
    let restore = lab.call(Method::POST, &format!("{path}/restore")).header("prefer", "respond-async").json(&json!({ "username": "bob" }));
    let operation = restore.send().await.data(202);
    assert_eq!(operation["kind"], "restore");
    assert_eq!(lab.get(&path).await.data(200)["status"], "provisioning");
    let mut other = order("bob");
    other["domain"] = json!("other.example");
    lab.create(&other).await.problem(409, "username_taken");
    until("it runs", async || lab.agent.begun("bob") == 1).await;
    lab.agent.decide("bob", Outcome::RolledBack);
    until("it is gone again", async || lab.get(&path).await.status == 410).await;
    assert_eq!(lab.delete(&path).await.data(200), gone);
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    lab.post(&format!("{path}/restore"), &json!({})).await.data(200);
}

#[tokio::test]
async fn it_is_too_late_when_the_time_is_over_or_the_server_has_deleted_it() {
    let (lab, path) = alice().await;
    lab.delete(&format!("{path}?keep_days=2")).await.data(200);
    lab.agent.script("alice", Behaviour::Fail("trash", FailureKind::NotKept, "the home is deleted"));
    let problem = lab.post(&format!("{path}/restore"), &json!({})).await.problem(410, "account_gone");
    assert!(problem["detail"].as_str().unwrap().contains("the home is deleted"), "{problem}");
    lab.get(&path).await.problem(410, "account_gone");
    lab.advance(3 * DAY);
    let problem = lab.post(&format!("{path}/restore"), &json!({})).await.problem(410, "account_gone");
    assert!(problem["detail"].as_str().unwrap().contains("could be restored until"), "{problem}");
    assert_eq!(lab.agent.begun("alice"), 3);
}

#[tokio::test]
async fn nothing_is_kept_where_the_host_wants_it_so() {
    let (lab, path) = alice().await;
    let before = lab.get("/api/settings").await.data(200);
    assert_eq!(before["terminated_kept_days"], 7);
    for bad in [json!(366), json!(-1), json!("7"), json!(1.5), Value::Null] {
        lab.put("/api/settings", &json!({ "terminated_kept_days": bad })).await.problem(422, "invalid_request");
    }
    for bad in ["366", "-1", "x", ""] {
        lab.delete(&format!("{path}?keep_days={bad}")).await.problem(422, "invalid_request");
    }
    let settings = lab.put("/api/settings", &json!({ "terminated_kept_days": 0 })).await.data(200);
    let mut after = before.clone();
    after["terminated_kept_days"] = json!(0);
    assert_eq!(settings, after, "nothing else changes");
    assert_eq!(lab.get("/api/activity?action=settings.change&outcome=ok").await.json()["page"]["total"], 1);
    let gone = lab.delete(&path).await.data(200);
    assert_eq!(gone["restorable_until"], Value::Null);
    assert_eq!(lab.delete(&path).await.data(200), gone);
    assert!(lab.agent.last("alice").unwrap().kept_until.is_some());
    let problem = lab.post(&format!("{path}/restore"), &json!({})).await.problem(410, "account_gone");
    assert!(problem["detail"].as_str().unwrap().contains("Nothing of it was kept"), "{problem}");
    assert_eq!(lab.count("SELECT COUNT(*) FROM account WHERE spec LIKE '%$6$forgotten$forgotten%'").await, 1);
}

#[tokio::test]
async fn the_password_hash_of_what_can_no_longer_be_restored_is_forgotten() {
    let (lab, path) = alice().await;
    let hash = lab.agent.account("alice").unwrap().password_hash;
    lab.delete(&path).await.data(200);
    assert_eq!(lab.count("SELECT COUNT(*) FROM account WHERE spec LIKE '%forgotten%'").await, 0);
    lab.advance(8 * DAY);
    until("it is forgotten", async || lab.count("SELECT COUNT(*) FROM account WHERE spec LIKE '%forgotten%'").await == 1).await;
    let pool = lab.sql().await;
    let spec: String = sqlx::query_scalar("SELECT spec FROM account").fetch_one(&pool).await.unwrap();
    pool.close().await;
    assert!(!spec.contains(hash.expose()));
    let spec: opterius_model::Spec = serde_json::from_str(&spec).unwrap();
    assert!(!spec.password_hash.matches(&Password::parse("correct horse".to_owned()).unwrap()));
    assert!(!spec.password_hash.matches(&Password::parse("forgotten".to_owned()).unwrap()));
    lab.delete(&path).await.data(200);
}

#[tokio::test]
async fn the_same_ref_ordered_again_is_a_new_account_that_tells_of_the_old_one() {
    let (lab, path) = alice().await;
    let gone = lab.delete(&path).await.data(200);
    let new = lab.create(&order("alice")).await.data(201);
    assert_ne!(new["id"], gone["id"]);
    assert_eq!(
        new["previous"],
        json!({ "id": gone["id"], "terminated_at": gone["terminated_at"], "restorable_until": gone["restorable_until"] })
    );
    assert_eq!(lab.create(&order("alice")).await.data(200)["id"], new["id"]);
    assert_eq!(lab.get("/api/accounts/ref:ref-alice").await.data(200)["id"], new["id"], "the live one");
    lab.get(&path).await.problem(410, "account_gone");
    lab.delete(&format!("/api/accounts/{}?keep_days=0", new["id"].as_str().unwrap())).await.data(200);
    let third = lab.create(&order("alice")).await.data(201);
    assert!(third.get("previous").is_none(), "the last one cannot be restored: {third}");
}

#[tokio::test]
async fn an_order_that_meets_a_terminate_of_its_ref_makes_a_new_account() {
    let (lab, path) = alice().await;
    lab.agent.script("alice", Behaviour::Hold);
    lab.call(Method::DELETE, &path).header("prefer", "respond-async").send().await.data(202);
    until("it runs", async || lab.agent.begun("alice") == 2).await;
    let wanted = order("alice");
    let (reply, ()) = tokio::join!(lab.create(&wanted), async { lab.agent.decide("alice", Outcome::Committed) });
    assert_ne!(format!("/api/accounts/{}", reply.data(201)["id"].as_str().unwrap()), path);
}

#[tokio::test]
async fn a_package_that_only_terminated_accounts_had_can_go_and_they_keep_their_limits() {
    let (lab, path) = alice().await;
    let package = lab.get("/api/packages").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    let package = format!("/api/packages/{package}");
    lab.delete(&package).await.problem(409, "package_in_use");
    lab.delete(&path).await.data(200);
    assert_eq!(lab.get(&package).await.data(200)["accounts"], 0);
    assert_eq!(lab.delete(&package).await.status, 204);
    let account = lab.post(&format!("{path}/restore"), &json!({})).await.data(200);
    assert_eq!(account["package"], json!({ "id": "", "name": "" }));
    assert_eq!(account["limits"]["disk_mib"], 10240);
}

#[tokio::test]
async fn a_terminate_that_is_undone_leaves_the_account_there() {
    let (lab, path) = alice().await;
    lab.agent.script("alice", Behaviour::Fail("preflight", FailureKind::Unavailable, "PowerDNS does not answer"));
    let problem = lab.delete(&path).await.problem(502, "provisioning_failed");
    assert!(problem["detail"].as_str().unwrap().ends_with("The account was not terminated."), "{problem}");
    assert_eq!(lab.get(&path).await.data(200)["status"], "active");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2);
}
