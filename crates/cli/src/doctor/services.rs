//! What the parts say of themselves.

use std::time::Duration;

use opterius_protocol::{Micros, VERSION};

use super::answers::Answers;
use super::report::Report;
use crate::failure::root_cause;
use crate::output;
use crate::setup;
use crate::system::System;

/// 31 days in microseconds.
const MONTH: i64 = 31 * 24 * 3600 * 1_000_000;

const INSTALLED: &str = env!("CARGO_PKG_VERSION");

/// Whether the Panel answers.
pub(super) fn panel(answers: &Answers, report: &mut Report) {
    match &answers.panel {
        Ok(myself) => report.ok("Panel", format!("answers, version {}", myself.version)),
        Err(failure) => report.problem("Panel", failure.detail.clone(), "see `journalctl -u opterius-panel`, then run `opterius setup`"),
    }
}

/// Whether the Agent answers, and what it says of the parts that accounts need.
pub(super) fn agent(answers: &Answers, report: &mut Report) {
    let health = match &answers.agent {
        Ok(health) => health,
        Err(why) => {
            return report.problem(
                "Agent",
                why.clone(),
                "see `systemctl status opterius-agent.socket opterius-agent.service` and `journalctl -u opterius-agent`",
            );
        }
    };
    if health.ready {
        report.ok("Agent", format!("ready, {}", output::count(usize::try_from(health.accounts).unwrap_or(usize::MAX), "account")));
    } else {
        report.warning("Agent", "still finishing what an earlier run left open; orders wait for it", "see `journalctl -u opterius-agent`");
    }
    // What the Agent has of its PHPs from phpd, doctor asks phpd itself.
    for part in health.parts.iter().filter(|part| part.name != "PHP") {
        let named = part.detail.to_lowercase().starts_with(&part.name.to_lowercase());
        let detail = if named { part.detail.clone() } else { format!("{}: {}", part.name, part.detail) };
        if part.ok {
            report.ok("Agent", detail);
        } else {
            report.problem("Agent", detail, part.hint.clone().unwrap_or_else(|| "see `journalctl -u opterius-agent`".into()));
        }
    }
}

/// Whether lines of the access log were lost within the last month, by which traffic is counted.
pub(super) fn traffic(answers: &Answers, now: Micros, report: &mut Report) {
    let Ok(health) = &answers.agent else { return };
    match health.lines_lost {
        Some(lost) if now.0.saturating_sub(lost.last.0) < MONTH => {
            let (times, bytes, age) = (lost.times, lost.bytes, output::duration(u64::try_from(now.0 - lost.last.0).unwrap_or(0)));
            report.warning(
                "traffic",
                format!(
                    "lines of nginx's access log were lost before they were counted ({times} times, at least {bytes} bytes of it in all, last {age} ago): accounts' traffic is too low by them"
                ),
                "see that nothing but opterius-agent rotates, empties or removes /var/log/opterius/access.json, and `journalctl -u opterius-agent`",
            );
        }
        Some(_) => report.ok("traffic", "nothing was lost within the last month before it was counted"),
        None if health.lines_lost_unknown => report.warning(
            "traffic",
            "whether every request was counted is not known: the Agent has not read /var/lib/opterius-agent/logs.json",
            "see `journalctl -u opterius-agent`",
        ),
        None => report.ok("traffic", "every request was counted"),
    }
}

/// Whether phpd answers, and which accounts' PHP it gave up on for now.
pub(super) fn phpd(answers: &Answers, report: &mut Report) {
    let health = match &answers.phpd {
        Ok(health) => health,
        Err(why) => {
            return report.problem("phpd", why.clone(), "see `systemctl status opterius-phpd.service` and `journalctl -u opterius-phpd`");
        }
    };
    report.ok("phpd", format!("holds {} pools, {} of them running; {}", health.pools, health.running, health.cgroups));
    // No warning: what cannot be enforced by that is one, with the limits.
    if let Some(level) = health.cgroup_level {
        report.ok("cgroups", format!("{level}: {}", level.meaning()));
    }
    if health.panics > 0 {
        let last = health.last_panic.as_ref().map(|last| format!("; the last one in {last}")).unwrap_or_default();
        report.warning(
            "phpd",
            format!("panicked {} times since it started, which it survived{last}", health.panics),
            "this is a mistake in phpd: please report it with `journalctl -u opterius-phpd`",
        );
    }
    for pool in &health.backing_off {
        let why = pool.last_failure.as_ref().map_or_else(
            || "it ended too soon, too often".to_owned(),
            |failure| format!("failed {} times: {}", failure.count, failure.detail),
        );
        // One customer's PHP, most often for what that customer wrote: no problem of the server's.
        report.warning(
            "phpd",
            format!(
                "the PHP of {} (pool {}, account {}) does not stay up, {why}",
                pool.spec.username, pool.spec.pool, pool.spec.account_id
            ),
            format!("see /var/log/opterius/accounts/{}/php.log and `journalctl -u opterius-phpd`", pool.spec.username),
        );
    }
}

