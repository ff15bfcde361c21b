//! `/settings/pages`: what visitors of suspended and of new sites read, and how it will look.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use opterius_model::{DomainName, Pages, SuspensionPage, WelcomePage, style_of};
use opterius_protocol::agent::pages_hash;
use sha2::{Digest, Sha256};

use crate::app::{self, AppError, Edit, PagesChange, Refusal, Scope};
use crate::core::Core;
use crate::http::api::settings_pages as fields_of;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Filled, Given, Typed, Wrong, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::texts::Texts;
use crate::store::server;

/// The domain of the preview.
const EXAMPLE: &str = "example.com";

#[derive(Template)]
#[template(path = "settings_pages.html")]
struct PagesPage {
    frame: Frame,
    may: bool,
    version: String,
    suspension: Form,
    welcome: Form,
    /// Every server with the text of how far it is.
    servers: Vec<(String, String)>,
    wrong: Option<Wrong>,
}

/// The form of one page.
struct Form {
    filled: Filled,
    /// Whether the host has no page of its own.
    built_in: bool,
    /// What is there, beside what was typed and not taken.
    now: Option<[String; 3]>,
}

impl Form {
    fn new(under: &str, there: Option<[String; 3]>, built_in: [String; 3], sent: Option<(&Typed, &Wrong)>) -> Self {
        let is_built_in = there.is_none();
        let there = there.unwrap_or(built_in);
        let (typed, wrong, now) = match sent {
            Some((typed, wrong)) => (typed.clone(), Some(wrong.clone()), Some(there)),
            None => (Typed::of(["title", "message", "contact"].into_iter().zip(there)), None, None),
        };
        Self { filled: Filled { under: under.to_owned(), typed, wrong }, built_in: is_built_in, now }
    }
}

/// Which of the two pages a form is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Suspension,
    Welcome,
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    answer(&core, &asked, None, None).await
}

pub(crate) async fn set_suspension(State(core): State<Arc<Core>>, asked: Asked, given: Given) -> Response {
    set(&core, &asked, given, Which::Suspension).await
}

pub(crate) async fn set_welcome(State(core): State<Arc<Core>>, asked: Asked, given: Given) -> Response {
    set(&core, &asked, given, Which::Welcome).await
}

async fn set(core: &Arc<Core>, asked: &Asked, given: Given, which: Which) -> Response {
    let Given { mut fields, typed, .. } = given;
    let seen = fields.version();
    let built_in = fields.optional("do", |text| Ok::<_, String>(text == "built-in")).unwrap_or_default();
    let change = match which {
        _ if built_in => match which {
            Which::Suspension => Ok(PagesChange { suspension: Edit::Clear, ..PagesChange::default() }),
            Which::Welcome => Ok(PagesChange { welcome: Edit::Clear, ..PagesChange::default() }),
        },
        Which::Suspension => {
            let page = fields_of::suspension(&mut fields);
            checked(fields.finish(page)).map(|page| PagesChange { suspension: Edit::Set(page), ..PagesChange::default() })
        }
        Which::Welcome => {
            let page = fields_of::welcome(&mut fields);
            checked(fields.finish(page)).map(|page| PagesChange { welcome: Edit::Set(page), ..PagesChange::default() })
        }
    };
    let done = match change {
        Ok(change) => app::change_pages(core, &asked.caller, change, seen.as_ref(), &asked.request_id).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => to("/settings/pages", asked.part),
        Err(error) => answer(core, asked, Some((which, typed)), Some(error)).await,
    }
}

