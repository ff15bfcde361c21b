//! The fault matrix on real parts: every step of every operation fails once, and the Agent is killed just before and just after it, forwards
//! and while everything is being undone. The steps are those that the code itself tells of a run without faults, so a new one is a new row.
//! Each time the account must be wholly as before or wholly as wanted, as the outcome says, and pressing again must bring it to what is
//! wanted.
//!
//! `OPTERIUS_MATRIX=all`, as in `./test long`, tries all three faults at every step, and writes what came of it to `docs/fault-matrix.md`.
//! Otherwise every step has one of the three, and every step that undoes two; the number in `OPTERIUS_MATRIX` chooses which, or else the time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use opterius_e2e::{Dice, Server, Standing, eventually, repository};
use serde_json::{Value, json};

/// Where the build for fault tests reads what to do at which step.
const FAILPOINTS: &str = "/run/opterius/failpoints";

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Fails,
    KilledBefore,
    KilledAfter,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Fails, Self::KilledBefore, Self::KilledAfter];

    /// The failpoint at a step; `way` is `forward` or `back`.
    fn at(self, way: &str, step: &str) -> String {
        let step = step.replace(' ', "_");
        match self {
            Self::Fails => format!("step.{way}.{step}.before=1*return"),
            Self::KilledBefore => format!("step.{way}.{step}.before=kill"),
            Self::KilledAfter => format!("step.{way}.{step}.after=kill"),
        }
    }
}

/// Which faults are tried at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Faults {
    All,
    /// One at a step forward, two at one that undoes, which this seed and the step choose.
    Some(u64),
}

impl Faults {
    fn from_environment() -> Self {
        match std::env::var("OPTERIUS_MATRIX").as_deref() {
            Ok("all") => Self::All,
            Ok(seed) => Self::Some(seed.parse().expect("OPTERIUS_MATRIX is `all` or a number")),
            Err(_) => Self::Some(std::time::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs()),
        }
    }

    /// Those of a step. They follow from the seed and its names alone, in whatever order the steps come.
    fn at(self, kind: &str, (way, step): &Row) -> Vec<Fault> {
        match self {
            Self::All => Fault::ALL.to_vec(),
            Self::Some(seed) => {
                let name = format!("{kind} {way} {step}");
                let seed = name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
                let chosen = Fault::ALL[Dice(seed).below(3)];
                // Of what undoes there is less, and less of it is tried elsewhere.
                Fault::ALL.into_iter().filter(|fault| (*fault == chosen) == (way == &"forward")).collect()
            }
        }
    }
}

/// One operation, from a state of an account to another.
struct Kind {
    name: &'static str,
    /// The last step whose failure turns it back, which undoes all that there is to be undone; none where nothing is ever undone.
    turns_back_at: Option<&'static str>,
    before: Standing,
    after: Standing,
    /// Brings an account to where the operation starts.
    prepare: fn(&Subject<'_>),
    /// Orders it, and answers what the Panel said.
    act: fn(&Subject<'_>) -> (u16, Value),
}

/// An account that operations are tried on.
struct Subject<'a> {
    server: &'a Server,
    username: String,
    domain: String,
    /// Empty before it is created.
    id: String,
}

impl Subject<'_> {
    fn send(&self, method: &str, verb: &str, body: &Value) -> (u16, Value) {
        self.server.admin_send(method, &format!("/api/accounts/{}{verb}", self.id), body)
    }

    fn must(&self, method: &str, verb: &str, body: &Value) -> Value {
        let (status, answer) = self.send(method, verb, body);
        assert_eq!(status, 200, "{method} {verb} of {}: {answer}", self.username);
        answer["data"].clone()
    }

    fn view(&self) -> Value {
        let (status, answer) = self.server.admin("GET", &format!("/api/accounts/{}", self.id));
        if status == 200 { answer["data"].clone() } else { json!({ "status": "terminated" }) }
    }

    fn standing(&self) -> Standing {
        Standing::of(self.server, &self.username, &self.domain)
    }

