//! `opterius token`.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel, servers};

fn token() -> Value {
    json!({"id": "0193a5e0-7c1e-7000-8000-000000000001", "name": "whmcs", "token": "t".repeat(43), "scopes": ["self.read", "accounts.create"],
           "ref_prefix": "whmcs:1:", "access_hash": "o1.secret.pin,backup"})
}

#[tokio::test]
async fn a_token_for_whmcs_is_shown_as_it_is_pasted() {
    let panel = FakePanel::start().on("POST /api/tokens", Answer::Data(201, token())).on("GET /api/servers", Answer::Page(servers(), None));
    let ran = panel
        .opterius(&["token", "create", "--for", "whmcs", "--expires", "30", "--address", "192.0.2.7", "--address", "2001:db8::/48"])
        .await;
    let order = panel.asked_for("POST /api/tokens").body;
    assert_eq!(
        (&order["name"], &order["purpose"], &order["addresses"]),
        (&json!("whmcs"), &json!("whmcs"), &json!(["192.0.2.7/32", "2001:db8::/48"]))
    );
    assert!(order["expires_at"].as_i64().is_some_and(|at| at > 1_700_000_000_000_000), "{order}");
    for line in [
        "  Module       Opterius",
        "  Hostname     panel.opterius.test",
        "  Port         8443, with Secure ticked",
        "  Access Hash  o1.secret.pin,backup",
    ] {
        assert!(ran.out.lines().any(|shown| shown == line), "{line}: {}", ran.out);
    }
    assert!(ran.out.contains("shown only now"));
}

