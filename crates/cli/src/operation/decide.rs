//! What a person decides of an operation that needs attention.

use opterius_model::OperationId;
use serde_json::json;

use super::carry_out::{heading, not_done};
use super::{follow, words};
use crate::api::Operation;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Panel, read};

/// Asks the Panel to `retry` or `abandon` an operation, and says what became of it. One that needs attention still is a failure.
pub(super) async fn decide(id: OperationId, verb: &str, panel: &Panel, format: Format) -> Result<(), Failure> {
    let path = format!("/api/operations/{id}");
    // Without asking for an answer at once: until the Agent has tried, the operation stands as it stood.
    let mut data = panel.post(&format!("{path}/{verb}"), &json!({})).await?.data;
    let mut operation: Operation = read(&data)?;
    if operation.outcome == "running" {
        if format == Format::Human {
            output::line(heading(&operation));
        }
        operation = follow(&operation.id, format == Format::Human, panel).await?;
        data = panel.get(&path).await?;
    }
    if operation.outcome == "needs_attention" {
        return Err(not_done(operation));
    }
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    output::line(format!("The operation {id} ({}) is {}.", operation.kind, operation.outcome_words()));
    output::line(words::meaning(&operation));
    for left in &operation.left {
        output::line(format!("Left: {left}"));
    }
    Ok(())
}
