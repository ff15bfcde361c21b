//! `opterius resync`: what Panel and Agent know of each account, compared.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// Have the Panel take over what only the Agent knows, or knows better; nothing on the server is changed
    #[arg(long)]
    adopt: bool,
}

/// What the comparison found.
#[derive(Debug, Deserialize)]
struct Report {
    /// How many accounts are the same on both sides.
    #[serde(default)]
    same: usize,
    #[serde(default)]
    only_agent: Vec<Entry>,
    #[serde(default)]
    newer_on_agent: Vec<Entry>,
    #[serde(default)]
    only_panel: Vec<Entry>,
    #[serde(default)]
    newer_on_panel: Vec<Entry>,
    #[serde(default)]
    different: Vec<Entry>,
    #[serde(default)]
    busy: Vec<Entry>,
    #[serde(default)]
    unclear: Vec<Entry>,
    /// What the Panel took over; only where it was asked to.
    #[serde(default)]
    adopted: Vec<Entry>,
}

/// One account of a kind.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(alias = "id")]
    account_id: String,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    panel_generation: Option<u64>,
    #[serde(default)]
    agent_generation: Option<u64>,
    #[serde(default)]
    detail: Option<String>,
}

const ADOPT: &str = "`opterius resync --adopt` has the Panel take them over.";
const PLAN: &str = "For each, `opterius account plan` shows what is not as the Panel knows it, and `opterius account repair` makes it so.";

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = if options.adopt { panel.post("/api/resync", &json!({})).await?.data } else { panel.get("/api/resync").await? };
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let report: Report = read(&data)?;
    for (kind, meaning, next, entries) in [
        ("adopted", "The Panel took over", "", &report.adopted),
        ("only_agent", "Only the Agent knows", ADOPT, &report.only_agent),
        ("newer_on_agent", "The Agent knows a later state of", ADOPT, &report.newer_on_agent),
        ("only_panel", "Only the Panel knows", PLAN, &report.only_panel),
        ("newer_on_panel", "The Panel knows a later state of", PLAN, &report.newer_on_panel),
        ("different", "Panel and Agent know the same state differently of", PLAN, &report.different),
        (
            "unclear",
            "The Agent does not say the state of",
            "`opterius doctor` on the server names the file that cannot be read.",
            &report.unclear,
        ),
        ("busy", "Not compared, since an operation goes on:", "Run it again later.", &report.busy),
    ] {
        if !entries.is_empty() {
            output::line(format!("{meaning} {} ({kind}). {next}", output::count(entries.len(), "account")).trim_end());
            output::blank();
            output::line(table(entries));
            output::blank();
        }
    }
    let same = output::count(report.same, "account");
    output::line(format!("{same} {} the same on both sides.", if report.same == 1 { "is" } else { "are" }));
    Ok(())
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&[
        ("USERNAME", Align::Left),
        ("DOMAIN", Align::Left),
        ("PANEL", Align::Right),
        ("AGENT", Align::Right),
        ("ID", Align::Left),
        ("DETAIL", Align::Left),
    ]);
    let generation = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
    for entry in entries {
        table.row([
            entry.username.clone().unwrap_or_default(),
            entry.domain.clone().unwrap_or_default(),
            generation(entry.panel_generation),
            generation(entry.agent_generation),
            entry.account_id.clone(),
            entry.detail.clone().unwrap_or_default(),
        ]);
    }
    table
}
