//! The texts that callers send beside the names of the model, each checked once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::civil::Date;
use opterius_model::{AccountId, DomainName, PackageId, PackageName, Password, PhpChoice, Username};

use crate::store::account::Client;

/// An order for an account, every part of it checked.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) username: Username,
    pub(crate) domain: DomainName,
    pub(crate) password: Arc<Password>,
    pub(crate) package: PackageChoice,
    pub(crate) email: Option<EmailAddress>,
    /// The id or the name of a server; the default one if nothing is said.
    pub(crate) server: Option<String>,
    /// What the Panel's configuration says, if nothing is said.
    pub(crate) php_version: Option<PhpChoice>,
    /// As it is stored, the caller's prefix in front.
    pub(crate) external_ref: Option<String>,
    pub(crate) client: Client,
}

/// What is to become of something that may be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Edit<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Edit<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Edit<U> {
        match self {
            Self::Keep => Edit::Keep,
            Self::Clear => Edit::Clear,
            Self::Set(value) => Edit::Set(change(value)),
        }
    }

    /// What it is afterwards, if it is `now` before.
    pub(crate) fn of(self, now: Option<T>) -> Option<T> {
        match self {
            Self::Keep => now,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// How an order names its package.
#[derive(Debug, Clone)]
pub(crate) enum PackageChoice {
    /// By its id, which renaming does not change.
    Id(PackageId),
    /// By its exact name.
    Name(PackageName),
}

impl std::fmt::Display for PackageChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// How a caller names an account that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// By its id.
    Id(AccountId),
    /// By the caller's own name for it, written `ref:<external_ref>`.
    Ref(ExternalRef),
}

impl std::str::FromStr for Reference {
    type Err = InvalidExternalRef;

    fn from_str(text: &str) -> Result<Self, InvalidExternalRef> {
        match text.strip_prefix("ref:") {
            Some(external_ref) => ExternalRef::parse(external_ref).map(Self::Ref),
            None => AccountId::parse(text).map(Self::Id).map_err(|_| InvalidExternalRef(shown(text))),
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Ref(external_ref) => external_ref.fmt(f),
        }
    }
}

/// A text type with its rule.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $message:literal, |$text:ident| $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct $name(String);

        /// Why a text is refused.
        #[derive(Debug, thiserror::Error)]
        #[error($message, given = self.0)]
        pub(crate) struct $error(String);

        impl $name {
            pub(crate) fn parse($text: &str) -> Result<Self, $error> {
                if $rule { Ok(Self($text.to_owned())) } else { Err($error(shown($text))) }
            }

            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn ref_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
}

checked_text! {
    /// The caller's own name for an account: 1 to 100 of `A-Za-z0-9._:-`.
    ExternalRef, InvalidExternalRef,
    "`{given}` is not an external_ref: use 1 to 100 letters, digits and `. _ : -`",
    |text| (1..=100).contains(&text.len()) && text.bytes().all(ref_character)
}

checked_text! {
    /// The caller's own name for a client: 1 to 100 of `A-Za-z0-9._:-`.
    ClientRef, InvalidClientRef,
    "`{given}` is not a client_ref: use 1 to 100 letters, digits and `. _ : -`",
    |text| (1..=100).contains(&text.len()) && text.bytes().all(ref_character)
}

checked_text! {
    /// What stands in front of every external_ref of a token: 2 to 80 of `A-Za-z0-9._:-`, a colon last, so that no prefix begins another's refs
    /// by chance.
    RefPrefix, InvalidRefPrefix,
    "`{given}` is not a ref prefix: use 2 to 80 letters, digits and `. _ : -` that end in a colon",
    |text| (2..=80).contains(&text.len()) && text.ends_with(':') && text.bytes().all(ref_character)
}

checked_text! {
    /// Why an account is suspended, for people: 1 to 500 visible characters.
    Reason, InvalidReason,
    "`{given}` is not a reason: use 1 to 500 characters that can be seen, on one line, without white space at either end",
    |text| (1..=500).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(|c| c.is_control() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
}

checked_text! {
    /// An e-mail address as far as it matters here: one `@`, a domain behind it, at most 254 characters, nothing that a mail header or a page
    /// could read as more.
    EmailAddress, InvalidEmailAddress,
    "`{given}` is not an e-mail address: use one such as `name@example.com`",
    |text| text.chars().count() <= 254
        && text.bytes().filter(|b| *b == b'@').count() == 1
        && text.split_once('@').is_some_and(|(local, domain)| (1..=64).contains(&local.chars().count()) && domain.contains('.') && !format!(".{domain}.").contains("..") && !format!(".{local}.").contains(".."))
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\'' | ',' | ';' | ':' | '\\' | '(' | ')' | '[' | ']' | '`' | '$' | '{' | '}'))
}

