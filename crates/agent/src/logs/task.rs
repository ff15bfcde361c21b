//! The job of the Agent that splits the logs.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opterius_model::DomainName;
use opterius_protocol::client::chain;

use super::follow::Limits;
use super::rotate::KEEP;
use super::split::{Owners, Places, Splitter, Tell};
use crate::engine::Engine;
use crate::host::linux::Paths;

/// nginx writes its buffer once a second. A look at two files that have not changed takes a few system calls.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The longest pause after a failure: nginx goes on writing, and its logs are rotated in here.
pub(crate) const PAUSE: Duration = Duration::from_secs(10);

const LIMITS: Limits = Limits {
    // A batch, and thereby what the task holds in memory and what a crash can repeat.
    chunk: 2 * 1024 * 1024,
    // The format cuts what visitors control, so that a line has less than 10 KiB (the test below). With less than nginx writes, a visitor could
    // keep a request from being counted. Lines that were written before the format cut anything have up to 240 KiB.
    line: 256 * 1024,
    quiet: 10,
};

/// Splits nginx's logs into the accounts' own, and counts their traffic on the way. What it knows lasts from one round to the next.
#[derive(Clone)]
pub(crate) struct Splitting {
    splitter: Arc<Mutex<Splitter>>,
    anew: Arc<dyn Fn() -> Splitter + Send + Sync>,
}

impl Splitting {
    /// The logs and the state are where `paths` says.
    pub(crate) fn new(engine: &Engine, paths: &Paths) -> Self {
        let (asked, told) = (engine.clone(), engine.clone());
        let owners: Owners = Arc::new(move |site| {
            // A name that is kept in another spelling was not what nginx looked up.
            let domain = DomainName::parse(site).ok().filter(|domain| domain.as_str() == site)?;
            asked.owner_of(&domain)
        });
        let tell: Tell = Arc::new(move |losses| told.tell_losses(losses));
        let places = Places { logs: paths.logs.clone(), state: paths.state.clone(), nginx_pid: "/run/nginx.pid".into() };
        Self::from(Arc::new(move || Splitter::new(owners.clone(), tell.clone(), places.clone(), LIMITS, KEEP)))
    }

    fn from(anew: Arc<dyn Fn() -> Splitter + Send + Sync>) -> Self {
        Self { splitter: Arc::new(Mutex::new(anew())), anew }
    }

