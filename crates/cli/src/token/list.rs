//! `opterius token list`.

use crate::api::Token;
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
        output::line("There are no tokens. Make one for WHMCS with `opterius token create --purpose whmcs`.");
        return Ok(());
    }
    let mut table =
        Table::new(&[("ID", Align::Left), ("NAME", Align::Left), ("ENDS", Align::Left), ("FROM", Align::Left), ("MAY", Align::Left)]);
    for token in tokens {
        let from = token
            .addresses
            .filter(|addresses| !addresses.is_empty())
            .map_or_else(|| "any address".to_owned(), |addresses| addresses.join(", "));
        table.row([
            token.id,
            token.name,
            token.expires_at.map_or_else(|| "never".to_owned(), output::moment),
            from,
            token.scopes.join(", "),
        ]);
    }
    output::line(table);
    Ok(())
}
