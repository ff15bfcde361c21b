//! kill -9 is a supported way to stop, at any moment: afterwards the account is wholly there or was never there, within ten seconds, and
//! pressing "Create" again ends in success.

use std::time::Duration;

use opterius_e2e::{Order, Server, Standing, WholeAccount, eventually, within};

/// What is promised to whoever waits for a server that was killed.
const PROMISED: Duration = Duration::from_secs(10);

/// Whether a server has come as far with an order as a test waits for.
type Reached = fn(&Server, &Order) -> bool;

/// A moment at which the Agent is killed.
struct Window {
    name: &'static str,
    /// Stops the Agent there.
    failpoints: &'static str,
    /// Whether it has come that far.
    reached: Reached,
    /// What it must come to, where that was decided before the kill.
    ends: Option<Standing>,
}

impl Window {
    const fn new(name: &'static str, failpoints: &'static str, reached: Reached) -> Self {
        Self { name, failpoints, reached, ends: None }
    }
}

fn there(server: &Server, script: &str) -> bool {
    server.run(&["sh", "-c", script]).status == 0
}

fn announced(server: &Server, order: &Order) -> bool {
    server.operation_journal(&order.username).contains("announced")
}

fn turned(server: &Server, order: &Order) -> bool {
    server.operation_journal(&order.username).contains("\"turned\"")
}

fn decided(server: &Server, order: &Order) -> bool {
    server.operation_journal(&order.username).contains("\"decided\"")
}

fn is(server: &Server, order: &Order, step: &str, state: &str) -> bool {
    server.step(&order.username, step).as_deref() == Some(state)
}

fn has_user(server: &Server, order: &Order) -> bool {
    there(server, &format!("getent passwd {}", order.username))
}

fn has_home(server: &Server, order: &Order) -> bool {
    there(server, &format!("test -e /home/{}", order.username))
}

fn has_logs(server: &Server, order: &Order) -> bool {
    there(server, &format!("test -e /var/log/opterius/accounts/{}", order.username))
}

fn has_site(server: &Server, order: &Order) -> bool {
    there(server, &format!("test -L /var/lib/opterius/sites/{}", order.domain))
}

fn has_zone(server: &Server, order: &Order) -> bool {
    !server.dig(&order.domain, "SOA").is_empty()
}

fn gone(mut window: Window) -> Window {
    window.ends = Some(Standing::Gone);
    window
}

fn whole(mut window: Window) -> Window {
    window.ends = Some(Standing::Whole);
    window
}

