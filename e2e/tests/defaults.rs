//! What the host decides for all accounts, as visitors and resolvers see it: the DNS records that new accounts begin with, and the pages of
//! suspended and of new sites.

use opterius_e2e::{Server, Tenant, eventually};
use serde_json::{Value, json};

fn record(name: &str, kind: &str, content: &str) -> Value {
    json!({ "name": name, "type": kind, "content": content })
}

#[test]
fn new_accounts_begin_with_the_records_that_the_host_wants() {
    let server = Server::new("default-records");
    let before = Tenant::new(&server, "before", "before.test");
    let wanted = [
        record("@", "MX", "5 mx.hoster.example"),
        record("@", "TXT", "v=spf1 include:spf.hoster.example ~all"),
        record("@", "CAA", "0 issue \"ca.example; account=7\""),
        record("ftp", "A", "{ipv4}"),
        record("v6", "AAAA", "{ipv6}"),
        record("shop", "CNAME", "www.{domain}"),
        record("_sip._tcp", "SRV", "10 5 5060 sip.{domain}"),
        record("text", "TXT", &format!("{} \"quoted\" \\ {{domain}}", "x".repeat(260))),
    ];
    server.done("PUT", "/api/settings/dns", Some(&json!({ "ttl": 600, "records": wanted })));
    let after = Tenant::new(&server, "after", "after.test");
    for (name, kind, answers) in [
        ("after.test", "A", vec![server.ip.clone()]),
        ("www.after.test", "A", vec![server.ip.clone()]),
        ("ftp.after.test", "A", vec![server.ip.clone()]),
        ("mail.after.test", "A", vec![]),
        ("after.test", "MX", vec!["5 mx.hoster.example.".to_owned()]),
        ("after.test", "TXT", vec!["\"v=spf1 include:spf.hoster.example ~all\"".to_owned()]),
        ("after.test", "CAA", vec!["0 issue \"ca.example; account=7\"".to_owned()]),
        ("_sip._tcp.after.test", "SRV", vec!["10 5 5060 sip.after.test.".to_owned()]),
        ("shop.after.test", "CNAME", vec!["www.after.test.".to_owned()]),
        ("text.after.test", "TXT", vec![format!("\"{}\" \"{} \\\"quoted\\\" \\\\ after.test\"", "x".repeat(255), "x".repeat(5))]),
        // Who was there before keeps what it had.
        ("before.test", "MX", vec!["10 mail.before.test.".to_owned()]),
        ("mail.before.test", "A", vec![server.ip.clone()]),
    ] {
        assert_eq!(server.dig(name, kind), answers, "{name} {kind}");
    }
    // Nothing drifts, what is damaged is mended, and what was added beside stays.
    let path = |tenant: &Tenant| format!("/api/accounts/{}", tenant.account);
    for tenant in [&before, &after] {
        let plan = server.done("GET", &format!("{}/plan", path(tenant)), None);
        assert_eq!(plan["changes"], json!([]), "{plan}");
    }
    server.sh("pdnsutil delete-rrset after.test shop CNAME
         pdnsutil add-record after.test shop A 192.0.2.99
         pdnsutil add-record after.test blog A 192.0.2.98");
    server.done("POST", &format!("{}/repair", path(&after)), None);
    eventually("the name leads where the host wants", || (server.dig("shop.after.test", "CNAME") == ["www.after.test."]).then_some(()));
    eventually("what was added stays", || (server.dig("blog.after.test", "A") == ["192.0.2.98"]).then_some(()));
    // Under another domain the records are the same.
    server.done("DELETE", &path(&after), None);
    server.done("POST", &format!("{}/restore", path(&after)), Some(&json!({ "domain": "other.test" })));
    eventually("the records have moved", || (server.dig("_sip._tcp.other.test", "SRV") == ["10 5 5060 sip.other.test."]).then_some(()));
    let shown = server.ok(&["opterius", "settings", "dns", "show"]);
    assert!(shown.contains("mx.hoster.example") && shown.contains("600 seconds"), "{shown}");
}

#[test]
fn visitors_see_the_pages_of_the_host() {
    let server = Server::new("pages-of-the-host");
    let old = Tenant::new(&server, "old", "old.test");
    let welcome = |domain: &str| server.get(domain, "/").text();
    assert!(welcome("old.test").contains("old.test is ready"));
    let suspension = json!({ "title": "Zu <b>", "message": "Eins\n\nzwei <?php", "contact": "mailto:hilfe@hoster.example" });
    let pages = json!({ "suspension": suspension, "welcome": { "title": "{domain} ist da", "message": "Willkommen auf {domain}." } });
    server.done("PUT", "/api/settings/pages", Some(&pages));
    let path = "/var/lib/opterius/pages/suspended.html";
    eventually("the server has them", || server.sh(&format!("cat {path}")).contains("Zu &#60;b&#62;").then_some(()));

    let new = Tenant::new(&server, "new", "new.test");
    let page = welcome("new.test");
    assert!(page.contains("<h1>new.test ist da</h1>") && page.contains("<p>Willkommen auf new.test.</p>"), "{page}");
    assert!(welcome("old.test").contains("old.test is ready"), "a page in a home is never changed");
    assert_eq!(server.sh(&format!("stat -c '%U:%G %a' {}/index.php", new.docroot())).trim(), "new:opterius-web 640");

    let suspended = |shows: &str| {
        let reply = server.get("old.test", "/");
        assert_eq!(reply.status, 503);
        assert!(reply.text().contains(shows), "{shows}: {}", reply.text());
    };
    server.done("POST", &format!("/api/accounts/{}/suspend", old.account), Some(&json!({ "reason": "x" })));
    suspended("<p>zwei &#60;?php</p>");
    suspended("<a href=\"mailto:hilfe@hoster.example\">hilfe@hoster.example</a>");
    // An upgrade of the package, a lost page, and a server that lost all of it.
    server.sh("/var/lib/dpkg/info/opterius-agent.postinst configure 0.0.1");
    server.wait_until_ready();
    suspended("Zu &#60;b&#62;");
    server.sh(&format!("rm {path}; systemctl restart opterius-agent"));
    server.wait_until_ready();
    suspended("Zu &#60;b&#62;");
    server.sh(&format!("systemctl stop opterius-agent; rm {path} /var/lib/opterius-agent/pages.json; systemctl start opterius-agent"));
    eventually("the Panel has sent them again", || server.sh(&format!("cat {path} || true")).contains("Zu &#60;b&#62;").then_some(()));
    suspended("Zu &#60;b&#62;");

    server.done("PUT", "/api/settings/pages", Some(&json!({ "suspension": null, "welcome": null })));
    eventually("it is the built-in page again", || server.get("old.test", "/").text().contains("This site is suspended").then_some(()));
    Tenant::new(&server, "third", "third.test");
    assert!(welcome("third.test").contains("third.test is ready"));
}
