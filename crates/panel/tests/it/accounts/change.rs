//! Suspend, unsuspend, password, repair, usage: what every change of a live account does, and does again.

use http::Method;
use opterius_model::{Hold, Password, State};
use opterius_protocol::agent::{FailureKind, Outcome};
use serde_json::{Value, json};

use crate::support::{Behaviour, Lab, order, until};

/// A Panel with `alice`, and her path.
async fn alice() -> (Lab, String) {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    (lab, path)
}

/// Without what each request has of its own.
fn bare(mut account: Value) -> Value {
    account["enforcement"] = Value::Null;
    account
}

#[tokio::test]
async fn a_suspension_says_who_holds_the_account_since_when_and_why() {
    let (lab, path) = alice().await;
    let account = lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam reports" })).await.data(200);
    assert_eq!(account["status"], "suspended");
    assert_eq!(account["holds"][0]["hold"], "abuse");
    assert_eq!(account["holds"][0]["reason"], "spam reports");
    assert_eq!(account["holds"][0]["by"], "administrator");
    assert!(account["holds"][0]["since"].as_i64().unwrap() > 0);
    assert_eq!(account["notice"], "The account is suspended: abuse (spam reports).");
    assert_eq!(account["operation"]["kind"], "suspend");
    assert_eq!(account["generation"], 2);
    let spec = lab.agent.account("alice").unwrap();
    assert_eq!((spec.state, spec.holds.as_slice()), (State::Suspended, [Hold::Abuse].as_slice()));
    let rows = lab.get("/api/activity?action=account.suspend").await.data(200);
    assert!(rows[0]["detail"].as_str().unwrap().contains("spam reports"), "{rows}");
    assert_eq!(lab.get("/api/activity?action=account.suspend.outcome&outcome=ok").await.json()["page"]["total"], 1);
}

#[tokio::test]
async fn the_same_suspension_again_is_answered_the_same_and_another_reason_is_kept() {
    let (lab, path) = alice().await;
    let suspend = format!("{path}/suspend");
    let first = lab.post(&suspend, &json!({ "reason": "spam" })).await.data(200);
    let again = lab.post(&suspend, &json!({ "reason": "spam" })).await.data(200);
    assert_eq!(bare(first.clone()), bare(again));
    let other = lab.post(&suspend, &json!({ "reason": "spam, again" })).await.data(200);
    assert_eq!(other["holds"][0]["reason"], "spam, again");
    assert_eq!(other["holds"][0]["since"], first["holds"][0]["since"]);
    assert_eq!(other["operation"], first["operation"]);
    assert_eq!(lab.agent.begun("alice"), 2, "a reason is nothing for the server");
    assert_eq!(lab.get("/api/activity?action=account.suspend").await.json()["page"]["total"], 2);
}

#[tokio::test]
async fn each_lifts_only_its_own_hold() {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    lab.call(Method::POST, "/api/accounts").token(&token).json(&order("alice")).send().await.data(201);
    let billing =
        |verb: &str, body: Value| lab.call(Method::POST, &format!("/api/accounts/ref:ref-alice/{verb}")).token(&token).json(&body).send();
    let account = billing("suspend", json!({ "reason": "invoice 12 is overdue" })).await.data(200);
    assert_eq!(account["holds"][0]["hold"], "billing");
    let path = format!("/api/accounts/{}", account["id"].as_str().unwrap());
    let account = lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam reports" })).await.data(200);
    assert_eq!(account["holds"].as_array().unwrap().len(), 2);
    assert_eq!(lab.agent.account("alice").unwrap().holds, [Hold::Billing, Hold::Abuse]);

    billing("unsuspend", json!({ "hold": "abuse" })).await.problem(403, "forbidden");
    billing("suspend", json!({ "hold": "abuse", "reason": "x" })).await.problem(403, "forbidden");
    let account = billing("unsuspend", json!({})).await.data(200);
    assert_eq!(account["status"], "suspended");
    assert_eq!(account["notice"], "The account stays suspended: abuse (spam reports).");
    assert_eq!(account["holds"].as_array().unwrap().len(), 1);
    let again = billing("unsuspend", json!({})).await.data(200);
    assert_eq!(bare(account), bare(again), "nothing is done");

    let account = lab.post(&format!("{path}/unsuspend"), &json!({})).await.data(200);
    assert_eq!((&account["status"], &account["notice"], &account["holds"]), (&json!("active"), &Value::Null, &json!([])));
    assert_eq!(lab.agent.account("alice").unwrap().state, State::Active);
    let begun = lab.agent.begun("alice");
    lab.call(Method::POST, &format!("{path}/unsuspend")).send().await.data(200);
    assert_eq!(lab.agent.begun("alice"), begun, "nobody holds it");
}

