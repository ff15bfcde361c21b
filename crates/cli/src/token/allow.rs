//! `opterius token allow`: which installation of the billing system may use a token.

use clap::Args;
use serde_json::json;

use super::{list, named};
use crate::api::{Token, TokenCaller};
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::panel::{Panel, read_all};

#[derive(Args)]
pub(crate) struct Options {
    /// The token's id or its name
    #[arg(value_name = named::FORMS)]
    token: String,
    /// The installation's address on the web, as it says itself [default: that of the one that waits]
    #[arg(long, requires = "directory")]
    url: Option<String>,
    /// The directory that the installation is in, as it says itself [default: that of the one that waits]
    #[arg(long, requires = "url", value_name = "DIR")]
    directory: Option<String>,
    /// Let no other installation change anything any more, as when the billing system has moved
    #[arg(long)]
    only: bool,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let token = named::token(&options.token, panel).await?;
    let (url, directory) = if let (Some(url), Some(directory)) = (&options.url, &options.directory) {
        (url, directory)
    } else {
        let waiting = the_one_that_waits(&token)?;
        (&waiting.url, &waiting.directory)
    };
    let order = json!({ "url": url, "directory": directory, "only": options.only });
    let data = panel.post(&format!("/api/tokens/{}/callers", token.id), &order).await?.data;
    if format == Format::Json {
        output::json(&data);
        return Ok(());
    }
    let callers: Vec<TokenCaller> = read_all(data.as_array().map_or(&[], Vec::as_slice))?;
    let rest = if options.only { ", and no other installation" } else { "" };
    output::line(format!("{url} in {directory} may use the token {}{rest}.", token.name));
    output::blank();
    output::line(list::callers(callers.iter().map(|caller| (token.name.as_str(), caller))));
    Ok(())
}

/// The installation that is meant if none is named.
fn the_one_that_waits(token: &Token) -> Result<&TokenCaller, Failure> {
    let waiting: Vec<&TokenCaller> = token.callers.iter().filter(|caller| !caller.allowed).collect();
    if let [one] = waiting[..] {
        return Ok(one);
    }
    let (what, listed): (String, Vec<&TokenCaller>) = if waiting.is_empty() {
        let known = if token.callers.is_empty() { "none has used it yet" } else { "those that use it are allowed" };
        (format!("no installation waits to use the token {}: {known}", token.name), token.callers.iter().collect())
    } else {
        (format!("{} installations wait to use the token {}", waiting.len(), token.name), waiting)
    };
    let lines: Vec<String> =
        std::iter::once(what).chain(listed.iter().map(|caller| format!("  {} in {}", caller.url, caller.directory))).collect();
    Err(Failure::new(lines.join("\n")).hint(format!(
        "an installation waits once it has tried to change something; name one with `opterius token allow {} --url URL --directory DIR`",
        token.id
    )))
}
