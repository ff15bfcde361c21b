//! `/packages`: what accounts may use, under a name that the billing system sells.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use opterius_model::{Limit, Limits, PackageId, PackageName};
use serde::Deserialize;

use crate::app::{self, AppError, LimitChanges, Refusal, Scope};
use crate::core::Core;
use crate::http::read::Fields;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::bytes::Bytes;
use crate::http::ui::kit::form::{Filled, Given, Typed, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::http::ui::kit::moment::Moment;
use crate::store::account;
use crate::store::package::{self, Package};

/// Accounts that are named on the page of their package.
const NAMED: u32 = 20;

#[derive(Template)]
#[template(path = "packages.html")]
struct PackagesPage {
    frame: Frame,
    packages: Vec<Row>,
    may: bool,
}

struct Row {
    id: String,
    name: String,
    accounts: i64,
    disk: String,
    traffic: String,
    workers: String,
    retired: bool,
}

pub(crate) async fn list(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    let view = async {
        let frame = asked.frame(&core).await?;
        let said = |limit: Limit, unit: &str| limit.get().map_or_else(|| frame.texts.say("unlimited"), |number| format!("{number}{unit}"));
        let row = |package: Package| Row {
            id: package.id.to_string(),
            name: package.name.to_string(),
            accounts: package.accounts,
            disk: package.limits.disk_mib.get().map_or_else(|| frame.texts.say("unlimited"), |mib| Bytes(u64::from(mib) << 20).to_string()),
            traffic: said(package.limits.bandwidth_gib, " GiB"),
            workers: said(package.limits.php_workers, ""),
            retired: package.retired_at.is_some(),
        };
        let packages = package::list(core.store.read(), &asked.caller.owner).await?.into_iter().map(row).collect();
        Ok::<_, AppError>(PackagesPage { packages, may: asked.caller.may(Scope::PackagesWrite), frame })
    };
    match view.await {
        Ok(view) => shown(http::StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}

#[derive(Template)]
#[template(path = "package.html")]
struct PackagePage {
    frame: Frame,
    filled: Filled,
    limits: Vec<Field>,
    may: bool,
    /// The package as it is; nothing for a new one.
    there: Option<There>,
    /// What would change, if that was asked.
    plan: Option<Vec<Line>>,
}

/// A package that is there.
struct There {
    id: String,
    name: String,
    accounts: i64,
    retired: Option<Moment>,
    version: String,
    /// Some of the accounts that have it, with whether their limits are those of the package.
    named: Vec<(String, String, bool)>,
}

/// One limit of the form.
struct Field {
    name: &'static str,
    label: String,
    /// What it is now, if that is another than what was typed.
    now: String,
}

/// One line of a plan.
struct Line {
    label: String,
    before: String,
    after: String,
}

/// A package to begin with.
#[derive(Deserialize)]
pub(crate) struct Like {
    like: Option<String>,
}

fn filled(name: &str, limits: Limits) -> Typed {
    let limits = limits.named().map(|(name, limit)| (name, limit.stored().to_string()));
    Typed::of([("name", name.to_owned())].into_iter().chain(limits))
}

pub(crate) async fn new(State(core): State<Arc<Core>>, asked: Asked, Query(Like { like }): Query<Like>) -> Response {
    let typed = async {
        Ok(match like.as_deref().map(PackageId::parse) {
            Some(Ok(id)) => filled("", app::package(&core, &asked.caller, id).await?.limits),
            _ => filled("", Limits::DEFAULT),
        })
    };
    match typed.await {
        Ok(typed) => form(&core, &asked, typed, None, None, None).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    match there(&core, &asked, &id).await {
        Ok(package) => form(&core, &asked, filled(package.name.as_str(), package.limits), None, Some(package), None).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

async fn there(core: &Core, asked: &Asked, id: &str) -> Result<Package, AppError> {
    let id = PackageId::parse(id).map_err(|_| Refusal::not_found("package", id))?;
    app::package(core, &asked.caller, id).await
}

async fn form(
    core: &Core,
    asked: &Asked,
    typed: Typed,
    error: Option<AppError>,
    package: Option<Package>,
    plan: Option<Limits>,
) -> Response {
    let view = async {
        let filled = Filled::new(typed, error)?;
        let frame = asked.frame(core).await?;
        let label = |name: &str| frame.texts.say(&format!("limit-{name}"));
        let now = package.as_ref().map_or(Limits::DEFAULT, |package| package.limits).named();
        let field = |(name, limit): (&'static str, Limit)| {
            let now = Some(limit.stored()).filter(|now| package.is_some() && filled.typed.get(name) != now.to_string());
            Field { name, label: label(name), now: now.map(|now| frame.texts.count("package-now", now)).unwrap_or_default() }
        };
        let limits = now.into_iter().map(field).collect();
        let said = |limit: Limit| limit.get().map_or_else(|| frame.texts.say("unlimited"), |number| number.to_string());
        let plan = plan.map(|after| {
            let lines = now.into_iter().zip(after.named()).filter(|((_, before), (_, after))| before != after);
            let mut lines: Vec<Line> =
                lines.map(|((name, before), (_, after))| Line { label: label(name), before: said(before), after: said(after) }).collect();
            if let Some(before) = package.as_ref().map(|package| package.name.as_str()).filter(|name| *name != filled.typed.get("name")) {
                let line =
                    Line { label: frame.texts.say("package-name"), before: before.to_owned(), after: filled.typed.get("name").to_owned() };
                lines.insert(0, line);
            }
            lines
        });
        let there = match package {
            Some(package) => Some(There {
                named: account::of_package(core.store.read(), package.id, &package.limits, NAMED).await?,
                version: app::package_version(&package).as_str().to_owned(),
                id: package.id.to_string(),
                accounts: package.accounts,
                retired: package.retired_at.map(|at| frame.moment(at)),
                name: package.name.to_string(),
            }),
            None => None,
        };
        Ok::<_, AppError>(PackagePage { limits, may: asked.caller.may(Scope::PackagesWrite), there, plan, filled, frame })
    };
    match view.await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

/// Name and limits as they were typed.
fn wanted(fields: &mut Fields) -> Option<(PackageName, LimitChanges)> {
    // Which button it was.
    fields.optional("do", |_| Ok::<_, String>(()));
    let name = fields.text("name", PackageName::parse);
    let mut limits = Vec::new();
    for (field, _) in Limits::DEFAULT.named() {
        let limit = fields.text(field, |text| {
            let number = text.parse::<u64>().map_err(|_| format!("`{field}` must be a whole number from 0 (unlimited)"))?;
            Limit::try_from(number).map_err(|error| error.to_string())
        });
        limits.extend(limit.map(|limit| (field, limit)));
    }
    name.map(|name| (name, LimitChanges(limits)))
}

pub(crate) async fn create(State(core): State<Arc<Core>>, asked: Asked, Given { mut fields, typed, .. }: Given) -> Response {
    let made = async {
        let wanted = wanted(&mut fields);
        let (name, limits) = checked(fields.finish(wanted))?;
        app::create_package(&core, &asked.caller, name, limits, &asked.request_id).await
    };
    match made.await {
        Ok(package) => to(&format!("/packages/{}", package.id), asked.part),
        Err(error) => form(&core, &asked, typed, Some(error), None, None).await,
    }
}

pub(crate) async fn change(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Path(id): Path<String>,
    Given { mut fields, typed, .. }: Given,
) -> Response {
    let done = async {
        let package = there(&core, &asked, &id).await?;
        let (seen, wanted) = (fields.version(), wanted(&mut fields));
        let (seen, (name, limits)) = checked(fields.finish(seen.zip(wanted)))?;
        if typed.get("do") == "plan" {
            return Ok(Some(app::with_changes(package.limits, &limits)));
        }
        app::change_package(&core, &asked.caller, package.id, Some(name), limits, Some(&seen), &asked.request_id).await?;
        Ok(None)
    };
    let (plan, error) = match done.await {
        Ok(None) => return to("/packages", asked.part),
        Ok(plan) => (plan, None),
        Err(error) => (None, Some(error)),
    };
    // As it is by now, beside what was typed.
    match there(&core, &asked, &id).await {
        Ok(package) => form(&core, &asked, typed, error, Some(package), plan).await,
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn delete(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    let done = async {
        let package = there(&core, &asked, &id).await?;
        app::delete_package(&core, &asked.caller, package.id, &asked.request_id).await
    };
    match done.await {
        Ok(()) => to("/packages", asked.part),
        Err(error) => asked.failed(&core, error).await,
    }
}

pub(crate) async fn retire(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    set_retired(&core, &asked, &id, true).await
}

pub(crate) async fn take_back(State(core): State<Arc<Core>>, asked: Asked, Path(id): Path<String>) -> Response {
    set_retired(&core, &asked, &id, false).await
}

async fn set_retired(core: &Arc<Core>, asked: &Asked, id: &str, retired: bool) -> Response {
    let done = async {
        let package = there(core, asked, id).await?;
        app::retire_package(core, &asked.caller, package.id, retired, &asked.request_id).await
    };
    match done.await {
        Ok(package) => to(&format!("/packages/{}", package.id), asked.part),
        Err(error) => asked.failed(core, error).await,
    }
}