    /// Splits one batch, so that the end of the Agent has little to wait for. Waits until there may be more. An error says why the logs are not
    /// split and traffic is not counted for now.
    pub(crate) async fn round(&self) -> Result<(), String> {
        let this = self.clone();
        let round = tokio::task::spawn_blocking(move || {
            let mut splitter = this.splitter.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| splitter.round()));
            if outcome.is_err() {
                // It may have stopped anywhere. What was noted is known to be whole.
                *splitter = (this.anew)();
            }
            outcome
        });
        match round.await {
            Ok(Ok(Ok(true))) => {}
            Ok(Ok(Ok(false))) => tokio::time::sleep(BETWEEN_LOOKS).await,
            Ok(Ok(Err(error))) => return Err(chain(&error)),
            Ok(Err(panic)) => return Err(format!("{}: {}", crate::jobs::PANICKED, opterius_protocol::panic_message(&*panic))),
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;

    #[tokio::test]
    async fn a_job_that_cannot_split_says_so_and_goes_on_where_it_was() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (logs, state) = (dir.path().join("logs"), dir.path().join("state"));
        for made in [&logs, &state] {
            std::fs::create_dir(made).expect("made");
        }
        let request = "{\"t\":\"1790856000.000\",\"site\":\"a.test\",\"host\":\"a.test\",\"ip\":\"192.0.2.7\",\"method\":\"GET\",\"uri\":\"/\",\"proto\":\"HTTP/1.1\",\"status\":200,\"bytes\":1,\"in\":2,\"rt\":0.001,\"ref\":\"\",\"ua\":\"\",\"rid\":\"0\"}\n";
        std::fs::write(logs.join("access.json"), request).expect("written");
        std::fs::write(state.join("logs.json"), "nonsense").expect("written");
        let breaks = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (places, broken) = (Places { logs, state: state.clone(), nginx_pid: dir.path().join("pid") }, breaks.clone());
        let splitting = Splitting::from(Arc::new(move || {
            let broken = broken.clone();
            let owners: Owners = Arc::new(move |_| {
                assert!(!broken.load(std::sync::atomic::Ordering::Relaxed), "the test says so");
                None
            });
            Splitter::new(owners, Arc::new(|_| {}), places.clone(), LIMITS, KEEP)
        }));
        let jobs = Jobs::default();
        let failure = async || splitting.round().await.err().unwrap_or_default();
        assert!(failure().await.contains("could not make sense of"), "an unreadable state");
        std::fs::remove_file(state.join("logs.json")).expect("removed");
        breaks.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(failure().await.contains("the test says so"), "a panic");
        breaks.store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(failure().await, "");
        // The same as a job, until its health says so.
        std::fs::write(state.join("logs.json"), "nonsense").expect("written");
        let anew = Splitting::from(splitting.anew.clone());
        let running = jobs.clone();
        let job = tokio::spawn(async move { running.run_with_pauses_up_to(PAUSE, "logs", || anew.round()).await });
        tokio::time::timeout(Duration::from_mins(1), async {
            while !jobs.health().iter().any(|job| job.failing && job.failures == 1) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("its health says so");
        job.abort();
    }

    /// The configuration of nginx that says what a line of the access log is.
    const FORMAT: &str = include_str!("../../../../packaging/nginx/http.conf");

    /// How many characters of a variable the map lets through, and whether it lets control characters through.
    fn cut(variable: &str) -> Option<usize> {
        let map = FORMAT.lines().find(|line| line.starts_with("map ") && line.contains(&format!(" ${variable} {{")))?;
        let (before, count) = map.split_once("{0,")?;
        let count = count.split_once('}')?.0.parse().ok()?;
        // Only from the start, and only what JSON writes as one byte, or as two (`"` and `\\`).
        let pattern = before.split_once("\"~^(?<")?.1.split_once('>')?.1;
        assert!(["[!-~]", "[^\\x00-\\x1f\\x7f]"].contains(&pattern), "{variable}: {pattern}");
        Some(count)
    }

    #[test]
    fn the_longest_line_that_nginx_can_write_is_read_whole_and_counted() {
        let format = FORMAT.split_once("log_format opterius escape=json").expect("there").1.split_once(';').expect("it ends").0;
        let mut text: String = format.lines().map(|line| line.trim().trim_matches('\'')).collect();
        // What nginx itself writes, at its longest.
        let own = [
            ("site", "a".repeat(253)),
            ("remote_addr", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".to_owned()),
            ("msec", "18446744073709.999".to_owned()),
            ("status", "200".to_owned()),
            ("bytes_sent", "9223372036854775807".to_owned()),
            ("request_length", "9223372036854775807".to_owned()),
            ("request_time", "9223372036854775.807".to_owned()),
            ("request_id", "f".repeat(32)),
        ];
        // The longest names first, as one can begin with another.
        let mut names: Vec<&str> = format
            .split('$')
            .skip(1)
            .map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().expect("a name"))
            .collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        assert_eq!(names.len(), 14);
        for name in names {
            let value = own.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
            let value =
                value.or_else(|| cut(name).map(|count| "\\\"".repeat(count))).unwrap_or_else(|| panic!("a visitor controls ${name}"));
            text = text.replace(&format!("${name}"), &value);
        }
        assert!(text.len() < 10 * 1024 && text.len() < LIMITS.line, "{}", text.len());
        const { assert!(LIMITS.line < LIMITS.chunk) };
        let request = super::super::line::access(text.replace("18446744073709", "1790856000").as_bytes()).expect("a request");
        assert_eq!((request.sent, request.site.len()), (9_223_372_036_854_775_807, 253));
    }
}
