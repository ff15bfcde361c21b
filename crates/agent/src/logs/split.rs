//! One batch: what is new in nginx's two logs, to whom it belongs, and how far that was.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opterius_model::{AccountId, Username};
use opterius_protocol::Micros;
use opterius_protocol::client::chain;

use super::account::{self, Log};
use super::follow::{Follower, Limits, Step};
use super::line;
use super::rotate::{self, Keep};
use super::state::{FileId, Files, Losses, Lost, State, StateError};

/// A failure that lasts is told once in this time, for each account.
const BETWEEN_WARNINGS: Duration = Duration::from_hours(1);

/// Who has a site.
pub(super) type Owners = Arc<dyn Fn(&str) -> Option<(AccountId, Username)> + Send + Sync>;

/// Gets to know what was lost.
pub(super) type Tell = Arc<dyn Fn(Losses) + Send + Sync>;

/// Where the logs and the state are.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// `/var/log/opterius`.
    pub(super) logs: PathBuf,
    /// `/var/lib/opterius-agent`.
    pub(super) state: PathBuf,
    /// `/run/nginx.pid`.
    pub(super) nginx_pid: PathBuf,
}

/// nginx's logs: the two that are split, and that of what goes wrong between nginx and PHP, which is only kept small.
const LOGS: [(&str, Option<Log>); 3] = [(ACCESS, Some(Log::Access)), (ERROR, Some(Log::Error)), ("nginx-php.log", None)];
const ACCESS: &str = "access.json";
const ERROR: &str = "nginx-error.log";

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Account(AccountId),
    Access,
    Error,
    Lines,
    Lost,
    Rotation,
    Surplus,
}

/// What is new for one account.
struct News {
    username: Username,
    access: Vec<u8>,
    error: Vec<u8>,
}

/// Splits batch by batch. All of its work blocks.
pub(super) struct Splitter {
    owners: Owners,
    tell: Tell,
    places: Places,
    /// Nothing until it could be read.
    state: Option<State>,
    /// The state is ahead of its file.
    ahead: bool,
    /// What was removed unread while there was no state to note it in, with its size.
    removed: Vec<(Log, FileId, u64)>,
    access: Follower,
    error: Follower,
    keep: Keep,
    warned: HashMap<Subject, Instant>,
}

impl Splitter {
    pub(super) fn new(owners: Owners, tell: Tell, places: Places, limits: Limits, keep: Keep) -> Self {
        let follower = |name: &str| Follower::new(places.logs.join(name), limits);
        let (access, error) = (follower(ACCESS), follower(ERROR));
        Self { owners, tell, places, state: None, ahead: false, removed: Vec::new(), access, error, keep, warned: HashMap::new() }
    }

    /// Splits one batch. Answers whether there is more at once.
    ///
    /// A batch that could not be noted is not followed by another: the next call only tries to note it again. The logs are kept small even so.
    pub(super) fn round(&mut self) -> Result<bool, StateError> {
        let loaded = self.load();
        self.rotate();
        let more = loaded.and_then(|()| {
            self.note()?;
            self.advance()
        });
        // After the look, which gave each file its position.
        let surplus = self.give_up_surplus();
        let noted = self.note();
        // What goes is noted before it goes. Where it cannot be, as on a full disk, it goes all the same.
        self.remove(surplus);
        if let Some(state) = &self.state {
            (self.tell)(state.lost.into());
        }
        let more = more?;
        noted?;
        Ok(more)
    }

    /// Reads the state, if it is not read yet.
    fn load(&mut self) -> Result<(), StateError> {
        if self.state.is_some() {
            return Ok(());
        }
        let mut state = State::load(&self.places.state).inspect_err(|_| (self.tell)(Losses::Unknown))?;
        self.ahead |= !self.removed.is_empty();
        for (log, file, size) in self.removed.drain(..) {
            state.give_up(log, file, size, Micros::now());
        }
        (self.tell)(state.lost.into());
        self.state = Some(state);
        Ok(())
    }

    /// Writes down how far everything is, if that is not written yet.
    fn note(&mut self) -> Result<(), StateError> {
        if let Some(state) = self.state.as_mut().filter(|_| self.ahead) {
            state.store(&self.places.state)?;
            self.ahead = false;
        }
        Ok(())
    }

