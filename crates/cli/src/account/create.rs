//! `opterius account create`.

use clap::Args;
use opterius_model::{DomainName, PackageName, Password, Username};
use reqwest::StatusCode;
use serde_json::json;

use super::show;
use crate::api::{Account, Operation};
use crate::failure::Failure;
use crate::operation;
use crate::output::{self, Format};
use crate::panel::{Panel, read};
use crate::secret;

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
    /// Your own name for the account; ordering it again under the same name gives the same account
    #[arg(long = "ref", value_name = "REF")]
    external_ref: Option<String>,
    /// Read the password from standard input; without this one is made and shown once
    // There is no option that takes the password itself: arguments are seen by every user of the machine.
    #[arg(long)]
    password_stdin: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let human = format == Format::Human;
    let generated = (!options.password_stdin).then(secret::password);
    let password = match &generated {
        Some(password) => password.clone(),
        None => typed()?.expose().to_owned(),
    };
    let mut order = json!({
        "username": options.username,
        "domain": options.domain,
        "package": options.package,
        "password": password,
    });
    for (field, value) in [("email", &options.email), ("external_ref", &options.external_ref)] {
        if let Some(value) = value {
            order[field] = json!(value);
        }
    }
    let reply = panel.post("/api/accounts", &order).await?;
    let mut repeat = reply.status == StatusCode::OK;
    let (operation_id, account_id) = if reply.status == StatusCode::ACCEPTED {
        let operation: Operation = read(&reply.data)?;
        // Of an order that was carried out before, only the password is taken.
        repeat = operation.kind != "create";
        (Some(operation.id), operation.account_id)
    } else {
        let account: Account = read(&reply.data)?;
        (account.operation.map(|operation| operation.id).filter(|_| !repeat), Some(account.id))
    };

    let mut took = None;
    if let Some(id) = operation_id {
        if human {
            let doing = if repeat { "Setting the password of" } else { "Creating" };
            output::line(format!("{doing} the account {} for {}", options.username, options.domain));
        }
        let operation = operation::follow(&id, human, panel).await?;
        took = operation.finished_at.and_then(|at| u64::try_from(at - operation.started_at).ok());
        refuse_failed(operation)?;
    }
    let account_id = account_id.ok_or_else(|| Failure::new("the Panel did not say which account it created"))?;
    let mut data = panel.get(&format!("/api/accounts/{account_id}")).await?;
    if !human {
        data["password"] = json!(generated);
        output::json(&data);
        return Ok(());
    }
    let account: Account = read(&data)?;
    let after = took.map(|micros| format!(" after {}", output::duration(micros))).unwrap_or_default();
    output::line(format!("The account {} is {}{after}.", account.username, account.status.replace('_', " ")));
    if repeat {
        output::line("It was there from an earlier order, and its password is the one of this order now.");
    }
    output::blank();
    output::line(show::facts(&account));
    if let Some(password) = generated {
        output::blank();
        output::line(format!("Password: {password}   (shown only now)"));
    }
    Ok(())
}

/// The first line of standard input.
fn typed() -> Result<Password, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::because("could not read the password from standard input", &error))?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    Password::parse(line).map_err(|error| Failure::new(error.to_string()))
}

/// An operation that did not commit, as a failure.
fn refuse_failed(operation: Operation) -> Result<(), Failure> {
    if operation.outcome == "committed" {
        return Ok(());
    }
    let command = operation::journal(&operation);
    let request_id = operation.request_id;
    let show = format!("see `opterius operation show {}`", operation.id);
    let failure = operation
        .error
        .unwrap_or_else(|| Failure::new(format!("the account was not created: its operation is {}", operation.outcome.replace('_', " "))));
    let hint = match (&failure.hint, command) {
        (Some(hint), _) => hint.clone(),
        (None, Some(command)) => format!("{show}, or `{command}`"),
        (None, None) => show,
    };
    Err(Failure { request_id: failure.request_id.clone().or(request_id), operation_id: Some(operation.id), ..failure }.hint(hint))
}
