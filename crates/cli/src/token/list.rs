//! `opterius token list`.

use crate::api::{Token, TokenCaller};
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read_all};

pub(crate) async fn run(panel: &Panel, format: Format) -> Result<(), Failure> {
    let data = panel.list("/api/tokens", &[]).await?;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let tokens: Vec<Token> = read_all(&data)?;
    if tokens.is_empty() {
        output::line("There are no tokens. Make one for WHMCS with `opterius token create --for whmcs`.");
        return Ok(());
    }
    let mut table =
        Table::new(&[("ID", Align::Left), ("NAME", Align::Left), ("ENDS", Align::Left), ("FROM", Align::Left), ("MAY", Align::Left)]);
    for token in &tokens {
        let addresses = token.addresses.as_deref().unwrap_or_default();
        table.row([
            token.id.clone(),
            token.name.clone(),
            token.expires_at.map_or_else(|| "never".to_owned(), output::moment),
            if addresses.is_empty() { "any address".to_owned() } else { addresses.join(", ") },
            token.scopes.join(", "),
        ]);
    }
    output::line(table);
    let used: Vec<(&str, &TokenCaller)> =
        tokens.iter().flat_map(|token| token.callers.iter().map(|caller| (token.name.as_str(), caller))).collect();
    if !used.is_empty() {
        output::blank();
        output::line(callers(used.iter().copied()));
    }
    if used.iter().any(|(_, caller)| !caller.allowed) {
        output::blank();
        output::line(
            "What waits may be a copy, and can change nothing. If it is none, `opterius token allow` with the token's name lets it.",
        );
    }
    Ok(())
}

/// Installations that use tokens, or want to.
pub(super) fn callers<'a>(callers: impl IntoIterator<Item = (&'a str, &'a TokenCaller)>) -> Table {
    let mut table = Table::new(&[
        ("TOKEN", Align::Left),
        ("INSTALLATION", Align::Left),
        ("DIRECTORY", Align::Left),
        ("IS", Align::Left),
        ("SINCE", Align::Left),
    ]);
    for (token, caller) in callers {
        table.row([
            token.to_owned(),
            caller.url.clone(),
            caller.directory.clone(),
            if caller.allowed { "allowed" } else { "waiting" }.to_owned(),
            output::moment(caller.since),
        ]);
    }
    table
}
