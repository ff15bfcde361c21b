//! `opterius settings show`.

use serde_json::Value;

use crate::api::Settings;
use crate::failure::Failure;
use crate::output::{self, Facts, Format};
use crate::panel::{Panel, read};

pub(super) async fn run(panel: &Panel, format: Format) -> Result<(), Failure> {
    show(&panel.get("/api/settings").await?, format)
}

/// Shows the settings as the API told them.
pub(super) fn show(data: &Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        output::json(data);
        return Ok(());
    }
    let settings: Settings = read(data)?;
    let kept = match settings.terminated_kept_days {
        0 => "0: a terminated account cannot be restored".to_owned(),
        days => format!("{days}: so long can a terminated account be restored"),
    };
    let mut facts = Facts::new();
    facts.add("kept-days", kept);
    if let Some(zone) = settings.time_zone {
        facts.add("time-zone", zone);
    }
    if let Some(days) = settings.activity_days {
        facts.add("activity-days", format!("{days} (days that the Activity is kept)"));
    }
    if let Some(rows) = settings.activity_rows {
        facts.add("activity-rows", format!("{rows} (most rows of the Activity)"));
    }
    output::line(facts);
    Ok(())
}
