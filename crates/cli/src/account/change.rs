//! How every change of an account is asked for, followed and told.

use reqwest::StatusCode;
use serde_json::Value;

use super::plan;
use crate::api::{Account, Operation};
use crate::failure::Failure;
use crate::operation;
use crate::output::{self, Format};
use crate::panel::{Order, Panel, Reply, read};

/// What came of an order.
pub(super) enum Done {
    /// It was so already, and nothing was begun: what the Panel answered.
    Already(Value),
    /// By an operation, which is committed.
    By(Box<Operation>),
}

impl Done {
    /// The account as it is now, as the API shows it.
    pub(super) async fn account(self, panel: &Panel) -> Result<Value, Failure> {
        match self {
            Self::Already(answer) => Ok(answer),
            Self::By(operation) => {
                let id = operation.account_id.ok_or_else(|| Failure::new("the Panel did not say which account it changed"))?;
                panel.get(&format!("/api/accounts/{id}")).await
            }
        }
    }

    /// How long it took, to stand behind a sentence: ` after 300 ms`, or nothing.
    pub(super) fn after(&self) -> String {
        let took = match self {
            Self::Already(_) => None,
            Self::By(operation) => operation.took(),
        };
        took.map_or_else(String::new, |micros| format!(" after {}", output::duration(micros)))
    }
}

/// Makes a change, or only says what it would change, and tells how the account stands then. What a command has to say beside that to a person
/// it says of the account that is returned; nothing is, if there is nothing to add.
pub(super) async fn carry_out(order: &Order, only_plan: bool, panel: &Panel, format: Format) -> Result<Option<Account>, Failure> {
    if only_plan {
        plan::ask(order, panel, format).await?;
        return Ok(None);
    }
    let done = make(order, panel, format).await?;
    let after = done.after();
    let data = done.account(panel).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(None);
    }
    let account: Account = read(&data)?;
    tell(&account, &after);
    Ok(Some(account))
}

/// Sends an order and waits until it is done, showing a person each step as it ends.
pub(super) async fn make(order: &Order, panel: &Panel, format: Format) -> Result<Done, Failure> {
    let reply = send(order, panel, format).await?;
    let begun: Operation = match reply.status {
        StatusCode::ACCEPTED => read(&reply.data)?,
        // Done at once; its steps are shown all the same.
        StatusCode::CREATED => match read::<Account>(&reply.data)?.operation {
            Some(operation) => read(&panel.get(&format!("/api/operations/{}", operation.id)).await?)?,
            None => return Ok(Done::Already(reply.data)),
        },
        _ => return Ok(Done::Already(reply.data)),
    };
    Ok(Done::By(Box::new(operation::carry_out(&begun, panel, format).await?)))
}

/// Sends an order, behind what the account is subject to now.
async fn send(order: &Order, panel: &Panel, format: Format) -> Result<Reply, Failure> {
    let mut waited_for = None;
    loop {
        match panel.order(order).await {
            Err(Failure { code, operation_id: Some(busy), .. }) if *code == *"operation_running" && waited_for.as_ref() != Some(&busy) => {
                if format == Format::Human {
                    output::line(format!("The account is busy with the operation {busy}; waiting for its end."));
                }
                operation::follow(&busy, false, panel).await?;
                waited_for = Some(busy);
            }
            answer => return answer,
        }
    }
}

/// How the account stands, in a sentence, and who holds it if anybody does.
pub(super) fn tell(account: &Account, after: &str) {
    output::line(format!("The account {} is {}{after}.", account.username, account.status_words()));
    for hold in &account.holds {
        output::line(format!("  held for {}", super::show::hold(hold)));
    }
}
