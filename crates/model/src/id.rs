//! Ids, one type for each thing that has one.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::{shown, text_type};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: use the id exactly as it was given (a UUID such as `0193a5e0-7c1e-7000-8000-000000000000`)")]
pub struct InvalidId(String);

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id. Ids of one process sort by the time they were made.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// Reads an id in its canonical form: 36 characters, lower case.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                match Uuid::try_parse(text) {
                    Ok(id) if id.as_hyphenated().to_string() == text => Ok(Self(id)),
                    _ => Err(InvalidId(shown(text))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }
    };
}

id_type! {
    /// An account, for ever: an id is never used again.
    AccountId
}
id_type! {
    /// One durable change to one account.
    OperationId
}
id_type! {
    /// A package.
    PackageId
}
id_type! {
    /// A machine that runs an Agent.
    ServerId
}
id_type! {
    /// An API token (never the token itself).
    TokenId
}

/// Who an account, package or token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerId(String);

impl OwnerId {
    /// The one owner there is for now: the hosting company itself.
    pub fn host() -> Self {
        Self("host".to_owned())
    }

    /// The owner as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id that joins the module's log, the Activity, the operation and the Agent's journal: 8 to 64 of `A-Za-z0-9._-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// A new request id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7().as_hyphenated().to_string())
    }

    /// Checks a request id that a caller chose.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let ok = (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if ok { Ok(Self(text.to_owned())) } else { Err(InvalidId(shown(text))) }
    }
}

text_type!(RequestId, InvalidId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = AccountId::generate();
        assert_eq!(AccountId::parse(&id.to_string()), Ok(id));
        for bad in ["", "1", &id.to_string().to_uppercase(), &id.to_string().replace('-', ""), &format!("{{{id}}}"), "../etc"] {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_id_cannot_forge_a_log_line() {
        assert!(RequestId::parse("0193a5e0-7c1e").is_ok());
        for bad in ["short", "with space in", "new\nline....", &"a".repeat(65)] {
            assert!(RequestId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
