//! The configuration of one pool's FPM, written anew for every start. FPM reads it as the account's user, so nothing in it is secret.
//!
//! Every value comes from a type that cannot hold a delimiter: names, ids and numbers, and paths that are built of those.

use std::fmt::Write as _;
use std::path::Path;

use opterius_protocol::phpd::PoolSpec;

use crate::config::Config;
use crate::view;

/// The path at which nginx asks for FPM's ping.
pub const PING_PATH: &str = "/opterius-ping";

/// How many requests at the same time: what the package says.
pub fn workers(spec: &PoolSpec, config: &Config) -> u32 {
    spec.workers.get().unwrap_or(config.unlimited_workers)
}

/// How many connections may wait. Few, so that one stuck tenant cannot hold the web server's connections.
pub fn backlog(spec: &PoolSpec, config: &Config) -> i32 {
    i32::try_from(workers(spec, config).saturating_mul(2)).unwrap_or(i32::MAX).max(16)
}

/// The text of `php-fpm.conf`. `listen` is the name under which the socket is inherited; `log` says whether there is a `php.log`.
pub fn render(spec: &PoolSpec, config: &Config, listen: &Path, log: bool) -> String {
    let PoolSpec { pool, username, .. } = spec;
    let home = view::home(username);
    let tmp = home.join("tmp");
    let log = if log { view::PHP_LOG } else { "/dev/null" };
    let memory = spec.memory_mib.get().map_or_else(|| "-1".to_owned(), |mib| format!("{mib}M"));
    let seconds = config.request_seconds;
    let (home, tmp) = (home.display(), tmp.display());
    let mut text = String::with_capacity(2048);
    let mut section = |name: &str, lines: &[(&str, String)]| {
        writeln!(text, "[{name}]").expect("writing to a String");
        for (key, value) in lines {
            writeln!(text, "{key} = {value}").expect("writing to a String");
        }
    };
    section(
        "global",
        &[
            ("error_log", quoted(&log)),
            // Starts and stops are phpd's business; the customer's log holds what went wrong.
            ("log_level", "warning".to_owned()),
            ("daemonize", "no".to_owned()),
            // Without it a graceful stop kills the requests that are running.
            ("process_control_timeout", format!("{seconds}s")),
            ("rlimit_files", "4096".to_owned()),
            ("rlimit_core", "0".to_owned()),
        ],
    );
    section(
        pool.as_str(),
        &[
            ("listen", listen.display().to_string()),
            ("pm", "ondemand".to_owned()),
            ("pm.max_children", workers(spec, config).to_string()),
            ("pm.process_idle_timeout", format!("{}s", config.worker_idle_seconds())),
            ("ping.path", PING_PATH.to_owned()),
            ("ping.response", quoted(&spec.ping_response())),
            ("request_terminate_timeout", format!("{seconds}s")),
            ("request_terminate_timeout_track_finished", "yes".to_owned()),
            ("catch_workers_output", "yes".to_owned()),
            ("decorate_workers_output", "no".to_owned()),
            ("clear_env", "yes".to_owned()),
            ("security.limit_extensions", ".php".to_owned()),
            ("env[PATH]", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("env[HOME]", quoted(&home)),
            ("env[USER]", username.to_string()),
            ("env[TMPDIR]", quoted(&tmp)),
            ("php_admin_value[memory_limit]", memory),
            ("php_admin_value[cgi.fix_pathinfo]", "0".to_owned()),
            ("php_admin_value[session.save_path]", quoted(&tmp)),
            ("php_admin_value[upload_tmp_dir]", quoted(&tmp)),
            ("php_admin_value[sys_temp_dir]", quoted(&tmp)),
            ("php_admin_value[error_log]", quoted(&log)),
            ("php_admin_flag[log_errors]", "on".to_owned()),
            ("php_flag[display_errors]", "off".to_owned()),
            ("php_admin_flag[expose_php]", "off".to_owned()),
        ],
    );
    text
}

/// What must be known before the master's start, and so cannot stand in a pool's section: PHP's own settings for the command line.
pub fn definitions(config: &Config) -> [(&'static str, String); 3] {
    [
        ("opcache.memory_consumption", config.opcache_mib.to_string()),
        ("opcache.interned_strings_buffer", "8".to_owned()),
        ("expose_php", "0".to_owned()),
    ]
}

/// A value in quotes, without which FPM's parser ends it at the first space.
fn quoted(value: &impl std::fmt::Display) -> String {
    let value = value.to_string();
    debug_assert!(!value.contains(['"', '\n', '$', '\\']), "`{value}` is built of names and numbers");
    format!("\"{value}\"")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn spec() -> PoolSpec {
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../fixtures/pool-v1.json")).expect("it is JSON");
        serde_json::from_value(fixture["spec"].clone()).expect("it is a pool")
    }

    fn rendered(spec: &PoolSpec) -> String {
        render(spec, &Config::default(), Path::new("/run/opterius/php/x/main.sock"), true)
    }

    fn value<'a>(text: &'a str, key: &str) -> &'a str {
        let mut found = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        let value = found.next().unwrap_or_else(|| panic!("{key} is set"));
        assert!(found.next().is_none(), "{key} is set once");
        value
    }

    #[test]
    fn the_ping_answers_account_and_generation() {
        assert_eq!(value(&rendered(&spec()), "ping.response"), "\"01937b1c-2f40-7cc1-9a51-0d8a6a2f0b11 7\"");
    }

    #[test]
    fn limits_are_the_packages_and_zero_means_none() {
        let mut spec = spec();
        assert_eq!(value(&rendered(&spec), "php_admin_value[memory_limit]"), "256M");
        assert_eq!(value(&rendered(&spec), "pm.max_children"), "5");
        spec.memory_mib = opterius_model::Limit::UNLIMITED;
        spec.workers = opterius_model::Limit::UNLIMITED;
        assert_eq!(value(&rendered(&spec), "php_admin_value[memory_limit]"), "-1");
        assert_eq!(value(&rendered(&spec), "pm.max_children"), "64");
    }

    #[test]
    fn a_stop_waits_for_the_longest_request() {
        let text = rendered(&spec());
        assert_eq!(value(&text, "process_control_timeout"), value(&text, "request_terminate_timeout"));
    }

    #[test]
    fn every_line_is_one_section_or_one_setting() {
        // The most that each type can hold, as a tenant could choose it.
        let mut spec = spec();
        spec.username = opterius_model::Username::parse(&format!("a{}", "9".repeat(31))).expect("a username");
        spec.pool = opterius_model::PoolName::parse(&"z".repeat(16)).expect("a pool name");
        for line in rendered(&spec).lines() {
            let section = line.starts_with('[') && line.ends_with(']') && !line.contains('=');
            let setting = line.split_once(" = ").is_some_and(|(key, value)| {
                !key.contains(['"', ';', '\n']) && !value.trim_matches('"').contains(['"', ';', '$', '\\', '\n', '\'', '#'])
            });
            assert!(section || setting, "`{line}`");
        }
    }

    #[test]
    fn names_with_delimiters_are_no_names() {
        for hostile in ["main]\n[www", "main\nuser=root", "a;b", "../main", "", "$x", "a\"b"] {
            assert!(opterius_model::PoolName::parse(hostile).is_err(), "{hostile:?}");
            assert!(opterius_model::Username::parse(hostile).is_err(), "{hostile:?}");
            assert!(opterius_model::PhpVersion::parse(hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn few_connections_may_wait() {
        let mut spec = spec();
        assert_eq!(backlog(&spec, &Config::default()), 16);
        spec.workers = opterius_model::Limit::try_from(40).expect("a limit");
        assert_eq!(backlog(&spec, &Config::default()), 80);
    }
}
