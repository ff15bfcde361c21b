//! `/enter` and `/profile`: the host's people sign in, with a second factor if they want one.

use std::time::Duration;

use http::Method;
use opterius_panel::Panel;
use opterius_protocol::Micros;
use serde_json::json;
use totp_rs::{Builder, Secret};

use crate::support::{Browser, COOKIE, Lab, Reply};

const PASSWORD: &str = "correct: horse & <battery>";
const FROM: &str = "198.51.100.7:40000";

async fn lab() -> Lab {
    let lab = Lab::new().await;
    for (name, role) in [("ada", "administrator"), ("sue", "support"), ("rob", "read_only")] {
        lab.post("/api/administrators", &json!({ "username": name, "password": PASSWORD, "role": role })).await.data(201);
    }
    lab
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

async fn send(lab: &Lab, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let call = lab.call(Method::POST, path).from(FROM).header("sec-fetch-site", "same-origin").header("user-agent", "A browser <b>");
    let call = if cookie.is_empty() { call } else { call.header("cookie", cookie) };
    call.raw("application/x-www-form-urlencoded", form(fields)).send().await
}

async fn enter(lab: &Lab, name: &str) -> Browser {
    Browser::of(&send(lab, "", "/enter", &[("name", name), ("password", PASSWORD)]).await)
}

fn code(secret: &str, later: Duration) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).with_account_name("x").build().unwrap();
    totp.generate(u64::try_from(Micros::now().plus(later).0 / 1_000_000).unwrap()).to_string()
}

fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let from = page.find(before).unwrap_or_else(|| panic!("{before} in {page}")) + before.len();
    &page[from..from + page[from..].find(after).unwrap()]
}

#[tokio::test]
async fn a_name_and_a_password_open_the_pages_until_one_signs_out() {
    let lab = lab().await;
    let page = lab.visit("/enter").await;
    assert!(page.status == 200 && page.text.contains("name=\"password\""));
    let ada = enter(&lab, "ada").await;
    assert_eq!(ada.at, "/");
    let profile = ada.get(&lab, "/profile").await;
    assert_eq!(profile.status, 200, "{}", profile.text);
    assert!(profile.text.contains("Administrator") && profile.text.contains("A browser &#60;b&#62;"), "{}", profile.text);
    assert_eq!(ada.post(&lab, "/sign-out").await.status, 303);
    let away = ada.get(&lab, "/profile").await;
    assert_eq!((away.status, away.header("location")), (303, "/enter"));
    let rows = lab.get("/api/activity?action=administrator.sign_in").await;
    assert_eq!(rows.data(200)[0]["actor"], "administrator:ada");
    assert!(!rows.text.contains(PASSWORD));
}

#[tokio::test]
async fn a_wrong_password_says_no_more_than_that_and_guessing_becomes_slow() {
    let lab = lab().await;
    let wrong = async |name: &str| send(&lab, "", "/enter", &[("name", name), ("password", "wrong & <b>")]).await;
    let (known, unknown) = (wrong("ada").await, wrong("nobody").await);
    assert_eq!((known.status, unknown.status), (401, 401));
    assert_eq!(known.text.replace("value=\"ada\"", ""), unknown.text.replace("value=\"nobody\"", ""));
    assert!(!known.text.contains("wrong & <b>") && known.header("set-cookie").is_empty());
    let hostile = wrong("\"><script>alert(1)</script>").await;
    assert!(!hostile.text.contains("<script>alert"), "{}", hostile.text);
    for _ in 0..5 {
        wrong("ada").await;
    }
    assert_eq!(wrong("ada").await.status, 429);
    // Somebody else's guessing keeps nobody out.
    let elsewhere = lab.call(Method::POST, "/enter").from("203.0.113.50:1").header("sec-fetch-site", "same-origin");
    let elsewhere = elsewhere.raw("application/x-www-form-urlencoded", form(&[("name", "ada"), ("password", PASSWORD)])).send().await;
    assert_eq!(elsewhere.status, 303);
    lab.advance(Duration::from_hours(1));
    enter(&lab, "ada").await;
}

