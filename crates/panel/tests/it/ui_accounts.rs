//! The pages of accounts and operations, for the host's people.

use std::time::Duration;

use http::Method;
use opterius_protocol::agent::FailureKind;
use serde_json::{Value, json};

use crate::support::{Behaviour, Browser, Lab, Reply, order, until};

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>'{{7777*7777}}</script><script>";

/// That nothing of what was given became markup.
#[track_caller]
fn assert_harmless(page: &Reply) {
    for bad in ["<img src=x", "<script>", "60481729", " style=", " onclick=", " onerror=\""] {
        assert!(!page.text.contains(bad), "{bad}: {}", page.text);
    }
    assert!(page.header("content-security-policy").contains("script-src 'self'"), "{page:?}");
    assert!(!page.header("content-security-policy").contains("unsafe"));
}

#[track_caller]
fn assert_says(page: &Reply, texts: &[&str]) {
    for text in texts {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
}

/// The value that a form of the page carries.
#[track_caller]
pub(crate) fn hidden(page: &Reply, name: &str) -> String {
    let from = page.text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name}: {}", page.text));
    from.split('"').next().unwrap().to_owned()
}

async fn alice() -> (Lab, Browser, String, Value) {
    let lab = Lab::new().await;
    let account = lab.create(&order("alice")).await.data(201);
    let admin = Browser::of_person(&lab, "administrator").await;
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    (lab, admin, path, account)
}

