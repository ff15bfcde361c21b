//! What is around every page of Server Mode: the menu, who is signed in, and the texts of their language.

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use opterius_model::{PhpChoice, RequestId};
use opterius_protocol::Micros;
use opterius_protocol::client::chain;

use super::assets;
use super::gate::Visitor;
use super::message::Message;
use super::moment::Moment;
use super::page;
use super::texts::Texts;
use crate::app::{self, AppError, Caller, CallerKind, Refusal, Scope, TimeZone};
use crate::core::Core;
use crate::http::problem;
use crate::store::operation::{self, Outcome};

/// Styles, scripts, pictures and answers of our own, and nothing else; no style and no script in a page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// What the templates of Server Mode call `frame`.
pub(crate) struct Frame {
    pub(crate) texts: Texts,
    /// Nothing on the pages before somebody is signed in.
    pub(crate) who: Option<Who>,
    pub(crate) menu: Vec<Item>,
    pub(crate) now: Micros,
    /// In which exact times are said.
    pub(crate) zone: TimeZone,
}

/// Who is signed in.
pub(crate) struct Who {
    pub(crate) name: String,
    /// Whether it is one of the host's people, who have a page of their own, and not the staff of a token.
    pub(crate) profile: bool,
}

/// One line of the menu.
pub(crate) struct Item {
    pub(crate) href: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) text: String,
    /// Whether the page belongs to it.
    pub(crate) here: bool,
    /// How many things wait there.
    pub(crate) number: i64,
}

/// Where the menu leads, with what somebody needs to see it.
const MENU: [(&str, &str, &str, Scope); 9] = [
    ("/", "dashboard", "nav-dashboard", Scope::ServersRead),
    ("/accounts", "users", "nav-accounts", Scope::AccountsRead),
    ("/packages", "package", "nav-packages", Scope::PackagesRead),
    ("/operations", "tool", "nav-operations", Scope::OperationsRead),
    ("/activity", "activity", "nav-activity", Scope::ActivityRead),
    ("/servers", "server", "nav-servers", Scope::ServersRead),
    ("/tokens", "key", "nav-tokens", Scope::TokensRead),
    ("/people", "shield-lock", "nav-people", Scope::AdministratorsRead),
    ("/settings", "settings", "nav-settings", Scope::SettingsRead),
];

/// A request for a page of Server Mode: who asks, under which id, and in which language.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    pub(crate) request_id: RequestId,
    pub(crate) texts: Texts,
    path: String,
    /// Whether htmx asks, for a part of the page.
    pub(crate) part: bool,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let request_id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
        let Some(Visitor(app::Visitor::Staff(caller, chosen))) = parts.extensions.get::<Visitor>().cloned() else {
            return Err(Message::not_signed_in().into_response());
        };
        Ok(Self {
            texts: Texts::of(chosen.as_deref(), &parts.headers),
            path: parts.uri.path().to_owned(),
            part: parts.headers.contains_key("hx-request"),
            caller,
            request_id,
        })
    }
}

impl Asked {
    /// Whether it is one of the host's people, of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.caller.kind == CallerKind::Administrator && self.caller.name == name
    }

    /// What is around the page.
    pub(crate) async fn frame(&self, core: &Core) -> Result<Frame, AppError> {
        let waiting = if self.caller.may(Scope::OperationsRead) {
            let filter = operation::Filter {
                ref_prefix: self.caller.ref_prefix.as_ref().map(|prefix| prefix.as_str().to_owned()),
                outcome: Some(Outcome::NeedsAttention),
                ..operation::Filter::default()
            };
            operation::count(core.store.read(), &self.caller.owner, &filter).await?
        } else {
            0
        };
        let menu = MENU.iter().filter(|(.., scope)| self.caller.may(*scope)).map(|(href, icon, text, _)| Item {
            href,
            icon,
            text: self.texts.say(text),
            here: if *href == "/" { self.path == "/" } else { self.path == *href || self.path.starts_with(&format!("{href}/")) },
            number: if *href == "/operations" { waiting } else { 0 },
        });
        Ok(Frame {
            texts: self.texts,
            who: Some(Who { name: self.caller.name.clone(), profile: self.caller.kind == CallerKind::Administrator }),
            menu: menu.collect(),
            now: core.now(),
            zone: app::time_zone(core).await?,
        })
    }

    /// A page that says why something was not done or cannot be shown. What was begun and failed has a page of its own, however soon it failed.
    pub(crate) async fn failed(&self, core: &Core, error: AppError) -> Response {
        let refusal = match error {
            AppError::Refused(refusal) => *refusal,
            error => {
                tracing::error!(error = %chain(&error), "the Panel failed at a page");
                Refusal::new(app::Code::Internal, "The Panel failed at this. It is not because of anything that you did.")
                    .hint("Try again in a moment. `journalctl -u opterius-panel` says more.")
            }
        };
        if let Some(id) = refusal.operation_id
            && let Ok(operation) = app::operation(core, &self.caller, id).await
            && operation.request_id == self.request_id
        {
            return to(&format!("/operations/{id}"), self.part);
        }
        let Ok(frame) = self.frame(core).await else { return Message::of(AppError::Broken("show what was wrong")).into_response() };
        let status = problem::status(refusal.code);
        let errors =
            refusal.errors.iter().map(|error| error.detail.clone()).filter(|detail| refusal.errors.len() > 1 || *detail != refusal.detail);
        let view = Failed {
            errors: errors.collect(),
            detail: refusal.detail,
            hint: refusal.hint,
            operation: refusal.operation_id.map(|id| id.to_string()),
            request: self.request_id.to_string(),
            frame,
        };
        shown(status, &view)
    }
}

#[derive(Template)]
#[template(path = "failed.html")]
struct Failed {
    frame: Frame,
    detail: String,
    hint: Option<String>,
    errors: Vec<String>,
    operation: Option<String>,
    request: String,
}

impl Frame {
    /// Around a page for which nobody has to be signed in.
    pub(crate) fn outside(headers: &HeaderMap, now: Micros) -> Self {
        Self { texts: Texts::of(None, headers), who: None, menu: Vec::new(), now, zone: TimeZone::UTC }
    }

    /// When something was, as people say it, with the exact time beside it.
    pub(crate) fn moment(&self, at: Micros) -> Moment {
        Moment::in_words(at, self.now, self.texts, &self.zone)
    }

    /// A choice of PHP, as people read it.
    pub(crate) fn php(&self, choice: &PhpChoice) -> String {
        match choice {
            PhpChoice::Newest => self.texts.say("php-newest"),
            PhpChoice::Version(version) => version.to_string(),
        }
    }
}

/// A page of Server Mode as an answer.
pub(crate) fn shown(status: StatusCode, template: &impl Template) -> Response {
    page::with_policy(status, template, POLICY)
}

/// To another page, as after a form was taken. htmx is told in its own way.
pub(crate) fn to(path: &str, part: bool) -> Response {
    let Ok(value) = HeaderValue::from_str(path) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    if part {
        return (StatusCode::NO_CONTENT, [(http::HeaderName::from_static("hx-redirect"), value)]).into_response();
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response()
}