    /// Everything that a look at the account's names does not see: drift, passwords that differ, and processes of who is suspended.
    fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        let view = self.view();
        if view["status"] == "terminated" {
            return flaws;
        }
        let plan = self.must("GET", "/plan", &json!({}));
        if plan["empty"] != true {
            flaws.push(format!("the plan is not empty: {plan}"));
        }
        let record = self.server.ok(&["cat", &format!("/var/lib/opterius-agent/accounts/{}.json", self.id)]);
        let record: Value = serde_json::from_str(&record).expect("a record is JSON");
        let shadow = self.server.ok(&["getent", "shadow", &self.username]);
        if shadow.split(':').nth(1) != record["spec"]["password_hash"].as_str() {
            flaws.push("the password of Linux is not the account's".to_owned());
        }
        if view["status"] == "suspended" {
            let processes = self.server.run(&["ps", "-o", "args=", "-U", &self.username]).stdout;
            if !processes.trim().is_empty() {
                flaws.push(format!("it is suspended, and runs {processes}"));
            }
        }
        flaws
    }
}

fn active(subject: &Subject<'_>) {
    match subject.view()["status"].as_str() {
        Some("suspended") => drop(subject.must("POST", "/unsuspend", &json!({}))),
        Some("terminated") => drop(subject.must("POST", "/restore", &json!({}))),
        _ => {}
    }
}

fn suspended(subject: &Subject<'_>) {
    active(subject);
    subject.must("POST", "/suspend", &json!({ "reason": "a test" }));
}

fn terminated(subject: &Subject<'_>) {
    if subject.view()["status"] != "terminated" {
        subject.must("DELETE", "", &json!({}));
    }
}

/// Everything of the account that bears its mark elsewhere is damaged.
fn damaged(subject: &Subject<'_>) {
    active(subject);
    subject.server.sh(&format!(
        "usermod -s /bin/sh {user}; chmod 0700 /home/{user}; chmod 0700 /var/log/opterius/accounts/{user}\n\
         rm /var/lib/opterius/sites/{domain}; rm /run/opterius/php/{id}/main.sock\n\
         sqlite3 /var/lib/powerdns/opterius.sqlite3 \"delete from records where name='www.{domain}'\"; pdns_control purge '{domain}$' >/dev/null",
        user = subject.username,
        domain = subject.domain,
        id = subject.id
    ));
}

fn kinds() -> Vec<Kind> {
    use Standing::{Kept, Suspended, Whole};
    let kind = |name, turns_back_at, before, after, prepare, act| Kind { name, turns_back_at, before, after, prepare, act };
    vec![
        kind(
            "create",
            Some("verify site"),
            Standing::Gone,
            Whole,
            |_| (),
            |subject| {
                let order = json!({ "username": subject.username, "domain": subject.domain, "password": "correct horse battery", "package": "Starter",
                                "external_ref": format!("m:{}", subject.username) });
                subject.server.admin_send("POST", "/api/accounts", &order)
            },
        ),
        kind("suspend", None, Whole, Suspended, active, |subject| subject.send("POST", "/suspend", &json!({ "reason": "a test" }))),
        kind("unsuspend", Some("php pool"), Suspended, Whole, suspended, |subject| subject.send("POST", "/unsuspend", &json!({}))),
        kind("package", Some("php pool"), Whole, Whole, active, |subject| {
            let other = if subject.view()["package"]["name"] == "Starter" { "Larger" } else { "Starter" };
            subject.send("PUT", "/package", &json!({ "package": other }))
        }),
        kind("password", Some("sessions"), Whole, Whole, active, |subject| {
            // Another one each time, since the one that is there already changes nothing.
            let password = subject.server.ok(&["cat", "/proc/sys/kernel/random/uuid"]);
            subject.send("PUT", "/password", &json!({ "password": password.trim() }))
        }),
        kind("terminate", None, Whole, Kept, active, |subject| subject.send("DELETE", "", &json!({}))),
        kind("restore", Some("verify site"), Kept, Whole, terminated, |subject| subject.send("POST", "/restore", &json!({}))),
        kind("repair", None, Whole, Whole, damaged, |subject| subject.send("POST", "/repair", &json!({}))),
    ]
}