checked_text! {
    /// The name of a token, for people: 1 to 64 visible characters.
    TokenName, InvalidTokenName,
    "`{given}` is not a name for a token: use 1 to 64 characters that can be seen, without white space at either end",
    |text| (1..=64).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(char::is_control)
}

checked_text! {
    /// The name of an administrator: 3 to 32 lower-case letters and digits.
    AdministratorName, InvalidAdministratorName,
    "`{given}` is not a name for an administrator: use 3 to 32 lower-case letters and digits, starting with a letter",
    |text| (3..=32).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// A network, or one address, as addresses are compared: an IPv4 network is never written as one of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// Why a text is not a [`Cidr`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidCidr {
    #[error("`{0}` is not an address or network: use one such as `203.0.113.7` or `2001:db8::/48`")]
    Form(String),
    /// The network that holds the address.
    #[error("`{0}` is an address within a network: use the network `{1}`, or the address alone")]
    Within(String, Cidr),
    #[error("nobody comes from `{0}`: use an address or network of the caller's, such as `203.0.113.7` or `2001:db8::/48`")]
    Nobody(String),
}

impl Cidr {
    /// Reads what somebody gives: a network by its first address, from which somebody can come.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidCidr> {
        let given = Self::stored(text)?;
        let network = given.network();
        if network.address != given.address {
            return Err(InvalidCidr::Within(shown(text), network));
        }
        if given.is_nobodys() {
            return Err(InvalidCidr::Nobody(shown(text)));
        }
        Ok(given)
    }

    /// Reads what was stored, also by an earlier version that took more.
    pub(crate) fn stored(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr::Form(shown(text));
        let (address, bits) = match text.split_once('/') {
            Some((address, bits))
                if (bits == "0" || !bits.starts_with('0')) && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                (address, Some(bits.parse::<u8>().map_err(|_| invalid())?))
            }
            Some(_) => return Err(invalid()),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(whole);
        if bits > whole {
            return Err(invalid());
        }
        // `::ffff:10.0.0.0/112` is 10.0.0.0/16.
        match (address.to_canonical(), bits.checked_sub(96)) {
            (canonical @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => Ok(Self { address: canonical, bits }),
            _ => Ok(Self { address, bits }),
        }
    }

    /// The network by its first address.
    fn network(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0)).into()
            }
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0)).into()
            }
        };
        Self { address, ..self }
    }

    /// Whether no caller has an address in it: nobody's own, for several receivers, or the IPv4 addresses as IPv6 writes them.
    fn is_nobodys(self) -> bool {
        match self.address {
            IpAddr::V4(address) => {
                let first = address.octets()[0];
                (self.bits >= 8 && first == 0) || (self.bits >= 3 && first >= 224)
            }
            IpAddr::V6(address) => {
                (self.bits >= 8 && address.is_multicast()) || (self.bits >= 65 && address.to_bits() >> 48 == 0 && !address.is_loopback())
            }
        }
    }

    /// Whether `address` is in this network. An IPv4 address that came in over an IPv6 socket counts as IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A day as in 2026-12-31.
