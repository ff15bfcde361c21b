//! `opterius server`.

use serde_json::{Value, json};

use crate::fake_panel::{Answer, FakePanel, servers};

const CHANGE: &str = "PUT /api/servers/0193a5e0-7c1e-7000-8000-00000000000c";

fn with(accounts: u64, max_accounts: u32) -> Value {
    let mut server = servers()[0].clone();
    (server["accounts"], server["max_accounts"]) = (json!(accounts), json!(max_accounts));
    server
}

#[tokio::test]
async fn servers_are_listed_with_what_they_have_and_take() {
    let panel = FakePanel::start().on("GET /api/servers", Answer::Page(json!([with(12, 500)]), None));
    let ran = panel.opterius(&["server", "list"]).await;
    assert_eq!(
        ran.out,
        "NAME               HOST NAME            ADDRESSES   ACCOUNTS  TAKES  ANSWERS  PHP       ID\n\
         server1 (default)  panel.opterius.test  192.0.2.10        12    500  yes      8.4, 8.2  0193a5e0-7c1e-7000-8000-00000000000c\n"
    );
    assert_eq!(panel.opterius(&["server", "list", "--json"]).await.json(), json!([with(12, 500)]));
    let panel = FakePanel::start().on("GET /api/servers", Answer::Page(servers(), None));
    let ran = panel.opterius(&["server", "list"]).await;
    assert!(ran.out.contains("  any number  "), "{}", ran.out);
}

#[tokio::test]
async fn how_many_accounts_a_server_takes_is_set_and_the_rest_stays() {
    let panel = FakePanel::start()
        .on("GET /api/servers", Answer::Page(servers(), None))
        .on(CHANGE, Answer::Data(200, with(1, 500)))
        .on(CHANGE, Answer::Data(200, with(12, 12)))
        .on(CHANGE, Answer::Data(200, with(12, 0)));
    let ran = panel.opterius(&["server", "set", "server1", "--max-accounts", "500"]).await;
    assert_eq!(ran.out, "The server server1 takes at most 500 accounts. It has 1 account.\n", "{ran:?}");
    assert_eq!(
        panel.asked_for(CHANGE).body,
        json!({"hostname": "panel.opterius.test", "ipv4": ["192.0.2.10"], "ipv6": [], "nameservers": ["ns1.opterius.test", "ns2.opterius.test"],
               "max_accounts": 500})
    );
    let ran = panel.opterius(&["server", "set", "server1", "--max-accounts", "12"]).await;
    assert_eq!(ran.out, "The server server1 takes at most 12 accounts. It has 12 accounts, so it takes no more orders.\n");
    let ran = panel.opterius(&["server", "set", "0193a5e0-7c1e-7000-8000-00000000000c", "--max-accounts", "0"]).await;
    assert_eq!(ran.out, "The server server1 takes any number of accounts. It has 12 accounts.\n");
    assert_eq!(panel.opterius(&["server", "set", "server1", "--max-accounts", "0", "--json"]).await.json(), with(12, 0));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_not_set_up_is_left_alone() {
    let mut bare = with(0, 0);
    bare["hostname"] = Value::Null;
    let panel = FakePanel::start().on("GET /api/servers", Answer::Page(json!([bare]), None));
    let ran = panel.opterius(&["server", "set", "server2", "--max-accounts", "5"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: there is no server `server2`\n\nhint: these are there: server1\n"));
    let ran = panel.opterius(&["server", "set", "server1", "--max-accounts", "5"]).await;
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (1, "error: the server server1 has no host name yet\n\nhint: run `opterius setup` there first\n")
    );
    assert!(panel.asked().iter().all(|asked| asked.what == "GET /api/servers"));
}
