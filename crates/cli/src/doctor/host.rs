//! The server itself: units, files, and what keeps tenants apart.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use opterius_model::UID_RANGE;
use opterius_protocol::Micros;
use opterius_protocol::bounded::{self, MIB};
use x509_parser::pem::Pem;

use super::report::Report;
use crate::directories::{self, DIRECTORIES, Directory};
use crate::names::{self, Complaint};
use crate::output;
use crate::setup;
use crate::system::{Owner, ROOT, System, described};

pub(super) const QUICK: Duration = Duration::from_secs(30);
const SETUP: &str = "run `opterius setup`; it puts right what it finds wrong and keeps what it finds right";
const TMPFILES: &str = "run `systemd-tmpfiles --create`; then see what changed it";

const fn owner(user: &'static str, group: &'static str) -> Owner {
    Owner { user, group }
}

/// What has to run, and to come back after a boot.
pub(super) const UNITS: [&str; 9] = [
    "opterius-panel.socket",
    "opterius-panel.service",
    "opterius-agent.socket",
    "opterius-agent.service",
    "opterius-phpd.service",
    "opterius-accounts.service",
    "opterius-firewall.service",
    "nginx.service",
    "pdns.service",
];

/// Whether every unit is active and enabled, and does not crash again and again.
pub(super) async fn units(system: &System, report: &mut Report) {
    let mut arguments = vec!["show", "--property=Id,LoadState,ActiveState,ActiveEnterTimestampMonotonic,UnitFileState,NRestarts", "--"];
    arguments.extend(UNITS);
    let said = match system.run(setup::SYSTEMCTL, &arguments, QUICK).await {
        Ok(said) if said.ok => said,
        Ok(said) => {
            return report.problem("units", format!("systemd could not be asked: {}", said.reason()), "see that systemd runs this server");
        }
        Err(failure) => {
            return report.problem("units", format!("systemd could not be asked: {}", failure.detail), "see that systemd runs this server");
        }
    };
    let before = report.0.len();
    let states: Vec<BTreeMap<&str, &str>> =
        said.out.split("\n\n").map(|unit| unit.lines().filter_map(|line| line.split_once('=')).collect()).collect();
    for name in UNITS {
        let state = states.iter().find(|state| state.get("Id") == Some(&name));
        unit(name, |property| state.and_then(|state| state.get(property)).copied().unwrap_or_default(), uptime(system), report);
    }
    if report.0.len() == before {
        report.ok("units", format!("{} units are active and start on boot", UNITS.len()));
    }
}

fn unit<'a>(name: &str, property: impl Fn(&str) -> &'a str, uptime: u64, report: &mut Report) {
    match (property("LoadState"), property("ActiveState")) {
        ("not-found" | "", _) => {
            return report.problem(
                "units",
                format!("{name} is not installed"),
                "install the packages: `apt install opterius-panel opterius-agent`",
            );
        }
        ("masked", _) => {
            return report.problem("units", format!("{name} is masked"), format!("run `systemctl unmask {name}`, then `opterius setup`"));
        }
        (_, "active" | "reloading") => {}
        (_, "activating") => report.warning("units", format!("{name} is still starting"), format!("see `systemctl status {name}`")),
        (_, other) => {
            report.problem("units", format!("{name} is {other}"), format!("see `journalctl -u {name}`, then run `opterius setup`"));
        }
    }
    if !matches!(property("UnitFileState"), "enabled" | "enabled-runtime" | "static" | "indirect" | "generated") {
        report.problem(
            "units",
            format!("{name} does not start on boot ({})", property("UnitFileState")),
            format!("run `systemctl enable {name}`"),
        );
    }
    // The count starts anew only when somebody restarts the unit; a unit that has run for a while has got over it.
    let age = property("ActiveEnterTimestampMonotonic").parse::<u64>().map_or(0, |since| uptime.saturating_sub(since));
    if let Some(restarts) = property("NRestarts").parse::<u32>().ok().filter(|number| *number >= 3 && age < 600_000_000) {
        report.warning(
            "units",
            format!("{name} ended by itself {restarts} times, and runs for {} now", output::duration(age)),
            format!("see why: `journalctl -u {name}`"),
        );
    }
}

/// Microseconds since the server was booted.
fn uptime(system: &System) -> u64 {
    let text = system.read("/proc/uptime").ok().flatten().unwrap_or_default();
    // Two decimals, as proc(5) has it.
    let hundredths: String = text.split(' ').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    hundredths.parse::<u64>().unwrap_or(0) * 10_000
}