#[tokio::test]
async fn a_token_that_was_made_is_shown_whatever_fails_afterwards() {
    let panel = FakePanel::start().on("POST /api/tokens", Answer::Data(201, token()));
    // As the option was called in the first version.
    let ran = panel.opterius(&["token", "create", "--purpose", "whmcs", "--name", "shop"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("o1.secret.pin,backup"));
    assert_eq!(
        panel.asked_for("POST /api/tokens").body,
        json!({"name": "shop", "purpose": "whmcs", "expires_at": null, "addresses": null})
    );
    assert_eq!(panel.opterius(&["token", "create", "--for", "whmcs", "--json"]).await.json(), token());
}

#[tokio::test]
async fn tokens_are_listed_and_revoked_by_name_or_id() {
    let list = json!([
        {"id": "0193a5e0-7c1e-7000-8000-000000000001", "name": "shop", "scopes": ["self.read"], "expires_at": null, "addresses": null, "created_at": 1},
        {"id": "0193a5e0-7c1e-7000-8000-000000000002", "name": "old", "scopes": [], "expires_at": 1_795_469_666_000_000_i64, "addresses": ["192.0.2.0/24"], "created_at": 1}
    ]);
    let panel = FakePanel::start()
        .on("GET /api/tokens", Answer::Page(list.clone(), None))
        .on("DELETE /api/tokens/0193a5e0-7c1e-7000-8000-000000000002", Answer::Data(204, Value::Null));
    let ran = panel.opterius(&["token", "list"]).await;
    assert!(ran.out.contains("shop  never  ") && ran.out.contains("old   2026-11-23 21:34:26 UTC  192.0.2.0/24"), "{}", ran.out);
    assert_eq!(panel.opterius(&["token", "list", "--json"]).await.json(), list);

    let ran = panel.opterius(&["token", "revoke", "old"]).await;
    assert_eq!(ran.out, "Revoked the token old. What still uses it is refused from now on.\n", "{ran:?}");
    let ran = panel.opterius(&["token", "revoke", "0193a5e0-7c1e-7000-8000-000000000002", "--json"]).await;
    assert_eq!(ran.json(), json!({"id": "0193a5e0-7c1e-7000-8000-000000000002", "revoked": true}));
    let ran = panel.opterius(&["token", "revoke", "nobody"]).await;
    assert_eq!(ran.err, "error: there is no token `nobody`\n\nhint: `opterius token list` shows them\n");
}

const SHOP: &str = "0193a5e0-7c1e-7000-8000-000000000001";

fn caller(url: &str, directory: &str, allowed: bool) -> Value {
    json!({"url": url, "directory": directory, "allowed": allowed, "since": 1_795_469_666_000_000_i64})
}

/// The token `shop` with the installations that were seen with it.
fn shop(callers: &[Value]) -> Answer {
    Answer::Page(json!([{"id": SHOP, "name": "shop", "scopes": ["self.read"], "created_at": 1, "callers": callers}]), None)
}

#[tokio::test]
async fn a_rotated_token_is_shown_once_with_what_becomes_of_the_old_one() {
    let rotate = format!("POST /api/tokens/{SHOP}/rotate");
    let panel = FakePanel::start().on("GET /api/tokens", shop(&[])).on(&rotate, Answer::Data(201, token()));
    let ran = panel.opterius(&["token", "rotate", "shop"]).await;
    assert_eq!(
        ran.out,
        format!(
            "The token whmcs ({SHOP}) has a new secret.\n\nIn WHMCS, under System Settings → Servers, put it into the server's form:\n\n  \
             Access Hash  o1.secret.pin,backup\n\nThe old one opens until the new one is used for the first time, and then no more.\n\
             The access hash is shown only now. Whoever has it can order accounts: treat it as a password.\n"
        ),
        "{ran:?}"
    );
    panel.asked_for(&rotate);
    assert_eq!(panel.opterius(&["token", "rotate", SHOP, "--json"]).await.json(), token());
    let ran = panel.opterius(&["token", "rotate", "nobody"]).await;
    assert_eq!(ran.err, "error: there is no token `nobody`\n\nhint: `opterius token list` shows them\n");
}

#[tokio::test]
async fn installations_that_use_a_token_are_listed_with_it() {
    let callers =
        [caller("https://billing.example.com", "/var/www/whmcs", true), caller("https://staging.example.com", "/srv/staging", false)];
    let panel = FakePanel::start().on("GET /api/tokens", shop(&callers));
    let ran = panel.opterius(&["token", "list"]).await;
    let end = "\n\n\
               TOKEN  INSTALLATION                 DIRECTORY       IS       SINCE\n\
               shop   https://billing.example.com  /var/www/whmcs  allowed  2026-11-23 21:34:26 UTC\n\
               shop   https://staging.example.com  /srv/staging    waiting  2026-11-23 21:34:26 UTC\n\n\
               What waits may be a copy, and can change nothing. If it is none, `opterius token allow` with the token's name lets it.\n";
    assert!(ran.out.ends_with(end), "{}", ran.out);

    let panel = FakePanel::start().on("GET /api/tokens", shop(&callers[..1]));
    let ran = panel.opterius(&["token", "list"]).await;
    assert!(ran.out.contains("allowed") && !ran.out.contains("waits"), "{}", ran.out);
}

#[tokio::test]
async fn the_one_installation_that_waits_is_allowed_without_being_named() {
    let waits = caller("https://new.example.com", "/var/www/whmcs", false);
    let now = json!([caller("https://new.example.com", "/var/www/whmcs", true)]);
    let allow = format!("POST /api/tokens/{SHOP}/callers");
    let panel = FakePanel::start()
        .on("GET /api/tokens", shop(&[caller("https://billing.example.com", "/var/www/whmcs", true), waits]))
        .on(&allow, Answer::Data(200, now.clone()));
    let ran = panel.opterius(&["token", "allow", "shop", "--only"]).await;
    assert_eq!(
        ran.out,
        "https://new.example.com in /var/www/whmcs may use the token shop, and no other installation.\n\n\
         TOKEN  INSTALLATION             DIRECTORY       IS       SINCE\n\
         shop   https://new.example.com  /var/www/whmcs  allowed  2026-11-23 21:34:26 UTC\n",
        "{ran:?}"
    );
    assert_eq!(panel.asked_for(&allow).body, json!({"url": "https://new.example.com", "directory": "/var/www/whmcs", "only": true}));
    assert_eq!(panel.opterius(&["token", "allow", SHOP, "--json"]).await.json(), now);
}

#[tokio::test]
async fn which_installation_is_meant_is_never_guessed() {
    let allow = format!("POST /api/tokens/{SHOP}/callers");
    let named = format!(
        "\n\nhint: an installation waits once it has tried to change something; name one with `opterius token allow {SHOP} --url URL \
         --directory DIR`\n"
    );
    for (callers, why) in [
        (vec![], "error: no installation waits to use the token shop: none has used it yet"),
        (
            vec![caller("https://billing.example.com", "/var/www/whmcs", true)],
            "error: no installation waits to use the token shop: those that use it are allowed\n  https://billing.example.com in /var/www/whmcs",
        ),
        (
            vec![
                caller("https://billing.example.com", "/var/www/whmcs", true),
                caller("https://a.example.com", "/srv/a", false),
                caller("https://b.example.com", "/srv/b", false),
            ],
            "error: 2 installations wait to use the token shop\n  https://a.example.com in /srv/a\n  https://b.example.com in /srv/b",
        ),
    ] {
        let panel = FakePanel::start().on("GET /api/tokens", shop(&callers)).on(&allow, Answer::Data(200, json!([])));
        let ran = panel.opterius(&["token", "allow", "shop"]).await;
        assert_eq!((ran.code, ran.err.as_str()), (1, format!("{why}{named}").as_str()));
        let ran = panel.opterius(&["token", "allow", "shop", "--url", "https://b.example.com", "--directory", "/srv/b"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(panel.asked_for(&allow).body, json!({"url": "https://b.example.com", "directory": "/srv/b", "only": false}));
    }
}
