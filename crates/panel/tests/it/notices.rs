//! What staff are told by mail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use opterius_protocol::agent::Outcome;
use serde_json::{Value, json};

use crate::support::{Behaviour, Browser, Lab, Secured, Sink, Taken, order, until};

const MINUTE: Duration = Duration::from_mins(1);

const PASSWORD: &str = "geheim & \"streng\" 7";

/// What tells a mail server on this port.
fn server(port: u16) -> Value {
    json!({
        "host": "127.0.0.1", "port": port, "encryption": "none", "sender": "panel@hoster.example",
        "recipients": ["ops@hoster.example", "night@hoster.example"],
    })
}

/// A Panel whose notices go to a mail server that takes them.
async fn told() -> (Lab, Sink) {
    let (lab, sink) = (Lab::new().await, Sink::start(Secured::Never).await);
    lab.put("/api/settings/mail", &server(sink.port)).await.data(200);
    (lab, sink)
}

/// An operation that needs attention, by its id.
async fn attention(lab: &Lab, username: &str) -> String {
    lab.agent.script(username, Behaviour::Attention);
    let problem = lab.create(&order(username)).await.problem(500, "needs_attention");
    problem["operation_id"].as_str().unwrap().to_owned()
}

/// The mails, once there are so many.
async fn mails(sink: &Sink, count: usize) -> Vec<Taken> {
    until("the mails are there", async || sink.taken().len() >= count).await;
    assert_eq!(sink.taken().len(), count, "{:#?}", sink.taken());
    sink.taken()
}