#[tokio::test]
async fn a_form_that_another_site_sends_signs_nobody_in() {
    let lab = lab().await;
    let body = form(&[("name", "ada"), ("password", PASSWORD)]);
    let call = lab.call(Method::POST, "/enter").from(FROM).header("sec-fetch-site", "cross-site");
    let reply = call.raw("application/x-www-form-urlencoded", body).send().await;
    assert_eq!((reply.status, reply.header("set-cookie")), (403, ""));
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    let lab = lab().await;
    let ada = enter(&lab, "ada").await;
    let page = ada.get(&lab, "/profile/second-factor").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("<svg") && !page.text.contains("<?xml"));
    let secret = between(&page.text, "name=\"secret\" value=\"", "\"").to_owned();
    let own = ("own_password", PASSWORD);
    let refused = send(&lab, &ada.cookie, "/profile/second-factor", &[("secret", &secret), ("code", "000000"), own]).await;
    assert!(refused.status == 422 && refused.text.contains(&secret), "the app has this secret already: {}", refused.text);
    let first = code(&secret, Duration::ZERO);
    let set = send(&lab, &ada.cookie, "/profile/second-factor", &[("secret", &secret), ("code", &first), own]).await;
    assert_eq!(set.status, 200, "{}", set.text);
    let recovery: Vec<String> =
        between(&set.text, "id=\"codes\">", "</pre>").lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
    assert_eq!(recovery.len(), 10);

    // The password alone opens nothing but the question for the code.
    let nearly = Browser::of(&send(&lab, "", "/enter", &[("name", "ada"), ("password", PASSWORD)]).await);
    assert_eq!(nearly.at, "/enter");
    assert!(nearly.get(&lab, "/enter").await.text.contains("name=\"code\""));
    assert_eq!(nearly.get(&lab, "/profile").await.status, 303);
    let used = send(&lab, &nearly.cookie, "/enter/code", &[("code", &code(&secret, Duration::ZERO))]).await;
    assert_eq!(used.status, 401, "the code that set it up was used by that");
    lab.advance(Duration::from_secs(30));
    let next = code(&secret, Duration::from_secs(30));
    let inside = Browser::of(&send(&lab, &nearly.cookie, "/enter/code", &[("code", &next)]).await);
    assert_eq!(inside.get(&lab, "/profile").await.status, 200);
    assert_eq!(nearly.get(&lab, "/profile").await.status, 303, "what was nearly a session is over");
    let again = Browser::of(&send(&lab, "", "/enter", &[("name", "ada"), ("password", PASSWORD)]).await);
    assert_eq!(send(&lab, &again.cookie, "/enter/code", &[("code", &next)]).await.status, 401, "no code is good twice");

    // The app is lost.
    let typed = recovery[0].to_uppercase().replace('-', " ");
    let recovered = Browser::of(&send(&lab, &again.cookie, "/enter/code", &[("code", &typed)]).await);
    assert!(recovered.get(&lab, "/profile").await.text.contains("9 recovery codes"));
    let once_more = Browser::of(&send(&lab, "", "/enter", &[("name", "ada"), ("password", PASSWORD)]).await);
    assert_eq!(send(&lab, &once_more.cookie, "/enter/code", &[("code", &typed)]).await.status, 401);
    lab.advance(Duration::from_mins(6));
    let over = send(&lab, &once_more.cookie, "/enter/code", &[("code", &recovery[1])]).await;
    assert!(over.status == 401 && over.text.contains("name=\"password\""), "it took too long");

    // A password that is not enough for the pages opens no route of the API either.
    let value = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("ada:{PASSWORD}")));
    let call = lab.call(Method::GET, "/api/self").from("203.0.113.7:1").header("authorization", &value);
    call.send().await.problem(401, "unauthorized");

    let proof = [own, ("own_code", recovery[2].as_str())];
    assert_eq!(send(&lab, &recovered.cookie, "/profile/second-factor/remove", &proof).await.status, 303);
    assert_eq!(enter(&lab, "ada").await.at, "/");
    assert!(!lab.get("/api/activity?limit=500").await.text.contains(&secret));
}

/// What decides who may sign in.
fn weakens(path: &str) -> bool {
    let of_people = path.starts_with("/people") || path.starts_with("/profile/second-factor");
    of_people || (path.starts_with("/tokens") && path != "/tokens/{id}/revoke")
}

