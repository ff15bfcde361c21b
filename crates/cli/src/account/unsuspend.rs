//! `opterius account unsuspend`.

use clap::Args;
use opterius_model::Hold;
use serde_json::json;

use super::change;
use super::name::{self, Name};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Order, Panel};

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
    /// The hold to lift, `billing` or `abuse`; another one goes on holding the account [default: abuse]
    #[arg(long)]
    hold: Option<Hold>,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = options.account.path(panel).await?;
    let body = options.hold.map_or_else(|| json!({}), |hold| json!({ "hold": hold }));
    let order = Order::post(format!("{path}/unsuspend"), body);
    let account = change::carry_out(&order, options.plan, panel, format).await?;
    if let Some(other) = account.as_ref().and_then(|account| account.holds.first()) {
        output::line(format!("It stays suspended by what holds it still; `--hold {}` lifts that.", other.kind));
    }
    Ok(())
}
