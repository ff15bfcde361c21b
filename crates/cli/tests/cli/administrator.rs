//! `opterius administrator`.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel};

#[tokio::test]
async fn somebody_is_added_with_a_password_that_is_shown_once() {
    let panel = FakePanel::start().on("POST /api/administrators", Answer::Data(201, json!({"username": "ada"})));
    let ran = panel.opterius(&["administrator", "add", "ada", "--role", "support"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = panel.asked_for("POST /api/administrators").body;
    assert_eq!((&sent["username"], &sent["role"]), (&json!("ada"), &json!("support")));
    let password = sent["password"].as_str().expect("a password");
    assert!(password.len() == 20 && ran.out.contains(&format!("Password: {password}   (shown only now)")), "{}", ran.out);
    assert_ne!(panel.opterius(&["administrator", "add", "ada", "--role", "king"]).await.code, 0);
}

#[tokio::test]
async fn somebody_gets_another_password() {
    let panel = FakePanel::start().on("PUT /api/administrators/ada/password", Answer::Data(204, Value::Null));
    let ran = panel.opterius(&["administrator", "password", "ada", "--json"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = panel.asked_for("PUT /api/administrators/ada/password").body;
    assert_eq!(ran.json(), json!({"username": "ada", "password": sent["password"]}));
    for nobody in ["", "../tokens", "Ada", "a b"] {
        let ran = panel.opterius(&["administrator", "password", "--", nobody]).await;
        assert!(ran.code != 0 && ran.out.is_empty(), "{ran:?}");
    }
}
