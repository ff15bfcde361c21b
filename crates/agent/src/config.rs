//! `/etc/opterius/agent.toml`, which `opterius setup` writes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_model::SYSTEM_IDS;
use opterius_protocol::bounded;
use serde::Deserialize;

/// Where the configuration is unless the command line says otherwise.
pub const PATH: &str = "/etc/opterius/agent.toml";

/// The Agent's configuration. Unknown keys are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The key of PowerDNS's API.
    pub pdns_api_key: Secret,
    /// The secret part of the path, and the header, of the probe through nginx.
    pub probe_secret: Secret,
    /// Where PowerDNS's API listens: below port 1024, so that no customer can take the port while PowerDNS is down.
    #[serde(default = "default_pdns_api_address")]
    pub pdns_api_address: SocketAddr,
    /// Where the DNS server answers questions.
    #[serde(default = "default_dns_address")]
    pub dns_address: SocketAddr,
    /// Where nginx serves sites.
    #[serde(default = "default_nginx_address")]
    pub nginx_address: SocketAddr,
    /// phpd's socket.
    #[serde(default = "default_phpd_socket")]
    pub phpd_socket: PathBuf,
    /// The user, beside root, who may use the Agent's socket.
    #[serde(default = "default_panel_user")]
    pub panel_user: String,
    /// How long the Agent rests between two looks at every account, in minutes; 0 for no looks.
    #[serde(default = "default_drift_minutes")]
    pub drift_minutes: u32,
    /// Whether it mends by itself what it finds changed. Otherwise it says so, and a repair mends it.
    #[serde(default)]
    pub mend_drift: bool,
    /// How old a measurement of what an account uses on the disk may get, in minutes, before the account is measured again in the
    /// background; 0 for no such measuring.
    #[serde(default = "default_usage_minutes")]
    pub usage_minutes: u32,
    /// In place of `drift_minutes`, in the build for fault tests alone: a test does not wait for minutes.
    #[cfg(feature = "failpoints")]
    pub drift_seconds: Option<u32>,
    /// In place of `usage_minutes`, in the build for fault tests alone.
    #[cfg(feature = "failpoints")]
    pub usage_seconds: Option<u32>,
}

fn default_usage_minutes() -> u32 {
    60
}

fn default_drift_minutes() -> u32 {
    60
}

fn default_pdns_api_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 781))
}

fn default_dns_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 53))
}

fn default_nginx_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 80))
}

fn default_phpd_socket() -> PathBuf {
    opterius_protocol::phpd::SOCKET.into()
}

/// Whether a user with this uid can be the Panel: it is one that systemd-sysusers gives to a system's own users, and adduser to nobody. A person who
/// happens to have the Panel's name is no Panel.
pub fn can_be_the_panel(uid: u32) -> bool {
    SYSTEM_IDS.contains(&uid)
}

fn default_panel_user() -> String {
    "opterius".to_owned()
}

/// A text that prints nothing of itself.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let ok = (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if ok { Ok(Self(text)) } else { Err("a secret is 16 to 128 letters, digits, hyphens and underscores") }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("could not read {}; `opterius setup` writes it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file's content is not a configuration. The cause names the key, never a value.
    #[error("{} is not a configuration of the Agent: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the line it stands in, which may hold a secret.
        reason: String,
    },
}

impl Config {
    /// Reads the configuration from a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = bounded::text(path, bounded::MIB).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse { path: path.to_owned(), reason: error.message().to_owned() })
    }

    /// How long the Agent rests between two looks at every account; zero for no looks.
    pub fn drift_every(&self) -> Duration {
        #[cfg(feature = "failpoints")]
        if let Some(seconds) = self.drift_seconds {
            return Duration::from_secs(seconds.into());
        }
        Duration::from_mins(self.drift_minutes.into())
    }

    /// How old a measurement of what an account uses may get; zero for no measuring.
    pub fn usage_every(&self) -> Duration {
        #[cfg(feature = "failpoints")]
        if let Some(seconds) = self.usage_seconds {
            return Duration::from_secs(seconds.into());
        }
        Duration::from_mins(self.usage_minutes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(file.path())
    }

    #[test]
    fn a_person_who_has_the_panels_name_is_not_the_panel() {
        assert!([1, 996, 999].into_iter().all(can_be_the_panel));
        assert!(![0, 1000, 1500, 20_001, 65_534].into_iter().any(can_be_the_panel));
    }

    #[test]
    fn two_secrets_are_enough() {
        let config = load("pdns_api_key = \"0123456789abcdef\"\nprobe_secret = \"fedcba9876543210\"\n").unwrap();
        assert_eq!(config.pdns_api_address.port(), 781);
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn a_mistake_is_named_and_no_secret_is_shown() {
        for text in [
            "pdns_api_key = \"0123456789abcdef\"\n",
            "pdns_api_key = \"short secret\"\nprobe_secret = 1\n",
            "pdns_api_key = \"0123456789abcdef",
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(!error.contains("0123456789abcdef") && !error.contains("short secret"), "{error}");
        }
        let unknown = "pdns_api_key = \"0123456789abcdef\"\nprobe_secret = \"fedcba9876543210\"\nshell = \"sh\"\n";
        assert!(load(unknown).unwrap_err().to_string().contains("shell"));
    }

    #[test]
    fn intervals_are_minutes_and_seconds_only_in_the_build_for_fault_tests() {
        let text = |more: &str| format!("pdns_api_key = \"0123456789abcdef\"\nprobe_secret = \"fedcba9876543210\"\n{more}");
        let hour = Duration::from_hours(1);
        let config = load(&text("")).unwrap();
        assert_eq!((config.drift_every(), config.usage_every()), (hour, hour));
        let config = load(&text("drift_minutes = 2\nusage_minutes = 0\n")).unwrap();
        assert_eq!((config.drift_every(), config.usage_every()), (Duration::from_mins(2), Duration::ZERO));
        match load(&text("drift_seconds = 3\nusage_seconds = 4\n")) {
            Ok(config) if cfg!(feature = "failpoints") => {
                assert_eq!((config.drift_every(), config.usage_every()), (Duration::from_secs(3), Duration::from_secs(4)));
            }
            other => assert!(!cfg!(feature = "failpoints") && other.unwrap_err().to_string().contains("drift_seconds")),
        }
    }
}
