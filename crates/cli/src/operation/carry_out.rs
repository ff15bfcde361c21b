//! An operation to its end, for whoever asked for it.

use super::{follow, journal, words};
use crate::api::Operation;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::Panel;

/// Waits until an operation that was begun is committed and returns it then; one that is not is the failure. A person is told what it does and
/// sees each step as it ends.
pub(crate) async fn carry_out(begun: &Operation, panel: &Panel, format: Format) -> Result<Operation, Failure> {
    let human = format == Format::Human;
    if human {
        output::line(heading(begun));
    }
    let operation = follow(&begun.id, human, panel).await?;
    if operation.outcome == "committed" { Ok(operation) } else { Err(not_done(operation)) }
}

/// What an operation does, and to which account.
pub(super) fn heading(operation: &Operation) -> String {
    let mut text = words::doing(&operation.kind).to_owned();
    for (joint, name) in [(" ", &operation.username), (" for ", &operation.domain)] {
        if let Some(name) = name {
            text.push_str(joint);
            text.push_str(name);
        }
    }
    text
}

/// An operation that did not commit, as a failure.
pub(super) fn not_done(operation: Operation) -> Failure {
    let attention = operation.outcome == "needs_attention";
    let failure = operation
        .error
        .clone()
        .unwrap_or_else(|| Failure::new(format!("{}: its operation is {}", words::not_done(&operation.kind), operation.outcome_words())));
    let hint = failure.hint.clone().unwrap_or_else(|| {
        let log = journal(&operation).map_or_else(String::new, |command| format!(", or `{command}`"));
        let ways = if attention { format!("; {}", words::ways_out(&operation.id)) } else { String::new() };
        format!("see `opterius operation show {}`{log}{ways}", operation.id)
    });
    Failure { request_id: failure.request_id.clone().or(operation.request_id), operation_id: Some(operation.id), ..failure }.hint(hint)
}
