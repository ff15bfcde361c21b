//! `opterius whmcs`.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel, Ran, account};

const HEADER: &str = "kind,id,client,status,domain,username,package,next_due_on";
const AGREES: &str = "service,12,7,Active,example.com,alice,Starter,2026-12-31";

fn token(name: &str, ref_prefix: Option<&str>) -> Value {
    json!({"id": format!("0193a5e0-7c1e-7000-8000-0000000000{:02}", name.len()), "name": name, "scopes": ["self.read"], "ref_prefix": ref_prefix, "callers": []})
}

/// The account of the service with this number.
fn of_service(number: u32, username: &str) -> Value {
    let mut account = account();
    account["id"] = json!(format!("0193a5e0-7c1e-7000-8000-0000000001{number:02}"));
    account["external_ref"] = json!(format!("whmcs:1:s{number}"));
    account["username"] = json!(username);
    account
}

/// A Panel with these tokens and accounts, and the package `Starter`.
fn panel_with(tokens: &[Value], accounts: &[Value]) -> FakePanel {
    panel_of(tokens, Answer::Page(json!(accounts), None))
}

/// The same, with the first page of its accounts.
fn panel_of(tokens: &[Value], accounts: Answer) -> FakePanel {
    FakePanel::start()
        .on("GET /api/tokens", Answer::Page(json!(tokens), None))
        .on("GET /api/accounts?limit=500", accounts)
        .on("GET /api/accounts?status=terminated&limit=500", Answer::Page(json!([]), None))
        .on(
            "GET /api/packages",
            Answer::Page(json!([{"id": "0193a5e0-7c1e-7000-8000-00000000000b", "name": "Starter", "limits": {}, "accounts": 1}]), None),
        )
}

/// Runs the report of an export with these lines, as WHMCS writes it.
async fn report(panel: &FakePanel, lines: &[&str], options: &[&str]) -> Ran {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("\u{feff}{HEADER}\r\n{}\r\n", lines.join("\r\n"))).expect("written");
    panel.opterius(&[&["whmcs", "report", file.path().to_str().expect("UTF-8")], options].concat()).await
}

#[tokio::test]
async fn differences_are_told_by_kind_with_what_mends_them() {
    let mut held = of_service(14, "carol");
    held["status"] = json!("suspended");
    held["holds"] = json!([{"hold": "abuse", "reason": "spam"}]);
    let mut strange = account();
    strange["external_ref"] = Value::Null;
    let first = Answer::Page(json!([of_service(12, "alice"), of_service(13, "bob")]), Some("next"));
    let second = Answer::Page(json!([held, of_service(99, "dora"), strange]), None);
    let panel =
        panel_of(&[token("whmcs", Some("whmcs:1:")), token("own", None)], first).on("GET /api/accounts?limit=500&cursor=next", second);
    let lines = [
        AGREES,
        "service,13,7,Suspended,example.com,bob,Starter,",
        "service,14,8,Active,example.com,carol,Starter,",
        "addon,12,9,Active,shop.example.net,'=erin,Starter,",
    ];
    let ran = report(&panel, &lines, &[]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.out,
        "Paid, but there is no account: 1 (missing).\n\n\
         WHMCS     CLIENT  USERNAME  DOMAIN            FOUND                            WHAT MENDS IT\n\
         addon 12       9  =erin     shop.example.net  Active, but there is no account  press Create\n\n\
         In another state than in WHMCS: 1 (wrong_state).\n\n\
         WHMCS       CLIENT  USERNAME  DOMAIN       FOUND                                 WHAT MENDS IT\n\
         service 13       7  bob       example.com  Suspended, but the account is active  press Suspend\n\n\
         Not known to WHMCS: 1 (unknown).\n\n\
         WHMCS  CLIENT  USERNAME  DOMAIN       FOUND                                                            WHAT MENDS IT\n\
         –           –  dora      example.com  the account is there (active), and the export has no service 99  look for the service in WHMCS: \
         if it is newer than the export, all is well; if it was deleted, `opterius account terminate 0193a5e0-7c1e-7000-8000-000000000199`\n\n\
         Suspended by the host itself, which is no difference: 1 (hosts_hold).\n\n\
         WHMCS       CLIENT  USERNAME  DOMAIN       FOUND                                            WHAT MENDS IT\n\
         service 14       8  carol     example.com  Active, and suspended by the host (abuse: spam)  nothing in WHMCS; `opterius account \
         unsuspend 0193a5e0-7c1e-7000-8000-000000000114` once its cause is gone\n\n\
         As it should be: 2 of the 4 that WHMCS has sold.\n\
         3 differences to mend.\n"
    );
    assert!(panel.asked().iter().all(|asked| asked.what.starts_with("GET ")), "nothing is changed");
}

