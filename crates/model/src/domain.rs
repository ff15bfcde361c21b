//! Domain names, kept as lower-case A-labels.

use crate::text::{shown, text_type};

/// The longest domain a site can have, in bytes. nginx reaches PHP at `<domain>/php.sock` relative to its working directory, and a Unix
/// socket's path holds 107 bytes (measured: 107 is served, 108 gives a 500).
pub const MAX_DOMAIN_BYTES: usize = 98;

/// A registrable domain or a name below one: lower-case A-labels (letters, digits, hyphens), at most [`MAX_DOMAIN_BYTES`], not a public
/// suffix, without `www.` in front (every site answers to that as well) and without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

/// Why a text is not a [`DomainName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomain {
    /// The text does not have the form of a domain name.
    #[error("`{0}` is not a domain name: use a name such as `example.com`, of letters, digits, hyphens and dots")]
    Form(String),
    /// Longer than [`MAX_DOMAIN_BYTES`].
    #[error("`{0}` is too long: a domain may have at most {MAX_DOMAIN_BYTES} characters in its A-label (xn--) form")]
    TooLong(String),
    /// A public suffix such as `co.uk`, below which strangers register names.
    #[error("`{0}` is a public suffix, below which anybody may register names: order a name below it")]
    PublicSuffix(String),
    /// An address, or a name that can never be delegated.
    #[error("`{0}` can never be looked up as a host name: use a registered domain")]
    NotDelegable(String),
    /// Starts with `www.`.
    #[error("`{0}` starts with `www.`: leave it out, every site answers to its name with `www.` as well")]
    Www(String),
}

impl DomainName {
    /// Checks `text`, which may hold U-labels (`bücher.example`) or A-labels, in any case, and keeps lower-case A-labels.
    ///
    /// UTS 46, non-transitional, with STD3 rules; then letters, digits and hyphens only, whatever the mapping let through.
    pub fn parse(text: &str) -> Result<Self, InvalidDomain> {
        let form = || InvalidDomain::Form(shown(text));
        if text.len() > 1000 {
            return Err(InvalidDomain::TooLong(shown(text)));
        }
        // The mapping would drop or fold these silently; a name that needs that was not typed by a person who saw it.
        if text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'))
        {
            return Err(form());
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| form())?;
        let labels: Vec<&str> = ascii.split('.').collect();
        let label_ok = |label: &&str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // No registrable name is shorter than `a.bc`, and nginx's whitelist knows none.
        if ascii.len() < 4 || labels.len() < 2 || !labels.iter().all(label_ok) {
            return Err(form());
        }
        if ascii.len() > MAX_DOMAIN_BYTES {
            return Err(InvalidDomain::TooLong(shown(&ascii)));
        }
        let top = labels[labels.len() - 1];
        if !top.starts_with(|c: char| c.is_ascii_lowercase())
            || matches!(top, "local" | "localhost" | "localdomain" | "invalid" | "onion" | "internal" | "arpa")
        {
            return Err(InvalidDomain::NotDelegable(shown(&ascii)));
        }
        if labels[0] == "www" {
            return Err(InvalidDomain::Www(shown(&ascii)));
        }
        if psl::domain(ascii.as_bytes()).is_none() {
            return Err(InvalidDomain::PublicSuffix(shown(&ascii)));
        }
        Ok(Self(ascii))
    }

    /// The registrable domain that this name is, or is below: `example.co.uk` of `shop.example.co.uk`. Claims of names that could
    /// contain each other are decided under it.
    pub fn registrable(&self) -> &str {
        psl::domain_str(&self.0).unwrap_or(&self.0)
    }

    /// Whether this name is below `other`: `shop.example.com` is below `example.com`, and no name is below itself.
    pub fn is_below(&self, other: &DomainName) -> bool {
        self.0.strip_suffix(&other.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

text_type!(DomainName, InvalidDomain);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_kept_as_lower_case_a_labels() {
        for (typed, kept) in [
            ("example.com", "example.com"),
            ("EXAMPLE.Com", "example.com"),
            ("Bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("shop.example.co.uk", "shop.example.co.uk"),
            ("faß.de", "xn--fa-hia.de"),
            ("opterius.test", "opterius.test"),
        ] {
            assert_eq!(DomainName::parse(typed).map(|d| d.to_string()), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn what_could_reach_another_site_or_a_configuration_file_is_refused() {
        for bad in [
            "",
            ".",
            "com",
            "example",
            "example.com.",
            ".example.com",
            "a..b.com",
            "-a.com",
            "a-.com",
            "a_b.com",
            "*.example.com",
            "exa mple.com",
            "example.com/",
            "../example.com",
            "example.com;",
            "{example}.com",
            "$host.com",
            "a\"b.com",
            "a'b.com",
            "example.com\n",
            "\0a.com",
            "xn--a.com",
            "xn--.com",
            "exam\u{ad}ple.com",
            "exam\u{200b}ple.com",
            "1.2.3.4",
            "[::1]",
            "user@example.com",
            "p.n",
            "example.com:80",
        ] {
            assert!(DomainName::parse(bad).is_err(), "{bad:?} was accepted as {:?}", DomainName::parse(bad));
        }
    }

    #[test]
    fn public_suffixes_are_refused_and_names_below_them_are_not() {
        for suffix in ["co.uk", "github.io", "com.au"] {
            assert_eq!(DomainName::parse(suffix), Err(InvalidDomain::PublicSuffix(suffix.to_owned())));
        }
        assert!(DomainName::parse("alice.github.io").is_ok());
    }

    #[test]
    fn a_name_fits_its_socket_path() {
        let long = format!("{}.{}.example.com", "a".repeat(43), "b".repeat(42));
        assert_eq!(long.len(), MAX_DOMAIN_BYTES);
        assert!(DomainName::parse(&long).is_ok());
        assert!(matches!(DomainName::parse(&format!("c{long}")), Err(InvalidDomain::TooLong(_))));
    }

    #[test]
    fn below_means_a_whole_label() {
        let name = |text: &str| DomainName::parse(text).expect(text);
        assert!(name("a.example.com").is_below(&name("example.com")));
        assert!(!name("badexample.com").is_below(&name("example.com")));
        assert!(!name("example.com").is_below(&name("example.com")));
        assert_eq!(name("a.b.example.co.uk").registrable(), "example.co.uk");
    }

    proptest! {
        #[test]
        fn whatever_parses_is_matched_by_the_map_of_nginx_and_parses_again_unchanged(text in "\\PC{1,40}(\\.\\PC{1,10}){0,3}") {
            if let Ok(name) = DomainName::parse(&text) {
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
                prop_assert!((4..=MAX_DOMAIN_BYTES).contains(&name.as_str().len()));
                prop_assert_eq!(DomainName::parse(name.as_str()), Ok(name.clone()));
            }
        }

        #[test]
        fn case_never_makes_a_second_name(text in "[a-zA-Z0-9]{1,20}\\.(com|co\\.uk|example)") {
            let lower = DomainName::parse(&text.to_lowercase());
            prop_assert_eq!(DomainName::parse(&text).ok(), lower.ok());
        }
    }
}
