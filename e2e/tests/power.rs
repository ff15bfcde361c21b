//! A power cut is a supported way to stop, at any moment. What was not flushed to the disk is lost then; nothing that was acknowledged is,
//! and no account is left between two states.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use opterius_e2e::{Dice, Machine, Server, Setup, Standing, VolatileDisk, within};
use serde_json::{Value, json};

/// How often the power is cut.
const CUTS: usize = 3;
/// How many customers order at the same time.
const SIDE_BY_SIDE: usize = 3;

/// How many accounts each of them has at most, but for those whose answer is awaited: to look at one takes seconds.
const EACH: usize = 4;

/// `OPTERIUS_SEED`, or one that is the same each time: what happens meanwhile on the machine is chance enough for every run.
fn seed() -> u64 {
    std::env::var("OPTERIUS_SEED").map_or(646_931_505, |seed| seed.parse().expect("OPTERIUS_SEED is a number"))
}

#[expect(clippy::print_stderr, reason = "a failed test tells what led to it")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Never,
    Active,
    Suspended,
    Terminated,
}

/// What a customer asks for, or a host on their behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Create,
    Password,
    Suspend,
    Unsuspend,
    Terminate,
    Restore,
}

/// How an account stands, and the password that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    state: State,
    password: String,
    /// Whether a terminated account was suspended before.
    held: bool,
}

/// One customer with one account.
#[derive(Debug)]
struct Customer {
    number: usize,
    username: String,
    domain: String,
    /// What was last acknowledged.
    stands: Stand,
    /// What was asked for and not answered, and how the account stands if it was done.
    asked: Option<(Act, Stand)>,
    /// Whether anything was asked since it was last looked at.
    touched: bool,
}

impl Customer {
    fn new(number: usize) -> Self {
        Self {
            number,
            username: format!("user{number}"),
            domain: format!("user{number}.example"),
            stands: Stand { state: State::Never, password: String::new(), held: false },
            asked: None,
            touched: false,
        }
    }

    /// Something that makes sense as the account stands.
    fn wish(&self, dice: &mut Dice) -> Act {
        let wishes: &[Act] = match self.stands.state {
            State::Never => &[Act::Create],
            State::Active => &[Act::Create, Act::Password, Act::Suspend, Act::Terminate],
            State::Suspended => &[Act::Unsuspend, Act::Password, Act::Terminate],
            State::Terminated => &[Act::Restore],
        };
        let wish = dice.roll(wishes.len() as u64);
        wishes[usize::try_from(wish).expect("few wishes")]
    }

    /// How the account stands once the act was done.
    fn after(&self, act: Act, dice: &mut Dice) -> Stand {
        let now = self.stands.clone();
        match act {
            Act::Create => Stand { state: State::Active, password: format!("horse {} battery", dice.roll(u64::MAX)), ..now },
            Act::Password => Stand { password: format!("horse {} battery", dice.roll(u64::MAX)), ..now },
            Act::Suspend => Stand { state: State::Suspended, ..now },
            Act::Terminate => Stand { state: State::Terminated, held: now.state == State::Suspended, ..now },
            // A restored account has the holds that it had.
            Act::Restore if now.held => Stand { state: State::Suspended, held: false, ..now },
            Act::Unsuspend | Act::Restore => Stand { state: State::Active, ..now },
        }
    }

    /// Asks the Panel for it, which acknowledges it with 200 or 201: the status and the answer, or nothing if none came.
    fn ask(&self, server: &Server, act: Act, after: &Stand) -> Option<(u16, Value)> {
        let account = format!("/api/accounts/ref:power:{}", self.number);
        let (method, path, body) = match act {
            // The same order with another password gives the account that password.
            Act::Create => (
                "POST",
                "/api/accounts".to_owned(),
                json!({ "username": self.username, "domain": self.domain, "password": after.password, "package_id": server.starter,
                        "external_ref": format!("power:{}", self.number) }),
            ),
            Act::Password => ("PUT", format!("{account}/password"), json!({ "password": after.password })),
            Act::Suspend => ("POST", format!("{account}/suspend"), json!({ "reason": "not paid" })),
            Act::Unsuspend => ("POST", format!("{account}/unsuspend"), json!({})),
            Act::Terminate => ("DELETE", account, Value::Null),
            Act::Restore => ("POST", format!("{account}/restore"), json!({})),
        };
        server.ask(method, &path, Some(&body).filter(|body| !body.is_null()))
    }

    /// Asks until the power is gone, and remembers what it was told.
    fn act(&mut self, server: &Server, dice: &mut Dice) -> Told {
        let act = self.wish(dice);
        let after = self.after(act, dice);
        self.touched = true;
        self.asked = Some((act, after.clone()));
        match self.ask(server, act, &after) {
            None => Told::Nothing,
            Some((200 | 201, _)) => {
                self.stands = after;
                self.asked = None;
                Told::Done
            }
            Some((status, answer)) => {
                tell(&format!("{act:?} of {}: {status} {answer}", self.username));
                Told::Otherwise
            }
        }
    }

