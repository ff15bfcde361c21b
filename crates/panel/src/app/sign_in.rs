//! Signing in without a password: whoever may, makes a link for somebody whom they know already, which opens one session of one browser.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use opterius_model::{AccountId, RequestId};
use opterius_protocol::Micros;
use zeroize::Zeroizing;

use super::authenticate::{holder, stored_form};
use super::create_token::new_text;
use super::sign_in_administrator;
use super::{AppError, Caller, Code, Payer, Price, Reference, Refusal, read, too_much};
use crate::core::Core;
use crate::store::account::{self, Account, Status};
use crate::store::activity::{self, Entry};
use crate::store::session::{self, Kind, Session};
use crate::store::sign_in::{self, SignIn};
use crate::store::{self, StoreError, Write, token, word_enum};

/// How long a link can be used: as long as it takes a browser to follow it.
const LINK: Duration = Duration::from_mins(1);

/// How long a session lasts.
pub(crate) const SESSION: Duration = Duration::from_mins(30);

word_enum! {
    /// The part of an account's page that a link leads to.
    Target {
        /// The top.
        Overview = "overview",
        /// What it uses.
        Usage = "usage",
        /// Where it is found.
        Addresses = "addresses",
        /// What was done to it.
        Operations = "operations",
    }
}

/// A link. No `Debug`: it lets in whoever has it.
pub(crate) struct Link {
    pub(crate) url: Zeroizing<String>,
    pub(crate) expires_at: Micros,
}

/// Makes a link for the customer of an account, which opens the page of that account and nothing else.
pub(crate) async fn customer_link(
    core: &Core,
    caller: &Caller,
    reference: &Reference,
    target: Target,
    reached_at: Option<Authority>,
    request: &RequestId,
) -> Result<Link, AppError> {
    let account = read::account(core, caller, reference).await?;
    make(core, caller, Some(&account), target, reached_at, request).await
}

/// Makes a link for the staff of whoever asks, which opens the pages of all accounts that the caller sees.
pub(crate) async fn staff_link(core: &Core, caller: &Caller, reached_at: Option<Authority>, request: &RequestId) -> Result<Link, AppError> {
    make(core, caller, None, Target::Overview, reached_at, request).await
}

/// The link leads to where the caller reached the Panel, or else to the Panel's own first name.
async fn make(
    core: &Core,
    caller: &Caller,
    account: Option<&Account>,
    target: Target,
    reached_at: Option<Authority>,
    request: &RequestId,
) -> Result<Link, AppError> {
    let place = if let Some(place) = reached_at {
        place.to_string()
    } else {
        let hostname = core.config.hostnames.first().ok_or(AppError::Broken("tell the Panel's own name"))?;
        format!("{hostname}:{}", core.port())
    };
    let (code, now) = (new_text()?, core.now());
    let link = SignIn {
        account_id: account.map(|account| account.id),
        token_id: caller.token_id,
        actor: caller.actor(),
        target: target.as_str().to_owned(),
        expires_at: now.plus(LINK),
    };
    let mut write = core.store.write().await?;
    sign_in::forget_old(&mut write, now).await?;
    session::forget_old(&mut write, now).await?;
    sign_in::insert(&mut write, &caller.owner, &link, &stored_form(&code)).await?;
    let entry = Entry {
        at: now,
        actor: &link.actor,
        from: caller.address,
        action: if account.is_some() { "account.sign_in" } else { "self.sign_in" },
        account_id: link.account_id,
        operation_id: None,
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("A link was made that signs {} in.", whom(account)),
    };
    activity::append(&mut write, &caller.owner, entry).await?;
    store::commit(write).await?;
    let url = Zeroizing::new(format!("https://{place}/sign-in/{}", code.as_str()));
    Ok(Link { url, expires_at: link.expires_at })
}

fn whom(account: Option<&Account>) -> String {
    account.map_or_else(|| "staff".to_owned(), |account| format!("the customer of the account {} ({})", account.username, account.domain))
}

/// A browser that was signed in. No `Debug`: what it sends is the session.
pub(crate) struct SignedIn {
    /// What it sends from now on.
    pub(crate) secret: Zeroizing<String>,
    /// The account whose customer it is; nothing for staff.
    pub(crate) account_id: Option<AccountId>,
    /// The part of the page that the link leads to.
    pub(crate) target: String,
}

