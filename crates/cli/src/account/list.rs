//! `opterius account list`.

use clap::Args;
use opterius_model::{DomainName, Username};

use crate::api::Account;
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// Only the account with this Linux user
    #[arg(long)]
    username: Option<Username>,
    /// Only the account with this primary domain
    #[arg(long)]
    domain: Option<DomainName>,
    /// Only accounts of this status
    #[arg(long, value_parser = ["provisioning", "active", "suspended", "terminated", "failed", "needs_attention"])]
    status: Option<String>,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let filters = [
        ("username", options.username.as_ref().map(Username::as_str)),
        ("domain", options.domain.as_ref().map(DomainName::as_str)),
        ("status", options.status.as_deref()),
    ];
    let mut query: Vec<(&str, &str)> = filters.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
    let filtered = !query.is_empty();
    query.push(("limit", "500"));
    let data = panel.list("/api/accounts", &query).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let accounts: Vec<Account> = read_all(&data)?;
    if accounts.is_empty() {
        output::line(if filtered { "No account is like that." } else { "There are no accounts. Make one with `opterius account create`." });
        return Ok(());
    }
    let number = accounts.len();
    let table = if options.status.as_deref() == Some("terminated") { terminated(accounts) } else { there(accounts) };
    output::line(table);
    output::blank();
    output::line(output::count(number, "account"));
    Ok(())
}

/// Accounts that are there.
fn there(accounts: Vec<Account>) -> Table {
    let mut table = Table::new(&[
        ("USERNAME", Align::Left),
        ("DOMAIN", Align::Left),
        ("STATUS", Align::Left),
        ("PACKAGE", Align::Left),
        ("SERVER", Align::Left),
        ("CREATED", Align::Left),
        ("ID", Align::Left),
    ]);
    for account in accounts {
        let (status, package) = (account.status_words(), account.package_name().to_owned());
        table.row([account.username, account.domain, status, package, account.server.name, output::moment(account.created_at), account.id]);
    }
    table
}

/// Accounts that are not, with what can still be done about it.
fn terminated(accounts: Vec<Account>) -> Table {
    let mut table = Table::new(&[
        ("USERNAME", Align::Left),
        ("DOMAIN", Align::Left),
        ("PACKAGE", Align::Left),
        ("SERVER", Align::Left),
        ("TERMINATED", Align::Left),
        ("RESTORABLE UNTIL", Align::Left),
        ("ID", Align::Left),
    ]);
    for account in accounts {
        let (package, until) =
            (account.package_name().to_owned(), account.restorable().map_or_else(|| "not any more".to_owned(), output::moment));
        table.row([
            account.username,
            account.domain,
            package,
            account.server.name,
            account.terminated_at.map(output::moment).unwrap_or_default(),
            until,
            account.id,
        ]);
    }
    table
}
