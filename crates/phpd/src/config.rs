//! `/etc/opterius/phpd.toml`. Every key has a default and the file need not exist.

use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_protocol::{bounded, phpd};
use serde::Deserialize;

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds without a request after which a pool's PHP is stopped. 1 to 86,400.
    pub idle_seconds: u32,
    /// The longest that one request may take, in seconds. 1 to 86,400. A stopping PHP waits as long for its requests.
    pub request_seconds: u32,
    /// The workers of a pool whose package sets no limit: "unlimited" must not mean that one site can take all of a server's memory.
    pub unlimited_workers: u32,
    /// The size, in MiB, at which an account's `php.log` is cut; its last MiB stays as `php.log.1`.
    pub php_log_mib: u32,
    /// The memory of one pool's opcache, in MiB. It is given back whenever the pool sleeps.
    pub opcache_mib: u32,
    /// The only uid that may use the control socket.
    pub control_uid: u32,
    /// Where phpd listens for the Agent.
    pub control_socket: PathBuf,
    /// The directory of all PHP sockets.
    pub sockets: PathBuf,
    /// The group that may connect to PHP sockets.
    pub web_group: String,
    /// Where the pools are kept.
    pub pools: PathBuf,
    /// What is needed only while something runs; on a tmpfs.
    pub runtime: PathBuf,
    /// The directory of the homes.
    pub homes: PathBuf,
    /// The directory of the accounts' logs.
    pub logs: PathBuf,
    /// The cgroup below which the accounts' cgroups are made, an absolute directory. Without it, the one of `opterius-accounts.service`
    /// beside phpd's own.
    pub accounts_cgroup: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_seconds: 300,
            request_seconds: 300,
            unlimited_workers: 64,
            php_log_mib: 10,
            opcache_mib: 64,
            control_uid: 0,
            control_socket: phpd::SOCKET.into(),
            sockets: phpd::SOCKETS.into(),
            web_group: "opterius-web".to_owned(),
            pools: "/var/lib/opterius-phpd/pools".into(),
            runtime: "/run/opterius-phpd".into(),
            homes: "/home".into(),
            logs: "/var/log/opterius/accounts".into(),
            accounts_cgroup: None,
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// The file is there and cannot be read.
    #[error("could not read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the TOML that it should be.
    #[error("{} is not a configuration of phpd", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A number is out of its range.
    #[error("`{key}` in the configuration of phpd is {value}: use {least} to {most}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What it says.
        value: u32,
        /// The least that is allowed.
        least: u32,
        /// The most that is allowed.
        most: u32,
    },
}

impl Config {
    /// Reads `path`; the defaults where there is no such file.
    pub fn load(path: &Path) -> Result<Self, InvalidConfig> {
        let text = match bounded::text(path, bounded::MIB) {
            Ok(text) => text,
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(InvalidConfig::Unreadable { path: path.to_owned(), source }),
        };
        let config: Self =
            toml::from_str(&text).map_err(|source| InvalidConfig::NotUnderstood { path: path.to_owned(), source: Box::new(source) })?;
        config.checked()
    }

    fn checked(self) -> Result<Self, InvalidConfig> {
        const DAY: u32 = 86_400;
        for (key, value, least, most) in [
            ("idle_seconds", self.idle_seconds, 1, DAY),
            ("request_seconds", self.request_seconds, 1, DAY),
            ("unlimited_workers", self.unlimited_workers, 1, 10_000),
            ("php_log_mib", self.php_log_mib, 1, 10_000),
            ("opcache_mib", self.opcache_mib, 8, 4_096),
        ] {
            if !(least..=most).contains(&value) {
                return Err(InvalidConfig::OutOfRange { key, value, least, most });
            }
        }
        Ok(self)
    }

    /// How long a pool stays up without a request.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }

    /// For how long FPM keeps a worker that has nothing to do, in seconds. Whether a worker exists is how phpd sees that a pool is used,
    /// so a worker must outlive two looks.
    pub fn worker_idle_seconds(&self) -> u32 {
        self.idle_seconds.min(10)
    }

    /// The time between two looks at a running pool. A look costs some 20 µs.
    pub fn look_every(&self) -> Duration {
        (Duration::from_secs(self.worker_idle_seconds().into()) / 2).min(Duration::from_secs(1))
    }

    /// How long a stopping PHP gets. FPM itself ends its workers when the longest request is over; this is for an FPM that does not.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(u64::from(self.request_seconds) + 30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        let empty: Config = toml::from_str("").expect("nothing is a configuration");
        assert_eq!(empty, Config::default());
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(toml::from_str::<Config>("idle_secs = 5").is_err());
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_its_range() {
        let error = Config { idle_seconds: 0, ..Config::default() }.checked().expect_err("zero is out of range");
        assert_eq!(error.to_string(), "`idle_seconds` in the configuration of phpd is 0: use 1 to 86400");
    }

    #[test]
    fn a_worker_outlives_two_looks() {
        for idle_seconds in [1, 2, 9, 10, 300] {
            let config = Config { idle_seconds, ..Config::default() };
            assert!(config.look_every() * 2 <= Duration::from_secs(config.worker_idle_seconds().into()));
        }
    }
}