/// Whether each socket is there, and open to those it is for and nobody else.
pub(super) fn sockets(system: &System, report: &mut Report) {
    let sockets = [
        ("/run/opterius/panel.sock", ROOT, 0o600, "opterius-panel.socket"),
        ("/run/opterius/agent.sock", owner("root", "opterius"), 0o660, "opterius-agent.socket"),
        ("/run/opterius/phpd.sock", ROOT, 0o600, "opterius-phpd.service"),
    ];
    let before = report.0.len();
    for (path, owner, mode, unit) in sockets {
        let hint = format!("run `systemctl restart {unit}`");
        match system.path(path).symlink_metadata() {
            Err(_) => report.problem("sockets", format!("{path} is not there"), hint),
            Ok(found) if !found.file_type().is_socket() => {
                report.problem("sockets", format!("{path} is not a socket"), format!("see what made it, remove it, and {hint}"));
            }
            Ok(found) => expect("sockets", path, &found, owner, mode, &hint, report),
        }
    }
    if report.0.len() == before {
        report.ok("sockets", format!("{} sockets have their owners and modes", sockets.len()));
    }
}

/// Whether what has the names of Opterius is Opterius' own.
pub(super) fn names(system: &System, report: &mut Report) {
    let looked = names::complaints(system).and_then(|found| Ok((found, names::missing(system)?, names::strangers_among_accounts(system)?)));
    let (found, missing, strangers) = match looked {
        Ok(looked) => looked,
        Err(failure) => {
            let hint = "see that /etc/passwd, /etc/shadow, /etc/group and /etc/gshadow are there, and whole: `pwck -r`, `grpck -r`";
            return report.problem("names", failure.detail, hint);
        }
    };
    let before = report.0.len();
    for Complaint { detail, hint } in found {
        report.problem("names", detail, hint);
    }
    for name in missing {
        let hint = "run `apt install --reinstall opterius`; it must be in the files of this server, and not in LDAP or the like";
        report.problem("names", format!("{name} is not there"), hint);
    }
    if report.0.len() == before {
        report.ok("names", "the user opterius and the groups opterius and opterius-web are set up as the packages make them");
    }
    if let Some(strangers) = strangers {
        report.warning(
            "names",
            format!(
                "these users have uids reserved for hosting accounts, so they cannot sign in and the firewall limits them: {strangers}"
            ),
            "give them another uid: `usermod --uid UID NAME`",
        );
    }
}

/// Whether each directory has its owner and mode: with a wider one a tenant sees what is not theirs, with a narrower one sites fail.
pub(super) fn directories(system: &System, report: &mut Report) {
    let before = report.0.len();
    for Directory { path, owner, mode } in &DIRECTORIES {
        match system.path(path).symlink_metadata() {
            Err(_) => report.problem("directories", format!("{path} is not there"), TMPFILES),
            Ok(found) => match directories::not_a_directory(system, path, &found) {
                Some(Complaint { detail, hint }) => report.problem("directories", detail, hint),
                None => expect("directories", path, &found, *owner, *mode, TMPFILES, report),
            },
        }
    }
    if report.0.len() == before {
        report.ok("directories", format!("{} directories have their owners and modes", DIRECTORIES.len()));
    }
}

/// Whether each file with a secret is closed to others.
pub(super) fn files(system: &System, report: &mut Report) {
    let files = [
        ("/etc/opterius/agent.toml", ROOT, 0o600),
        ("/etc/opterius/phpd.toml", ROOT, 0o600),
        ("/etc/opterius/panel.toml", owner("root", "opterius"), 0o640),
        ("/etc/nginx/opterius/probe.conf", ROOT, 0o600),
        ("/etc/powerdns/pdns.d/opterius.conf", owner("root", "pdns"), 0o640),
        ("/var/lib/powerdns/opterius.sqlite3", owner("pdns", "pdns"), 0o640),
        ("/var/lib/opterius-panel/panel.db", owner("opterius", "opterius"), 0o600),
    ];
    let before = report.0.len();
    for (path, owner, mode) in files {
        match system.path(path).symlink_metadata() {
            Err(_) => report.problem("files", format!("{path} is not there"), SETUP),
            Ok(found) if !found.is_file() => {
                let hint = format!("see what made it (`ls -ld {path}`), move it away, and {SETUP}");
                report.problem("files", format!("{path} is not a regular file"), hint);
            }
            Ok(found) => expect("files", path, &found, owner, mode, SETUP, report),
        }
    }
    if report.0.len() == before {
        report.ok("files", format!("{} files have their owners and modes", files.len()));
    }
}

