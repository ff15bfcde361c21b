//! `/etc/opterius/panel.toml`.

use std::path::{Path, PathBuf};

use opterius_model::{DomainName, PhpChoice};
use opterius_protocol::bounded;
use serde::Deserialize;

/// Where the file is.
pub const PATH: &str = "/etc/opterius/panel.toml";

/// The Panel's configuration. Every key has a default but `hostnames`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The names by which browsers and billing systems reach this Panel, the first one in its certificate's subject. No account gets them.
    pub hostnames: Vec<DomainName>,
    /// Where database and TLS keys are.
    #[serde(default = "state_dir")]
    pub state_dir: PathBuf,
    /// The socket of the Agent on this machine.
    #[serde(default = "agent_socket")]
    pub agent_socket: PathBuf,
    /// The PHP that new accounts get, if their order names none: `newest`, or a version.
    #[serde(default = "php_version")]
    pub php_version: PhpChoice,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file does not say what it must.
    #[error("{} is not a valid configuration", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = bounded::text(path, bounded::MIB).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    /// A configuration of which only the state directory and the Agent's socket are not the default.
    pub fn new(hostname: DomainName, state_dir: PathBuf, agent_socket: PathBuf) -> Self {
        Self { hostnames: vec![hostname], state_dir, agent_socket, php_version: php_version() }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.state_dir.join("panel.db")
    }

    pub(crate) fn activity_key(&self) -> PathBuf {
        self.state_dir.join("activity-key.der")
    }

    pub(crate) fn tls_dir(&self) -> PathBuf {
        self.state_dir.join("tls")
    }
}

fn state_dir() -> PathBuf {
    PathBuf::from("/var/lib/opterius-panel")
}

fn agent_socket() -> PathBuf {
    PathBuf::from(opterius_protocol::agent::SOCKET)
}

fn php_version() -> PhpChoice {
    PhpChoice::Newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hostnames_are_needed_and_a_misspelt_key_is_refused() {
        let config: Config = toml::from_str("hostnames = [\"panel.example.net\"]").unwrap();
        assert_eq!(config.php_version, PhpChoice::Newest);
        let one: Config = toml::from_str("hostnames = [\"panel.example.net\"]\nphp_version = \"8.2\"").unwrap();
        assert_eq!(one.php_version.as_str(), "8.2");
        assert!(toml::from_str::<Config>("hostnames = [\"panel.example.net\"]\nphp_version = \"latest\"").is_err());
        assert_eq!(config.database(), Path::new("/var/lib/opterius-panel/panel.db"));
        assert!(toml::from_str::<Config>("hostnames = [\"panel.example.net\"]\nstatedir = \"/x\"").is_err());
        assert!(toml::from_str::<Config>("").is_err());
    }
}