pub(crate) fn day(text: &str) -> Result<Date, String> {
    let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text && day.year() >= 1970);
    day.ok_or_else(|| format!("`{}` is not a day: use one such as 2026-12-31", shown(text)))
}

/// A refused text as it may be shown back: escaped and short.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say() {
        let holds = |network: &str, address: &str| Cidr::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("203.0.113.7", "203.0.113.7"));
        assert!(!holds("203.0.113.7", "203.0.113.8"));
        assert!(holds("203.0.113.0/24", "::ffff:203.0.113.9"));
        assert!(!holds("203.0.113.0/24", "203.0.114.1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/48", "2001:db8:0:1::1"));
        assert!(holds("::/0", "2001:db8::1"));
        for bad in
            ["", "/", "203.0.113.0/33", "203.0.113.0/", "2001:db8::/129", "203.0.113", "example.com", "203.0.113.0/+8", "1.2.3.4/8/8"]
        {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_from_which_nobody_can_come_is_refused() {
        for bad in [
            "::ffff:0:0/90",
            "::ffff:10.0.0.1/112",
            "203.0.113.7/24",
            "10.0.0.0/08",
            "10.0.0.0/032",
            "2001:db8::1/48",
            "fe80::1%eth0",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.0/4",
            "255.255.255.255",
            "ff02::/16",
            "::10.0.0.0/104",
            "::ffff:0.0.0.0/128",
        ] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
        for good in
            ["0.0.0.0/0", "::/0", "127.0.0.1", "::1", "10.0.0.0/8", "2000::/3", "fe80::/10", "fd00::/8", "203.0.113.7/32", "128.0.0.0/1"]
        {
            assert!(Cidr::parse(good).is_ok(), "{good}");
        }
        let said = Cidr::parse("203.0.113.7/24").unwrap_err().to_string();
        assert!(said.contains("use the network `203.0.113.0/24`"), "{said}");
    }

    #[test]
    fn an_ipv4_network_in_the_form_of_ipv6_is_that_network() {
        for (text, network) in [
            ("::ffff:10.0.0.0/112", "10.0.0.0/16"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::ffff:cb00:7100/120", "203.0.113.0/24"),
        ] {
            assert_eq!(Cidr::parse(text).unwrap().to_string(), network);
        }
        // As earlier versions stored them.
        let holds = |network: &str, address: &str| Cidr::stored(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("::ffff:10.0.0.0/112", "10.0.200.1") && !holds("::ffff:10.0.0.0/112", "10.1.0.1"));
        assert!(holds("203.0.113.7/24", "203.0.113.200") && !holds("203.0.113.7/24", "203.0.114.7"));
    }

    #[test]
    fn addresses_that_could_become_a_second_header_or_a_script_are_refused() {
        for good in ["a@example.com", "first.last+tag@sub.example.co.uk", "ü@bücher.example"] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@example.com",
            "a@b",
            "a@b@c.com",
            "a@b..com",
            "a@.b.com",
            "a@b.com.",
            ".a@b.com",
            "a.@b.com",
            "a b@example.com",
            "a@example.com\nBcc: x",
            "<a@example.com>",
            "a@example.com,b@example.com",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn days_are_written_in_one_way() {
        assert_eq!(day("2026-12-31").unwrap().to_string(), "2026-12-31");
        assert!(day("2028-02-29").is_ok());
        for bad in
            ["", "2026-02-29", "2026-13-01", "0000-00-00", "31.12.2026", "20261231", "2026-12-31T00:00:00", "2026-1-2", "-002026-12-31"]
        {
            assert!(day(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn refs_hold_nothing_that_a_prefix_range_would_miss() {
        assert!((0..=u8::MAX).filter(|b| ref_character(*b)).all(|b| b < b'{'));
        assert!(RefPrefix::parse("whmcs").is_err());
        assert!(RefPrefix::parse("whmcs:").is_ok());
        for bad in ["", "a b", "é", "a/../b", "{", &"a".repeat(101)] {
            assert!(ExternalRef::parse(bad).is_err(), "{bad:?}");
        }
    }
}
