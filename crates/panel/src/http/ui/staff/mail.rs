//! `/settings/mail`: the mail server through which staff are told what they must not miss, and what they were told last.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Of;
use axum::response::Response;

use crate::app::{
    self, AppError, Edit, MailAddress, MailHost, MailServerChange, MailUsername, Scope, Version, mail_port_text, mail_server_version,
};
use crate::core::Core;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Filled, Given, Typed, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::moment::Moment;
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
    filled: Filled,
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
    Typed::of(fields)
}

pub(crate) async fn show(Of(core): Of<Arc<Core>>, asked: Asked) -> Response {
    answer(&core, &asked, None, None, None).await
}

pub(crate) async fn change(Of(core): Of<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let Given { mut fields, typed, .. } = given;
    let done = async {
        let (seen, wanted) = (fields.version(), wanted(&mut fields));
        let (seen, change) = checked(fields.finish(seen.zip(wanted)))?;
        app::change_mail_server(&core, &asked.caller, change, Some(&seen), &asked.request_id).await
    };
    match done.await {
        Ok(_) => to("/settings/mail", asked.part),
        Err(error) => answer(&core, &asked, Some(typed), Some(error), None).await,
    }
}

pub(crate) async fn remove(Of(core): Of<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let seen = Version::given(given.typed.get("version"));
    match app::remove_mail_server(&core, &asked.caller, Some(&seen), &asked.request_id).await {
        Ok(()) => to("/settings/mail", asked.part),
        Err(error) => answer(&core, &asked, None, Some(error), None).await,
    }
}

pub(crate) async fn test(Of(core): Of<Arc<Core>>, asked: Asked) -> Response {
    let (tested, error) = match app::test_mail_server(&core, &asked.caller, &asked.request_id).await {
        Ok(None) => (Some(asked.texts.say("mail-test-sent")), None),
        Ok(Some(refused)) => (Some(asked.texts.about("mail-test-sent-some", "refused", &refused)), None),
        Err(error) => (None, Some(error)),
    };
    answer(&core, &asked, None, error, tested).await
}

fn wanted(fields: &mut Fields) -> Option<MailServerChange> {
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
    let recipients = fields.required_lines("recipients", MailAddress::parse);
    MailServerChange::of(host, port, encryption, username, password, sender, recipients)
}

async fn answer(core: &Core, asked: &Asked, typed: Option<Typed>, error: Option<AppError>, tested: Option<String>) -> Response {
    match view(core, asked, typed, error).await {
        Ok(view) => shown(view.filled.status(), &MailPage { tested, ..view }),
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, typed: Option<Typed>, error: Option<AppError>) -> Result<MailPage, AppError> {
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
        filled: Filled::new(typed.or_else(|| server.as_ref().map(filled)).unwrap_or_default(), error)?,
        tested: None,
        encryptions: Encryption::ALL.iter().map(|one| (one.as_str(), texts.say(&format!("mail-encryption-{}", one.as_str())))).collect(),
        now: server.as_ref().map(now),
        has_password: server.as_ref().is_some_and(|server| server.password.is_some()),
        version: mail_server_version(server.as_ref()).as_str().to_owned(),
        notices: notices.into_iter().map(|one| Told::new(&frame, one)).collect(),
        frame,
    })
}