/// What became of an account, as the API says.
async fn status(lab: &Lab, account: &Value) -> String {
    let reply = lab.get(&format!("/api/accounts/{}", account["id"].as_str().unwrap())).await;
    if reply.status == 410 { "gone".to_owned() } else { reply.data(200)["status"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn accounts_are_found_sorted_and_paged_and_a_tokens_staff_see_its_own() {
    let lab = Lab::new().await;
    let (token, other) = (lab.whmcs("WHMCS").await, lab.whmcs("other").await);
    lab.order_with(&other, "zoe").await;
    for n in 0..53 {
        lab.order_with(&token, &format!("user{n:02}")).await;
    }
    lab.call(Method::POST, "/api/accounts/ref:ref-user07/suspend")
        .token(&token)
        .json(&json!({ "reason": "unpaid" }))
        .send()
        .await
        .data(200);
    let mail = json!({ "email": "Ada@Mail.example" });
    lab.call(Method::PATCH, "/api/accounts/ref:ref-user08").token(&token).json(&mail).send().await.data(200);
    let staff = Browser::of_staff(&lab, &token).await;
    let admin = Browser::of_person(&lab, "administrator").await;
    assert_eq!(staff.at, "/accounts");
    let links = |page: &str| page.matches("<th scope=\"row\"><a href=\"/accounts/").count();
    let first = staff.get(&lab, "/accounts").await;
    assert_says(&first, &["53 accounts", "1–50", "user52", "Next page", "aria-sort=\"descending\"", ">ref-user52<"]);
    assert!(
        !first.text.contains("zoe") && !first.text.contains("Previous page") && !first.text.contains("/accounts/new"),
        "{}",
        first.text
    );
    assert_eq!(links(&first.text), 50);
    let next = first.text.split("href=\"").find(|rest| rest.contains("Next page")).unwrap().split('"').next().unwrap();
    let next = next.replace("&amp;", "&").replace("&#38;", "&");
    let second = staff.get(&lab, &next).await;
    assert_eq!(links(&second.text), 3);
    assert_says(&second, &["user00", "51–53", "Previous page"]);
    assert!(!second.text.contains("Next page"));
    for (query, found) in [
        ("q=user1", 10),
        ("q=USER07.Example", 1),
        ("q=07.exam", 1),
        ("q=zoe", 0),
        ("q=%25", 0),
        ("q=_", 0),
        ("q=%20user07%20", 1),
        ("q=ada%40mail", 1),
        ("q=REF-user11", 1),
        ("q=whmcs", 0),
        ("state=suspended", 1),
        ("state=terminated", 0),
        ("state=failed", 50),
        ("package=0193a5e0-7c1e-7000-8000-000000000000", 0),
        ("server=x&package=y&page=z&sort=w&down=v", 50),
        ("page=99", 3),
        ("page=0", 50),
    ] {
        let page = staff.get(&lab, &format!("/accounts?{query}")).await;
        assert_eq!((page.status, links(&page.text)), (200, found), "{query}: {}", page.text);
    }
    assert_says(&staff.get(&lab, "/accounts?q=zoe").await, &["No account is like that", "Show all accounts"]);
    let of_all = admin.get(&lab, "/accounts?sort=username&down=1").await;
    assert_says(&of_all, &["54 accounts", "/accounts/new", "aria-sort=\"descending\""]);
    assert!(of_all.text.find("zoe").unwrap() < of_all.text.find("user52").unwrap());
    let by_domain = admin.get(&lab, "/accounts?sort=domain").await.text;
    assert!(by_domain.find("user01.example").unwrap() < by_domain.find("user02.example").unwrap() && !by_domain.contains("zoe"));
    let package = lab.get("/api/packages").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    assert_says(&admin.get(&lab, &format!("/accounts?package={package}")).await, &["54 accounts", "selected>Starter"]);
    let zoe = lab.get("/api/accounts?username=zoe").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(staff.get(&lab, &format!("/accounts/{zoe}")).await.status, 404);
    assert_eq!(admin.get(&lab, &format!("/accounts/{zoe}")).await.status, 200);
    let query = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%27%3C/script%3E%3Cscript%3E";
    for field in ["q", "state", "package", "server", "sort", "down", "page"] {
        assert_harmless(&staff.get(&lab, &format!("/accounts?{field}={query}")).await);
    }
}

#[tokio::test]
async fn ten_thousand_accounts_are_searched_and_paged_to_the_end() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let pool = lab.sql().await;
    sqlx::raw_sql(include_str!("../seed_accounts.sql")).execute(&pool).await.unwrap();
    pool.close().await;
    let admin = Browser::of_person(&lab, "administrator").await;
    let package = package(&lab, "Starter").await;
    assert_says(&admin.get(&lab, "/accounts").await, &["10001 accounts", "1–50", "alice"]);
    assert_says(&admin.get(&lab, "/accounts?q=seed00042").await, &["1 account", "seed00042.example"]);
    assert_says(&admin.get(&lab, "/accounts?q=seed:s10000&sort=domain").await, &["1 account", "seed10000.example"]);
    let last = admin.get(&lab, &format!("/accounts?package={package}&sort=username&page=201")).await;
    assert_says(&last, &["10001 accounts", "10001–10001", "seed10000"]);
    let some = admin.get(&lab, "/accounts?q=seed00&sort=domain&down=1&page=2").await;
    assert_says(&some, &["999 accounts", "51–100", "seed00949"]);
}

#[tokio::test]
async fn an_empty_list_says_what_to_do_next() {
    let lab = Lab::new().await;
    let admin = Browser::of_person(&lab, "administrator").await;
    assert_says(&admin.get(&lab, "/accounts").await, &["There are no accounts yet", "href=\"/accounts/new\""]);
    let reader = Browser::of_person(&lab, "read_only").await;
    assert!(!reader.get(&lab, "/accounts").await.text.contains("/accounts/new"));
}

#[tokio::test]
async fn an_account_page_says_all_there_is_to_say() {
    let (lab, admin, path, account) = alice().await;
    let month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    lab.agent.is_in(&month);
    lab.agent.uses("alice", 5 << 30, 17);
    lab.agent.sends("alice", 3 << 20);
    let record = json!({ "email": "a@b.example", "client_ref": "c7", "next_due_on": "2026-12-31" });
    let api = format!("/api{path}");
    lab.call(Method::PATCH, &api).json(&record).send().await.data(200);
    let shows = async |text: &str| admin.get(&lab, &path).await.text.contains(text);
    until("what it uses is shown", async || shows("<strong>5 GiB</strong>").await && shows("<strong>3 MiB</strong>").await).await;
    let page = admin.get(&lab, &path).await;
    let id = account["id"].as_str().unwrap();
    assert_says(
        &page,
        &[
            "<h1 class=\"page-title mb-0\">alice</h1>",
            "alice.example",
            " active",
            "Starter",
            ">8.2<",
            "192.0.2.10",
            "2001:db8::10",
            "ns1.names.example",
            "ref-alice",
            ">c7<",
            "2026-12-31",
            "a@b.example",
            id,
            "(50 %)",
            "<progress class=\"progress fine\" max=\"100\" value=\"50\"",
            "The order of alice",
            "/operations/",
            "data-must-equal=\"alice\"",
            "7 days",
            "account.create",
        ],
    );
    assert_harmless(&page);
    let reader = Browser::of_person(&lab, "read_only").await.get(&lab, &path).await;
    assert_eq!(reader.status, 200);
    for form in ["/suspend", "/unsuspend", "/package", "/password", "/terminate", "/restore", "/repair", "/retry"] {
        assert!(!reader.text.contains(&format!("{path}{form}")), "{form}: {}", reader.text);
    }
    assert_eq!(admin.get(&lab, "/accounts/x").await.status, 404);
    assert_eq!(admin.get(&lab, "/accounts/0193a5e0-7c1e-7000-8000-000000000000").await.status, 404);
}

#[tokio::test]
async fn suspending_and_lifting_it_does_what_it_says() {
    let (lab, admin, path, account) = alice().await;
    let (suspend, unsuspend) = (format!("{path}/suspend"), format!("{path}/unsuspend"));
    let version = hidden(&admin.get(&lab, &path).await, "version");
    let bad = admin.send(&lab, &suspend, &[("version", &version), ("reason", "a\u{7}b"), ("hold", HOSTILE)]).await;
    assert_eq!(bad.status, 422);
    assert_says(&bad, &["reason", "hold", "role=\"alert\""]);
    assert_harmless(&bad);
    assert_eq!(admin.send(&lab, &suspend, &[("reason", "spam")]).await.status, 422, "without a version");
    let done = admin.send(&lab, &suspend, &[("version", &version), ("reason", HOSTILE), ("hold", "abuse")]).await;
    assert_eq!((done.status, done.header("location")), (303, path.as_str()));
    assert_eq!(status(&lab, &account).await, "suspended");
    let page = admin.get(&lab, &path).await;
    assert_harmless(&page);
    assert_says(&page, &["&#60;img src=x onerror=alert(1)&#62;", "administrator:theadministrator", "the host"]);

    // Somebody whose page is old is told, and keeps what was typed.
    let stale = admin.send(&lab, &suspend, &[("version", &version), ("reason", "another reason"), ("hold", "billing")]).await;
    assert_eq!(stale.status, 409);
    assert_says(&stale, &["was changed since it was shown", "value=\"another reason\"", "&#60;img src=x"]);
    let version = hidden(&page, "version");
    let lifted = admin.send(&lab, &unsuspend, &[("version", &version), ("hold", "abuse")]).await;
    assert_eq!((lifted.status, lifted.header("location")), (303, path.as_str()));
    assert_eq!(status(&lab, &account).await, "active");
    let reader = Browser::of_person(&lab, "read_only").await;
    assert_eq!(reader.send(&lab, &suspend, &[("version", &version), ("reason", "x")]).await.status, 403);
    let support = Browser::of_person(&lab, "support").await;
    let version = hidden(&support.get(&lab, &path).await, "version");
    assert_eq!(support.send(&lab, &suspend, &[("version", &version), ("reason", "x")]).await.status, 303);
    assert_eq!(status(&lab, &account).await, "suspended");
}

#[tokio::test]
async fn a_reason_that_somebody_else_changed_is_not_overwritten() {
    let (lab, admin, path, _) = alice().await;
    let api = format!("/api{path}/suspend");
    lab.post(&api, &json!({ "reason": "first" })).await.data(200);
    let version = hidden(&admin.get(&lab, &path).await, "version");
    lab.post(&api, &json!({ "reason": "second" })).await.data(200);
    let stale = admin.send(&lab, &format!("{path}/suspend"), &[("version", &version), ("reason", "third")]).await;
    assert_eq!(stale.status, 409);
    assert_says(&stale, &["second", "value=\"third\""]);
}

#[tokio::test]
async fn a_new_password_is_shown_once_and_is_the_accounts() {
    let (lab, admin, path, _) = alice().await;
    let version = hidden(&admin.get(&lab, &path).await, "version");
    let page = admin.send(&lab, &format!("{path}/password"), &[("version", &version)]).await;
    assert_eq!(page.status, 200);
    let password = page.text.split("id=\"password\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(password.len(), 23);
    let hash = lab.agent.account("alice").unwrap().password_hash;
    assert!(hash.matches(&opterius_model::Password::parse(password.clone()).unwrap()));
    assert!(!admin.get(&lab, &path).await.text.contains(&password));
    let again = admin.send(&lab, &format!("{path}/password"), &[("version", &version)]).await;
    assert_eq!(again.status, 409, "the page sent again sets no third one");
}

#[tokio::test]
async fn what_is_not_as_it_should_be_is_named_and_repaired() {
    let (lab, admin, path, _) = alice().await;
    lab.agent.damage("alice", "its mode is 0777 and should be 0750");
    until("drift is shown", async || admin.get(&lab, &path).await.text.contains("its mode is 0777")).await;
    let page = admin.get(&lab, &path).await;
    assert_says(&page, &["Not as it should be", &format!("{path}/repair")]);
    let done = admin.send(&lab, &format!("{path}/repair"), &[("version", &hidden(&page, "version"))]).await;
    assert_eq!(done.status, 303);
    until("it is mended", async || !admin.get(&lab, &path).await.text.contains("id=\"drift\"")).await;
}

#[tokio::test]
async fn terminating_asks_for_the_username_and_a_terminated_account_has_a_page_that_restores_it() {
    let (lab, admin, path, account) = alice().await;
    let terminate = format!("{path}/terminate");
    let version = hidden(&admin.get(&lab, &path).await, "version");
    for fields in [
        &[("version", version.as_str()), ("confirm", "bob")][..],
        &[("version", &version)],
        &[("version", &version), ("confirm", "alice"), ("keep_days", "999")],
    ] {
        let refused = admin.send(&lab, &terminate, fields).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_says(&refused, &["role=\"alert\""]);
    }
    assert_eq!(status(&lab, &account).await, "active");
    let done = admin.send(&lab, &terminate, &[("version", &version), ("confirm", "alice"), ("keep_days", "3")]).await;
    assert_eq!((done.status, done.header("location")), (303, path.as_str()));
    assert_eq!(status(&lab, &account).await, "gone");
    let page = admin.get(&lab, &path).await;
    assert_eq!(page.status, 200);
    assert_says(&page, &["This account is terminated", "kept until", "Restore", "(in "]);
    for form in ["/suspend", "/terminate", "/password"] {
        assert!(!page.text.contains(&format!("{path}{form}")), "{form}");
    }
    let restore = format!("{path}/restore");
    let version = hidden(&page, "version");
    let bad = admin.send(&lab, &restore, &[("version", &version), ("username", HOSTILE)]).await;
    assert_eq!(bad.status, 422);
    assert_says(&bad, &["is not a username", "value=\"&#34;&#62;&#60;img"]);
    assert_harmless(&bad);
    lab.create(&json!({ "username": "alice", "domain": "other.example", "password": "correct horse", "package": "Starter" }))
        .await
        .data(201);
    let taken = admin.send(&lab, &restore, &[("version", &version)]).await;
    assert_eq!(taken.status, 409, "{}", taken.text);
    assert_says(&taken, &["alice"]);
    let done = admin.send(&lab, &restore, &[("version", &version), ("username", "alicia")]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    assert_eq!(status(&lab, &account).await, "active");
    assert!(lab.agent.account("alicia").is_some());
    assert_eq!(lab.agent.begun("alice"), 3);
}

/// The page of the operation to which an order led.
async fn operation(lab: &Lab, admin: &Browser, ordered: &Reply) -> Reply {
    let to = ordered.header("location");
    assert_eq!((ordered.status, to.starts_with("/operations/")), (303, true), "{}", ordered.text);
    admin.get(lab, to).await
}

#[tokio::test]
async fn what_failed_says_its_operation_and_what_waits_can_be_tried_again() {
    let (lab, admin, path, account) = alice().await;
    let version = hidden(&admin.get(&lab, &path).await, "version");
    lab.agent.script("alice", Behaviour::Fail("site", FailureKind::Failed, "no space left"));
    let failed = admin.send(&lab, &format!("{path}/suspend"), &[("version", &version), ("reason", "x")]).await;
    assert_says(&operation(&lab, &admin, &failed).await, &["no space left", "everything was undone"]);
    lab.agent.script("alice", Behaviour::Attention);
    let version = hidden(&admin.get(&lab, &path).await, "version");
    let waits = admin.send(&lab, &format!("{path}/suspend"), &[("version", &version), ("reason", "x")]).await;
    assert_says(&operation(&lab, &admin, &waits).await, &["neither finished nor undone", "/retry"]);
    let page = admin.get(&lab, &path).await;
    assert_says(&page, &["An operation needs attention", "/retry"]);
    let version = hidden(&page, "version");
    let later = admin.send(&lab, &format!("{path}/suspend"), &[("version", &version), ("reason", "x")]).await;
    assert_eq!(later.status, 500, "it began nothing, so it leads nowhere");
    assert_says(&later, &["could be neither finished nor undone", "/operations/", "Request "]);
    // An order that fails at once leads to its operation as one that takes long does.
    lab.agent.script("bertha", Behaviour::Fail("dns zone", FailureKind::Failed, "no answer"));
    let package = lab.get("/api/packages").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    let wanted = [("username", "bertha"), ("domain", "bertha.example"), ("package_id", &package), ("password", "correct horse")];
    let ordered = admin.send(&lab, "/accounts/new", &wanted).await;
    until("it failed", async || admin.get(&lab, ordered.header("location")).await.text.contains("no answer")).await;
    assert_says(&operation(&lab, &admin, &ordered).await, &["no answer", "everything was undone"]);
    assert_eq!(status(&lab, &account).await, "needs_attention");
    let list = admin.get(&lab, "/accounts").await;
    assert_says(&list, &["needs attention"]);
    lab.advance(Duration::from_secs(1));
}

/// The operations that are there, the newest first.
async fn operations(lab: &Lab) -> Vec<Value> {
    lab.get("/api/operations").await.data(200).as_array().unwrap().clone()
}

#[tokio::test]
async fn an_operation_page_tells_the_whole_story_of_what_failed() {
    let lab = Lab::new().await;
    let admin = Browser::of_person(&lab, "administrator").await;
    assert_says(&admin.get(&lab, "/operations").await, &["Nothing was done yet"]);
    lab.agent.script("alice", Behaviour::Fail("home", FailureKind::Failed, HOSTILE));
    lab.create(&order("alice")).await.problem(502, "provisioning_failed");
    let operation = &operations(&lab).await[0];
    let id = operation["id"].as_str().unwrap();
    let page = admin.get(&lab, &format!("/operations/{id}")).await;
    assert_eq!(page.status, 200);
    assert_says(
        &page,
        &[
            "everything was undone",
            "<strong>preflight</strong> done",
            "<strong>home</strong> failed",
            "<rect x=\"",
            &format!("journalctl -u opterius-agent OPERATION_ID={id}"),
            operation["request_id"].as_str().unwrap(),
            "The order of alice",
            "ref-alice",
            "1 ms",
            "&#60;img src=x onerror=alert(1)&#62;",
        ],
    );
    assert_harmless(&page);
    assert!(!page.text.contains("/retry") && !page.text.contains("sse-connect"), "{}", page.text);
    assert!(!page.text.contains("href=\"/accounts/0"), "what never came to be has no page: {}", page.text);
    let again = format!("/accounts/new?again={id}");
    assert!(page.text.contains(&format!("href=\"{again}\"")), "{}", page.text);
    let form = admin.get(&lab, &again).await;
    assert_says(&form, &["value=\"alice\"", "value=\"alice.example\"", "value=\"ref-alice\""]);
    assert_eq!(admin.get(&lab, "/accounts/new?again=nothing").await.status, 404);
    let reader = Browser::of_person(&lab, "read_only").await;
    assert!(!reader.get(&lab, &format!("/operations/{id}")).await.text.contains("again="));
    assert_eq!(reader.get(&lab, &again).await.status, 403);
    let list = admin.get(&lab, "/operations").await;
    assert_says(&list, &["1 operation", "undone", "alice.example", id]);
    assert_harmless(&list);
    for none in ["x", "0193a5e0-7c1e-7000-8000-000000000000", "%22%3E%3Cimg%20src%3Dx%3E"] {
        for path in [format!("/operations/{none}"), format!("/operations/{none}/events")] {
            let page = admin.get(&lab, &path).await;
            assert_eq!(page.status, 404, "{path}");
            assert_harmless(&page);
        }
    }
    assert_eq!(admin.get(&lab, "/operations?before=x").await.status, 200);
}

#[tokio::test]
async fn an_operation_that_needs_attention_comes_first_and_is_tried_again_or_abandoned() {
    let lab = Lab::new().await;
    let admin = Browser::of_person(&lab, "administrator").await;
    let support = Browser::of_person(&lab, "support").await;
    lab.agent.script("alice", Behaviour::Attention);
    lab.create(&order("alice")).await.problem(500, "needs_attention");
    lab.create(&order("bob")).await.data(201);
    let id = operations(&lab).await[1]["id"].as_str().unwrap().to_owned();
    let list = support.get(&lab, "/operations").await;
    assert_says(&list, &["These need attention", &format!("/operations/{id}/retry"), "2 operations"]);
    let page = support.get(&lab, &format!("/operations/{id}")).await;
    assert_says(&page, &["What is left", "the home of the account", "/retry", "sse-connect"]);
    assert!(!page.text.contains("/abandon"));
    let reader = Browser::of_person(&lab, "read_only").await;
    assert!(!reader.get(&lab, &format!("/operations/{id}")).await.text.contains("/retry"));
    assert_eq!(support.send(&lab, &format!("/operations/{id}/abandon"), &[]).await.status, 403);

    lab.agent.stays_stuck(true);
    let tried = support.send(&lab, &format!("/operations/{id}/retry"), &[]).await;
    assert_eq!((tried.status, tried.header("location")), (303, format!("/operations/{id}").as_str()));
    let done = admin.send(&lab, &format!("/operations/{id}/abandon"), &[]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    until("it is over", async || operations(&lab).await[1]["outcome"] == "rolled_back").await;
    let page = admin.get(&lab, &format!("/operations/{id}")).await;
    assert_says(&page, &["ended it where it stood", "was tried again", "support"]);
    assert!(!admin.get(&lab, "/operations").await.text.contains("These need attention"));
}

#[tokio::test]
async fn a_browser_follows_an_operation_step_by_step_to_its_end() {
    let lab = Lab::new().await;
    let admin = Browser::of_person(&lab, "administrator").await;
    lab.agent.script("alice", Behaviour::Hold);
    let running = lab.call(Method::POST, "/api/accounts").header("prefer", "respond-async").json(&order("alice")).send().await.data(202);
    let path = format!("/operations/{}", running["id"].as_str().unwrap());
    until("it runs", async || lab.agent.begun("alice") == 1).await;
    let page = admin.get(&lab, &path).await;
    assert_says(&page, &["It is going on", "htmx-sse.js", "sse-swap=\"state\"", "sse-close=\"over\"", "<noscript>"]);
    let told = async {
        let reply = admin.get(&lab, &format!("{path}/events")).await;
        assert_eq!(reply.header("content-type"), "text/event-stream");
        reply.text
    };
    let (told, ()) = tokio::join!(told, async {
        lab.agent.step("alice", "linux user");
        until("the step is shown", async || admin.get(&lab, &path).await.text.contains("<strong>linux user</strong> done")).await;
        lab.agent.decide("alice", opterius_protocol::agent::Outcome::Committed);
    });
    assert!(told.matches("event: state").count() >= 2, "{told}");
    assert!(told.ends_with("event: over\ndata: over\n\n"), "{told}");
    let last = told.rsplit("event: state").next().unwrap();
    assert!(last.contains("<strong>verify site</strong> done") && last.contains("href=\"http://alice.example/\""), "{last}");
    let page = admin.get(&lab, &path).await;
    assert_says(&page, &["was seen to work", "href=\"http://alice.example/\"", "/accounts/"]);
    assert!(!page.text.contains("sse-connect"));
    // Of one that is over, the end is told at once.
    let again = admin.get(&lab, &format!("{path}/events")).await.text;
    assert_eq!((again.matches("event: state").count(), again.matches("event: over").count()), (1, 1), "{again}");
}

#[tokio::test]
async fn operations_are_listed_page_by_page() {
    let lab = Lab::new().await;
    let token = lab.whmcs("WHMCS").await;
    for n in 0..52 {
        lab.order_with(&token, &format!("user{n:02}")).await;
    }
    lab.create(&order("zoe")).await.data(201);
    let staff = Browser::of_staff(&lab, &token).await;
    let first = staff.get(&lab, "/operations").await;
    assert_says(&first, &["52 operations", "user51", "?before="]);
    assert!(!first.text.contains("zoe") && !first.text.contains("user01"));
    let next = first.text.split("/operations?before=").nth(1).unwrap().split('"').next().unwrap();
    let second = staff.get(&lab, &format!("/operations?before={next}")).await;
    assert_says(&second, &["user00", "user01", "First page"]);
    assert!(!second.text.contains("user02") && !second.text.contains("?before="));
}

/// The id of the package of this name.
async fn package(lab: &Lab, name: &str) -> String {
    let all = lab.get("/api/packages").await.data(200);
    let found = all.as_array().unwrap().iter().find(|package| package["name"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn another_package_and_own_limits_are_shown_as_a_plan_before_they_are_set() {
    let (lab, admin, path, account) = alice().await;
    lab.post("/api/packages", &json!({ "name": "Large", "disk_mib": 20480 })).await.data(201);
    let (large, starter) = (package(&lab, "Large").await, package(&lab, "Starter").await);
    let page = format!("{path}/package");
    let shown = admin.get(&lab, &page).await;
    assert_says(&shown, &["selected>Starter", "placeholder=\"10240\"", "What would change is shown here first"]);
    assert!(!shown.text.contains("method=\"post\" action=\"/accounts/"), "no button before the plan");
    let planned = admin.get(&lab, &format!("{page}?package_id={large}&databases=7&mailboxes=")).await;
    assert_says(
        &planned,
        &["disk_mib: 10240 to 20480", "package: Starter to Large", "override databases: 7", "name=\"databases\" value=\"7\"", "Change it"],
    );
    assert_eq!(lab.agent.begun("alice"), 1, "a plan does nothing");
    let version = hidden(&planned, "version");
    for (field, value) in [("disk_mib", HOSTILE), ("disk_mib", "-1"), ("files", "99999999999"), ("package_id", HOSTILE)] {
        let mut fields = vec![("version", version.as_str()), (field, value)];
        if field != "package_id" {
            fields.push(("package_id", &large));
        }
        let bad = admin.send(&lab, &page, &fields).await;
        assert_eq!(bad.status, 422, "{field}");
        assert_says(&bad, &["role=\"alert\""]);
        assert_harmless(&bad);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair(field, value).finish();
        let bad = admin.get(&lab, &format!("{page}?{query}")).await;
        assert_eq!(bad.status, 422, "{field}");
        assert_harmless(&bad);
    }
    let done = admin.send(&lab, &page, &[("version", &version), ("package_id", &large), ("databases", "7")]).await;
    assert_eq!((done.status, done.header("location")), (303, path.as_str()), "{}", done.text);
    let now = lab.get(&format!("/api{path}")).await.data(200);
    assert_eq!((&now["package"]["name"], &now["overrides"]), (&json!("Large"), &json!({ "databases": 7 })));
    assert_says(&admin.get(&lab, &path).await, &["Large", "(its own)"]);
    let stale = admin.send(&lab, &page, &[("version", &version), ("package_id", &starter), ("files", "5")]).await;
    assert_eq!(stale.status, 409);
    assert_says(&stale, &["was changed since it was shown", "name=\"files\" inputmode=\"numeric\" value=\"5\""]);

    // Less than is used is in the way, unless it is meant so.
    lab.agent.uses("alice", 15 << 30, 17);
    let planned = admin.get(&lab, &format!("{page}?package_id={starter}")).await;
    assert_says(&planned, &["This is in the way", "15360 MiB are used", "override databases: dropped"]);
    assert!(!planned.text.contains("Change it"), "{}", planned.text);
    let version = hidden(&admin.get(&lab, &path).await, "version");
    let refused = admin.send(&lab, &page, &[("version", &version), ("package_id", &starter)]).await;
    assert_eq!(refused.status, 409);
    assert_says(&refused, &["15360 MiB are used"]);
    let forced = admin.get(&lab, &format!("{page}?package_id={starter}&force=true")).await;
    assert_says(&forced, &["name=\"force\" value=\"true\"", "Change it"]);
    let done = admin.send(&lab, &page, &[("version", &version), ("package_id", &starter), ("force", "true")]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    assert_eq!(status(&lab, &account).await, "active");
    assert_eq!(lab.get(&format!("/api{path}")).await.data(200)["overrides"], json!({}));
    let same = admin.get(&lab, &format!("{page}?package_id={starter}")).await;
    assert_says(&same, &["Nothing would change"]);
    let support = Browser::of_person(&lab, "support").await;
    assert_eq!(support.get(&lab, &page).await.status, 403);
}

#[tokio::test]
async fn an_account_is_checked_while_it_is_typed_planned_and_made_with_its_steps_to_be_seen() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let admin = Browser::of_person(&lab, "administrator").await;
    let starter = package(&lab, "Starter").await;
    let page = admin.get(&lab, "/accounts/new").await;
    assert_says(&page, &["Create the account", "hx-post=\"/accounts/new/checks\"", "formaction=\"/accounts/new/checks\"", ">Starter<"]);
    assert_harmless(&page);
    let password = page.text.split("name=\"password\" type=\"text\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(password.len(), 23);

    let checks = async |fields: &[(&str, &str)], part: bool| {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = lab.call(Method::POST, "/accounts/new/checks").from("198.51.100.7:40000").header("cookie", &admin.cookie);
        let call = call.header("sec-fetch-site", "same-origin").raw("application/x-www-form-urlencoded", form);
        if part { call.header("hx-request", "true").send().await } else { call.send().await }
    };
    let nothing = checks(&[], true).await;
    assert_eq!(nothing.status, 200);
    assert!(!nothing.text.contains("<html"), "{}", nothing.text);
    let taken = checks(&[("username", "alice"), ("domain", "sub.alice.example"), ("package_id", &starter)], true).await;
    assert_says(&taken, &["status-red", "This username is free: alice2", "can be had", "has room"]);
    assert_eq!(taken.text.matches("status-red").count(), 3, "both names, and the password that is missing: {}", taken.text);
    let hostile =
        checks(&[("username", HOSTILE), ("domain", HOSTILE), ("package_id", HOSTILE), ("email", HOSTILE), ("server", HOSTILE)], true).await;
    assert_eq!(hostile.status, 200);
    assert_harmless(&hostile);
    let free =
        [("username", "bob"), ("domain", "bob.example"), ("package_id", starter.as_str()), ("password", password.as_str()), ("email", "")];
    let planned = checks(&free, true).await;
    assert_says(&planned, &["bob: free", "bob.example: free", "This would be done", "bob (bob.example) would be made"]);
    assert!(!planned.text.contains(&password) && !planned.text.contains("status-red"), "{}", planned.text);
    let whole = checks(&free, false).await;
    assert_says(&whole, &["<html", "This would be done", "value=\"bob\"", "value=\"bob.example\"", &password]);
    assert_eq!(lab.agent.begun("bob"), 0);

    for (field, value) in [
        ("username", HOSTILE),
        ("domain", "alice.example"),
        ("email", HOSTILE),
        ("external_ref", HOSTILE),
        ("next_due_on", "x"),
        ("password", "short"),
    ] {
        let mut fields = free.to_vec();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let bad = admin.send(&lab, "/accounts/new", &fields).await;
        assert!(matches!(bad.status, 409 | 422), "{field}: {}", bad.status);
        assert_says(&bad, &["role=\"alert\"", "text-danger"]);
        assert_harmless(&bad);
        assert!(field == "password" || bad.text.contains(&password), "what was typed is there: {field}");
    }
    assert_eq!(lab.agent.begun("bob"), 0);
    lab.agent.script("bob", Behaviour::Hold);
    let begun = admin.send(&lab, "/accounts/new", &free).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let operation = begun.header("location").to_owned();
    assert!(operation.starts_with("/operations/"), "{operation}");
    assert_says(&admin.get(&lab, &operation).await, &["Create · bob", "It is going on"]);
    until("it runs", async || lab.agent.begun("bob") == 1).await;
    lab.agent.decide("bob", opterius_protocol::agent::Outcome::Committed);
    until("it is there", async || admin.get(&lab, &operation).await.text.contains("was seen to work")).await;
    let hash = lab.agent.account("bob").unwrap().password_hash;
    assert!(hash.matches(&opterius_model::Password::parse(password.clone()).unwrap()));
    let support = Browser::of_person(&lab, "support").await;
    for reply in [support.get(&lab, "/accounts/new").await, support.send(&lab, "/accounts/new", &free).await] {
        assert_eq!(reply.status, 403);
    }
}

#[tokio::test]
async fn without_a_package_the_form_says_to_make_one_first() {
    let lab = Lab::bare().await;
    lab.configure().await;
    let admin = Browser::of_person(&lab, "administrator").await;
    assert_says(&admin.get(&lab, "/accounts/new").await, &["Make one first", "href=\"/packages\""]);
}

#[tokio::test]
async fn pages_speak_the_language_of_the_browser() {
    let (lab, admin, path, _) = alice().await;
    let operation = operations(&lab).await[0]["id"].as_str().unwrap().to_owned();
    for (page, says) in [
        ("/accounts", "1 Konto"),
        (path.as_str(), "Datenverkehr"),
        ("/accounts/new", "Das Konto anlegen"),
        (&format!("{path}/package"), "Eigene Grenzen"),
        ("/operations", "1 Vorgang"),
        (&format!("/operations/{operation}"), "funktioniert nachweislich"),
    ] {
        let call = lab.call(Method::GET, page).from("198.51.100.7:40000").header("cookie", &admin.cookie).header("accept-language", "de");
        let reply = call.send().await;
        assert_says(&reply, &["<html lang=\"de\">", says]);
    }
}