fn expect(check: &'static str, path: &str, found: &std::fs::Metadata, owner: Owner, mode: u32, hint: &str, report: &mut Report) {
    let right = owner.ids().is_ok_and(|ids| ids == (found.uid(), found.gid())) && found.mode() & 0o7777 == mode;
    if !right {
        report.problem(check, format!("{path} is {}, and should be {owner} {mode:04o}", described(found)), hint);
    }
}

/// Whether the Agent, nginx and PowerDNS hold the same secrets.
pub(super) fn secrets(system: &System, report: &mut Report) {
    let Some(agent) = system.read("/etc/opterius/agent.toml").ok().flatten().and_then(|content| content.parse::<toml::Table>().ok()) else {
        return report.problem("secrets", "/etc/opterius/agent.toml cannot be read", SETUP);
    };
    let mut agree = true;
    for (key, path) in [("probe_secret", "/etc/nginx/opterius/probe.conf"), ("pdns_api_key", "/etc/powerdns/pdns.d/opterius.conf")] {
        let same = match (agent.get(key).and_then(toml::Value::as_str), system.read(path)) {
            (Some(secret), Ok(Some(content))) => !secret.is_empty() && content.contains(secret),
            _ => false,
        };
        if !same {
            agree = false;
            report.problem("secrets", format!("`{key}` of /etc/opterius/agent.toml is not the one in {path}"), SETUP);
        }
    }
    if agree {
        report.ok("secrets", "the Agent shares its secrets with nginx and PowerDNS");
    }
}

/// Whether Debian's own PHP-FPM is kept from running.
pub(super) async fn stock_php(system: &System, report: &mut Report) {
    let mut masked = Vec::new();
    for unit in setup::stock_php(system) {
        match system.run(setup::SYSTEMCTL, &["is-enabled", &unit], QUICK).await {
            Ok(said) if said.out.trim() == "masked" => masked.push(unit),
            Ok(_) => report.problem(
                "stock PHP",
                format!("{unit} is not masked: its pool runs as www-data, outside of any sandbox"),
                format!("run `systemctl mask --now {unit}`"),
            ),
            Err(failure) => report.problem("stock PHP", format!("{unit} could not be looked at: {}", failure.detail), SETUP),
        }
    }
    if !masked.is_empty() {
        report.ok("stock PHP", format!("masked: {}", masked.join(", ")));
    }
}

/// Whether PAM refuses accounts where a shell, a job or another user could be had.
pub(super) fn pam(system: &System, report: &mut Report) {
    let rules = system.read("/etc/pam.d/common-account").ok().flatten().unwrap_or_default();
    let has = |what: &str| {
        rules.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("pam_succeed_if.so") && line.contains(what))
    };
    if has(&format!("uid < {}", UID_RANGE.start())) && has(&format!("uid > {}", UID_RANGE.end())) {
        report.ok("PAM", "accounts are refused by sshd, su, login, cron and at");
    } else {
        report.problem(
            "PAM",
            "/etc/pam.d/common-account does not refuse accounts: `ssh -N -L` would forward for them",
            "run `pam-auth-update --enable opterius`",
        );
    }
}

/// Whether the rules that keep accounts from each other's ports are loaded.
pub(super) async fn firewall(system: &System, report: &mut Report) {
    let hint = "run `systemctl restart opterius-firewall`, and see what emptied the rule set";
    let range = format!("{}-{}", UID_RANGE.start(), UID_RANGE.end());
    match system.run("/usr/sbin/nft", &["--numeric", "list", "table", "inet", "opterius"], QUICK).await {
        Ok(said) if said.ok && said.out.contains("skuid") && said.out.contains(&range) => {
            report.ok("firewall", "the rules for accounts are loaded");
        }
        Ok(said) if said.ok => report.problem("firewall", "the table inet opterius does not hold the rules for accounts", hint),
        Ok(said) => report.problem("firewall", format!("the rules for accounts are not loaded: {}", said.reason()), hint),
        Err(failure) => report.problem(
            "firewall",
            format!("the rules could not be listed: {}", failure.detail),
            "install nftables: `apt install nftables`",
        ),
    }
}

/// Without this a tenant could make a hard link to another's file, which nginx would take for the tenant's own.
pub(super) fn hard_links(system: &System, report: &mut Report) {
    match system.read("/proc/sys/fs/protected_hardlinks").ok().flatten().as_deref().map(str::trim) {
        Some("1") => report.ok("hard links", "fs.protected_hardlinks is on"),
        other => report.problem(
            "hard links",
            format!("fs.protected_hardlinks is {}: tenants could link to files of others", other.unwrap_or("not there")),
            "run `sysctl -w fs.protected_hardlinks=1`, and see which file below /etc/sysctl.d turns it off",
        ),
    }
}

