//! `opterius whmcs report`: what WHMCS has sold, and what is here.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use opterius_protocol::Micros;
use opterius_protocol::bounded::{self, MIB};
use serde_json::json;

use super::compare::{self, Comparison, Finding, Had, Kind};
use super::export;
use crate::api::{Account, Named, Token};
use crate::failure::Failure;
use crate::output::{self, Align, Format, Table};
use crate::panel::{Panel, read_all};
use crate::token;

/// The longest export that is read, in bytes: two million lines.
const LONGEST: u64 = 256 * MIB;

#[derive(Args)]
pub(crate) struct Options {
    /// What WHMCS has sold: the file that is exported under Addons → Opterius there
    #[arg(value_name = "EXPORT")]
    export: PathBuf,
    /// The token that this WHMCS uses, by id or name; needed if there are several
    #[arg(long, value_name = "ID|NAME")]
    token: Option<String>,
}

pub(super) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<ExitCode, Failure> {
    let path = options.export.display();
    let bytes = bounded::file(&options.export, LONGEST).map_err(|error| Failure::because(format!("could not read {path}"), &error))?;
    let sold = export::read(&bytes).map_err(|why| {
        Failure::new(format!("{path} is no export of WHMCS that can be read: {why}"))
            .hint("export it again in WHMCS, under Addons → Opterius, and do not save it from a spreadsheet")
    })?;
    let token = of_whmcs(options.token.as_deref(), read_all(&panel.list("/api/tokens", &[]).await?)?)?;
    // In this order: what is terminated in between is in both lists, and not in none.
    let accounts: Vec<Account> = read_all(&panel.list("/api/accounts", &[("limit", "500")]).await?)?;
    let terminated: Vec<Account> = read_all(&panel.list("/api/accounts", &[("status", "terminated"), ("limit", "500")]).await?)?;
    let packages: Vec<Named> = read_all(&panel.list("/api/packages", &[]).await?)?;
    let had = Had { prefix: &token.prefix, accounts: &accounts, terminated: &terminated, packages: &packages, now: Micros::now() };
    let comparison = compare::compare(&sold, &had);
    let (differences, notes): (Vec<&Finding>, Vec<&Finding>) = comparison.findings.iter().partition(|finding| finding.kind.is_difference());
    match format {
        Format::Json => output::json(&json!({
            "ok": differences.is_empty(), "ref_prefix": token.prefix, "sold": sold.len(), "accounts": comparison.accounts,
            "matched": comparison.matched, "same": comparison.same, "findings": differences, "notes": notes,
        })),
        Format::Human => show(&comparison, sold.len(), differences.len(), &token),
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The token that a WHMCS uses.
struct OfWhmcs {
    name: String,
    /// What the Panel puts in front of every reference of it.
    prefix: String,
}

/// The token that is meant: the one named, or the only one that gives references a prefix.
fn of_whmcs(named: Option<&str>, tokens: Vec<Token>) -> Result<OfWhmcs, Failure> {
    let whole = |token: Token| token.ref_prefix.map(|prefix| OfWhmcs { name: token.name, prefix });
    if let Some(text) = named {
        let token = token::pick(text, tokens)?;
        return whole(token).ok_or_else(|| {
            Failure::new(format!("the token `{text}` sees every account, so it is not one for WHMCS"))
                .hint("`opterius token list` shows them")
        });
    }
    let mut meant: Vec<OfWhmcs> = tokens.into_iter().filter_map(whole).collect();
    let names: Vec<String> = meant.iter().map(|token| token.name.clone()).collect();
    // Two tokens of one prefix are one WHMCS.
    meant.sort_by(|one, other| one.prefix.cmp(&other.prefix));
    meant.dedup_by(|one, other| one.prefix == other.prefix);
    match (meant.pop(), meant.is_empty()) {
        (Some(token), true) => Ok(token),
        (None, _) => Err(Failure::new("there is no token for WHMCS, so no account is one of its own")
            .hint("`opterius token create --for whmcs` makes one")),
        _ => Err(Failure::new(format!("there are several tokens for WHMCS: {}", names.join(", ")))
            .hint("name the one that this WHMCS uses with `--token NAME`")),
    }
}

fn show(comparison: &Comparison, sold: usize, differences: usize, token: &OfWhmcs) {
    if sold > 0 && comparison.accounts > 0 && comparison.matched == 0 {
        output::line(format!(
            "Nothing that this WHMCS has sold has an account of the token {}: is it the export of the WHMCS that uses this token?",
            token.name
        ));
        output::blank();
    }
    for kind in Kind::ALL {
        let of_kind: Vec<&Finding> = comparison.findings.iter().filter(|finding| finding.kind == kind).collect();
        if !of_kind.is_empty() {
            output::line(format!("{}: {} ({}).", meaning(kind), of_kind.len(), word(kind)));
            output::blank();
            output::line(table(&of_kind));
            output::blank();
        }
    }
    output::line(format!("As it should be: {} of the {sold} that WHMCS has sold.", comparison.same));
    if differences > 0 {
        output::line(format!("{} to mend.", output::count(differences, "difference")));
    }
}

fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing => "Paid, but there is no account",
        Kind::Cancelled => "Not sold any more, but there is an account",
        Kind::Pending => "Created, but WHMCS has not heard of it",
        Kind::WrongState => "In another state than in WHMCS",
        Kind::WrongPackage => "With another package than in WHMCS",
        Kind::WrongName => "Under another name than in WHMCS",
        Kind::Unknown => "Not known to WHMCS",
        Kind::HostsHold => "Suspended by the host itself, which is no difference",
        Kind::Busy => "Not compared, since an operation goes on",
    }
}

/// The kind as programs read it.
fn word(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn table(findings: &[&Finding]) -> Table {
    let mut table = Table::new(&[
        ("WHMCS", Align::Left),
        ("CLIENT", Align::Right),
        ("USERNAME", Align::Left),
        ("DOMAIN", Align::Left),
        ("FOUND", Align::Left),
        ("WHAT MENDS IT", Align::Left),
    ]);
    for finding in findings {
        let account = finding.account.as_ref();
        let (username, domain) = match (account, finding.sold) {
            (Some(account), _) => (account.username, account.domain),
            (None, Some(sold)) => (sold.username.as_str(), sold.domain.as_str()),
            (None, None) => ("", ""),
        };
        table.row([
            finding.sold.map_or_else(|| "–".to_owned(), export::Sold::name),
            finding.sold.map_or_else(|| "–".to_owned(), |sold| sold.client.to_string()),
            username.to_owned(),
            domain.to_owned(),
            finding.detail.clone(),
            finding.mend.clone(),
        ]);
    }
    table
}
