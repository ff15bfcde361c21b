//! `opterius operation`.

use serde_json::json;

use crate::fake_panel::{Answer, FakePanel, operation};

const SHOW: [&str; 3] = ["operation", "show", "0193a5e0-7c1e-7000-8000-00000000000d"];
const PATH: &str = "GET /api/operations/0193a5e0-7c1e-7000-8000-00000000000d";

#[tokio::test]
async fn steps_are_shown_with_their_times_and_the_log_of_the_agent() {
    let panel = FakePanel::start().on(PATH, Answer::Data(200, operation("committed")));
    let ran = panel.opterius(&SHOW).await;
    assert_eq!(
        ran.out,
        "  Operation  0193a5e0-7c1e-7000-8000-00000000000d\n\
         \u{20} Kind       create\n\
         \u{20} Outcome    committed\n\
         \u{20} Username   alice\n\
         \u{20} Domain     example.com\n\
         \u{20} Account    0193a5e0-7c1e-7000-8000-00000000000a\n\
         \u{20} Reference  s12\n\
         \u{20} Started    2026-11-23 21:34:26 UTC, took 300 ms\n\
         \u{20} Request    req-12345678\n\n\
         STEP        STATE   TIME  WHEN                              DETAIL\n\
         linux user  done   62 ms  ██████··························\n\
         home        done    3 ms  ······█·························\n\n\
         It is done, and the account was seen to answer.\n\
         The Agent's log of it: journalctl -u opterius-agent REQUEST_ID=req-12345678\n",
        "{ran:?}"
    );
    assert_eq!(panel.opterius(&[&SHOW[..], &["--json"]].concat()).await.json(), operation("committed"));
}

#[tokio::test]
async fn what_failed_and_what_to_do_is_said() {
    let mut failed = operation("rolled_back");
    failed["error"] = json!({"code": "provisioning_failed", "status": 502, "detail": "home: the disk is full; everything was undone", "hint": "Make room.", "retryable": true});
    failed["steps"][1]["state"] = json!("failed");
    failed["steps"][1]["detail"] = json!("no space left on device");
    failed["steps"].as_array_mut().expect("a list").push(
        json!({"name": "linux user", "direction": "back", "state": "done", "started_at": 1_795_469_666_100_000_i64, "duration_us": 50_000, "detail": null}),
    );
    let panel = FakePanel::start().on(PATH, Answer::Data(200, failed));
    let ran = panel.opterius(&SHOW).await;
    assert_eq!(ran.code, 0, "to have looked at it is a success");
    for expected in [
        "no space left on device",
        "undo: done",
        "What failed: home: the disk is full; everything was undone\n\nWhat to do: Make room.",
        "Everything was undone",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
}

#[tokio::test]
async fn a_running_operation_shows_what_it_is_at() {
    let panel = FakePanel::start().on(PATH, Answer::Data(200, operation("running")));
    let ran = panel.opterius(&SHOW).await;
    assert!(ran.out.contains("home        running      …"), "{}", ran.out);
    assert!(ran.out.contains("It is not decided yet."));
}

#[tokio::test]
async fn what_needs_attention_shows_what_is_left_and_both_ways_out() {
    let mut stuck = operation("needs_attention");
    stuck["left"] = json!(["the zone example.com"]);
    let panel = FakePanel::start().on(PATH, Answer::Data(200, stuck));
    let ran = panel.opterius(&SHOW).await;
    for expected in [
        "  Left       the zone example.com\n",
        "`opterius operation retry 0193a5e0-7c1e-7000-8000-00000000000d` tries it again at once",
        "`opterius operation abandon 0193a5e0-7c1e-7000-8000-00000000000d` ends it as it stands",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
}

#[tokio::test]
async fn a_retry_is_followed_to_its_outcome() {
    let panel = FakePanel::start()
        .on("POST /api/operations/0193a5e0-7c1e-7000-8000-00000000000d/retry", Answer::Data(202, operation("running")))
        .on(PATH, Answer::Data(200, operation("rolled_back")));
    let ran = panel.opterius(&["operation", "retry", SHOW[2]]).await;
    assert_eq!(
        ran.out,
        "Creating the account alice for example.com\n  linux user      done                  62 ms\n  home            done                   3 ms\n\
         The operation 0193a5e0-7c1e-7000-8000-00000000000d (create) is rolled back.\n\
         Everything was undone: nothing of it is left on the server, and it can be ordered again.\n",
        "{ran:?}"
    );
    // The Panel waits for the Agent to have tried, since until then the operation stands as it stood.
    assert!(panel.asked()[0].headers.get("prefer").is_none());
    assert_eq!(panel.opterius(&["operation", "retry", SHOW[2], "--json"]).await.json(), operation("rolled_back"));
}

#[tokio::test]
async fn what_needs_attention_after_a_retry_is_a_failure_with_what_is_left() {
    let mut stuck = operation("needs_attention");
    stuck["error"] = json!({"code": "needs_attention", "detail": "The account `alice` could be neither finished nor undone. Still there: the zone.", "hint": "Start PowerDNS."});
    let panel = FakePanel::start().on("POST /api/operations/0193a5e0-7c1e-7000-8000-00000000000d/retry", Answer::Data(200, stuck));
    let ran = panel.opterius(&["operation", "retry", SHOW[2]]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.starts_with(
            "error: The account `alice` could be neither finished nor undone. Still there: the zone.\n\nhint: Start PowerDNS."
        ),
        "{ran:?}"
    );
}

#[tokio::test]
async fn an_abandoned_operation_is_decided_as_it_stands() {
    let mut abandoned = operation("committed");
    abandoned["abandoned"] = json!(true);
    abandoned["left"] = json!(["the zone example.com"]);
    let panel = FakePanel::start().on("POST /api/operations/0193a5e0-7c1e-7000-8000-00000000000d/abandon", Answer::Data(200, abandoned));
    let ran = panel.opterius(&["operation", "abandon", SHOW[2]]).await;
    assert!(
        ran.out.starts_with("The operation 0193a5e0-7c1e-7000-8000-00000000000d (create) is committed.\nA person ended it as it stood."),
        "{ran:?}"
    );
    assert!(ran.out.ends_with("\nLeft: the zone example.com\n"), "{ran:?}");
}
