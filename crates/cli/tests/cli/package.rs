//! `opterius package`.

use serde_json::json;

use crate::fake_panel::{Answer, FakePanel, servers};

#[tokio::test]
async fn only_the_limits_that_are_given_are_sent() {
    let data = json!({"id": "p1", "name": "Gold & Co", "limits": {"disk_mib": 1024, "php_workers": 5, "files": 0}, "accounts": 0, "created_at": 1});
    let panel =
        FakePanel::start().on("POST /api/packages", Answer::Data(201, data.clone())).on("GET /api/servers", Answer::Page(servers(), None));
    let ran = panel.opterius(&["package", "create", "Gold & Co", "--disk-mib", "1024", "--files", "0"]).await;
    assert_eq!(panel.asked_for("POST /api/packages").body, json!({"name": "Gold & Co", "disk_mib": 1024, "files": 0}));
    assert_eq!(
        ran.out,
        "Created the package Gold & Co (p1).\n\n\
         LIMIT        VALUE\n\
         disk         1024 MiB   not enforced on this server\n\
         files        unlimited\n\
         PHP workers  5\n",
        "{ran:?}"
    );
    let ran = panel.opterius(&["package", "create", "Gold & Co", "--json"]).await;
    assert_eq!(ran.json(), data);
}

#[tokio::test]
async fn a_list_says_which_limits_are_only_promised() {
    let data = json!([
        {"id": "p1", "name": "Starter", "limits": {"disk_mib": 1024, "php_workers": 5}, "accounts": 12, "created_at": 1},
        {"id": "p2", "name": "All", "limits": {"disk_mib": 0}, "accounts": 0, "created_at": 1}
    ]);
    let panel =
        FakePanel::start().on("GET /api/packages", Answer::Page(data.clone(), None)).on("GET /api/servers", Answer::Page(servers(), None));
    let ran = panel.opterius(&["package", "list"]).await;
    assert_eq!(
        ran.out,
        "NAME     ACCOUNTS  LIMITS                        ID\n\
         Starter        12  disk 1024 MiB, PHP workers 5  p1\n\
         All             0  nothing limited               p2\n\n\
         Not enforced on this server: disk. `opterius doctor` says why.\n",
        "{ran:?}"
    );
    assert_eq!(panel.opterius(&["--json", "package", "list"]).await.json(), data);
}

#[tokio::test]
async fn an_empty_list_says_what_to_do_next() {
    let panel = FakePanel::start().on("GET /api/packages", Answer::Page(json!([]), None));
    let ran = panel.opterius(&["package", "list"]).await;
    assert!(ran.out.contains("opterius package create"), "{ran:?}");
    assert_eq!(panel.opterius(&["package", "list", "--json"]).await.out, "[]\n");
}

#[tokio::test]
async fn a_package_is_retired_and_taken_back_by_its_name() {
    let package = |retired| json!({"id": "p1", "name": "Starter", "limits": {}, "accounts": 12, "created_at": 1, "retired": retired, "retired_at": null});
    let panel = FakePanel::start()
        .on("GET /api/packages", Answer::Page(json!([package(true)]), None))
        .on("POST /api/packages/p1/retire", Answer::Data(200, package(true)))
        .on("POST /api/packages/p1/return", Answer::Data(200, package(false)));
    let ran = panel.opterius(&["package", "retire", "Starter"]).await;
    assert_eq!(ran.out, "Retired the package Starter: 12 accounts keep it, and no other gets it.\n", "{ran:?}");
    let ran = panel.opterius(&["package", "unretire", "p1"]).await;
    assert_eq!(ran.out, "The package Starter can be had again.\n", "{ran:?}");
    assert!(panel.opterius(&["package", "list"]).await.out.contains("Starter (retired)"));
    assert_eq!(panel.opterius(&["package", "retire", "Starter", "--json"]).await.json(), package(true));
    let ran = panel.opterius(&["package", "retire", "starter"]).await;
    assert_eq!((ran.code, ran.err.contains("there is no package `starter`")), (1, true), "{ran:?}");
}