    /// Why the account does not stand so on both sides, if it does not.
    fn differs(&self, server: &Server, from: &Stand) -> Option<String> {
        let (status, answer) = server.admin("GET", &format!("/api/accounts?username={}", self.username));
        assert_eq!(status, 200, "{answer}");
        let panel = answer["data"][0]["status"].as_str();
        let standing = Standing::of(server, &self.username, &self.domain);
        let as_it_must = match from.state {
            State::Never => panel.is_none() && standing == Standing::Gone,
            State::Active => panel == Some("active") && standing == Standing::Whole,
            State::Suspended => panel == Some("suspended") && standing == Standing::Suspended,
            State::Terminated => panel.is_none() && standing == Standing::Kept,
        };
        let login = match from.state {
            State::Never | State::Terminated => true,
            State::Active | State::Suspended => {
                // Of a user that is not there the password cannot be asked.
                as_it_must
                    && server.has_password(&self.username, &from.password)
                    && self.expired(server) == (from.state == State::Suspended)
            }
        };
        (!as_it_must || !login).then(|| format!("{panel:?} in the Panel and {standing:?} on the server; the login is right: {login}"))
    }

    /// Whether nobody gets in, whatever the password.
    fn expired(&self, server: &Server) -> bool {
        server.ok(&["getent", "shadow", &self.username]).split(':').nth(7) == Some("1")
    }

    /// Waits until nothing is being done with the account, as far as the Panel knows.
    fn rests(&self, server: &Server) {
        let query =
            format!("select count(*) from operation where username = '{}' and outcome in ('running', 'needs_attention')", self.username);
        // Three customers' PHP starts at once on an emulated processor: minutes, where others use this machine, too.
        within(Duration::from_mins(5), "every operation has its outcome", || (server.panel_database(&query) == "0").then_some(()));
    }

    /// What must hold after the power is back.
    fn survived(&mut self, server: &Server) {
        self.touched = false;
        self.rests(server);
        let undone = self.differs(server, &self.stands);
        let Some((act, after)) = self.asked.take() else {
            assert_eq!(undone, None, "{} is {:?}, as was acknowledged", self.username, self.stands);
            return;
        };
        if undone.is_some() {
            let half = self.differs(server, &after);
            assert_eq!(
                half, None,
                "{}: {act:?} was not answered, so it is done or not; but {undone:?} instead of {:?}",
                self.username, self.stands
            );
        }
        let mut answer = self.ask(server, act, &after);
        if matches!(answer, Some((202, _))) {
            // It goes on without us, on a machine that is slow.
            self.rests(server);
            answer = self.ask(server, act, &after);
        }
        assert!(matches!(answer, Some((200 | 201, _))), "{}: {act:?} again: {answer:?}", self.username);
        assert_eq!(self.differs(server, &after), None, "{}: {act:?} again", self.username);
        self.stands = after;
    }
}

/// What a customer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    Otherwise,
    Nothing,
}

/// One after the other: new customers, and wishes of those who are there, until the power is gone.
fn work(
    server: &Server,
    customers: &mut Vec<Customer>,
    number: &AtomicUsize,
    powered: &AtomicBool,
    answered: &mpsc::Sender<Told>,
    dice: &mut Dice,
) {
    while powered.load(Ordering::SeqCst) {
        let free: Vec<usize> = (0..customers.len()).filter(|&index| customers[index].asked.is_none()).collect();
        let index = if free.is_empty() || (customers.len() < EACH && dice.roll(2) == 0) {
            customers.push(Customer::new(number.fetch_add(1, Ordering::SeqCst)));
            customers.len() - 1
        } else {
            free[usize::try_from(dice.roll(free.len() as u64)).expect("few customers")]
        };
        let told = customers[index].act(server, dice);
        answered.send(told).expect("somebody listens");
    }
}

/// What must hold of the files, whatever became of the accounts.
fn files_are_sound(server: &Server) {
    for database in ["/var/lib/opterius-panel/panel.db", "/var/lib/powerdns/opterius.sqlite3"] {
        assert_eq!(server.ok(&["sqlite3", database, "pragma integrity_check"]).trim(), "ok", "{database}");
    }
    assert_eq!(server.panel_database("pragma foreign_key_check"), "", "the Panel's database");
    // Each row of the Activity names the one before it, so only the first names none that is there.
    let first = "select count(*) from activity one where not exists (select 1 from activity other where other.hash = one.prev)";
    assert_eq!(server.panel_database(first), "1", "the Activity is one chain");
    let script = "cd /var/lib/opterius-agent\n\
                  for file in $(find accounts operations -name '*.json*'); do printf '%s\\0' $file; cat $file; printf '\\0'; done";
    let files = server.sh(script);
    let mut parts = files.split('\0');
    while let (Some(name), Some(text)) = (parts.next(), parts.next()) {
        // A journal's last line without its end was being written, and announces nothing.
        let whole = if name.ends_with('l') { text.rfind('\n').map_or("", |end| &text[..end]) } else { text };
        for value in serde_json::Deserializer::from_str(whole).into_iter::<Value>() {
            assert!(value.is_ok(), "{name}: {value:?}: {text:?}");
        }
    }
}

