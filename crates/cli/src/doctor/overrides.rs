//! Who else says how our units run: drop-ins, units of the same names, and configuration that is not the package's. systemd takes all of it
//! without a word, and a package keeps a file that was there before it.

use std::collections::BTreeMap;

use opterius_model::clean;
use opterius_protocol::bounded::{self, MIB};

use super::host::{QUICK, UNITS};
use super::report::Report;
use crate::setup;
use crate::system::System;

/// Our drop-in for nginx, and what the package brings for it.
const NGINX: &str = "/etc/systemd/system/nginx.service.d/opterius.conf";

/// Configuration that the package brings, and where an operator's changes to it are kept.
const CONFIGURATION: [(&str, &str); 8] = [
    (NGINX, "nginx.service.conf"),
    ("/etc/nginx/opterius/nginx.conf", "nginx/nginx.conf"),
    ("/etc/nginx/opterius/http.conf", "nginx/http.conf"),
    ("/etc/nginx/opterius/site.conf", "nginx/site.conf"),
    ("/etc/nginx/opterius/php.conf", "nginx/php.conf"),
    ("/etc/nginx/opterius/fastcgi.conf", "nginx/fastcgi.conf"),
    ("/etc/opterius/nftables.conf", "nftables.conf"),
    ("/etc/logrotate.d/opterius", "logrotate"),
];

/// What nobody else may set of any unit that we need: which program runs, as whom, and in which file system.
const OF_ALL: [&str; 9] = ["Exec", "User", "Group", "SupplementaryGroups", "DynamicUser", "Type", "Root", "NotifyAccess", "SocketBind"];

/// What nobody else may set of our own units besides: what keeps them apart from others, and others from them.
const OF_OURS: [&str; 28] = [
    "Ambient",
    "Assert",
    "BindIPv6Only",
    "BindPaths",
    "BindReadOnlyPaths",
    "CapabilityBoundingSet",
    "Condition",
    "Delegate",
    "FileDescriptorStoreMax",
    "InaccessiblePaths",
    "KillMode",
    "Listen",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "PassEnvironment",
    "Private",
    "ProcSubset",
    "Protect",
    "ReadWritePaths",
    "RemoveIPC",
    "Restrict",
    "SecureBits",
    "Socket",
    "State",
    "SystemCall",
    "UMask",
    "NetworkNamespacePath",
];

/// The longest drop-in that is read, in bytes.
const LONGEST: u64 = MIB;

/// The longest path or list of settings that is shown, in characters.
const SHOWN: usize = 300;

/// Whether our units, and those that we need, run as the packages say.
pub(super) async fn overrides(system: &System, report: &mut Report) {
    let mut arguments = vec!["show", "--property=Id,LoadState,FragmentPath,DropInPaths,NeedDaemonReload,ExecStart", "--"];
    arguments.extend(UNITS);
    let said = match system.run(setup::SYSTEMCTL, &arguments, QUICK).await {
        Ok(said) if said.ok => said.out,
        // The check of the units says so.
        _ => return,
    };
    let before = report.0.len();
    for unit in said.split("\n\n") {
        let properties: BTreeMap<&str, &str> = unit.lines().filter_map(|line| line.split_once('=')).collect();
        let property = |name: &str| properties.get(name).copied().unwrap_or_default();
        if UNITS.contains(&property("Id")) && property("LoadState") == "loaded" {
            overridden(system, &property, report);
        }
    }
    if report.0.len() == before {
        report.ok("overrides", format!("{} units run as the packages say", UNITS.len()));
    }
}

