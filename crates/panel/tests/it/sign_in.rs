//! Signing in with a link, and what ends it.

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use opterius_protocol::Micros;
use serde_json::json;

use crate::support::{Browser, COOKIE, Lab, order, path_of, until};

/// Two WHMCS, each with an account.
async fn two() -> (Lab, String, String) {
    let lab = Lab::new().await;
    let (one, other) = (lab.whmcs("one").await, lab.whmcs("other").await);
    lab.order_with(&one, "alice").await;
    lab.order_with(&other, "bob").await;
    (lab, one, other)
}

fn account(browser: &Browser) -> String {
    browser.at.split('#').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_opens_the_page_of_its_account_once() {
    let (lab, token, _) = two().await;
    let id = lab.get("/api/accounts?username=alice").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    let before = Micros::now().0;
    let make = lab.call(Method::POST, "/api/accounts/ref:ref-alice/sign-in").token(&token).json(&json!({ "target": "usage" }));
    let made = make.send().await;
    assert_eq!(made.header("cache-control"), "no-store");
    let link = made.data(201);
    let expires_at = link["expires_at"].as_i64().unwrap();
    assert!((before + 60_000_000..before + 70_000_000).contains(&expires_at), "{expires_at}");
    let path = path_of(&link);
    assert_eq!(path.len(), "/sign-in/".len() + 43);
    let used = lab.visit(&path).await;
    let browser = Browser::of(&used);
    assert_eq!(browser.at, format!("/account/{id}#usage"));
    let attributes: Vec<&str> = used.header("set-cookie").split("; ").skip(1).collect();
    assert_eq!(attributes, ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=1800"]);
    assert_eq!((used.header("cache-control"), used.header("referrer-policy")), ("no-store", "no-referrer"));
    let page = browser.get(&lab, &account(&browser)).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<h1>alice.example</h1>"), "{}", page.text);
    for _ in 0..2 {
        let again = lab.visit(&path).await;
        assert_eq!((again.status, again.header("set-cookie")), (410, ""));
        assert!(again.text.contains("makes a new link"), "it says what to do: {}", again.text);
    }
    assert_eq!(browser.get(&lab, &account(&browser)).await.status, 200, "the one who was first stays signed in");
}

#[tokio::test]
async fn a_link_is_good_for_a_minute_and_a_session_for_half_an_hour() {
    let (lab, token, _) = two().await;
    let (early, late) = (lab.customer_link(&token, "alice").await, lab.customer_link(&token, "alice").await);
    lab.advance(Duration::from_secs(50));
    let browser = Browser::of(&lab.visit(&early).await);
    lab.advance(Duration::from_secs(11));
    assert_eq!(lab.visit(&late).await.status, 410);
    lab.advance(Duration::from_mins(28));
    assert_eq!(browser.get(&lab, &account(&browser)).await.status, 200);
    lab.advance(Duration::from_mins(2));
    let over = browser.get(&lab, &account(&browser)).await;
    assert_eq!(over.status, 403);
    assert!(over.text.contains("You are not signed in"), "{}", over.text);
    // What is over is forgotten when the next link is made.
    lab.customer_link(&token, "alice").await;
    assert_eq!(lab.count("SELECT COUNT(*) FROM session").await, 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM sign_in").await, 1);
}

#[tokio::test]
async fn who_only_looks_ahead_uses_no_link() {
    let (lab, token, _) = two().await;
    let link = lab.customer_link(&token, "alice").await;
    let head = lab.call(Method::HEAD, &link).from("198.51.100.7:1").send().await;
    assert_eq!((head.status, head.header("set-cookie")), (204, ""));
    for (name, value) in
        [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")]
    {
        let ahead = lab.call(Method::GET, &link).from("198.51.100.7:1").header(name, value).send().await;
        assert_eq!((ahead.status, ahead.header("set-cookie")), (503, ""), "{name}: {value}");
    }
    Browser::of(&lab.visit(&link).await);
}

#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_is_signed_in() {
    let (lab, token, _) = two().await;
    let link = lab.customer_link(&token, "alice").await;
    let mut statuses: Vec<u16> = join_all((0..16).map(|_| lab.visit(&link))).await.into_iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (303, [410; 15].as_slice()));
    assert_eq!(lab.count("SELECT COUNT(*) FROM session").await, 1);
}

#[tokio::test]
async fn a_code_that_nobody_made_opens_nothing() {
    let (lab, token, _) = two().await;
    let link = lab.customer_link(&token, "alice").await;
    for code in ["x", "%00", "%ff", &"A".repeat(43), &"a".repeat(5000), &link["/sign-in/".len()..link.len() - 1]] {
        assert_eq!(lab.visit(&format!("/sign-in/{code}")).await.status, 410, "{code}");
    }
    // The hash that the database has is no code.
    let hash: String = {
        let pool = lab.sql().await;
        let hash = sqlx::query_scalar("SELECT hash FROM sign_in").fetch_one(&pool).await.unwrap();
        pool.close().await;
        hash
    };
    assert_eq!(lab.visit(&format!("/sign-in/{hash}")).await.status, 410);
    Browser::of(&lab.visit(&link).await);
}

#[tokio::test]
async fn a_customer_sees_one_account_and_others_look_as_if_they_were_not_there() {
    let (lab, token, _) = two().await;
    let neighbour = lab.order_with(&token, "carol").await;
    let browser = Browser::of_customer(&lab, &token, "alice").await;
    let nowhere = "0193a5e0-7c1e-7000-8000-000000000000";
    let missing = browser.get(&lab, &format!("/account/{nowhere}")).await;
    assert_eq!(missing.status, 404);
    for path in [format!("/account/{}", neighbour["id"].as_str().unwrap()), "/accounts".to_owned(), "/account/x".to_owned()] {
        let other = browser.get(&lab, &path).await;
        assert_eq!((other.status, &other.text), (404, &missing.text), "{path}");
    }
    assert_eq!(browser.get(&lab, &account(&browser)).await.status, 200);
}

#[tokio::test]
async fn a_cookie_opens_no_route_of_the_api() {
    let (lab, token, _) = two().await;
    let browsers = [Browser::of_customer(&lab, &token, "alice").await, Browser::of_staff(&lab, &token).await];
    let document = lab.get("/api/openapi.json").await.json();
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"] == json!([{}]) {
                continue;
            }
            let target = path.replace("{id}", "ref:ref-alice").replace("{username}", "nobody");
            for browser in &browsers {
                let secret = browser.cookie.split_once('=').unwrap().1;
                let call = || lab.call(method.to_uppercase().parse().unwrap(), &target).from("198.51.100.7:1");
                call().header("cookie", &browser.cookie).header("sec-fetch-site", "same-origin").send().await.problem(401, "unauthorized");
                // Nor is its value a token.
                call().header("authorization", &format!("Bearer {secret}")).send().await.problem(401, "unauthorized");
                walked += 1;
            }
        }
    }
    assert!(walked > 50);
}

