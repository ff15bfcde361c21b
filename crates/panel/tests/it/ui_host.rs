//! The pages with which the host keeps house: people, packages, tokens, settings, servers, the Activity, and the dashboard.

use std::time::Duration;

use http::Method;
use opterius_panel::Panel;
use opterius_protocol::agent::FailureKind;
use serde_json::json;

use crate::support::{Behaviour, Browser, Lab, Reply, order, until};

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>'</script><script>";

async fn lab() -> (Lab, Browser) {
    let lab = Lab::new().await;
    let host = Browser::of_person(&lab, "administrator").await;
    (lab, host)
}

/// What a page shows under an id.
#[track_caller]
fn value(page: &Reply, id: &str) -> String {
    let from = page.text.split(&format!("id=\"{id}\">")).nth(1).unwrap_or_else(|| panic!("no {id}: {}", page.text));
    from.split('<').next().unwrap().to_owned()
}

/// What a hidden field of a page holds.
#[track_caller]
fn hidden(page: &Reply, name: &str) -> String {
    let from = page.text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("no {name}: {}", page.text));
    from.split('"').next().unwrap().to_owned()
}

#[track_caller]
fn shows(page: &Reply, status: u16, texts: &[&str]) {
    assert_eq!(page.status, status, "{}", page.text);
    for text in texts {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(!page.text.contains("<img src=x") && !page.text.contains("onerror=alert(1)>'"), "{}", page.text);
}

#[tokio::test]
async fn every_form_is_refused_without_its_scope_and_from_elsewhere() {
    let (lab, host) = lab().await;
    let readers = [Browser::of_person(&lab, "read_only").await, Browser::of_person(&lab, "support").await];
    let mut walked = 0;
    for (method, path, who) in Panel::pages() {
        let target = path.replace("{id}", "0193a5e0-7c1e-7000-8000-000000000000");
        if method != Method::POST || who.rsplit_once('.').is_none_or(|(_, verb)| verb != "write") {
            continue;
        }
        walked += 1;
        for browser in &readers {
            assert_eq!(browser.post(&lab, &target).await.status, 403, "{path}");
        }
        let elsewhere = lab.call(Method::POST, &target).from("198.51.100.7:1").header("cookie", &host.cookie);
        let elsewhere = elsewhere.header("sec-fetch-site", "cross-site").raw("application/x-www-form-urlencoded", "").send().await;
        assert_eq!(elsewhere.status, 403, "{path}");
    }
    assert!(walked >= 12, "{walked}");
}

#[tokio::test]
async fn people_are_added_changed_and_deleted() {
    let (lab, host) = lab().await;
    shows(&host.get(&lab, "/people").await, 200, &["theadministrator", ">you<", "Add somebody"]);
    let added = host.sure(&lab, "/people", &[("name", "ada"), ("role", "support")]).await;
    shows(&added, 200, &["shown only now", "ada can sign in"]);
    let password = value(&added, "value-2");
    assert_eq!(password.len(), 23);
    let enter = async |password: &str| {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs([("name", "ada"), ("password", password)]).finish();
        let call = lab.call(Method::POST, "/enter").from("198.51.100.8:1").header("sec-fetch-site", "same-origin");
        call.raw("application/x-www-form-urlencoded", form).send().await
    };
    let ada = Browser::of(&enter(&password).await);
    let page = ada.get(&lab, "/people").await;
    shows(&page, 200, &["ada", "Support"]);
    assert!(!page.text.contains("Add somebody"), "support changes nobody");

    let again = host.sure(&lab, "/people", &[("name", "ada"), ("role", "support")]).await;
    shows(&again, 409, &["already", "value=\"ada\""]);
    let bad = host.sure(&lab, "/people", &[("name", HOSTILE), ("role", "king")]).await;
    shows(&bad, 422, &["is not a name for an administrator", "king", "is-invalid", "&#60;img"]);

    let page = host.get(&lab, "/people/ada").await;
    shows(&page, 200, &["Give a new password", "Type ada to go on"]);
    let done = host.sure(&lab, "/people/ada/role", &[("role", "read_only"), ("version", &hidden(&page, "version"))]).await;
    assert_eq!((done.status, done.header("location")), (303, "/people/ada"));
    let late = host.sure(&lab, "/people/ada/role", &[("role", "administrator"), ("version", "support")]).await;
    shows(&late, 409, &["meanwhile"]);
    let other = host.sure(&lab, "/people/ada/password", &[]).await;
    shows(&other, 200, &["every open session has ended"]);
    assert_eq!(ada.get(&lab, "/people").await.status, 303, "signed out");
    Browser::of(&enter(&value(&other, "value-2")).await);

    let own = host.sure(&lab, "/people/theadministrator/delete", &[("confirm", "theadministrator")]).await;
    shows(&own, 403, &["Nobody deletes themselves"]);
    let last = host.sure(&lab, "/people/theadministrator/role", &[("role", "support"), ("version", "administrator")]).await;
    shows(&last, 403, &["the last administrator"]);
    shows(&host.sure(&lab, "/people/ada/delete", &[("confirm", "bob")]).await, 422, &["nothing was done"]);
    let gone = host.sure(&lab, "/people/ada/delete", &[("confirm", "ada")]).await;
    assert_eq!((gone.status, gone.header("location")), (303, "/people"));
    for page in [host.get(&lab, "/people/ada").await, host.sure(&lab, "/people/ada/password", &[]).await] {
        shows(&page, 404, &["There is no administrator"]);
    }
    let rows = lab.get("/api/activity?limit=500").await.text;
    for action in ["administrator.role", "administrator.delete", "administrator.password"] {
        assert!(rows.contains(action), "{action}");
    }
    assert!(!rows.contains(&password));
}

#[tokio::test]
async fn the_second_factor_of_somebody_is_removed() {
    let (lab, host) = lab().await;
    Browser::of_person(&lab, "support").await;
    let pool = lab.sql().await;
    sqlx::query("UPDATE administrator SET totp_secret = 'JBSWY3DPEHPK3PXP' WHERE username = 'thesupport'").execute(&pool).await.unwrap();
    pool.close().await;
    shows(&host.get(&lab, "/people/thesupport").await, 200, &["Remove the second factor"]);
    assert_eq!(host.sure(&lab, "/people/thesupport/second-factor/remove", &[]).await.status, 303);
    assert_eq!(lab.count("SELECT COUNT(*) FROM administrator WHERE totp_secret IS NOT NULL").await, 0);
}

/// The fields of a package as its form sends them.
fn package<'a>(name: &'a str, disk: &'a str, version: &'a str, what: &'a str) -> Vec<(&'a str, &'a str)> {
    let rest = [
        "files",
        "bandwidth_gib",
        "php_workers",
        "php_memory_mib",
        "cpu_percent",
        "memory_mib",
        "processes",
        "sub_sites",
        "databases",
        "mailboxes",
    ];
    let mut fields = vec![("name", name), ("disk_mib", disk), ("version", version), ("do", what)];
    fields.extend(rest.map(|limit| (limit, "0")));
    fields
}

