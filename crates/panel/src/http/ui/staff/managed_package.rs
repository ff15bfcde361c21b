//! `/accounts/{id}/package`: another package, or limits of its own, with a plan before the button.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Of};
use axum::response::Response;
use http::StatusCode;
use opterius_model::{AccountId, Limit, Limits, PackageId};

use super::managed_changes::{made, make};
use crate::app::{self, AppError, PackageChange, PackageChoice, Reference};
use crate::core::Core;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Given, Id, Typed, Wrong, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::http::ui::kit::plan::PlanShown;
use crate::http::ui::kit::texts::Texts;
use crate::store::package;

#[derive(Template)]
#[template(path = "managed_package.html")]
struct PackagePage {
    frame: Frame,
    texts: Texts,
    id: String,
    username: String,
    version: String,
    packages: Vec<(String, String)>,
    /// Every limit: its name, what it is called, what the account is to have of its own, and what it has now.
    limits: Vec<(&'static str, String, String, String)>,
    package_id: String,
    force: bool,
    plan: Option<PlanShown>,
    wrong: Option<Wrong>,
}

pub(crate) async fn form(
    Of(core): Of<Arc<Core>>,
    asked: Asked,
    id: Id<AccountId>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let pairs = query.map(|Query(pairs)| pairs).unwrap_or_default();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect();
    let wanted = (!pairs.is_empty()).then(|| (Typed::of(pairs.iter().map(|(name, value)| (name, value))), Fields::of_form(pairs)));
    let (typed, planned) = match wanted {
        Some((typed, fields)) => (Some(typed), Some(plan(&core, &asked, &id, fields).await)),
        None => (None, None),
    };
    let (plan, error) = match planned {
        Some(Ok(plan)) => (Some(plan), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    answer(&core, &asked, &id, typed, plan, error).await
}

pub(crate) async fn change(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>, given: Given) -> Response {
    let Given { mut fields, typed, .. } = given;
    let version = fields.version();
    let wanted = read(&mut fields);
    let outcome = match (checked(fields.finish(version.zip(wanted))), id.of("account")) {
        (Ok((version, wanted)), Ok(id)) => make(&core, &asked, id, version, wanted).await.map(|answer| made(&asked, id, &answer)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match outcome {
        Ok(response) => response,
        Err(error) => answer(&core, &asked, &id, Some(typed), None, Some(error)).await,
    }
}

/// The whole of what the account is to have of its own: what is left empty is left to the package.
fn read(fields: &mut Fields) -> Option<PackageChange> {
    let package = fields.required("package_id", PackageId::parse);
    let limit = |text: &str| match text.parse::<u64>() {
        Ok(number) => Limit::try_from(number).map_err(|error| error.to_string()),
        Err(_) => Err("a limit is a whole number from 0 (unlimited)".to_owned()),
    };
    let mut overrides = Vec::new();
    for (name, _) in Limits::DEFAULT.named() {
        overrides.push((name, fields.optional(name, limit)));
    }
    let force = fields.truth("force", false);
    Some(PackageChange { package: PackageChoice::Id(package?), overrides, keep_overrides: true, force })
}

async fn plan(core: &Core, asked: &Asked, id: &Id<AccountId>, mut fields: Fields) -> Result<PlanShown, AppError> {
    let id = id.of("account")?;
    let wanted = read(&mut fields);
    let wanted = checked(fields.finish(wanted))?;
    Ok(app::plan_change(core, &asked.caller, &Reference::Id(id), &wanted).await?.into())
}

/// The page with what was typed beside what there is now, and perhaps why it was not taken.
async fn answer(
    core: &Core,
    asked: &Asked,
    id: &Id<AccountId>,
    typed: Option<Typed>,
    plan: Option<PlanShown>,
    error: Option<AppError>,
) -> Response {
    let wrong = match error.map(Wrong::of).transpose() {
        Ok(wrong) => wrong,
        Err(error) => return asked.failed(core, error).await,
    };
    let status = wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status);
    match view(core, asked, id, typed).await {
        Ok(view) => shown(status, &PackagePage { plan, wrong, ..view }),
        Err(error) => asked.failed(core, error).await,
    }
}

async fn view(core: &Core, asked: &Asked, id: &Id<AccountId>, typed: Option<Typed>) -> Result<PackagePage, AppError> {
    let account = app::account(core, &asked.caller, &Reference::Id(id.of("account")?)).await?;
    let frame = asked.frame(core).await?;
    let texts = frame.texts;
    let packages = package::names(core.store.read(), &asked.caller.owner).await?;
    let now = account.spec.as_ref().map_or(Limits::DEFAULT, |spec| spec.limits);
    let said = |limit: Limit| limit.get().map_or_else(|| texts.say("unlimited"), |number| number.to_string());
    let line = |(name, limit): (&'static str, Limit)| {
        let own = account.overrides.get(name).map(|own| own.stored().to_string()).unwrap_or_default();
        let shown = typed.as_ref().map_or(own, |typed| typed.get(name).to_owned());
        (name, texts.say(&format!("limit-{name}")), shown, said(limit))
    };
    let has = account.package.as_ref().map(|package| package.id.to_string()).unwrap_or_default();
    Ok(PackagePage {
        id: account.id.to_string(),
        username: account.username.to_string(),
        version: app::version(&account).as_str().to_owned(),
        packages: packages
            .into_iter()
            .map(|package| (package.id.to_string(), package.name.to_string(), package.retired))
            .filter(|(id, _, retired)| !retired || *id == has)
            .map(|(id, name, _)| (id, name))
            .collect(),
        limits: now.named().into_iter().map(line).collect(),
        package_id: typed.as_ref().map_or_else(|| has.clone(), |typed| typed.get("package_id").to_owned()),
        force: typed.as_ref().is_some_and(|typed| typed.get("force") == "true"),
        plan: None,
        wrong: None,
        texts,
        frame,
    })
}
