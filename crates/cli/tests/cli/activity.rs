//! `opterius activity`.

use serde_json::json;

use crate::fake_panel::{Answer, FakePanel};

const VERIFY: &str = "POST /api/activity/verify";

#[tokio::test]
async fn an_activity_that_is_whole_is_said_to_be_and_exits_with_0() {
    let found = json!({"whole": true, "rows_checked": 1204, "heads_checked": 1, "not_asked": [], "wrong": null});
    let panel = FakePanel::start().on(VERIFY, Answer::Data(200, found.clone()));
    let ran = panel.opterius(&["activity", "verify"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "The Activity is whole: 1204 rows checked, and 1 head that the servers have.\n"));
    let ran = panel.opterius(&["activity", "verify", "--json"]).await;
    assert_eq!((ran.code, ran.json()), (0, found));

    let alone = json!({"whole": true, "rows_checked": 1, "heads_checked": 0, "not_asked": [{"server": "default", "detail": "Its Agent could not be asked."}], "wrong": null});
    let ran = FakePanel::start().on(VERIFY, Answer::Data(200, alone)).opterius(&["activity", "verify"]).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            0,
            "default was not asked. Its Agent could not be asked.\nThe Activity is whole: 1 row checked, and 0 heads that the servers have.\n\
             No server has one yet, so only the chain itself was checked.\n"
        )
    );
}

#[tokio::test]
async fn what_was_removed_because_of_its_age_is_said_with_what_cannot_be_proven_any_more() {
    let removed = json!({"last_row": 500, "hash": "ab12", "at": 1, "activity_row": 700, "heads_not_compared": 3});
    let found =
        json!({"whole": true, "rows_checked": 300, "heads_checked": 2, "not_asked": [], "removed": removed, "key": "cd34", "wrong": null});
    let ran = FakePanel::start().on(VERIFY, Answer::Data(200, found)).opterius(&["activity", "verify"]).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            0,
            "The rows up to 500 were removed, as the settings say; the hash of the last one was ab12.\n\
             They can no longer be verified here, and neither can 3 heads that the servers have of them. An export or a backup can be.\n\
             This Panel signs removals with the key cd34.\n\
             The Activity is whole: 300 rows checked, and 2 heads that the servers have.\n"
        )
    );
}

#[tokio::test]
async fn an_activity_that_was_changed_exits_with_1_and_says_what_to_do() {
    let found = json!({"whole": false, "rows_checked": 17, "heads_checked": 2, "not_asked": [],
                       "wrong": {"kind": "row_changed", "row": 17, "server": null, "detail": "The row 17 was changed.", "hint": "Look."}});
    let panel = FakePanel::start().on(VERIFY, Answer::Data(200, found.clone()));
    let ran = panel.opterius(&["activity", "verify"]).await;
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.out,
        "The Activity is not what was written: row 17 (row_changed).\n\nThe row 17 was changed.\nLook.\n\n\
         Checked up to there: 17 rows, and 2 heads that the servers have.\n"
    );
    let ran = panel.opterius(&["activity", "verify", "--json"]).await;
    assert_eq!((ran.code, ran.json()), (1, found));
}
