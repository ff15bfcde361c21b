//! Versions of PHP: which there are, and which one is wanted.

use std::cmp::Ordering;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::{shown, text_type};

/// A version of PHP, such as `8.2`. Versions are ordered as they were released: `8.9` comes before `8.10`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PhpVersion(String);

/// Why a text is not a [`PhpVersion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a PHP version: use one such as `8.2`")]
pub struct InvalidPhpVersion(String);

impl PhpVersion {
    /// Checks `text`: one digit, a dot, one or two digits.
    pub fn parse(text: &str) -> Result<Self, InvalidPhpVersion> {
        let ok = text.split_once('.').is_some_and(|(major, minor)| {
            major.len() == 1 && (1..=2).contains(&minor.len()) && [major, minor].iter().all(|n| n.bytes().all(|b| b.is_ascii_digit()))
        });
        if ok { Ok(Self(text.to_owned())) } else { Err(InvalidPhpVersion(shown(text))) }
    }

    fn numbers(&self) -> (u8, u8) {
        let (major, minor) = self.0.split_once('.').unwrap_or_default();
        (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
    }
}

impl Ord for PhpVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        // `8.2` and `8.02` are two texts, and so never equal.
        self.numbers().cmp(&other.numbers()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for PhpVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

text_type!(PhpVersion, InvalidPhpVersion);

/// Which PHP a pool is to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PhpChoice {
    /// The newest that its server has, whatever that is when its PHP is started.
    Newest,
    /// This one.
    Version(PhpVersion),
}

/// Why a text is not a [`PhpChoice`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a choice of PHP: use `newest`, or a version such as `8.2`")]
pub struct InvalidPhpChoice(String);

const NEWEST: &str = "newest";

impl PhpChoice {
    /// Reads `newest`, or a version.
    pub fn parse(text: &str) -> Result<Self, InvalidPhpChoice> {
        if text == NEWEST {
            return Ok(Self::Newest);
        }
        PhpVersion::parse(text).map(Self::Version).map_err(|_| InvalidPhpChoice(shown(text)))
    }

    /// The word or the version.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Newest => NEWEST,
            Self::Version(version) => version.as_str(),
        }
    }

    /// The version, if it is one and not the newest.
    pub fn version(&self) -> Option<&PhpVersion> {
        match self {
            Self::Newest => None,
            Self::Version(version) => Some(version),
        }
    }

    /// Which of the versions that are there is to run. One that is not there is replaced by the nearest newer one, or else by the newest, so
    /// that a site never stays without a PHP while its server has any. Nothing if there is none.
    pub fn pick<'a>(&self, there: impl IntoIterator<Item = &'a PhpVersion>) -> Option<&'a PhpVersion> {
        let there: Vec<&PhpVersion> = there.into_iter().collect();
        let newest = there.iter().copied().max();
        match self {
            Self::Newest => newest,
            Self::Version(wanted) => there.iter().copied().filter(|version| *version >= wanted).min().or(newest),
        }
    }
}

impl std::fmt::Display for PhpChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for PhpChoice {
    type Err = InvalidPhpChoice;

    fn from_str(text: &str) -> Result<Self, InvalidPhpChoice> {
        Self::parse(text)
    }
}

impl From<PhpVersion> for PhpChoice {
    fn from(version: PhpVersion) -> Self {
        Self::Version(version)
    }
}

impl Serialize for PhpChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PhpChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(texts: &[&str]) -> Vec<PhpVersion> {
        texts.iter().map(|text| PhpVersion::parse(text).expect("a version")).collect()
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let mut some = versions(&["8.10", "7.4", "8.2", "8.9"]);
        some.sort();
        assert_eq!(some, versions(&["7.4", "8.2", "8.9", "8.10"]));
    }

    #[test]
    fn a_choice_is_a_word_or_a_version_and_is_written_as_it_was_read() {
        for text in ["newest", "8.2", "8.10"] {
            let choice: PhpChoice = serde_json::from_value(text.into()).expect("a choice");
            assert_eq!((choice.to_string().as_str(), serde_json::to_value(&choice).expect("JSON")), (text, text.into()));
        }
        for bad in ["", "Newest", "newest ", "oldest", "8", "8.2.1", "../8.2", "8.2\n"] {
            assert!(PhpChoice::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_replaced_by_the_nearest_newer_one_or_the_newest() {
        let there = versions(&["8.1", "8.4", "8.3"]);
        for (choice, picked) in [("newest", "8.4"), ("8.3", "8.3"), ("8.2", "8.3"), ("7.4", "8.1"), ("8.5", "8.4"), ("9.0", "8.4")] {
            let choice = PhpChoice::parse(choice).expect("a choice");
            assert_eq!(choice.pick(&there).map(PhpVersion::as_str), Some(picked), "{choice}");
            assert_eq!(choice.pick(&[]), None);
        }
    }
}
