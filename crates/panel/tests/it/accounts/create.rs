//! `POST /api/accounts`, when all is well, and when the same order comes again.

use http::Method;
use opterius_model::{Docroot, Generation, Password, State};
use opterius_protocol::agent::Outcome;
use serde_json::json;

use crate::support::{Behaviour, Lab, order, until};

#[tokio::test]
async fn an_order_makes_an_account_that_is_on_the_server_as_ordered() {
    let lab = Lab::new().await;
    let mut wanted = order("alice");
    wanted["email"] = json!("alice@example.com");
    let reply = lab.call(Method::POST, "/api/accounts").header("x-request-id", "req-000000001").json(&wanted).send().await;
    let account = reply.data(201);
    assert_eq!(reply.header("x-request-id"), "req-000000001");
    assert_eq!(reply.header("location"), format!("/api/accounts/{}", account["id"].as_str().unwrap()));
    for (field, value) in [
        ("username", json!("alice")),
        ("domain", json!("alice.example")),
        ("email", json!("alice@example.com")),
        ("external_ref", json!("ref-alice")),
        ("owner", json!("host")),
        ("status", json!("active")),
        ("ipv4", json!(["192.0.2.10"])),
        ("ipv6", json!(["2001:db8::10"])),
        ("nameservers", json!(["ns1.names.example", "ns2.names.example"])),
        ("uid", json!(20001)),
    ] {
        assert_eq!(account[field], value, "{field}");
    }
    assert_eq!(account["package"]["name"], "Starter");
    assert_eq!(account["server"]["hostname"], "srv1.hoster.example");
    assert_eq!(account["operation"]["kind"], "create");
    assert_eq!(account["operation"]["outcome"], "committed");
    assert_eq!(account["limits"]["disk_mib"], 10240);
    assert_eq!(account["limits"]["php_workers"], 5);

    let spec = lab.agent.account("alice").unwrap();
    assert_eq!(spec.account_id.to_string(), account["id"]);
    assert_eq!(spec.generation, Generation::FIRST);
    assert_eq!(spec.state, State::Active);
    assert!(spec.password_hash.matches(&Password::parse("correct horse".to_owned()).unwrap()));
    assert_eq!(spec.sites[0].hosts[0].as_str(), "alice.example");
    assert_eq!(spec.sites[0].docroot, Docroot::PublicHtml);
    assert_eq!(spec.pools[0].php_version.as_str(), "newest");
    assert_eq!(spec.limits.disk_mib.stored(), 10240);

    let arrived = lab.agent.arrived("alice");
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].request_id.as_str(), "req-000000001");
    let operation = lab.get(&format!("/api/operations/{}", account["operation"]["id"].as_str().unwrap())).await.data(200);
    assert_eq!(operation["request_id"], "req-000000001");
    assert_eq!(operation["outcome"], "committed");
    assert_eq!(operation["steps"].as_array().unwrap().len(), 8);
    let activity = lab.get(&format!("/api/activity?account={}", account["id"].as_str().unwrap())).await.data(200);
    assert_eq!(activity.as_array().unwrap().len(), 2);
    assert!(activity.as_array().unwrap().iter().all(|row| row["request_id"] == "req-000000001" && row["outcome"] == "ok"));
    assert_eq!(lab.get(reply.header("location")).await.data(200), account);
    until("the outcome is acknowledged", async || lab.agent.acknowledged(account["operation"]["id"].as_str().unwrap())).await;
}

#[tokio::test]
async fn the_same_order_again_is_answered_with_the_same_account() {
    let lab = Lab::new().await;
    let first = lab.create(&order("alice")).await.data(201);
    let again = lab.create(&order("alice")).await.data(200);
    assert_eq!(first, again);
    assert_eq!(lab.agent.begun("alice"), 1);
    assert_eq!(lab.count("SELECT COUNT(*) FROM operation").await, 1);
}

#[tokio::test]
async fn a_package_may_be_renamed_between_an_order_and_its_repeat_by_id() {
    let lab = Lab::new().await;
    let id = lab.get("/api/packages").await.data(200)[0]["id"].clone();
    let mut wanted = order("alice");
    wanted.as_object_mut().unwrap().remove("package");
    wanted["package_id"] = id.clone();
    let first = lab.create(&wanted).await.data(201);
    lab.call(Method::PUT, &format!("/api/packages/{}", id.as_str().unwrap())).json(&json!({ "name": "Basic" })).send().await.data(200);
    let again = lab.create(&wanted).await.data(200);
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["package"]["name"], "Basic");
}

#[tokio::test]
async fn a_repeat_with_another_password_gives_the_account_that_password() {
    let lab = Lab::new().await;
    let first = lab.create(&order("alice")).await.data(201);
    let mut other = order("alice");
    other["password"] = json!("battery staple");
    let again = lab.create(&other).await.data(200);
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["operation"]["kind"], "password");
    let spec = lab.agent.account("alice").unwrap();
    assert!(spec.password_hash.matches(&Password::parse("battery staple".to_owned()).unwrap()));
    assert_eq!(spec.generation.get(), 2);
    assert_eq!(spec.uid.unwrap().get(), 20001);
    let third = lab.create(&other).await.data(200);
    assert_eq!(third["operation"]["id"], again["operation"]["id"], "the same password again changes nothing");
}

