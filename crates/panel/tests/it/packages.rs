//! `/api/packages`.

use http::Method;
use opterius_protocol::agent::FailureKind;
use serde_json::{Value, json};

use crate::support::{Behaviour, Browser, Lab, order};

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

/// A Panel with the account `alice` of the package `Starter`, which is retired, and the package `Other`.
async fn with_a_retired_package() -> (Lab, String) {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    lab.agent.uses("alice", 1, 1);
    lab.post("/api/packages", &json!({ "name": "Other" })).await.data(201);
    let id = account["package"]["id"].as_str().unwrap().to_owned();
    let retired = lab.post(&format!("/api/packages/{id}/retire"), &json!({})).await.data(200);
    assert_eq!((&retired["retired"], &retired["accounts"]), (&json!(true), &json!(1)));
    assert!(retired["retired_at"].is_i64());
    (lab, id)
}

#[tokio::test]
async fn a_retired_package_keeps_its_accounts_and_takes_no_other() {
    let (lab, id) = with_a_retired_package().await;
    let names =
        async || lab.get("/api/packages").await.data(200).as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names().await, [json!("Other"), json!("Starter")], "the retired ones are last");

    let problem = lab.create(&order("bob")).await.problem(409, "package_retired");
    assert_eq!(problem["field"], "package");
    assert!(problem["hint"].as_str().unwrap().contains("opterius package unretire \"Starter\""), "{problem}");
    let mut by_id = order("bob");
    by_id.as_object_mut().unwrap().remove("package");
    by_id["package_id"] = json!(id);
    assert_eq!(lab.create(&by_id).await.problem(409, "package_retired")["field"], "package_id");
    assert_eq!(lab.agent.begun("bob"), 0);
    let plan = lab.post("/api/accounts?plan=true", &order("bob")).await.data(200);
    assert!(plan["missing"].to_string().contains("is retired"), "{plan}");
    let wish = lab.get("/api/availability?username=bob&package=Starter").await.data(200);
    assert_eq!((&wish["orderable"], &wish["package"]["problem"]["code"]), (&json!(false), &json!("package_retired")));

    // The same order is the same account; with other limits of its own it keeps the package.
    lab.create(&order("alice")).await.data(200);
    let own = json!({ "package": "Starter", "limits": { "databases": 7 } });
    assert_eq!(lab.put("/api/accounts/ref:ref-alice/package", &own).await.data(200)["limits"]["databases"], 7);

    // Somebody else's account does not get it, and one that left it does not get it back.
    lab.put("/api/accounts/ref:ref-alice/package", &json!({ "package": "Other" })).await.data(200);
    lab.put("/api/accounts/ref:ref-alice/package", &json!({ "package": "Starter" })).await.problem(409, "package_retired");
    let plan = lab.put("/api/accounts/ref:ref-alice/package?plan=true", &json!({ "package": "Starter" })).await.data(200);
    assert!(plan["missing"].to_string().contains("is retired"), "{plan}");

    let back = lab.post(&format!("/api/packages/{id}/return"), &json!({})).await.data(200);
    assert_eq!((&back["retired"], &back["retired_at"]), (&json!(false), &Value::Null));
    lab.create(&order("bob")).await.data(201);
    lab.put("/api/accounts/ref:ref-alice/package", &json!({ "package": "Starter" })).await.data(200);
}

#[tokio::test]
async fn an_account_of_a_retired_package_is_restored_and_the_package_retired_once() {
    let (lab, id) = with_a_retired_package().await;
    let path = format!("/api/packages/{id}");
    lab.delete("/api/accounts/ref:ref-alice").await.data(200);
    let restored = lab.post("/api/accounts/ref:ref-alice/restore", &json!({})).await.data(200);
    assert_eq!(restored["package"]["name"], "Starter");
    let rows = async |action: &str| lab.get(&format!("/api/activity?action={action}")).await.json()["page"]["total"].clone();
    let first = lab.get(&path).await.data(200)["retired_at"].clone();
    assert_eq!(lab.post(&format!("{path}/retire"), &json!({})).await.data(200)["retired_at"], first);
    assert_eq!(rows("package.retire").await, 1, "one that is retired is left alone");
    lab.put(&path, &json!({ "files": 3 })).await.data(200);
    assert_eq!(lab.get(&path).await.data(200)["retired"], true, "a change of limits takes it not back");
    for _ in 0..2 {
        lab.post(&format!("{path}/return"), &json!({})).await.data(200);
    }
    assert_eq!(rows("package.return").await, 1);
    let nothing = "/api/packages/0193a5e0-7c1e-7000-8000-000000000000/retire";
    lab.post(nothing, &json!({})).await.problem(404, "package_not_found");
}

#[tokio::test]
async fn the_pages_offer_a_retired_package_to_nobody_who_does_not_have_it() {
    let (lab, id) = with_a_retired_package().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let path = format!("/packages/{id}");
    let option = format!("<option value=\"{id}\"");
    let page = host.get(&lab, "/packages").await.text;
    assert!(page.contains(">retired<") && page.find("Other").unwrap() < page.find("Starter").unwrap(), "{page}");
    assert!(!host.get(&lab, "/accounts/new").await.text.contains(&option));
    let alice = lab.get("/api/accounts").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    assert!(host.get(&lab, &format!("/accounts/{alice}/package")).await.text.contains(&option), "alice has it");
    lab.put("/api/accounts/ref:ref-alice/package", &json!({ "package": "Other" })).await.data(200);
    assert!(!host.get(&lab, &format!("/accounts/{alice}/package")).await.text.contains(&option), "alice has it no more");
    let fields = [("username", "bob"), ("domain", "bob.example"), ("password", "correct horse"), ("package_id", id.as_str())];
    let refused = host.send(&lab, "/accounts/new", &fields).await;
    assert!(refused.status == 409 && refused.text.contains("is retired") && refused.text.contains("value=\"bob\""), "{}", refused.text);

    assert!(host.get(&lab, &path).await.text.contains(&format!("{path}/return")));
    let done = host.post(&lab, &format!("{path}/return")).await;
    assert_eq!((done.status, done.header("location")), (303, path.as_str()));
    assert!(host.get(&lab, "/accounts/new").await.text.contains(&option));
    let page = host.get(&lab, &path).await.text;
    assert!(page.contains(&format!("{path}/retire")) && !page.contains("Retired:"), "{page}");
    assert_eq!(host.post(&lab, &format!("{path}/retire")).await.status, 303);
    assert!(host.get(&lab, &path).await.text.contains("Retired:"));
    assert_eq!(host.post(&lab, "/packages/x/retire").await.status, 404);
}