    /// Renames what is large, and has nginx open new logs. What fails is tried again in the next round.
    fn rotate(&mut self) {
        if self.rename() {
            let reopened = rotate::reopen(&self.places.nginx_pid);
            self.warn_of_rotation(reopened);
        }
    }

    /// Answers whether nginx has to open a new log, which one log that fails does not change.
    fn rename(&mut self) -> bool {
        let mut any = false;
        for (name, log) in LOGS {
            // At the first look of all, only what bears the log's name is read.
            if log.zip(self.state.as_ref()).is_some_and(|(log, state)| !state.knows(log)) {
                continue;
            }
            match rotate::rotate(&self.places.logs.join(name), &self.keep, SystemTime::now()) {
                Ok(renamed) => any |= renamed,
                Err(error) => self.warn_of_rotation(Err(error)),
            }
        }
        any
    }

    /// Finds what is too much of the logs, and counts as lost what is not read of it.
    fn give_up_surplus(&mut self) -> Vec<rotate::Rotated> {
        let mut all = Vec::new();
        for (name, log) in LOGS {
            let state = self.state.as_ref();
            let is_unread = |file: &rotate::Rotated| {
                // What is compressed is never read.
                let Some(log) = log.filter(|_| file.path.extension().is_none_or(|extension| extension != "gz")) else { return false };
                let position = state.and_then(|state| state.position(log, file.id));
                position.is_none_or(|position| !position.ignored && position.offset < file.size)
            };
            let surplus = match rotate::surplus(&self.places.logs.join(name), &self.keep, SystemTime::now(), is_unread) {
                Ok(surplus) => surplus,
                Err(error) => {
                    self.warn_of_rotation(Err(error));
                    continue;
                }
            };
            let unread: Vec<_> =
                surplus.iter().filter(|file| is_unread(file)).filter_map(|file| Some((log?, file.id, file.size))).collect();
            all.extend(surplus);
            if unread.is_empty() {
                continue;
            }
            if log == Some(Log::Access) && self.may_warn(Subject::Surplus) {
                let bytes: u64 = unread.iter().map(|(_, _, size)| size).sum();
                tracing::warn!(
                    files = unread.len(),
                    bytes,
                    "removing files of access.json that are not read yet, since there are too many"
                );
            }
            match &mut self.state {
                Some(state) => {
                    for (log, file, size) in unread {
                        state.give_up(log, file, size, Micros::now());
                    }
                    self.ahead = true;
                }
                None => self.removed.extend(unread),
            }
        }
        all
    }