/// A step in a direction.
type Row = (&'static str, String);

/// The rows of an operation, each with what became of each fault that was tried.
type Table = Vec<(Row, Vec<String>)>;

/// What came of an operation.
struct Told {
    outcome: String,
    rows: Vec<Row>,
}

/// Waits for the outcome of the account's newest operation.
fn told(subject: &Subject<'_>) -> Told {
    eventually("the operation has its outcome", || {
        let id = subject.server.newest_operation(&subject.username)?;
        let (status, answer) = subject.server.admin("GET", &format!("/api/operations/{id}"));
        let operation = &answer["data"];
        let outcome = operation["outcome"].as_str().filter(|outcome| status == 200 && !["running", "needs_attention"].contains(outcome))?;
        let steps = operation["steps"].as_array().into_iter().flatten();
        let rows = steps.map(|step| {
            let way = if step["direction"] == "back" { "back" } else { "forward" };
            (way, step["name"].as_str().unwrap_or_default().to_owned())
        });
        Some(Told { outcome: outcome.to_owned(), rows: rows.collect() })
    })
}

/// Tries one kind of operation with faults at every step. Answers its rows with what became of each fault.
fn try_all(server: &Server, kind: &Kind, faults: Faults, count: &AtomicUsize) -> Table {
    let new = || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        Subject { server, username: format!("m{n}x"), domain: format!("m{n}x.example"), id: String::new() }
    };
    let created = || {
        let mut subject = new();
        let (status, answer) = (kinds()[0].act)(&subject);
        assert_eq!(status, 201, "{answer}");
        answer["data"]["id"].as_str().unwrap_or_default().clone_into(&mut subject.id);
        subject
    };
    let creates = kind.name == "create";
    // A create has a new account each time; every other operation goes on with the same one.
    let mut subject = if creates { new() } else { created() };
    (kind.prepare)(&subject);
    let (status, answer) = (kind.act)(&subject);
    assert!(status == 200 || status == 201, "{} without faults: {answer}", kind.name);
    let forward = told(&subject).rows;

    let mut table = Table::new();
    // The steps of the way back, each with a failure that makes it come to that.
    let mut back: Vec<(String, Row)> = Vec::new();
    for row in forward {
        let mut cells = Vec::new();
        let mut tried = faults.at(kind.name, &row);
        // What is undone is known from a failure alone.
        if kind.turns_back_at == Some(row.1.as_str()) && !tried.contains(&Fault::Fails) {
            tried.push(Fault::Fails);
        }
        for fault in tried {
            let (cell, rows) = try_one(kind, &mut subject, &new, &fault.at("forward", &row.1));
            cells.push(cell);
            if fault == Fault::Fails {
                for undone in rows.into_iter().filter(|row| row.0 == "back") {
                    // The latest failure has most to undo.
                    back.retain(|(_, known)| *known != undone);
                    back.push((fault.at("forward", &row.1), undone));
                }
            }
        }
        table.push((row, cells));
    }
    let last = back
        .iter()
        .map(|(trigger, _)| trigger)
        .max_by_key(|trigger| table.iter().position(|(row, _)| **trigger == Fault::Fails.at(row.0, &row.1)));
    let said = kind.turns_back_at.map(|step| Fault::Fails.at("forward", step));
    assert_eq!(last, said.as_ref(), "{}: the last step whose failure turns it back", kind.name);
    for (trigger, row) in back {
        let mut cells = Vec::new();
        for fault in faults.at(kind.name, &row) {
            let points = format!("{trigger};{}", fault.at("back", &row.1));
            cells.push(try_one(kind, &mut subject, &new, &points).0);
        }
        table.push((row, cells));
    }
    table
}

