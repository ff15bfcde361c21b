//! Proves who a caller is.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use opterius_model::Password;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::throttle::turn;
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
            from.is_some_and(|from| networks.iter().filter_map(|text| Cidr::stored(text).ok()).any(|network| network.contains(from)));
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
    let found = by_password(core, name, password, Some(from)).await?;
    if found.totp_secret.is_some() {
        return Err(Refusal::new(Code::Unauthorized, "A password is not enough for this name.")
            .hint("Sign in to the pages, or use a token.")
            .into());
    }
    core.throttle.know(&found.username, Some(from), core.now());
    let caller = Caller::administrator(found.username);
    pay(core, &caller, Price::Look)?;
    Ok(caller)
}

/// Whoever has this name and password.
pub(super) async fn by_password(
    core: &Arc<Core>,
    name: &str,
    password: Zeroizing<String>,
    from: Option<IpAddr>,
) -> Result<Administrator, AppError> {
    let (mut attempt, ticket) = core.throttle.password(name, from, core.now())?;
    let turn = turn(ticket).await?;
    let found = store::administrator::by_name(core.store.read(), &core.owner, name).await?;
    let stored = found.as_ref().map(|found| found.password_hash.clone());
    attempt.compare();
    let good = compute("compare a password", move || {
        // A name that is not there costs the same time as one that is.
        turn.work(|memory| matches(password.as_bytes(), stored.as_deref().unwrap_or(&NOBODY), memory)) && stored.is_some()
    })
    .await
    .inspect_err(|_| attempt.broke())?;
    let Some(found) = found.filter(|_| good) else {
        return Err(Refusal::new(Code::Unauthorized, "The name or the password is wrong.").into());
    };
    attempt.right();
    Ok(found)
}

/// What is stored of the password of one of the host's people.
pub(super) async fn stored_password(core: &Arc<Core>, password: Password) -> Result<String, AppError> {
    let turn = core.throttle.of_our_own().await?;
    compute("hash a password", move || turn.work(|memory| hash(password.expose().as_bytes(), memory)))
        .await?
        .ok_or(AppError::Broken("hash a password"))
}

/// The memory that one hash takes, 19 MiB. It is kept for the next one for a while: what is allocated and freed on many threads stays with each
/// of them.
pub(super) type Memory = Vec<Block>;

/// What the password of a name that is not there is compared with: any hash, which no password has.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let mut random = [0u8; 32];
    let _ = getrandom::fill(&mut random);
    phc(&random[..16], &random).unwrap_or_default()
});

/// argon2id, PHC form.
fn phc(salt: &[u8], output: &[u8]) -> Option<String> {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&Params::DEFAULT).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(output).ok()?),
    };
    Some(hash.to_string())
}

fn hash(password: &[u8], memory: &mut Memory) -> Option<String> {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).ok()?;
    let mut output = [0u8; Params::DEFAULT_OUTPUT_LEN];
    fill(&Argon2::default(), password, &salt, &mut output, memory)?;
    phc(&salt, &output)
}

fn matches(password: &[u8], stored: &str, memory: &mut Memory) -> bool {
    let mut compared = || {
        let parsed = PasswordHash::new(stored).ok()?;
        let params = Params::try_from(&parsed).ok().filter(|params| params.m_cost() <= Params::DEFAULT_M_COST)?;
        let (algorithm, version) = (Algorithm::try_from(parsed.algorithm.as_str()).ok()?, Version::try_from(parsed.version?).ok()?);
        let (salt, expected) = (parsed.salt?, parsed.hash?);
        let mut output = vec![0; expected.len()];
        fill(&Argon2::new(algorithm, version, params), password, &salt, &mut output, memory)?;
        // In a time that does not depend on where they differ.
        Some(Output::new(&output).ok()? == expected)
    };
    compared().unwrap_or(false)
}

fn fill(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], output: &mut [u8], memory: &mut Memory) -> Option<()> {
    let count = argon2.params().block_count();
    memory.resize(memory.len().max(count), Block::new());
    argon2.hash_password_into_with_memory(password, salt, output, memory.get_mut(..count)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone_and_in_the_form_that_is_stored() {
        let mut memory = Vec::new();
        let stored = hash(b"correct: horse", &mut memory).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(matches(b"correct: horse", &stored, &mut memory) && !matches(b"correct: horsf", &stored, &mut memory));
        assert_ne!(hash(b"correct: horse", &mut memory).unwrap(), stored, "every hash has a salt of its own");
        // What the crate's own verifier makes of it.
        let parsed = PasswordHash::new(&stored).unwrap();
        assert!(argon2::PasswordVerifier::verify_password(&Argon2::default(), b"correct: horse", &parsed).is_ok());
        assert!(!matches(b"no such administrator", &NOBODY, &mut memory) && !matches(b"", "nonsense", &mut memory));
        assert_eq!(memory.len(), 19 * 1024, "the memory is kept for the next one");
        let greedy = stored.replace("m=19456", "m=4000000");
        assert!(!matches(b"correct: horse", &greedy, &mut memory) && memory.len() == 19 * 1024, "no row takes more than that");
    }
}
