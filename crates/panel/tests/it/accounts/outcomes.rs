//! `POST /api/accounts`, when the server does not do what was ordered, or does not say what it did.

use http::Method;
use opterius_protocol::WireCode;
use opterius_protocol::agent::{FailureKind, Outcome};
use serde_json::json;

use crate::support::{Behaviour, Lab, Promises, order, until};

#[tokio::test]
async fn a_create_that_was_undone_frees_the_names_and_the_same_order_makes_a_new_account() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Fail("dns zone", FailureKind::Unavailable, "PowerDNS did not answer"));
    let problem = lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    assert_eq!(problem["detail"], "The dns zone step failed: PowerDNS did not answer. Everything was undone.");
    assert_eq!(problem["retryable"], true);
    let operation = lab.get(&format!("/api/operations/{}", problem["operation_id"].as_str().unwrap())).await.data(200);
    assert_eq!(operation["outcome"], "rolled_back");
    assert_eq!(operation["error"]["code"], "provisioning_failed");
    assert_eq!(operation["error"]["detail"], problem["detail"]);
    assert!(operation["steps"].as_array().unwrap().iter().any(|step| step["name"] == "dns zone" && step["state"] == "failed"));
    let failed = operation["account_id"].as_str().unwrap();
    lab.get(&format!("/api/accounts/{failed}")).await.problem(404, "not_found");
    assert_eq!(lab.get("/api/accounts").await.json()["page"]["total"], 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);

    let account = lab.create(&order("alice")).await.data(201);
    assert_ne!(account["id"], failed);
    assert_eq!(lab.get("/api/operations?external_ref=ref-alice").await.json()["page"]["total"], 2);
}

#[tokio::test]
async fn what_another_hand_made_on_the_server_is_a_conflict() {
    let lab = Lab::new().await;
    for (kind, code, field) in
        [(FailureKind::UsernameTaken, "username_taken", "username"), (FailureKind::DomainTaken, "domain_taken", "domain")]
    {
        lab.agent.script("alice", Behaviour::Fail("preflight", kind, "it is there and is not the account's"));
        let problem = lab.create(&order("alice")).await.problem(409, code);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("made by another hand") && detail.ends_with("Everything was undone."), "{detail}");
        assert_eq!(problem["conflict"], json!({ "field": field }));
        assert!(problem["operation_id"].is_string() && problem["hint"].is_string());
    }
    lab.create(&order("alice")).await.data(201);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_frees_the_names_at_once() {
    let lab = Lab::new().await;
    lab.agent.stop().await;
    until("the Panel has seen it", async || lab.get("/api/self").await.data(200)["servers"][0]["reachable"] == false).await;
    let problem = lab.create(&order("alice")).await.problem(503, "server_unreachable");
    assert!(problem["detail"].as_str().unwrap().contains("nothing was begun"), "{problem}");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    let operation = lab.get(&format!("/api/operations/{}", problem["operation_id"].as_str().unwrap())).await.data(200);
    assert_eq!(operation["outcome"], "not_sent");
    lab.agent.listen();
    lab.create(&order("alice")).await.data(201);
    assert_eq!(lab.agent.arrived("alice").len(), 1);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_asked_for_and_nothing_is_made_twice() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::LoseReply);
    lab.create(&order("alice")).await.data(201);
    assert_eq!(lab.agent.begun("alice"), 1);
    assert_eq!(lab.agent.arrived("alice").len(), 1, "the outcome is asked for, not the account");
}

#[tokio::test]
async fn a_request_that_got_lost_is_sent_again_under_the_same_id() {
    let lab = Lab::new().await;
    for _ in 0..3 {
        lab.agent.script("alice", Behaviour::LoseRequest);
    }
    let account = lab.create(&order("alice")).await.data(201);
    let arrived = lab.agent.arrived("alice");
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].operation_id.to_string(), account["operation"]["id"]);
}

#[tokio::test]
async fn an_answer_that_is_not_understood_decides_nothing() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Garbage);
    let account = lab.create(&order("alice")).await.data(201);
    let arrived = lab.agent.arrived("alice");
    assert_eq!(arrived.len(), 2);
    assert!(arrived.iter().all(|change| change.operation_id.to_string() == account["operation"]["id"]));
}

