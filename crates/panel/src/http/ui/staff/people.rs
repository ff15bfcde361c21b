//! `/people`: the host's people, what they may do, and how they sign in.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::app::{self, AdministratorName, AppError, Scope};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::confirm::Sure;
use crate::http::ui::kit::form::{Filled, Given, Typed, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::once::{Once, Value};
use crate::store::administrator::{self, Administrator, Role};

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<Row>,
    may: bool,
    filled: Filled,
    roles: Vec<Choice>,
}

/// One of the host's people.
struct Row {
    name: String,
    role: String,
    /// Whether they have a second factor.
    protected: bool,
    since: Moment,
    /// Whether it is who asks.
    own: bool,
}

/// A role to choose.
struct Choice {
    word: &'static str,
    name: String,
    what: String,
}

fn roles(frame: &Frame) -> Vec<Choice> {
    let choice = |role: &Role| Choice {
        word: role.as_str(),
        name: frame.texts.say(&format!("role-{}", role.as_str())),
        what: frame.texts.say(&format!("role-may-{}", role.as_str())),
    };
    Role::ALL.iter().rev().map(choice).collect()
}

fn row(frame: &Frame, asked: &Asked, one: Administrator) -> Row {
    Row {
        role: frame.texts.say(&format!("role-{}", one.role.as_str())),
        protected: one.totp_secret.is_some(),
        since: frame.moment(one.created_at),
        own: asked.is(&one.username),
        name: one.username,
    }
}

pub(crate) async fn list(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    page(&core, &asked, Typed::of([("role", Role::Support.as_str())]), None).await
}

async fn page(core: &Core, asked: &Asked, typed: Typed, error: Option<AppError>) -> Response {
    let view = async {
        let filled = Filled::new(typed, error)?;
        let frame = asked.frame(core).await?;
        let people = administrator::list(core.store.read(), &asked.caller.owner).await?;
        let people = people.into_iter().map(|one| row(&frame, asked, one)).collect();
        Ok(PeoplePage { people, may: asked.caller.may(Scope::AdministratorsWrite), roles: roles(&frame), filled, frame })
    };
    match view.await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

pub(crate) async fn add(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Sure { by, given: Given { mut fields, typed, .. } }: Sure,
) -> Response {
    let made = async {
        let name = fields.text("name", AdministratorName::parse);
        let role = fields.text("role", str::parse::<Role>);
        let (name, role) = checked(fields.finish(name.zip(role)))?;
        let password = app::generate_password()?;
        let name = app::create_administrator(&core, &by, name, role, password.clone(), &asked.request_id).await?;
        Ok((name, password))
    };
    match made.await {
        Ok((name, password)) => password_once(&core, &asked, name.as_str(), password.expose(), "person-added").await,
        Err(error) => page(&core, &asked, typed, Some(error)).await,
    }
}

/// The password of somebody, this once.
async fn password_once(core: &Core, asked: &Asked, name: &str, password: &str, text: &str) -> Response {
    match asked.frame(core).await {
        Ok(frame) => {
            let text = frame.texts.about(text, "name", name);
            let values = vec![Value::new(frame.texts.say("sign-in-name"), name), Value::new(frame.texts.say("sign-in-password"), password)];
            // Whoever gave themselves another password is signed out by that.
            let back = if asked.is(name) { "/enter" } else { "/people" };
            Once { title: frame.texts.say("person-password-once"), text, values, back: back.to_owned(), frame }.answer()
        }
        Err(error) => asked.failed(core, error).await,
    }
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    frame: Frame,
    person: Row,
    may: bool,
    filled: Filled,
    roles: Vec<Choice>,
    /// The role that they have, as the form is to say.
    seen: String,
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>) -> Response {
    person(&core, &asked, &name, Typed::default(), None).await
}

async fn person(core: &Core, asked: &Asked, name: &str, typed: Typed, error: Option<AppError>) -> Response {
    let view = async {
        let filled = Filled::new(typed, error)?;
        let one = app::person(core, &asked.caller, name).await?;
        let frame = asked.frame(core).await?;
        let (seen, may) = (one.role.as_str().to_owned(), asked.caller.may(Scope::AdministratorsWrite));
        Ok(PersonPage { person: row(&frame, asked, one), may, roles: roles(&frame), seen, filled, frame })
    };
    match view.await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

pub(crate) async fn set_role(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(name): Path<String>,
    Sure { by, given: Given { mut fields, typed, .. } }: Sure,
) -> Response {
    let done = async {
        let role = fields.text("role", str::parse::<Role>);
        let seen = fields.text("version", str::parse::<Role>);
        let (role, seen) = checked(fields.finish(role.zip(seen)))?;
        app::set_role(&core, &by, &name, role, seen, &asked.request_id).await
    };
    let done = done.await;
    back(&core, &asked, &name, typed, done, &format!("/people/{name}")).await
}

pub(crate) async fn new_password(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>, Sure { by, .. }: Sure) -> Response {
    let done = async {
        let name = app::person(&core, &asked.caller, &name).await?.username;
        let name = AdministratorName::parse(&name).map_err(|_| AppError::Broken("read a name that was stored"))?;
        let password = app::generate_password()?;
        app::change_administrator_password(&core, &by, name, password.clone(), &asked.request_id).await?;
        Ok(password)
    };
    match done.await {
        Ok(password) => password_once(&core, &asked, &name, password.expose(), "person-new-password").await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn remove_second_factor(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(name): Path<String>,
    Sure { by, .. }: Sure,
) -> Response {
    let done = app::remove_second_factor(&core, &by, &name, &asked.request_id).await;
    back(&core, &asked, &name, Typed::default(), done, &format!("/people/{name}")).await
}

pub(crate) async fn delete(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(name): Path<String>,
    Sure { by, given: Given { mut fields, typed, .. } }: Sure,
) -> Response {
    let done = async {
        let confirmed = fields.text("confirm", |text| if text == name { Ok(()) } else { Err(asked.texts.say("confirm-wrong")) });
        let () = checked(fields.finish(confirmed))?;
        app::delete_administrator(&core, &by, &name, &asked.request_id).await
    };
    let done = done.await;
    back(&core, &asked, &name, typed, done, "/people").await
}

/// Where a form leads once it was taken; back to it with the reason otherwise.
async fn back(core: &Core, asked: &Asked, name: &str, typed: Typed, done: Result<(), AppError>, path: &str) -> Response {
    match done {
        Ok(()) => to(path, asked.part),
        Err(error) => person(core, asked, name, typed, Some(error)).await,
    }
}