#[tokio::test]
async fn packages_are_made_changed_duplicated_and_deleted() {
    let (lab, host) = lab().await;
    lab.create(&order("alice")).await.data(201);
    let made = host.send(&lab, "/packages", &package("Big", "5000", "", "save")).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let path = made.header("location").to_owned();
    shows(&host.get(&lab, "/packages").await, 200, &["Big", "Starter", "4.8 GiB", "Copy the name for WHMCS"]);
    let page = host.get(&lab, &path).await;
    shows(&page, 200, &["Big", "No account has it", "value=\"5000\"", "Renamed, it is not found"]);
    let seen = hidden(&page, "version");
    let plan = host.send(&lab, &path, &package("Bigger", "6000", &seen, "plan")).await;
    shows(&plan, 200, &["What would change", "<td>5000</td><td>6000</td>", "<td>Big</td><td>Bigger</td>", "keep the limits"]);
    assert_eq!(host.send(&lab, &path, &package("Big", "6000", &seen, "save")).await.status, 303);
    // The second of two who began at the same time.
    let late = host.send(&lab, &path, &package("Mine", "7000", &seen, "save")).await;
    shows(&late, 409, &["was changed since it was shown to you", "value=\"7000\"", "Now: 6000", "value=\"Mine\""]);
    assert_eq!(host.send(&lab, &path, &package("Mine", "7000", &hidden(&late, "version"), "save")).await.status, 303);
    let id = path.rsplit('/').next().unwrap();
    shows(&host.get(&lab, &format!("/packages/new?like={id}")).await, 200, &["value=\"7000\""]);
    shows(&host.send(&lab, "/packages", &package("Mine", "1", "", "save")).await, 409, &["already"]);
    shows(&host.send(&lab, "/packages", &package("", "-1", "", "save")).await, 422, &["disk_mib", "is-invalid"]);
    let hostile = host.send(&lab, "/packages", &package(HOSTILE, "1", "", "save")).await;
    assert_eq!(hostile.status, 303, "{}", hostile.text);
    shows(&host.get(&lab, hostile.header("location")).await, 200, &["&#60;img"]);
    shows(&host.get(&lab, "/packages").await, 200, &["&#60;img"]);
    assert_eq!(host.post(&lab, &format!("{path}/delete")).await.status, 303);
    shows(&host.get(&lab, &path).await, 404, &["Package not found"]);
    let starter = lab.get("/api/packages").await.data(200);
    let starter = starter.as_array().unwrap().iter().find(|one| one["name"] == "Starter").unwrap()["id"].as_str().unwrap().to_owned();
    shows(&host.get(&lab, &format!("/packages/{starter}")).await, 200, &["1 account has it", ">alice</a>"]);
    shows(&host.post(&lab, &format!("/packages/{starter}/delete")).await, 409, &["in use by 1"]);
}

