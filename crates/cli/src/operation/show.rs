//! `opterius operation show`.

use clap::Args;
use opterius_model::OperationId;

use super::steps;
use crate::api::Operation;
use crate::failure::Failure;
use crate::output::{self, Facts, Format};
use crate::panel::{Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The operation's id, as errors, lists and logs name it
    id: OperationId,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = panel.get(&format!("/api/operations/{}", options.id)).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let operation: Operation = read(&data)?;
    output::line(facts(&operation));
    if !operation.steps.is_empty() {
        output::blank();
        output::line(steps::table(&operation));
    }
    if let Some(failure) = &operation.error {
        output::blank();
        output::line(failure.text("What failed", "What to do"));
    }
    output::blank();
    output::line(meaning(&operation));
    if let Some(command) = journal(&operation) {
        output::line(format!("The Agent's log of it: {command}"));
    }
    Ok(())
}

fn facts(operation: &Operation) -> Facts {
    let took = operation
        .finished_at
        .and_then(|at| u64::try_from(at - operation.started_at).ok())
        .map(|micros| format!(", took {}", output::duration(micros)));
    let mut facts = Facts::new();
    facts
        .add("Operation", &operation.id)
        .add("Kind", &operation.kind)
        .add("Outcome", operation.outcome.replace('_', " "))
        .add_some("Username", operation.username.as_ref())
        .add_some("Domain", operation.domain.as_ref())
        .add_some("Account", operation.account_id.as_ref())
        .add_some("Reference", operation.external_ref.as_ref())
        .add("Started", format!("{}{}", output::moment(operation.started_at), took.unwrap_or_default()))
        .add_some("Request", operation.request_id.as_ref());
    facts
}

/// What the outcome means for the account.
fn meaning(operation: &Operation) -> &'static str {
    match operation.outcome.as_str() {
        "committed" => "It is done, and the account was seen to answer.",
        "rolled_back" => "Everything was undone: nothing of it is left on the server, and it can be ordered again.",
        "not_sent" => "Nothing was sent to the server, so nothing was changed; it can be ordered again.",
        "running" => "It is not decided yet.",
        "needs_attention" => "It could neither be finished nor be undone. The Agent goes on trying; a person should look.",
        _ => "This version of the command does not know this outcome.",
    }
}

/// The command that shows what the Agent logged of the operation.
pub(crate) fn journal(operation: &Operation) -> Option<String> {
    operation.request_id.as_ref().map(|id| format!("journalctl -u opterius-agent REQUEST_ID={id}"))
}
