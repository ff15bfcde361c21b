//! `/accounts/new`: an order by hand, checked while it is typed, with a plan before the button.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Of};
use axum::response::Response;
use http::StatusCode;
use opterius_model::PackageId;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::managed::never_came;
use crate::app::{self, Answer, AppError, Availability, PackageChoice, Refusal, Wish};
use crate::core::Core;
use crate::http::read::Fields;
use crate::http::read::order;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Filled, Given, Typed, Wrong, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::plan::PlanShown;
use crate::http::ui::kit::texts::Texts;
use crate::store::operation::Kind;
use crate::store::{package, server};

#[derive(Template)]
#[template(path = "new_account.html")]
struct NewAccountPage {
    frame: Frame,
    texts: Texts,
    packages: Vec<(String, String)>,
    servers: Vec<(String, String)>,
    filled: Filled,
    password: Zeroizing<String>,
    checks: Checks,
}

/// What is to be said of an order that is not sent yet.
#[derive(Template)]
#[template(path = "new_account_checks.html")]
struct Checks {
    texts: Texts,
    /// One line a part that was typed: whether it can be had, and what there is to say.
    lines: Vec<Line>,
    /// A username that is free, where the one that was typed is not.
    suggestion: Option<String>,
    plan: Option<PlanShown>,
}

struct Line {
    good: bool,
    what: String,
    text: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Wanted {
    /// The operation of an order that did not succeed, whose form this is again.
    #[serde(default)]
    again: String,
}

pub(crate) async fn form(Of(core): Of<Arc<Core>>, asked: Asked, wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let Query(Wanted { again }) = wanted.unwrap_or_default();
    let filled = async {
        let typed = if again.is_empty() { Typed::default() } else { ordered_before(&core, &asked, &again).await? };
        Ok::<_, AppError>((typed, app::generate_password()?))
    };
    match filled.await {
        Ok((typed, password)) => {
            let password = Zeroizing::new(password.expose().to_owned());
            answer(&core, &asked, typed, password, None, None).await
        }
        Err(error) => asked.failed(&core, error).await,
    }
}

/// What was ordered by an operation. The password is not kept: another one is made.
async fn ordered_before(core: &Core, asked: &Asked, id: &str) -> Result<Typed, AppError> {
    let missing = || AppError::from(Refusal::not_found("operation", id));
    let operation = app::operation(core, &asked.caller, id.parse().map_err(|_| missing())?).await?;
    let memo = operation.memo.filter(|_| never_came(operation.kind, operation.outcome)).ok_or_else(missing)?;
    let fields = [
        ("username", Some(operation.username)),
        ("domain", Some(operation.domain)),
        ("package_id", memo.package_id.map(|id| id.to_string())),
        ("server", Some(operation.server_id.to_string())),
        ("email", memo.email),
        ("external_ref", asked.caller.shown_ref(memo.external_ref.as_deref())),
        ("client_ref", asked.caller.shown_ref(memo.client.client_ref.as_deref())),
        ("next_due_on", memo.client.next_due_on.map(|day| day.to_string())),
    ];
    Ok(Typed::of(fields.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)))))
}

