//! What the host's people do to an account: each is a form of its page, and the verb that the API has, too.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State as Of;
use axum::response::Response;
use http::StatusCode;
use opterius_model::{AccountId, DomainName, Hold, PhpChoice, Username};

use super::managed;
use crate::app::{
    self, Answer, AppError, AsSeen, KeptDays, NewPassword, PhpChange, Reason, Reference, Repair, Restore, Suspend, Terminate, Unsuspend,
    Verb, Version,
};
use crate::core::Core;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Given, Id, Typed, Wrong, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};

/// How long the page waits for the outcome before it shows the operation instead: most changes are made within it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Makes a change of the account that was seen.
pub(crate) async fn make<V: Verb>(core: &Arc<Core>, asked: &Asked, id: AccountId, version: Version, verb: V) -> Result<Answer, AppError> {
    let (reference, verb) = (Reference::Id(id), AsSeen::new(verb, version));
    let patience = PATIENCE.min(core.seams.timing.patience);
    let changed = app::change_account(core, &asked.caller, &reference, &verb, &asked.request_id, patience).await;
    if let Err(AppError::Refused(refusal)) = &changed {
        app::record_refusal(core, &asked.caller, V::KIND.action(), &asked.request_id, refusal).await;
    }
    changed.map(|changed| changed.answer)
}

/// To the account as it is now, or to the operation that goes on.
pub(crate) fn made(asked: &Asked, id: AccountId, answer: &Answer) -> Response {
    match answer {
        Answer::Running(operation) => to(&format!("/operations/{}", operation.id), asked.part),
        Answer::Done(_) | Answer::Created { .. } => to(&format!("/accounts/{id}"), asked.part),
    }
}

/// Takes one form of the page: reads it, makes the change, and shows the page again, with what was typed, if it was not taken.
async fn take<V: Verb>(
    core: &Arc<Core>,
    asked: &Asked,
    id: &Id<AccountId>,
    form: &'static str,
    Given { mut fields, typed, .. }: Given,
    read: impl AsyncFnOnce(&mut Fields) -> Result<Option<V>, AppError>,
) -> Response {
    let id = match id.of("account") {
        Ok(id) => id,
        Err(error) => return asked.failed(core, error).await,
    };
    let version = fields.version();
    let verb = match read(&mut fields).await {
        Ok(verb) => checked(fields.finish(version.zip(verb))),
        Err(error) => Err(error),
    };
    let made_it = match verb {
        Ok((version, verb)) => make(core, asked, id, version, verb).await,
        Err(error) => Err(error),
    };
    match made_it {
        Ok(answer) => made(asked, id, &answer),
        Err(error) => refused(core, asked, id, form, typed, error).await,
    }
}

/// Shows the page again, with what was typed beside what there is now.
async fn refused(core: &Core, asked: &Asked, id: AccountId, form: &'static str, typed: Typed, error: AppError) -> Response {
    match Wrong::of(error) {
        Ok(wrong) => managed::answer(core, asked, id, Some((form, wrong)), typed).await,
        Err(error) => asked.failed(core, error).await,
    }
}

pub(crate) async fn suspend(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    take(&core, &asked, &id, "suspend", given, async |fields| {
        let reason = fields.required("reason", Reason::parse);
        let hold = fields.optional("hold", str::parse::<Hold>);
        reason.map(|reason| Suspend::by(&asked.caller, hold, reason)).transpose()
    })
    .await
}

pub(crate) async fn unsuspend(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    take(&core, &asked, &id, "unsuspend", given, async |fields| {
        let hold = fields.required("hold", str::parse::<Hold>);
        hold.map(|hold| Unsuspend::by(&asked.caller, Some(hold))).transpose()
    })
    .await
}

pub(crate) async fn php(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    take(&core, &asked, &id, "php", given, async |fields| Ok(fields.required("php_version", PhpChoice::parse).map(PhpChange))).await
}

pub(crate) async fn repair(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    take(&core, &asked, &id, "repair", given, async |_| Ok(Some(Repair))).await
}

pub(crate) async fn terminate(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    let account = match id.of("account") {
        Ok(id) => app::any_account(&core, &asked.caller, &Reference::Id(id)).await,
        Err(error) => Err(error),
    };
    let account = match account {
        Ok(account) => account,
        Err(error) => return asked.failed(&core, error).await,
    };
    take(&core, &asked, &id, "terminate", given, async |fields| {
        let confirmed = fields.required("confirm", |text| {
            if text == account.username.as_str() {
                Ok(())
            } else {
                Err(format!("Type `{}`, the username, to terminate it.", account.username))
            }
        });
        let keep = fields.optional("keep_days", KeptDays::parse);
        let verb = Terminate::keeping(&core, keep).await?;
        Ok(confirmed.map(|()| verb))
    })
    .await
}

pub(crate) async fn restore(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    take(&core, &asked, &id, "restore", given, async |fields| {
        let reserved = app::reserved_names(&core).await?;
        let username = fields.optional("username", Username::parse);
        let domain = fields.optional("domain", DomainName::parse);
        if let Some(detail) = domain.as_ref().and_then(|domain| app::reserved(domain, &reserved)) {
            fields.refuse("domain", "reserved", detail);
        }
        Ok(Some(Restore { username, domain }))
    })
    .await
}

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordPage {
    frame: Frame,
    id: String,
    username: String,
    password: String,
    /// The operation that still sets it.
    operation: Option<String>,
}

pub(crate) async fn password(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    let id = match id.of("account") {
        Ok(id) => id,
        Err(error) => return asked.failed(&core, error).await,
    };
    match set_password(&core, &asked, id, given.fields).await {
        Ok(page) => shown(StatusCode::OK, &page),
        Err(error) => refused(&core, &asked, id, "password", given.typed, error).await,
    }
}

async fn set_password(core: &Arc<Core>, asked: &Asked, id: AccountId, mut fields: Fields) -> Result<NewPasswordPage, AppError> {
    let version = fields.version();
    let version = checked(fields.finish(version))?;
    let password = Arc::new(app::generate_password()?);
    let (username, operation) = match make(core, asked, id, version, NewPassword(password.clone())).await? {
        Answer::Running(operation) => (operation.username.clone(), Some(operation.id.to_string())),
        Answer::Done(account) | Answer::Created { account, .. } => (account.username.to_string(), None),
    };
    let frame = asked.frame(core).await?;
    Ok(NewPasswordPage { frame, id: id.to_string(), username, password: password.expose().to_owned(), operation })
}
