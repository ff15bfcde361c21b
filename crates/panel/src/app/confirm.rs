//! What decides who may sign in is changed only by somebody who has just shown what they sign in with: a browser that was left open is not enough.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::authenticate::{by_password, stored_form};
use super::sign_in_administrator::take_code;
use super::{AppError, Caller, CallerKind, Code, Refusal};
use crate::core::Core;

/// What somebody signs in with, shown once more. No `Debug`.
pub(crate) struct Proof {
    pub(crate) password: Zeroizing<String>,
    /// Of the app, or a recovery code; empty for who has none.
    pub(crate) code: Zeroizing<String>,
    /// What the browser sends of its session.
    pub(crate) session: Option<Zeroizing<String>>,
}

/// Somebody who has just shown what they come in with. Only [`confirm`] makes one, and what weakens a sign-in asks for it.
#[derive(Debug)]
pub(crate) struct Confirmed {
    caller: Caller,
    /// The session that was shown, as it is stored.
    session: String,
}

impl Confirmed {
    /// Who it is.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The session that goes on when all others of `name` end: the one that asks for it, if it is theirs.
    pub(super) fn keeps(&self, name: &str) -> &str {
        if self.caller.kind == CallerKind::Administrator && self.caller.name == name { &self.session } else { "" }
    }
}

/// Makes sure that it is `caller` who asks, and not whoever found a browser open. Root on this machine and a token show what they come in with at every
/// request. Wrong attempts make the next ones slow, as at the sign-in.
pub(crate) async fn confirm(core: &Arc<Core>, caller: &Caller, proof: Option<Proof>) -> Result<Confirmed, AppError> {
    let confirmed = |session| Confirmed { caller: caller.clone(), session };
    if matches!(caller.kind, CallerKind::LocalAdministrator | CallerKind::Token) {
        return Ok(confirmed(String::new()));
    }
    let Some(proof) = proof.filter(|proof| !proof.password.is_empty()) else {
        return Err(Refusal::invalid_field(PASSWORD, "missing", "your password is missing: type the one that you sign in with").into());
    };
    let found = match by_password(core, &caller.name, proof.password, caller.address).await {
        Err(AppError::Refused(refusal)) if refusal.code == Code::Unauthorized => {
            core.refused.count_address(caller.address, Code::Unauthorized, core.now());
            return Err(Refusal::invalid_field(PASSWORD, "invalid", "this is not the password that you sign in with").into());
        }
        found => found?,
    };
    if found.totp_secret.is_some() {
        if proof.code.trim().is_empty() {
            return Err(Refusal::invalid_field(CODE, "missing", "the code of your app is missing").into());
        }
        if !take_code(core, &found, &proof.code, caller.address).await? {
            core.refused.count_address(caller.address, Code::Unauthorized, core.now());
            return Err(Refusal::invalid_field(CODE, "invalid", "the code is wrong, or was used before: wait for the next one").into());
        }
    }
    Ok(confirmed(proof.session.map(|secret| stored_form(&secret)).unwrap_or_default()))
}

/// How the fields of a form are called.
pub(crate) const PASSWORD: &str = "own_password";
/// The same of the code.
pub(crate) const CODE: &str = "own_code";
