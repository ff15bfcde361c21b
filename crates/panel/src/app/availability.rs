//! Says before an order whether it could be taken: names, package, room on the server. Nothing is reserved, and the server itself is not asked, so that
//! a shop can ask while its customer types.

use opterius_model::{DomainName, Username};
use sqlx::SqliteConnection;

use super::names::{check_domain, check_username};
use super::packages::offered_package;
use super::servers::{check_room, choose_server};
use super::{AppError, Caller, PackageChoice, Refusal, reserved_names};
use crate::core::Core;
use crate::store::server;

/// What somebody thinks of ordering, as they typed it.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) username: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) package: Option<PackageChoice>,
    /// The id or the name of a server; the default one if nothing is said.
    pub(crate) server: Option<String>,
}

/// Whether it can be had, part by part. A problem is what an order would be refused with.
#[derive(Debug)]
pub(crate) struct Availability {
    pub(crate) username: Option<Result<Username, Refusal>>,
    /// As a lower-case A-label.
    pub(crate) domain: Option<Result<DomainName, Refusal>>,
    pub(crate) package: Option<Result<String, Refusal>>,
    /// The server that the order would go to, by name, and what is in the way there.
    pub(crate) server: (Option<server::Server>, Option<Refusal>),
    /// A username that is free: the one wished for if it is, else one made from it or from the domain.
    pub(crate) suggestion: Option<Username>,
}

/// Whether what is wished for can be had.
pub(crate) async fn availability(core: &Core, caller: &Caller, wish: &Wish) -> Result<Availability, AppError> {
    let mut connection = core.store.connection().await?;
    let db = &mut *connection;
    let username = match &wish.username {
        Some(text) => Some(refusal(username(db, caller, text).await)?),
        None => None,
    };
    let domain = match &wish.domain {
        Some(text) => Some(refusal(domain(core, db, caller, text).await)?),
        None => None,
    };
    let package = match &wish.package {
        Some(choice) => Some(refusal(offered_package(&mut *db, caller, choice).await)?.map(|package| package.name.to_string())),
        None => None,
    };
    let server = match refusal(choose_server(server::list(&mut *db, &caller.owner).await?, wish.server.as_deref()))? {
        Err(problem) => (None, Some(problem)),
        Ok(server) => {
            let problem = match refusal(check_room(db, &server).await)? {
                Err(full) => Some(full),
                Ok(()) if core.fleet.reachable(server.id) => None,
                Ok(()) => Some(Refusal::server_unreachable(&server.name, "its Agent does not answer.")),
            };
            (Some(server), problem)
        }
    };
    let suggestion = match &username {
        Some(Ok(free)) => Some(free.clone()),
        _ => suggestion(db, caller, wish.username.as_deref(), wish.domain.as_deref()).await?,
    };
    Ok(Availability { username, domain, package, server, suggestion })
}

/// What was refused is an answer here.
fn refusal<T>(result: Result<T, AppError>) -> Result<Result<T, Refusal>, AppError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(AppError::Refused(refusal)) => Ok(Err(*refusal)),
        Err(error) => Err(error),
    }
}

async fn username(db: &mut SqliteConnection, caller: &Caller, text: &str) -> Result<Username, AppError> {
    let username = Username::parse(text).map_err(|error| Refusal::invalid_field("username", "invalid", error.to_string()))?;
    check_username(db, caller, NOBODY, &username).await?;
    Ok(username)
}

async fn domain(core: &Core, db: &mut SqliteConnection, caller: &Caller, text: &str) -> Result<DomainName, AppError> {
    let domain = DomainName::parse(text).map_err(|error| Refusal::invalid_field("domain", "invalid", error.to_string()))?;
    if let Some(reserved) = super::names::reserved(&domain, &reserved_names(core).await?) {
        return Err(Refusal::invalid_field("domain", "reserved", reserved).into());
    }
    check_domain(db, caller, NOBODY, &domain).await?;
    Ok(domain)
}

/// The id of no account: whatever is claimed is somebody else's.
const NOBODY: &str = "";

/// The longest name that is suggested, so that it is quick to type.
const LONGEST: usize = 16;

/// The first free one of: what is wished for, in the letters that a username has; the domain's first label in the same way; and with a
/// number behind it.
async fn suggestion(
    db: &mut SqliteConnection,
    caller: &Caller,
    username: Option<&str>,
    domain: Option<&str>,
) -> Result<Option<Username>, AppError> {
    let label = domain.map(|domain| domain.trim_start_matches("www.").split('.').next().unwrap_or_default());
    let stems: Vec<String> = [username, label, Some("account")].into_iter().flatten().map(stem).filter(|stem| !stem.is_empty()).collect();
    for stem in &stems {
        for number in 1..=999_u32 {
            let number = if number == 1 { String::new() } else { number.to_string() };
            let kept: String = stem.chars().take(LONGEST - number.len()).collect();
            // Three characters at least, and none that the system has.
            let Ok(candidate) = Username::parse(&format!("{kept}{number}")) else { continue };
            if refusal(check_username(db, caller, NOBODY, &candidate).await)?.is_ok() {
                return Ok(Some(candidate));
            }
        }
    }
    Ok(None)
}

/// The lower-case letters and digits of a text, from its first letter on.
fn stem(text: &str) -> String {
    let kept = text.chars().map(|c| c.to_ascii_lowercase()).filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    kept.skip_while(char::is_ascii_digit).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn a_stem_has_only_what_a_username_has() {
        assert_eq!(stem("Ada Lovelace"), "adalovelace");
        assert_eq!(stem("4ever-Young"), "everyoung");
        assert_eq!(stem("müller"), "mller");
        assert_eq!(stem("日本"), "");
        assert_eq!(stem("a-very-long-name-of-a-shop"), "averylongnameofa");
    }
}