fn overridden<'a>(system: &System, property: &impl Fn(&str) -> &'a str, report: &mut Report) {
    let unit = property("Id");
    let fragment = property("FragmentPath");
    if !fragment.starts_with("/lib/systemd/system/") && !fragment.starts_with("/usr/lib/systemd/system/") {
        report.problem(
            "overrides",
            format!("{unit} is {}, and not the package's unit", shown(fragment)),
            "move what you need of it into a drop-in (`systemctl edit`), remove it, and run `systemctl daemon-reload` and `opterius setup`",
        );
    }
    for path in property("DropInPaths").split_whitespace().map(unescaped) {
        if path == NGINX && is_the_packages(system, NGINX, "nginx.service.conf") {
            continue;
        }
        let (settings, forbidden) = match bounded::text(system.path(&path), LONGEST) {
            Ok(content) => settings(&content, unit.starts_with("opterius-")),
            Err(error) => {
                let hint = "see what it is: `systemctl cat` shows what systemd reads";
                report.problem("overrides", format!("{} changes {unit}, and cannot be read: {error}", shown(&path)), hint);
                continue;
            }
        };
        if forbidden.is_empty() {
            report.warning(
                "overrides",
                format!("{} changes {unit} ({})", shown(&path), shown(&settings.join(", "))),
                "check that this change is yours; if so, it may stay",
            );
        } else {
            report.problem(
                "overrides",
                format!("{} changes what {unit} runs, or what it may do ({})", shown(&path), shown(&forbidden.join(", "))),
                format!("take that out of it, then run `systemctl daemon-reload && systemctl restart {unit}`; `systemctl cat {unit}` shows every file"),
            );
        }
    }
    // Whoever says so: this is what serves the sites.
    if unit == "nginx.service" && !property("ExecStart").contains(&format!("-c {} ", setup::NGINX_CONFIGURATION)) {
        report.problem(
            "overrides",
            format!("nginx.service does not start nginx with {}, so no account's site is served after its next start", setup::NGINX_CONFIGURATION),
            format!("run `systemctl cat nginx.service`: where another file sets ExecStart, take it out; where {NGINX} is missing or another, run `cp /usr/share/opterius-agent/nginx.service.conf {NGINX}`; then `systemctl daemon-reload && systemctl restart nginx`"),
        );
    }
    if unit == "pdns.service" && property("ExecStart").contains("--config-") {
        report.problem(
            "overrides",
            "pdns.service starts PowerDNS with another configuration, so no account's zone is served",
            "run `systemctl cat pdns.service`, and take --config-dir or --config-name out of what sets it",
        );
    }
    if property("NeedDaemonReload") == "yes" {
        report.warning(
            "overrides",
            format!("{unit} was changed on the disk, and systemd has not read it"),
            "run `systemctl daemon-reload`",
        );
    }
}

/// What a drop-in sets, and what of it is not for anybody else to set. A setting that is emptied is set, too.
fn settings(content: &str, ours: bool) -> (Vec<String>, Vec<String>) {
    let is_forbidden =
        |name: &str| OF_ALL.iter().any(|one| name.starts_with(one)) || ours && OF_OURS.iter().any(|one| name.starts_with(one));
    let mut all: Vec<String> = content
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with(['#', ';', '[']))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()))
        .collect();
    all.dedup();
    let forbidden = all.iter().filter(|name| is_forbidden(name)).cloned().collect();
    (all, forbidden)
}

/// Whether our configuration is the package's: what is not may be an operator's, of an earlier version, or somebody else's.
pub(super) fn configuration(system: &System, report: &mut Report) {
    let before = report.0.len();
    for (path, packaged) in CONFIGURATION {
        let brought = format!("/usr/share/opterius-agent/{packaged}");
        if !system.has(path) {
            let hint = format!("run `cp {brought} {path}`, then `systemctl daemon-reload` and `opterius setup`");
            report.problem("configuration", format!("{path} is not there"), hint);
        } else if !is_the_packages(system, path, packaged) {
            report.warning(
                "configuration",
                format!("{path} is not as the package brings it"),
                format!("compare them with `diff {brought} {path}`: see that the changes are yours, and that nothing of the new version is missing"),
            );
        }
    }
    if report.0.len() == before {
        report.ok("configuration", format!("{} files are as the package brings them", CONFIGURATION.len()));
    }
}

fn is_the_packages(system: &System, path: &str, packaged: &str) -> bool {
    let brought = bounded::file(system.path(&format!("/usr/share/opterius-agent/{packaged}")), LONGEST);
    matches!((bounded::file(system.path(path), LONGEST), brought), (Ok(here), Ok(brought)) if here == brought)
}

/// A path as systemd prints it in a list, where a space is `\x20`.
fn unescaped(path: &str) -> String {
    path.replace("\\x20", " ")
}

