//! `opterius account create`.

use clap::Args;
use opterius_model::{DomainName, PackageName, PhpChoice, Username};
use serde_json::json;

use super::change::{self, Done};
use super::{plan, show};
use crate::api::Account;
use crate::failure::Failure;
use crate::new_password;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, read, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// The account's Linux user
    #[arg(long)]
    username: Username,
    /// The account's primary domain
    #[arg(long)]
    domain: DomainName,
    /// The package's name
    #[arg(long)]
    package: PackageName,
    /// The customer's e-mail address
    #[arg(long)]
    email: Option<String>,
    /// `newest`, or a version of PHP that the server has [default: as the Panel's configuration says]
    #[arg(long, value_parser = PhpChoice::parse)]
    php: Option<PhpChoice>,
    /// Your own name for the account; ordering it again under the same name gives the same account
    #[arg(long = "ref", value_name = "REF")]
    external_ref: Option<String>,
    #[command(flatten)]
    password: new_password::Source,
    /// Only say what would be made, and what is in the way
    #[arg(long)]
    plan: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let password = options.password.take()?;
    let mut order = json!({
        "username": options.username,
        "domain": options.domain,
        "package": options.package,
        "password": password.expose(),
    });
    for (field, value) in [("email", &options.email), ("external_ref", &options.external_ref)] {
        if let Some(value) = value {
            order[field] = json!(value);
        }
    }
    if let Some(choice) = &options.php {
        order["php_version"] = json!(choice);
    }
    let order = Order::post("/api/accounts".to_owned(), order);
    if options.plan {
        return plan::ask(&order, panel, format).await;
    }
    let done = change::make(&order, panel, format).await?;
    let after = done.after();
    // Of an order that was carried out before, only the password is taken.
    let repeat = match &done {
        Done::Already(_) => true,
        Done::By(operation) => operation.kind != "create",
    };
    let mut data = done.account(panel).await?;
    if format == Format::Json {
        data["password"] = json!(password.made());
        output::json(&data);
        return Ok(());
    }
    let account: Account = read(&data)?;
    change::tell(&account, &after);
    if repeat {
        output::line("It was there from an earlier order, and its password is the one of this order now.");
    } else if let Some((id, until)) = previous(&account, panel).await {
        output::line(format!("The account that had its reference before is kept until {}: its id is {id}.", output::moment(until)));
    }
    output::blank();
    output::line(show::facts(&account));
    password.show();
    Ok(())
}

/// The last account that had this one's reference and was terminated, and until when it can be restored, if it can.
async fn previous(account: &Account, panel: &Panel) -> Option<(String, i64)> {
    let external_ref = account.external_ref.as_deref()?;
    // The new account is there whatever is found, or is not.
    let found = panel.list("/api/accounts", &[("external_ref", external_ref), ("status", "terminated")]).await.ok()?;
    let found: Vec<Account> = read_all(&found).ok()?;
    let last = found.into_iter().max_by_key(|old| old.terminated_at)?;
    last.restorable().map(|until| (last.id, until))
}