async fn answer(core: &Core, asked: &Asked, sent: Option<(Which, Typed)>, error: Option<AppError>) -> Response {
    let wrong = match error.map(Wrong::of).transpose() {
        Ok(wrong) => wrong,
        Err(error) => return asked.failed(core, error).await,
    };
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    match view(core, asked, sent, wrong).await {
        Ok(view) => shown(status, &view),
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, sent: Option<(Which, Typed)>, wrong: Option<Wrong>) -> Result<PagesPage, AppError> {
    let frame = asked.frame(core).await?;
    let pages = app::pages(core).await?;
    let sent_of = |which: Which| {
        let typed = sent.as_ref().filter(|(of, _)| *of == which).map(|(_, typed)| typed);
        typed.zip(wrong.as_ref())
    };
    let suspension = |page: &SuspensionPage| {
        [page.title.to_string(), page.message.to_string(), page.contact.as_ref().map(ToString::to_string).unwrap_or_default()]
    };
    let welcome = |page: &WelcomePage| [page.title.to_string(), page.message.to_string(), String::new()];
    let hash = pages_hash(&pages);
    let servers = server::list(core.store.read(), &asked.caller.owner).await?.into_iter().map(|server| {
        let text = match core.fleet.health(server.id).map(|health| health.pages_hash) {
            None => "server-unreachable",
            Some(None) => "pages-too-old",
            Some(Some(has)) if has == hash => "pages-there",
            Some(Some(_)) => "pages-on-their-way",
        };
        (server.name, frame.texts.say(text))
    });
    Ok(PagesPage {
        may: asked.caller.may(Scope::SettingsWrite),
        version: app::pages_version(&pages).as_str().to_owned(),
        suspension: Form::new(
            "suspension",
            pages.suspension.as_ref().map(suspension),
            suspension(&SuspensionPage::built_in()),
            sent_of(Which::Suspension),
        ),
        // The built-in page is no text alone, so that there is none to begin with.
        welcome: Form::new("welcome", pages.welcome.as_ref().map(welcome), Default::default(), sent_of(Which::Welcome)),
        servers: servers.collect(),
        wrong,
        frame,
    })
}

/// The page of suspended sites as it is now.
pub(crate) async fn suspension(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    match app::pages(&core).await {
        Ok(pages) => preview(pages.suspension_html()),
        Err(error) => asked.failed(&core, error).await,
    }
}

/// The page of suspended sites as it was typed.
pub(crate) async fn preview_suspension(asked: Asked, given: Given) -> Response {
    previewed(asked.texts, given, |given| {
        let page = fields_of::suspension(&mut given.fields);
        page.map(|page| page.html())
    })
}

/// The page of new sites as it is now.
pub(crate) async fn welcome(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    let html = async {
        let domain = example()?;
        let pages = app::pages(&core).await?;
        let time = jiff::Timestamp::from_microsecond(core.now().0).map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
        Ok::<_, AppError>(match pages {
            Pages { welcome: Some(page), .. } => page.html(&domain),
            _ => WelcomePage::built_in_as_shown(&domain, &app::php_of_new_accounts(&core).await?, &time.unwrap_or_default()),
        })
    };
    match html.await {
        Ok(html) => preview(html),
        Err(error) => asked.failed(&core, error).await,
    }
}

/// The page of new sites as it was typed.
pub(crate) async fn preview_welcome(asked: Asked, given: Given) -> Response {
    previewed(asked.texts, given, |given| {
        let page = fields_of::welcome(&mut given.fields);
        page.zip(example().ok()).map(|(page, domain)| page.html(&domain))
    })
}

fn example() -> Result<DomainName, AppError> {
    DomainName::parse(EXAMPLE).map_err(|_| AppError::Broken("name an example"))
}

/// What was typed as a page, or what is wrong with it.
fn previewed(texts: Texts, mut given: Given, read: impl FnOnce(&mut Given) -> Option<String>) -> Response {
    given.fields.optional("version", |_| Ok::<_, String>(()));
    let html = read(&mut given);
    match checked(given.fields.finish(html)) {
        Ok(html) => preview(html),
        Err(AppError::Refused(refusal)) => {
            let Refusal { errors, detail, .. } = *refusal;
            let all = errors.into_iter().map(|error| error.detail).collect::<Vec<_>>();
            let text = if all.is_empty() { detail } else { all.join("\n") };
            let mut response = (StatusCode::UNPROCESSABLE_ENTITY, format!("{}\n\n{text}", texts.say("pages-no-preview"))).into_response();
            within(&mut response, HeaderValue::from_static("default-src 'none'; frame-ancestors 'self'"));
            response
        }
        Err(error) => crate::http::ui::kit::message::Message::of(error).into_response(),
    }
}

/// A page as visitors get it. Its one style sheet is allowed by its hash, and our own pages may show it within them.
fn preview(html: String) -> Response {
    let style = STANDARD.encode(Sha256::digest(style_of(&html)));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'");
    let Ok(policy) = HeaderValue::from_str(&policy) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = Html(html).into_response();
    within(&mut response, policy);
    response
}

fn within(response: &mut Response, policy: HeaderValue) {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
}

impl PagesPage {
    fn texts(&self) -> Texts {
        self.frame.texts
    }
}
