//! What the host decides for all accounts: the DNS records that new ones begin with, and the pages that visitors see.

use serde_json::{Value, json};

use crate::support::{Browser, Lab, order, until};

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>'</script><script>";

/// What a hidden field of a page holds.
#[track_caller]
fn version(page: &str) -> String {
    page.split("name=\"version\" value=\"").nth(1).unwrap_or_else(|| panic!("{page}")).split('"').next().unwrap().to_owned()
}

fn record(name: &str, kind: &str, content: &str) -> Value {
    json!({ "name": name, "type": kind, "content": content })
}

#[tokio::test]
async fn default_dns_records_are_checked_and_given_to_new_accounts_only() {
    let lab = Lab::new().await;
    let there = lab.get("/api/settings/dns").await.data(200);
    assert_eq!((&there["ttl"], &there["built_in"]), (&json!(3600), &json!(true)));
    let built_in = [
        record("mail", "A", "{ipv4}"),
        record("mail", "AAAA", "{ipv6}"),
        record("@", "MX", "10 mail.{domain}"),
        record("@", "TXT", "v=spf1 a mx ~all"),
    ];
    assert_eq!(there["records"], json!(built_in));
    lab.create(&order("alice")).await.data(201);
    assert_eq!(lab.agent.account("alice").unwrap().records, None, "what an Agent knows by itself is not sent to it");

    let wanted = json!({ "ttl": 600, "records": [record("@", "mx", "5 MX.Hoster.Example."), record("_dmarc", "TXT", "v=DMARC1; p=none")] });
    let kept = json!({
        "ttl": 600, "built_in": false, "records": [record("@", "MX", "5 mx.hoster.example"), record("_dmarc", "TXT", "v=DMARC1; p=none")],
    });
    assert_eq!(lab.put("/api/settings/dns", &wanted).await.data(200), kept);
    assert_eq!(lab.get("/api/settings/dns").await.data(200), kept);
    lab.create(&order("bob")).await.data(201);
    let bob = lab.agent.account("bob").unwrap().records.unwrap();
    assert_eq!((bob.ttl().get(), bob.records().len(), bob.records()[0].content()), (600, 2, "5 mx.hoster.example"));
    // Later changes leave an account what it has, and so does a restore.
    lab.post("/api/accounts/ref:ref-alice/suspend", &json!({ "reason": "x" })).await.data(200);
    assert_eq!(lab.agent.account("alice").unwrap().records, None);
    assert_eq!(lab.put("/api/settings/dns", &json!({ "ttl": 3600, "records": built_in })).await.data(200)["built_in"], true);
    lab.delete("/api/accounts/ref:ref-bob").await.data(200);
    let id = lab.agent.last("bob").unwrap().account_id;
    lab.post(&format!("/api/accounts/{id}/restore"), &json!({ "domain": "other.example" })).await.data(200);
    assert_eq!(lab.agent.account("bob").unwrap().records, Some(bob));
    lab.create(&order("carol")).await.data(201);
    assert_eq!(lab.agent.account("carol").unwrap().records, None);
    let rows = lab.get("/api/activity?action=settings.dns.change").await.text;
    assert!(rows.contains("now with @ MX 5 mx.hoster.example") && rows.contains("without mail A {ipv4}"), "{rows}");

    for (body, fields) in [
        (json!({}), vec!["ttl", "records"]),
        (json!({ "ttl": 1, "records": "x" }), vec!["ttl", "records"]),
        (
            json!({ "ttl": 600, "records": [1, { "name": "a b", "type": "NS", "content": "x" }, { "name": "a", "type": "A" }] }),
            vec!["records[0]", "records[1].name", "records[1].type", "records[2].content"],
        ),
        (
            json!({ "ttl": 600, "records": [{ "name": "a", "type": "A", "content": "x", "ttl": 5 }] }),
            vec!["records[0].content", "records[0].ttl"],
        ),
        (json!({ "ttl": 600, "records": [record("a", "TXT", "x"), record("a", "CNAME", "b.example")] }), vec!["records[1]"]),
        (json!({ "ttl": 600, "records": [record("@", "CNAME", "b.example")] }), vec!["records[0]"]),
        (json!({ "ttl": 600, "records": vec![record("a", "A", "{ipv4}"); 101] }), vec!["records"]),
    ] {
        let problem = lab.put("/api/settings/dns", &body).await.problem(422, "invalid_request");
        let named: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{problem}");
    }
}