/// Looks at these customers' accounts, at all desks at the same time.
fn look_after(server: &Server, desks: &mut [Vec<Customer>], which: impl Fn(&Customer) -> bool + Sync) {
    std::thread::scope(|scope| {
        for customers in desks {
            let which = &which;
            scope.spawn(move || customers.iter_mut().filter(|customer| which(customer)).for_each(|customer| customer.survived(server)));
        }
    });
}

trait Database {
    /// What the Panel's database answers.
    fn panel_database(&self, query: &str) -> String;
}

impl Database for Server {
    fn panel_database(&self, query: &str) -> String {
        self.ok(&["sqlite3", "-cmd", ".timeout 5000", "/var/lib/opterius-panel/panel.db", query]).trim().to_owned()
    }
}

#[test]
fn what_a_disk_was_not_told_to_flush_is_lost_with_its_power() {
    for (chance, kept) in [(0, &[0][..]), (100, &[2, 3])] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("disk"), vec![0; 8 * VolatileDisk::BLOCK]).expect("an empty disk");
        let mut disk = VolatileDisk::serve(directory.path(), chance, 7);
        disk.write(1, 1);
        disk.flush();
        disk.write(2, 2);
        disk.write(2, 3);
        assert_eq!([disk.read(1), disk.read(2)], [Some(1), Some(3)], "while it has power it has what was written");
        disk.cut();
        let mut disk = VolatileDisk::serve(directory.path(), 0, 0);
        assert_eq!(disk.read(1), Some(1), "what was flushed is there");
        let after = disk.read(2).expect("a block is written as a whole");
        assert!(kept.contains(&after), "with the chance {chance}: {after}");
        disk.cut();
    }
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged_and_leaves_no_halves() {
    let seed = seed();
    tell(&format!("OPTERIUS_SEED={seed} repeats the choices"));
    let mut dice = Dice(seed);
    let server = Server::with("power", &Setup { machine: Machine::Virtual, ..Setup::default() });
    let mut desks: Vec<Vec<Customer>> = (0..SIDE_BY_SIDE).map(|_| Vec::new()).collect();
    let number = AtomicUsize::new(1);
    let mut done = 0;
    for cut in 1..=CUTS {
        let powered = AtomicBool::new(true);
        // So many answers, and then at any moment of what is being done next.
        let answers = if cut == 1 { 0 } else { 1 + dice.roll(4) };
        let moment = Duration::from_millis(dice.roll(5_000));
        // Nothing but what was flushed, or any part of the rest.
        let chance = [0, 50, 90][usize::try_from(dice.roll(3)).expect("one of three")];
        std::thread::scope(|scope| {
            let (answered, told) = mpsc::channel();
            let workers: Vec<_> = desks
                .iter_mut()
                .map(|customers| {
                    let mut dice = Dice(dice.roll(u64::MAX));
                    let (server, number, powered, answered) = (&server, &number, &powered, answered.clone());
                    scope.spawn(move || work(server, customers, number, powered, &answered, &mut dice))
                })
                .collect();
            drop(answered);
            done += (0..answers).filter(|_| told.recv() == Ok(Told::Done)).count();
            let late = Instant::now() + moment;
            let mut then = Vec::new();
            while let Ok(answer) = told.recv_timeout(late.saturating_duration_since(Instant::now())) {
                then.push(answer);
            }
            server.sh(&format!("echo {cut} >/root/flushed; sync /root/flushed; echo {cut} >/root/written-{cut}"));
            powered.store(false, Ordering::SeqCst);
            let lost = server.cut_power(chance, dice.roll(u64::from(u32::MAX)));
            for worker in workers {
                worker.join().expect("a customer does not panic");
            }
            then.extend(told);
            tell(&format!("cut {cut}, {moment:?} after {answers} answers, with {then:?} since\n{lost}"));
        });
        server.boot();
        server.wait_until_ready();
        assert_eq!(server.sh("cat /root/flushed").trim(), cut.to_string(), "what was flushed is there");
        server.sh(&format!("test ! -s /root/written-{cut}"));
        files_are_sound(&server);
        look_after(&server, &mut desks, |customer| customer.touched);
    }
    assert!(done > 0, "nothing was acknowledged before a cut, which proves nothing");
    // No cut took anything from those who were not busy at the time.
    look_after(&server, &mut desks, |_| true);
}
