//! What the Agent does by itself, again and again, kept going by one [`supervisor`].

mod supervisor;

use std::time::Duration;

use crate::config::Config;
use crate::engine::Engine;
use crate::host::linux::Paths;
use crate::logs;

pub use supervisor::Jobs;
pub(crate) use supervisor::{PANICKED, caught};

/// How often room for operations on a full disk is looked after.
const SPARES_EVERY: Duration = Duration::from_mins(1);

/// Starts every job of the Agent, each in a task of its own. What changes accounts begins once recovery is over.
pub fn start(engine: &Engine, config: &Config, paths: &Paths) {
    fn spawn<R: Future<Output = Result<(), String>> + Send>(
        engine: &Engine,
        name: &'static str,
        recovers_first: bool,
        mut round: impl FnMut(Engine) -> R + Send + 'static,
    ) {
        let engine = engine.clone();
        tokio::spawn(async move {
            if recovers_first {
                engine.until_ready().await;
            }
            let jobs = engine.jobs().clone();
            jobs.run(name, || round(engine.clone())).await;
        });
    }

    let recovering = engine.clone();
    tokio::spawn(async move {
        let jobs = recovering.jobs().clone();
        jobs.run_once("recovery", || async {
            recovering.recover().await;
            Ok(())
        })
        .await;
    });
    let (sparing, jobs) = (engine.clone(), engine.jobs().clone());
    tokio::spawn(async move {
        let keep = || async { sparing.host().keep_spare_journals().await.map_err(|error| opterius_protocol::client::chain(&error)) };
        jobs.run_every(SPARES_EVERY, "spare journals", keep).await;
    });
    let (splitting, jobs) = (logs::Splitting::new(engine, paths), engine.jobs().clone());
    tokio::spawn(async move { jobs.run_with_pauses_up_to(logs::PAUSE, "logs", || splitting.round()).await });
    spawn(engine, "operations", true, |engine| async move { engine.forget_acknowledged().await });
    spawn(engine, "trash", true, |engine| async move { engine.empty_the_trash().await });
    let (looks_every, mends, measures_every) = (config.drift_every(), config.mend_drift, config.usage_every());
    if !looks_every.is_zero() {
        engine.say_whether_drift_is_mended(mends);
        spawn(engine, "drift", true, move |engine| async move {
            tokio::time::sleep(looks_every).await;
            engine.look_for_drift(mends).await
        });
    }
    if !measures_every.is_zero() {
        spawn(engine, "usage", true, move |engine| async move { engine.keep_measuring(measures_every).await });
    }
}
