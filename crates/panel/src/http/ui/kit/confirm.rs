//! Before what decides who may sign in is changed, the browser is asked for what its person signs in with. A form that comes without it is answered with the
//! question, which carries what the form said and sends it once more.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::assets;
use super::form::{Filled, Given, Typed};
use super::frame::{Asked, Frame, shown};
use crate::app::{self, AppError, Confirmed};
use crate::core::Core;
use crate::http::problem;

/// A form of somebody who has just shown what they sign in with.
pub(crate) struct Sure {
    pub(crate) by: Confirmed,
    pub(crate) given: Given,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    /// Where the form goes.
    path: String,
    /// Where somebody goes who thinks better of it.
    back: String,
    /// What the form said.
    said: Vec<(String, String)>,
    filled: Filled,
}

impl FromRequest<Arc<Core>> for Sure {
    type Rejection = Response;

    async fn from_request(request: Request, core: &Arc<Core>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let asked = Asked::from_request_parts(&mut parts, core).await?;
        let path = parts.uri.path().to_owned();
        let mut given = Given::from_request(Request::from_parts(parts, body), core).await?;
        let proof = given.proof.take();
        let was_asked = proof.is_some();
        match app::confirm(core, &asked.caller, proof).await {
            Ok(by) => Ok(Self { by, given }),
            Err(error) => Err(ask(core, &asked, path, given, was_asked.then_some(error)).await),
        }
    }
}

async fn ask(core: &Core, asked: &Asked, path: String, given: Given, error: Option<AppError>) -> Response {
    let mut wait = HeaderMap::new();
    if let Some(AppError::Refused(refusal)) = &error {
        problem::retry_after(refusal, &mut wait);
    }
    let view = async {
        let filled = Filled::new(Typed::default(), error)?;
        let back = path.split('/').nth(1).map(|first| format!("/{first}")).unwrap_or_default();
        Ok::<_, AppError>(ConfirmPage { frame: asked.frame(core).await?, path, back, said: given.typed.pairs(), filled })
    };
    match view.await {
        Ok(view) => {
            let status = if view.filled.wrong.is_some() { view.filled.status() } else { StatusCode::UNPROCESSABLE_ENTITY };
            let mut response = shown(status, &view);
            response.headers_mut().extend(wait);
            response
        }
        Err(error) => asked.failed(core, error).await,
    }
}