#[tokio::test]
async fn a_server_that_refuses_to_begin_leaves_nothing() {
    let lab = Lab::new().await;
    for code in [
        WireCode::TooLate,
        WireCode::StaleGeneration,
        WireCode::Invalid,
        WireCode::Unavailable,
        WireCode::Conflict,
        WireCode::Forbidden,
        WireCode::Internal,
        WireCode::NotFound,
    ] {
        lab.agent.script("alice", Behaviour::Refuse(code, "the server would not"));
        let problem = lab.create(&order("alice")).await.problem(502, "provisioning_failed");
        assert_eq!(problem["detail"], "The agent step failed: the server would not. Everything was undone.", "{code:?}");
        assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    }
    assert_eq!(lab.agent.begun("alice"), 0);
    lab.create(&order("alice")).await.data(201);
}

/// Orders `alice` where the request gets lost, and what is sent again is refused. Returns the operation's id once that was refused.
async fn lost_and_then_refused(lab: &Lab) -> String {
    lab.agent.script("alice", Behaviour::LoseRequest);
    lab.agent.script("alice", Behaviour::Refuse(WireCode::Invalid, "the server would not"));
    let reply = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
    until("the second request was refused", async || lab.agent.arrived("alice").len() == 1).await;
    reply.data(202)["id"].as_str().unwrap().to_owned()
}

async fn outcome(lab: &Lab, id: &str) -> String {
    let path = format!("/api/operations/{id}");
    until("it is decided", async || lab.get(&path).await.data(200)["outcome"] != "running").await;
    lab.get(&path).await.data(200)["outcome"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refusal_behind_a_lost_request_frees_the_names_once_the_server_promised_that_it_never_begins() {
    let lab = Lab::new().await;
    let id = lost_and_then_refused(&lab).await;
    assert_eq!(outcome(&lab, &id).await, "rolled_back");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    let operation = lab.get(&format!("/api/operations/{id}")).await.data(200);
    assert_eq!(operation["error"]["detail"], "The agent step failed: the server would not. Everything was undone.");
    assert!(lab.agent.never_begins(&id));
    until("the server may forget the promise", async || lab.agent.acknowledged(&id)).await;
    until("it is put down", async || lab.count("SELECT COUNT(*) FROM operation WHERE acknowledged = 0").await == 0).await;
    // The names are another account's by now.
    let mut other = order("alice");
    other["external_ref"] = json!("other");
    let account = lab.create(&other).await.data(201);
    assert_eq!(lab.agent.lost_requests_arrive().await, [410]);
    assert_eq!((lab.agent.accounts(), lab.agent.begun("alice")), (1, 1));
    assert_eq!(lab.agent.account("alice").unwrap().account_id.to_string(), account["id"].as_str().unwrap());
}

#[tokio::test]
async fn a_lost_request_that_arrives_before_the_promise_makes_the_account() {
    let lab = Lab::new().await;
    lab.agent.promises(Promises::Refused);
    let id = lost_and_then_refused(&lab).await;
    until("it was asked for the promise, twice", async || lab.agent.asked_for_promises() > 1).await;
    assert_eq!(lab.get(&format!("/api/operations/{id}")).await.data(200)["outcome"], "running", "nothing is freed");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2);
    assert_eq!(lab.agent.lost_requests_arrive().await, [200]);
    lab.agent.promises(Promises::Made);
    assert_eq!(outcome(&lab, &id).await, "committed");
    assert!(!lab.agent.never_begins(&id));
    assert_eq!(lab.get("/api/accounts?external_ref=ref-alice").await.data(200)[0]["status"], "active");
}

#[tokio::test]
async fn a_promise_whose_answer_gets_lost_is_asked_for_again() {
    let lab = Lab::new().await;
    lab.agent.promises(Promises::Lost);
    let id = lost_and_then_refused(&lab).await;
    // It hears of it by the next question, which is refused for ever.
    assert_eq!(outcome(&lab, &id).await, "rolled_back");
    assert!(lab.agent.never_begins(&id));
    until("the server may forget the promise", async || lab.agent.acknowledged(&id)).await;
}

#[tokio::test]
async fn a_server_of_the_version_before_promises_nothing_and_the_names_stay_reserved_until_it_is_updated() {
    let lab = Lab::new().await;
    lab.agent.promises(Promises::Unknown);
    let id = lost_and_then_refused(&lab).await;
    until("it was asked for the promise, twice", async || lab.agent.asked_for_promises() > 1).await;
    assert_eq!(lab.get(&format!("/api/operations/{id}")).await.data(200)["outcome"], "running");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2);
    // What needs no promise is done.
    lab.create(&order("bob")).await.data(201);
    lab.agent.promises(Promises::Made);
    assert_eq!(outcome(&lab, &id).await, "rolled_back");
    assert_eq!(lab.agent.lost_requests_arrive().await, [410]);
    assert_eq!(lab.agent.begun("alice"), 0);
}

