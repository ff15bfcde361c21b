//! `/people`: the host's people, what they may do, and how they sign in.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::assets;
use super::frame::{Asked, Frame, shown, to};
use super::given::Given;
use super::moment::Moment;
use super::once::{Once, Value};
use crate::app::{self, AdministratorName, AppError, Scope};
use crate::core::Core;
use crate::store::administrator::{self, Administrator, Role};

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<Row>,
    may: bool,
    given: Given,
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

pub(super) async fn list(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    page(&core, &asked, Given::filled([("role", Role::Support.as_str())])).await
}

async fn page(core: &Core, asked: &Asked, given: Given) -> Response {
    let view = async {
        let frame = asked.frame(core).await?;
        let people = administrator::list(core.store.read(), &asked.caller.owner).await?;
        let people = people.into_iter().map(|one| row(&frame, asked, one)).collect();
        Ok(PeoplePage { people, may: asked.caller.may(Scope::AdministratorsWrite), roles: roles(&frame), given, frame })
    };
    match view.await {
        Ok(view) => shown(view.given.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

pub(super) async fn add(State(core): State<Arc<Core>>, asked: Asked, mut given: Given) -> Response {
    let name = given.read("name", AdministratorName::parse);
    let role = given.read("role", str::parse::<Role>);
    let (Some(name), Some(role)) = (name, role) else { return page(&core, &asked, given).await };
    let made = async {
        let password = app::generate_password()?;
        let made = app::create_administrator(&core, &asked.caller, name, role, password.clone(), &asked.request_id).await;
        Ok::<_, AppError>(given.take_in(made)?.map(|name| (name, password)))
    };
    match made.await {
        Ok(Some((name, password))) => password_once(&core, &asked, name.as_str(), password.expose(), "person-added").await,
        Ok(None) => page(&core, &asked, given).await,
        Err(error) => asked.failed(&core, error).await,
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
    given: Given,
    roles: Vec<Choice>,
    /// The role that they have, as the form is to say.
    seen: String,
}

pub(super) async fn show(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>) -> Response {
    person(&core, &asked, &name, Given::default()).await
}

async fn person(core: &Core, asked: &Asked, name: &str, given: Given) -> Response {
    let view = async {
        let one = app::person(core, &asked.caller, name).await?;
        let frame = asked.frame(core).await?;
        let (seen, may) = (one.role.as_str().to_owned(), asked.caller.may(Scope::AdministratorsWrite));
        Ok(PersonPage { person: row(&frame, asked, one), may, roles: roles(&frame), seen, given, frame })
    };
    match view.await {
        Ok(view) => shown(view.given.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

pub(super) async fn set_role(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>, mut given: Given) -> Response {
    let role = given.read("role", str::parse::<Role>);
    let seen = given.read("version", str::parse::<Role>);
    let (Some(role), Some(seen)) = (role, seen) else { return person(&core, &asked, &name, given).await };
    let done = app::set_role(&core, &asked.caller, &name, role, seen, &asked.request_id).await;
    back(&core, &asked, &name, given, done, &format!("/people/{name}")).await
}

pub(super) async fn new_password(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>) -> Response {
    let done = async {
        let name = app::person(&core, &asked.caller, &name).await?.username;
        let name = AdministratorName::parse(&name).map_err(|_| AppError::Broken("read a name that was stored"))?;
        let password = app::generate_password()?;
        app::change_administrator_password(&core, &asked.caller, name, password.clone(), &asked.request_id).await?;
        Ok(password)
    };
    match done.await {
        Ok(password) => password_once(&core, &asked, &name, password.expose(), "person-new-password").await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(super) async fn remove_second_factor(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>) -> Response {
    let done = async {
        app::person(&core, &asked.caller, &name).await?;
        app::remove_second_factor(&core, &asked.caller, &name, &asked.request_id).await
    };
    let done = done.await;
    back(&core, &asked, &name, Given::default(), done, &format!("/people/{name}")).await
}

pub(super) async fn delete(State(core): State<Arc<Core>>, asked: Asked, Path(name): Path<String>, mut given: Given) -> Response {
    if given.text("confirm") != name {
        given.refuse("confirm", asked.texts.say("confirm-wrong"));
        return person(&core, &asked, &name, given).await;
    }
    let done = app::delete_administrator(&core, &asked.caller, &name, &asked.request_id).await;
    back(&core, &asked, &name, given, done, "/people").await
}

/// Where a form leads once it was taken; back to it with the reason otherwise.
async fn back(core: &Core, asked: &Asked, name: &str, mut given: Given, done: Result<(), AppError>, path: &str) -> Response {
    match given.take_in(done) {
        Ok(Some(())) => to(path, asked.part),
        Ok(None) => person(core, asked, name, given).await,
        Err(error) => asked.failed(core, error).await,
    }
}
