//! `opterius account repair`.

use clap::Args;
use serde_json::json;

use super::change;
use super::name::{self, Name};
use crate::failure::Failure;
use crate::output::Format;
use crate::panel::{Order, Panel};

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
    change::carry_out(&order, options.plan, panel, format).await.map(drop)
}
