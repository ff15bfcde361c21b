//! A change by somebody who has looked at the account and decided upon what they saw: it is not made of an account that is another by now.

use super::change_account::{Next, Verb, Wanted};
use super::{AppError, Caller, Refusal, Version};
use crate::core::Core;
use crate::store::Write;
use crate::store::account::Account;
use crate::store::operation::Kind;

/// A change of the account that was seen.
pub(crate) struct AsSeen<V> {
    verb: V,
    version: Version,
}

impl<V: Verb> AsSeen<V> {
    /// Of the account as it was at this [`version()`].
    pub(crate) fn new(verb: V, version: Version) -> Self {
        Self { verb, version }
    }
}

/// Another text for every state of an account that somebody may decide upon: its generation, and the holds, whose reasons change without one.
pub(crate) fn version(account: &Account) -> Version {
    Version::of(&(account.generation.get(), account.status.as_str(), &account.holds))
}

impl<V: Verb> Verb for AsSeen<V> {
    const KIND: Kind = V::KIND;
    const TAKES_TERMINATED: bool = V::TAKES_TERMINATED;

    async fn next(&self, core: &Core, caller: &Caller, account: &Account) -> Result<Next, AppError> {
        if version(account) != self.version {
            return Err(Refusal::changed_meanwhile(account).into());
        }
        self.verb.next(core, caller, account).await
    }

    async fn reserve(&self, write: &mut Write, caller: &Caller, account: &Account, change: &Wanted) -> Result<(), AppError> {
        self.verb.reserve(write, caller, account, change).await
    }

    fn taken_on(&self, account: &Account) -> String {
        self.verb.taken_on(account)
    }
}