/// Whether the Panel's certificate is valid now, and will be for a while.
pub(super) fn certificate(system: &System, report: &mut Report) {
    let directory = system.path("/var/lib/opterius-panel/tls");
    let found: Vec<(String, i64, i64)> = bounded::names(&directory, 1000)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| Some((name.to_string_lossy().into_owned(), bounded::file(directory.join(&name), MIB).ok()?)))
        .flat_map(|(name, content)| validities(&content).into_iter().map(move |(from, to)| (name.clone(), from, to)))
        .collect();
    if found.is_empty() {
        return report.problem("certificate", "the Panel has no TLS certificate in /var/lib/opterius-panel/tls", SETUP);
    }
    let now = Micros::now().0 / 1_000_000;
    for (name, from, to) in found {
        let until = output::moment(to.saturating_mul(1_000_000));
        let renew = format!(
            "move /var/lib/opterius-panel/tls/{name} away and run `opterius setup`: a new one is made for the same key, so no pin changes"
        );
        match (to - now) / 86_400 {
            _ if now < from => report.problem(
                "certificate",
                format!("{name} is not valid before {}", output::moment(from.saturating_mul(1_000_000))),
                "see that this server's clock is right: `timedatectl`",
            ),
            _ if to <= now => report.problem("certificate", format!("{name} ended on {until}"), renew),
            days @ 0..30 => report.warning("certificate", format!("{name} ends in {days} days, on {until}"), renew),
            _ => report.ok("certificate", format!("{name} is valid until {until}")),
        }
    }
}

/// From when to when the certificates in a PEM file are valid, in seconds since 1970-01-01 UTC.
fn validities(content: &[u8]) -> Vec<(i64, i64)> {
    Pem::iter_from_buffer(content)
        .flatten()
        .filter(|block| block.label == "CERTIFICATE")
        .filter_map(|block| {
            let certificate = block.parse_x509().ok()?;
            let validity = certificate.validity();
            Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
        })
        .collect()
}