/// Uses a link: the first one who does gets a session; nobody, if it was used, is too old, or leads nowhere any more. The session that the
/// same browser had before ends.
pub(crate) async fn use_link(
    core: &Arc<Core>,
    code: &str,
    before: Option<&str>,
    from: Option<IpAddr>,
    request: &RequestId,
) -> Result<Option<SignedIn>, AppError> {
    let hash = stored_form(code);
    // Anybody may come with anything, and must not hold up the one writer.
    if !sign_in::is_there(core.store.read(), &core.owner, &hash).await? {
        return Ok(None);
    }
    let now = core.now();
    let mut write = core.store.write().await?;
    let Some(link) = sign_in::take(&mut write, &core.owner, &hash).await?.filter(|link| link.expires_at > now) else { return Ok(None) };
    let account = match link.account_id {
        Some(id) => account::by_id(&mut *write, &core.owner, id).await?,
        None => None,
    };
    if account.as_ref().is_some_and(|account| !is_there(account)) || account.is_none() != link.account_id.is_none() {
        return Ok(None);
    }
    if let Some(before) = before {
        session::delete(&mut write, &core.owner, &stored_form(before)).await?;
    }
    let secret = new_text()?;
    let kind = if account.is_some() { Kind::Customer } else { Kind::Staff };
    let row = Session {
        kind,
        account_id: link.account_id,
        token_id: link.token_id,
        administrator: None,
        id: None,
        whole: true,
        address: from.map(|from| from.to_canonical().to_string()),
        browser: None,
        created_at: now,
        expires_at: now.plus(SESSION),
    };
    session::insert(&mut write, &core.owner, &row, &stored_form(&secret)).await?;
    let entry = Entry {
        at: now,
        actor: &from.map_or_else(|| "address:local".to_owned(), |from| format!("address:{}", from.to_canonical())),
        from,
        action: if account.is_some() { "account.sign_in.used" } else { "self.sign_in.used" },
        account_id: link.account_id,
        operation_id: None,
        request_id: Some(request.as_str()),
        outcome: activity::Outcome::Ok,
        detail: format!("A browser was signed in as {}, by a link of {}.", whom(account.as_ref()), link.actor),
    };
    activity::append(&mut write, &core.owner, entry).await?;
    store::commit(write).await?;
    Ok(Some(SignedIn { secret, account_id: link.account_id, target: link.target }))
}

fn is_there(account: &Account) -> bool {
    !matches!(account.status, Status::Terminated | Status::Failed)
}

/// Who looks at the pages.
#[derive(Debug, Clone)]
pub(crate) enum Visitor {
    /// The customer of one account, who sees nothing but its page.
    Customer(AccountId),
    /// Staff, who see what this caller sees, in the language that they chose, if they did.
    Staff(Caller, Option<String>),
}

impl Visitor {
    /// An account, as far as the visitor may see it.
    pub(crate) async fn account(&self, core: &Core, id: AccountId) -> Result<Account, AppError> {
        match self {
            Self::Customer(own) if *own == id => {
                let found = account::by_id(core.store.read(), &core.owner, id).await?;
                found.filter(is_there).ok_or_else(|| nothing(id))
            }
            Self::Customer(_) => Err(nothing(id)),
            Self::Staff(caller, _) => read::account(core, caller, &Reference::Id(id)).await,
        }
    }
}

/// Takes the price of a page out of its visitor's budget, or says how long to wait.
pub(crate) fn pay_for_page(core: &Core, visitor: &Visitor, price: Price) -> Result<(), Box<Refusal>> {
    let (payer, actor) = match visitor {
        Visitor::Customer(account) => (Payer::Customer(*account), format!("customer:{account}")),
        // Whoever root's own link signed in is named as root, and has a browser like everybody else.
        Visitor::Staff(caller, _) => (Payer::of(caller).unwrap_or_else(|| Payer::Person(caller.name.clone())), caller.actor()),
    };
    core.rates.take(&payer, price, core.now()).map_err(|wait| {
        core.refused.count(&actor, Code::TooManyRequests, core.now());
        Box::new(too_much("Your session", wait))
    })
}

fn nothing(id: AccountId) -> AppError {
    Refusal::not_found("account", &id.to_string()).into()
}

/// Whose browser sends `secret`; nobody, if its session is over.
pub(crate) async fn visitor(core: &Core, secret: &str) -> Result<Option<Visitor>, AppError> {
    let now = core.now();
    let Some(session) = session::by_hash(core.store.read(), &core.owner, &stored_form(secret), now).await? else { return Ok(None) };
    let let_in_by = match session.token_id {
        None => Caller::administrator("root".to_owned()),
        Some(id) => {
            let token = token::by_id(core.store.read(), &core.owner, id).await?;
            let good = token.filter(|token| token.expires_at.is_none_or(|at| at > now));
            match good.and_then(|token| holder(core, token)) {
                Some(caller) => caller.only_looking(),
                None => return Ok(None),
            }
        }
    };
    Ok(match session.kind {
        Kind::Customer => session.account_id.map(Visitor::Customer),
        Kind::Staff => Some(Visitor::Staff(let_in_by, None)),
        Kind::Administrator => sign_in_administrator::of_session(core, &session).await?,
    })
}

/// Ends the session of the browser that sends `secret`.
pub(crate) async fn sign_out(core: &Core, secret: &str) -> Result<(), AppError> {
    // Anybody may come with anything, and must not hold up the one writer.
    if session::by_hash(core.store.read(), &core.owner, &stored_form(secret), core.now()).await?.is_none() {
        return Ok(());
    }
    let mut write = core.store.write().await?;
    session::delete(&mut write, &core.owner, &stored_form(secret)).await?;
    Ok(store::commit(write).await?)
}

/// Ends every session of an account's customer, in the transaction that changes who its customer is: with another password, or by its end.
pub(super) async fn end_sessions(write: &mut Write, account: AccountId) -> Result<(), StoreError> {
    sign_in::delete_of(write, account).await?;
    session::delete_of(write, account).await
}