/// The form of these records, as the page sends it.
fn form<'a>(version: &'a str, what: &'a str, ttl: &'a str, rows: &[(&'a str, &'a str, &'a str)]) -> Vec<(String, &'a str)> {
    let mut fields = vec![("version".to_owned(), version), ("do".to_owned(), what), ("ttl".to_owned(), ttl)];
    for (at, (name, kind, content)) in rows.iter().enumerate() {
        fields.extend([(format!("name-{at}"), *name), (format!("kind-{at}"), *kind), (format!("content-{at}"), *content)]);
    }
    fields
}

#[tokio::test]
async fn the_page_of_dns_shows_the_zone_and_takes_records_and_name_servers() {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let send = async |fields: Vec<(String, &str)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        host.send(&lab, "/settings/dns", &fields).await
    };
    let page = host.get(&lab, "/settings/dns").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for text in [
        "<code>mail.example.com.</code>",
        "<code>2001:db8::10</code>",
        "<code>ns1.names.example.</code>",
        "value=\"10 mail.{domain}\"",
        "aria-current=\"page\">DNS",
        "href=\"/settings/pages\"",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let seen = version(&page.text);
    let rows = [("@", "MX", "7 mx.hoster.example"), ("", "A", ""), ("shop", "CNAME", "shops.hoster.example")];
    let preview = send(form(&seen, "preview", "900", &rows)).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(preview.text.contains("<code>7 mx.hoster.example.</code>") && preview.text.contains("<code>900</code>"), "{}", preview.text);
    assert_eq!(lab.get("/api/settings/dns").await.data(200)["built_in"], true, "looking is not setting");

    let saved = send(form(&seen, "save", "900", &rows)).await;
    assert_eq!((saved.status, saved.header("location")), (303, "/settings/dns"), "{}", saved.text);
    let there = lab.get("/api/settings/dns").await.data(200);
    assert_eq!(there["records"], json!([record("@", "MX", "7 mx.hoster.example"), record("shop", "CNAME", "shops.hoster.example")]));
    // The second of two who began at the same time.
    let late = send(form(&seen, "save", "60", &[("mine", "A", "{ipv4}")])).await;
    assert_eq!(late.status, 409, "{}", late.text);
    for text in ["was changed since it was shown", "value=\"mine\"", "<code>shop CNAME shops.hoster.example</code>", "<code>TTL 900</code>"]
    {
        assert!(late.text.contains(text), "{text}: {}", late.text);
    }
    let now = version(&late.text);
    for (ttl, rows, text) in [
        ("1", vec![], "60 to 86400"),
        ("600", vec![("a", "A", "nowhere")], "an IPv4 address"),
        ("600", vec![("", "A", "{ipv4}")], "is missing"),
        ("600", vec![("", "A", ""), ("@", "CNAME", "x.example")], "has other records"),
        ("600", vec![(HOSTILE, "TXT", HOSTILE)], "&#60;img"),
        ("600", vec![("a", HOSTILE, "x")], "is not a type of record"),
    ] {
        let refused = send(form(&now, "save", ttl, &rows)).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains(text) && refused.text.contains("is-invalid"), "{text}: {}", refused.text);
        assert!(!refused.text.contains("<img src=x"), "{}", refused.text);
    }
    assert_eq!(send(form(&now, "save", "600", &[("t", "TXT", HOSTILE)])).await.status, 303);
    let page = host.get(&lab, "/settings/dns").await;
    assert!(page.text.contains("&#60;img") && !page.text.contains("<img src=x"), "{}", page.text);
    assert_eq!(send(form(&version(&page.text), "built-in", "x", &[])).await.status, 303);
    assert_eq!(lab.get("/api/settings/dns").await.data(200)["built_in"], true);

    let server = lab.get("/api/servers/default").await.data(200);
    let path = format!("/settings/dns/nameservers/{}", server["id"].as_str().unwrap());
    let page = host.get(&lab, "/settings/dns").await;
    let seen = page.text.split(&path).nth(1).map(version).unwrap();
    let names = async |names: &str, version: &str| host.send(&lab, &path, &[("nameservers", names), ("version", version)]).await;
    for (given, text) in
        [("ns1.a.example", "at least two"), ("ns1.a.example\nns1.a.example", "at least two"), (HOSTILE, "&#60;img"), ("", "missing")]
    {
        let refused = names(given, &seen).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(
            refused.text.contains(text) && refused.text.contains("is-invalid") && !refused.text.contains("<img src=x"),
            "{}",
            refused.text
        );
    }
    assert_eq!(names("ns1.a.example\nns2.a.example", &seen).await.status, 303);
    let late = names("ns1.b.example, ns2.b.example", &seen).await;
    assert!(late.status == 409 && late.text.contains("ns1.b.example, ns2.b.example</textarea>"), "{}", late.text);
    let after = lab.get("/api/servers/default").await.data(200);
    assert_eq!(after["nameservers"], json!(["ns1.a.example", "ns2.a.example"]));
    assert_eq!((&after["ipv4"], &after["hostname"]), (&server["ipv4"], &server["hostname"]));
    assert_eq!(host.send(&lab, "/settings/dns/nameservers/x", &[("nameservers", "a"), ("version", "x")]).await.status, 404);

    let reader = Browser::of_person(&lab, "read_only").await;
    let page = reader.get(&lab, "/settings/dns").await;
    assert!(page.status == 200 && !page.text.contains("type=\"submit\" name=\"do\""), "{}", page.text);
}