/// Every window of an Agent's create, in both directions.
fn windows() -> Vec<Window> {
    let new = Window::new;
    vec![
        new("not announced", "begin_journal.before=pause", |s, o| is(s, o, "preflight", "unchanged")),
        new("announced, nothing applied", "begin_journal.after=pause", announced),
        new("about to make the user", "add_user.before=pause", announced),
        new("only gshadow has the user", "users.replace.group=pause", |s, o| {
            there(s, &format!("grep -q ^{0}: /etc/gshadow && ! grep -q ^{0}: /etc/group", o.username))
        }),
        new("only gshadow and group have the user", "users.replace.shadow=pause", |s, o| {
            there(s, &format!("grep -q ^{0}: /etc/group && ! grep -q ^{0}: /etc/shadow", o.username))
        }),
        new("all but passwd have the user", "users.replace.passwd=pause", |s, o| {
            there(s, &format!("grep -q ^{0}: /etc/shadow && ! grep -q ^{0}: /etc/passwd", o.username))
        }),
        new("the user is made, with its password", "add_user.after=pause", |s, o| {
            has_user(s, o) && there(s, &format!("getent shadow {} | grep -q ':[$]6'", o.username))
        }),
        new("about to build the home", "add_home.before=pause", |s, o| is(s, o, "home", "running")),
        new("the home is there", "add_home.after=pause", has_home),
        new("the logs are there", "add_logs.after=pause", has_logs),
        new("about to open the pool", "put_pool.before=pause", |s, o| is(s, o, "php pool", "running")),
        new("the pool is open", "put_pool.after=pause", |s, o| {
            is(s, o, "php pool", "running") && there(s, "find /run/opterius/php -type s | grep -q .")
        }),
        new("about to link the site", "put_site.before=pause", |s, o| is(s, o, "site", "running")),
        new("the site is linked", "put_site.after=pause", has_site),
        new("about to make the zone", "add_zone.before=pause", |s, o| is(s, o, "dns zone", "running")),
        new("the zone is made", "add_zone.after=pause", has_zone),
        new("applied, not verified", "ping.before=pause", |s, o| is(s, o, "verify site", "running")),
        new("applied, the DNS server not asked", "ask_soa.before=pause", |s, o| is(s, o, "verify dns", "running")),
        new("verified, not committed", "append_journal.before=pause", |s, o| {
            ["verify site", "verify dns"].iter().all(|step| is(s, o, step, "done"))
        }),
        whole(new("committed, the reply lost", "append_journal.after=pause", decided)),
        whole(new("committed, not recorded", "write_account.before=pause", decided)),
        whole(new("committed and recorded, the reply lost", "write_account.after=pause", |s, o| {
            decided(s, o) && there(s, &format!("grep -q '\"{}\"' /var/lib/opterius-agent/accounts/*.json", o.username))
        })),
        new("failed, not turned back", "ping.after=return;append_journal.before=pause", |s, o| is(s, o, "verify site", "failed")),
        gone(new("turned back, nothing undone", "step.forward.verify_site.before=return;append_journal.after=pause", turned)),
        gone(new("about to unlink the site", "step.forward.verify_site.before=return;remove_site.before=pause", turned)),
        gone(new("the site is unlinked", "step.forward.verify_site.before=return;remove_site.after=pause", |s, o| {
            turned(s, o) && !has_site(s, o)
        })),
        gone(new("the pool is closed", "step.forward.verify_site.before=return;remove_pool.after=pause", |s, o| {
            turned(s, o) && !has_site(s, o)
        })),
        gone(new("about to delete the home", "step.forward.verify_site.before=return;remove_home.before=pause", |s, o| {
            turned(s, o) && is(s, o, "home", "running")
        })),
        gone(new("the home is deleted", "step.forward.verify_site.before=return;remove_home.after=pause", |s, o| {
            turned(s, o) && !has_home(s, o)
        })),
        gone(new("the logs are deleted", "step.forward.verify_site.before=return;remove_logs.after=pause", |s, o| {
            turned(s, o) && !has_logs(s, o)
        })),
        gone(new("about to remove the user", "step.forward.verify_site.before=return;remove_user.before=pause", |s, o| {
            turned(s, o) && !has_logs(s, o) && is(s, o, "linux user", "running")
        })),
        gone(new("passwd has the user no more", "step.forward.verify_site.before=return;users.replace.shadow=1*off->pause", |s, o| {
            turned(s, o) && there(s, &format!("grep -q ^{0}: /etc/shadow && ! grep -q ^{0}: /etc/passwd", o.username))
        })),
        gone(new(
            "only gshadow has the user still",
            "step.forward.verify_site.before=return;users.replace.gshadow=1*off->pause",
            |s, o| turned(s, o) && there(s, &format!("grep -q ^{0}: /etc/gshadow && ! grep -q ^{0}: /etc/group", o.username)),
        )),
        gone(new("the user is removed", "step.forward.verify_site.before=return;remove_user.after=pause", |s, o| {
            turned(s, o) && !has_user(s, o)
        })),
        gone(new("the zone is removed", "step.forward.verify_site.before=return;remove_zone.after=pause", |s, o| {
            turned(s, o) && !has_zone(s, o)
        })),
        gone(new("undone, not decided", "step.forward.verify_site.before=return;append_journal.before=1*off->pause", |s, o| {
            turned(s, o) && !has_user(s, o) && !has_zone(s, o)
        })),
        gone(new("undone and decided, the reply lost", "step.forward.verify_site.before=return;write_account.before=pause", decided)),
    ]
}

/// Waits for the promise: whole or gone, and which one if that was decided.
fn settled(server: &Server, order: &Order, window: &str, ends: Option<&Standing>) {
    let mut last = Standing::Gone;
    let begun = std::time::Instant::now();
    let whole_or_gone = || {
        last = Standing::of(server, &order.username, &order.domain);
        let done = match ends {
            Some(end) => last == *end,
            None => matches!(last, Standing::Whole | Standing::Gone),
        };
        // The last look must be whole or gone as well as early.
        (done || begun.elapsed() > PROMISED).then_some(done)
    };
    let done = within(Duration::from_mins(1), "a look at the account", whole_or_gone);
    assert!(done, "killed when {window}: not whole or gone within {} s, but {last:?}", PROMISED.as_secs());
}