#[tokio::test]
async fn programs_get_every_difference_with_both_sides() {
    let panel = panel_with(&[token("whmcs", Some("whmcs:1:"))], &[of_service(12, "alice"), of_service(13, "bob")]);
    let ran = report(&panel, &[AGREES, "service,13,7,Terminated,example.com,bob,Starter,2026-12-31"], &["--json"]).await;
    let id = "0193a5e0-7c1e-7000-8000-000000000113";
    assert_eq!(
        (ran.code, ran.json()),
        (
            1,
            json!({
                "ok": false, "ref_prefix": "whmcs:1:", "sold": 2, "accounts": 2, "matched": 2, "same": 1, "notes": [],
                "findings": [{
                    "kind": "cancelled",
                    "sold": {"kind": "service", "id": 13, "client": 7, "status": "Terminated", "domain": "example.com", "username": "bob",
                             "package": "Starter", "next_due_on": "2026-12-31"},
                    "account": {"id": id, "external_ref": "whmcs:1:s13", "username": "bob", "domain": "example.com", "status": "active"},
                    "detail": "Terminated, but the account is there (active)",
                    "mend": format!("press Terminate, or `opterius account terminate {id}`"),
                }],
            })
        )
    );
}

#[tokio::test]
async fn an_export_that_agrees_is_no_failure() {
    let panel = panel_with(&[token("whmcs", Some("whmcs:1:"))], &[of_service(12, "alice")]);
    let ran = report(&panel, &[AGREES], &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "As it should be: 1 of the 1 that WHMCS has sold.\n"));
    assert_eq!(report(&panel, &[AGREES], &["--json"]).await.json()["ok"], true);
}

#[tokio::test]
async fn the_export_of_another_whmcs_is_recognised() {
    let panel = panel_with(&[token("shop", Some("whmcs:1:"))], &[of_service(12, "alice")]);
    let ran = report(&panel, &["service,13,7,Active,example.net,bob,Starter,"], &[]).await;
    let begin =
        "Nothing that this WHMCS has sold has an account of the token shop: is it the export of the WHMCS that uses this token?\n\n";
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with(begin), "{ran:?}");
}

#[tokio::test]
async fn the_token_is_found_if_there_is_only_one_and_else_it_is_named() {
    let (own, old, new) = (token("own", None), token("old shop", Some("whmcs:1:")), token("new", Some("whmcs:2:")));
    let panel = panel_with(&[own.clone(), old.clone(), new], &[of_service(12, "alice")]);
    let ran = report(&panel, &[AGREES], &[]).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (1, "error: there are several tokens for WHMCS: old shop, new\n\nhint: name the one that this WHMCS uses with `--token NAME`\n")
    );
    assert_eq!(report(&panel, &[AGREES], &["--token", "old shop"]).await.code, 0);
    let ran = report(&panel, &[AGREES], &["--token", "new"]).await;
    assert!(ran.out.starts_with("Paid, but there is no account: 1 (missing)."), "{ran:?}");
    let ran = report(&panel, &[AGREES], &["--token", "own"]).await;
    assert!(ran.err.starts_with("error: the token `own` sees every account, so it is not one for WHMCS"), "{ran:?}");
    let ran = report(&panel, &[AGREES], &["--token", "none"]).await;
    assert!(ran.err.starts_with("error: there is no token `none`"), "{ran:?}");

    let panel = panel_with(&[old, own.clone(), token("second", Some("whmcs:1:"))], &[of_service(12, "alice")]);
    assert_eq!(report(&panel, &[AGREES], &[]).await.code, 0, "two tokens of the same WHMCS");
    let ran = report(&panel_with(&[own], &[]), &[AGREES], &[]).await;
    assert!(ran.err.starts_with("error: there is no token for WHMCS, so no account is one of its own\n\nhint: "), "{ran:?}");
}

#[tokio::test]
async fn an_export_that_cannot_be_read_is_no_report() {
    let panel = panel_with(&[token("whmcs", Some("whmcs:1:"))], &[of_service(12, "alice")]);
    let ran = report(&panel, &[AGREES, "service,13,7,Lost,example.net,bob,Starter,"], &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.contains(" is no export of WHMCS that can be read: line 3, column `status`: `Lost` is not one of Pending, Active"),
        "{ran:?}"
    );
    assert!(ran.err.contains("\n\nhint: export it again in WHMCS, under Addons → Opterius"), "{ran:?}");
    let ran = panel.opterius(&["whmcs", "report", "/nonexistent.csv"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: could not read /nonexistent.csv: No such file or directory (os error 2)\n"));
    assert!(panel.asked().is_empty());
}
