//! `opterius settings`.

use serde_json::json;

use crate::fake_panel::{Answer, FakePanel};

#[tokio::test]
async fn settings_are_shown_and_set() {
    let panel = FakePanel::start()
        .on("GET /api/settings", Answer::Data(200, json!({"terminated_kept_days": 7})))
        .on("PUT /api/settings", Answer::Data(200, json!({"terminated_kept_days": 0})));
    assert_eq!(panel.opterius(&["settings", "show"]).await.out, "  kept-days  7: so long can a terminated account be restored\n");
    let ran = panel.opterius(&["settings", "set", "kept-days", "0"]).await;
    assert_eq!(ran.out, "  kept-days  0: a terminated account cannot be restored\n");
    assert_eq!(panel.asked_for("PUT /api/settings").body, json!({"terminated_kept_days": 0}));
    assert_eq!(panel.opterius(&["settings", "show", "--json"]).await.json(), json!({"terminated_kept_days": 7}));
}

#[tokio::test]
async fn the_time_zone_is_set_by_its_name() {
    let now = json!({"terminated_kept_days": 7, "time_zone": "Europe/Berlin"});
    let panel = FakePanel::start().on("PUT /api/settings", Answer::Data(200, now));
    let ran = panel.opterius(&["settings", "set", "time-zone", "Europe/Berlin"]).await;
    assert_eq!(ran.out, "  kept-days  7: so long can a terminated account be restored\n  time-zone  Europe/Berlin\n");
    assert_eq!(panel.asked_for("PUT /api/settings").body, json!({"time_zone": "Europe/Berlin"}));
}
