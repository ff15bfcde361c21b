//! `POST /api/accounts`, when something is there already.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Lab, Reply, order};

#[tokio::test]
async fn another_intent_under_the_same_external_ref_is_refused_and_says_what_differs() {
    let lab = Lab::new().await;
    lab.post("/api/packages", &json!({ "name": "Pro" })).await.data(201);
    let account = lab.create(&order("alice")).await.data(201);
    for (field, other) in [("domain", "other.example"), ("username", "bob"), ("package", "Pro"), ("server", "elsewhere")] {
        let mut wanted = order("alice");
        wanted[field] = json!(other);
        let problem = lab.create(&wanted).await.problem(409, "external_ref_mismatch");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(field) && detail.contains(other), "{detail}");
        assert_eq!(problem["conflict"]["account_id"], account["id"]);
    }
    assert_eq!(lab.agent.accounts(), 1);
}

#[tokio::test]
async fn a_second_order_for_a_username_is_refused_and_says_whose_it_is_to_whom_may_know() {
    let lab = Lab::new().await;
    let (one, two) = (lab.whmcs("one").await, lab.whmcs("two").await);
    let account = lab.call(Method::POST, "/api/accounts").token(&one).json(&order("alice")).send().await.data(201);
    assert_eq!(account["external_ref"], "ref-alice", "a token never sees its own prefix");
    let mut other = order("alice");
    other["external_ref"] = json!("s2");
    other["domain"] = json!("other.example");

    let seen = lab.call(Method::POST, "/api/accounts").token(&one).json(&other).send().await.problem(409, "username_taken");
    assert_eq!(seen["conflict"], json!({ "field": "username", "account_id": account["id"], "external_ref": "ref-alice" }));
    assert!(!seen["hint"].as_str().unwrap().is_empty());

    let unseen = lab.call(Method::POST, "/api/accounts").token(&two).json(&other).send().await;
    assert!(!unseen.text.contains(account["id"].as_str().unwrap()) && !unseen.text.contains("ref-alice"), "{}", unseen.text);
    assert_eq!(unseen.problem(409, "username_taken")["conflict"], json!({ "field": "username" }));

    let administrator = lab.create(&other).await.problem(409, "username_taken");
    assert!(administrator["conflict"]["external_ref"].as_str().unwrap().starts_with("whmcs:"));
}

#[tokio::test]
async fn the_same_ref_of_two_installations_means_two_accounts() {
    let lab = Lab::new().await;
    let (one, two) = (lab.whmcs("one").await, lab.whmcs("two").await);
    let (mut a, mut b) = (order("alice"), order("bob"));
    a["external_ref"] = json!("s1");
    b["external_ref"] = json!("s1");
    let a = lab.call(Method::POST, "/api/accounts").token(&one).json(&a).send().await.data(201);
    let b = lab.call(Method::POST, "/api/accounts").token(&two).json(&b).send().await.data(201);
    assert_ne!(a["id"], b["id"]);
    let path = format!("/api/accounts/{}", a["id"].as_str().unwrap());
    lab.call(Method::GET, &path).token(&one).send().await.data(200);
    lab.call(Method::GET, &path).token(&two).send().await.problem(404, "not_found");
    let path = format!("/api/operations/{}", a["operation"]["id"].as_str().unwrap());
    lab.call(Method::GET, &path).token(&two).send().await.problem(404, "not_found");
    lab.call(Method::GET, &format!("{path}/events")).token(&two).send().await.problem(404, "not_found");
    for path in ["/api/accounts", "/api/operations", "/api/accounts?external_ref=s1"] {
        let listed = lab.call(Method::GET, path).token(&two).send().await;
        assert_eq!(listed.json()["page"]["total"], 1, "{path}");
        assert_eq!(listed.data(200)[0]["username"], "bob", "{path}");
    }
    assert_eq!(lab.get("/api/accounts").await.json()["page"]["total"], 2);
}

#[tokio::test]
async fn a_token_with_a_prefix_orders_nothing_that_it_could_not_see() {
    let lab = Lab::new().await;
    let token = lab.whmcs("one").await;
    let mut wanted = order("alice");
    wanted.as_object_mut().unwrap().remove("external_ref");
    let problem = lab.call(Method::POST, "/api/accounts").token(&token).json(&wanted).send().await.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["field"], "external_ref");
}

#[tokio::test]
async fn names_without_a_ref_never_link_orders() {
    let lab = Lab::new().await;
    let mut wanted = order("alice");
    wanted.as_object_mut().unwrap().remove("external_ref");
    lab.create(&wanted).await.data(201);
    lab.create(&wanted).await.problem(409, "username_taken");
}

#[tokio::test]
async fn twenty_orders_for_one_username_make_one_account() {
    let lab = Lab::new().await;
    let orders: Vec<_> = (0..20)
        .map(|n| {
            let mut wanted = order("alice");
            wanted["external_ref"] = json!(format!("s{n}"));
            wanted["domain"] = json!(format!("d{n}.example"));
            wanted
        })
        .collect();
    let replies = futures::future::join_all(orders.iter().map(|order| lab.create(order))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        reply.problem(409, "username_taken");
    }
    assert_eq!(lab.agent.accounts(), 1);
    assert_eq!(lab.count("SELECT COUNT(*) FROM account").await, 1);
}

