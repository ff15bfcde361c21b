//! Makes tokens, and takes them away.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opterius_model::{RequestId, TokenId};
use opterius_protocol::Micros;
use zeroize::Zeroizing;

use super::authenticate::stored_form;
use super::{AppError, Caller, Cidr, Code, Confirmed, RefPrefix, Refusal, Scope, TokenName, record};
use crate::core::Core;
use crate::store;
use crate::store::token::{self, Token};
use crate::store::token_caller;

/// What a token is to be.
#[derive(Debug)]
pub(crate) struct NewToken {
    pub(crate) name: TokenName,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) ref_prefix: Option<RefPrefix>,
    pub(crate) expires_at: Option<Micros>,
    pub(crate) addresses: Option<Vec<Cidr>>,
}

impl NewToken {
    /// What the WHMCS module needs, and nothing else.
    pub(crate) const WHMCS: &[Scope] = &[
        Scope::SelfRead,
        Scope::SelfRotate,
        Scope::SelfSignIn,
        Scope::AccountsRead,
        Scope::AccountsCreate,
        Scope::AccountsSuspend,
        Scope::AccountsPackage,
        Scope::AccountsPassword,
        Scope::AccountsTerminate,
        Scope::AccountsRestore,
        Scope::AccountsRepair,
        Scope::AccountsRecord,
        Scope::AccountsSignIn,
        Scope::PackagesRead,
        Scope::OperationsRead,
        Scope::OperationsRetry,
    ];

    /// A ref prefix that no other token has, so that two WHMCS installations never take each other's `s12`.
    pub(crate) fn whmcs_prefix() -> String {
        format!("whmcs:{}:", uuid::Uuid::now_v7())
    }
}

/// Makes a token; the only time that its text is known.
pub(crate) async fn create_token(
    core: &Arc<Core>,
    by: &Confirmed,
    new: NewToken,
    request: &RequestId,
) -> Result<(Token, Zeroizing<String>), AppError> {
    let caller = by.caller();
    let text = new_text()?;
    let row = Token {
        id: TokenId::generate(),
        name: new.name.as_str().to_owned(),
        scopes: once(new.scopes.iter().map(|scope| scope.as_str().to_owned())),
        ref_prefix: new.ref_prefix.map(|prefix| prefix.to_string()),
        expires_at: new.expires_at,
        addresses: new.addresses.map(|networks| once(networks.iter().map(Cidr::to_string))),
        created_at: core.now(),
        by_former: false,
        has_former: false,
        last_used_at: None,
    };
    let mut write = core.store.write().await?;
    match token::insert(&mut write, &caller.owner, &row, &stored_form(&text)).await {
        Err(error) if error.is_unique_violation() => {
            return Err(Refusal::new(Code::NameTaken, format!("There is a token `{}` already.", row.name))
                .hint("Choose another name, or delete that token first.")
                .into());
        }
        other => other?,
    }
    record::done(
        &mut write,
        core,
        caller,
        "token.create",
        request,
        format!("The token {} was made, for {}.", row.name, row.scopes.join(", ")),
    )
    .await?;
    store::commit(write).await?;
    Ok((row, text))
}

/// What was given, without what was there before.
fn once(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

/// 256 random bits, as 43 characters.
pub(super) fn new_text() -> Result<Zeroizing<String>, AppError> {
    let mut random = Zeroizing::new([0u8; 32]);
    getrandom::fill(random.as_mut_slice()).map_err(|_| AppError::Broken("read random bytes"))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice())))
}

/// What WHMCS takes as a server's Access Hash: the token with the pins of the Panel's keys.
pub(crate) fn access_hash(core: &Core, text: &str) -> String {
    let pins = core.pins.as_ref().map(|pins| format!(".{},{}", pins.tls_pin, pins.tls_backup_pin)).unwrap_or_default();
    format!("o1.{text}{pins}")
}

/// Gives a token another text; the only time that it is known. The one in use opens until the new one was used for the first time, so that an answer
/// that gets lost locks nobody out.
pub(crate) async fn rotate_token(
    core: &Arc<Core>,
    by: &Confirmed,
    id: TokenId,
    request: &RequestId,
) -> Result<(Token, Zeroizing<String>), AppError> {
    let caller = by.caller();
    let text = new_text()?;
    let mut write = core.store.write().await?;
    let row = token::by_id(&mut *write, &caller.owner, id).await?.ok_or_else(|| Refusal::not_found("token", &id.to_string()))?;
    token::rotate(&mut write, id, &stored_form(&text)).await?;
    let detail = format!("The token {} got a new text; the old one opens until the new one is used.", row.name);
    record::done(&mut write, core, caller, "token.rotate", request, detail).await?;
    store::commit(write).await?;
    Ok((row, text))
}

/// Takes a token away; from now on it opens nothing.
pub(crate) async fn delete_token(core: &Arc<Core>, caller: &Caller, id: TokenId, request: &RequestId) -> Result<(), AppError> {
    let mut write = core.store.write().await?;
    token_caller::forget(&mut write, id).await?;
    let name = token::delete(&mut write, &caller.owner, id).await?.ok_or_else(|| Refusal::not_found("token", &id.to_string()))?;
    record::done(&mut write, core, caller, "token.delete", request, format!("The token {name} was deleted.")).await?;
    store::commit(write).await?;
    Ok(())
}
