//! `opterius account show`.

use clap::Args;
use opterius_model::{AccountId, DomainName, Username};
use serde_json::Value;

use crate::api::Account;
use crate::failure::Failure;
use crate::limits;
use crate::output::{self, Facts, Format};
use crate::panel::{Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The account's id, its Linux user or its primary domain
    #[arg(value_name = "ID|USERNAME|DOMAIN", value_parser = parse)]
    account: Which,
}

/// The three ways to name an account. No text is more than one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Id(AccountId),
    Domain(DomainName),
    Username(Username),
}

fn parse(text: &str) -> Result<Which, String> {
    if let Ok(id) = AccountId::parse(text) {
        Ok(Which::Id(id))
    } else if text.contains('.') {
        DomainName::parse(text).map(Which::Domain).map_err(|error| error.to_string())
    } else {
        Username::parse(text).map(Which::Username).map_err(|error| error.to_string())
    }
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = find(&options.account, panel).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let account: Account = read(&data)?;
    output::line(facts(&account));
    if !account.limits.is_empty() {
        output::blank();
        output::line(limits::table(&account.limits, &account.enforcement));
    }
    Ok(())
}

async fn find(account: &Which, panel: &Panel) -> Result<Value, Failure> {
    let (filter, value) = match account {
        Which::Id(id) => return panel.get(&format!("/api/accounts/{id}")).await,
        Which::Domain(domain) => ("domain", domain.as_str()),
        Which::Username(username) => ("username", username.as_str()),
    };
    let found = panel.list("/api/accounts", &[(filter, value)]).await?;
    found.into_iter().next().ok_or_else(|| {
        Failure::new(format!("there is no account with the {filter} {value}")).hint("`opterius account list` shows all of them")
    })
}

/// What a person wants to know of an account at a glance.
pub(super) fn facts(account: &Account) -> Facts {
    let mut facts = Facts::new();
    facts
        .add("Account", &account.id)
        .add("Username", &account.username)
        .add("Domain", &account.domain)
        .add("Status", account.status.replace('_', " "))
        .add("Package", &account.package.name)
        .add(
            "Server",
            account
                .server
                .hostname
                .as_ref()
                .map_or_else(|| account.server.name.clone(), |hostname| format!("{} ({hostname})", account.server.name)),
        )
        .add("Addresses", [account.ipv4.as_slice(), account.ipv6.as_slice()].concat().join(", "))
        .add("Nameservers", account.nameservers.join(", "))
        .add_some("E-mail", account.email.as_ref())
        .add_some("Reference", account.external_ref.as_ref())
        .add_some("Uid", account.uid)
        .add("Created", output::moment(account.created_at));
    if let Some(operation) = &account.operation {
        facts.add("Operation", format!("{} ({}, {})", operation.id, operation.kind, operation.outcome.replace('_', " ")));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_id_domain_or_username() {
        let id = AccountId::generate();
        assert_eq!(parse(&id.to_string()), Ok(Which::Id(id)));
        assert!(matches!(parse("Bücher.example"), Ok(Which::Domain(domain)) if domain.as_str() == "xn--bcher-kva.example"));
        assert!(matches!(parse("alice"), Ok(Which::Username(_))));
        assert!(parse("Alice!").is_err());
        assert!(parse("a..b").is_err());
    }
}
