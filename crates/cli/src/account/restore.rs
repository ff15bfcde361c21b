//! `opterius account restore`.

use clap::Args;
use opterius_model::{DomainName, Username};
use serde_json::json;

use super::name::{self, Name};
use super::{change, plan, show};
use crate::api::Account;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The terminated account; of several that had this name, the last one is meant
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
    /// Bring it back with another Linux user, if its own was taken since
    #[arg(long)]
    username: Option<Username>,
    /// Bring it back with another primary domain, if its own was taken since
    #[arg(long)]
    domain: Option<DomainName>,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = options.account.path_of_terminated(panel).await?;
    let mut body = json!({});
    if let Some(username) = &options.username {
        body["username"] = json!(username);
    }
    if let Some(domain) = &options.domain {
        body["domain"] = json!(domain);
    }
    let order = Order::post(format!("{path}/restore"), body);
    if options.plan {
        return plan::ask(&order, panel, format).await;
    }
    let done = change::make(&order, panel, format).await?;
    let after = done.after();
    let data = done.account(panel).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let account: Account = read(&data)?;
    change::tell(&account, &after);
    output::blank();
    output::line(show::facts(&account));
    Ok(())
}