    fn remove(&mut self, files: Vec<rotate::Rotated>) {
        for file in files {
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.warn_of_rotation(Err(error)),
                _ => {}
            }
            self.access.release(file.id);
            self.error.release(file.id);
        }
    }

    fn warn_of_rotation(&mut self, outcome: io::Result<()>) {
        if let Err(error) = outcome
            && self.may_warn(Subject::Rotation)
        {
            tracing::warn!("could not rotate nginx's logs: {error}");
        }
    }

    /// Takes the next batch to its accounts, and counts it.
    fn advance(&mut self) -> Result<bool, StateError> {
        self.load()?;
        let mut state = self.state.take().expect("it is loaded");
        let now = Micros::now();
        let access = self.access.step(&Files { current: state.access, rotated: state.access_rotated.clone() }, now);
        let error = self.error.step(&Files { current: state.error, rotated: state.error_rotated.clone() }, now);
        let access = self.readable(Subject::Access, access);
        let error = self.readable(Subject::Error, error);
        let mut news = BTreeMap::new();
        let mut owners = Owned { owners: &self.owners, known: HashMap::new() };
        let (mut unreadable, mut unreadable_bytes) = (0_usize, 0);
        for line in access.iter().flat_map(Step::lines) {
            let Some(request) = line::access(line) else {
                unreadable += 1;
                unreadable_bytes += line.len() as u64;
                continue;
            };
            if let Some((account, username)) = owners.of(&request.site) {
                state.count(&request.month, account, request.sent, request.received);
                of_account(&mut news, account, username).access.extend_from_slice(request.combined.as_bytes());
            }
        }
        for line in error.iter().flat_map(Step::lines) {
            if let Some((site, line)) = line::error(line)
                && let Some((account, username)) = owners.of(&site)
            {
                of_account(&mut news, account, username).error.extend_from_slice(line.as_bytes());
            }
        }
        for (account, news) in news {
            let lines = [(Log::Access, &*news.access), (Log::Error, &*news.error)];
            if let Err(error) = account::append(&self.places.logs.join("accounts"), account, &news.username, &lines)
                && self.may_warn(Subject::Account(account))
            {
                tracing::warn!(account.id = %account, account.username = %news.username, "lines of a log were lost: {}", chain(&error));
            }
        }
        if unreadable > 0 && self.may_warn(Subject::Lines) {
            tracing::warn!("left out {unreadable} lines of access.json that are not in the format of http.conf");
        }
        let mut lost: Vec<u64> = access.iter().flat_map(|step| step.lost.iter().copied()).collect();
        if unreadable > 0 {
            lost.push(unreadable_bytes);
        }
        for bytes in &lost {
            state.lost = Some(Lost::and(state.lost, *bytes, now));
        }
        if let Some(Lost { times, bytes, .. }) = state.lost.filter(|_| !lost.is_empty())
            && self.may_warn(Subject::Lost)
        {
            tracing::warn!(times, bytes, "lines of access.json were lost before they were counted: traffic is too low by them");
        }
        if let Some(step) = &access {
            (state.access, state.access_rotated) = (step.files.current, step.files.rotated.clone());
        }
        if let Some(step) = &error {
            (state.error, state.error_rotated) = (step.files.current, step.files.rotated.clone());
        }
        self.ahead |= access.is_some() || error.is_some();
        self.state = Some(state);
        Ok(access.iter().chain(&error).any(|step| step.more))
    }

    fn readable(&mut self, subject: Subject, step: io::Result<Option<Step>>) -> Option<Step> {
        step.unwrap_or_else(|error| {
            if self.may_warn(subject) {
                let name = if subject == Subject::Access { ACCESS } else { ERROR };
                tracing::warn!("could not read {}: {error}", self.places.logs.join(name).display());
            }
            None
        })
    }

    fn may_warn(&mut self, subject: Subject) -> bool {
        let now = Instant::now();
        self.warned.retain(|_, at| now.duration_since(*at) < BETWEEN_WARNINGS);
        self.warned.insert(subject, now).is_none_or(|at| {
            // The hour runs from the warning that was given.
            self.warned.insert(subject, at);
            false
        })
    }
}

fn of_account(news: &mut BTreeMap<AccountId, News>, account: AccountId, username: Username) -> &mut News {
    news.entry(account).or_insert_with(|| News { username, access: Vec::new(), error: Vec::new() })
}

/// The owners of the sites in one batch, each looked up once.
struct Owned<'a> {
    owners: &'a Owners,
    known: HashMap<String, Option<(AccountId, Username)>>,
}