#[tokio::test]
async fn twenty_orders_for_one_domain_make_one_account() {
    let lab = Lab::new().await;
    let orders: Vec<_> = (0..20)
        .map(|n| {
            let mut wanted = order(&format!("user{n}"));
            wanted["domain"] = json!("one.example");
            wanted
        })
        .collect();
    let replies = futures::future::join_all(orders.iter().map(|order| lab.create(order))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 409).count(), 19);
    assert_eq!(lab.agent.accounts(), 1);
}

#[tokio::test]
async fn domains_of_different_accounts_do_not_contain_each_other() {
    let lab = Lab::new().await;
    let mut first = order("alice");
    first["domain"] = json!("shop.example.co.uk");
    lab.create(&first).await.data(201);
    for (domain, word) in
        [("shop.example.co.uk", "belongs to"), ("example.co.uk", "is the parent of"), ("a.shop.example.co.uk", "is below")]
    {
        let mut other = order("bob");
        other["domain"] = json!(domain);
        let problem = lab.create(&other).await.problem(409, "domain_taken");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        assert_eq!(problem["conflict"]["field"], "domain");
    }
    for (n, domain) in ["blog.example.co.uk", "badshop.example.co.uk", "other.co.uk"].iter().enumerate() {
        let mut other = order(&format!("carol{n}"));
        other["domain"] = json!(domain);
        lab.create(&other).await.data(201);
    }
}

#[tokio::test]
async fn below_a_shared_parent_domain_customers_get_names_of_their_own() {
    let lab = Lab::new().await;
    let mut host = order("hosting");
    host["domain"] = json!("sites.example");
    lab.create(&host).await.data(201);
    let mut client = order("client");
    client["domain"] = json!("client.sites.example");
    lab.create(&client).await.problem(409, "domain_taken");
    let put = lab.call(Method::PUT, "/api/shared-parent-domains").json(&json!({ "names": ["sites.example"] })).send().await;
    assert_eq!(put.data(200), json!(["sites.example"]));
    lab.create(&client).await.data(201);
    let mut below = order("below");
    below["domain"] = json!("x.client.sites.example");
    lab.create(&below).await.problem(409, "domain_taken");
}

#[tokio::test]
async fn a_package_is_found_by_its_exact_name_only() {
    let lab = Lab::new().await;
    for name in ["starter", "STARTER", "Starter2", "Start"] {
        let mut wanted = order("alice");
        wanted["package"] = json!(name);
        let problem = lab.create(&wanted).await.problem(404, "package_not_found");
        assert!(problem["detail"].as_str().unwrap().starts_with("Package not found"), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(name));
    }
    assert_eq!(lab.agent.arrived("alice").len(), 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM account").await, 0);
}

#[tokio::test]
async fn an_order_for_a_server_without_addresses_is_refused() {
    let lab = Lab::bare().await;
    lab.post("/api/packages", &json!({ "name": "Starter" })).await.data(201);
    let problem = lab.create(&order("alice")).await.problem(503, "server_not_configured");
    assert!(problem["hint"].as_str().unwrap().contains("opterius setup"));
    lab.configure().await;
    lab.create(&order("alice")).await.data(201);
    let mut elsewhere = order("bob");
    elsewhere["server"] = json!("elsewhere");
    lab.create(&elsewhere).await.problem(404, "not_found");
}

/// A rule of the database that refuses every new row of this kind, and that no row can be found for.
async fn no_second(lab: &Lab, index: &'static str) {
    let pool = lab.sql().await;
    sqlx::query(index).execute(&pool).await.unwrap();
    pool.close().await;
}

/// The reply, if there is one: what tries again for ever gives none.
async fn in_time(reply: impl Future<Output = Reply>) -> Reply {
    tokio::time::timeout(Duration::from_mins(1), reply).await.expect("it tries without an end")
}

#[tokio::test]
async fn a_violation_that_never_ends_is_told_and_not_tried_for_ever() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    no_second(&lab, "CREATE UNIQUE INDEX no_second_account ON account (owner)").await;
    for external_ref in [json!("other"), Value::Null] {
        let mut wanted = order("bob");
        wanted["external_ref"] = external_ref;
        let reply = in_time(lab.create(&wanted)).await;
        let problem = reply.problem(409, "changed_meanwhile");
        assert_eq!((&problem["retryable"], reply.header("retry-after")), (&json!(true), "5"), "{problem}");
    }
    no_second(&lab, "CREATE UNIQUE INDEX no_second_operation ON operation (account_id)").await;
    let suspend = json!({ "reason": "spam" });
    in_time(lab.post("/api/accounts/ref:ref-alice/suspend", &suspend)).await.problem(409, "changed_meanwhile");
    in_time(lab.call(Method::PUT, "/api/accounts/ref:ref-alice/password").json(&json!({ "password": "another good horse" })).send())
        .await
        .problem(409, "changed_meanwhile");
    assert_eq!(lab.count("SELECT COUNT(*) FROM operation").await, 1);
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2);
    let pool = lab.sql().await;
    sqlx::query("DROP INDEX no_second_operation").execute(&pool).await.unwrap();
    pool.close().await;
    lab.post("/api/accounts/ref:ref-alice/suspend", &suspend).await.data(200);
}
