//! `opterius account restore`.

use clap::Args;
use opterius_model::{DomainName, Username};
use serde_json::json;

use super::name::{self, Name};
use super::{change, show};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Order, Panel};

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
    if let Some(account) = change::carry_out(&order, options.plan, panel, format).await? {
        output::blank();
        output::line(show::facts(&account));
    }
    Ok(())
}
