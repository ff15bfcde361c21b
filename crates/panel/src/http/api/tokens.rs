//! Tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use opterius_model::TokenId;
use opterius_protocol::Micros;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, List, data, whole};
use super::texts;
use crate::app::{self, CallsFrom, Cidr, Code, NewToken, RefPrefix, Scope, TokenName};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::{Body, Fields, QueryFields};
use crate::store::token::{self, Token};
use crate::store::token_caller::{self, TokenCaller};

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    id: String,
    name: String,
    scopes: Vec<String>,
    /// What the Panel puts in front of every external_ref of this token.
    ref_prefix: Option<String>,
    expires_at: Option<i64>,
    /// Networks that it may come from; any, if null.
    addresses: Option<Vec<String>>,
    created_at: i64,
    /// The installations that use it, or wanted to.
    callers: Vec<TokenCallerView>,
}

/// An installation of a billing system.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenCaller)]
pub(crate) struct TokenCallerView {
    /// Its address on the web.
    url: String,
    directory: String,
    /// Whether it may change anything.
    allowed: bool,
    /// When it was first seen, or allowed.
    since: i64,
}

impl From<TokenCaller> for TokenCallerView {
    fn from(caller: TokenCaller) -> Self {
        Self { url: caller.url, directory: caller.directory, allowed: caller.allowed, since: caller.since.0 }
    }
}

impl TokenView {
    fn new(token: Token, callers: Vec<TokenCallerView>) -> Self {
        Self {
            callers,
            id: token.id.to_string(),
            name: token.name,
            scopes: token.scopes,
            ref_prefix: token.ref_prefix,
            expires_at: token.expires_at.map(|at| at.0),
            addresses: token.addresses,
            created_at: token.created_at.0,
        }
    }
}

/// A new token, the only time that its text is shown. No `Debug`: it holds the token.
#[derive(Serialize, ToSchema)]
#[schema(as = NewToken)]
pub(crate) struct NewTokenView {
    id: String,
    name: String,
    /// 43 characters.
    token: String,
    scopes: Vec<String>,
    ref_prefix: Option<String>,
    expires_at: Option<i64>,
    addresses: Option<Vec<String>>,
    created_at: i64,
    /// What WHMCS takes as a server's Access Hash: the token with the pins of the Panel's keys.
    access_hash: String,
}

impl NewTokenView {
    pub(super) fn new(core: &Core, token: Token, text: &str) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            token: text.to_owned(),
            scopes: token.scopes,
            ref_prefix: token.ref_prefix,
            expires_at: token.expires_at.map(|at| at.0),
            addresses: token.addresses,
            created_at: token.created_at.0,
            access_hash: app::access_hash(core, text),
        }
    }
}

/// A token to make.
#[derive(ToSchema)]
#[schema(as = CreateToken)]
#[expect(dead_code, reason = "describes the body in the document")]
struct CreateTokenBody {
    /// Unique.
    name: texts::TokenName,
    /// `whmcs` gives the scopes and a ref prefix that the WHMCS module needs.
    purpose: Option<texts::Purpose>,
    /// Needed without a purpose.
    scopes: Option<texts::Scopes>,
    /// Ends in a colon.
    ref_prefix: Option<texts::RefPrefix>,
    expires_at: Option<texts::Moment>,
    /// Addresses or networks (CIDR).
    #[schema(min_items = 1)]
    addresses: Option<Vec<texts::Network>>,
}

/// Make a token
///
/// The answer is the only place where it is ever shown.
#[utoipa::path(
    post, path = "/api/tokens", operation_id = "token.create", extensions(("x-refusals" = json!([Code::NameTaken]))), tag = "tokens", security(("token" = ["tokens.write"])),
    request_body = CreateTokenBody,
    responses((status = 201, description = "The token was made.", body = Data<NewTokenView>))
)]
pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    call: Call,
    Body(fields): Body,
) -> Result<(StatusCode, Json<Data<NewTokenView>>), Problem> {
    let new = wanted(&core, fields)?;
    let (token, text) = app::create_token(&core, &app::confirm(&core, &call.caller, None).await?, new, &call.request_id).await?;
    Ok((StatusCode::CREATED, data(NewTokenView::new(&core, token, &text))))
}

