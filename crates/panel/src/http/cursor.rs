//! Where the next page of a list of accounts begins.

use opterius_model::AccountId;
use opterius_protocol::Micros;

use super::read::digits;

/// Behind which account a page begins, and the moment whose accounts all pages of the list show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    pub(crate) snapshot: Micros,
    pub(crate) after: AccountId,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('.')
            .and_then(|(snapshot, after)| Some((i64::try_from(digits(snapshot)?).ok()?, AccountId::parse(after).ok()?)));
        let (snapshot, after) = parts.ok_or_else(|| "`cursor` must be `next` of the page before".to_owned())?;
        Ok(Self { snapshot: Micros(snapshot), after })
    }

    /// Takes what was read beyond `limit` off a page, and says where the next one begins, if there is one.
    pub(crate) fn cut<T>(rows: &mut Vec<T>, limit: u32, snapshot: Micros, id: impl Fn(&T) -> AccountId) -> Option<Self> {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        rows.last().filter(|_| more).map(|last| Self { snapshot, after: id(last) })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.snapshot.0, self.after)
    }
}
