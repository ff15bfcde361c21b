//! Links that sign people in.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::request::Parts;
use http::uri::Authority;
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, Id, data};
use super::texts;
use crate::app::{self, Code, Link, Reference, Target};
use crate::core::Core;
use crate::http::auth::Peer;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::Body;

/// A link that signs somebody in. No `Debug`: it lets in whoever has it.
#[derive(Serialize, ToSchema)]
#[schema(as = SignIn)]
pub(crate) struct SignInView {
    /// Where to send the browser. It works once.
    url: String,
    /// Until when.
    expires_at: i64,
}

fn made(link: &Link) -> (StatusCode, Json<Data<SignInView>>) {
    (StatusCode::CREATED, data(SignInView { url: link.url.to_string(), expires_at: link.expires_at.0 }))
}

/// Under which name and port the caller reached the Panel over TLS: there its browsers reach it, too. Nothing for the Unix socket.
pub(crate) struct ReachedAt(Option<Authority>);

impl<S: Sync> FromRequestParts<S> for ReachedAt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let over_tls = matches!(parts.extensions.get::<Peer>(), Some(Peer::Tls(_)));
        let named = parts.uri.authority().cloned().or_else(|| parts.headers.get(header::HOST)?.to_str().ok()?.parse().ok());
        Ok(Self(named.filter(|named: &Authority| over_tls && !named.host().is_empty() && !named.as_str().contains('@'))))
    }
}

/// Where a link is to lead.
#[derive(ToSchema)]
#[schema(as = SignInToAccount)]
#[expect(dead_code, reason = "describes the body in the document")]
struct AccountBody {
    /// `overview`, `usage`, `addresses` or `operations`; `overview` if nothing is said.
    target: Option<texts::TargetWord>,
}

/// Nothing is to be said.
#[derive(ToSchema)]
#[schema(as = SignInToSelf)]
struct OwnBody {}

/// Sign a customer in
///
/// Makes a link for the customer of this account, whom the caller knows already. Whoever opens it first, within 60 seconds, sees the page of this account for half an hour, and nothing else.
#[utoipa::path(
    post, path = "/api/accounts/{id}/sign-in", operation_id = "account.sign_in", extensions(("x-refusals" = json!([Code::AccountGone]))), tag = "accounts", security(("token" = ["accounts.sign_in"])),
    params(("id" = inline(texts::AccountReference), Path, description = "The account's id, or `ref:` and its external_ref.")),
    request_body = AccountBody,
    responses((status = 201, description = "The link.", body = Data<SignInView>))
)]
pub(crate) async fn account(
    State(core): State<Arc<Core>>,
    call: Call,
    Id(id): Id<Reference>,
    ReachedAt(at): ReachedAt,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Data<SignInView>>), Problem> {
    let target = fields.optional("target", str::parse::<Target>);
    let () = fields.finish(Some(()))?;
    let target = target.unwrap_or(Target::Overview);
    Ok(made(&app::customer_link(&core, &call.caller, &id, target, at, &call.request_id).await?))
}

/// Sign staff in
///
/// Makes a link for the caller's own staff. Whoever opens it first, within 60 seconds, sees the pages of all accounts that the caller sees, as long as the token is there, for half an hour at most.
#[utoipa::path(
    post, path = "/api/self/sign-in", operation_id = "self.sign_in", tag = "api", security(("token" = ["self.sign_in"])),
    request_body = OwnBody,
    responses((status = 201, description = "The link.", body = Data<SignInView>))
)]
pub(crate) async fn own(
    State(core): State<Arc<Core>>,
    call: Call,
    ReachedAt(at): ReachedAt,
    Body(fields): Body,
) -> Result<(StatusCode, Json<Data<SignInView>>), Problem> {
    let () = fields.finish(Some(()))?;
    Ok(made(&app::staff_link(&core, &call.caller, at, &call.request_id).await?))
}
