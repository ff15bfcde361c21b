//! Tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use opterius_model::TokenId;
use opterius_protocol::Micros;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, List, data, whole};
use crate::app::{self, Cidr, NewToken, RefPrefix, Scope, TokenName};
use crate::core::Core;
use crate::http::fields::{Body, Fields, QueryFields};
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::store::token::{self, Token};

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
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
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

/// A token to make.
#[derive(ToSchema)]
#[schema(as = CreateToken)]
#[expect(dead_code, reason = "describes the body in the document")]
struct CreateTokenBody {
    /// Unique.
    name: String,
    /// `whmcs` gives the scopes and a ref prefix that the WHMCS module needs.
    purpose: Option<String>,
    /// Needed without a purpose.
    scopes: Option<Vec<String>>,
    /// Ends in a colon.
    ref_prefix: Option<String>,
    expires_at: Option<i64>,
    /// Addresses or networks (CIDR).
    addresses: Option<Vec<String>>,
}

/// Make a token
///
/// The answer is the only place where it is ever shown.
#[utoipa::path(
    post, path = "/api/tokens", operation_id = "token.create", tag = "tokens", security(("token" = ["tokens.write"])),
    request_body = CreateTokenBody,
    responses((status = 201, description = "The token was made.", body = Data<NewTokenView>))
)]
pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    call: Call,
    Body(fields): Body,
) -> Result<(StatusCode, Json<Data<NewTokenView>>), Problem> {
    let new = wanted(&core, fields)?;
    let (token, text) = app::create_token(&core, &call.caller, new, &call.request_id).await?;
    let pins = core.pins.as_ref().map(|pins| format!(".{},{}", pins.tls_pin, pins.tls_backup_pin)).unwrap_or_default();
    let access_hash = format!("o1.{}{pins}", text.as_str());
    let view = TokenView::from(token);
    let TokenView { id, name, scopes, ref_prefix, expires_at, addresses, created_at } = view;
    let view = NewTokenView { id, name, token: text.to_string(), scopes, ref_prefix, expires_at, addresses, created_at, access_hash };
    Ok((StatusCode::CREATED, data(view)))
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
    if expires_at.is_some_and(|at| at <= core.now()) {
        fields.refuse("expires_at", "invalid", "`expires_at` is over already");
    }
    let addresses = fields.list("addresses", Cidr::parse);
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
    Ok(whole(tokens.into_iter().map(TokenView::from).collect(), core.now().0))
}

/// Delete a token
///
/// From now on it opens nothing.
#[utoipa::path(
    delete, path = "/api/tokens/{id}", operation_id = "token.delete", tag = "tokens", security(("token" = ["tokens.write"])),
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "It is gone."))
)]
pub(crate) async fn delete(State(core): State<Arc<Core>>, call: Call, Id(id): Id<TokenId>) -> Result<StatusCode, Problem> {
    app::delete_token(&core, &call.caller, id, &call.request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