#[tokio::test]
async fn a_password_that_could_not_be_changed_leaves_the_account_as_it_was() {
    let lab = Lab::new().await;
    let first = lab.create(&order("alice")).await.data(201);
    lab.agent.script("alice", Behaviour::Fail("linux user", opterius_protocol::agent::FailureKind::Failed, "chpasswd failed"));
    let mut other = order("alice");
    other["password"] = json!("battery staple");
    let problem = lab.create(&other).await.problem(502, "provisioning_failed");
    assert!(problem["detail"].as_str().unwrap().ends_with("The password was not changed."), "{problem}");
    let account = lab.get(&format!("/api/accounts/{}", first["id"].as_str().unwrap())).await.data(200);
    assert_eq!(account["status"], "active");
    lab.create(&other).await.data(200);
    assert_eq!(lab.agent.account("alice").unwrap().generation.get(), 3, "a generation is never used twice");
}

#[tokio::test]
async fn many_orders_of_one_external_ref_make_one_account_and_get_one_answer() {
    let lab = Lab::new().await;
    let wanted = order("alice");
    let replies = futures::future::join_all((0..20).map(|_| lab.create(&wanted))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    let first = replies[0].json()["data"].clone();
    for reply in &replies {
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text);
        assert_eq!(reply.json()["data"], first);
    }
    assert_eq!(lab.agent.begun("alice"), 1);
}

#[tokio::test]
async fn many_repeats_with_one_new_password_change_it_once() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let mut other = order("alice");
    other["password"] = json!("battery staple");
    for reply in futures::future::join_all((0..10).map(|_| lab.create(&other))).await {
        reply.data(200);
    }
    assert_eq!(lab.agent.begun("alice"), 2);
}

#[tokio::test]
async fn a_repeat_waits_for_the_order_that_is_still_running() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Hold);
    let wanted = order("alice");
    let (first, second, ()) = tokio::join!(lab.create(&wanted), lab.create(&wanted), async {
        until("the operation runs", async || lab.agent.begun("alice") == 1).await;
        lab.agent.decide("alice", Outcome::Committed);
    });
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "{} {}", first.text, second.text);
    assert_eq!(first.json()["data"], second.json()["data"]);
}

#[tokio::test]
async fn an_account_that_is_being_made_is_listed_with_its_operation() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Hold);
    let reply = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
    let operation = reply.data(202);
    assert_eq!(reply.header("location"), format!("/api/operations/{}", operation["id"].as_str().unwrap()));
    assert_eq!(operation["outcome"], "running");
    let listed = lab.get("/api/accounts?external_ref=ref-alice").await.data(200);
    assert_eq!(listed[0]["status"], "provisioning");
    assert_eq!(listed[0]["operation"]["id"], operation["id"]);
    assert_eq!(listed[0]["limits"]["disk_mib"], 10240);
    until("the operation runs", async || lab.agent.begun("alice") == 1).await;
    lab.agent.decide("alice", Outcome::Committed);
    until("the account is active", async || lab.get("/api/accounts?external_ref=ref-alice").await.data(200)[0]["status"] == "active").await;
}

#[tokio::test]
async fn an_order_whose_patience_is_over_is_answered_with_the_running_operation() {
    let mut lab = Lab::new().await;
    lab.crash().await;
    lab.timing.patience = std::time::Duration::from_millis(20);
    lab.start().await;
    lab.agent.script("alice", Behaviour::Hold);
    let operation = lab.create(&order("alice")).await.data(202);
    let again = lab.create(&order("alice")).await.data(202);
    assert_eq!(operation["id"], again["id"]);
    lab.agent.decide("alice", Outcome::Committed);
    until("the order is answered", async || lab.create(&order("alice")).await.status == 200).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nothing() {
    let lab = Lab::new().await;
    lab.agent.script("alice", Behaviour::Hold);
    let wanted = order("alice");
    let call = lab.create(&wanted);
    tokio::select! {
        _ = call => panic!("nothing is decided yet"),
        () = until("the operation runs", async || lab.agent.begun("alice") == 1) => {}
    }
    lab.agent.decide("alice", Outcome::Committed);
    until("the account is active", async || {
        let listed = lab.get("/api/accounts?external_ref=ref-alice").await.data(200);
        listed[0]["status"] == "active"
    })
    .await;
    lab.create(&wanted).await.data(200);
}

#[tokio::test]
async fn a_name_in_another_script_is_kept_as_its_a_label() {
    let lab = Lab::new().await;
    let mut wanted = order("buecher");
    wanted["domain"] = json!("BÜCHER.example");
    assert_eq!(lab.create(&wanted).await.data(201)["domain"], "xn--bcher-kva.example");
    assert_eq!(lab.get("/api/accounts?domain=b%C3%BCcher.example").await.data(200).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_account_says_which_of_its_limits_are_enforced() {
    let lab = Lab::new().await;
    until("the Agent was asked", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    let account = lab.create(&order("alice")).await.data(201);
    assert_eq!(account["enforcement"]["disk_mib"], "not enforced on this server");
    assert_eq!(account["enforcement"]["php_workers"], "enforced");
    assert_eq!(account["enforcement"]["mailboxes"], "unknown");
}
