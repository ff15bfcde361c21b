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
async fn how_long_the_activity_is_kept_is_set_within_bounds() {
    let now = json!({"terminated_kept_days": 7, "time_zone": "UTC", "activity_days": 365, "activity_rows": 200_000});
    let panel = FakePanel::start().on("PUT /api/settings", Answer::Data(200, now));
    let ran = panel.opterius(&["settings", "set", "activity-days", "365"]).await;
    assert!(ran.out.contains("activity-days  365 (days that the Activity is kept)"), "{}", ran.out);
    assert!(ran.out.contains("activity-rows  200000 (most rows of the Activity)"), "{}", ran.out);
    assert_eq!(panel.asked_for("PUT /api/settings").body, json!({"activity_days": 365}));
    for wrong in [["activity-days", "29"], ["activity-days", "0"], ["activity-rows", "0"]] {
        assert_ne!(panel.opterius(&["settings", "set", wrong[0], wrong[1]]).await.code, 0, "{wrong:?}");
    }
}

#[tokio::test]
async fn the_time_zone_is_set_by_its_name() {
    let now = json!({"terminated_kept_days": 7, "time_zone": "Europe/Berlin"});
    let panel = FakePanel::start().on("PUT /api/settings", Answer::Data(200, now));
    let ran = panel.opterius(&["settings", "set", "time-zone", "Europe/Berlin"]).await;
    assert_eq!(ran.out, "  kept-days  7: so long can a terminated account be restored\n  time-zone  Europe/Berlin\n");
    assert_eq!(panel.asked_for("PUT /api/settings").body, json!({"time_zone": "Europe/Berlin"}));
}

#[tokio::test]
async fn default_dns_records_are_shown_set_and_reset() {
    let mail = json!({"name": "@", "type": "MX", "content": "10 mail.{domain}"});
    let there = json!({"ttl": 3600, "records": [mail], "built_in": true});
    let panel = FakePanel::start()
        .on("GET /api/settings/dns", Answer::Data(200, there.clone()))
        .on("PUT /api/settings/dns", Answer::Data(200, json!({"ttl": 600, "records": [], "built_in": false})));
    let shown =
        "NAME  TYPE  CONTENT\n@     MX    10 mail.{domain}\n\nAnswers may be kept for 3600 seconds. These are the built-in records.\n";
    assert_eq!(panel.opterius(&["settings", "dns", "show"]).await.out, shown);
    assert_eq!(panel.opterius(&["settings", "dns", "show", "--json"]).await.json(), there);
    let ran = panel.opterius(&["settings", "dns", "set", "--record", "_dmarc TXT v=DMARC1; p=none", "--record", "@ mx 5 mail"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "NAME  TYPE  CONTENT\n\nAnswers may be kept for 600 seconds.\n"), "{ran:?}");
    let records = json!([{"name": "_dmarc", "type": "TXT", "content": "v=DMARC1; p=none"}, {"name": "@", "type": "MX", "content": "5 mail.{domain}"}]);
    assert_eq!(panel.asked_for("PUT /api/settings/dns").body, json!({"ttl": 3600, "records": records}));
    for (wrong, why) in [("@", "a name, a type and a content"), ("@ NS x", "is not a type of record"), ("a A here", "an IPv4 address")] {
        let ran = panel.opterius(&["settings", "dns", "set", "--record", wrong]).await;
        assert!(ran.code == 2 && ran.err.contains(why), "{ran:?}");
    }
    assert_eq!(panel.opterius(&["settings", "dns", "set"]).await.code, 2, "nothing to set");
    assert_eq!(panel.opterius(&["settings", "dns", "set", "--ttl", "59"]).await.code, 2);
}

#[tokio::test]
async fn the_built_in_records_come_back() {
    let panel = FakePanel::start().on("PUT /api/settings/dns", Answer::Data(200, json!({"ttl": 3600, "records": [], "built_in": true})));
    assert_eq!(panel.opterius(&["settings", "dns", "reset"]).await.code, 0);
    let body = panel.asked_for("PUT /api/settings/dns").body;
    assert_eq!((&body["ttl"], body["records"].as_array().map(Vec::len)), (&json!(3600), Some(4)));
}
