//! Proves who a caller is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use opterius_protocol::Micros;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{AppError, Caller, CallerKind, Cidr, Code, Payer, Price, RefPrefix, Refusal, Scope, too_much};
use crate::core::{Core, compute};
use crate::store;
use crate::store::activity::hex;
use crate::store::administrator::Administrator;
use crate::store::token::Token;

/// How exactly it is known when a token was last used.
const LAST_USE: Duration = Duration::from_hours(1);

/// How a token is stored: SHA-256, hexadecimal. A token is 256 random bits, so no slow hash is needed.
pub(crate) fn stored_form(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// The caller who holds `token`, if it is good, may come from `from` (nothing for the Unix socket), and can pay the `price` of the request.
pub(crate) async fn token(core: &Core, token: &str, from: Option<IpAddr>, price: Price) -> Result<Caller, AppError> {
    let wrong = || {
        Refusal::new(Code::Unauthorized, "The token is not valid.")
            .hint("Make a token with `opterius token create`, and put it where the old one is.")
    };
    let found = store::token::by_hash(core.store.read(), &core.owner, &stored_form(token)).await?.ok_or_else(wrong)?;
    if found.expires_at.is_some_and(|at| at <= core.now()) {
        return Err(Refusal::new(Code::Unauthorized, format!("The token `{}` has expired.", found.name))
            .hint("Make a new token with `opterius token create`, and put it where this one is.")
            .into());
    }
    if let Some(networks) = &found.addresses {
        let inside =
            from.is_some_and(|from| networks.iter().filter_map(|text| Cidr::parse(text).ok()).any(|network| network.contains(from)));
        if !inside {
            let here = from.map_or_else(|| "this machine's socket".to_owned(), |from| from.to_canonical().to_string());
            return Err(Refusal::new(Code::Forbidden, format!("The token `{}` may not be used from {here}.", found.name))
                .hint("Use it from an address that it was made for, or make one for this address.")
                .into());
        }
    }
    let now = core.now();
    // Before anything is written: whoever asks too often costs this look-up and no more.
    if let Err(wait) = core.rates.take(&Payer::Token(found.id), price, now) {
        core.refused.count(&format!("token:{}", found.name), Code::TooManyRequests, now);
        return Err(too_much(&format!("The token `{}`", found.name), wait).into());
    }
    let used_lately = found.last_used_at.is_some_and(|at| at.plus(LAST_USE) > now);
    let new_text_used = found.has_former && !found.by_former;
    if new_text_used || !used_lately {
        let mut write = core.store.write().await?;
        if new_text_used {
            store::token::forget_former(&mut write, found.id).await?;
        }
        store::token::set_last_used(&mut write, found.id, now).await?;
        store::commit(write).await?;
    }
    holder(core, found).ok_or_else(|| wrong().into())
}

/// Who has this token; nobody, if what it may see cannot be told.
pub(super) fn holder(core: &Core, found: Token) -> Option<Caller> {
    let ref_prefix = match found.ref_prefix.as_deref().map(RefPrefix::parse) {
        None => None,
        Some(Ok(prefix)) => Some(prefix),
        // Never less narrow than it was made.
        Some(Err(_)) => return None,
    };
    Some(Caller {
        kind: CallerKind::Token,
        owner: core.owner.clone(),
        name: found.name,
        scopes: found.scopes.iter().filter_map(|word| word.parse::<Scope>().ok()).filter(|scope| scope.for_tokens()).collect(),
        ref_prefix,
        expires_at: found.expires_at,
        token_id: Some(found.id),
        address: None,
    })
}

/// Takes the price of a request out of its caller's budget, or says how long to wait.
fn pay(core: &Core, caller: &Caller, price: Price) -> Result<(), AppError> {
    let Some(payer) = Payer::of(caller) else { return Ok(()) };
    core.rates.take(&payer, price, core.now()).map_err(|wait| too_much(&format!("`{}`", caller.name), wait).into())
}

/// The administrator of this name and password, who may look at everything and change nothing: neither a second factor nor a session is asked for.
pub(crate) async fn administrator(core: &Arc<Core>, name: &str, password: Zeroizing<String>, from: IpAddr) -> Result<Caller, AppError> {
    let found = by_password(core, name, password, from).await?;
    if found.totp_secret.is_some() {
        return Err(Refusal::new(Code::Unauthorized, "A password is not enough for this name.")
            .hint("Sign in to the pages, or use a token.")
            .into());
    }
    let caller = Caller::administrator(found.username);
    pay(core, &caller, Price::Look)?;
    Ok(caller)
}

/// Begins an attempt to prove something, or says how long to wait.
pub(super) fn attempt(core: &Core, attempt: &(String, String)) -> Result<(), AppError> {
    let Err(wait) = core.throttle.begin(attempt, core.now()) else { return Ok(()) };
    let wait = Duration::from_secs(wait.as_secs() + 1);
    Err(Refusal::too_many_requests(format!("Too many wrong attempts: try again in {} seconds.", wait.as_secs()), wait).into())
}

/// Whoever has this name and password.
pub(super) async fn by_password(
    core: &Arc<Core>,
    name: &str,
    password: Zeroizing<String>,
    from: IpAddr,
) -> Result<Administrator, AppError> {
    let who = (super::order::shown(name), group(from));
    attempt(core, &who)?;
    let found = store::administrator::by_name(core.store.read(), &core.owner, name).await?;
    let stored = found.as_ref().map(|found| found.password_hash.clone());
    // Only a few at a time: each takes 19 MiB of memory and some milliseconds of CPU, and anybody may ask.
    let _turn = core.throttle.turns.acquire().await.map_err(|_| AppError::Stopping)?;
    let good = compute("compare a password", move || {
        // A name that is not there costs the same time as one that is.
        let hash = stored.clone().unwrap_or_else(|| NOBODY.clone());
        let matches =
            argon2::PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
        matches && stored.is_some()
    })
    .await?;
    let Some(found) = found.filter(|_| good) else {
        return Err(Refusal::new(Code::Unauthorized, "The name or the password is wrong.").into());
    };
    core.throttle.forgive(&who);
    Ok(found)
}

/// What the password of a name that is not there is compared with.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash(&Zeroizing::new("no such administrator".to_owned())));

/// The hash of an administrator's password: argon2id, PHC form.
pub(crate) fn hash(password: &Zeroizing<String>) -> String {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).unwrap_or_default()
}

