//! The ways to name an account.

use opterius_model::{AccountId, DomainName, Username};
use serde_json::Value;

use crate::api::Account;
use crate::failure::Failure;
use crate::output;
use crate::panel::{Panel, read, read_all};

/// The forms of a [`Name`], as they stand in a command's usage.
pub(super) const FORMS: &str = "ID|USERNAME|DOMAIN|ref:REF";

/// An account as it is named on the command line. No text is more than one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Id(AccountId),
    Domain(DomainName),
    Username(Username),
    /// The name that whoever ordered the account gave it.
    Ref(String),
}

impl Name {
    /// Reads an id, a username, a domain, or `ref:` and an `external_ref`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(external_ref) = text.strip_prefix("ref:") {
            let fits = (1..=100).contains(&external_ref.len())
                && external_ref.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
            return if fits {
                Ok(Self::Ref(external_ref.to_owned()))
            } else {
                Err("behind `ref:` use the account's reference: 1 to 100 letters, digits and `. _ : -`".to_owned())
            };
        }
        if let Ok(id) = AccountId::parse(text) {
            Ok(Self::Id(id))
        } else if text.contains('.') {
            DomainName::parse(text).map(Self::Domain).map_err(|error| error.to_string())
        } else {
            Username::parse(text).map(Self::Username).map_err(|error| error.to_string())
        }
    }

    /// The API's path of the account that is there under this name.
    pub(super) async fn path(&self, panel: &Panel) -> Result<String, Failure> {
        let (filter, value) = match self.in_path() {
            Ok(path) => return Ok(path),
            Err(filter) => filter,
        };
        match there(filter, value, panel).await? {
            Some(account) => Ok(path_of(&account)),
            None => Err(not_there(filter, value, last_terminated(filter, value, panel).await.ok().flatten().as_ref())),
        }
    }

    /// The same, or that of the last account that was terminated under this name.
    pub(super) async fn path_even_if_terminated(&self, panel: &Panel) -> Result<String, Failure> {
        let (filter, value) = match self.in_path() {
            Ok(path) => return Ok(path),
            Err(filter) => filter,
        };
        let there = there(filter, value, panel).await?;
        let account = if there.is_some() { there } else { last_terminated(filter, value, panel).await? };
        account.as_ref().map(path_of).ok_or_else(|| not_there(filter, value, None))
    }

    /// The API's path of the last account that was terminated under this name; without one, of the account that is there.
    pub(super) async fn path_of_terminated(&self, panel: &Panel) -> Result<String, Failure> {
        let (filter, value) = match self.in_path() {
            Ok(path) => return Ok(path),
            Err(filter) => filter,
        };
        let terminated = last_terminated(filter, value, panel).await?;
        let account = if terminated.is_some() { terminated } else { there(filter, value, panel).await? };
        account.as_ref().map(path_of).ok_or_else(|| not_there(filter, value, None))
    }

    /// The account that is there under this name, as the API shows it.
    pub(super) async fn data(&self, panel: &Panel) -> Result<Value, Failure> {
        panel.get(&self.path(panel).await?).await
    }

    /// The account that is there under this name.
    pub(super) async fn account(&self, panel: &Panel) -> Result<Account, Failure> {
        read(&self.data(panel).await?)
    }

    /// The path, if the Panel itself finds accounts by this kind of name; else the filter that does.
    fn in_path(&self) -> Result<String, (&'static str, &str)> {
        match self {
            Self::Id(id) => Ok(format!("/api/accounts/{id}")),
            Self::Ref(external_ref) => Ok(format!("/api/accounts/ref:{external_ref}")),
            Self::Domain(domain) => Err(("domain", domain.as_str())),
            Self::Username(username) => Err(("username", username.as_str())),
        }
    }
}

fn path_of(account: &Account) -> String {
    format!("/api/accounts/{}", account.id)
}

/// No account is there; but perhaps one was.
fn not_there(filter: &str, value: &str, was: Option<&Account>) -> Failure {
    let Some(account) = was else {
        return Failure::new(format!("there is no account with the {filter} {value}")).hint("`opterius account list` shows all of them");
    };
    let when = account.terminated_at.map_or_else(String::new, |at| format!(" at {}", output::moment(at)));
    let gone = Failure::new(format!("the account with the {filter} {value} was terminated{when}"));
    match account.restorable() {
        Some(until) => gone.hint(format!("until {} `opterius account restore {}` brings it back", output::moment(until), account.id)),
        None => gone.hint("nothing of it is kept; `opterius account list` shows the accounts that are there"),
    }
}

async fn there(filter: &str, value: &str, panel: &Panel) -> Result<Option<Account>, Failure> {
    let found: Vec<Account> = read_all(&panel.list("/api/accounts", &[(filter, value)]).await?)?;
    Ok(found.into_iter().next())
}

async fn last_terminated(filter: &str, value: &str, panel: &Panel) -> Result<Option<Account>, Failure> {
    let found = panel.list("/api/accounts", &[(filter, value), ("status", "terminated")]).await?;
    let found: Vec<Account> = read_all(&found)?;
    Ok(found.into_iter().max_by_key(|account| account.terminated_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_id_domain_username_or_reference() {
        let id = AccountId::generate();
        assert_eq!(Name::parse(&id.to_string()), Ok(Name::Id(id)));
        assert!(matches!(Name::parse("Bücher.example"), Ok(Name::Domain(domain)) if domain.as_str() == "xn--bcher-kva.example"));
        assert!(matches!(Name::parse("alice"), Ok(Name::Username(_))));
        assert_eq!(Name::parse("ref:whmcs:1:s12"), Ok(Name::Ref("whmcs:1:s12".to_owned())));
        for bad in ["Alice!", "a..b", "ref:", "ref:a/b", "ref:a b", "ref:ä"] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }
}
