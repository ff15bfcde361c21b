//! Signing the host's people in: with a name and a password, and with a code of their app if they have one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use opterius_model::RequestId;
use opterius_protocol::Micros;
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::authenticate::{by_password, stored_form};
use super::create_token::new_text;
use super::sign_in::Visitor;
use super::{AppError, Caller, Code, Confirmed, Refusal, group};
use crate::core::Core;
use crate::store::activity::{self, Entry};
use crate::store::administrator::{Administrator, Role};
use crate::store::session::{self, Kind, Session};
use crate::store::{self, administrator, sign_in_place};

/// How long a session of theirs lasts: a working day.
pub(crate) const WORKING_DAY: Duration = Duration::from_hours(12);

/// How long the second factor may take.
const SECOND_FACTOR: Duration = Duration::from_mins(5);

/// How many recovery codes somebody gets.
const RECOVERY_CODES: usize = 10;

/// The browser of whoever signs in.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    pub(crate) address: IpAddr,
    /// What it calls itself.
    pub(crate) name: Option<String>,
}

/// A browser that is signed in, or nearly. No `Debug`: what it sends is the session.
pub(crate) struct Admitted {
    /// What it sends from now on.
    pub(crate) secret: Zeroizing<String>,
    /// Whether the code of the app is still to come.
    pub(crate) wants_code: bool,
    /// How long this lasts.
    pub(crate) lasts: Duration,
}

/// Signs a browser in, in place of whoever it was signed in as `before`.
pub(crate) async fn sign_in_with_password(
    core: &Arc<Core>,
    name: &str,
    password: Zeroizing<String>,
    browser: &Browser,
    before: Option<&str>,
    request: &RequestId,
) -> Result<Admitted, AppError> {
    let found = match by_password(core, name, password, Some(browser.address)).await {
        Ok(found) => found,
        Err(error) => {
            core.refused.count_address(Some(browser.address), Code::Unauthorized, core.now());
            return Err(error);
        }
    };
    admit(core, &found, browser, before, found.totp_secret.is_some(), request).await
}

/// Takes the code that a nearly signed in browser sends: of the app, or a recovery code. Nothing, if it is not nearly signed in any more.
pub(crate) async fn second_factor(
    core: &Arc<Core>,
    nearly: &str,
    code: &str,
    browser: &Browser,
    request: &RequestId,
) -> Result<Option<Admitted>, AppError> {
    let (owner, now) = (&core.owner, core.now());
    let session = session::by_hash(core.store.read(), owner, &stored_form(nearly), now).await?.filter(|session| !session.whole);
    let Some(name) = session.and_then(|session| session.administrator) else { return Ok(None) };
    let Some(found) = administrator::by_name(core.store.read(), owner, &name).await? else { return Ok(None) };
    if !take_code(core, &found, code, Some(browser.address)).await? {
        core.refused.count_address(Some(browser.address), Code::Unauthorized, now);
        return Err(Refusal::new(Code::Unauthorized, "The code is wrong, or was used before.").into());
    }
    admit(core, &found, browser, Some(nearly), false, request).await.map(Some)
}

/// Takes a code of somebody's app, or one of their recovery codes; says whether it was good. Each is good once.
pub(super) async fn take_code(core: &Arc<Core>, found: &Administrator, code: &str, from: Option<IpAddr>) -> Result<bool, AppError> {
    let (owner, now, name) = (&core.owner, core.now(), found.username.as_str());
    let mut attempt = core.throttle.code(name, from, now)?;
    let Some(secret) = &found.totp_secret else {
        attempt.compare();
        return Ok(false);
    };
    let mut write = core.store.write().await?;
    attempt.compare();
    let good = match period_of(secret, name, code, now.0 / 1_000_000) {
        Some(period) => administrator::take_period(&mut write, owner, name, period).await?,
        None => administrator::take_recovery_code(&mut write, name, &recovery_hash(code)).await?,
    };
    store::commit(write).await?;
    if good {
        attempt.right();
    }
    Ok(good)
}