#[tokio::test]
async fn a_password_is_changed_on_the_server_and_here_or_not_at_all() {
    let (lab, path) = alice().await;
    let path = format!("{path}/password");
    let given = |text: &str| Password::parse(text.to_owned()).unwrap();
    lab.agent.script("alice", Behaviour::Fail("password", FailureKind::Failed, "chpasswd failed"));
    let problem = lab.put(&path, &json!({ "password": "battery staple" })).await.problem(502, "provisioning_failed");
    assert!(problem["detail"].as_str().unwrap().ends_with("The password was not changed."), "{problem}");
    assert!(lab.agent.account("alice").unwrap().password_hash.matches(&given("correct horse")));
    let begun = lab.agent.begun("alice");
    lab.put(&path, &json!({ "password": "correct horse" })).await.data(200);
    assert_eq!(lab.agent.begun("alice"), begun, "it is the password already");

    let account = lab.put(&path, &json!({ "password": "battery staple" })).await.data(200);
    assert_eq!(account["operation"]["kind"], "password");
    assert!(lab.agent.account("alice").unwrap().password_hash.matches(&given("battery staple")));
    lab.put(&path, &json!({ "password": "short" })).await.problem(422, "invalid_request");
}

#[tokio::test]
async fn a_suspended_account_takes_a_password_and_stays_suspended() {
    let (lab, path) = alice().await;
    lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await.data(200);
    let account = lab.put(&format!("{path}/password"), &json!({ "password": "battery staple" })).await.data(200);
    assert_eq!(account["status"], "suspended");
    lab.agent.script("alice", Behaviour::Fail("password", FailureKind::Failed, "chpasswd failed"));
    lab.put(&format!("{path}/password"), &json!({ "password": "another one" })).await.problem(502, "provisioning_failed");
    let account = lab.get(&path).await.data(200);
    assert_eq!((&account["status"], account["holds"].as_array().unwrap().len()), (&json!("suspended"), 1));
}

#[tokio::test]
async fn a_change_waits_for_the_one_before_it_and_says_so_when_its_patience_is_over() {
    let (lab, path) = alice().await;
    lab.agent.script("alice", Behaviour::Hold);
    let held = lab.call(Method::POST, &format!("{path}/suspend")).header("prefer", "respond-async").json(&json!({ "reason": "spam" }));
    let operation = held.send().await.data(202);
    assert_eq!(operation["kind"], "suspend");
    until("the operation runs", async || lab.agent.begun("alice") == 2).await;
    let hasty = lab.call(Method::POST, &format!("{path}/repair")).header("prefer", "respond-async").send().await;
    assert!(hasty.headers.contains_key("retry-after"));
    let problem = hasty.problem(409, "operation_running");
    assert_eq!(problem["operation_id"], operation["id"]);
    assert_eq!(problem["retryable"], true);

    let body = json!({ "password": "battery staple" });
    let password = format!("{path}/password");
    let (patient, ()) = tokio::join!(lab.put(&password, &body), async {
        lab.agent.decide("alice", Outcome::Committed);
    });
    let account = patient.data(200);
    assert_eq!(account["status"], "suspended");
    assert_eq!(account["operation"]["kind"], "password");
}

#[tokio::test]
async fn a_change_of_an_account_that_needs_attention_is_refused_with_its_operation() {
    let (lab, path) = alice().await;
    lab.agent.script("alice", Behaviour::Stuck);
    let problem = lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await.problem(500, "needs_attention");
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("opterius operation retry {}", problem["operation_id"].as_str().unwrap())), "{hint}");
    assert_eq!(lab.get(&path).await.data(200)["status"], "needs_attention");
    let other = lab.put(&format!("{path}/password"), &json!({ "password": "battery staple" })).await.problem(500, "needs_attention");
    assert_eq!(other["operation_id"], problem["operation_id"]);
    lab.agent.decide("alice", Outcome::Committed);
    until("it is suspended", async || lab.get(&path).await.data(200)["status"] == "suspended").await;
    lab.put(&format!("{path}/password"), &json!({ "password": "battery staple" })).await.data(200);
}

#[tokio::test]
async fn a_change_that_comes_to_nothing_leaves_the_account_as_it_was() {
    let (lab, path) = alice().await;
    lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await.data(200);
    lab.agent.script("alice", Behaviour::Fail("site", FailureKind::Failed, "no space left"));
    let problem = lab.post(&format!("{path}/unsuspend"), &json!({})).await.problem(502, "provisioning_failed");
    assert!(problem["detail"].as_str().unwrap().ends_with("The hold was not lifted."), "{problem}");
    let account = lab.get(&path).await.data(200);
    assert_eq!((&account["status"], &account["holds"][0]["reason"]), (&json!("suspended"), &json!("spam")));

    lab.agent.stop().await;
    let problem = lab.post(&format!("{path}/unsuspend"), &json!({})).await.problem(503, "server_unreachable");
    assert!(problem["detail"].as_str().unwrap().contains("nothing was begun"), "{problem}");
    assert_eq!(lab.get(&path).await.data(200)["status"], "suspended");
    lab.agent.listen();
    lab.post(&format!("{path}/unsuspend"), &json!({})).await.data(200);
}

