//! Which installation of a billing system calls. A copy of one, made to try something out, has the same database and so the same token: it must
//! not change what the customers of the original have.

use std::sync::Arc;

use opterius_model::{RequestId, TokenId};

use super::order::shown;
use super::{AppError, Caller, Code, Confirmed, Refusal, record};
use crate::core::Core;
use crate::store::token_caller::TokenCaller;
use crate::store::{self, token, token_caller};

/// Installations that are remembered of one token. A copy is one or two; whoever makes up more is refused without a row for each.
const REMEMBERED: usize = 50;

/// Where an installation says it is: its address on the web, and its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallsFrom {
    url: String,
    directory: String,
}

impl CallsFrom {
    /// Reads the header `Opterius-Caller`: `url` and `directory`, written as a form is.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(crate) fn from_header(text: &str) -> Result<Self, String> {
        let mut fields: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        fields.sort();
        match fields.as_slice() {
            [(directory_, directory), (url_, url)] if directory_ == "directory" && url_ == "url" => Self::new(url, directory),
            _ => Err("`Opterius-Caller` must be `url=…&directory=…`, each once and percent-encoded".to_owned()),
        }
    }

    /// From its two parts. Two ways to write the same address are one.
    ///
    /// # Errors
    /// What is wrong with them, in a sentence.
    pub(crate) fn new(url: &str, directory: &str) -> Result<Self, String> {
        let parts = url.split_once("://").filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
        let printable = |text: &str| text.chars().count() <= 300 && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        let Some((scheme, rest)) = parts.filter(|(_, rest)| !rest.is_empty() && !rest.starts_with('/') && printable(rest)) else {
            return Err(format!("`{}` is not the address of an installation: use one such as `https://billing.example.com`", shown(url)));
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let scheme = scheme.to_ascii_lowercase();
        // The port that is meant where none is said.
        let host = host.strip_suffix(if scheme == "https" { ":443" } else { ":80" }).unwrap_or(host);
        if host.is_empty() || host.starts_with(':') || host.contains(['@', '?', '#', '\\']) || path.contains(['?', '#']) {
            return Err(format!("`{}` is not the address of an installation: use one such as `https://billing.example.com`", shown(url)));
        }
        let url = format!("{scheme}://{}/{path}", host.to_ascii_lowercase());
        let kept = directory.trim_end_matches('/');
        let is_whole = directory.starts_with(['/', '\\']) || directory.get(1..3).is_some_and(|drive| drive == ":\\" || drive == ":/");
        if !is_whole || directory.chars().count() > 300 || directory.chars().any(char::is_control) {
            return Err(format!("`{}` is not the directory of an installation: use one such as `/var/www/whmcs`", shown(directory)));
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), directory: if kept.is_empty() { "/" } else { kept }.to_owned() })
    }

    fn is(&self, row: &TokenCaller) -> bool {
        self.url == row.url && self.directory == row.directory
    }

    fn row(self, token: TokenId, allowed: bool, core: &Core) -> TokenCaller {
        TokenCaller { token_id: token.to_string(), url: self.url, directory: self.directory, allowed, since: core.now() }
    }
}

impl std::fmt::Display for CallsFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.url, self.directory)
    }
}

/// Whether `from` may change something with a token: it may if it is the first to do so, or was allowed.
pub(crate) async fn may_change(core: &Core, token: TokenId, from: &CallsFrom) -> Result<bool, AppError> {
    let known = token_caller::list(core.store.read(), token).await?;
    Ok(known.is_empty() || known.iter().any(|row| row.allowed && from.is(row)))
}

