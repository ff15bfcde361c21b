//! `opterius token revoke`.

use clap::Args;
use serde_json::json;

use super::named;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::Panel;

#[derive(Args)]
pub(crate) struct Options {
    /// The token's id or its name
    #[arg(value_name = named::FORMS)]
    token: String,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let id = named::id(&options.token, panel).await?;
    panel.delete(&format!("/api/tokens/{id}")).await?;
    match format {
        Format::Json => output::json(&json!({ "id": id.to_string(), "revoked": true })),
        Format::Human => output::line(format!("Revoked the token {}. What still uses it is refused from now on.", options.token)),
    }
    Ok(())
}
