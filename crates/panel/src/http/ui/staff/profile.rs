//! `/profile`: what belongs to whoever is signed in: the second factor, the sessions, the language.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::app::{self, AppError};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::confirm::Sure;
use crate::http::ui::kit::form::Form;
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::gate::secret;
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::texts::Texts;

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    frame: Frame,
    name: String,
    role: String,
    /// Whether there is a second factor.
    protected: bool,
    /// Recovery codes that are left.
    codes_left: i64,
    sessions: Vec<Row>,
    languages: Vec<(&'static str, String)>,
    language: Option<String>,
}

/// A browser that is signed in.
struct Row {
    id: String,
    browser: String,
    address: String,
    since: Moment,
    /// Whether it is the one that asks.
    this: bool,
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked, headers: HeaderMap) -> Response {
    match view(&core, &asked, secret(&headers)).await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, secret: Option<&str>) -> Result<ProfilePage, AppError> {
    let own = app::own_profile(core, &asked.caller, secret).await?;
    let frame = asked.frame(core).await?;
    let row = |session: app::OwnSession| Row {
        since: frame.moment(session.since),
        id: session.id,
        browser: session.browser,
        address: session.address,
        this: session.this,
    };
    Ok(ProfilePage {
        name: asked.caller.name.clone(),
        role: frame.texts.say(&format!("role-{}", own.role.as_str())),
        protected: own.protected,
        codes_left: own.codes_left,
        sessions: own.sessions.into_iter().map(row).collect(),
        languages: Texts::languages(),
        language: own.language,
        frame,
    })
}

pub(crate) async fn end_session(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    match app::end_own_session(&core, &asked.caller, &id, &asked.request_id).await {
        Ok(_) => to("/profile", asked.part),
        Err(error) => asked.failed(&core, error).await,
    }
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    language: String,
}

pub(crate) async fn choose_language(State(core): State<Arc<Core>>, asked: Asked, Form(chosen): Form<Chosen>) -> Response {
    let language = Texts::languages().into_iter().map(|(tag, _)| tag).find(|tag| *tag == chosen.language);
    match app::choose_language(&core, &asked.caller, language).await {
        Ok(()) => to("/profile", asked.part),
        Err(error) => asked.failed(&core, error).await,
    }
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactorPage {
    frame: Frame,
    /// What the app reads with its camera.
    picture: String,
    /// The same, to be typed.
    secret: Zeroizing<String>,
    error: Option<String>,
}

pub(crate) async fn second_factor(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    match app::new_totp_secret() {
        Ok(secret) => enrolment(&core, &asked, secret, None).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn enrolment(core: &Core, asked: &Asked, secret: Zeroizing<String>, error: Option<String>) -> Response {
    let picture = app::totp_url(core, &secret, &asked.caller.name).and_then(|url| QrCode::new(url.as_bytes()).ok());
    let picture = picture.map(|code| code.render::<svg::Color<'_>>().min_dimensions(200, 200).build()).unwrap_or_default();
    match asked.frame(core).await {
        Ok(frame) => {
            let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            // The drawing without the words of an XML file in front of it.
            let picture = picture.split_once("?>").map_or(picture.clone(), |(_, drawing)| drawing.to_owned());
            shown(status, &SecondFactorPage { frame, picture, secret, error })
        }
        Err(error) => asked.failed(core, error).await,
    }
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct RecoveryCodesPage {
    frame: Frame,
    codes: Vec<String>,
}

pub(crate) async fn set_second_factor(State(core): State<Arc<Core>>, asked: Asked, Sure { by, given }: Sure) -> Response {
    let secret = Zeroizing::new(given.typed.get("secret").to_owned());
    match app::set_second_factor(&core, &by, &secret, given.typed.get("code"), &asked.request_id).await {
        Ok(codes) => match asked.frame(&core).await {
            Ok(frame) => shown(StatusCode::OK, &RecoveryCodesPage { frame, codes }),
            Err(error) => asked.failed(&core, error).await,
        },
        // The same secret once more: the app has it already.
        Err(AppError::Refused(refusal)) => enrolment(&core, &asked, secret, Some(refusal.detail.clone())).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn remove_second_factor(State(core): State<Arc<Core>>, asked: Asked, Sure { by, .. }: Sure) -> Response {
    match app::remove_second_factor(&core, &by, &asked.caller.name.clone(), &asked.request_id).await {
        Ok(()) => to("/profile", asked.part),
        Err(error) => asked.failed(&core, error).await,
    }
}