fn title(lab: &Lab) -> Option<String> {
    Some(lab.agent.pages().0?.suspension?.title.to_string())
}

#[tokio::test]
async fn pages_are_checked_kept_and_brought_to_servers_that_have_others() {
    let lab = Lab::new().await;
    let built_in = json!({ "suspension": null, "welcome": null });
    assert_eq!(lab.get("/api/settings/pages").await.data(200), built_in);
    let own = json!({
        "suspension": { "title": "Closed", "message": "One\r\n\r\ntwo", "contact": "mailto:help@hoster.example" },
        "welcome": { "title": "{domain}", "message": "Welcome" },
    });
    let kept = json!({
        "suspension": { "title": "Closed", "message": "One\n\ntwo", "contact": "mailto:help@hoster.example" },
        "welcome": { "title": "{domain}", "message": "Welcome" },
    });
    until("the server has answered", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    assert_eq!(lab.agent.pages(), (None, 0), "a server that has what is built in is sent nothing");
    assert_eq!(lab.put("/api/settings/pages", &own).await.data(200), kept);
    until("the server has them", async || title(&lab).as_deref() == Some("Closed")).await;
    assert_eq!(lab.get("/api/settings/pages").await.data(200), kept);
    let rows = lab.get("/api/activity?action=settings.pages.change").await.text;
    assert!(rows.contains("Closed") && rows.contains("{domain}"), "{rows}");

    // A server that is made anew, or comes back from a backup.
    lab.agent.forget_pages();
    until("the server has them again", async || title(&lab).as_deref() == Some("Closed")).await;
    // One that was away meanwhile.
    lab.agent.stop().await;
    lab.put("/api/settings/pages", &json!({ "suspension": { "title": "Shut", "message": "m" }, "welcome": null })).await.data(200);
    lab.agent.listen();
    until("the server has the others", async || title(&lab).as_deref() == Some("Shut")).await;
    // One of an earlier version is not asked for what it does not know.
    lab.agent.knows_no_pages(true);
    let page = async || Browser::of_person(&lab, "read_only").await.get(&lab, "/settings/pages").await.text;
    until("it is seen", async || lab.get("/api/servers/default").await.data(200)["reachable"] == true).await;
    let sent = lab.agent.pages().1;
    lab.put("/api/settings/pages", &built_in).await.data(200);
    lab.create(&order("alice")).await.data(201);
    assert!(page().await.contains("its Agent is of an earlier version"));
    assert_eq!(lab.agent.pages().1, sent);
    lab.agent.knows_no_pages(false);
    until("the server has what is built in", async || title(&lab).is_none()).await;

    for (body, fields) in [
        (json!({}), vec!["suspension", "welcome"]),
        (json!({ "suspension": 1, "welcome": null }), vec!["suspension"]),
        (
            json!({ "suspension": { "title": "", "message": "x", "contact": "http://x.example" }, "welcome": { "html": "<b>" } }),
            vec!["suspension.title", "suspension.contact", "welcome.title", "welcome.message", "welcome.html"],
        ),
    ] {
        let problem = lab.put("/api/settings/pages", &body).await.problem(422, "invalid_request");
        let named: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{problem}");
    }
}

#[tokio::test]
async fn the_page_of_pages_shows_them_as_visitors_see_them() {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    let page = host.get(&lab, "/settings/pages").await;
    assert!(page.status == 200 && page.header("content-security-policy").contains("frame-src 'self';"), "{}", page.text);
    for text in [
        "value=\"This site is suspended\"",
        "src=\"/settings/pages/suspension/preview\"",
        "src=\"/settings/pages/welcome/preview\"",
        "aria-current=\"page\">Pages",
        "So far it is the built-in page",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    for (which, shows) in [("suspension", "please contact your hosting provider"), ("welcome", "<h1>example.com is ready</h1>")] {
        let preview = host.get(&lab, &format!("/settings/pages/{which}/preview")).await;
        assert!(preview.status == 200 && preview.text.contains(shows) && !preview.text.contains("<?"), "{}", preview.text);
        let policy = preview.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.ends_with("frame-ancestors 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && preview.header("x-frame-options") == "SAMEORIGIN");
    }
    let seen = version(&page.text);
    let texts =
        |title: &'static str, message: &'static str, contact: &'static str| [("title", title), ("message", message), ("contact", contact)];
    let send =
        async |path: &str, version: &str, fields: &[(&str, &str)]| host.send(&lab, path, &[&[("version", version)], fields].concat()).await;
    let (set, preview) = ("/settings/pages/suspension", "/settings/pages/suspension/preview");
    let typed = texts(HOSTILE, "First\n\n<?php evil(); ?>", "https://hoster.example/help");
    let shown = send(preview, &seen, &typed).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    assert!(shown.text.contains("<p>First</p>") && shown.text.contains("&#60;?php evil(); ?&#62;"), "{}", shown.text);
    assert!(!shown.text.contains("<img") && !shown.text.contains("<script"), "{}", shown.text);
    let refused = send(preview, &seen, &texts("", "x", "javascript:alert(1)")).await;
    assert!(refused.status == 422 && refused.text.contains("cannot be a contact"), "{}", refused.text);
    assert!(refused.header("content-type").starts_with("text/plain") && refused.header("x-frame-options") == "SAMEORIGIN");
    assert_eq!(lab.get("/api/settings/pages").await.data(200)["suspension"], json!(null), "looking is not setting");

    let saved = send(set, &seen, &typed).await;
    assert_eq!((saved.status, saved.header("location")), (303, "/settings/pages"), "{}", saved.text);
    let served = host.get(&lab, preview).await.text;
    assert_eq!(served, shown.text, "what was looked at is what is served");
    until("the server has it", async || lab.agent.pages().0.is_some_and(|pages| pages.suspension_html() == served)).await;
    let late = send(set, &seen, &texts("Mine", "m", "")).await;
    assert!(late.status == 409 && late.text.contains("value=\"Mine\"") && late.text.contains("&#60;?php evil"), "{}", late.text);
    let now = version(&late.text);
    for (fields, text) in [
        (texts("", "x", ""), "is missing"),
        (texts("t", "x", "http://hoster.example"), "cannot be a contact"),
        (texts("t", "x", HOSTILE), "&#60;img"),
    ] {
        let refused = send(set, &now, &fields).await;
        assert!(refused.status == 422 && refused.text.contains(text) && refused.text.contains("is-invalid"), "{text}: {}", refused.text);
        assert!(!refused.text.contains("<img src=x"), "{}", refused.text);
    }
    let (set, preview) = ("/settings/pages/welcome", "/settings/pages/welcome/preview");
    let typed = [("title", "{domain} is yours"), ("message", HOSTILE)];
    let shown = send(preview, &now, &typed).await.text;
    assert!(shown.contains("<h1>example.com is yours</h1>") && !shown.contains("<img"), "{shown}");
    assert_eq!(send(set, &now, &typed).await.status, 303);
    assert_eq!(host.get(&lab, preview).await.text, shown);
    let page = host.get(&lab, "/settings/pages").await;
    assert!(page.text.contains("value=\"{domain} is yours\"") && !page.text.contains("<img src=x"), "{}", page.text);
    for path in ["/settings/pages/welcome", "/settings/pages/suspension"] {
        let now = version(&host.get(&lab, "/settings/pages").await.text);
        assert_eq!(send(path, &now, &[("do", "built-in"), ("title", ""), ("message", "")]).await.status, 303);
    }
    assert_eq!(lab.get("/api/settings/pages").await.data(200), json!({ "suspension": null, "welcome": null }));
}
