//! The WHMCS module against a real Panel, over a connection that goes wrong, with an Agent that is killed: whatever happens, WHMCS, the Panel and the server
//! come to say the same of an account, and one more press of the button brings it to what was wanted.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opterius_e2e::{Order, Pressed, Server, Shop, Standing, eventually, within};
use serde_json::{Value, json};

/// Every way in which a request can go wrong once, and some that last longer than the module's patience.
const FAULTS: [&str; 13] =
    ["before", "after", "half", "late", "silence", "409", "429", "500", "502", "garbage", "redirect", "99*502", "99*after"];

/// A function of the module, as a button in WHMCS.
struct Button {
    action: &'static str,
    /// The buttons that were pressed before.
    before: &'static [&'static str],
    /// What belongs to it.
    said: fn(&Server) -> Value,
    /// How the account stands once it is done.
    wanted: Standing,
    /// The service's status in WHMCS then.
    status: &'static str,
    /// What else is true then.
    also: fn(&Server, &Value) -> bool,
    /// Where the Agent is killed.
    killed_at: &'static str,
}

const BUTTONS: [Button; 6] = [
    Button {
        action: "CreateAccount",
        before: &[],
        said: |_| json!({}),
        wanted: Standing::Whole,
        status: "Active",
        also: |_, account| account["status"] == "active",
        killed_at: "site",
    },
    Button {
        action: "SuspendAccount",
        before: &["CreateAccount"],
        said: |_| json!({ "suspendreason": "Überfällig & \"unbezahlt\"" }),
        wanted: Standing::Suspended,
        status: "Suspended",
        also: |_, account| account["holds"][0]["reason"] == "Überfällig & \"unbezahlt\"",
        killed_at: "site",
    },
    Button {
        action: "UnsuspendAccount",
        before: &["CreateAccount", "SuspendAccount"],
        said: |_| json!({}),
        wanted: Standing::Whole,
        status: "Active",
        also: |_, account| account["holds"] == json!([]),
        killed_at: "site",
    },
    Button {
        action: "ChangePackage",
        before: &["CreateAccount"],
        said: |server| json!({ "configoption1": large(server) }),
        wanted: Standing::Whole,
        status: "Active",
        also: |_, account| account["package"]["name"] == "Large" && account["limits"]["disk_mib"] == 20480,
        killed_at: "php pool",
    },
    Button {
        action: "ChangePassword",
        before: &["CreateAccount"],
        said: |_| json!({ "newpassword": NEW_PASSWORD }),
        wanted: Standing::Whole,
        status: "Active",
        also: |server, account| server.has_password(account["username"].as_str().unwrap_or_default(), NEW_PASSWORD),
        killed_at: "password",
    },
    Button {
        action: "TerminateAccount",
        before: &["CreateAccount"],
        said: |_| json!({}),
        wanted: Standing::Kept,
        status: "Terminated",
        also: |_, account| account["status"] == "terminated",
        killed_at: "home",
    },
];

const NEW_PASSWORD: &str = "Neu & <gut> \"'#%:\\$ ☃";

static SERVICE: AtomicU32 = AtomicU32::new(100);

fn large(server: &Server) -> String {
    server.admin("GET", "/api/packages").1["data"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == "Large"))
        .and_then(|package| package["id"].as_str())
        .expect("there is the package Large")
        .to_owned()
}

fn server(name: &str) -> Server {
    let server = Server::new(name);
    server.ok(&["opterius", "package", "create", "Large", "--disk-mib", "20480", "--php-workers", "6"]);
    server
}

/// The account of an order as the Panel knows it, once nothing of it is going on; its status is `none` if it never came to be.
fn settled(server: &Server, order: &Order) -> Value {
    eventually("nothing of the account is going on", || {
        let live = server.admin("GET", &format!("/api/accounts?username={}", order.username)).1;
        let ended = server.admin("GET", &format!("/api/accounts?status=terminated&username={}", order.username)).1;
        let account = live["data"].get(0).or(ended["data"].get(0)).cloned().unwrap_or_else(|| json!({ "status": "none" }));
        let done = account["status"] != "provisioning" && account["operation"]["outcome"] != "running";
        done.then_some(account)
    })
}

