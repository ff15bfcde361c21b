//! Two people who change one thing: what somebody saw when they began is named, and the verb refuses if it is something else by now.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{AppError, Code, Refusal};
use crate::store::activity::hex;

/// What somebody saw of a thing, as a short text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(String);

impl Version {
    /// Of everything that a form shows of it.
    pub(crate) fn of(shown: &impl Serialize) -> Self {
        let json = serde_json::to_vec(shown).unwrap_or_default();
        Self(hex(&Sha256::digest(json))[..24].to_owned())
    }

    /// As a form sent it.
    pub(crate) fn given(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses what was begun on something that is another by now. A program that names no version means whatever is there.
pub(crate) fn still(what: &str, seen: Option<&Version>, now: &Version) -> Result<(), AppError> {
    if seen.is_none_or(|seen| seen == now) {
        return Ok(());
    }
    let detail = format!("{what} was changed since it was shown to you. Nothing was done.");
    Err(Refusal::new(Code::ChangedMeanwhile, detail)
        .hint("Look at what it is now, and send the form again if it is still meant so.")
        .into())
}
