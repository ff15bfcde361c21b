//! `opterius token rotate`: another secret for the same token.

use clap::Args;
use serde_json::json;

use super::named;
use crate::api::Token;
use crate::failure::Failure;
use crate::output::{self, Facts, Format};
use crate::panel::{Panel, read};

#[derive(Args)]
pub(crate) struct Options {
    /// The token's id or its name
    #[arg(value_name = named::FORMS)]
    token: String,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let id = named::id(&options.token, panel).await?;
    let data = panel.post(&format!("/api/tokens/{id}/rotate"), &json!({})).await?.data;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let token: Token = read(&data)?;
    output::line(format!("The token {} ({}) has a new secret.", token.name, token.id));
    output::blank();
    output::line("In WHMCS, under System Settings → Servers, put it into the server's form:");
    output::blank();
    let mut form = Facts::new();
    form.add("Access Hash", token.access_hash.or(token.secret).unwrap_or_default());
    output::line(form);
    output::blank();
    output::line("The old one opens until the new one is used for the first time, and then no more.");
    output::line("The access hash is shown only now. Whoever has it can order accounts: treat it as a password.");
    Ok(())
}