async fn admit(
    core: &Arc<Core>,
    found: &Administrator,
    browser: &Browser,
    before: Option<&str>,
    wants_code: bool,
    request: &RequestId,
) -> Result<Admitted, AppError> {
    let (secret, now) = (new_text()?, core.now());
    let lasts = if wants_code { SECOND_FACTOR } else { WORKING_DAY };
    let mut write = core.store.write().await?;
    session::forget_old(&mut write, now).await?;
    if let Some(before) = before {
        session::delete(&mut write, &core.owner, &stored_form(before)).await?;
    }
    let row = Session {
        kind: Kind::Administrator,
        account_id: None,
        token_id: None,
        administrator: Some(found.username.clone()),
        id: Some(uuid::Uuid::now_v7().to_string()),
        whole: !wants_code,
        address: Some(browser.address.to_canonical().to_string()),
        browser: browser.name.as_ref().map(|name| name.chars().filter(|c| !c.is_control()).take(200).collect()),
        created_at: now,
        expires_at: now.plus(lasts),
    };
    session::insert(&mut write, &core.owner, &row, &stored_form(&secret)).await?;
    if !wants_code {
        let entry = Entry {
            at: now,
            actor: &Caller::administrator(found.username.clone()).actor(),
            from: Some(browser.address),
            action: "administrator.sign_in",
            account_id: None,
            operation_id: None,
            request_id: Some(request.as_str()),
            outcome: activity::Outcome::Ok,
            detail: format!("{} signed in from {}.", found.username, browser.address.to_canonical()),
        };
        activity::append(&mut write, &core.owner, entry).await?;
        sign_in_place::put(&mut write, &core.owner, &found.username, &group(browser.address), now).await?;
    }
    store::commit(write).await?;
    if !wants_code {
        core.throttle.know(&found.username, Some(browser.address), now);
    }
    Ok(Admitted { secret, wants_code, lasts })
}

/// Whom a session is of, with what they may do by now; nobody, while the second factor is still to come.
pub(super) async fn of_session(core: &Core, session: &Session) -> Result<Option<Visitor>, AppError> {
    let Some(name) = session.administrator.as_ref().filter(|_| session.whole) else { return Ok(None) };
    let found = administrator::by_name(core.store.read(), &core.owner, name).await?;
    Ok(found.map(|found| Visitor::Staff(Caller::of_role(found.username, found.role), found.language)))
}

/// Whether a browser has still to send a code.
pub(crate) async fn wants_code(core: &Core, secret: &str) -> Result<bool, AppError> {
    let session = session::by_hash(core.store.read(), &core.owner, &stored_form(secret), core.now()).await?;
    Ok(session.is_some_and(|session| !session.whole))
}

/// A new secret for somebody's app. It is theirs once a code of it was seen.
pub(crate) fn new_totp_secret() -> Result<Zeroizing<String>, AppError> {
    let mut random = Zeroizing::new([0u8; 20]);
    getrandom::fill(random.as_mut_slice()).map_err(|_| AppError::Broken("read random bytes"))?;
    Ok(Zeroizing::new(Secret::from(random.as_slice()).to_base32()))
}

/// What the app reads from the picture.
pub(crate) fn totp_url(core: &Core, secret: &str, name: &str) -> Option<String> {
    let host = core.config.hostnames.first().map(ToString::to_string).unwrap_or_default();
    totp(secret, &format!("{name} at {host}"))?.to_url().ok()
}

fn totp(secret: &str, account: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    // Six digits, 30 seconds, SHA-1 and one period of tolerance either way: what every app takes.
    Builder::new().with_secret(secret).with_skew(1).with_account_name(account).with_issuer(Some("Opterius")).build().ok()
}

/// The period whose code this is, at `now` (seconds since 1970).
fn period_of(secret: &str, name: &str, code: &str, now: i64) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let period = totp(secret, name)?.check(&digits, u64::try_from(now).ok()?)?;
    i64::try_from(period).ok()
}

fn recovery_hash(code: &str) -> String {
    let kept: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    stored_form(&kept)
}

/// Makes a secret somebody's second factor, once they have shown a code of it. Their recovery codes, shown this once. Every other session of theirs ends.
pub(crate) async fn set_second_factor(
    core: &Arc<Core>,
    by: &Confirmed,
    secret: &str,
    code: &str,
    request: &RequestId,
) -> Result<Vec<String>, AppError> {
    let caller = by.caller();
    let Some(period) = period_of(secret, &caller.name, code, core.now().0 / 1_000_000) else {
        return Err(Refusal::invalid_field(
            "code",
            "invalid",
            "this is not the code that the app shows now: look again, and check its clock",
        )
        .into());
    };
    let mut codes = Vec::new();
    for _ in 0..RECOVERY_CODES {
        let mut random = [0u8; 10];
        getrandom::fill(&mut random).map_err(|_| AppError::Broken("read random bytes"))?;
        let text = crate::store::activity::hex(&random);
        codes.push(text.as_bytes().chunks(5).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"));
    }
    let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(code)).collect();
    let mut write = core.store.write().await?;
    administrator::set_totp(&mut write, &caller.owner, &caller.name, Some(secret), &hashes).await?;
    administrator::take_period(&mut write, &caller.owner, &caller.name, period).await?;
    session::revoke_others(&mut write, &caller.owner, &caller.name, by.keeps(&caller.name)).await?;
    let detail = format!("{} signs in with a second factor from now on.", caller.name);
    super::record::done(&mut write, core, caller, "administrator.second_factor", request, detail).await?;
    store::commit(write).await?;
    Ok(codes)
}