fn wanted(core: &Core, mut fields: Fields) -> Result<NewToken, Problem> {
    let name = fields.required("name", TokenName::parse);
    let purpose = fields.optional("purpose", |text| if text == "whmcs" { Ok(()) } else { Err("`purpose` can only be `whmcs`".to_owned()) });
    let scopes = if purpose.is_some() && !fields.has("scopes") {
        Some(NewToken::WHMCS.to_vec())
    } else {
        fields.required_list("scopes", |text| match text.parse::<Scope>() {
            Ok(scope) if scope.for_tokens() => Ok(scope),
            Ok(scope) => Err(format!("`{}` is for administrators, no token can have it", scope.as_str())),
            Err(error) => Err(error.to_string()),
        })
    };
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        fields.refuse("scopes", "empty", "a token without scopes may do nothing: give at least one");
    }
    let ref_prefix = fields.optional("ref_prefix", RefPrefix::parse);
    let ref_prefix = match purpose {
        Some(()) if ref_prefix.is_none() => RefPrefix::parse(&NewToken::whmcs_prefix()).ok(),
        _ => ref_prefix,
    };
    let expires_at = fields.moment("expires_at").map(Micros);
    if expires_at.is_some_and(|at| jiff::Timestamp::from_microsecond(at.0).is_err()) {
        fields.refuse(
            "expires_at",
            "invalid",
            "`expires_at` is after the year 9999: it is in microseconds since 1970; leave it out for a token that does not expire",
        );
    }
    if expires_at.is_some_and(|at| at <= core.now()) {
        fields.refuse("expires_at", "invalid", "`expires_at` is over already");
    }
    let addresses = fields.list("addresses", Cidr::parse);
    if addresses.as_ref().is_some_and(Vec::is_empty) {
        fields.refuse(
            "addresses",
            "empty",
            "a token that may come from no address opens nothing: name at least one, or leave `addresses` out",
        );
    }
    let new = (|| Some(NewToken { name: name?, scopes: scopes?, ref_prefix, expires_at, addresses }))();
    fields.finish(new)
}

/// List tokens
#[utoipa::path(
    get, path = "/api/tokens", operation_id = "token.list", tag = "tokens", security(("token" = ["tokens.read"])),
    responses((status = 200, description = "All tokens, without their texts.", body = List<TokenView>))
)]
pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    call: Call,
    QueryFields(fields): QueryFields,
) -> Result<Json<List<TokenView>>, Problem> {
    let () = fields.finish(Some(()))?;
    let tokens = token::list(core.store.read(), &call.caller.owner).await?;
    let mut callers: BTreeMap<String, Vec<TokenCallerView>> = BTreeMap::new();
    for caller in token_caller::list_all(core.store.read()).await? {
        callers.entry(caller.token_id.clone()).or_default().push(caller.into());
    }
    let view = |token: Token| {
        let callers = callers.remove(&token.id.to_string()).unwrap_or_default();
        TokenView::new(token, callers)
    };
    Ok(whole(tokens.into_iter().map(view).collect(), core.now().0))
}

/// Give a token another text
///
/// The answer is the only place where it is ever shown. The old one opens until the new one is used for the first time.
#[utoipa::path(
    post, path = "/api/tokens/{id}/rotate", operation_id = "token.rotate", tag = "tokens", security(("token" = ["tokens.write"])),
    params(("id" = inline(texts::Id), Path, description = "The token's id.")),
    responses((status = 201, description = "The token has a new text.", body = Data<NewTokenView>))
)]
pub(crate) async fn rotate(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<TokenId>,
) -> Result<(StatusCode, Json<Data<NewTokenView>>), Problem> {
    let (token, text) = app::rotate_token(&core, &app::confirm(&core, &call.caller, None).await?, id, &call.request_id).await?;
    Ok((StatusCode::CREATED, data(NewTokenView::new(&core, token, &text))))
}

/// An installation that may use a token.
#[derive(ToSchema)]
#[schema(as = AllowCaller)]
#[expect(dead_code, reason = "describes the body in the document")]
struct AllowBody {
    /// Its address on the web.
    url: texts::InstallationUrl,
    directory: texts::Directory,
    /// Whether all others may change nothing any more, as when it has moved; false if nothing is said.
    only: Option<bool>,
}

/// Allow an installation to use a token
///
/// The first installation that changes something with a token is allowed by that; any other is refused until it is allowed here.
#[utoipa::path(
    post, path = "/api/tokens/{id}/callers", operation_id = "token.allow", tag = "tokens", security(("token" = ["tokens.write"])),
    params(("id" = inline(texts::Id), Path, description = "The token's id.")),
    request_body = AllowBody,
    responses((status = 200, description = "Every installation that was seen with the token.", body = List<TokenCallerView>))
)]
pub(crate) async fn allow(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<TokenId>,
    Body(mut fields): Body,
) -> Result<Json<List<TokenCallerView>>, Problem> {
    let url = fields.required("url", |text| CallsFrom::new(text, "/").map(|_| text.to_owned()));
    let directory = fields.required("directory", |text| CallsFrom::new("https://a.example", text).map(|_| text.to_owned()));
    let only = fields.truth("only", false);
    let from = (|| CallsFrom::new(&url?, &directory?).ok())();
    let from = fields.finish(from)?;
    let callers = app::allow(&core, &app::confirm(&core, &call.caller, None).await?, id, from, only, &call.request_id).await?;
    Ok(whole(callers.into_iter().map(TokenCallerView::from).collect(), core.now().0))
}

/// Delete a token
///
/// From now on it opens nothing.
#[utoipa::path(
    delete, path = "/api/tokens/{id}", operation_id = "token.delete", tag = "tokens", security(("token" = ["tokens.write"])),
    params(("id" = inline(texts::Id), Path, description = "The token's id.")),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn delete(State(core): State<Arc<Core>>, call: Call, Id(id): Id<TokenId>) -> Result<StatusCode, Problem> {
    app::delete_token(&core, &call.caller, id, &call.request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