fn shown(text: &str) -> String {
    clean(text.as_bytes(), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn server() -> (tempfile::TempDir, System) {
        let (root, system) = System::for_a_test();
        let content = include_str!("../../../../packaging/systemd/nginx.service.conf");
        put(&system, "/usr/share/opterius-agent/nginx.service.conf", content);
        put(&system, NGINX, content);
        (root, system)
    }

    fn put(system: &System, path: &str, content: &str) {
        let file = system.path(path);
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        std::fs::write(file, content).expect("written");
    }

    const OURS: &str = "{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -c /etc/nginx/opterius/nginx.conf -g daemon on; ; }";

    fn judged(system: &System, unit: &str, fragment: &str, drop_ins: &str, start: &str) -> Vec<(Level, String)> {
        let mut report = Report::default();
        let property = |name: &str| match name {
            "Id" => unit,
            "FragmentPath" => fragment,
            "DropInPaths" => drop_ins,
            "ExecStart" => start,
            _ => "",
        };
        overridden(system, &property, &mut report);
        assert!(report.0.iter().all(|finding| finding.hint.is_some()));
        report.0.into_iter().map(|finding| (finding.level, finding.detail)).collect()
    }

    #[test]
    fn units_as_the_packages_bring_them_are_well() {
        let (_root, system) = server();
        assert_eq!(judged(&system, "nginx.service", "/lib/systemd/system/nginx.service", NGINX, OURS), []);
        assert_eq!(judged(&system, "opterius-agent.service", "/usr/lib/systemd/system/opterius-agent.service", "", ""), []);
        let mut report = Report::default();
        configuration(&system, &mut report);
        assert!(!report.0.iter().any(|finding| finding.detail.starts_with(NGINX)), "{report:?}");
    }

    #[test]
    fn a_foreign_drop_in_of_our_name_and_any_other_that_changes_what_runs_are_problems() {
        let (_root, system) = server();
        put(&system, NGINX, "[Service]\nLimitNOFILE=5\n");
        let stock = "{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g daemon on; master_process on; ; }";
        let found = judged(&system, "nginx.service", "/lib/systemd/system/nginx.service", NGINX, stock);
        assert_eq!(found.iter().map(|(level, _)| *level).collect::<Vec<_>>(), [Level::Warning, Level::Problem], "{found:?}");
        assert!(found[1].1.contains("does not start nginx with /etc/nginx/opterius/nginx.conf"), "{found:?}");
        let mut report = Report::default();
        configuration(&system, &mut report);
        assert!(report.0.iter().any(|finding| finding.detail == format!("{NGINX} is not as the package brings it")), "{report:?}");

        let of_panel = "/etc/systemd/system/opterius-panel.service.d/local.conf";
        for (content, level) in [
            ("[Service]\nMemoryMax=2G\n", Level::Warning),
            ("[Service]\n# User=carl\nNice=5\n", Level::Warning),
            ("[Service]\nUser=carl\n", Level::Problem),
            ("[Service]\n  ExecStartPre = /bin/true\n", Level::Problem),
            ("[Service]\nProtectSystem=\n", Level::Problem),
            ("[Service]\nMemoryDenyWriteExecute=no\n", Level::Problem),
            ("[Unit]\nConditionPathExists=/nowhere\n", Level::Problem),
        ] {
            put(&system, of_panel, content);
            let found = judged(&system, "opterius-panel.service", "/lib/systemd/system/opterius-panel.service", of_panel, "");
            assert!(found.len() == 1 && found[0].0 == level && found[0].1.contains(of_panel), "{content}: {found:?}");
        }
        // What others harden of theirs is for them, and which program runs is not.
        let of_nginx = "/etc/systemd/system/nginx.service.d/zz local.conf";
        let escaped = format!("{NGINX} /etc/systemd/system/nginx.service.d/zz\\x20local.conf");
        put(&system, NGINX, include_str!("../../../../packaging/systemd/nginx.service.conf"));
        for (content, level) in [("[Service]\nProtectHome=yes\n", Level::Warning), ("[Service]\nGroup=opterius\n", Level::Problem)] {
            put(&system, of_nginx, content);
            let found = judged(&system, "nginx.service", "/lib/systemd/system/nginx.service", &escaped, OURS);
            assert!(found.len() == 1 && found[0].0 == level && found[0].1.contains(of_nginx), "{content}: {found:?}");
        }
    }

    #[test]
    fn a_unit_of_the_same_name_and_one_that_starts_something_else_are_problems() {
        let (_root, system) = server();
        let found = judged(&system, "opterius-agent.service", "/etc/systemd/system/opterius-agent.service", "", "");
        assert!(found.len() == 1 && found[0].0 == Level::Problem, "{found:?}");
        let start = "{ path=/usr/sbin/pdns_server ; argv[]=/usr/sbin/pdns_server --config-dir=/srv ; }";
        let found = judged(&system, "pdns.service", "/lib/systemd/system/pdns.service", "", start);
        assert!(found.len() == 1 && found[0].0 == Level::Problem, "{found:?}");
        let unreadable = "/etc/systemd/system/opterius-phpd.service.d";
        system.directory(unreadable).expect("a directory");
        let found = judged(&system, "opterius-phpd.service", "/lib/systemd/system/opterius-phpd.service", unreadable, "");
        assert!(found.len() == 1 && found[0].0 == Level::Problem && found[0].1.contains("cannot be read"), "{found:?}");
    }
}