/// Whether nginx runs with our configuration, and answers as it says.
pub(super) async fn nginx(system: &System, report: &mut Report) {
    match setup::running_configuration(system).as_deref() {
        Some(setup::NGINX_CONFIGURATION) => {}
        Some(other) => {
            return report.problem("nginx", format!("runs with {other}, so no account's site is served"), "run `systemctl restart nginx`");
        }
        None => {
            let hint = "run `systemctl daemon-reload && systemctl restart nginx`; /etc/systemd/system/nginx.service.d/opterius.conf names our configuration";
            return report.problem("nginx", "does not run, or not with our configuration, so no account's site is served", hint);
        }
    }
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().expect("a client without TLS");
    for path in ["/", "/.opterius-probe/"] {
        let answer = http.get(format!("http://{}{path}", system.web)).header("host", "nobody-has-this-name.example").send().await;
        match answer.map(|answer| answer.status().as_u16()) {
            Ok(404) => {}
            Ok(status) => {
                let detail = format!("answers {status} to {path} of a host that nobody has, and should answer 404");
                return report.problem(
                    "nginx",
                    detail,
                    "see which file in /etc/nginx/conf.d has a catch-all server of its own: `nginx -T -c /etc/nginx/opterius/nginx.conf`",
                );
            }
            Err(error) => {
                let why = root_cause(&error);
                return report.problem(
                    "nginx",
                    format!("did not answer on {}: {why}", system.web),
                    "see `journalctl -u nginx` and /var/log/opterius/nginx-error.log",
                );
            }
        }
    }
    report.ok("nginx", "runs with our configuration and knows no strangers");
}