#[tokio::test]
async fn a_browser_that_was_left_open_changes_nothing_of_who_may_sign_in() {
    let lab = lab().await;
    let token = lab.post("/api/tokens", &json!({ "name": "WHMCS", "purpose": "whmcs" })).await.data(201)["id"].as_str().unwrap().to_owned();
    let ada = enter(&lab, "ada").await;
    let done = "SELECT COUNT(*) FROM activity WHERE outcome = 'ok'";
    let before = lab.count(done).await;
    let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let current = code(secret, Duration::ZERO);
    let form = [
        ("name", "eve"),
        ("role", "administrator"),
        ("version", "support"),
        ("confirm", "sue"),
        ("secret", secret),
        ("code", &current),
        ("purpose", "whmcs"),
        ("url", "https://b.example"),
        ("directory", "/x\"><b>"),
    ];
    let mut walked = Vec::new();
    for (method, path, _) in Panel::pages() {
        if method != Method::POST || !weakens(path) {
            continue;
        }
        walked.push(path);
        let target = path.replace("{id}", if path.starts_with("/tokens") { &token } else { "sue" });
        let asked = send(&lab, &ada.cookie, &target, &form).await;
        assert!(asked.status == 422 && asked.text.contains("name=\"own_password\""), "{path}: {}", asked.text);
        assert!(asked.text.contains(&format!("action=\"{target}\"")), "{}", asked.text);
        assert!(
            asked.text.contains("name=\"directory\" value=\"/x&#34;&#62;&#60;b&#62;\""),
            "what was typed is sent once more: {}",
            asked.text
        );
        for proof in
            [vec![("own_password", "")], vec![("own_code", "123456")], vec![("own_password", PASSWORD), ("own_password", PASSWORD)]]
        {
            let fields: Vec<_> = form.iter().copied().chain(proof).collect();
            assert_eq!(send(&lab, &ada.cookie, &target, &fields).await.status, 422, "{path}");
        }
    }
    assert_eq!(walked.len(), 10, "{walked:?}");
    assert_eq!(lab.count(done).await, before);

    // Guessing becomes slow, as at the sign-in.
    let guess = async || send(&lab, &ada.cookie, "/people", &[("name", "eve"), ("role", "support"), ("own_password", "wrong & <b>")]).await;
    for _ in 0..6 {
        let wrong = guess().await;
        assert!(wrong.status == 422 && wrong.text.contains("not the password that you sign in with"), "{}", wrong.text);
        assert!(!wrong.text.contains("wrong &"), "{}", wrong.text);
    }
    let slow = guess().await;
    assert_eq!((slow.status, slow.header("retry-after").is_empty()), (429, false), "{}", slow.text);
    assert_eq!(lab.count(done).await, before);
    lab.advance(Duration::from_mins(1));
    let made = send(&lab, &ada.cookie, "/people", &[("name", "eve"), ("role", "support"), ("own_password", PASSWORD)]).await;
    assert_eq!(made.status, 200, "{}", made.text);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_again_and_other_sessions_end_with_it() {
    let lab = lab().await;
    let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let (ada, other) = (enter(&lab, "ada").await, enter(&lab, "ada").await);
    let own = ("own_password", PASSWORD);
    let set = send(&lab, &ada.cookie, "/profile/second-factor", &[("secret", secret), ("code", &code(secret, Duration::ZERO)), own]).await;
    assert_eq!(set.status, 200, "{}", set.text);
    assert_eq!((ada.get(&lab, "/profile").await.status, other.get(&lab, "/profile").await.status), (200, 303));

    lab.advance(Duration::from_secs(30));
    let next = code(secret, Duration::from_secs(30));
    let remove = "/profile/second-factor/remove";
    for proof in [vec![own], vec![own, ("own_code", "000000")], vec![("own_password", "wrong"), ("own_code", &next)]] {
        let refused = send(&lab, &ada.cookie, remove, &proof).await;
        assert!(refused.status == 422 && refused.text.contains("name=\"own_code\""), "{}", refused.text);
    }
    let made = send(&lab, &ada.cookie, "/tokens", &[("name", "x"), ("purpose", "whmcs"), own, ("own_code", &next)]).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let again = send(&lab, &ada.cookie, remove, &[own, ("own_code", &next)]).await;
    assert_eq!(again.status, 422, "no code is good twice");
    lab.advance(Duration::from_secs(30));
    let last = code(secret, Duration::from_mins(1));
    assert_eq!(send(&lab, &ada.cookie, remove, &[own, ("own_code", &last)]).await.status, 303);
    assert_eq!(ada.get(&lab, "/profile").await.status, 200);
    assert_eq!(enter(&lab, "ada").await.at, "/");

    // Another administrator takes somebody's away, who is signed out by that.
    let sue = enter(&lab, "sue").await;
    assert_eq!(send(&lab, &ada.cookie, "/people/sue/second-factor/remove", &[own]).await.status, 303);
    assert_eq!((sue.get(&lab, "/profile").await.status, ada.get(&lab, "/profile").await.status), (303, 200));
}

#[tokio::test]
async fn root_takes_away_the_second_factor_of_somebody_who_has_lost_it() {
    let lab = lab().await;
    let ada = enter(&lab, "ada").await;
    let pool = lab.sql().await;
    sqlx::query("UPDATE administrator SET totp_secret = 'JBSWY3DPEHPK3PXP' WHERE username = 'ada'").execute(&pool).await.unwrap();
    pool.close().await;
    assert_eq!(enter(&lab, "ada").await.at, "/enter");
    assert_eq!(lab.delete("/api/administrators/ada/second-factor").await.status, 204);
    assert_eq!(ada.get(&lab, "/profile").await.status, 303, "what was open is over");
    assert_eq!(enter(&lab, "ada").await.at, "/");
    let rows = lab.get("/api/activity?action=administrator.second_factor").await.data(200);
    assert_eq!((&rows[0]["actor"], &rows[0]["outcome"]), (&json!("administrator"), &json!("ok")));
    lab.delete("/api/administrators/nobody/second-factor").await.problem(404, "not_found");
}

#[tokio::test]
async fn sessions_are_listed_and_each_can_be_ended() {
    let lab = lab().await;
    let (one, other, sue) = (enter(&lab, "ada").await, enter(&lab, "ada").await, enter(&lab, "sue").await);
    let page = one.get(&lab, "/profile").await.text;
    let end = between(&page, "action=\"/profile/sessions/", "/end\"").to_owned();
    let path = format!("/profile/sessions/{end}/end");
    assert_eq!(sue.post(&lab, &path).await.status, 303);
    assert_eq!(other.get(&lab, "/profile").await.status, 200, "somebody else's session is not theirs to end");
    assert_eq!(one.post(&lab, &path).await.status, 303);
    assert_eq!(other.get(&lab, "/profile").await.status, 303);
    assert_eq!(one.get(&lab, "/profile").await.status, 200);
    lab.put("/api/administrators/ada/password", &json!({ "password": "another good one" })).await;
    assert_eq!(one.get(&lab, "/profile").await.status, 303, "another password ends what was opened before it");
    let sue_late = enter(&lab, "sue").await;
    lab.advance(Duration::from_hours(13));
    assert_eq!(sue_late.get(&lab, "/profile").await.status, 303, "a working day is over");
}

#[tokio::test]
async fn the_pages_speak_the_language_that_was_chosen_or_asked_for() {
    let lab = lab().await;
    let german = lab.call(Method::GET, "/enter").from(FROM).header("accept-language", "de-AT, en;q=0.5").send().await;
    assert!(german.text.contains("lang=\"de\"") && german.text.contains("Kennwort"));
    let ada = enter(&lab, "ada").await;
    assert!(ada.get(&lab, "/profile").await.text.contains("lang=\"en\""));
    assert_eq!(send(&lab, &ada.cookie, "/profile/language", &[("language", "de")]).await.status, 303);
    assert!(ada.get(&lab, "/profile").await.text.contains("lang=\"de\""));
    assert_eq!(send(&lab, &ada.cookie, "/profile/language", &[("language", "xx")]).await.status, 303);
    assert!(ada.get(&lab, "/profile").await.text.contains("lang=\"en\""), "a language that there is none of is no choice");
}

#[tokio::test]
async fn roles_decide_what_is_in_the_menu() {
    let lab = lab().await;
    for (name, sees, sees_not) in [
        ("ada", vec!["/tokens", "/settings", "/people"], vec![]),
        ("sue", vec!["/accounts", "/activity", "/operations"], vec![]),
        ("rob", vec!["/accounts", "/activity"], vec![]),
    ] {
        let page = enter(&lab, name).await.get(&lab, "/profile").await.text;
        for path in sees {
            assert!(page.contains(&format!("href=\"{path}\"")), "{name} {path}");
        }
        for path in sees_not as Vec<&str> {
            assert!(!page.contains(&format!("href=\"{path}\"")), "{name} {path}");
        }
    }
    let token = lab.whmcs("WHMCS").await;
    let staff = Browser::of_staff(&lab, &token).await;
    assert_eq!(staff.get(&lab, "/profile").await.status, 404, "the staff of a token have no page of their own");
    assert!(staff.cookie.starts_with(COOKIE));
}