#[tokio::test]
async fn tokens_are_shown_once_and_then_kept_in_order() {
    let (lab, host) = lab().await;
    shows(&host.get(&lab, "/tokens").await, 200, &["There is no token yet", "WHMCS"]);
    let made = host.sure(&lab, "/tokens", &[("name", "WHMCS"), ("purpose", "whmcs"), ("addresses", "203.0.113.0/24\n2001:db8::/48")]).await;
    shows(&made, 200, &["Access Hash", "Hostname", "shown only now", ">8443<"]);
    let text = value(&made, "value-5");
    assert_eq!((text.len(), value(&made, "value-4")), (43, format!("o1.{text}")));
    let page = host.get(&lab, "/tokens").await;
    shows(&page, 200, &["203.0.113.0/24, 2001:db8::/48", "accounts.create", "Last used"]);
    assert!(!page.text.contains(&text), "once is once");
    lab.call(Method::GET, "/api/self").token(&text).send().await.data(200);
    let used = lab.count("SELECT last_used_at FROM token").await;
    lab.advance(Duration::from_mins(30));
    lab.call(Method::GET, "/api/self").token(&text).send().await.data(200);
    assert_eq!(lab.count("SELECT last_used_at FROM token").await, used, "one write an hour");
    lab.advance(Duration::from_mins(31));
    lab.call(Method::GET, "/api/self").token(&text).send().await.data(200);
    assert!(lab.count("SELECT last_used_at FROM token").await > used);

    let bad = [("name", HOSTILE), ("purpose", "scopes"), ("scope", "tokens.write"), ("expires", "2020-01-01"), ("addresses", "here")];
    shows(&host.sure(&lab, "/tokens", &bad).await, 422, &["no token can have", "over already", "is not an address", "&#60;img"]);
    shows(&host.sure(&lab, "/tokens", &[("name", "WHMCS"), ("purpose", "whmcs")]).await, 409, &["already"]);
    let scoped = [("name", HOSTILE), ("purpose", "scopes"), ("scope", "self.read"), ("scope", "accounts.read"), ("expires", "2199-12-31")];
    shows(&host.sure(&lab, "/tokens", &scoped).await, 200, &["&#60;img"]);
    shows(&host.get(&lab, "/tokens").await, 200, &["self.read, accounts.read", "&#60;img"]);

    let id = lab.get("/api/tokens").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    for (directory, status) in [("/var/www/whmcs", 201), ("/var/www/copy", 403)] {
        let from = format!("url=https%3A%2F%2Fbilling.example&directory={}", directory.replace('/', "%2F"));
        let call = lab.call(Method::POST, "/api/accounts").token(&text).header("opterius-caller", &from);
        let username = directory.rsplit('/').next().unwrap();
        assert_eq!(call.json(&order(username)).send().await.status, status);
    }
    shows(&host.get(&lab, "/tokens").await, 200, &["/var/www/copy", ">waits<", "Allow it"]);
    let allow = [("url", "https://billing.example"), ("directory", "/var/www/copy")];
    assert_eq!(host.sure(&lab, &format!("/tokens/{id}/callers"), &allow).await.status, 303);
    assert!(!host.get(&lab, "/tokens").await.text.contains(">waits<"));
    let rotated = host.sure(&lab, &format!("/tokens/{id}/rotate"), &[]).await;
    shows(&rotated, 200, &["Access Hash"]);
    shows(&host.get(&lab, "/tokens").await, 200, &["new text not used yet"]);
    assert_eq!(host.post(&lab, &format!("/tokens/{id}/revoke")).await.status, 303);
    lab.call(Method::GET, "/api/self").token(&value(&rotated, "value-5")).send().await.problem(401, "unauthorized");
    shows(&host.post(&lab, "/tokens/x/revoke").await, 404, &["There is no token"]);
}

