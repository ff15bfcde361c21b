//! What a package allows.

use serde::{Deserialize, Serialize};

/// Bytes in a MiB.
pub const MIB: u64 = 1024 * 1024;

/// One limit of a package. 0 means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Limit(u32);

/// Why a number is not a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is too large for a limit: use a whole number from 0 (unlimited) to {max}", max = Limit::MAX)]
pub struct InvalidLimit(u64);

impl Limit {
    /// The largest limit there is, in whatever unit the limit has.
    pub const MAX: u64 = 1_000_000_000;

    /// No limit.
    pub const UNLIMITED: Self = Self(0);

    /// The number, or `None` for unlimited.
    pub fn get(self) -> Option<u32> {
        (self.0 != 0).then_some(self.0)
    }

    /// The number as stored: 0 for unlimited.
    pub fn stored(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for Limit {
    type Error = InvalidLimit;

    fn try_from(number: u64) -> Result<Self, InvalidLimit> {
        match u32::try_from(number) {
            Ok(small) if number <= Self::MAX => Ok(Self(small)),
            _ => Err(InvalidLimit(number)),
        }
    }
}

impl From<Limit> for u64 {
    fn from(limit: Limit) -> u64 {
        limit.0.into()
    }
}

/// The limits of an account: its package's, with the account's own overrides applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Disk space, in MiB.
    pub disk_mib: Limit,
    /// Files and directories.
    pub files: Limit,
    /// Traffic, in GiB a month.
    pub bandwidth_gib: Limit,
    /// PHP requests at the same time.
    pub php_workers: Limit,
    /// Memory of one PHP request, in MiB.
    pub php_memory_mib: Limit,
    /// CPU time, in percent of one core.
    pub cpu_percent: Limit,
    /// Memory of all processes, in MiB.
    pub memory_mib: Limit,
    /// Processes at the same time.
    pub processes: Limit,
    /// Sites beside the primary domain.
    pub sub_sites: Limit,
    /// Databases.
    pub databases: Limit,
    /// Mailboxes.
    pub mailboxes: Limit,
}

impl Limits {
    /// What a new package gets where nothing is said: 5 PHP workers of 256 MiB, and nothing else limited.
    pub const DEFAULT: Self = Self {
        disk_mib: Limit::UNLIMITED,
        files: Limit::UNLIMITED,
        bandwidth_gib: Limit::UNLIMITED,
        php_workers: Limit(5),
        php_memory_mib: Limit(256),
        cpu_percent: Limit::UNLIMITED,
        memory_mib: Limit::UNLIMITED,
        processes: Limit::UNLIMITED,
        sub_sites: Limit::UNLIMITED,
        databases: Limit::UNLIMITED,
        mailboxes: Limit::UNLIMITED,
    };

    /// Every limit with its field name, in the order in which they are shown.
    pub fn named(&self) -> [(&'static str, Limit); 11] {
        [
            ("disk_mib", self.disk_mib),
            ("files", self.files),
            ("bandwidth_gib", self.bandwidth_gib),
            ("php_workers", self.php_workers),
            ("php_memory_mib", self.php_memory_mib),
            ("cpu_percent", self.cpu_percent),
            ("memory_mib", self.memory_mib),
            ("processes", self.processes),
            ("sub_sites", self.sub_sites),
            ("databases", self.databases),
            ("mailboxes", self.mailboxes),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_unlimited_and_nonsense_is_refused() {
        assert_eq!(Limit::try_from(0).map(Limit::get), Ok(None));
        assert_eq!(Limit::try_from(5).map(Limit::get), Ok(Some(5)));
        assert!(Limit::try_from(Limit::MAX + 1).is_err());
        for bad in ["-1", "1.5", "\"5\"", "null", "99999999999999999999"] {
            assert!(serde_json::from_str::<Limit>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_field_is_named_once_under_its_own_name() {
        let json = serde_json::to_value(Limits::DEFAULT).expect("limits serialise");
        let fields = json.as_object().expect("an object");
        let named = Limits::DEFAULT.named();
        assert_eq!(named.len(), fields.len());
        for (name, limit) in named {
            assert_eq!(fields[name], u64::from(limit), "{name}");
        }
    }
}
