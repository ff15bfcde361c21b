//! `opterius account password`.

use clap::Args;
use serde_json::json;

use super::name::{self, Name};
use super::{change, plan};
use crate::failure::Failure;
use crate::new_password;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The account
    #[arg(value_name = name::FORMS, value_parser = Name::parse)]
    account: Name,
    #[command(flatten)]
    password: new_password::Source,
    /// Only say what it would change, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let password = options.password.take()?;
    let path = options.account.path(panel).await?;
    let order = Order::put(format!("{path}/password"), json!({ "password": password.expose() }));
    if options.plan {
        return plan::ask(&order, panel, format).await;
    }
    let done = change::make(&order, panel, format).await?;
    let after = done.after();
    let mut data = done.account(panel).await?;
    if format == Format::Json {
        data["password"] = json!(password.made());
        output::json(&data);
        return Ok(());
    }
    change::tell(&read(&data)?, &after);
    output::line("Its password is another one now, for Linux and for the Panel, and its open sessions have ended.");
    password.show();
    Ok(())
}