#[tokio::test]
async fn a_session_ends_with_the_password_the_account_the_token_and_by_signing_out() {
    let (lab, token, other) = two().await;
    let other_id = lab.get("/api/tokens").await.data(200)[1]["id"].as_str().unwrap().to_owned();
    let is_in = async |browser: &Browser| browser.get(&lab, &account(browser)).await.status == 200;
    let one = Browser::of_customer(&lab, &token, "alice").await;
    let two = Browser::of_customer(&lab, &token, "alice").await;
    let pending = lab.customer_link(&token, "alice").await;
    let bob = Browser::of_customer(&lab, &other, "bob").await;
    let staff = Browser::of_staff(&lab, &other).await;

    // By signing out, and nobody else's.
    let left = one.post(&lab, "/sign-out").await;
    assert_eq!((left.status, left.header("location")), (303, "/signed-out"));
    assert!(left.header("set-cookie").starts_with(&format!("{COOKIE}=; ")) && left.header("set-cookie").ends_with("Max-Age=0"));
    assert!(lab.visit("/signed-out").await.text.contains("You are signed out"));
    assert!(!is_in(&one).await && is_in(&two).await && is_in(&bob).await);

    // With the password, and with it what could still have been used; not by other changes.
    lab.post("/api/accounts/ref:whmcs-none/repair", &json!({})).await.problem(404, "not_found");
    let path = "/api/accounts/ref:ref-alice";
    let change =
        |method: Method, rest: &str, body: serde_json::Value| lab.call(method, &format!("{path}{rest}")).token(&token).json(&body).send();
    change(Method::POST, "/suspend", json!({ "reason": "overdue" })).await.data(200);
    change(Method::POST, "/unsuspend", json!({})).await.data(200);
    assert!(is_in(&two).await);
    change(Method::PUT, "/password", json!({ "password": "battery staple" })).await.data(200);
    assert!(!is_in(&two).await && is_in(&bob).await);
    assert_eq!(lab.visit(&pending).await.status, 410);

    // With the account, also once it is back.
    let three = Browser::of_customer(&lab, &token, "alice").await;
    let pending = lab.customer_link(&token, "alice").await;
    change(Method::DELETE, "", json!({})).await.data(200);
    assert!(!is_in(&three).await);
    assert_eq!(lab.visit(&pending).await.status, 410);
    change(Method::POST, "/restore", json!({})).await.data(200);
    assert!(!is_in(&three).await);
    assert_eq!(lab.visit(&pending).await.status, 410);

    // With the token.
    let pending = lab.customer_link(&other, "bob").await;
    assert_eq!(staff.get(&lab, "/accounts").await.status, 200);
    assert_eq!(lab.delete(&format!("/api/tokens/{other_id}")).await.status, 204);
    assert!(!is_in(&bob).await);
    assert_eq!(staff.get(&lab, "/accounts").await.status, 303);
    assert_eq!(lab.visit(&pending).await.status, 410);
    assert_eq!(lab.count("SELECT COUNT(*) FROM session").await, 0);
}

