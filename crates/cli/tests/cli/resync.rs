//! `opterius resync`.

use serde_json::json;

use crate::fake_panel::{Answer, FakePanel};

#[tokio::test]
async fn what_only_one_side_knows_is_grouped_by_kind() {
    let entry = |id: &str, panel: Option<u64>, agent: Option<u64>| json!({"account_id": id, "username": "alice", "domain": "example.com", "panel_generation": panel, "agent_generation": agent, "detail": null});
    let report = json!({"same": 12, "only_agent": [entry("a1", None, Some(3))], "only_panel": [], "newer_on_agent": [entry("a2", Some(1), Some(2)), entry("a3", Some(1), Some(4))],
                        "newer_on_panel": [], "different": [], "busy": [], "adopted": []});
    let adopted = json!({"same": 1, "only_agent": [], "only_panel": [], "newer_on_agent": [], "newer_on_panel": [], "different": [], "busy": [],
                         "adopted": [entry("a1", Some(3), Some(3))]});
    let panel =
        FakePanel::start().on("GET /api/resync", Answer::Data(200, report.clone())).on("POST /api/resync", Answer::Data(200, adopted));
    assert_eq!(
        panel.opterius(&["resync"]).await.out,
        "Only the Agent knows 1 account (only_agent). `opterius resync --adopt` has the Panel take them over.\n\n\
         USERNAME  DOMAIN       PANEL  AGENT  ID  DETAIL\n\
         alice     example.com      –      3  a1\n\n\
         The Agent knows a later state of 2 accounts (newer_on_agent). `opterius resync --adopt` has the Panel take them over.\n\n\
         USERNAME  DOMAIN       PANEL  AGENT  ID  DETAIL\n\
         alice     example.com      1      2  a2\n\
         alice     example.com      1      4  a3\n\n\
         12 accounts are the same on both sides.\n"
    );
    assert_eq!(panel.opterius(&["resync", "--json"]).await.json(), report);
    assert!(panel.asked().iter().all(|asked| asked.what == "GET /api/resync"));
    let ran = panel.opterius(&["resync", "--adopt"]).await;
    assert_eq!(panel.asked_for("POST /api/resync").body, json!({}));
    assert!(ran.out.starts_with("The Panel took over 1 account (adopted).\n\n"), "{ran:?}");
    assert!(ran.out.ends_with("\n1 account is the same on both sides.\n"), "{ran:?}");
}
