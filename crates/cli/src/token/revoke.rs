//! `opterius token revoke`.

use clap::Args;
use opterius_model::TokenId;
use serde_json::json;

use crate::api::Token;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Panel, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// The token's id or its name
    #[arg(value_name = "ID|NAME")]
    token: String,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let id = find(&options.token, panel).await?;
    panel.delete(&format!("/api/tokens/{id}")).await?;
    match format {
        Format::Json => output::json(&json!({ "id": id.to_string(), "revoked": true })),
        Format::Human => output::line(format!("Revoked the token {}. What still uses it is refused from now on.", options.token)),
    }
    Ok(())
}

/// The id of the one token that is meant.
async fn find(token: &str, panel: &Panel) -> Result<TokenId, Failure> {
    if let Ok(id) = TokenId::parse(token) {
        return Ok(id);
    }
    let tokens: Vec<Token> = read_all(&panel.list("/api/tokens", &[]).await?)?;
    let ids: Vec<&str> = tokens.iter().filter(|known| known.name == token).map(|known| known.id.as_str()).collect();
    match ids[..] {
        [id] => TokenId::parse(id).map_err(|error| Failure::because("the Panel's answer was not understood", &error)),
        [] => Err(Failure::new(format!("there is no token `{token}`")).hint("`opterius token list` shows them")),
        _ => {
            Err(Failure::new(format!("{} tokens are called `{token}`", ids.len())).hint(format!("name one by its id: {}", ids.join(", "))))
        }
    }
}