#[tokio::test]
async fn a_session_ends_with_a_password_that_only_the_server_knew_of() {
    let mut lab = Lab::new().await;
    let token = lab.whmcs("one").await;
    lab.order_with(&token, "alice").await;
    let browser = Browser::of_customer(&lab, &token, "alice").await;
    lab.back_up().await;
    let password = json!({ "password": "battery staple" });
    lab.call(Method::PUT, "/api/accounts/ref:ref-alice/password").token(&token).json(&password).send().await.data(200);
    lab.restore_backup().await;
    until("the Panel has taken over what the server knows", async || browser.get(&lab, &account(&browser)).await.status == 403).await;
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    let (lab, token, _) = two().await;
    let first = Browser::of_customer(&lab, &token, "alice").await;
    let link = lab.customer_link(&token, "alice").await;
    let again = lab.call(Method::GET, &link).from("198.51.100.7:1").header("cookie", &first.cookie).send().await;
    let second = Browser::of(&again);
    assert_eq!(first.get(&lab, &account(&first)).await.status, 403);
    assert_eq!(second.get(&lab, &account(&second)).await.status, 200);
}

#[tokio::test]
async fn only_who_may_makes_links_and_only_for_what_they_see() {
    let (lab, token, other) = two().await;
    let sign_in = |token: &str, path: &str, body: serde_json::Value| lab.call(Method::POST, path).token(token).json(&body).send();
    sign_in(&other, "/api/accounts/ref:ref-alice/sign-in", json!({})).await.problem(404, "not_found");
    let id = lab.get("/api/accounts?username=alice").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    sign_in(&other, &format!("/api/accounts/{id}/sign-in"), json!({})).await.problem(404, "not_found");
    let all_but = |scope: &str| {
        let scopes = ["self.read", "self.sign_in", "accounts.read", "accounts.password", "accounts.sign_in"];
        json!({ "name": scope, "scopes": scopes.into_iter().filter(|one| *one != scope).collect::<Vec<_>>() })
    };
    let no_customers = lab.token(&all_but("accounts.sign_in")).await;
    sign_in(&no_customers, &format!("/api/accounts/{id}/sign-in"), json!({})).await.problem(403, "forbidden");
    let no_staff = lab.token(&all_but("self.sign_in")).await;
    sign_in(&no_staff, "/api/self/sign-in", json!({})).await.problem(403, "forbidden");
    for body in [json!({ "target": "shell" }), json!({ "target": "" }), json!({ "target": 5 }), json!({ "goal": "usage" })] {
        let problem = sign_in(&token, "/api/accounts/ref:ref-alice/sign-in", body).await.problem(422, "invalid_request");
        assert!(problem["field"] == "target" || problem["field"] == "goal", "{problem}");
    }
    sign_in(&token, "/api/self/sign-in", json!({ "target": "usage" })).await.problem(422, "invalid_request");
    lab.call(Method::DELETE, "/api/accounts/ref:ref-alice").token(&token).send().await.data(200);
    sign_in(&token, "/api/accounts/ref:ref-alice/sign-in", json!({})).await.problem(410, "account_gone");
    assert_eq!(lab.count("SELECT COUNT(*) FROM sign_in").await, 0);

    // Staff see through a token what the token sees, and nothing if it does not look.
    let blind = lab.token(&all_but("accounts.read")).await;
    let staff = Browser::of_staff(&lab, &blind).await;
    let bob = lab.get("/api/accounts?username=bob").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    for path in ["/accounts".to_owned(), format!("/account/{bob}")] {
        let page = staff.get(&lab, &path).await;
        assert_eq!(page.status, 403);
        assert!(page.text.contains("accounts.read") && !page.text.contains("bob"), "{}", page.text);
    }
}

