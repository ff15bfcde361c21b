//! `opterius account suspend`.

use clap::Args;
use opterius_model::Hold;
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
    /// Why; it is kept with the account and shown to staff
    #[arg(long)]
    reason: String,
    /// Who holds it, `billing` or `abuse`; only a lifting of the same hold ends it [default: abuse]
    #[arg(long)]
    hold: Option<Hold>,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = options.account.path(panel).await?;
    let mut body = json!({ "reason": options.reason });
    if let Some(hold) = options.hold {
        body["hold"] = json!(hold);
    }
    let order = Order::post(format!("{path}/suspend"), body);
    change::carry_out(&order, options.plan, panel, format).await.map(drop)
}
