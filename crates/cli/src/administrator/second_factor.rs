//! `opterius administrator remove-second-factor`.

use clap::Args;
use serde_json::json;

use super::password::checked;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::Panel;

#[derive(Args)]
pub(crate) struct Options {
    /// Who
    name: String,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let name = checked(&options.name)?;
    panel.delete(&format!("/api/administrators/{name}/second-factor")).await?;
    if format == Format::Json {
        output::json(&json!({ "username": name }));
        return Ok(());
    }
    output::line(format!("{name} signs in with the password alone now, and every session of theirs has ended."));
    Ok(())
}