/// What the Panel and the server say of an order's account, which must be the same.
fn agreed(server: &Server, order: &Order, context: &str) -> (Value, Standing) {
    let account = settled(server, order);
    let expected = match account["status"].as_str() {
        Some("active") => Standing::Whole,
        Some("suspended") => Standing::Suspended,
        Some("terminated") => Standing::Kept,
        Some("none") => Standing::Gone,
        _ => panic!("{context}: {account}"),
    };
    // What is being staged or put into the trash for other accounts at this moment bears no name.
    let standing = eventually(&format!("{context}: {expected:?}"), || {
        Some(Standing::of(server, &order.username, &order.domain)).filter(|standing| *standing == expected)
    });
    (account, standing)
}

fn press(shop: &Shop<'_>, server: &Server, order: &Order, button: &Button) -> Pressed {
    match button.action {
        "CreateAccount" => shop.create(order),
        action => shop.press(action, order, &(button.said)(server)),
    }
}

/// Presses a button while something goes wrong, and once more when nothing does.
fn try_one(shop: &Shop<'_>, server: &Server, button: &Button, what: &str, faults: &str, go_wrong: impl FnOnce(), go_right: impl FnOnce()) {
    let service = SERVICE.fetch_add(1, Ordering::Relaxed);
    let username = format!("w{service}x");
    let order = Order::new(server, service, &username, &format!("{username}.example"));
    let mut status = "Pending".to_owned();
    for action in button.before {
        let done = BUTTONS.iter().find(|one| one.action == *action).map(|one| press(shop, server, &order, one)).expect("it is a button");
        assert!(done.is_success(), "{action} of {username}: {}", done.result);
        status = done.status;
    }
    let context = format!("{}, {what}", button.action);
    go_wrong();
    shop.goes_wrong(faults);
    let first = press(shop, server, &order, button);
    shop.goes_wrong("");
    go_right();
    let (account, standing) = agreed(server, &order, &context);
    if first.is_success() {
        assert_eq!((&standing, first.status.as_str()), (&button.wanted, button.status), "{context}");
        assert!((button.also)(server, &account), "{context}: {account}");
    } else {
        let sentence = first.result.as_str().unwrap_or_default();
        assert!(sentence.contains("(request "), "{context}: {}", first.result);
        assert_eq!(first.status, status, "{context}: what was not done is not believed to be");
    }
    let again = press(shop, server, &order, button);
    assert!(again.is_success(), "{context}, first {}, pressed again: {}", first.result, again.result);
    let (account, standing) = agreed(server, &order, &context);
    assert_eq!((&standing, again.status.as_str()), (&button.wanted, button.status), "{context}, pressed again");
    assert!((button.also)(server, &account), "{context}, pressed again: {account}");
    let total = server.admin("GET", &format!("/api/accounts?username={username}")).1["page"]["total"].clone();
    assert_eq!(total, json!(i32::from(button.wanted != Standing::Kept)), "{context}: there is one account at most");
}

#[test]
fn whatever_happens_to_a_request_the_next_press_brings_the_account_to_what_was_wanted() {
    let server = server("faults");
    std::thread::scope(|scope| {
        for button in &BUTTONS {
            let server = &server;
            scope.spawn(move || {
                let shop = Shop::new(server);
                for faults in FAULTS {
                    try_one(&shop, server, button, faults, faults, || {}, || {});
                }
            });
        }
    });
}

