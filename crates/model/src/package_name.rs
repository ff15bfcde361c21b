//! Names of packages, as hosts type them and as billing systems repeat them.

use crate::text::{shown, text_type};

/// The name of a package ("Starter"): 1 to 64 characters without control characters, without white space at either end. It is
/// compared byte for byte, case included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName(String);

/// Why a text is not a [`PackageName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPackageName {
    /// Empty, or longer than 64 characters.
    #[error("`{0}` is not a package name: use 1 to 64 characters")]
    Length(String),
    /// A control character, or another that cannot be seen.
    #[error("`{0}` is not a package name: it holds a character that cannot be seen")]
    Invisible(String),
    /// White space in front or behind, which nobody would see in a list.
    #[error("`{0}` is not a package name: it starts or ends with white space")]
    Padded(String),
}

impl PackageName {
    /// Checks `text` and keeps it byte for byte.
    pub fn parse(text: &str) -> Result<Self, InvalidPackageName> {
        if text.is_empty() || text.chars().count() > 64 {
            return Err(InvalidPackageName::Length(shown(text)));
        }
        if text.chars().any(|c| {
            c.is_control()
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        }) {
            return Err(InvalidPackageName::Invisible(shown(text)));
        }
        if text.trim() != text {
            return Err(InvalidPackageName::Padded(shown(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

text_type!(PackageName, InvalidPackageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_byte_for_byte_and_case_counts() {
        for name in ["Starter", "starter", "Pro & Friends <2>", "10 GB – SSD", "日本"] {
            assert_eq!(PackageName::parse(name).map(|n| n.to_string()), Ok(name.to_owned()));
        }
        assert_ne!(PackageName::parse("Starter"), PackageName::parse("starter"));
        for bad in ["", " Starter", "Starter\t", "Star\nter", "Star\u{200b}ter", &"a".repeat(65)] {
            assert!(PackageName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
