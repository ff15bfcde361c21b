//! `opterius account php`.

use clap::Args;
use opterius_model::PhpChoice;
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
    /// `newest`, or a version that its server has, such as `8.4`; `opterius server list` shows them
    #[arg(value_name = "PHP", value_parser = PhpChoice::parse)]
    php: PhpChoice,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = options.account.path(panel).await?;
    let order = Order::put(format!("{path}/php"), json!({ "php_version": options.php }));
    if let Some(account) = change::carry_out(&order, options.plan, panel, format).await? {
        let choice = account.php_version.unwrap_or_else(|| options.php.to_string());
        output::line(match choice.as_str() {
            "newest" => "It runs the newest PHP that its server has.".to_owned(),
            version => format!("It runs PHP {version}."),
        });
    }
    Ok(())
}
