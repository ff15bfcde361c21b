//! Keeps jobs going: one that fails or panics is logged, counted, told in `/health`, and begun again after a pause. None ends silently.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use opterius_protocol::Micros;
use opterius_protocol::agent::JobHealth;

/// The pause after a failure, which doubles with each further one up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How much of a failure is told, in characters.
const TOLD: usize = 500;

/// Every job with how it is. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<&'static str, JobHealth>>>);

impl Jobs {
    /// How each job is, by name.
    pub fn health(&self) -> Vec<JobHealth> {
        self.all().values().cloned().collect()
    }

    /// Does a job round after round, for ever. A round waits by itself until the next is due.
    pub async fn run<R>(&self, name: &'static str, round: impl FnMut() -> R)
    where
        R: Future<Output = Result<(), String>>,
    {
        self.keep_going(Duration::ZERO, LONGEST_PAUSE, name, round).await;
    }

    /// The same for a job that is due again so long after it succeeded.
    pub(crate) async fn run_every<R>(&self, every: Duration, name: &'static str, round: impl FnMut() -> R)
    where
        R: Future<Output = Result<(), String>>,
    {
        self.keep_going(every, LONGEST_PAUSE, name, round).await;
    }

    /// The same for a job that must not pause for longer than this after a failure.
    pub(crate) async fn run_with_pauses_up_to<R>(&self, longest: Duration, name: &'static str, round: impl FnMut() -> R)
    where
        R: Future<Output = Result<(), String>>,
    {
        self.keep_going(Duration::ZERO, longest, name, round).await;
    }

    async fn keep_going<R>(&self, every: Duration, longest: Duration, name: &'static str, mut round: impl FnMut() -> R)
    where
        R: Future<Output = Result<(), String>>,
    {
        let mut pause = PAUSE;
        loop {
            self.begin(name);
            let ended = self.round(name, round()).await;
            if ended {
                pause = PAUSE;
                tokio::time::sleep(every).await;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }

    /// Does a job once, and again until it does not fail.
    pub async fn run_once<R>(&self, name: &'static str, mut work: impl FnMut() -> R)
    where
        R: Future<Output = Result<(), String>>,
    {
        self.begin(name);
        while !self.round(name, work()).await {
            tokio::time::sleep(PAUSE).await;
            self.begin(name);
        }
    }

    async fn round(&self, name: &'static str, round: impl Future<Output = Result<(), String>>) -> bool {
        let result = caught(round).await;
        let mut jobs = self.all();
        let Some(job) = jobs.get_mut(name) else { return true };
        let Err(why) = result else {
            job.failing = false;
            return true;
        };
        // What fails for days is told once, and then as often as it is something else.
        let why = opterius_model::clean(why.as_bytes(), TOLD);
        if !job.failing || job.last_failure.as_ref() != Some(&why) {
            tracing::error!(job = name, "the job `{name}` failed, and is begun again after a pause: {why}");
        }
        job.failures += 1;
        job.failing = true;
        job.last_failure = Some(why);
        job.last_failure_at = Some(Micros::now());
        false
    }

    fn begin(&self, name: &'static str) {
        let mut jobs = self.all();
        let job = jobs.entry(name).or_insert_with(|| JobHealth {
            name: name.to_owned(),
            runs: 0,
            failures: 0,
            failing: false,
            last_failure: None,
            last_failure_at: None,
        });
        job.runs += 1;
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<&'static str, JobHealth>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a failure begins that is a panic.
pub(crate) const PANICKED: &str = "the Agent panicked";

/// Does some work, of which a panic is a failure like any other.
pub(crate) async fn caught<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(format!("{PANICKED}: {}", opterius_protocol::panic_message(&*panic))))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_that_panics_or_fails_is_counted_told_and_begun_again() {
        let (jobs, rounds) = (Jobs::default(), Arc::new(AtomicU32::new(0)));
        let (running, counted) = (jobs.clone(), rounds.clone());
        tokio::spawn(async move {
            running
                .run("work", || {
                    let round = counted.fetch_add(1, Ordering::Relaxed);
                    async move {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        assert!(round != 1, "the test \x1b[31msays so");
                        if round == 2 { Err("it is stuck".to_owned()) } else { Ok(()) }
                    }
                })
                .await;
        });
        let state = || {
            let job = jobs.health().into_iter().next();
            job.map_or((0, false, None), |job| (job.failures, job.failing, job.last_failure))
        };
        let until = async |failures, failing| {
            while state().0 != failures || state().1 != failing {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        until(1, true).await;
        let told = state().2.expect("it says why");
        assert!(told.contains("says so") && !told.contains('\x1b'), "{told}");
        until(2, true).await;
        assert_eq!(state().2.as_deref(), Some("it is stuck"));
        until(2, false).await;
        assert!(rounds.load(Ordering::Relaxed) >= 4 && jobs.health()[0].runs >= 4);
        assert_eq!(state().2.as_deref(), Some("it is stuck"), "what went wrong last stays told");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_once_is_done_until_it_does_not_fail() {
        let (jobs, rounds) = (Jobs::default(), AtomicU32::new(0));
        jobs.run_once("once", || {
            let round = rounds.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(round >= 2, "not yet");
                Ok(())
            }
        })
        .await;
        assert_eq!((rounds.load(Ordering::Relaxed), jobs.health()[0].failures, jobs.health()[0].failing), (3, 2, false));
    }
}