#[test]
fn a_killed_agent_and_a_lost_answer_together_leave_nothing_in_doubt() {
    let server = server("killed");
    server.restart_soon("opterius-agent");
    let shop = Shop::new(&server);
    for button in &BUTTONS {
        for faults in ["pass", "before", "after", "late"] {
            for at in ["before", "after"] {
                let point = format!("step.forward.{}.{at}=kill", button.killed_at);
                let go_right = || {
                    server.fail_at("");
                    server.wait_until_ready();
                };
                try_one(&shop, &server, button, &format!("{faults} with {point}"), faults, || server.fail_at(&point), go_right);
            }
        }
    }
}

#[test]
fn a_copy_of_the_installation_changes_nothing_until_a_person_allows_it() {
    let server = server("copy");
    let shop = Shop::new(&server);
    let order = Order::new(&server, 1, "alice", "alice.example");
    assert!(shop.create(&order).is_success());
    // The System URL is in the database, and so in the copy's.
    let copy = shop.copied("/srv/staging");
    for (action, said) in [("SuspendAccount", json!({ "suspendreason": "overdue" })), ("TerminateAccount", json!({}))] {
        let refused = copy.press(action, &order, &said);
        let sentence = refused.result.as_str().unwrap_or_default();
        assert!(sentence.contains("/srv/staging") && sentence.contains("copy"), "{action}: {sentence}");
        assert_eq!(refused.status, "Active");
    }
    assert_eq!(agreed(&server, &order, "the original").1, Standing::Whole);
    let test = copy.press("TestConnection", &order, &json!({}));
    assert!(test.result["success"] == false && test.result["error"].as_str().unwrap_or_default().contains("copy"), "{}", test.result);
    assert!(shop.press("SuspendAccount", &order, &json!({ "suspendreason": "overdue" })).is_success());
    server.ok(&["opterius", "token", "allow", "test"]);
    assert!(copy.press("UnsuspendAccount", &order, &json!({})).is_success());
    assert_eq!(agreed(&server, &order, "allowed").1, Standing::Whole);
}

#[test]
fn a_new_account_after_a_termination_says_that_the_old_one_could_have_been_restored() {
    let server = server("again");
    let shop = Shop::new(&server);
    let order = Order::new(&server, 1, "alice", "alice.example");
    assert!(shop.create(&order).is_success());
    let first = settled(&server, &order)["id"].clone();
    assert!(shop.press("TerminateAccount", &order, &json!({})).is_success());
    assert!(shop.press("TerminateAccount", &order, &json!({})).is_success(), "the Panel removed it, and says so");
    assert!(shop.create(&order).is_success());
    let second = settled(&server, &order)["id"].clone();
    assert_ne!(first, second);
    assert!(shop.press("TerminateAccount", &order, &json!({})).is_success());
    let restored = shop.press("AdminCustomButtonArray", &order, &json!({ "button": "Restore" }));
    assert!(restored.is_success(), "{}", restored.result);
    assert_eq!((settled(&server, &order)["id"].clone(), settled(&server, &order)["status"].clone()), (second, json!("active")));
}

#[test]
fn a_hold_of_the_host_outlasts_the_end_of_a_suspension_for_billing() {
    let server = server("holds");
    let shop = Shop::new(&server);
    let order = Order::new(&server, 1, "alice", "alice.example");
    assert!(shop.create(&order).is_success());
    assert!(shop.press("SuspendAccount", &order, &json!({ "suspendreason": "overdue" })).is_success());
    server.ok(&["opterius", "account", "suspend", "alice", "--reason", "sends spam"]);
    let lifted = shop.press("UnsuspendAccount", &order, &json!({}));
    assert!(!lifted.is_success() && lifted.result.to_string().contains("sends spam"), "{}", lifted.result);
    let account = settled(&server, &order);
    assert_eq!((&account["holds"][0]["hold"], account["holds"].as_array().map(Vec::len)), (&json!("abuse"), Some(1)));
    server.ok(&["opterius", "account", "unsuspend", "alice"]);
    assert!(shop.press("UnsuspendAccount", &order, &json!({})).is_success());
    assert_eq!(agreed(&server, &order, "both lifted").1, Standing::Whole);
}

