//! `/settings/mail`: the mail server through which staff are told what they must not miss, and what they were told last.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Of;
use axum::response::Response;
use http::StatusCode;

use super::assets;
use super::form::{Given, Typed, Wrong, checked};
use super::frame::{Asked, Frame, shown, to};
use super::moment::Moment;
use crate::app::{
    self, AppError, Code, Edit, MailAddress, MailHost, MailServerChange, MailUsername, Scope, Version, mail_port_text, mail_server_version,
};
use crate::core::Core;
use crate::http::fields::Fields;
use crate::notices;
use crate::store::mail_server::{Encryption, MailPassword, MailServer};
use crate::store::notice::{self, Notice, State};

/// Notices that are shown.
const LATEST: u32 = 20;

#[derive(Template)]
#[template(path = "mail.html")]
struct MailPage {
    frame: Frame,
    may: bool,
    typed: Typed,
    wrong: Option<Wrong>,
    /// That a test message was sent.
    tested: Option<String>,
    encryptions: Vec<(&'static str, String)>,
    /// What is set now, in a line.
    now: Option<String>,
    has_password: bool,
    version: String,
    notices: Vec<Told>,
}

/// A notice as it is shown.
struct Told {
    subject: String,
    href: String,
    state: String,
    class: &'static str,
    why: Option<String>,
    at: Moment,
}

impl MailPage {
    /// What is wrong with this field.
    fn wrong_with(&self, field: &str) -> Option<&str> {
        self.wrong.as_ref()?.field(field)
    }
}

impl Told {
    fn new(frame: &Frame, notice: Notice) -> Self {
        let (class, at) = match notice.state {
            State::Waiting => ("bg-yellow text-yellow-fg", notice.queued_at),
            State::Sent => ("bg-green text-green-fg", notice.ended_at.unwrap_or(notice.queued_at)),
            State::GivenUp => ("bg-red text-red-fg", notice.ended_at.unwrap_or(notice.queued_at)),
        };
        Self {
            subject: notices::subject(frame.texts, &notice.facts),
            href: notices::path(&notice),
            state: frame.texts.say(&format!("notice-state-{}", notice.state.as_str())),
            class,
            why: notice.why,
            at: frame.moment(at),
        }
    }
}

/// What the form shows of the server that is there.
fn filled(server: &MailServer) -> Typed {
    let fields = [
        ("host", server.host.clone()),
        ("port", server.port.to_string()),
        ("encryption", server.encryption.as_str().to_owned()),
        ("username", server.username.clone().unwrap_or_default()),
        ("sender", server.sender.clone()),
        ("recipients", server.recipients.join("\n")),
    ];
    Typed::of(&fields.map(|(name, value)| (name.to_owned(), value)))
}

pub(super) async fn show(Of(core): Of<Arc<Core>>, asked: Asked) -> Response {
    answer(&core, &asked, None, None, None).await
}

pub(super) async fn change(Of(core): Of<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let Given { fields, typed, .. } = given;
    let seen = Version::given(typed.get("version"));
    let done = match wanted(fields) {
        Ok(change) => app::change_mail_server(&core, &asked.caller, change, Some(&seen), &asked.request_id).await,
        Err(error) => Err(error),
    };
    match done.map_err(Wrong::of) {
        Ok(_) => to("/settings/mail", asked.part),
        Err(Ok(wrong)) => answer(&core, &asked, Some(typed), Some(wrong), None).await,
        Err(Err(error)) => asked.failed(&core, error).await,
    }
}

pub(super) async fn remove(Of(core): Of<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let seen = Version::given(given.typed.get("version"));
    match app::remove_mail_server(&core, &asked.caller, Some(&seen), &asked.request_id).await.map_err(Wrong::of) {
        Ok(()) => to("/settings/mail", asked.part),
        Err(Ok(wrong)) => answer(&core, &asked, None, Some(wrong), None).await,
        Err(Err(error)) => asked.failed(&core, error).await,
    }
}

pub(super) async fn test(Of(core): Of<Arc<Core>>, asked: Asked) -> Response {
    let tested = match app::test_mail_server(&core, &asked.caller, &asked.request_id).await {
        Ok(None) => Ok(asked.texts.say("mail-test-sent")),
        Ok(Some(refused)) => Ok(asked.texts.about("mail-test-sent-some", "refused", &refused)),
        Err(AppError::Refused(refusal)) if matches!(refusal.code, Code::MailNotTaken | Code::NotFound) => Err(Wrong::new(*refusal)),
        Err(error) => return asked.failed(&core, error).await,
    };
    match tested {
        Ok(tested) => answer(&core, &asked, None, None, Some(tested)).await,
        Err(wrong) => answer(&core, &asked, None, Some(wrong), None).await,
    }
}

/// Everything that is wrong with a form, or what it wants.
fn wanted(mut fields: Fields) -> Result<MailServerChange, AppError> {
    // Read already, as it was typed.
    let _ = fields.optional("version", |_| Ok::<_, String>(()));
    let host = fields.required("host", MailHost::parse);
    let port = fields.required("port", mail_port_text);
    let encryption = fields.required("encryption", str::parse::<Encryption>);
    let username = fields.optional("username", MailUsername::parse);
    let removed = fields.truth("remove_password", false);
    let password = match fields.edit("password", MailPassword::parse) {
        Edit::Keep if removed => Edit::Clear,
        password => password,
    };
    let sender = fields.required("sender", MailAddress::parse);
    let recipients = fields.required("recipients", |text| {
        text.split([',', '\n', ' ', '\t', '\r']).filter(|text| !text.is_empty()).map(MailAddress::parse).collect::<Result<Vec<_>, _>>()
    });
    let wanted = MailServerChange::of(host, port, encryption, username, password, sender, recipients);
    checked(fields.finish(wanted))
}

async fn answer(core: &Core, asked: &Asked, typed: Option<Typed>, wrong: Option<Wrong>, tested: Option<String>) -> Response {
    match view(core, asked, typed).await {
        Ok(view) => shown(wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status), &MailPage { wrong, tested, ..view }),
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, typed: Option<Typed>) -> Result<MailPage, AppError> {
    let frame = asked.frame(core).await?;
    let server = app::mail_server(core, &asked.caller).await?;
    let notices = notice::latest(core.store.read(), &asked.caller.owner, LATEST).await?;
    let now = |server: &MailServer| {
        let at = format!("{}:{} ({})", server.host, server.port, server.encryption.as_str());
        let who = server.username.iter().chain([&server.sender]).chain(&server.recipients).cloned();
        std::iter::once(at).chain(who).collect::<Vec<_>>().join(" · ")
    };
    let texts = frame.texts;
    Ok(MailPage {
        may: asked.caller.may(Scope::SettingsWrite),
        typed: typed.or_else(|| server.as_ref().map(filled)).unwrap_or_default(),
        wrong: None,
        tested: None,
        encryptions: Encryption::ALL.iter().map(|one| (one.as_str(), texts.say(&format!("mail-encryption-{}", one.as_str())))).collect(),
        now: server.as_ref().map(now),
        has_password: server.as_ref().is_some_and(|server| server.password.is_some()),
        version: mail_server_version(server.as_ref()).as_str().to_owned(),
        notices: notices.into_iter().map(|one| Told::new(&frame, one)).collect(),
        frame,
    })
}
