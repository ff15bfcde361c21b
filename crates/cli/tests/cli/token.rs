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
        .opterius(&["token", "create", "--purpose", "whmcs", "--expires", "30", "--address", "192.0.2.7", "--address", "2001:db8::/48"])
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
    let ran = panel.opterius(&["token", "create", "--purpose", "whmcs", "--name", "shop"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("o1.secret.pin,backup"));
    assert_eq!(
        panel.asked_for("POST /api/tokens").body,
        json!({"name": "shop", "purpose": "whmcs", "expires_at": null, "addresses": null})
    );
    assert_eq!(panel.opterius(&["token", "create", "--purpose", "whmcs", "--json"]).await.json(), token());
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