#[tokio::test]
async fn a_repair_sends_the_same_state_as_a_newer_one() {
    let (lab, path) = alice().await;
    let before = lab.agent.account("alice").unwrap();
    let account = lab.post(&format!("{path}/repair"), &json!({})).await.data(200);
    assert_eq!(account["operation"]["kind"], "repair");
    let after = lab.agent.account("alice").unwrap();
    assert!(after.generation > before.generation);
    assert_eq!(opterius_model::Spec { generation: before.generation, ..after }, before);
    lab.post(&format!("{path}/repair"), &json!({ "x": 1 })).await.problem(422, "invalid_request");
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told_field_by_field() {
    let (lab, path) = alice().await;
    for (reason, code) in [
        (json!(""), "empty"),
        (json!(null), "missing"),
        (json!(7), "wrong_type"),
        (json!("two\nlines"), "invalid"),
        (json!(" at the end "), "invalid"),
        (json!("a\u{202e}b"), "invalid"),
        (json!("x".repeat(501)), "invalid"),
    ] {
        let problem = lab.post(&format!("{path}/suspend"), &json!({ "reason": reason })).await.problem(422, "invalid_request");
        assert_eq!((&problem["errors"][0]["field"], &problem["errors"][0]["code"]), (&json!("reason"), &json!(code)), "{reason}");
    }
    lab.post(&format!("{path}/suspend"), &json!({ "reason": "x", "hold": "tax" })).await.problem(422, "invalid_request");
    lab.post(&format!("{path}/suspend"), &json!({ "reason": "é".repeat(500) })).await.data(200);
    assert_eq!(lab.get("/api/activity?action=account.suspend&outcome=refused").await.json()["page"]["total"], 8);
}

#[tokio::test]
async fn an_account_is_found_by_its_ref_and_nobody_elses() {
    let lab = Lab::new().await;
    let (one, two) = (lab.whmcs("one").await, lab.whmcs("two").await);
    lab.call(Method::POST, "/api/accounts").token(&one).json(&order("alice")).send().await.data(201);
    let read = |token: String| lab.call(Method::GET, "/api/accounts/ref:ref-alice").token(&token).send();
    assert_eq!(read(one).await.data(200)["username"], "alice");
    read(two).await.problem(404, "not_found");
    lab.get("/api/accounts/ref:ref-alice").await.problem(404, "not_found");
    lab.get("/api/accounts/ref:").await.problem(404, "not_found");
    lab.get("/api/accounts/ref:a%20b").await.problem(404, "not_found");
}

#[tokio::test]
async fn usage_is_what_the_server_measures() {
    let (lab, path) = alice().await;
    lab.get(&format!("{path}/usage")).await.problem(503, "server_unreachable");
    lab.agent.uses("alice", 5 * 1024 * 1024, 42);
    let usage = lab.get(&format!("{path}/usage")).await.data(200);
    assert_eq!((&usage["disk_bytes"], &usage["files"], &usage["processes"]), (&json!(5_242_880), &json!(42), &json!(3)));
    assert_eq!(usage["limits"]["disk_mib"], 10240);
}

#[tokio::test]
async fn ten_changes_at_once_are_made_one_after_the_other() {
    let (lab, path) = alice().await;
    let calls = (0..10).map(|n| {
        let (lab, path) = (&lab, &path);
        async move {
            match n % 3 {
                0 => lab.post(&format!("{path}/suspend"), &json!({ "reason": "spam" })).await,
                1 => lab.post(&format!("{path}/unsuspend"), &json!({})).await,
                _ => lab.put(&format!("{path}/password"), &json!({ "password": format!("battery staple {n}") })).await,
            }
        }
    });
    for reply in futures::future::join_all(calls).await {
        reply.data(200);
    }
    let account = lab.get(&path).await.data(200);
    let spec = lab.agent.account("alice").unwrap();
    assert_eq!(account["generation"], spec.generation.get());
    assert_eq!(account["holds"].as_array().unwrap().len(), spec.holds.len());
    assert_eq!(account["status"] == "suspended", spec.state == State::Suspended);
}

#[tokio::test]
async fn a_change_that_found_another_one_running_is_remembered_as_refused() {
    let (lab, path) = alice().await;
    lab.agent.script("alice", Behaviour::Hold);
    let suspend = lab.call(Method::POST, &format!("{path}/suspend")).header("prefer", "respond-async");
    suspend.json(&json!({ "reason": "spam" })).send().await.data(202);
    let hasty = lab.call(Method::POST, &format!("{path}/repair")).header("prefer", "respond-async").send().await;
    hasty.problem(409, "operation_running");
    assert_eq!(lab.get("/api/activity?action=account.repair&outcome=refused").await.json()["page"]["total"], 1);
    until("it runs", async || lab.agent.begun("alice") == 2).await;
    lab.agent.decide("alice", Outcome::Committed);
}