#[tokio::test]
async fn settings_are_checked_changed_and_written_down() {
    let (lab, host) = lab().await;
    let page = host.get(&lab, "/settings").await;
    shows(&page, 200, &["value=\"7\"", "Shared parent domains"]);
    let version = hidden(&page, "version");
    let change = async |days: &str, version: &str| {
        host.send(&lab, "/settings", &[("terminated_kept_days", days), ("time_zone", "UTC"), ("version", version)]).await
    };
    assert_eq!(change("30", &version).await.status, 303);
    shows(&change("40", &version).await, 409, &["was changed since it was shown", "value=\"40\"", "Now: 30"]);
    shows(&change("400", "").await, 422, &["too many", "is-invalid"]);
    shows(&change(HOSTILE, "").await, 422, &["is not a number of days", "&#60;img"]);
    let page = host.get(&lab, "/settings").await;
    let version = page.text.split("name=\"version\" value=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
    let names = async |names: &str, version: &str| {
        host.send(&lab, "/settings/shared-parent-domains", &[("names", names), ("version", version)]).await
    };
    assert_eq!(names("hoster.example\nother.example", &version).await.status, 303);
    shows(&host.get(&lab, "/settings").await, 200, &["hoster.example\nother.example"]);
    shows(&names("mine.example", &version).await, 409, &["was changed since it was shown", ">mine.example</textarea>", "hoster.example"]);
    shows(&names(HOSTILE, &version).await, 422, &["&#60;img", "is-invalid"]);
    let rows = lab.get("/api/activity").await.text;
    assert!(rows.contains("now kept for 30 days") && rows.contains("shared_parent_domains.change"), "{rows}");
}

#[tokio::test]
async fn servers_say_how_they_are_and_are_configured() {
    let (lab, host) = lab().await;
    until("the Agent was asked", async || host.get(&lab, "/servers").await.text.contains(">answers<")).await;
    let page = host.get(&lab, "/servers").await;
    shows(&page, 200, &["srv1.hoster.example", "192.0.2.10", "ns1.names.example", "Configure", "The parts of the server"]);
    let id = lab.get("/api/servers/default").await.data(200)["id"].as_str().unwrap().to_owned();
    let path = format!("/servers/{id}");
    let page = host.get(&lab, &path).await;
    shows(&page, 200, &["value=\"srv1.hoster.example\"", "192.0.2.10"]);
    let version = hidden(&page, "version");
    let send = async |hostname: &str, ipv4: &str, most: &str, version: &str| {
        let names = "ns1.names.example\nns2.names.example";
        let fields =
            [("hostname", hostname), ("ipv4", ipv4), ("ipv6", ""), ("nameservers", names), ("max_accounts", most), ("version", version)];
        host.send(&lab, &path, &fields).await
    };
    assert_eq!(send("srv2.hoster.example", "192.0.2.11 192.0.2.12", "50", &version).await.status, 303);
    shows(&host.get(&lab, "/servers").await, 200, &["srv2.hoster.example", "192.0.2.11, 192.0.2.12", "0 / 50"]);
    shows(
        &send("srv3.hoster.example", "192.0.2.13", "60", &version).await,
        409,
        &["was changed since", "srv3.hoster.example", "srv2.hoster.example"],
    );
    shows(&send(HOSTILE, "", "x", &version).await, 422, &["at least one IPv4", "whole number", "&#60;img"]);
    lab.agent.stop().await;
    until("it is seen", async || host.get(&lab, "/servers").await.text.contains("does not answer")).await;
    shows(&host.get(&lab, "/servers").await, 200, &["systemctl status opterius-agent"]);
}

#[tokio::test]
async fn the_page_of_servers_says_what_the_doctor_says_that_a_panel_can_know() {
    let (mut lab, _) = lab().await;
    lab.crash().await;
    opterius_panel::init(lab.config()).await.unwrap();
    lab.start().await;
    let host = Browser::of_person(&lab, "read_only").await;
    lab.create(&order("alice")).await.data(201);
    lab.agent.damage("alice", "tmp would be made");
    lab.agent.script("emil", Behaviour::Attention);
    let emil = lab.create(&order("emil")).await.problem(500, "needs_attention");
    lab.agent.clock_is_ahead_by(3600);
    lab.agent.is_of_version("0.0.9");
    until("the Agent was asked", async || host.get(&lab, "/servers").await.text.contains("0.0.9")).await;
    until("drift is heard of", async || host.get(&lab, "/servers").await.text.contains(">alice</a>")).await;
    let page = host.get(&lab, "/servers").await;
    let operation = format!("href=\"/operations/{}\"", emil["operation_id"].as_str().unwrap());
    shows(&page, 200, &["2120-01-01", "Pin of its key", &operation, "another version than this Panel", "1.25 / 2", "answers", "probed"]);
    shows(&page, 200, &["s ahead of the Panel&#39;s", "timedatectl"]);
    assert!(!page.text.contains("ends soon"), "{}", page.text);

    // Whoever sees some accounts alone sees no others by their drift.
    let token =
        json!({ "name": "other", "scopes": ["self.sign_in", "servers.read", "accounts.read", "operations.read"], "ref_prefix": "x:" });
    let staff = Browser::of_staff(&lab, &lab.token(&token).await).await;
    let page = staff.get(&lab, "/servers").await;
    assert!(!page.text.contains("alice") && !page.text.contains(&operation), "{}", page.text);
}

#[tokio::test]
async fn the_activity_is_looked_through_page_by_page_and_each_line_opens_its_story() {
    let (lab, host) = lab().await;
    let token = lab.token(&json!({ "name": HOSTILE, "purpose": "whmcs" })).await;
    let account = lab.order_with(&token, "alice").await;
    let id = account["id"].as_str().unwrap();
    for n in 0..60 {
        lab.post("/api/packages", &json!({ "name": format!("p{n}") })).await.data(201);
    }
    lab.create(&order("alice")).await.problem(409, "username_taken");
    let page = host.get(&lab, "/activity").await;
    shows(&page, 200, &["hx-trigger=\"every 5s\"", "Older", "The package p59 was made", "refused", "export?format=csv"]);
    assert!(!page.text.contains("The package p0 was made"));
    let older = page.text.split("before=").nth(1).unwrap().split('"').next().unwrap();
    let page = host.get(&lab, &format!("/activity?before={older}")).await;
    shows(&page, 200, &["The package p0 was made", "Newest", "&#60;img"]);
    assert!(!page.text.contains("hx-trigger"), "only the newest page follows");

    shows(&host.get(&lab, "/activity?outcome=refused").await, 200, &["account.create", "badge bg-yellow"]);
    assert!(!host.get(&lab, "/activity?outcome=refused").await.text.contains("was made, with"));
    let of_account = host.get(&lab, &format!("/activity?account={id}")).await;
    shows(&of_account, 200, &["alice"]);
    assert!(!of_account.text.contains("The package p"));
    let by_actor = host.get(&lab, "/activity?actor=TOKEN%3A").await;
    shows(&by_actor, 200, &["token:", "alice"]);
    assert!(!by_actor.text.contains("The package p"));
    shows(&host.get(&lab, "/activity?actor=administrator&action=package.create&outcome=ok").await, 200, &["The package p59 was made"]);
    for nothing in
        ["actor=nobody", "account=nobody", "account=%22%3E%3Cimg%20src%3Dx%3E", "action=%22%3E%3Cimg%20src%3Dx%3E", "action=a&action=b"]
    {
        shows(&host.get(&lab, &format!("/activity?{nothing}")).await, 200, &[]);
    }
    shows(&host.get(&lab, "/activity?actor=nobody").await, 200, &["Nothing matches"]);

    let row = of_account.text.split("id=\"row-").nth(1).unwrap().split('"').next().unwrap();
    let story = host.get(&lab, &format!("/activity/{row}")).await;
    shows(
        &story,
        200,
        &["The story of this request", "account.create.outcome", "dns zone", "<progress", "journalctl -u opterius-agent", "REQUEST_ID="],
    );
    for missing in ["0", "x", "999999"] {
        shows(&host.get(&lab, &format!("/activity/{missing}")).await, 404, &["There is no entry"]);
    }

    // Staff of a token see what the token sees.
    let other = lab.token(&json!({ "name": "other", "scopes": ["self.sign_in", "activity.read"], "ref_prefix": "x:" })).await;
    let staff = Browser::of_staff(&lab, &other).await;
    shows(&staff.get(&lab, "/activity").await, 200, &["Nothing here"]);
    shows(&staff.get(&lab, &format!("/activity/{row}")).await, 404, &["There is no entry"]);
    let theirs = staff.get(&lab, "/activity/export?format=jsonl").await;
    assert_eq!((theirs.status, theirs.text.as_str()), (200, ""));
}

#[tokio::test]
async fn the_activity_is_exported_whole_and_without_formulas() {
    let (lab, host) = lab().await;
    lab.post("/api/packages", &json!({ "name": "=cmd|' /C calc'!A0" })).await.data(201);
    let pool = lab.sql().await;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO activity \
         (id, owner, at, actor, action, outcome, detail, prev, hash) SELECT i + 1000, 'host', i, '=1+1', 'seed', 'ok', '@SUM(\"a\")', i, i FROM n",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let rows = lab.count("SELECT COUNT(*) FROM activity").await;
    let csv = host.get(&lab, "/activity/export?format=csv").await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert!(csv.header("content-disposition").contains("activity.csv"));
    assert_eq!(i64::try_from(csv.text.lines().count()).unwrap(), rows + 1);
    assert!(csv.text.contains(",\"'=1+1\",\"seed\",\"ok\",\"\",\"\",\"\",\"'@SUM(\"\"a\"\")\",\"\"\r\n"), "{}", &csv.text[..2000]);
    for cell in csv.text.split("\",\"") {
        assert!(!cell.starts_with(['=', '+', '@']), "{cell}");
    }
    let lines = host.get(&lab, "/activity/export?format=jsonl&action=seed").await;
    assert_eq!(lines.text.lines().count(), 1200);
    for line in lines.text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["action"] == "seed" && row["hash"].is_string(), "{row}");
    }
}