/// Presses "Create" again, and looks that this made or kept one account.
fn again(server: &Server, order: &Order, window: &str) {
    let answer = order.create(server);
    assert!(answer.is_success(), "killed when {window}, pressed again: {}", answer.text());
    WholeAccount::assert(server, &order.username, &order.domain);
    server.account_id(&order.username);
}

/// kill -9 of a unit's main process, which then starts without failpoints.
fn kill_and_start(server: &Server, unit: &str) {
    server.arm(unit, "");
    server.kill_at_once(&[unit]);
    server.ok(&["systemctl", "start", unit]);
}

fn order(server: &Server, n: usize) -> Order {
    Order::new(server, u32::try_from(n).expect("few windows") + 1, &format!("user{n}"), &format!("user{n}.example"))
}

fn kill_the_agent_at(server: &Server, windows: Vec<Window>, first: usize) {
    for (n, window) in (first..).zip(windows) {
        let order = order(server, n);
        server.fail_at(window.failpoints);
        std::thread::scope(|scope| {
            let pressed = scope.spawn(|| order.create(server));
            eventually(window.name, || (window.reached)(server, &order).then_some(()));
            server.kill_at_once(&["opterius-agent"]);
            server.ok(&["systemctl", "start", "opterius-agent"]);
            settled(server, &order, window.name, window.ends.as_ref());
            let answer = pressed.join().expect("the order is answered");
            assert!(!answer.text().is_empty(), "{}", window.name);
        });
        again(server, &order, window.name);
    }
}

#[test]
fn an_agent_killed_at_any_moment_of_a_create_leaves_all_or_nothing_within_ten_seconds() {
    let server = Server::new("agent-killed");
    kill_the_agent_at(&server, windows(), 0);
}

#[test]
fn an_agent_killed_again_while_it_recovers_still_leaves_all_or_nothing() {
    let server = Server::new("killed-again");
    server.restart_soon("opterius-agent");
    for (n, (failpoints, reached)) in [
        ("add_home.after=pause", has_home as Reached),
        ("step.forward.verify_site.before=return;remove_home.before=pause", turned),
        ("step.forward.verify_site.before=return;remove_user.before=pause", turned),
    ]
    .into_iter()
    .enumerate()
    {
        let order = order(&server, n);
        server.fail_at(failpoints);
        std::thread::scope(|scope| {
            let pressed = scope.spawn(|| order.create(&server));
            eventually(failpoints, || reached(&server, &order).then_some(()));
            for _ in 0..2 {
                // The failpoints are still there.
                server.kill("opterius-agent.service");
                let recovering = || server.step(&order.username, "home").is_some().then_some(());
                eventually("the Agent goes on where it was", recovering);
            }
            server.kill_at_once(&["opterius-agent"]);
            settled(&server, &order, failpoints, None);
            pressed.join().expect("the order is answered");
        });
        again(&server, &order, failpoints);
    }
}

/// The outcome of the newest operation on an order's account, as the Panel has recorded it, and whether it was acknowledged.
fn recorded(server: &Server, order: &Order) -> String {
    let query = format!(
        "select outcome || ' ' || (acknowledged != 0) from operation where username = '{}' order by started_at desc limit 1",
        order.username
    );
    server.ok(&["sqlite3", "-cmd", ".timeout 5000", "/var/lib/opterius-panel/panel.db", &query]).trim().to_owned()
}

#[test]
fn a_panel_killed_at_any_moment_of_a_create_finishes_by_itself() {
    let server = Server::new("panel-killed");
    let windows: [(&str, &str, Reached); 4] = [
        ("reserved, not sent", "reserved=return", |s, o| recorded(s, o) == "running 0" && !announced(s, o)),
        ("sent, no reply", "sent=return", |s, o| announced(s, o) && recorded(s, o) == "running 0"),
        ("decided, not recorded", "decided=return", |s, o| decided(s, o) && recorded(s, o) == "running 0"),
        ("recorded, not acknowledged", "recorded=return", |s, o| recorded(s, o) == "committed 0"),
    ];
    for (n, (name, failpoints, reached)) in windows.into_iter().enumerate() {
        let order = order(&server, n);
        server.set_panel_failpoints(failpoints);
        let mut whmcs = order.begin(&server);
        eventually(name, || reached(&server, &order).then_some(()));
        // Nobody asks again: what follows is the Panel's own doing.
        whmcs.kill().expect("php can be ended");
        whmcs.wait().expect("php ends");
        kill_and_start(&server, "opterius-panel");
        settled(&server, &order, name, Some(&Standing::Whole));
        eventually("the outcome is recorded and acknowledged", || (recorded(&server, &order) == "committed 1").then_some(()));
        again(&server, &order, name);
    }
}