async fn notices(lab: &Lab, state: &str) -> i64 {
    let pool = lab.sql().await;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM notice WHERE state = $1").bind(state).fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

/// Waits until what came of so many tries is put down.
async fn tried(lab: &Lab, times: i64) {
    until("it was tried", async || lab.count("SELECT COALESCE(SUM(tries), 0) FROM notice").await == times).await;
}

/// Long enough for what could be sent to be sent.
async fn a_while(lab: &Lab) {
    let asked = lab.agent.asked_for_health();
    until("some time is over", async || lab.agent.asked_for_health() > asked + 10).await;
}

#[tokio::test]
async fn an_operation_that_needs_attention_is_told_once_with_all_that_helps() {
    let (lab, sink) = told().await;
    let id = attention(&lab, "alice").await;
    let mail = mails(&sink, 1).await.remove(0);
    assert_eq!((mail.from.as_str(), mail.to.len()), ("panel@hoster.example", 2));
    for line in [
        "Subject: [Opterius panel.hoster.example] Create: alice (alice.example) needs attention",
        "From: Opterius <panel@hoster.example>",
        "To: ops@hoster.example, night@hoster.example",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "@panel.hoster.example>",
        "Date: ",
    ] {
        assert!(mail.head.contains(line), "{line}: {}", mail.head);
    }
    let link = format!("https://panel.hoster.example:8443/operations/{id}\n");
    for text in ["Left on the server: the home of the account", " UTC\n", &link, &format!("Operation {id}"), ":8443/settings/mail"] {
        assert!(mail.body.contains(text), "{text}: {}", mail.body);
    }
    let error = lab.get(&format!("/api/operations/{id}")).await.data(200)["error"].clone();
    for what in ["detail", "hint"] {
        assert!(mail.body.contains(error[what].as_str().unwrap()), "{what}: {}", mail.body);
    }
    lab.agent.stays_stuck(true);
    lab.post(&format!("/api/operations/{id}/retry"), &json!({})).await;
    lab.agent.decide("alice", Outcome::Committed);
    until("it is over", async || lab.get(&format!("/api/operations/{id}")).await.data(200)["outcome"] == "committed").await;
    a_while(&lab).await;
    mails(&sink, 1).await;
    assert_eq!(notices(&lab, "sent").await, 1);
}

#[tokio::test]
async fn nothing_is_queued_without_a_mail_server() {
    let lab = Lab::new().await;
    attention(&lab, "alice").await;
    lab.agent.stop().await;
    until("it is seen", async || lab.get("/api/servers/default").await.data(200)["reachable"] == false).await;
    lab.advance(6 * MINUTE);
    lab.get("/api/settings/mail").await.problem(404, "not_found");
    assert_eq!(lab.count("SELECT COUNT(*) FROM notice").await, 0);
}

#[tokio::test]
async fn what_is_refused_is_tried_again_with_pauses_and_several_wait_for_one_mail() {
    let (lab, sink) = told().await;
    sink.refuse(Some("451 4.3.0 come back later"));
    attention(&lab, "alice").await;
    tried(&lab, 1).await;
    a_while(&lab).await;
    assert_eq!((sink.tries(), notices(&lab, "waiting").await), (1, 1), "not before a minute is over");
    let host = Browser::of_person(&lab, "administrator").await;
    let page = host.get(&lab, "/settings/mail").await.text;
    assert!(page.contains("451 4.3.0 come back later") && page.contains(">waits<"), "{page}");
    lab.advance(MINUTE);
    tried(&lab, 2).await;
    lab.advance(MINUTE);
    a_while(&lab).await;
    assert_eq!(sink.tries(), 2, "two minutes this time");
    attention(&lab, "bob").await;
    tried(&lab, 3).await;
    sink.refuse(None);
    lab.advance(2 * MINUTE);
    let mail = mails(&sink, 1).await.remove(0);
    assert!(mail.head.contains("Subject: [Opterius panel.hoster.example] 2 notices"), "{}", mail.head);
    for text in ["alice (alice.example) needs attention", "bob (bob.example) needs attention"] {
        assert!(mail.body.contains(text), "{}", mail.body);
    }
    until("both are put down", async || notices(&lab, "sent").await == 2).await;
    assert!(host.get(&lab, "/settings/mail").await.text.contains(">sent<"));
}

#[tokio::test]
async fn after_a_day_it_is_given_up_and_the_activity_says_so() {
    let (lab, sink) = told().await;
    sink.refuse(Some("554 5.7.1 we do not like you"));
    attention(&lab, "alice").await;
    tried(&lab, 1).await;
    lab.advance(Duration::from_hours(25));
    until("it is given up", async || notices(&lab, "given_up").await == 1).await;
    let row = lab.get("/api/activity?action=notice.given_up").await.data(200)[0].clone();
    let detail = row["detail"].as_str().unwrap();
    assert!(detail.contains("alice (alice.example) needs attention") && detail.contains("554 5.7.1 we do not like you"), "{detail}");
    assert_eq!((&row["outcome"], &row["actor"]), (&json!("failed"), &json!("panel")));
    let tries = sink.tries();
    lab.advance(Duration::from_hours(2));
    a_while(&lab).await;
    assert_eq!(sink.tries(), tries);
    let host = Browser::of_person(&lab, "administrator").await;
    assert!(host.get(&lab, "/settings/mail").await.text.contains(">given up<"));
}

#[tokio::test]
async fn another_panel_sends_what_an_earlier_one_queued_and_nothing_twice() {
    let (mut lab, sink) = told().await;
    attention(&lab, "alice").await;
    mails(&sink, 1).await;
    until("it is put down", async || notices(&lab, "sent").await == 1).await;
    sink.refuse(Some("421 4.3.2 stopping"));
    lab.advance(MINUTE);
    attention(&lab, "bob").await;
    tried(&lab, 2).await;
    lab.crash().await;
    sink.refuse(None);
    lab.start().await;
    lab.advance(2 * MINUTE);
    let mail = mails(&sink, 2).await.remove(1);
    assert!(mail.head.contains("bob (bob.example) needs attention") && !mail.body.contains("alice"), "{}", mail.body);
    a_while(&lab).await;
    mails(&sink, 2).await;
}

#[tokio::test]
async fn a_silent_server_is_told_after_five_minutes_and_once_it_answers_again() {
    let (mut lab, sink) = told().await;
    until("it answers", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    let silent = async |lab: &Lab, silent: bool| {
        until("it is seen", async || lab.get("/api/servers/default").await.data(200)["reachable"] == !silent).await;
    };
    lab.agent.stop().await;
    silent(&lab, true).await;
    lab.advance(4 * MINUTE);
    lab.agent.listen();
    silent(&lab, false).await;
    lab.agent.stop().await;
    silent(&lab, true).await;
    lab.advance(4 * MINUTE);
    assert_eq!(lab.count("SELECT COUNT(*) FROM notice").await, 0, "too short");
    lab.advance(MINUTE);
    let mail = mails(&sink, 1).await.remove(0);
    assert!(mail.head.contains("The server default does not answer"), "{}", mail.head);
    for text in ["has not answered since 20", "systemctl status opterius-agent", "https://panel.hoster.example:8443/servers\n"] {
        assert!(mail.body.contains(text), "{text}: {}", mail.body);
    }
    // Another Panel knows that it was told.
    until("it is put down", async || notices(&lab, "sent").await == 1).await;
    lab.crash().await;
    lab.start().await;
    silent(&lab, true).await;
    lab.advance(10 * MINUTE);
    lab.agent.listen();
    let mail = mails(&sink, 2).await.remove(1);
    assert!(mail.head.contains("The server default answers again") && mail.body.contains("had not answered since 20"), "{}", mail.body);
}

#[tokio::test]
async fn drift_is_gathered_for_ten_minutes_and_told_in_one_mail() {
    let (lab, sink) = told().await;
    let alice = lab.create(&order("alice")).await.data(201)["id"].as_str().unwrap().to_owned();
    for username in ["bob", "carol"] {
        lab.create(&order(username)).await.data(201);
    }
    lab.agent.damage("alice", "public_html would get mode 2750");
    until("it is queued", async || notices(&lab, "waiting").await == 1).await;
    lab.advance(8 * MINUTE);
    lab.agent.damage("bob", "tmp would be made");
    until("it is queued", async || notices(&lab, "waiting").await == 2).await;
    a_while(&lab).await;
    assert_eq!(sink.taken().len(), 0);
    lab.advance(2 * MINUTE);
    let mail = mails(&sink, 1).await.remove(0);
    assert!(mail.head.contains("2 accounts are or were not as they should be"), "{}", mail.head);
    let link = format!("https://panel.hoster.example:8443/accounts/{alice}\n");
    for text in ["public_html would get mode 2750", "tmp would be made", &link, "repairs it"] {
        assert!(mail.body.contains(text), "{text}: {}", mail.body);
    }
    lab.agent.damage("carol", "php.sock\r\n.\r\nSubject: you have won\r\n\r\n<b>");
    until("it is queued", async || notices(&lab, "waiting").await == 1).await;
    lab.advance(11 * MINUTE);
    let mail = mails(&sink, 2).await.remove(1);
    assert!(mail.head.contains("The account carol (carol.example) is not as it should be"), "{}", mail.head);
    assert_eq!(mail.head.matches("Subject:").count(), 1);
    assert!(mail.body.contains("php.sock  .  Subject: you have won    <b>"), "one line: {}", mail.body);
}

#[tokio::test]
async fn what_happens_in_a_row_is_told_together() {
    let (lab, sink) = told().await;
    attention(&lab, "alice").await;
    mails(&sink, 1).await;
    attention(&lab, "bob").await;
    a_while(&lab).await;
    assert_eq!(sink.taken().len(), 1, "a minute has not gone by");
    // Sixty more, as if a file system had been lost.
    let pool = lab.sql().await;
    let copy = "INSERT INTO notice SELECT id || $1, owner, kind, about || $1, happened_at, facts, state, queued_at, due_at, tries, ended_at, why \
                FROM notice WHERE state = 'waiting' AND length(id) = 36";
    for n in 10..70 {
        sqlx::query(copy).bind(n.to_string()).execute(&pool).await.unwrap();
    }
    pool.close().await;
    lab.advance(MINUTE);
    let mail = mails(&sink, 2).await.remove(1);
    assert!(mail.head.contains("61 notices"), "{}", mail.head);
    assert_eq!(mail.body.matches("bob (bob.example) needs attention").count(), 50);
    assert!(mail.body.contains("And 11 more"), "{}", mail.body);
    until("all are put down", async || notices(&lab, "sent").await == 62).await;
}

#[tokio::test]
async fn one_recipient_that_is_gone_keeps_nobody_from_hearing() {
    let (lab, sink) = told().await;
    sink.does_not_know("ops@hoster.example");
    attention(&lab, "alice").await;
    let mail = mails(&sink, 1).await.remove(0);
    assert_eq!(mail.to, ["night@hoster.example"]);
    until("it is put down", async || notices(&lab, "sent").await == 1).await;
    let host = Browser::of_person(&lab, "administrator").await;
    let page = host.get(&lab, "/settings/mail").await.text;
    assert!(page.contains("ops@hoster.example: 550 5.1.1 no such person here"), "{page}");
    let tested = host.post(&lab, "/settings/mail/test").await;
    assert!(tested.status == 200 && tested.text.contains("but not for all: ops@hoster.example"), "{}", tested.text);
}

#[tokio::test]
async fn mails_go_over_tls_to_a_server_that_proves_itself_and_asks_who_sends() {
    for (secured, encryption) in [(Secured::AtOnce, "tls"), (Secured::WhenAsked, "starttls")] {
        let (mut lab, sink) = (Lab::new().await, Sink::start(secured).await);
        sink.lets_in_only("panel", PASSWORD);
        let mut body = server(sink.port);
        body["host"] = json!("localhost");
        body["encryption"] = json!(encryption);
        body["username"] = json!("panel");
        body["password"] = json!(PASSWORD);
        let set = lab.put("/api/settings/mail", &body).await;
        assert_eq!(set.data(200)["has_password"], true);
        assert!(!set.text.contains("geheim"), "{}", set.text);
        let host = Browser::of_person(&lab, "administrator").await;
        let strange = host.post(&lab, "/settings/mail/test").await;
        assert!(strange.status == 502 && strange.text.contains("certificate"), "nobody vouches for it: {}", strange.text);
        assert_eq!(sink.tries(), 0);
        lab.crash().await;
        lab.mail_roots.push(sink.certificate.clone());
        lab.start().await;
        let done = host.post(&lab, "/settings/mail/test").await;
        assert!(done.status == 200 && done.text.contains("took the test message for all"), "{}", done.text);
        assert!(mails(&sink, 1).await[0].head.contains("Test message"));
        // A server that has its own name only.
        let mut other = body.clone();
        other["host"] = json!("127.0.0.1");
        lab.put("/api/settings/mail", &other).await.data(200);
        assert_eq!(host.post(&lab, "/settings/mail/test").await.status, 502);
    }
}

#[tokio::test]
async fn a_server_that_offers_no_tls_gets_nothing() {
    let (lab, sink) = (Lab::new().await, Sink::start(Secured::Never).await);
    let mut body = server(sink.port);
    body["encryption"] = json!("starttls");
    lab.put("/api/settings/mail", &body).await.data(200);
    let host = Browser::of_person(&lab, "administrator").await;
    assert_eq!(host.post(&lab, "/settings/mail/test").await.status, 502);
    assert_eq!(sink.tries(), 0);
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_password_is_told_to_the_mail_server_and_to_nobody_else() {
    use base64::Engine as _;
    let log = Captured::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (mut lab, sink) = (Lab::ended(), Sink::start(Secured::AtOnce).await);
    lab.mail_roots.push(sink.certificate.clone());
    lab.start().await;
    lab.configure().await;
    lab.post("/api/packages", &json!({ "name": "Starter" })).await.data(201);
    // It knows another one, and says what it was told.
    sink.lets_in_only("panel", "another");
    let mut body = server(sink.port);
    for (field, value) in [("host", "localhost"), ("encryption", "tls"), ("username", "panel"), ("password", PASSWORD)] {
        body[field] = json!(value);
    }
    let mut seen = lab.put("/api/settings/mail", &body).await.text;
    let host = Browser::of_person(&lab, "administrator").await;
    let refused = host.post(&lab, "/settings/mail/test").await;
    assert!(refused.status == 502 && refused.text.contains("535 5.7.8 not "), "{}", refused.text);
    seen.push_str(&refused.text);
    attention(&lab, "alice").await;
    tried(&lab, 1).await;
    let wrong = [("host", "localhost"), ("port", "x"), ("encryption", "tls"), ("username", "panel"), ("password", PASSWORD)];
    seen.push_str(&host.send(&lab, "/settings/mail", &wrong).await.text);
    for path in ["/settings/mail", "/activity"] {
        seen.push_str(&host.get(&lab, path).await.text);
    }
    for path in ["/api/settings/mail", "/api/activity?limit=500"] {
        seen.push_str(&lab.get(path).await.text);
    }
    let pool = lab.sql().await;
    let whys: Vec<String> = sqlx::query_scalar("SELECT why FROM notice").fetch_all(&pool).await.unwrap();
    pool.close().await;
    seen.push_str(&whys.join("\n"));
    seen.push_str(&String::from_utf8_lossy(&log.0.lock().unwrap()));
    assert!(seen.contains("535 5.7.8") && seen.contains("the mail server did not take notices"));
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let html = PASSWORD.replace('&', "&#38;").replace('"', "&#34;");
    let json = serde_json::to_string(PASSWORD).unwrap().trim_matches('"').to_owned();
    for form in [PASSWORD.to_owned(), html, json, "geheim".to_owned(), encode(PASSWORD), encode(&format!("\0panel\0{PASSWORD}"))] {
        assert!(!seen.contains(&form), "{form}");
    }
}

#[tokio::test]
async fn a_mail_server_is_checked_field_by_field() {
    let lab = Lab::new().await;
    let with = |changes: &[(&str, Value)]| {
        let mut body = server(25);
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        body
    };
    let many: Vec<String> = (0..21).map(|n| format!("p{n}@hoster.example")).collect();
    for (field, body) in [
        ("host", with(&[("host", json!("mail server"))])),
        ("port", with(&[("port", json!(0))])),
        ("port", with(&[("port", json!(65536))])),
        ("encryption", with(&[("encryption", json!("ssl"))])),
        ("encryption", with(&[("host", json!("mail.hoster.example"))])),
        ("encryption", with(&[("port", json!(2525)), ("username", json!("panel")), ("password", json!(PASSWORD))])),
        ("username", with(&[("password", json!(PASSWORD))])),
        ("password", with(&[("username", json!("panel"))])),
        ("password", with(&[("username", json!("panel")), ("password", json!("a\nb"))])),
        ("sender", with(&[("sender", json!("panel@hoster.example\r\nBcc: x@y.example"))])),
        ("recipients", with(&[("recipients", json!([]))])),
        ("recipients", with(&[("recipients", json!(many))])),
        ("recipients", with(&[("recipients", json!(["ops@hoster.example", "<ops>"]))])),
        ("colour", with(&[("colour", json!("red"))])),
    ] {
        assert_eq!(lab.put("/api/settings/mail", &body).await.problem(422, "invalid_request")["field"], field, "{body}");
    }
    lab.get("/api/settings/mail").await.problem(404, "not_found");

    let signed = with(&[("username", json!("panel")), ("password", json!(PASSWORD))]);
    assert_eq!(lab.put("/api/settings/mail", &signed).await.data(200)["has_password"], true);
    let kept = with(&[("username", json!("panel")), ("port", json!(26))]);
    assert_eq!(lab.put("/api/settings/mail", &kept).await.data(200)["has_password"], true);
    let elsewhere = with(&[("username", json!("panel")), ("host", json!("localhost"))]);
    let refused = lab.put("/api/settings/mail", &elsewhere).await.problem(422, "invalid_request");
    assert_eq!(refused["field"], "password", "another server must not learn it");
    let removed = lab.put("/api/settings/mail", &with(&[("password", Value::Null)])).await.data(200);
    assert_eq!((&removed["has_password"], &removed["username"]), (&json!(false), &Value::Null));
    assert_eq!(lab.delete("/api/settings/mail").await.status, 204);
    assert_eq!(lab.delete("/api/settings/mail").await.status, 204);
    let rows = lab.get("/api/activity?limit=500").await.text;
    assert!(rows.contains("mail_server.change") && rows.contains("mail_server.remove") && !rows.contains("geheim"), "{rows}");
}

#[tokio::test]
async fn the_mail_page_keeps_what_was_typed_and_tells_the_second_of_two() {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let page = host.get(&lab, "/settings/mail").await;
    assert!(
        page.status == 200 && page.text.contains("Nothing was told yet") && !page.text.contains("Send a test message"),
        "{}",
        page.text
    );
    let version = |text: &str| text.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let first = version(&page.text);
    let hostile = "\"><img src=x onerror=alert(1)>";
    let all = |host: &'static str, recipients: &'static str, password: &'static str, version: &str| {
        let fields = [
            ("host", host),
            ("port", "25"),
            ("encryption", "none"),
            ("username", if password.is_empty() { "" } else { "panel" }),
            ("password", password),
            ("sender", "panel@hoster.example"),
            ("recipients", recipients),
        ];
        fields.map(|(name, value)| (name, value.to_owned())).into_iter().chain([("version", version.to_owned())]).collect::<Vec<_>>()
    };
    let send = async |fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        host.send(&lab, "/settings/mail", &fields).await
    };
    let wrong = host.send(&lab, "/settings/mail", &[("host", hostile), ("port", "x"), ("sender", hostile), ("recipients", hostile)]).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    for text in ["id=\"host-problem\"", "id=\"port-problem\"", "id=\"encryption-problem\"", "id=\"recipients-problem\"", "&#60;img"] {
        assert!(wrong.text.contains(text), "{text}: {}", wrong.text);
    }
    assert!(!wrong.text.contains("<img src=x"));
    assert_eq!(send(all("127.0.0.1", "ops@hoster.example\r\nnight@hoster.example", PASSWORD, &first)).await.status, 303);
    let page = host.get(&lab, "/settings/mail").await.text;
    assert!(page.contains("A password is set") && page.contains("ops@hoster.example\nnight@hoster.example") && !page.contains("geheim"));
    let late = send(all("127.0.0.1", "mine@hoster.example", "", &first)).await;
    assert_eq!(late.status, 409);
    for text in ["was changed since it was shown", ">mine@hoster.example</textarea>", "night@hoster.example"] {
        assert!(late.text.contains(text), "{text}: {}", late.text);
    }
    // The box takes the password away, an empty field does not.
    let mut fields = all("127.0.0.1", "ops@hoster.example", "", &version(&page));
    fields.push(("remove_password", "true".to_owned()));
    assert_eq!(send(fields).await.status, 303);
    assert_eq!(lab.get("/api/settings/mail").await.data(200)["has_password"], false);
    assert_eq!(host.post(&lab, "/settings/mail/test").await.status, 502, "nobody listens on port 25 here");
    let page = host.get(&lab, "/settings/mail").await.text;
    assert_eq!(host.send(&lab, "/settings/mail/remove", &[("version", &first)]).await.status, 409);
    assert_eq!(host.send(&lab, "/settings/mail/remove", &[("version", &version(&page))]).await.status, 303);
    lab.get("/api/settings/mail").await.problem(404, "not_found");
    assert_eq!(host.post(&lab, "/settings/mail/test").await.status, 404);
    let reader = Browser::of_person(&lab, "read_only").await;
    let page = reader.get(&lab, "/settings/mail").await;
    assert!(page.status == 200 && !page.text.contains(">Save<"), "{}", page.text);
    lab.call(Method::GET, "/api/settings/mail").token(&lab.whmcs("WHMCS").await).send().await.problem(403, "forbidden");
}
