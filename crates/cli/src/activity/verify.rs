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
    wrong: Option<Wrong>,
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
    let Verdict { rows_checked, heads_checked, not_asked, wrong } = verdict;
    let (rows, heads) = (output::count(rows_checked, "row"), output::count(heads_checked, "head"));
    for one in &not_asked {
        output::line(format!("{} was not asked. {}", one.server, one.detail));
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
