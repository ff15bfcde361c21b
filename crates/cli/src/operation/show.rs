//! `opterius operation show`.

use clap::Args;
use opterius_model::OperationId;

use super::{steps, words};
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
        output::line(failure.text("What failed", "What to do", str::to_owned));
    }
    output::blank();
    output::line(words::meaning(&operation));
    if operation.outcome == "needs_attention" {
        output::line(format!("When its cause is mended, {}.", words::ways_out(&operation.id)));
    }
    if let Some(command) = journal(&operation) {
        output::line(format!("The Agent's log of it: {command}"));
    }
    Ok(())
}

fn facts(operation: &Operation) -> Facts {
    let took = operation.took().map(|micros| format!(", took {}", output::duration(micros)));
    let mut facts = Facts::new();
    facts
        .add("Operation", &operation.id)
        .add("Kind", &operation.kind)
        .add("Outcome", operation.outcome_words())
        .add_some("Username", operation.username.as_ref())
        .add_some("Domain", operation.domain.as_ref())
        .add_some("Account", operation.account_id.as_ref())
        .add_some("Reference", operation.external_ref.as_ref())
        .add("Started", format!("{}{}", output::moment(operation.started_at), took.unwrap_or_default()))
        .add_some("Request", operation.request_id.as_ref());
    for left in &operation.left {
        facts.add("Left", left);
    }
    facts
}

/// The command that shows what the Agent logged of the operation.
pub(crate) fn journal(operation: &Operation) -> Option<String> {
    operation.request_id.as_ref().map(|id| format!("journalctl -u opterius-agent REQUEST_ID={id}"))
}