#[tokio::test]
async fn times_are_shown_in_the_hosts_time_zone() {
    let (lab, host) = lab().await;
    let account = lab.create(&order("alice")).await.data(201);
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    let utc = host.get(&lab, &path).await;
    shows(&utc, 200, &[" UTC\""]);
    let page = host.get(&lab, "/settings").await;
    shows(&page, 200, &["list=\"zones\"", "<option value=\"Asia/Kathmandu\">", "value=\"UTC\""]);
    let version = hidden(&page, "version");
    let change = async |zone: &str, version: &str| {
        host.send(&lab, "/settings", &[("terminated_kept_days", "7"), ("time_zone", zone), ("version", version)]).await
    };
    for bad in ["Mars/Olympus", "", HOSTILE] {
        shows(&change(bad, &version).await, 422, &["is not the name of a time zone", "Europe/Berlin", "is-invalid"]);
    }
    assert_eq!(change("asia/kathmandu", &version).await.status, 303);
    shows(&change("UTC", &version).await, 409, &["was changed since it was shown", "Now: 7 · Asia/Kathmandu"]);
    let page = host.get(&lab, &path).await;
    shows(&page, 200, &[" +0545\""]);
    // Of an operation: that is over, and its time stands.
    let operation = |page: &Reply| page.text.split("href=\"/operations/").nth(1).unwrap().to_owned();
    let machine = |page: &Reply| operation(page).split("datetime=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(!page.text.contains(" UTC\"") && machine(&page).ends_with('Z') && machine(&page) == machine(&utc), "{}", page.text);
    shows(&host.get(&lab, "/").await, 200, &["Creates today (Asia/Kathmandu)", "\"zone\":\"Asia/Kathmandu\""]);

    let settings = lab.get("/api/settings").await.data(200);
    assert_eq!((&settings["terminated_kept_days"], &settings["time_zone"]), (&json!(7), &json!("Asia/Kathmandu")));
    let refused = lab.put("/api/settings", &json!({ "time_zone": "nowhere" })).await.problem(422, "invalid_request");
    assert_eq!(refused["field"], "time_zone");
    assert_eq!(lab.put("/api/settings", &json!({ "time_zone": "UTC" })).await.data(200)["terminated_kept_days"], 7);
    let rows = lab.get("/api/activity?action=settings.change&outcome=ok").await.data(200);
    let details: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["Times are now shown in the time zone UTC.", "Times are now shown in the time zone Asia/Kathmandu."]);
}

