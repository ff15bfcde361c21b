//! How the services that accounts need are, and which limits the server enforces.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use opterius_model::{Limits, MIB, PhpVersion, Username};
use opterius_protocol::agent::{Enforcement, Load, PartHealth};
use opterius_protocol::bounded;
use opterius_protocol::client::chain;
use opterius_protocol::phpd::{CgroupLevel, Health, MOST_PHP_VERSIONS, PinnedPools};

use super::Paths;
use crate::host::{Condition, HostError};

/// Less free space than this on a disk that accounts need is a problem, in bytes.
const LITTLE_SPACE: u64 = 256 * MIB;

/// The longest file of the kernel that is read, in bytes: its list of mounts, with one for every sandbox.
const LONGEST_FILE: u64 = 64 * bounded::MIB;

/// What the services answered, with what the disks and mounts say.
pub(super) fn condition(
    paths: &Paths,
    nginx: Result<(), HostError>,
    pdns: Result<(), HostError>,
    phpd: Result<Health, HostError>,
) -> Condition {
    // Why phpd does not answer is said by its part. This Agent knows every choice of PHP all the same.
    let cgroup_level = phpd.as_ref().ok().and_then(|health| health.cgroup_level);
    let php_versions = phpd.as_ref().map_or_else(|_| Some(Vec::new()), |health| known_versions(health.php_versions.clone()));
    let parts = services(paths, nginx, pdns, phpd);
    Condition { parts, enforcement: enforcement(paths, cgroup_level), cgroup_level, php_versions }
}

/// The versions that phpd tells, as many as count.
pub(super) fn known_versions(told: Option<Vec<PhpVersion>>) -> Option<Vec<PhpVersion>> {
    told.map(|versions| versions.into_iter().take(MOST_PHP_VERSIONS).collect())
}

fn services(paths: &Paths, nginx: Result<(), HostError>, pdns: Result<(), HostError>, phpd: Result<Health, HostError>) -> Vec<PartHealth> {
    let php = phpd.as_ref().ok().and_then(php);
    let phpd = phpd.map(|health| format!("phpd {} holds {} pools, of which {} run PHP now.", health.version, health.pools, health.running));
    let mut parts = vec![
        part("nginx", nginx.map(|()| "nginx accepts connections.".to_owned())),
        part("PowerDNS", pdns.map(|()| "PowerDNS answers through its API.".to_owned())),
        part("phpd", phpd),
    ];
    parts.extend(php);
    parts.push(disk(paths));
    parts
}

/// Which PHPs there are, and who does not have the one that it is to have; nothing from a phpd of an earlier version.
fn php(health: &Health) -> Option<PartHealth> {
    let there = health.php_versions.as_ref()?;
    let versions: Vec<&str> = there.iter().map(PhpVersion::as_str).collect();
    let name = "PHP".to_owned();
    if versions.is_empty() {
        let detail = "No PHP is installed on this server, so that no site's PHP answers.".to_owned();
        return Some(PartHealth { name, ok: false, detail, hint: Some("Install one: `apt install php-fpm`.".to_owned()) });
    }
    let gone: Vec<&PinnedPools> = health.pinned.iter().filter(|of| !there.contains(&of.version)).collect();
    let Some(first) = gone.first() else {
        return Some(PartHealth { name, ok: true, detail: format!("PHP {} is installed.", versions.join(", ")), hint: None });
    };
    let each: Vec<String> = gone.iter().map(|of| replaced(of)).collect();
    let hint = format!(
        "Their sites answer with that one. To keep it, choose it: `opterius account php NAME newest`; to go back, install php{}-fpm.",
        first.version
    );
    Some(PartHealth { name, ok: false, detail: each.join(" "), hint: Some(hint) })
}

fn replaced(of: &PinnedPools) -> String {
    let some: Vec<&str> = of.usernames.iter().map(Username::as_str).collect();
    let more = of.pools.saturating_sub(some.len() as u64);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let runs = of.runs.as_ref().map_or_else(|| "no other".to_owned(), |version| format!("PHP {version}"));
    format!("PHP {} is not installed: {}{more} have {runs} in its place.", of.version, some.join(", "))
}

fn part(name: &str, state: Result<String, HostError>) -> PartHealth {
    match state {
        Ok(detail) => PartHealth { name: name.to_owned(), ok: true, detail, hint: None },
        Err(error) => {
            let hint = if let HostError::Unavailable { hint, .. } = &error { Some(hint.clone()) } else { None };
            PartHealth { name: name.to_owned(), ok: false, detail: chain(&error), hint }
        }
    }
}

