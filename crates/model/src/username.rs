//! Linux user names of accounts, and the uids that belong to them.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::text::{shown, text_type};

/// The name of an account's Linux user: 3 to 32 lower-case ASCII letters and digits, a letter first, none of [`RESERVED_USERNAMES`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

/// Why a text is not a [`Username`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsername {
    /// The text does not have the form of a username.
    #[error("`{0}` is not a username: use 3 to 32 lower-case letters and digits, starting with a letter")]
    Form(String),
    /// The system or a service uses this name, or may one day.
    #[error("`{0}` is reserved for the system: choose another username")]
    Reserved(String),
}

/// Names that no account gets: users and groups of Debian and of the services a hosting server runs, and names that people trust.
pub const RESERVED_USERNAMES: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "adm",
    "admin",
    "administrator",
    "admins",
    "amavis",
    "anonymous",
    "apache",
    "api",
    "apt",
    "audio",
    "avahi",
    "backup",
    "backups",
    "billing",
    "bin",
    "bind",
    "cdrom",
    "clamav",
    "colord",
    "cron",
    "crontab",
    "cyrus",
    "daemon",
    "database",
    "debian",
    "dhcp",
    "dialout",
    "dip",
    "disk",
    "dns",
    "dnsmasq",
    "docker",
    "dovecot",
    "dovenull",
    "fax",
    "fetchmail",
    "floppy",
    "ftp",
    "ftpuser",
    "games",
    "geoclue",
    "git",
    "gnats",
    "group",
    "guest",
    "halt",
    "haproxy",
    "help",
    "home",
    "host",
    "hostmaster",
    "http",
    "httpd",
    "https",
    "imap",
    "info",
    "input",
    "irc",
    "kmem",
    "kvm",
    "ldap",
    "libvirt",
    "lightdm",
    "list",
    "localhost",
    "log",
    "login",
    "logs",
    "lost",
    "lpadmin",
    "mail",
    "mailer",
    "mailman",
    "man",
    "mariadb",
    "memcache",
    "memcached",
    "messagebus",
    "mongodb",
    "monitor",
    "munin",
    "mysql",
    "nagios",
    "named",
    "network",
    "news",
    "nginx",
    "nobody",
    "nogroup",
    "noreply",
    "ntp",
    "operator",
    "opterius",
    "panel",
    "pdns",
    "php",
    "plugdev",
    "polkitd",
    "pop",
    "pop3",
    "postdrop",
    "postfix",
    "postgres",
    "postmaster",
    "powerdns",
    "proftpd",
    "prometheus",
    "proxy",
    "pulse",
    "puppet",
    "rabbitmq",
    "redis",
    "render",
    "root",
    "rspamd",
    "rtkit",
    "samba",
    "saned",
    "sasl",
    "security",
    "sgx",
    "shadow",
    "shutdown",
    "smtp",
    "spam",
    "spamd",
    "squid",
    "src",
    "ssh",
    "sshd",
    "ssl",
    "staff",
    "statd",
    "stunnel4",
    "sudo",
    "support",
    "sync",
    "sys",
    "syslog",
    "system",
    "systemd",
    "tape",
    "test",
    "tomcat",
    "tss",
    "tty",
    "unbound",
    "usbmux",
    "user",
    "users",
    "utmp",
    "uucp",
    "uuidd",
    "varnish",
    "video",
    "vmail",
    "voice",
    "web",
    "webmail",
    "webmaster",
    "wheel",
    "whoopsie",
    "www",
    "wwwdata",
    "wwwrun",
    "zabbix",
];

impl Username {
    /// Checks `text`. It is taken as it is: nothing is trimmed or folded, since the caller's other systems hold it unchanged.
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        let bytes = text.as_bytes();
        let well_formed = (3..=32).contains(&bytes.len())
            && bytes[0].is_ascii_lowercase()
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !well_formed {
            return Err(InvalidUsername::Form(shown(text)));
        }
        if RESERVED_USERNAMES.binary_search(&text).is_ok() {
            return Err(InvalidUsername::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type!(Username, InvalidUsername);

/// The uids (and equal gids) that accounts get. PAM and nftables know the same range.
pub const UID_RANGE: RangeInclusive<u32> = 20_000..=59_999;

/// Ids that systemd-sysusers gives to a system's own users and groups, and adduser gives to nobody.
pub const SYSTEM_IDS: RangeInclusive<u32> = 1..=999;

/// The uid of an account's Linux user, within [`UID_RANGE`]; its group has the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Uid(u32);

impl Uid {
    /// The number, for the kernel.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Uid {
    type Error = String;

    fn try_from(uid: u32) -> Result<Self, String> {
        if UID_RANGE.contains(&uid) { Ok(Self(uid)) } else { Err(format!("uid {uid} is outside {UID_RANGE:?}")) }
    }
}

impl From<Uid> for u32 {
    fn from(uid: Uid) -> u32 {
        uid.0
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reserved_names_are_sorted_so_that_they_are_found() {
        assert!(RESERVED_USERNAMES.is_sorted(), "first out of order: {:?}", RESERVED_USERNAMES.windows(2).find(|w| w[0] > w[1]));
    }

    #[test]
    fn refusals_name_the_rule() {
        for bad in ["", "ab", "1abc", "Alice!", "alice ", "../etc", "ali\nce", "аlice", "a-b", "alice;id", "a'b\"c", &"a".repeat(33)] {
            assert!(matches!(Username::parse(bad), Err(InvalidUsername::Form(_))), "{bad:?}");
        }
        for reserved in ["root", "mysql", "admin", "opterius", "www"] {
            assert!(matches!(Username::parse(reserved), Err(InvalidUsername::Reserved(_))), "{reserved}");
        }
        assert_eq!(
            Username::parse("Alice!").unwrap_err().to_string(),
            "`Alice!` is not a username: use 3 to 32 lower-case letters and digits, starting with a letter"
        );
    }

    proptest! {
        #[test]
        fn whatever_parses_is_safe_in_passwd_paths_and_configuration(text in ".{0,40}") {
            if let Ok(name) = Username::parse(&text) {
                prop_assert!(name.as_str().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
                prop_assert!(name.as_str().len() <= 32);
            }
        }

        #[test]
        fn every_name_of_the_form_parses_or_is_reserved(text in "[a-z][a-z0-9]{2,31}") {
            match Username::parse(&text) {
                Ok(name) => prop_assert_eq!(name.as_str(), &text),
                Err(error) => prop_assert_eq!(error, InvalidUsername::Reserved(text)),
            }
        }
    }
}
