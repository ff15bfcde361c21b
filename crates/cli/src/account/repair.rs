//! `opterius account repair`.

use clap::Args;
use serde_json::json;

use super::name::{self, Name};
use super::{change, plan};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = options.account.path(panel).await?;
    let order = Order::post(format!("{path}/repair"), json!({}));
    if options.plan {
        return plan::ask(&order, panel, format).await;
    }
    let done = change::make(&order, panel, format).await?;
    let after = done.after();
    let data = done.account(panel).await?;
    match format {
        Format::Json => output::json(&data),
        Format::Human => change::tell(&read(&data)?, &after),
    }
    Ok(())
}