#[tokio::test]
async fn links_and_their_use_are_in_the_activity_without_what_opens_them() {
    let (lab, token, _) = two().await;
    let link = lab.customer_link(&token, "alice").await;
    let browser = Browser::of(&lab.visit(&link).await);
    let staff = Browser::of_staff(&lab, &token).await;
    let id = account(&browser)["/account/".len()..].to_owned();
    let rows = async |action: &str| lab.get(&format!("/api/activity?action={action}")).await.data(200).as_array().unwrap().clone();
    let made = rows("account.sign_in").await;
    assert_eq!((made.len(), &made[0]["actor"], &made[0]["account_id"]), (1, &json!("token:one"), &json!(id)));
    let used = rows("account.sign_in.used").await;
    assert_eq!((used.len(), &used[0]["actor"], &used[0]["account_id"]), (1, &json!("address:198.51.100.7"), &json!(id)));
    assert!(used[0]["detail"].as_str().unwrap().contains("alice.example"), "{used:?}");
    assert_eq!((rows("self.sign_in").await.len(), rows("self.sign_in.used").await.len()), (1, 1));
    let all = lab.get("/api/activity?limit=500").await.text;
    for secret in [&link["/sign-in/".len()..], browser.cookie.split_once('=').unwrap().1, staff.cookie.split_once('=').unwrap().1] {
        assert!(!all.contains(secret));
    }
    let refused = lab.visit(&link).await;
    assert_eq!(refused.status, 410);
    assert_eq!(rows("account.sign_in.used").await.len(), 1);
}

#[tokio::test]
async fn nobody_is_signed_out_by_another_site() {
    let (lab, token, _) = two().await;
    let browser = Browser::of_customer(&lab, &token, "alice").await;
    let lines: [&[(&str, &str)]; 4] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("host", "panel.hoster.example:8443"), ("origin", "https://evil.example")],
    ];
    for headers in lines {
        let mut call = lab.call(Method::POST, "/sign-out").from("198.51.100.7:1").header("cookie", &browser.cookie);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let refused = call.send().await;
        assert_eq!((refused.status, refused.header("set-cookie")), (403, ""), "{headers:?}");
    }
    assert_eq!(browser.get(&lab, &account(&browser)).await.status, 200);
}

#[tokio::test]
async fn the_administrator_of_the_machine_may_do_it_too() {
    let lab = Lab::new().await;
    lab.create(&order("alice")).await.data(201);
    let link = lab.post("/api/accounts/ref:ref-alice/sign-in", &json!({})).await.data(201);
    let browser = Browser::of(&lab.visit(&path_of(&link)).await);
    assert_eq!(browser.get(&lab, &account(&browser)).await.status, 200);
    let link = lab.post("/api/self/sign-in", &json!({})).await.data(201);
    let staff = Browser::of(&lab.visit(&path_of(&link)).await);
    assert!(staff.get(&lab, &staff.at).await.text.contains("alice.example"));
}

#[tokio::test]
async fn a_link_leads_to_where_the_caller_reached_the_panel() {
    let (lab, own, _) = two().await;
    let url = async |host: &str| {
        let call = lab.call(Method::POST, "/api/self/sign-in").token(&own);
        let call = if host.is_empty() { call } else { call.header("host", host) };
        call.json(&json!({})).send().await.data(201)["url"].as_str().unwrap().to_owned()
    };
    assert!(url("203.0.113.9:9443").await.starts_with("https://203.0.113.9:9443/sign-in/"));
    assert!(url("[2001:db8::1]:8443").await.starts_with("https://[2001:db8::1]:8443/sign-in/"));
    // What is no name of a host is not believed.
    for bad in ["", "a@evil.example", "evil.example/path", "a b"] {
        assert!(url(bad).await.starts_with("https://panel.hoster.example:8443/sign-in/"), "{bad}");
    }
    let local = lab.post("/api/self/sign-in", &json!({})).await.data(201)["url"].as_str().unwrap().to_owned();
    assert!(local.starts_with("https://panel.hoster.example:8443/sign-in/"));
}