impl Owned<'_> {
    fn of(&mut self, site: &str) -> Option<(AccountId, Username)> {
        if site.is_empty() {
            return None;
        }
        if let Some(known) = self.known.get(site) {
            return known.clone();
        }
        let owner = (self.owners)(site);
        self.known.insert(site.to_owned(), owner.clone());
        owner
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests read what they wrote")]
mod tests {
    use std::io::Write as _;

    use super::super::state::Traffic;
    use super::*;

    const LIMITS: Limits = Limits { chunk: 4096, line: 1024, quiet: 1 };

    fn account(n: u8) -> AccountId {
        AccountId::parse(&format!("0193a5e0-7c1e-7000-8000-0000000000{n:02}")).expect("an id")
    }

    struct Server {
        dir: tempfile::TempDir,
    }

    impl Server {
        /// A server with alice (account 1), who has alice.test, and bob (account 2).
        fn new() -> Self {
            let server = Self { dir: tempfile::tempdir().expect("a temporary directory") };
            fs::create_dir(server.state()).expect("made");
            for (n, username) in [(1, "alice"), (2, "bob")] {
                let path = server.logs().join("accounts").join(username);
                fs::create_dir_all(&path).expect("made");
                fs::write(path.join(".opterius-account"), format!("{}\n", account(n))).expect("marked");
            }
            server
        }

        fn logs(&self) -> PathBuf {
            self.dir.path().join("log")
        }

        fn state(&self) -> PathBuf {
            self.dir.path().join("state")
        }

        fn splitter(&self) -> Splitter {
            let owners: Owners = Arc::new(|site| {
                let (n, username) = match site {
                    "alice.test" => (1, "alice"),
                    "bob.test" => (2, "bob"),
                    _ => return None,
                };
                Some((account(n), Username::parse(username).expect("a username")))
            });
            let nginx_pid = self.dir.path().join("nginx.pid");
            Splitter::new(owners, Arc::new(|_| {}), Places { logs: self.logs(), state: self.state(), nginx_pid }, LIMITS, rotate::KEEP)
        }

        fn add(&self, name: &str, bytes: impl AsRef<[u8]>) {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(self.logs().join(name)).expect("opened");
            file.write_all(bytes.as_ref()).expect("written");
        }

        fn log(&self, path: &str) -> String {
            fs::read_to_string(self.logs().join("accounts").join(path)).unwrap_or_default()
        }

        fn traffic(&self, n: u8) -> Traffic {
            let state = State::load(&self.state()).expect("a state");
            state.months.get("2026-10").and_then(|month| month.get(&account(n))).copied().unwrap_or_default()
        }
    }

    fn request(site: &str, uri: &str, bytes: u64) -> String {
        format!(
            "{{\"t\":\"1790856000.000\",\"site\":\"{site}\",\"host\":\"{site}\",\"ip\":\"192.0.2.7\",\"method\":\"GET\",\"uri\":\"{uri}\",\"proto\":\"HTTP/1.1\",\"status\":200,\"bytes\":{bytes},\"in\":2,\"rt\":0.001,\"ref\":\"\",\"ua\":\"\",\"rid\":\"0\"}}\n"
        )
    }

    fn failure(site: &str, referrer: &str) -> String {
        format!(
            "2026/10/01 12:00:00 [error] 7#7: *1 open() failed, client: 192.0.2.7, server: _, request: \"GET / HTTP/1.1\", host: \"{site}\"{referrer}\n"
        )
    }

    /// Rounds until as many find nothing as a rotation takes.
    fn run(splitter: &mut Splitter) {
        for _ in 0..=LIMITS.quiet + 1 {
            while splitter.round().expect("a round") {}
        }
    }

    fn count(text: &str) -> usize {
        text.lines().count()
    }

    #[test]
    fn lines_go_to_the_account_that_has_the_site() {
        let server = Server::new();
        server.add("access.json", request("alice.test", "/a", 10) + &request("bob.test", "/b", 20) + &request("nobody.test", "/c", 30));
        server.add("access.json", request("", "/d", 40) + "nonsense\n");
        server.add("access.json", [&b"{\"t\":\"\xff"[..], b"\n", request("alice.test", "/e", 5).as_bytes()].concat());
        server.add("nginx-error.log", failure("alice.test", ", referrer: \"x\", host: \"bob.test\"") + &failure("bob.test", ""));
        let mut splitter = server.splitter();
        run(&mut splitter);
        assert_eq!(count(&server.log("alice/access.log")), 2);
        assert!(server.log("bob/access.log").contains("\"GET /b HTTP/1.1\" 200 20 "));
        assert_eq!(count(&server.log("bob/access.log")), 1);
        assert!(server.log("alice/error.log").ends_with("host: \"alice.test\", referrer: \"x\", host: \"bob.test\"\n"));
        assert_eq!(server.log("bob/error.log"), failure("bob.test", ""));
        assert_eq!(server.traffic(1), Traffic { sent: 15, received: 4, requests: 2 });
        assert_eq!(server.traffic(2), Traffic { sent: 20, received: 2, requests: 1 });
    }

    #[test]
    fn an_idle_round_writes_nothing() {
        let server = Server::new();
        server.add("access.json", request("alice.test", "/a", 10));
        let mut splitter = server.splitter();
        run(&mut splitter);
        fs::remove_file(server.state().join("logs.json")).expect("there");
        run(&mut splitter);
        assert!(!server.state().join("logs.json").exists());
    }

    #[test]
    fn no_byte_is_counted_twice_or_lost_wherever_the_agent_is_killed() {
        let server = Server::new();
        let lines: Vec<String> = (0..100).map(|n| request("alice.test", &format!("/{n}"), 1000 + n)).collect();
        let text = lines.concat();
        let expected: u64 = (0..100).map(|n| 1000 + n).sum();
        let pieces = |text: &[u8]| text.chunks(3001).map(<[u8]>::to_vec).collect::<Vec<_>>();
        // It arrives in pieces that end anywhere, and after each the Agent is killed before it noted what it did, or after, or not at all.
        // Half of it lies in a file that is rotated away in between.
        let mut splitter = server.splitter();
        let half = lines[..50].concat().len();
        for (which, text) in [text.as_bytes()[..half].to_vec(), text.as_bytes()[half..].to_vec()].iter().enumerate() {
            for (index, piece) in pieces(text).into_iter().enumerate() {
                server.add("access.json", piece);
                match (which + index) % 3 {
                    0 => {
                        splitter.advance().expect("a batch");
                        splitter = server.splitter();
                    }
                    1 => {
                        splitter.round().expect("a round");
                        splitter = server.splitter();
                    }
                    _ => {
                        splitter.round().expect("a round");
                    }
                }
            }
            if which == 0 {
                fs::rename(server.logs().join("access.json"), server.logs().join("access.json.1")).expect("rotated");
            }
        }
        run(&mut splitter);
        assert_eq!(server.traffic(1), Traffic { sent: expected, received: 200, requests: 100 });
        let log = server.log("alice/access.log");
        for n in 0..100 {
            assert!(log.contains(&format!("\"GET /{n} HTTP/1.1\"")), "{n}");
        }
    }

    #[test]
    fn a_rotation_between_two_lives_of_the_agent_is_counted_once() {
        let server = Server::new();
        server.add("access.json", request("alice.test", "/a", 1));
        run(&mut server.splitter());
        server.add("access.json", request("alice.test", "/b", 10));
        fs::rename(server.logs().join("access.json"), server.logs().join("access.json.1")).expect("rotated");
        server.add("access.json", request("alice.test", "/c", 100));
        run(&mut server.splitter());
        run(&mut server.splitter());
        assert_eq!(server.traffic(1).sent, 111);
        assert_eq!(count(&server.log("alice/access.log")), 3);
    }

    #[test]
    fn a_truncated_log_is_counted_from_its_start() {
        let server = Server::new();
        server.add("access.json", request("alice.test", "/a", 1) + &request("alice.test", "/b", 10));
        let mut splitter = server.splitter();
        run(&mut splitter);
        fs::write(server.logs().join("access.json"), request("alice.test", "/c", 100)).expect("written");
        run(&mut splitter);
        assert_eq!(server.traffic(1).sent, 111);
    }

    #[test]
    fn a_line_that_is_too_long_leaves_its_neighbours_alone() {
        let server = Server::new();
        let long = request("alice.test", &"x".repeat(10_000), 1);
        server.add("access.json", request("alice.test", "/a", 10) + &long + &request("alice.test", "/b", 100));
        run(&mut server.splitter());
        assert_eq!(server.traffic(1).sent, 110);
    }

    #[test]
    fn an_account_whose_directory_fails_stops_nobody_and_is_warned_of_once() {
        let server = Server::new();
        fs::write(server.logs().join("accounts/alice/.opterius-account"), account(2).to_string()).expect("marked");
        server.add("access.json", request("alice.test", "/a", 1) + &request("bob.test", "/b", 2));
        let mut splitter = server.splitter();
        run(&mut splitter);
        assert!(!server.logs().join("accounts/alice/access.log").exists());
        assert_eq!(count(&server.log("bob/access.log")), 1);
        // What the visitors were sent counts all the same.
        assert_eq!(server.traffic(1).sent, 1);
        assert!(!splitter.may_warn(Subject::Account(account(1))));
        assert!(splitter.may_warn(Subject::Account(account(2))));
        assert!(!splitter.may_warn(Subject::Account(account(2))));
    }

    #[test]
    fn what_could_not_be_noted_is_not_split_again() {
        let server = Server::new();
        server.add("access.json", request("alice.test", "/a", 1));
        let mut splitter = server.splitter();
        let away = server.dir.path().join("away");
        fs::rename(server.state(), &away).expect("moved");
        for _ in 0..3 {
            splitter.round().expect_err("nowhere to note it");
        }
        assert_eq!(count(&server.log("alice/access.log")), 1);
        fs::rename(&away, server.state()).expect("moved back");
        run(&mut splitter);
        assert_eq!(count(&server.log("alice/access.log")), 1);
        assert_eq!(server.traffic(1).sent, 1);
    }

    #[test]
    fn logs_are_rotated_by_size_and_every_request_of_them_is_counted() {
        let server = Server::new();
        let keep = Keep { size: 2000, files: 3, ..rotate::KEEP };
        let mut splitter = server.splitter();
        splitter.keep = keep;
        for turn in 0..50 {
            for _ in 0..10 {
                server.add("access.json", request("alice.test", &format!("/{turn}"), 1));
            }
            server.add("nginx-php.log", "x".repeat(1000));
            splitter.round().expect("a round");
        }
        run(&mut splitter);
        assert_eq!(server.traffic(1).requests, 500);
        let names: Vec<_> =
            fs::read_dir(server.logs()).expect("there").map(|entry| entry.expect("one").file_name().into_string().expect("text")).collect();
        for log in ["access.json.r", "nginx-php.log.r"] {
            assert_eq!(names.iter().filter(|name| name.starts_with(log)).count(), 3, "{names:?}");
        }
        assert_eq!(State::load(&server.state()).expect("a state").lost, None);
    }

    /// Requests of one length.
    fn requests(count: usize) -> String {
        request("alice.test", "/away", 1).repeat(count)
    }

    /// A server whose Agent has read the log, and was then away while the log was rotated so many times, with 10 requests each time.
    fn backlog(files: usize) -> Server {
        let server = Server::new();
        server.add("access.json", requests(1));
        run(&mut server.splitter());
        for number in 1..=files {
            server.add("access.json", requests(10));
            fs::rename(server.logs().join("access.json"), server.logs().join(format!("access.json.r{number}"))).expect("rotated");
        }
        server.add("access.json", requests(10));
        server
    }

    #[test]
    fn a_backlog_that_a_starting_agent_finds_is_kept_and_counted_whole() {
        let server = backlog(20);
        let mut splitter = server.splitter();
        splitter.keep = Keep { files: 3, bytes: 5000, ..rotate::KEEP };
        run(&mut splitter);
        assert_eq!(server.traffic(1).requests, 211);
        assert_eq!(State::load(&server.state()).expect("a state").lost, None);
        let left = fs::read_dir(server.logs()).expect("there").count();
        assert!(left < 10, "what was read goes");
    }

    #[test]
    fn a_log_that_is_rotated_in_this_very_round_is_not_read_yet() {
        for known in [false, true] {
            let server = Server::new();
            if known {
                server.add("access.json", requests(1));
                run(&mut server.splitter());
            }
            server.add("access.json", requests(100));
            let mut splitter = server.splitter();
            splitter.keep = Keep { size: 2000, bytes: 5000, ..rotate::KEEP };
            splitter.round().expect("a round");
            server.add("access.json", requests(1));
            run(&mut splitter);
            assert_eq!(server.traffic(1).requests, 101 + u64::from(known));
            assert_eq!(State::load(&server.state()).expect("a state").lost, None);
        }
    }

    #[test]
    fn of_what_is_more_than_is_kept_unread_each_byte_is_said_to_be_lost() {
        for restarts in [false, true] {
            let server = backlog(30);
            let line = requests(1).len() as u64;
            let mut splitter = server.splitter();
            splitter.keep = Keep { unread_bytes: 55 * line, ..rotate::KEEP };
            splitter.round().expect("a round");
            if restarts {
                let keep = splitter.keep;
                splitter = server.splitter();
                splitter.keep = keep;
            }
            run(&mut splitter);
            let lost = State::load(&server.state()).expect("a state").lost.expect("something");
            let counted = server.traffic(1).requests;
            assert!((50..100).contains(&counted), "the newest are kept: {counted}");
            assert_eq!(counted * line + lost.bytes, 311 * line, "{counted}: {lost:?}");
        }
    }

    #[test]
    fn logs_are_kept_small_while_nothing_can_be_noted() {
        let server = Server::new();
        server.add("access.json", requests(1));
        let mut splitter = server.splitter();
        splitter.keep = Keep { size: 2000, unread_bytes: 10_000, ..rotate::KEEP };
        let away = server.dir.path().join("away");
        fs::rename(server.state(), &away).expect("moved");
        for _ in 0..30 {
            splitter.round().expect_err("nowhere to note it");
            server.add("access.json", requests(20));
        }
        let sizes = |name: &str| -> u64 {
            let entries = fs::read_dir(server.logs()).expect("there").map(|entry| entry.expect("one"));
            let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(|found| found.starts_with(name)));
            named.map(|entry| entry.metadata().expect("there").len()).sum()
        };
        assert!(sizes("access.json") < 20_000, "{}", sizes("access.json"));
        // Nothing is lost without a word.
        fs::rename(&away, server.state()).expect("moved back");
        run(&mut splitter);
        let lost = State::load(&server.state()).expect("a state").lost.expect("something");
        let line = requests(1).len() as u64;
        assert_eq!(server.traffic(1).requests * line + lost.bytes, 601 * line);
    }

    #[test]
    fn a_log_that_cannot_be_renamed_keeps_nginx_from_no_other_new_log() {
        let server = Server::new();
        let mut splitter = server.splitter();
        splitter.keep = Keep { size: 2000, ..rotate::KEEP };
        assert!(!splitter.rename(), "there is none");
        for name in ["access.json", "nginx-error.log", "nginx-php.log"] {
            server.add(name, requests(20));
        }
        // There is no further number.
        server.add(&format!("nginx-error.log.r{}", u64::MAX), "");
        assert!(splitter.rename());
        assert!(!server.logs().join("access.json").exists() && !server.logs().join("nginx-php.log").exists());
        assert!(server.logs().join("nginx-error.log").exists());
    }

    #[test]
    fn what_was_lost_is_told_without_a_look_at_the_state_and_is_unknown_while_that_cannot_be_read() {
        let server = Server::new();
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut splitter = server.splitter();
        let tells = told.clone();
        splitter.tell = Arc::new(move |losses| tells.lock().expect("a lock").push(losses));
        let last = || *told.lock().expect("a lock").last().expect("something was told");
        let state = server.state().join("logs.json");
        fs::write(&state, "nonsense").expect("written");
        server.add("access.json", "nonsense\n");
        splitter.round().expect_err("an unreadable state");
        assert_eq!(last(), Losses::Unknown);
        fs::remove_file(&state).expect("removed");
        splitter.round().expect("a round");
        assert!(matches!(last(), Losses::Known(Some(lost)) if (lost.times, lost.bytes) == (1, 8)), "{:?}", last());
    }

    #[test]
    fn what_was_removed_while_the_state_could_not_be_read_is_counted_once_it_can() {
        let server = backlog(20);
        let line = requests(1).len() as u64;
        let (state, away) = (server.state().join("logs.json"), server.dir.path().join("away"));
        fs::rename(&state, &away).expect("moved");
        fs::write(&state, "nonsense").expect("written");
        let mut splitter = server.splitter();
        splitter.keep = Keep { unread_bytes: 55 * line, ..rotate::KEEP };
        splitter.round().expect_err("an unreadable state");
        fs::rename(&away, &state).expect("put back");
        run(&mut splitter);
        let lost = State::load(&server.state()).expect("a state").lost.expect("something");
        assert_eq!((server.traffic(1).requests, lost.bytes, lost.times), (61, 150 * line, 15));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_counted_as_lost() {
        let server = Server::new();
        server.add("access.json", "nonsense\n".to_owned() + &request("alice.test", "/a", 1) + &"x".repeat(3000) + "\n");
        run(&mut server.splitter());
        let lost = State::load(&server.state()).expect("a state").lost.expect("something");
        assert_eq!((lost.times, lost.bytes), (2, 8 + 3000));
    }
}