/// An address as far as it is one caller: an IPv6 network of 64 bits is usually one customer of a provider.
pub(super) fn group(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", std::net::Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

/// Makes guessing of passwords slow, by name and address.
#[derive(Debug)]
pub(crate) struct Throttle {
    attempts: Mutex<HashMap<(String, String), Attempts>>,
    turns: Semaphore,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    wrong: u32,
    not_before: Micros,
}

/// Wrong passwords that cost nothing.
const FREE: u32 = 5;
/// The longest pause after a wrong password.
const LONGEST: Duration = Duration::from_mins(15);
/// Callers remembered at the same time.
const REMEMBERED: usize = 10_000;

impl Default for Throttle {
    fn default() -> Self {
        Self { attempts: Mutex::default(), turns: Semaphore::new(2) }
    }
}

impl Throttle {
    /// Begins an attempt, or says how long to wait. It counts as wrong until [`Self::forgive`], so that attempts side by side count too.
    fn begin(&self, who: &(String, String), now: Micros) -> Result<(), Duration> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= REMEMBERED {
            attempts.retain(|_, one| one.not_before > now);
        }
        let one = attempts.entry(who.clone()).or_insert(Attempts { wrong: 0, not_before: now });
        if one.not_before > now {
            return Err(one.not_before.since(now));
        }
        // A pause that was sat out does not start from the beginning, but an hour of quiet does.
        if now.since(one.not_before) > Duration::from_hours(1) {
            one.wrong = 0;
        }
        one.wrong += 1;
        let pause = match one.wrong.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(10)).min(LONGEST),
        };
        one.not_before = now.plus(pause);
        Ok(())
    }

    pub(super) fn forgive(&self, who: &(String, String)) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_becomes_slow_and_a_right_password_makes_it_quick_again() {
        let throttle = Throttle::default();
        let who = ("ada".to_owned(), "203.0.113.7".to_owned());
        let mut now = Micros(1);
        for _ in 0..=FREE {
            assert!(throttle.begin(&who, now).is_ok());
        }
        let wait = throttle.begin(&who, now).unwrap_err();
        assert!(wait >= Duration::from_secs(1));
        assert!(throttle.begin(&("ada".to_owned(), "203.0.113.8".to_owned()), now).is_ok(), "another address is another caller");
        now = now.plus(wait);
        assert!(throttle.begin(&who, now).is_ok());
        assert!(throttle.begin(&who, now).unwrap_err() > wait);
        throttle.forgive(&who);
        assert!(throttle.begin(&who, now).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let group = |text: &str| group(text.parse().unwrap());
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::9"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
        assert_eq!(group("::ffff:203.0.113.7"), "203.0.113.7");
    }
}