#[test]
fn what_clients_and_staff_see_in_whmcs_comes_from_the_panel() {
    let server = server("looks");
    server.configure_agent("usage_seconds = 2");
    let shop = Shop::direct(&server);
    let order = Order::new(&server, 1, "alice", "alice.example");
    let text = |pressed: &Pressed| pressed.result.as_str().map_or_else(|| pressed.result.to_string(), str::to_owned);
    let look = |action: &str, said: &Value| text(&shop.press(action, &order, said));
    assert!(shop.create(&order).is_success());

    // Before it is paid: what is taken is said, and what is free is not.
    let cart = |domain: &str| look("Checkout", &json!({ "products": [{ "pid": 1, "domain": domain }] }));
    assert!(cart("alice.example").contains("alice.example"), "{}", cart("alice.example"));
    assert_eq!(cart("free.example"), "[]");

    // Signing in: a link that opens the account's page once.
    let open = |url: &str| {
        let arguments =
            ["-sS", "--insecure", "--max-time", "30", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", url];
        #[expect(clippy::disallowed_methods, reason = "it prints one line")]
        let output = Command::new("curl").args(arguments).output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let settled = settled(&server, &order);
    let (account, php) = (settled["id"].as_str().expect("an id").to_owned(), settled["php_runs"].as_str().expect("a version"));
    for (action, leads_to) in [("ServiceSingleSignOn", format!("/account/{account}")), ("AdminSingleSignOn", "/accounts".to_owned())] {
        let link = shop.press(action, &order, &json!({})).result;
        let url = link["redirect"].as_str().unwrap_or_else(|| panic!("{action}: {link}")).to_owned();
        let seen = open(&url);
        assert!(seen.starts_with("303 ") && seen.contains(&leads_to), "{action}: {seen}");
        assert!(open(&url).starts_with("410"), "{action}: it works once");
    }

    let page = look("ClientArea", &json!({}));
    for shown in ["alice.example", &server.ip, "ns1.opterius.test", php] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let tab = look("AdminServicesTabFields", &json!({}));
    assert!(tab.contains(&account) && tab.contains("linux user"), "{tab}");
    let sync = shop.press("ListAccounts", &order, &json!({})).result;
    assert_eq!((&sync["missing"], &sync["unknown"], &sync["error"]), (&json!([]), &json!([]), &Value::Null), "{sync}");

    // What is used comes once the Agent has measured it.
    within(Duration::from_mins(3), "the Agent has measured it", || {
        let (_, usage) = server.agent("GET", "/usage", None);
        usage["accounts"].as_array()?.iter().find(|one| one["account_id"] == account.as_str() && one["disk"].is_object()).map(|_| ())
    });
    server.ok(&["systemctl", "restart", "opterius-panel"]);
    server.wait_until_ready();
    eventually("WHMCS has what is used", || {
        let row = shop.press("UsageUpdate", &order, &json!({})).result;
        (row["disklimit"] == 10240 && row["lastupdate"].is_string()).then_some(())
    });

    // Another token: the old one ends with the first use of the new one, which WHMCS has by then.
    let rotated = shop.press("AdminCustomButtonArray", &order, &json!({ "button": "Rotate Token" }));
    assert!(rotated.is_success(), "{}", rotated.result);
    assert!(shop.press("SuspendAccount", &order, &json!({ "suspendreason": "overdue" })).is_success());
    assert_eq!(server.api("GET", "/api/self", None).0, 401, "the text from before opens nothing");

    // The Panel is down: the client's page is there all the same, with what WHMCS knows by itself.
    server.ok(&["systemctl", "stop", "opterius-panel.socket", "opterius-panel"]);
    let page = look("ClientArea", &json!({}));
    assert!(page.contains("does not answer just now") && page.contains("10 GiB"), "{page}");
    assert!(!shop.press("UnsuspendAccount", &order, &json!({})).is_success(), "a Panel that is down has done nothing");
}