fn disk(paths: &Paths) -> PartHealth {
    let free = |path: &Path| statvfs(path).map(|fs| fs.blocks_available() * fs.fragment_size()).ok();
    let short: Vec<String> = [&paths.homes, &paths.web, &paths.state]
        .into_iter()
        .filter_map(|path| Some((path, free(path)?)))
        .filter(|(_, free)| *free < LITTLE_SPACE)
        .map(|(path, free)| format!("{} has {} MiB left", path.display(), free / MIB))
        .collect();
    let hint = (!short.is_empty()).then(|| "Make room: accounts cannot be created on a full disk.".to_owned());
    let detail = if short.is_empty() { "The disks that accounts need have room.".to_owned() } else { format!("{}.", short.join(", ")) };
    PartHealth { name: "disk".to_owned(), ok: hint.is_none(), detail, hint }
}

/// How busy and how full the machine is: `proc_loadavg(5)`, `proc_meminfo(5)`, and the file system of the homes.
pub(super) fn load(paths: &Paths) -> Option<Load> {
    let average = bounded::text("/proc/loadavg", LONGEST_FILE).ok()?;
    let memory = bounded::text("/proc/meminfo", LONGEST_FILE).ok()?;
    let disk = statvfs(&paths.homes).ok()?;
    Some(Load {
        average_hundredths: hundredths(average.split_whitespace().next()?)?,
        processors: std::thread::available_parallelism().ok()?.get() as u64,
        memory_bytes: meminfo(&memory, "MemTotal:")?,
        memory_available_bytes: meminfo(&memory, "MemAvailable:")?,
        disk_bytes: disk.blocks() * disk.fragment_size(),
        disk_available_bytes: disk.blocks_available() * disk.fragment_size(),
    })
}

/// `1.25` as 125.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 100 + part.parse::<u64>().ok()?)
}

/// One line of `/proc/meminfo`, in bytes.
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Every limit, with what a probe of this server says about it. A limit counts as enforced only if this build makes it true here.
fn enforcement(paths: &Paths, level: Option<CgroupLevel>) -> Vec<Enforcement> {
    let quota = quota_of(&paths.homes);
    let cgroups = match level {
        Some(CgroupLevel::Full) => "Cgroups here have the level full, and this version does not limit these yet.".to_owned(),
        Some(level) => format!("Cgroups here have the level {level}, with which these cannot be limited."),
        None => "phpd does not say what cgroups can do here.".to_owned(),
    };
    let one = |limit: &str| {
        let (enforced, detail) = match limit {
            "php_workers" | "php_memory_mib" => (true, "PHP-FPM keeps the account to it.".to_owned()),
            "disk_mib" | "files" => (false, quota.clone()),
            "cpu_percent" | "memory_mib" | "processes" => (false, cgroups.clone()),
            "bandwidth_gib" => (false, "Traffic is counted, and nothing is done when it is used up.".to_owned()),
            _ => (false, "This version offers none of these, so none can be too many.".to_owned()),
        };
        Enforcement { limit: limit.to_owned(), enforced, detail }
    };
    Limits::DEFAULT.named().map(|(name, _)| one(name)).to_vec()
}

/// What the mount of `path` says about quota.
fn quota_of(path: &Path) -> String {
    let mounts = bounded::text("/proc/self/mounts", LONGEST_FILE).unwrap_or_default();
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
        .filter(|(point, _, _)| path.starts_with(point))
        .max_by_key(|(point, _, _)| point.len());
    match mount {
        Some((point, kind, options)) if options.split(',').any(|option| option.contains("quota") && option != "noquota") => {
            format!("The file system of {point} ({kind}) has quota, and this version does not set it.")
        }
        Some((point, kind, _)) => format!("The file system of {point} ({kind}) is mounted without quota."),
        None => "The file system of the homes could not be found.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(there: &serde_json::Value, pinned: &serde_json::Value) -> Option<PartHealth> {
        let health = serde_json::json!({
            "version": "1", "pools": 12, "running": 0, "backing_off": [], "cgroups": "", "php_versions": there, "pinned": pinned,
        });
        php(&serde_json::from_value(health).expect("health"))
    }

    #[test]
    fn who_does_not_have_the_php_that_it_is_to_have_is_a_problem() {
        let of = |version: &str, runs: Option<&str>| serde_json::json!({ "version": version, "runs": runs, "pools": 12, "usernames": ["alice", "bob"] });
        let part = told(&serde_json::json!(["8.4", "8.2"]), &serde_json::json!([of("8.2", Some("8.2"))])).expect("it is told");
        assert!(part.ok && part.detail == "PHP 8.4, 8.2 is installed.", "{part:?}");
        let part = told(&serde_json::json!(["8.4"]), &serde_json::json!([of("8.2", Some("8.4"))])).expect("it is told");
        assert_eq!((part.ok, part.detail.as_str()), (false, "PHP 8.2 is not installed: alice, bob and 10 more have PHP 8.4 in its place."));
        assert!(part.hint.expect("a hint").contains("opterius account php NAME newest"));
        let part = told(&serde_json::json!([]), &serde_json::json!([of("8.2", None)])).expect("it is told");
        assert!(!part.ok && part.detail.contains("No PHP is installed"), "{part:?}");
        assert_eq!(told(&serde_json::Value::Null, &serde_json::json!([])), None, "a phpd of an earlier version does not say");
    }
}