#[tokio::test]
async fn what_was_refused_and_never_got_lost_needs_no_promise() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Refuse(WireCode::Invalid, "the server would not"));
    lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    lab.agent.stop().await;
    lab.create(&order("alice")).await.problem(503, "server_unreachable");
    assert_eq!(lab.agent.asked_for_promises(), 0);
}

#[tokio::test]
async fn no_clock_of_a_server_keeps_an_order_from_being_done_or_a_name_from_being_freed() {
    for seconds in [-3600, 21, 3600] {
        for version in [Promises::Made, Promises::Unknown] {
            let lab = Lab::new().await;
            lab.agent.clock_is_ahead_by(seconds);
            lab.agent.promises(version);
            lab.create(&order("bob")).await.data(201);
            if version == Promises::Made {
                let id = lost_and_then_refused(&lab).await;
                assert_eq!(outcome(&lab, &id).await, "rolled_back");
                assert_eq!(lab.agent.lost_requests_arrive().await, [410], "{seconds} s");
                assert_eq!(lab.agent.begun("alice"), 0);
                lab.create(&order("alice")).await.data(201);
            }
        }
    }
}

#[tokio::test]
async fn an_account_that_needs_attention_keeps_its_names_until_the_server_is_done() {
    for (end, code) in [(Outcome::RolledBack, 201), (Outcome::Committed, 200)] {
        let lab = Lab::new().await;
        lab.agent.script("alice", Behaviour::Attention);
        let problem = lab.create(&order("alice")).await.problem(500, "needs_attention");
        assert!(problem["detail"].as_str().unwrap().contains("the home of the account"), "{problem}");
        let operation = format!("/api/operations/{}", problem["operation_id"].as_str().unwrap());
        assert_eq!(lab.get(&operation).await.data(200)["outcome"], "needs_attention");
        assert_eq!(lab.get("/api/accounts?external_ref=ref-alice").await.data(200)[0]["status"], "needs_attention");
        lab.create(&order("alice")).await.problem(500, "needs_attention");
        let mut other = order("alice");
        other["external_ref"] = json!("other");
        lab.create(&other).await.problem(409, "username_taken");

        lab.agent.decide("alice", end);
        until("it has an outcome", async || {
            let outcome = lab.get(&operation).await.data(200)["outcome"].clone();
            outcome == "rolled_back" || outcome == "committed"
        })
        .await;
        lab.create(&order("alice")).await.data(code);
    }
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_decides_when_it_is_back() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Hold);
    let wanted = order("alice");
    let (reply, ()) = tokio::join!(lab.create(&wanted), async {
        until("the operation runs", async || lab.agent.begun("alice") == 1).await;
        lab.agent.stop().await;
        until("the Panel has seen it", async || lab.get("/api/self").await.data(200)["servers"][0]["reachable"] == false).await;
        assert_eq!(lab.get("/api/accounts").await.data(200)[0]["status"], "provisioning", "nothing is freed");
        lab.agent.decide("alice", Outcome::Committed);
        lab.agent.listen();
    });
    reply.data(201);
    assert_eq!(lab.agent.begun("alice"), 1);
}

#[tokio::test]
async fn an_acknowledgement_that_fails_is_made_again() {
    let lab = Lab::new().await;
    lab.agent.refuse_acknowledgements(true);
    let account = lab.create(&order("alice")).await.data(201);
    let id = account["operation"]["id"].as_str().unwrap().to_owned();
    assert_eq!(lab.count("SELECT COUNT(*) FROM operation WHERE acknowledged = 0").await, 1);
    lab.agent.refuse_acknowledgements(false);
    until("it is acknowledged", async || lab.agent.acknowledged(&id)).await;
    until("it is put down", async || lab.count("SELECT COUNT(*) FROM operation WHERE acknowledged = 0").await == 0).await;
}
