//! What a Panel and its server know of the accounts, when one of them has forgotten something.

use http::Method;
use opterius_model::{DomainName, Generation, Hold, Limit, ServerId, Spec, State};
use opterius_protocol::agent::{FailureKind, Outcome};
use serde_json::{Value, json};

use crate::support::{Behaviour, FakeAgent, Lab, Listing, order, until};

async fn report(lab: &Lab) -> Value {
    lab.get("/api/resync").await.data(200)
}

fn usernames(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["username"].as_str().unwrap()).collect()
}

fn path(account: &Value) -> String {
    format!("/api/accounts/{}", account["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_server_keeps_with_every_account_what_only_the_panel_knows_of_it() {
    let lab = Lab::new().await;
    let mut wanted = order("alice");
    wanted["email"] = json!("alice@example.com");
    let account = lab.create(&wanted).await.data(201);
    let memo = lab.agent.memo("alice").unwrap();
    assert_eq!((&memo["version"], &memo["external_ref"], &memo["email"]), (&json!(1), &json!("ref-alice"), &json!("alice@example.com")));
    assert_eq!((&memo["package_id"], &memo["package_name"]), (&account["package"]["id"], &json!("Starter")));
    assert_eq!((&memo["created_at"], &memo["holds"], &memo["overrides"]), (&account["created_at"], &json!([]), &json!({})));
    let account = lab.post(&format!("{}/suspend", path(&account)), &json!({ "reason": "spam" })).await.data(200);
    assert_eq!(lab.agent.memo("alice").unwrap()["holds"], account["holds"]);
}

#[tokio::test]
async fn a_panel_restored_from_a_backup_loses_no_account() {
    let mut lab = Lab::new().await;
    let alice = lab.create(&order("alice")).await.data(201);
    let carol = lab.create(&order("carol")).await.data(201);
    lab.back_up().await;
    let change = json!({ "package": "Starter", "limits": { "databases": 7 } });
    lab.put(&format!("{}/package", path(&alice)), &change).await.data(200);
    let alice = lab.post(&format!("{}/suspend", path(&alice)), &json!({ "reason": "spam" })).await.data(200);
    let mut wanted = order("bob");
    wanted["email"] = json!("bob@example.com");
    let bob = lab.create(&wanted).await.data(201);
    let gone = lab.delete(&path(&carol)).await.data(200);
    let forgotten = lab.create(&order("dave")).await.data(201);
    lab.delete(&format!("{}?keep_days=0", path(&forgotten))).await.data(200);

    lab.restore_backup().await;
    until("the server was asked", async || lab.get("/api/activity?action=account.adopt").await.json()["page"]["total"] == 3).await;
    for before in [&alice, &bob] {
        let now = lab.get(&path(before)).await.data(200);
        for field in [
            "id",
            "username",
            "domain",
            "email",
            "external_ref",
            "package",
            "status",
            "holds",
            "limits",
            "overrides",
            "uid",
            "created_at",
            "generation",
        ] {
            assert_eq!(now[field], before[field], "{field} of {}", before["username"]);
        }
    }
    let problem = lab.get(&path(&carol)).await.problem(410, "account_gone");
    assert_eq!(problem["restorable_until"], gone["restorable_until"]);
    lab.get(&path(&forgotten)).await.problem(404, "not_found");
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 4);
    let report = report(&lab).await;
    assert_eq!((&report["same"], &report["only_agent"], &report["newer_on_agent"]), (&json!(3), &json!([]), &json!([])));

    // Everything goes on from there.
    assert_eq!(lab.create(&wanted).await.data(200)["id"], bob["id"]);
    let account = lab.post(&format!("{}/unsuspend", path(&alice)), &json!({})).await.data(200);
    assert_eq!((&account["status"], &account["generation"]), (&json!("active"), &json!(alice["generation"].as_u64().unwrap() + 1)));
    lab.post(&format!("{}/repair", path(&bob)), &json!({})).await.data(200);
    assert_eq!(lab.post(&format!("{}/restore", path(&carol)), &json!({})).await.data(200)["status"], "active");
}

#[tokio::test]
async fn a_comparison_changes_nothing_and_says_what_only_one_side_knows() {
    let lab = Lab::new().await;
    for username in ["alice", "bobby", "carol", "david", "erika"] {
        lab.create(&order(username)).await.data(201);
    }
    let changed = lab.post("/api/accounts/ref:ref-carol/repair", &json!({})).await.data(200);
    assert_eq!(changed["generation"], 2);
    lab.agent.forget("bobby");
    lab.agent.rewrite("carol", |spec, _| spec.generation = Generation::FIRST);
    lab.agent.rewrite("david", |spec, _| spec.limits.databases = Limit::try_from(9).unwrap());
    lab.agent.script("erika", Behaviour::Hold);
    lab.call(Method::POST, "/api/accounts/ref:ref-erika/repair").header("prefer", "respond-async").send().await.data(202);
    let report = report(&lab).await;
    assert_eq!(report["same"], 1);
    for (kind, who) in [("only_panel", "bobby"), ("newer_on_panel", "carol"), ("different", "david"), ("busy", "erika")] {
        assert_eq!(usernames(&report[kind]), [who], "{kind}: {report}");
    }
    assert_eq!(
        (&report["newer_on_panel"][0]["panel_generation"], &report["newer_on_panel"][0]["agent_generation"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(report["only_panel"][0]["agent_generation"], Value::Null);
    assert!(report["different"][0]["hint"].as_str().unwrap().contains("repair"));
    let adopted = lab.post("/api/resync", &json!({})).await.data(200);
    assert_eq!(adopted["adopted"], json!([]), "there is nothing that the server knows better");
    until("the repair runs", async || lab.agent.begun("erika") == 2).await;
    lab.agent.decide("erika", Outcome::Committed);
    for who in ["carol", "david"] {
        lab.post(&format!("/api/accounts/ref:ref-{who}/repair"), &json!({})).await.data(200);
    }
    until("they are the same", async || lab.get("/api/resync").await.data(200)["same"] == 4).await;
    lab.post("/api/accounts/ref:ref-bobby/repair", &json!({})).await.problem(502, "provisioning_failed");
    lab.delete("/api/accounts/ref:ref-bobby").await.data(200);
    assert_eq!(lab.get("/api/resync").await.data(200)["only_panel"], json!([]));
}

#[tokio::test]
async fn what_the_server_knows_better_is_taken_over_when_it_is_asked_for() {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    lab.agent.rewrite("alice", |spec, memo| {
        *spec = Spec { generation: Generation::from_stored(7), ..spec.held([Hold::Billing]) };
        *memo = None;
    });
    let seen = report(&lab).await;
    assert_eq!(usernames(&seen["newer_on_agent"]), ["alice"]);
    assert_eq!(lab.get(&path(&account)).await.data(200)["status"], "active", "only looked");
    let adopted = lab.post("/api/resync", &json!({})).await.data(200);
    assert_eq!(usernames(&adopted["adopted"]), ["alice"]);
    assert_eq!(adopted["newer_on_agent"], json!([]));
    let now = lab.get(&path(&account)).await.data(200);
    assert_eq!((&now["status"], &now["generation"], &now["holds"][0]["hold"]), (&json!("suspended"), &json!(7), &json!("billing")));
    assert_eq!(now["package"]["name"], "Starter");
    let row = lab.get("/api/activity?action=account.adopt").await.data(200)[0].clone();
    assert_eq!((&row["actor"], &row["account_id"]), (&json!("administrator"), &account["id"]));
    lab.post(&format!("{}/unsuspend", path(&account)), &json!({ "hold": "billing" })).await.data(200);
    assert_eq!(lab.agent.account("alice").unwrap().generation.get(), 8);
    let token = lab.whmcs("WHMCS").await;
    lab.call(Method::GET, "/api/resync").token(&token).send().await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_account_that_is_taken_over_is_listed_whatever_the_clock_of_its_server_says() {
    let mut lab = Lab::new().await;
    lab.agent.clock_is_ahead_by(3600);
    lab.back_up().await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.rewrite("alice", |_, memo| *memo = None);
    lab.restore_backup().await;
    until("it is taken over", async || lab.count("SELECT COUNT(*) FROM account").await == 1).await;
    assert_eq!(usernames(&lab.get("/api/accounts").await.data(200)), ["alice"]);
    assert_eq!(lab.get("/api/usage").await.json()["page"]["total"], 1);
}

#[tokio::test]
async fn an_account_whose_names_are_anothers_by_now_is_reported_and_not_taken_over() {
    let mut lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    lab.back_up().await;
    lab.create(&order("bob")).await.data(201);
    lab.agent.rewrite("bob", |spec, _| spec.sites[0].hosts[0] = DomainName::parse("shop.alice.example").unwrap());
    lab.restore_backup().await;
    let adopted = lab.post("/api/resync", &json!({})).await.data(200);
    assert_eq!(usernames(&adopted["only_agent"]), ["bob"]);
    let detail = adopted["only_agent"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("It was not taken over") && detail.contains("shop.alice.example"), "{detail}");
    assert_eq!(lab.get("/api/accounts").await.json()["page"]["total"], 1);
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 2);
}

#[tokio::test]
async fn a_change_of_an_account_that_is_newer_on_its_server_takes_that_over_and_says_so() {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    lab.agent.rewrite("alice", |spec, _| *spec = Spec { generation: Generation::from_stored(9), ..spec.held([Hold::Abuse]) });
    let password = json!({ "password": "battery staple" });
    let problem = lab.put(&format!("{}/password", path(&account)), &password).await.problem(502, "provisioning_failed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("generation 9") && detail.ends_with("The password was not changed."), "{detail}");
    let now = lab.get(&path(&account)).await.data(200);
    assert_eq!((&now["status"], &now["generation"]), (&json!("suspended"), &json!(9)));
    let now = lab.put(&format!("{}/password", path(&account)), &password).await.data(200);
    assert_eq!((&now["status"], &now["generation"]), (&json!("suspended"), &json!(10)));
}

#[tokio::test]
async fn an_operation_that_the_server_has_decided_and_forgotten_ends_as_the_account_is_there() {
    for made in [true, false] {
        let mut lab = Lab::new().await;
        lab.agent.script("alice", Behaviour::Hold);
        let reply = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await;
        let id = reply.data(202)["id"].as_str().unwrap().to_owned();
        until("it runs", async || lab.agent.begun("alice") == 1).await;
        lab.crash().await;
        lab.agent.decide("alice", Outcome::Committed);
        if !made {
            lab.agent.rewrite("alice", |spec, _| *spec = Spec { state: State::Absent, ..spec.clone() });
        }
        lab.agent.forget_operations();
        lab.start().await;
        let operation = format!("/api/operations/{id}");
        until("it is decided", async || lab.get(&operation).await.data(200)["outcome"] != "running").await;
        let outcome = lab.get(&operation).await.data(200)["outcome"].clone();
        assert_eq!(outcome, if made { "committed" } else { "rolled_back" });
        let claimed = lab.count("SELECT COUNT(*) FROM claimed_name").await;
        assert_eq!(claimed, if made { 2 } else { 0 });
        if made {
            let account = lab.get("/api/accounts/ref:ref-alice").await.data(200);
            assert_eq!((&account["status"], &account["package"]["name"]), (&json!("active"), &json!("Starter")));
        }
    }
}

#[tokio::test]
async fn a_terminate_that_the_server_has_decided_and_forgotten_is_done() {
    let mut lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    lab.agent.script("alice", Behaviour::Hold);
    lab.call(Method::DELETE, &path(&account)).header("prefer", "respond-async").send().await.data(202);
    until("it runs", async || lab.agent.begun("alice") == 2).await;
    lab.crash().await;
    lab.agent.decide("alice", Outcome::Committed);
    lab.agent.forget_operations();
    lab.start().await;
    until("it is gone", async || lab.get(&path(&account)).await.status == 410).await;
    assert_eq!(lab.count("SELECT COUNT(*) FROM claimed_name").await, 0);
    lab.post(&format!("{}/restore", path(&account)), &json!({})).await.data(200);
}

#[tokio::test]
async fn what_came_to_nothing_is_no_difference() {
    let lab = Lab::new().await;
    let alice = lab.create(&order("alice")).await.data(201);
    let bob = lab.create(&order("bob")).await.data(201);
    lab.delete(&path(&bob)).await.data(200);
    lab.agent.script("carol", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
    lab.create(&order("carol")).await.problem(502, "provisioning_failed");
    lab.agent.script("alice", Behaviour::Fail("site", FailureKind::Failed, "no space left"));
    lab.post(&format!("{}/suspend", path(&alice)), &json!({ "reason": "spam" })).await.problem(502, "provisioning_failed");
    lab.agent.script("bob", Behaviour::Fail("home", FailureKind::Failed, "no space left"));
    lab.post(&format!("{}/restore", path(&bob)), &json!({})).await.problem(502, "provisioning_failed");
    assert_eq!(lab.agent.account("alice").unwrap().generation.get(), 2);
    let adopted = lab.post("/api/resync", &json!({})).await.data(200);
    assert_eq!(adopted["same"], 2, "{adopted}");
    for kind in ["only_agent", "only_panel", "newer_on_agent", "newer_on_panel", "different", "busy", "adopted"] {
        assert_eq!(adopted[kind], json!([]), "{kind}");
    }
    lab.post(&format!("{}/suspend", path(&alice)), &json!({ "reason": "spam" })).await.data(200);
    lab.post(&format!("{}/restore", path(&bob)), &json!({})).await.data(200);
}

#[tokio::test]
async fn a_change_that_the_server_has_undone_and_forgotten_is_undone() {
    let mut lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    lab.agent.script("alice", Behaviour::Hold);
    let suspend = lab.call(Method::POST, &format!("{}/suspend", path(&account))).header("prefer", "respond-async");
    let id = suspend.json(&json!({ "reason": "spam" })).send().await.data(202)["id"].as_str().unwrap().to_owned();
    until("it runs", async || lab.agent.begun("alice") == 2).await;
    lab.crash().await;
    lab.agent.decide("alice", Outcome::RolledBack);
    lab.agent.forget_operations();
    lab.start().await;
    let operation = format!("/api/operations/{id}");
    until("it is decided", async || lab.get(&operation).await.data(200)["outcome"] != "running").await;
    assert_eq!(lab.get(&operation).await.data(200)["outcome"], "rolled_back");
    let now = lab.get(&path(&account)).await.data(200);
    assert_eq!((&now["status"], &now["holds"]), (&json!("active"), &json!([])));
    lab.post(&format!("{}/suspend", path(&account)), &json!({ "reason": "spam" })).await.data(200);
}

#[tokio::test]
async fn a_server_says_nothing_of_accounts_that_are_on_another() {
    let mut lab = Lab::new().await;
    let before = lab.create(&order("alice")).await.data(201);
    let spec = lab.agent.account("alice").unwrap();
    lab.crash().await;
    let id = ServerId::generate();
    let pool = lab.sql().await;
    sqlx::query("INSERT INTO server (id, owner, name, is_default, ipv4, ipv6, nameservers, created_at) SELECT $1, owner, 'other', 0, '[]', '[]', '[]', 1 FROM server")
        .bind(id.to_string())
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let socket = lab.dir.path().join("other.sock");
    let other = FakeAgent::start(&socket);
    lab.agents.insert(id, socket);
    other.has(Spec { generation: spec.generation.next().next(), ..spec.held([Hold::Abuse]) });
    other.damage("alice", "made up");
    lab.start().await;
    let adopted = lab.post("/api/resync", &json!({})).await.data(200);
    assert_eq!(adopted["adopted"], json!([]), "{adopted}");
    let asked = other.asked_for_health();
    until("it was asked for drift", async || other.asked_for_health() > asked + 3).await;
    let after = lab.get(&path(&before)).await.data(200);
    assert_eq!((&after["server"], &after["status"], &after["drift"]), (&before["server"], &before["status"], &Value::Null));
    for action in ["account.adopt", "account.drift"] {
        assert_eq!(lab.get(&format!("/api/activity?action={action}")).await.json()["page"]["total"], 0, "{action}");
    }
    lab.post(&format!("{}/suspend", path(&before)), &json!({ "reason": "spam" })).await.data(200);
    assert_eq!(lab.agent.account("alice").unwrap().generation, spec.generation.next(), "the right server is asked, with the right number");
}

#[tokio::test]
async fn an_account_that_its_server_cannot_read_is_said_and_keeps_no_other_from_being_taken_over() {
    let mut lab = Lab::new().await;
    lab.back_up().await;
    lab.create(&order("alice")).await.data(201);
    let broken = lab.create(&order("bob")).await.data(201);
    lab.create(&order("carol")).await.data(201);
    lab.agent.cannot_read("bob");
    lab.restore_backup().await;
    until("the others are taken over", async || lab.get("/api/accounts").await.json()["page"]["total"] == 2).await;
    let report = report(&lab).await;
    assert_eq!(report["same"], 2, "{report}");
    let unclear = &report["unclear"][0];
    assert_eq!((&unclear["account_id"], report["unclear"].as_array().unwrap().len()), (&broken["id"], 1));
    assert_eq!(unclear["username"], "bob", "the list names it");
    let detail = unclear["detail"].as_str().unwrap();
    assert!(detail.contains("the record of this account cannot be read"), "{detail}");
    assert!(unclear["hint"].as_str().unwrap().contains("opterius doctor"));
    until("the comparison at the start is over", async || {
        let tasks = lab.get("/api/tasks").await.data(200);
        !tasks.as_array().unwrap().iter().any(|task| task["name"].as_str().unwrap().starts_with("resync"))
    })
    .await;
    lab.agent.stop().await;
    lab.get("/api/resync").await.problem(503, "server_unreachable");
}

#[tokio::test]
async fn a_list_that_is_not_what_was_asked_for_is_refused() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    for (listing, why) in [(Listing::LongPages, "more entries than were asked for"), (Listing::Backwards, "not in order")] {
        lab.agent.lists(listing);
        let problem = lab.get("/api/resync").await.problem(503, "server_unreachable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{listing:?}: {detail}");
    }
}