/// Lets a change through, or refuses it because it comes from another installation than the token's. The first to change something with a token
/// makes it its own.
pub(crate) async fn admit(core: &Arc<Core>, caller: &Caller, from: CallsFrom, request: &RequestId) -> Result<(), AppError> {
    let Some(token) = caller.token_id else { return Ok(()) };
    let known = token_caller::list(core.store.read(), token).await?;
    if known.iter().any(|row| row.allowed && from.is(row)) {
        return Ok(());
    }
    let mut write = core.store.write().await?;
    // Looked at again: somebody may have been faster.
    let known = token_caller::list(&mut *write, token).await?;
    match known.iter().find(|row| from.is(row)) {
        Some(row) if row.allowed => return Ok(()),
        None if known.is_empty() => {
            let detail = format!("The token {} belongs to {from} from now on.", caller.name);
            token_caller::put(&mut write, &from.row(token, true, core)).await?;
            record::done(&mut write, core, caller, "token.caller", request, detail).await?;
            store::commit(write).await?;
            return Ok(());
        }
        None if known.len() < REMEMBERED => {
            token_caller::put(&mut write, &from.clone().row(token, false, core)).await?;
            store::commit(write).await?;
        }
        _ => {}
    }
    let theirs: Vec<String> = known.iter().filter(|row| row.allowed).map(|row| format!("{} in {}", row.url, row.directory)).collect();
    let detail = format!(
        "This installation ({from}) is not the one that uses the token `{}` ({}): it may be a copy, so nothing was changed.",
        caller.name,
        if theirs.is_empty() { "none is allowed".to_owned() } else { theirs.join("; ") },
    );
    Err(Refusal::new(Code::OtherCaller, detail)
        .hint(format!("If it is no copy but has moved, allow it with `opterius token allow '{}'`.", caller.name))
        .into())
}

/// Allows an installation to change things with a token; with `only`, no other one any more.
pub(crate) async fn allow(
    core: &Arc<Core>,
    by: &Confirmed,
    token: TokenId,
    from: CallsFrom,
    only: bool,
    request: &RequestId,
) -> Result<Vec<TokenCaller>, AppError> {
    let caller = by.caller();
    let mut write = core.store.write().await?;
    let name = token::by_id(&mut *write, &caller.owner, token).await?.ok_or_else(|| Refusal::not_found("token", &token.to_string()))?.name;
    let rest = if only { ", and no other one any more" } else { "" };
    let detail = format!("The installation {from} may use the token {name}{rest}.");
    if only {
        token_caller::forget(&mut write, token).await?;
    }
    token_caller::put(&mut write, &from.row(token, true, core)).await?;
    record::done(&mut write, core, caller, "token.allow", request, detail).await?;
    let now = token_caller::list(&mut *write, token).await?;
    store::commit(write).await?;
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_installation_written_in_two_ways_is_one() {
        let one = CallsFrom::from_header("url=HTTPS%3A%2F%2FBilling.Example.com%2F&directory=%2Fvar%2Fwww%2Fwhmcs%2F").unwrap();
        assert_eq!(one, CallsFrom::new("https://billing.example.com", "/var/www/whmcs").unwrap());
        assert_eq!(one, CallsFrom::new("https://billing.example.com:443/", "/var/www/whmcs").unwrap());
        assert_ne!(one, CallsFrom::new("http://billing.example.com:443/", "/var/www/whmcs").unwrap());
        assert_ne!(one, CallsFrom::new("https://billing.example.com/staging", "/var/www/whmcs").unwrap());
        assert_ne!(one, CallsFrom::new("https://billing.example.com", "/var/www/copy").unwrap());
        assert_eq!(one.to_string(), "https://billing.example.com in /var/www/whmcs");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "url=https%3A%2F%2Fa.example",
            "url=https%3A%2F%2Fa.example&directory=",
            "url=ftp%3A%2F%2Fa.example&directory=%2Fx",
            "url=https%3A%2F%2F&directory=%2Fx",
            "url=https%3A%2F%2Fa%0Ab&directory=%2Fx",
            "url=https%3A%2F%2F%3A443&directory=%2Fx",
            "url=https%3A%2F%2Fa%40b&directory=%2Fx",
            "url=https%3A%2F%2Fa%3Fb&directory=%2Fx",
            "url=https%3A%2F%2Fa&directory=var%2Fwww",
            "url=https%3A%2F%2Fa&url=https%3A%2F%2Fb&directory=%2Fx",
        ] {
            assert!(CallsFrom::from_header(bad).is_err(), "{bad}");
        }
    }
}
