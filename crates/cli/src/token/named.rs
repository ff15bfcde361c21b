//! The ways to name a token.

use opterius_model::TokenId;

use crate::api::Token;
use crate::failure::Failure;
use crate::panel::{Panel, read_all};

/// The forms in which a token is named, as they stand in a command's usage.
pub(super) const FORMS: &str = "ID|NAME";

/// The id of the one token that is meant.
pub(super) async fn id(text: &str, panel: &Panel) -> Result<TokenId, Failure> {
    if let Ok(id) = TokenId::parse(text) {
        return Ok(id);
    }
    let token = token(text, panel).await?;
    TokenId::parse(&token.id).map_err(|error| Failure::because("the Panel's answer was not understood", &error))
}

/// The one token that is meant, without its secret.
pub(super) async fn token(text: &str, panel: &Panel) -> Result<Token, Failure> {
    pick(text, read_all(&panel.list("/api/tokens", &[]).await?)?)
}

/// The one of `tokens` that is meant, by its id or its name.
pub(crate) fn pick(text: &str, tokens: Vec<Token>) -> Result<Token, Failure> {
    let mut meant: Vec<Token> = tokens.into_iter().filter(|token| token.id == text || token.name == text).collect();
    match meant.pop() {
        Some(token) if meant.is_empty() => Ok(token),
        None => Err(Failure::new(format!("there is no token `{text}`")).hint("`opterius token list` shows them")),
        Some(last) => {
            let ids: Vec<&str> = meant.iter().chain([&last]).map(|token| token.id.as_str()).collect();
            Err(Failure::new(format!("{} tokens are called `{text}`", ids.len())).hint(format!("name one by its id: {}", ids.join(", "))))
        }
    }
}
