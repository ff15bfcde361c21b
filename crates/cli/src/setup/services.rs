//! systemd's units, and waiting until what they run answers.

use std::time::{Duration, Instant};

use super::progress::Progress;
use crate::failure::Failure;
use crate::system::System;

pub(crate) const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Longer than any of our units may take to start: the Agent may have an unclean shutdown to mend first.
const START: Duration = Duration::from_mins(16);

/// How long systemctl may take for anything else.
const QUICK: Duration = Duration::from_mins(1);

/// What a running unit needs after its configuration was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing: it may go on as it is.
    None,
    /// It can read its configuration again without stopping.
    Reload,
    /// It has to begin anew.
    Restart,
}

impl News {
    /// A restart if something changed.
    pub(super) fn restart_if(changed: bool) -> Self {
        if changed { Self::Restart } else { Self::None }
    }
}

/// Has a unit start now and on every boot, and take up `news`.
pub(super) async fn start(system: &System, unit: &str, news: News, progress: &mut Progress) -> Result<(), Failure> {
    if !systemctl(system, &["is-enabled", "--quiet", unit], QUICK).await?.ok {
        must(system, unit, "enable", QUICK).await?;
        progress.done(format!("enabled {unit}"));
    }
    let active = is_active(system, unit).await?;
    let (verb, past) = match (active, news) {
        (false, _) => ("start", "started"),
        (true, News::None) => {
            progress.kept(format!("{unit} running"));
            return Ok(());
        }
        (true, News::Reload) => ("reload", "reloaded"),
        (true, News::Restart) => ("restart", "restarted"),
    };
    must(system, unit, verb, START).await?;
    // A unit whose condition does not hold "starts" with success and is not there.
    if !is_active(system, unit).await? {
        return Err(did_not(system, unit, verb, "systemd started it, and it is not active").await);
    }
    progress.done(format!("{past} {unit}"));
    Ok(())
}

/// Sees to it that a unit never runs.
pub(super) async fn mask(system: &System, unit: &str, progress: &mut Progress) -> Result<(), Failure> {
    let state = systemctl(system, &["is-enabled", unit], QUICK).await?;
    if state.out.trim() == "masked" {
        progress.kept(format!("{unit} masked"));
        return Ok(());
    }
    let said = systemctl(system, &["mask", "--now", unit], QUICK).await?;
    if !said.ok {
        return Err(Failure::new(format!("could not mask {unit}: {}", said.complaint)).hint(format!("see `systemctl status {unit}`")));
    }
    progress.done(format!("masked {unit}"));
    Ok(())
}

async fn is_active(system: &System, unit: &str) -> Result<bool, Failure> {
    Ok(systemctl(system, &["is-active", "--quiet", unit], QUICK).await?.ok)
}

async fn systemctl(system: &System, arguments: &[&str], limit: Duration) -> Result<crate::system::Said, Failure> {
    system.run(SYSTEMCTL, arguments, limit).await
}

async fn must(system: &System, unit: &str, verb: &str, limit: Duration) -> Result<(), Failure> {
    let said = systemctl(system, &[verb, unit], limit).await?;
    if said.ok { Ok(()) } else { Err(did_not(system, unit, verb, said.reason()).await) }
}

/// Why a unit did not do as it was told, with the last that it wrote.
async fn did_not(system: &System, unit: &str, verb: &str, complaint: &str) -> Failure {
    let lines = system.run("/usr/bin/journalctl", &["--no-pager", "--quiet", "--output=cat", "--lines=5", "--unit", unit], QUICK).await;
    let log = match lines.iter().flat_map(|said| said.out.lines()).map(str::trim_end).collect::<Vec<_>>()[..] {
        [] => String::new(),
        ref lines => format!("\n  the last lines of its log:\n    {}", lines.join("\n    ")),
    };
    Failure::new(format!("could not {verb} {unit}: {complaint}{log}"))
        .hint(format!("see `systemctl status {unit}` and `journalctl -u {unit}`"))
}

/// Asks again and again until there is an answer; after the server's patience the last reason is the failure.
pub(super) async fn until<T>(system: &System, what: &str, hint: &str, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(failure) if begun.elapsed() > system.patience => {
                let hint = failure.hint.unwrap_or_else(|| hint.to_owned());
                return Err(Failure::new(format!(
                    "{what} did not answer within {} seconds: {}",
                    system.patience.as_secs(),
                    failure.detail
                ))
                .hint(hint));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
