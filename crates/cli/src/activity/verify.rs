//! `opterius activity verify`: the chain of the Activity, and what the servers were told of it.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Panel, read};

/// What the check found.
#[derive(Debug, Deserialize)]
struct Verdict {
    rows_checked: usize,
    heads_checked: usize,
    #[serde(default)]
    not_asked: Vec<NotAsked>,
    /// A Panel of an earlier version removes nothing.
    removed: Option<Removed>,
    key: Option<String>,
    wrong: Option<Wrong>,
}

/// What was removed from the beginning.
#[derive(Debug, Deserialize)]
struct Removed {
    last_row: u64,
    hash: String,
    heads_not_compared: usize,
}

/// A server whose heads could not be compared.
#[derive(Debug, Deserialize)]
struct NotAsked {
    server: String,
    detail: String,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
struct Wrong {
    kind: String,
    row: u64,
    detail: String,
    hint: String,
}

pub(crate) async fn run(panel: &Panel, format: Format) -> Result<ExitCode, Failure> {
    let data = panel.post("/api/activity/verify", &json!({})).await?.data;
    let verdict: Verdict = read(&data)?;
    let code = if verdict.wrong.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if format == Format::Json {
        output::json(&data);
        return Ok(code);
    }
    let Verdict { rows_checked, heads_checked, not_asked, removed, key, wrong } = verdict;
    let (rows, heads) = (output::count(rows_checked, "row"), output::count(heads_checked, "head"));
    for one in &not_asked {
        output::line(format!("{} was not asked. {}", one.server, one.detail));
    }
    if let Some(Removed { last_row, hash, heads_not_compared }) = &removed {
        let heads = output::count(*heads_not_compared, "head");
        output::line(format!("The rows up to {last_row} were removed, as the settings say; the hash of the last one was {hash}."));
        output::line(format!(
            "They can no longer be verified here, and neither can {heads} that the servers have of them. An export or a backup can be."
        ));
    }
    if let Some(key) = &key {
        output::line(format!("This Panel signs removals with the key {key}."));
    }
    match &wrong {
        None => {
            output::line(format!("The Activity is whole: {rows} checked, and {heads} that the servers have."));
            if heads_checked == 0 {
                output::line("No server has one yet, so only the chain itself was checked.");
            }
        }
        Some(wrong) => {
            output::line(format!("The Activity is not what was written: row {} ({}).", wrong.row, wrong.kind));
            output::blank();
            output::line(&wrong.detail);
            output::line(&wrong.hint);
            output::blank();
            output::line(format!("Checked up to there: {rows}, and {heads} that the servers have."));
        }
    }
    Ok(code)
}