/// The checks alone for htmx; a browser without scripts gets the whole page with them.
pub(crate) async fn checks(Of(core): Of<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let frame = match asked.frame(&core).await {
        Ok(frame) => frame,
        Err(error) => return asked.failed(&core, error).await,
    };
    match check(&core, &asked, frame.texts, &given.typed, given.fields).await {
        Ok(checks) if asked.part => shown(StatusCode::OK, &checks),
        Ok(checks) => answer(&core, &asked, given.typed, given.password, Some(checks), None).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn create(Of(core): Of<Arc<Core>>, asked: Asked, given: Given) -> Response {
    let Given { fields, typed, password, .. } = given;
    let taken = match checked(order(&core, &asked.caller, fields).await) {
        // Nobody waits here: the operation has a page that shows how it goes on.
        Ok(order) => app::create_account(&core, &asked.caller, order, &asked.request_id, Duration::ZERO).await,
        Err(error) => Err(error),
    };
    match taken {
        Ok(Answer::Running(operation)) => to(&format!("/operations/{}", operation.id), asked.part),
        Ok(Answer::Created { account, .. } | Answer::Done(account)) => to(&format!("/accounts/{}", account.id), asked.part),
        Err(error) => {
            if let AppError::Refused(refusal) = &error {
                app::record_refusal(&core, &asked.caller, Kind::Create.action(), &asked.request_id, refusal).await;
            }
            match Wrong::of(error) {
                Ok(wrong) => answer(&core, &asked, typed, password, None, Some(wrong)).await,
                Err(error) => asked.failed(&core, error).await,
            }
        }
    }
}

/// Everything that can be said before the order is sent. What was not typed yet is not called wrong.
async fn check(core: &Core, asked: &Asked, texts: Texts, typed: &Typed, fields: Fields) -> Result<Checks, AppError> {
    let given = |field: &str| Some(typed.get(field).to_owned()).filter(|text| !text.is_empty());
    let package = typed.get("package_id").parse::<PackageId>().ok().map(PackageChoice::Id);
    let wish = Wish { username: given("username"), domain: given("domain"), package, server: given("server") };
    let Availability { username, domain, package, server: (server, in_the_way), suggestion } =
        app::availability(core, &asked.caller, &wish).await?;
    let mut lines = Vec::new();
    let mut line = |what: &str, found: Result<String, Refusal>| {
        let good = found.is_ok();
        let text = found.unwrap_or_else(|refusal| refusal.errors.first().map_or(refusal.detail, |error| error.detail.clone()));
        lines.push(Line { good, what: texts.say(what), text });
    };
    let free = texts.say("new-account-free");
    let suggestion = suggestion.map(|name| name.to_string()).filter(|name| *name != wish.username.clone().unwrap_or_default());
    if let Some(found) = username {
        line("account-username", found.map(|name| format!("{name}: {free}")));
    }
    if let Some(found) = domain {
        line("account-domain", found.map(|name| format!("{name}: {free}")));
    }
    if let Some(found) = package {
        line("account-package", found.map(|name| format!("{name}: {}", texts.say("new-account-fits"))));
    }
    if let Some(refusal) = in_the_way {
        line("account-server", Err(refusal));
    } else if let Some(server) = server {
        line("account-server", Ok(format!("{}: {}", server.name, texts.say("new-account-room"))));
    }
    let plan = match checked(order(core, &asked.caller, fields).await) {
        Ok(order) => Some(app::plan_order(core, &asked.caller, &order, &asked.request_id).await?.into()),
        Err(AppError::Refused(refusal)) => {
            // Names are told of already.
            for error in
                refusal.errors.iter().filter(|error| !matches!(error.field.as_str(), "username" | "domain" | "package" | "package_id"))
            {
                if typed.has(&error.field) || error.field == "password" {
                    lines.push(Line { good: false, what: error.field.clone(), text: error.detail.clone() });
                }
            }
            None
        }
        Err(error) => return Err(error),
    };
    Ok(Checks { texts, lines, suggestion, plan })
}

async fn answer(
    core: &Core,
    asked: &Asked,
    typed: Typed,
    password: Zeroizing<String>,
    checks: Option<Checks>,
    wrong: Option<Wrong>,
) -> Response {
    let filled = Filled { typed, wrong, ..Filled::default() };
    match view(core, asked, filled, password, checks).await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(
    core: &Core,
    asked: &Asked,
    filled: Filled,
    password: Zeroizing<String>,
    checks: Option<Checks>,
) -> Result<NewAccountPage, AppError> {
    let (read, owner) = (core.store.read(), &asked.caller.owner);
    let frame = asked.frame(core).await?;
    let texts = frame.texts;
    let packages = package::names(read, owner).await?;
    let servers = server::list(read, owner).await?;
    Ok(NewAccountPage {
        packages: packages
            .into_iter()
            .filter(|package| !package.retired)
            .map(|package| (package.id.to_string(), package.name.to_string()))
            .collect(),
        servers: servers.into_iter().map(|server| (server.id.to_string(), server.name)).collect(),
        checks: checks.unwrap_or(Checks { texts, lines: Vec::new(), suggestion: None, plan: None }),
        filled,
        password,
        texts,
        frame,
    })
}