#[tokio::test]
async fn the_dashboard_says_how_the_host_is_doing() {
    let (lab, host) = lab().await;
    shows(&host.get(&lab, "/").await, 200, &["There is no account yet", "href=\"/packages\""]);
    until("the Agent was asked", async || host.get(&lab, "/").await.text.contains("1.25 / 2")).await;
    for username in ["alice", "bob", "carol"] {
        lab.create(&order(username)).await.data(201);
    }
    lab.agent.script("dora", Behaviour::Fail("dns zone", FailureKind::Failed, "no"));
    lab.create(&order("dora")).await.problem(502, "provisioning_failed");
    lab.agent.script("emil", Behaviour::Attention);
    lab.create(&order("emil")).await.problem(500, "needs_attention");
    let page = host.get(&lab, "/").await;
    shows(
        &page,
        200,
        &[
            "Needs your attention first",
            "Create: emil (emil.example)",
            ">default<",
            "uplot.js",
            "data-chart=\"steps\"",
            " ms</dd>",
            "97 GiB",
        ],
    );
    shows(&page, 200, &["<dd class=\"col-5\">3</dd>", "<span class=\"badge bg-green text-green-fg\">3</span>", "outcome=failed\">1</a>"]);
    let data = page.text.split("<script type=\"application/json\" id=\"steps\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let hours = data["x"].as_array().unwrap();
    assert!((25..=48).contains(&hours.len()) && hours[0].as_i64().unwrap() % 86_400 == 0, "from yesterday's midnight on: {hours:?}");
    assert_eq!(data["unit"], " ms");
    assert!(data["series"].as_array().unwrap().iter().any(|one| one["label"] == "dns zone"), "{data}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");

    // Staff of a token see what the token sees.
    let token = json!({ "name": "other", "scopes": ["self.sign_in", "servers.read", "operations.read"], "ref_prefix": "x:" });
    let staff = Browser::of_staff(&lab, &lab.token(&token).await).await;
    let page = staff.get(&lab, "/").await;
    shows(&page, 200, &["There is no account yet"]);
    assert!(!page.text.contains("emil") && !page.text.contains("data-chart"), "{}", page.text);

    lab.agent.stop().await;
    until("it is seen", async || host.get(&lab, "/").await.text.contains("does not answer")).await;
}

#[tokio::test]
async fn every_page_of_the_host_is_whole_and_runs_nothing_of_its_own() {
    let (lab, host) = lab().await;
    lab.create(&order("alice")).await.data(201);
    let package = lab.get("/api/packages").await.data(200)[0]["id"].as_str().unwrap().to_owned();
    let paths = [
        "/",
        "/people",
        "/people/theadministrator",
        "/packages",
        "/packages/new",
        "/tokens",
        "/settings",
        "/settings/mail",
        "/settings/dns",
        "/settings/pages",
        "/servers",
        "/servers/default",
        "/activity",
        "/activity/1",
    ];
    for path in paths.map(str::to_owned).into_iter().chain([format!("/packages/{package}")]) {
        for language in ["en", "de"] {
            let call = lab.call(Method::GET, &path).from("198.51.100.7:40000").header("cookie", &host.cookie);
            let page = call.header("accept-language", language).send().await;
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            assert!(page.text.contains(&format!("<html lang=\"{language}\">")) && page.text.matches("<h1").count() == 1, "{path}");
            assert_eq!(page.header("cache-control"), "no-store");
            for part in page.text.split("<script").skip(1) {
                assert!(part.starts_with(" src=\"/assets/") || part.starts_with(" type=\"application/json\""), "{path}: {part}");
            }
            for foreign in ["<style", " style=", " onclick", " onload", "https://", "javascript:"] {
                assert!(!page.text.contains(foreign), "{path}: {foreign}");
            }
            // Every field has its label.
            for id in
                page.text.split("<input class=\"form-control").skip(1).filter_map(|field| field.split(" id=\"").nth(1)?.split('"').next())
            {
                assert!(page.text.contains(&format!("for=\"{id}\"")), "{path}: {id}");
            }
        }
    }
}
