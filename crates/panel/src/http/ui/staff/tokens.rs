//! `/tokens`: what opens the API to billing systems and scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, header};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use opterius_model::TokenId;
use opterius_protocol::Micros;

use crate::app::{self, AppError, CallsFrom, Cidr, NewToken, RefPrefix, Refusal, Scope, TokenName};
use crate::core::Core;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::confirm::Sure;
use crate::http::ui::kit::form::{Filled, Given, Typed, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::once::{Once, Value};
use crate::store::token::{self, Token};
use crate::store::token_caller::{self, TokenCaller};

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<Row>,
    may: bool,
    filled: Filled,
    /// What a token may be given.
    scopes: Vec<&'static str>,
}

struct Row {
    id: String,
    name: String,
    scopes: Vec<String>,
    addresses: Option<String>,
    expires: Option<Moment>,
    expired: bool,
    last_used: Option<Moment>,
    /// Whether its new text was not used yet.
    rotated: bool,
    installations: Vec<Installation>,
}

/// An installation of a billing system that uses the token, or waits to.
struct Installation {
    url: String,
    directory: String,
    allowed: bool,
    since: Moment,
}

pub(crate) async fn list(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    page(&core, &asked, Typed::of([("purpose", "whmcs")]), None).await
}

async fn page(core: &Core, asked: &Asked, typed: Typed, error: Option<AppError>) -> Response {
    let view = async {
        let filled = Filled::new(typed, error)?;
        let frame = asked.frame(core).await?;
        let mut installations: BTreeMap<String, Vec<Installation>> = BTreeMap::new();
        for TokenCaller { token_id, url, directory, allowed, since } in token_caller::list_all(core.store.read()).await? {
            installations.entry(token_id).or_default().push(Installation { url, directory, allowed, since: frame.moment(since) });
        }
        let row = |token: Token| Row {
            installations: installations.remove(&token.id.to_string()).unwrap_or_default(),
            id: token.id.to_string(),
            expired: token.expires_at.is_some_and(|at| at <= frame.now),
            expires: token.expires_at.map(|at| frame.moment(at)),
            last_used: token.last_used_at.map(|at| frame.moment(at)),
            addresses: token.addresses.map(|networks| networks.join(", ")),
            rotated: token.has_former,
            scopes: token.scopes,
            name: token.name,
        };
        let tokens = token::list(core.store.read(), &asked.caller.owner).await?.into_iter().map(row).collect();
        let scopes = Scope::ALL.iter().filter(|scope| scope.for_tokens()).map(|scope| scope.as_str()).collect();
        Ok::<_, AppError>(TokensPage { tokens, may: asked.caller.may(Scope::TokensWrite), scopes, filled, frame })
    };
    match view.await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

fn wanted(core: &Core, fields: &mut Fields) -> Option<NewToken> {
    let name = fields.text("name", TokenName::parse);
    let whmcs = fields.text("purpose", |text| Ok::<_, String>(text == "whmcs")).unwrap_or_default();
    let scopes = fields.ticked("scope", |text| match text.parse::<Scope>() {
        Ok(scope) if scope.for_tokens() => Ok(scope),
        Ok(_) => Err("no token can have that scope".to_owned()),
        Err(error) => Err(error.to_string()),
    });
    let scopes = if whmcs { Some(NewToken::WHMCS.to_vec()) } else { scopes };
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        fields.refuse("scope", "empty", "a token without scopes may do nothing: tick at least one");
    }
    // To the end of the day, as people mean it.
    let expires_at = fields.optional("expires", |text| {
        let end = app::day(text)?.tomorrow().and_then(|day: Date| day.to_zoned(TimeZone::UTC));
        let end = end.map(|end| Micros(end.timestamp().as_microsecond())).map_err(|error| error.to_string())?;
        if end <= core.now() { Err("the last day is over already".to_owned()) } else { Ok(end) }
    });
    let addresses = fields.lines("addresses", Cidr::parse).filter(|addresses| !addresses.is_empty());
    let ref_prefix = if whmcs { RefPrefix::parse(&NewToken::whmcs_prefix()).ok() } else { None };
    Some(NewToken { name: name?, scopes: scopes?, ref_prefix, expires_at, addresses })
}

pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    asked: Asked,
    headers: HeaderMap,
    Sure { by, given: Given { mut fields, typed, .. } }: Sure,
) -> Response {
    let made = async {
        let new = wanted(&core, &mut fields);
        let new = checked(fields.finish(new))?;
        app::create_token(&core, &by, new, &asked.request_id).await
    };
    match made.await {
        Ok((token, text)) => once(&core, &asked, &headers, &token, &text).await,
        Err(error) => page(&core, &asked, typed, Some(error)).await,
    }
}

/// The text of a token, this once, with what WHMCS's form for a server takes.
async fn once(core: &Core, asked: &Asked, headers: &HeaderMap, token: &Token, text: &str) -> Response {
    let frame = match asked.frame(core).await {
        Ok(frame) => frame,
        Err(error) => return asked.failed(core, error).await,
    };
    let here = headers.get(header::HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.rsplit_once(':'));
    let own = core.config.hostnames.first().map(ToString::to_string).unwrap_or_default();
    let hostname = here.map_or(own, |(host, _)| host.to_owned());
    let values = vec![
        Value::new(frame.texts.say("token-module"), "Opterius"),
        Value::new(frame.texts.say("token-hostname"), &hostname),
        Value::new(frame.texts.say("token-port"), &core.port().to_string()),
        Value::new(frame.texts.say("token-access-hash"), &app::access_hash(core, text)),
        Value::new(frame.texts.say("token-text"), text),
    ];
    let said = frame.texts.about("token-once", "name", &token.name);
    Once { title: frame.texts.say("token-once-title"), text: said, values, back: "/tokens".to_owned(), frame }.answer()
}

fn id_of(text: &str) -> Result<TokenId, AppError> {
    TokenId::parse(text).map_err(|_| Refusal::not_found("token", text).into())
}

pub(crate) async fn rotate(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(id): Path<String>,
    headers: HeaderMap,
    Sure { by, .. }: Sure,
) -> Response {
    let done = async { app::rotate_token(&core, &by, id_of(&id)?, &asked.request_id).await };
    match done.await {
        Ok((token, text)) => once(&core, &asked, &headers, &token, &text).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn allow(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(id): Path<String>,
    Sure { by, given: Given { mut fields, .. } }: Sure,
) -> Response {
    let done = async {
        let url = fields.text("url", |text| Ok::<_, String>(text.to_owned()));
        let directory = fields.text("directory", |text| Ok::<_, String>(text.to_owned()));
        let only = fields.truth("only", false);
        let (url, directory) = checked(fields.finish(url.zip(directory)))?;
        let from = CallsFrom::new(&url, &directory).map_err(|error| Refusal::invalid_field("url", "invalid", error))?;
        app::allow(&core, &by, id_of(&id)?, from, only, &asked.request_id).await
    };
    match done.await {
        Ok(_) => to("/tokens", asked.part),
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn revoke(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    let done = async { app::delete_token(&core, &asked.caller, id_of(&id)?, &asked.request_id).await };
    match done.await {
        Ok(()) => to("/tokens", asked.part),
        Err(error) => asked.failed(&core, error).await,
    }
}
