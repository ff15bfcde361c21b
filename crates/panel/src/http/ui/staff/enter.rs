//! `/enter`: the host's people sign in.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use opterius_model::RequestId;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::app::{self, Admitted, AppError, Browser};
use crate::core::Core;
use crate::http::auth::Peer;
use crate::http::problem;
use crate::http::ui::customer::sign_in::ATTRIBUTES;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::Form;
use crate::http::ui::kit::frame::{Frame, shown, to};
use crate::http::ui::kit::gate::{COOKIE, secret};
use crate::http::ui::kit::message::Message;

#[derive(Template)]
#[template(path = "enter.html")]
struct EnterPage {
    frame: Frame,
    /// Whether the code of the app is asked for.
    code: bool,
    name: String,
    error: Option<String>,
}

impl EnterPage {
    fn answer(core: &Core, headers: &HeaderMap, code: bool, name: String, failure: Option<(StatusCode, String)>) -> Response {
        let (status, error) = failure.map_or((StatusCode::OK, None), |(status, error)| (status, Some(error)));
        shown(status, &Self { frame: Frame::outside(headers, core.now()), code, name, error })
    }
}

pub(crate) async fn form(State(core): State<Arc<Core>>, headers: HeaderMap) -> Response {
    let code = match secret(&headers) {
        Some(secret) => app::wants_code(&core, secret).await,
        None => Ok(false),
    };
    match code {
        Ok(code) => EnterPage::answer(&core, &headers, code, String::new(), None),
        Err(error) => Message::of(error).into_response(),
    }
}

#[derive(Deserialize)]
pub(crate) struct Given {
    name: String,
    password: Zeroizing<String>,
}

pub(crate) async fn enter(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    Extension(peer): Extension<Peer>,
    Extension(request_id): Extension<RequestId>,
    Form(given): Form<Given>,
) -> Response {
    let Some(browser) = browser(&headers, peer) else { return Message::nothing_here().into_response() };
    let name = given.name.trim().to_owned();
    match app::sign_in_with_password(&core, &name, given.password, &browser, secret(&headers), &request_id).await {
        Ok(admitted) => welcome(&admitted),
        Err(error) => refused(&core, &headers, false, name, error),
    }
}

#[derive(Deserialize)]
pub(crate) struct GivenCode {
    code: String,
}

pub(crate) async fn code(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    Extension(peer): Extension<Peer>,
    Extension(request_id): Extension<RequestId>,
    Form(given): Form<GivenCode>,
) -> Response {
    let (Some(browser), Some(nearly)) = (browser(&headers, peer), secret(&headers)) else { return to("/enter", false) };
    match app::second_factor(&core, nearly, given.code.trim(), &browser, &request_id).await {
        Ok(Some(admitted)) => welcome(&admitted),
        Ok(None) => {
            let over = Frame::outside(&headers, core.now()).texts.say("code-over");
            EnterPage::answer(&core, &headers, false, String::new(), Some((StatusCode::UNAUTHORIZED, over)))
        }
        Err(error) => refused(&core, &headers, true, String::new(), error),
    }
}

fn refused(core: &Core, headers: &HeaderMap, code: bool, name: String, error: AppError) -> Response {
    match error {
        AppError::Refused(refusal) => {
            let told = match &refusal.hint {
                Some(hint) => format!("{} {hint}", refusal.detail),
                None => refusal.detail.clone(),
            };
            let mut response = EnterPage::answer(core, headers, code, name, Some((problem::status(refusal.code), told)));
            problem::retry_after(&refusal, response.headers_mut());
            response
        }
        error => Message::of(error).into_response(),
    }
}

fn browser(headers: &HeaderMap, peer: Peer) -> Option<Browser> {
    let name = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some(Browser { address: peer.address()?, name })
}

/// Lax, as every session here: a form that another site sends is refused at the gate.
fn welcome(admitted: &Admitted) -> Response {
    let cookie = format!("{COOKIE}={}; {ATTRIBUTES}; Max-Age={}", admitted.secret.as_str(), admitted.lasts.as_secs());
    let Ok(mut cookie) = HeaderValue::from_str(&cookie) else { return Message::of(AppError::Broken("write a cookie")).into_response() };
    cookie.set_sensitive(true);
    let mut response = to(if admitted.wants_code { "/enter" } else { "/" }, false);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}