/// One operation with one fault, from the preparation to the press that brings it to its end.
fn try_one<'a>(kind: &Kind, subject: &mut Subject<'a>, new: &dyn Fn() -> Subject<'a>, failpoints: &str) -> (String, Vec<Row>) {
    let creates = kind.name == "create";
    if creates {
        *subject = new();
    }
    (kind.prepare)(subject);
    let server = subject.server;
    let context = format!("{}, {failpoints}", kind.name);
    server.feed(&["tee", FAILPOINTS], failpoints);
    let (status, answer) = (kind.act)(subject);
    let told = told(subject);
    server.sh(&format!("rm -f {FAILPOINTS}"));
    if creates {
        subject.id = id_of(subject);
    }
    let committed = told.outcome == "committed";
    // Whoever waited was told the same, or is told that it goes on.
    let success = matches!(status, 200 | 201);
    assert!(status == 202 || success == committed, "{context}: {} and {status} {answer}", told.outcome);
    let wanted = if committed { &kind.after } else { &kind.before };
    eventually(&format!("{context}: {wanted:?}"), || {
        // A repair that came to nothing leaves whatever was there, or what is nearer to it.
        (subject.standing() == *wanted || (kind.name == "repair" && !committed)).then_some(())
    });
    if kind.name != "repair" || committed {
        assert_eq!(subject.flaws(), Vec::<String>::new(), "{context}, {}", told.outcome);
    }
    let cell = match (committed, kind.name) {
        (true, _) => "done",
        (false, "repair") => "repaired later",
        (false, _) => "undone",
    };
    if !committed {
        let (status, answer) = (kind.act)(subject);
        assert!(matches!(status, 200 | 201), "{context}, pressed again: {status} {answer}");
        if creates {
            subject.id = id_of(subject);
        }
        let standing = subject.standing();
        assert!(standing == kind.after, "{context}, pressed again: {standing:?}");
        assert_eq!(subject.flaws(), Vec::<String>::new(), "{context}, pressed again");
    }
    (cell.to_owned(), told.rows)
}

#[expect(clippy::print_stderr, reason = "a failed test tells what led to it")]
fn tell(what: &str) {
    eprintln!("{what}");
}

fn id_of(subject: &Subject<'_>) -> String {
    let (_, answer) = subject.server.admin("GET", &format!("/api/accounts?username={}", subject.username));
    answer["data"][0]["id"].as_str().unwrap_or_default().to_owned()
}

fn server(name: &str) -> Server {
    let server = Server::new(name);
    server.ok(&["opterius", "package", "create", "Larger", "--php-workers", "9"]);
    // Killed some two hundred times, and nobody wants to wait two seconds each time.
    server.restart_soon("opterius-agent");
    server
}

#[test]
fn every_fault_at_every_step_of_every_operation_leaves_all_or_nothing() {
    let faults = Faults::from_environment();
    if let Faults::Some(seed) = faults {
        tell(&format!("some faults at each step: OPTERIUS_MATRIX={seed} tries the same"));
    }
    let kinds = kinds();
    let (next, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let tables: Mutex<BTreeMap<usize, Table>> = Mutex::default();
    // Two servers, since an Agent that is being started keeps no processor busy.
    std::thread::scope(|scope| {
        for name in ["matrix-a", "matrix-b"] {
            let (kinds, next, count, tables) = (&kinds, &next, &count, &tables);
            scope.spawn(move || {
                let server = server(name);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(kind) = kinds.get(n) else { return };
                    let table = try_all(&server, kind, faults, count);
                    tables.lock().expect("no panic").insert(n, table);
                }
            });
        }
    });
    let tables = tables.into_inner().expect("no panic");
    let cells: usize = tables.values().flatten().map(|(_, cells)| cells.len()).sum();
    assert_eq!(tables.len(), kinds.len());
    assert!(cells >= 97, "{cells} faults");
    if faults != Faults::All {
        return;
    }
    let mut page = format!(
        "# Fault matrix\n\n\
         Written by `e2e/tests/matrix.rs` in `./test long`: {cells} faults on throw-away servers with real parts. The steps are the code's own. Each\n\
         time users, home, logs, site, PHP, processes, zone, trash, the Agent's record and the Panel's rows were wholly as before or wholly as\n\
         wanted, as the outcome said, and pressing again brought the account to what was wanted.\n\n\
         *done*: the operation came to its end all the same. *undone*: the account was as before. *repaired later*: the next repair mended it.\n\n\
         | operation | step | fails once | Agent killed before it | Agent killed after it |\n| --- | --- | --- | --- | --- |\n"
    );
    for (n, table) in &tables {
        for ((way, step), cells) in table {
            let step = if *way == "back" { format!("undo: {step}") } else { step.clone() };
            let _ = writeln!(page, "| {} | {step} | {} |", kinds[*n].name, cells.join(" | "));
        }
    }
    std::fs::write(repository::path().join("docs/fault-matrix.md"), page).expect("the matrix is written");
}