/// Whether what runs is what is installed.
pub(super) fn versions(answers: &Answers, report: &mut Report) {
    let before = report.0.len();
    let running = [
        ("the Panel", "opterius-panel.service", answers.panel.as_ref().ok().map(|myself| myself.version.as_str())),
        ("the Agent", "opterius-agent.service", answers.agent.as_ref().ok().map(|health| health.version.as_str())),
        ("phpd", "opterius-phpd.service", answers.phpd.as_ref().ok().map(|health| health.version.as_str())),
    ];
    for (part, unit, version) in running {
        match version {
            Some(version) if version != INSTALLED => {
                report.warning(
                    "versions",
                    format!("{part} runs version {version}, and this command is of {INSTALLED}"),
                    format!(
                        "finish the upgrade with `apt install opterius opterius-panel opterius-agent`, or run `systemctl restart {unit}`"
                    ),
                );
            }
            _ => {}
        }
    }
    if let Some(protocol) = answers.agent.as_ref().ok().map(|health| health.protocol).filter(|protocol| *protocol != VERSION) {
        report.problem(
            "versions",
            format!("the Agent speaks version {protocol} of the contract, and this build speaks {VERSION}"),
            "install the packages of one version on this server",
        );
    }
    if report.0.len() == before && answers.panel.is_ok() && answers.agent.is_ok() {
        report.ok("versions", format!("everything is of version {INSTALLED}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use opterius_protocol::phpd::CgroupLevel;

    use super::super::answers::Myself;
    use super::super::report::Level;
    use super::*;
    use crate::failure::Failure;

    fn answers() -> Answers {
        let pool = json!({
            "spec": {"account_id": "0193a5e0-7c1e-7000-8000-000000000000", "pool": "main", "username": "alice", "uid": 20001, "php_version": "8.2",
                     "workers": 5, "memory_mib": 256, "generation": 1},
            "state": "backing_off", "listening": true, "master_pid": null,
            "last_failure": {"at": 1, "count": 4, "retry_at": 2, "detail": "ended with status 78: syntax error in php.ini"}
        });
        let health = json!({
            "version": INSTALLED, "protocol": VERSION, "ready": true, "enforcement": [], "open_operations": [], "accounts": 1,
            "parts": [{"name": "disk", "ok": false, "detail": "/home is full", "hint": "make room"}, {"name": "nginx", "ok": true, "detail": "answers", "hint": null}]
        });
        let phpd = json!({"version": "0.0.9", "pools": 1, "running": 0, "backing_off": [pool], "cgroups": "every sandbox has its own"});
        Answers {
            agent: serde_json::from_value(health).map_err(|error| error.to_string()),
            drift: None,
            phpd: serde_json::from_value(phpd).map_err(|error| error.to_string()),
            panel: Ok(Myself { version: INSTALLED.to_owned() }),
        }
    }

    #[test]
    fn a_part_that_is_not_well_is_a_problem_with_its_own_hint() {
        let mut report = Report::default();
        agent(&answers(), &mut report);
        let disk = report.0.iter().find(|finding| finding.detail.contains("/home is full")).expect("found");
        assert_eq!((disk.level, disk.hint.as_deref()), (Level::Problem, Some("make room")));
    }

    #[test]
    fn a_pool_that_crashes_names_its_account_and_its_last_line() {
        let mut report = Report::default();
        phpd(&answers(), &mut report);
        let pool = report.0.last().expect("found");
        assert_eq!(pool.level, Level::Warning);
        assert!(pool.detail.contains("alice") && pool.detail.contains("syntax error in php.ini"), "{pool:?}");
    }

    #[test]
    fn that_every_request_was_counted_is_said_only_where_it_is_known() {
        for (unknown, level, said) in [(false, Level::Ok, "every request was counted"), (true, Level::Warning, "is not known")] {
            let mut answers = answers();
            answers.agent.as_mut().expect("an answer").lines_lost_unknown = unknown;
            let mut report = Report::default();
            traffic(&answers, Micros::now(), &mut report);
            assert!(report.0[0].level == level && report.0[0].detail.contains(said), "{report:?}");
        }
    }

    #[test]
    fn the_level_of_cgroups_is_said_with_what_it_means_unless_phpd_is_too_old_to_say() {
        let said = |level| {
            let mut answers = answers();
            answers.phpd.as_mut().expect("an answer").cgroup_level = level;
            let mut report = Report::default();
            phpd(&answers, &mut report);
            report.0.into_iter().find(|finding| finding.check == "cgroups").map(|finding| finding.detail)
        };
        for (level, word) in [(CgroupLevel::None, "none: "), (CgroupLevel::Tree, "tree: "), (CgroupLevel::Full, "full: ")] {
            assert_eq!(said(Some(level)), Some(format!("{word}{}", level.meaning())));
        }
        assert_eq!(answers().phpd.expect("an answer").cgroup_level, None, "an earlier version's answer is read");
        assert_eq!(said(None), None);
    }

    #[test]
    fn a_panic_that_phpd_survived_is_told() {
        let mut answers = answers();
        let health = answers.phpd.as_mut().expect("an answer");
        (health.panics, health.last_panic) = (2, Some("pool main of alice: a mistake".to_owned()));
        let mut report = Report::default();
        phpd(&answers, &mut report);
        let told = report.0.iter().find(|finding| finding.detail.contains("panicked 2 times")).expect("found");
        assert!(told.level == Level::Warning && told.detail.ends_with("the last one in pool main of alice: a mistake"), "{told:?}");
    }

    #[test]
    fn another_version_is_a_warning_and_silence_is_a_problem() {
        let mut report = Report::default();
        versions(&answers(), &mut report);
        assert!(report.0[0].detail.starts_with("phpd runs version 0.0.9"), "{report:?}");

        let silent = Answers { agent: Err("no".into()), drift: None, phpd: Err("no".into()), panel: Err(Failure::new("no")) };
        let mut report = Report::default();
        panel(&silent, &mut report);
        agent(&silent, &mut report);
        phpd(&silent, &mut report);
        versions(&silent, &mut report);
        assert_eq!(report.number(Level::Problem), 3);
        assert_eq!(report.0.len(), 3);
    }
}