/// Takes somebody's second factor away. Every session of theirs ends but for the one that asks for it.
pub(crate) async fn remove_second_factor(core: &Arc<Core>, by: &Confirmed, name: &str, request: &RequestId) -> Result<(), AppError> {
    let caller = by.caller();
    let mut write = core.store.write().await?;
    if administrator::by_name(&mut *write, &caller.owner, name).await?.is_none() {
        return Err(Refusal::not_found("administrator", name).into());
    }
    administrator::set_totp(&mut write, &caller.owner, name, None, &[]).await?;
    session::revoke_others(&mut write, &caller.owner, name, by.keeps(name)).await?;
    let detail = format!("{name} signs in without a second factor from now on.");
    super::record::done(&mut write, core, caller, "administrator.second_factor", request, detail).await?;
    Ok(store::commit(write).await?)
}

/// What somebody sees of themselves.
pub(crate) struct OwnProfile {
    pub(crate) role: Role,
    /// Whether they have a second factor.
    pub(crate) protected: bool,
    pub(crate) codes_left: i64,
    pub(crate) language: Option<String>,
    pub(crate) sessions: Vec<OwnSession>,
}

/// A browser that somebody is signed in with.
pub(crate) struct OwnSession {
    pub(crate) id: String,
    pub(crate) browser: String,
    pub(crate) address: String,
    pub(crate) since: Micros,
    /// Whether it is the one that sends `secret`.
    pub(crate) this: bool,
}

/// What the caller sees of themselves, with the browser that sends `secret`.
pub(crate) async fn own_profile(core: &Core, caller: &Caller, secret: Option<&str>) -> Result<OwnProfile, AppError> {
    let (read, now) = (core.store.read(), core.now());
    let found = administrator::by_name(read, &caller.owner, &caller.name).await?;
    let found = found.ok_or_else(|| Refusal::not_found("administrator", &caller.name))?;
    let this = match secret {
        Some(secret) => session::by_hash(read, &caller.owner, &stored_form(secret), now).await?.and_then(|session| session.id),
        None => None,
    };
    let sessions = session::of_administrator(read, &caller.owner, &caller.name, now).await?.into_iter().map(|session| {
        let id = session.id.unwrap_or_default();
        OwnSession {
            this: this.as_deref() == Some(id.as_str()),
            id,
            browser: session.browser.unwrap_or_default(),
            address: session.address.unwrap_or_default(),
            since: session.created_at,
        }
    });
    Ok(OwnProfile {
        role: found.role,
        protected: found.totp_secret.is_some(),
        codes_left: administrator::recovery_codes(read, &caller.name).await?,
        language: found.language,
        sessions: sessions.collect(),
    })
}

/// Sets the language of the caller's pages; nothing for what the browser asks for.
pub(crate) async fn choose_language(core: &Arc<Core>, caller: &Caller, language: Option<&str>) -> Result<(), AppError> {
    let mut write = core.store.write().await?;
    administrator::set_language(&mut write, &caller.owner, &caller.name, language).await?;
    Ok(store::commit(write).await?)
}

/// Ends a session of the caller's own; says whether there was one.
pub(crate) async fn end_own_session(core: &Arc<Core>, caller: &Caller, id: &str, request: &RequestId) -> Result<bool, AppError> {
    let mut write = core.store.write().await?;
    let there = session::revoke(&mut write, &caller.owner, &caller.name, id).await?;
    if there {
        super::record::done(&mut write, core, caller, "administrator.end_session", request, format!("{} ended a session.", caller.name))
            .await?;
        store::commit(write).await?;
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_app_s_and_none_of_another_time() {
        let secret = new_totp_secret().unwrap();
        let totp = totp(&secret, "ada").unwrap();
        let now = 1_793_000_000;
        let code = totp.generate(now).to_string();
        assert_eq!(code.len(), 6);
        let at = |seconds: u64| period_of(&secret, "ada", &code, i64::try_from(seconds).unwrap());
        assert_eq!(at(now), Some(i64::try_from(now / 30).unwrap()));
        assert_eq!(at(now + 30), at(now), "one period late is still good");
        assert_eq!(at(now + 90), None);
        assert_eq!(period_of(&secret, "ada", "12345", 1_793_000_000), None);
        assert_eq!(period_of("not base32!", "ada", &code, 1_793_000_000), None);
    }

    #[test]
    fn a_recovery_code_may_be_typed_as_people_type() {
        assert_eq!(recovery_hash(" 0A1b2-c3D4e "), recovery_hash("0a1b2c3d4e"));
        assert_ne!(recovery_hash("0a1b2c3d4e"), recovery_hash("0a1b2c3d4f"));
    }
}