#[test]
fn a_panel_killed_while_an_order_fails_frees_the_names_by_itself() {
    let server = Server::new("panel-undoes");
    server.fail_at("step.forward.verify_site.before=return");
    for (n, failpoints) in ["reserved=return", "sent=return", "decided=return"].into_iter().enumerate() {
        let order = order(&server, n);
        server.set_panel_failpoints(failpoints);
        let mut whmcs = order.begin(&server);
        eventually(failpoints, || (recorded(&server, &order) == "running 0" && (n == 0 || decided(&server, &order))).then_some(()));
        whmcs.kill().expect("php can be ended");
        whmcs.wait().expect("php ends");
        kill_and_start(&server, "opterius-panel");
        eventually("the outcome is recorded", || recorded(&server, &order).starts_with("rolled_back").then_some(()));
        settled(&server, &order, failpoints, Some(&Standing::Gone));
    }
    server.fail_at("");
    for n in 0..3 {
        again(&server, &order(&server, n), "it had failed before");
    }
}

#[test]
fn panel_and_agent_killed_at_once_leave_all_or_nothing() {
    let server = Server::new("both-killed");
    let windows: [(&str, Reached); 5] = [
        ("begin_journal.after=pause", announced),
        ("add_user.after=pause", has_user),
        ("put_site.after=pause", has_site),
        ("append_journal.after=pause", decided),
        ("step.forward.verify_site.before=return;remove_home.after=pause", |s, o| turned(s, o) && !has_home(s, o)),
    ];
    for (n, (failpoints, reached)) in windows.into_iter().enumerate() {
        let order = order(&server, n);
        server.fail_at(failpoints);
        std::thread::scope(|scope| {
            let pressed = scope.spawn(|| order.create(&server));
            eventually(failpoints, || reached(&server, &order).then_some(()));
            // systemd starts both again by itself.
            server.kill_at_once(&["opterius-agent", "opterius-panel"]);
            settled(&server, &order, failpoints, None);
            pressed.join().expect("the order is answered");
        });
        again(&server, &order, failpoints);
    }
}

#[test]
fn a_server_that_ends_all_at_once_has_whole_accounts_and_no_halves_after_its_boot() {
    let server = Server::new("crashed");
    let bystander = Order::new(&server, 100, "bystander", "bystander.example");
    bystander.succeed(&server);
    let windows: [(&str, Reached); 6] = [
        ("begin_journal.after=pause", announced),
        ("add_home.before=pause", |s, o| is(s, o, "home", "running")),
        ("put_pool.after=pause", |s, o| is(s, o, "php pool", "running")),
        ("put_site.after=pause", has_site),
        ("append_journal.after=pause", decided),
        ("step.forward.verify_site.before=return;remove_home.after=pause", |s, o| turned(s, o) && !has_home(s, o)),
    ];
    for (n, (failpoints, reached)) in windows.into_iter().enumerate() {
        let order = order(&server, n);
        server.fail_at(failpoints);
        std::thread::scope(|scope| {
            let pressed = scope.spawn(|| order.create(&server));
            eventually(failpoints, || reached(&server, &order).then_some(()));
            // The failpoints are below /run, and go with everything else.
            server.crash();
            settled(&server, &order, failpoints, None);
            pressed.join().expect("the order is answered");
        });
        server.wait_until_ready();
        again(&server, &order, failpoints);
        WholeAccount::assert(&server, "bystander", "bystander.example");
    }
}

#[test]
fn a_connection_that_is_cut_does_not_stop_the_account() {
    let server = Server::new("cut");
    let order = order(&server, 0);
    server.fail_at("add_home.before=pause");
    let mut whmcs = order.begin(&server);
    eventually("the home is being built", || is(&server, &order, "home", "running").then_some(()));
    whmcs.kill().expect("php can be ended");
    whmcs.wait().expect("php ends");
    server.fail_at("");
    eventually("the account is there by itself", || {
        (Standing::of(&server, &order.username, &order.domain) == Standing::Whole).then_some(())
    });
    again(&server, &order, "the connection was cut");
}
