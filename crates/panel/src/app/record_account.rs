//! Changes what the Panel keeps with an account of the client that it is for. Its server is not asked: nothing on it depends on this.

use std::sync::Arc;

use jiff::civil::Date;
use opterius_model::RequestId;

use super::{AppError, Caller, Edit, EmailAddress, Reference, read};
use crate::core::Core;
use crate::store;
use crate::store::account::{self, Account, Client};
use crate::store::activity::{self, Entry};

/// What is to be changed.
#[derive(Debug)]
pub(crate) struct ClientChange {
    pub(crate) email: Edit<EmailAddress>,
    /// As it is stored.
    pub(crate) client_ref: Edit<String>,
    pub(crate) next_due_on: Edit<Date>,
}

/// The account, with what was changed of its client.
pub(crate) async fn record_account(
    core: &Arc<Core>,
    caller: &Caller,
    reference: &Reference,
    change: ClientChange,
    request: &RequestId,
) -> Result<Account, AppError> {
    let account = read::account(core, caller, reference).await?;
    let mut write = core.store.write().await?;
    // Read again: what is not changed must stay as it is by now.
    let Some(account) = account::by_id(&mut *write, &caller.owner, account.id).await? else {
        return Err(AppError::Broken("find an account that is there"));
    };
    let email = change.email.map(|email| email.to_string()).of(account.email.clone());
    let client = Client {
        client_ref: change.client_ref.of(account.client.client_ref.clone()),
        next_due_on: change.next_due_on.of(account.client.next_due_on),
    };
    let mut said = Vec::new();
    if email != account.email {
        said.push(format!("the e-mail address is {}", email.as_deref().unwrap_or("none")));
    }
    if client.client_ref != account.client.client_ref {
        said.push(format!("the client is {}", client.client_ref.as_deref().unwrap_or("none")));
    }
    if client.next_due_on != account.client.next_due_on {
        said.push(format!("the next due date is {}", client.next_due_on.map_or_else(|| "none".to_owned(), |day| day.to_string())));
    }
    if said.is_empty() {
        return Ok(account);
    }
    account::set_client(&mut write, account.id, email.as_deref(), &client).await?;
    let entry = Entry {
        at: core.now(),
        actor: &caller.actor(),
        from: caller.address,
        action: "account.record",
        account_id: Some(account.id),
        operation_id: None,
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("Of the account {} ({}): {}.", account.username, account.domain, said.join(", ")),
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    store::commit(write).await?;
    read::again(core, caller, account.id).await
}