/// Whether the clock is kept right: logs, what is kept until when, second factors and certificates depend on it.
pub(super) async fn clock(system: &System, report: &mut Report) {
    let hint = "switch a time service on: `timedatectl set-ntp true`, after `apt install systemd-timesyncd` or chrony";
    match system.run("/usr/bin/timedatectl", &["show", "--property=NTPSynchronized", "--value"], QUICK).await {
        Ok(said) if said.ok && said.out.trim() == "yes" => report.ok("clock", "kept right by a time service"),
        Ok(said) if said.ok => report.warning("clock", "no time service keeps the clock right", hint),
        Ok(said) => report.warning("clock", format!("could not ask who keeps it right: {}", said.reason()), hint),
        Err(failure) => report.warning("clock", format!("could not ask who keeps it right: {}", failure.detail), hint),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn put(system: &System, path: &str, content: &str) {
        let file = system.path(path);
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        std::fs::write(file, content).expect("written");
    }

    fn levels(report: &Report) -> Vec<Level> {
        report.0.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_unit_is_judged_by_what_systemd_says_of_it() {
        let judge = |load: &'static str, active: &'static str, enabled: &'static str, restarts: &'static str, uptime: u64| {
            let mut report = Report::default();
            unit(
                "x.service",
                |property| match property {
                    "LoadState" => load,
                    "ActiveState" => active,
                    "UnitFileState" => enabled,
                    "NRestarts" => restarts,
                    _ => "60000000",
                },
                uptime,
                &mut report,
            );
            report.0.into_iter().map(|finding| finding.detail).collect::<Vec<_>>()
        };
        let minute = 120_000_000;
        assert!(judge("loaded", "active", "enabled", "0", minute).is_empty());
        assert_eq!(judge("not-found", "inactive", "", "", minute), ["x.service is not installed"]);
        assert_eq!(judge("masked", "inactive", "masked", "", minute), ["x.service is masked"]);
        assert_eq!(
            judge("loaded", "failed", "disabled", "0", minute),
            ["x.service is failed", "x.service does not start on boot (disabled)"]
        );
        assert_eq!(judge("loaded", "active", "enabled", "7", minute), ["x.service ended by itself 7 times, and runs for 1 min 0 s now"]);
        assert!(judge("loaded", "active", "enabled", "7", 3_600_000_000).is_empty(), "it has got over it");
    }

    #[test]
    fn the_uptime_is_read_in_hundredths() {
        let (_root, system) = System::for_a_test();
        put(&system, "/proc/uptime", "350.25 600.10\n");
        assert_eq!(uptime(&system), 350_250_000);
    }

    #[test]
    fn a_mode_that_is_too_wide_is_a_problem_that_names_both() {
        let (_root, system) = System::for_a_test();
        put(&system, "/x", "");
        std::fs::set_permissions(system.path("/x"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("a mode");
        let mut report = Report::default();
        expect("files", "/x", &system.path("/x").metadata().expect("there"), ROOT, 0o600, "mend it", &mut report);
        assert!(report.0[0].detail.ends_with("0666, and should be root:root 0600"), "{report:?}");
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_or_a_file_is_told_as_one() {
        let (_root, system) = System::for_a_test();
        put(&system, "/elsewhere/agent.toml", "");
        system.directory("/var/lib").expect("a directory");
        system.directory("/etc/opterius").expect("a directory");
        std::os::unix::fs::symlink(system.path("/elsewhere"), system.path("/var/lib/opterius-panel")).expect("a link");
        std::os::unix::fs::symlink(system.path("/elsewhere/agent.toml"), system.path("/etc/opterius/agent.toml")).expect("a link");
        let mut report = Report::default();
        directories(&system, &mut report);
        files(&system, &mut report);
        let told = |start: &str| report.0.iter().any(|finding| finding.level == Level::Problem && finding.detail.starts_with(start));
        assert!(told("/var/lib/opterius-panel is a link to ") && told("/etc/opterius/agent.toml is not a regular file"), "{report:?}");
    }

    #[test]
    fn names_that_are_not_opterius_own_or_not_there_are_problems() {
        let (_root, system) = System::for_a_test();
        put(&system, "/etc/passwd", "opterius:x:1000:1000:Otto:/home/otto:/bin/bash\nfar:x:20001:20001::/home/far:/bin/sh\n");
        put(&system, "/etc/group", "opterius-web:x:997:otto\n");
        let mut report = Report::default();
        names(&system, &mut report);
        assert_eq!(levels(&report), [Level::Problem, Level::Problem, Level::Problem, Level::Warning], "{report:?}");
        put(&system, "/etc/passwd", "opterius:x:996:996:Opterius Panel:/var/lib/opterius-panel:/usr/sbin/nologin\n");
        put(&system, "/etc/shadow", "opterius:!*:20787::::::\n");
        put(&system, "/etc/group", "opterius:x:996:\nopterius-web:x:997:\n");
        let mut report = Report::default();
        names(&system, &mut report);
        assert_eq!(levels(&report), [Level::Ok], "{report:?}");
    }

    #[test]
    fn secrets_have_to_be_the_same_on_both_sides() {
        let (_root, system) = System::for_a_test();
        put(&system, "/etc/opterius/agent.toml", "probe_secret = \"one\"\npdns_api_key = \"two\"\n");
        put(&system, "/etc/nginx/opterius/probe.conf", "location = /.opterius-probe/one {}");
        put(&system, "/etc/powerdns/pdns.d/opterius.conf", "api-key=three\n");
        let mut report = Report::default();
        secrets(&system, &mut report);
        assert_eq!(levels(&report), [Level::Problem]);
        assert!(report.0[0].detail.contains("pdns_api_key") && !report.0[0].detail.contains("two"));
        put(&system, "/etc/powerdns/pdns.d/opterius.conf", "api-key=two\n");
        let mut report = Report::default();
        secrets(&system, &mut report);
        assert_eq!(levels(&report), [Level::Ok]);
    }

    #[test]
    fn pam_and_hard_links_are_read_from_the_server() {
        let (_root, system) = System::for_a_test();
        let mut report = Report::default();
        pam(&system, &mut report);
        hard_links(&system, &mut report);
        assert_eq!(levels(&report), [Level::Problem, Level::Problem]);
        put(
            &system,
            "/etc/pam.d/common-account",
            "account [success=1 default=ignore] pam_succeed_if.so quiet uid < 20000\naccount requisite pam_succeed_if.so quiet uid > 59999\n",
        );
        put(&system, "/proc/sys/fs/protected_hardlinks", "1\n");
        let mut report = Report::default();
        pam(&system, &mut report);
        hard_links(&system, &mut report);
        assert_eq!(levels(&report), [Level::Ok, Level::Ok]);
    }
}
