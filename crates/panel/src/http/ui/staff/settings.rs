//! `/settings`: what the host decides for all accounts.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use opterius_model::DomainName;

use crate::app::{self, ActivityDays, ActivityRows, AppError, KeptDays, Scope, SettingsChange, TimeZone};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::{Filled, Given, Typed, checked};
use crate::http::ui::kit::frame::{Asked, Frame, shown, to};
use crate::store::shared_parent_domain;

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    may: bool,
    filled: Filled,
    kept_now: String,
    zone_now: String,
    activity_now: String,
    /// Every time zone that can be chosen.
    zones: Vec<String>,
    version: String,
    names_now: String,
    names_version: String,
}

pub(crate) async fn show(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    page(&core, &asked, Typed::default(), None).await
}

async fn page(core: &Core, asked: &Asked, mut typed: Typed, error: Option<AppError>) -> Response {
    let view = async {
        let settings = app::settings(core).await?;
        let names = shared_parent_domain::list(core.store.read(), &asked.caller.owner).await?;
        let names_now = names.iter().map(DomainName::as_str).collect::<Vec<_>>().join("\n");
        // What was not typed is as it is.
        typed.fill("terminated_kept_days", settings.kept.to_string());
        typed.fill("time_zone", settings.time_zone.name());
        typed.fill("activity_days", settings.activity_days.get().to_string());
        typed.fill("activity_rows", settings.activity_rows.get().to_string());
        typed.fill("names", names_now.as_str());
        Ok::<_, AppError>(SettingsPage {
            may: asked.caller.may(Scope::SettingsWrite),
            kept_now: settings.kept.to_string(),
            zone_now: settings.time_zone.name().to_owned(),
            activity_now: format!("{} · {}", settings.activity_days.get(), settings.activity_rows.get()),
            zones: TimeZone::names(),
            version: app::settings_version(&settings).as_str().to_owned(),
            names_version: app::shared_parent_domains_version(&names).as_str().to_owned(),
            names_now,
            filled: Filled::new(typed, error)?,
            frame: asked.frame(core).await?,
        })
    };
    match view.await {
        Ok(view) => shown(view.filled.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

pub(crate) async fn change(State(core): State<Arc<Core>>, asked: Asked, Given { mut fields, typed, .. }: Given) -> Response {
    let done = async {
        let kept = fields.text("terminated_kept_days", KeptDays::parse);
        let time_zone = fields.text("time_zone", TimeZone::parse);
        // A form that was drawn by an earlier version has neither.
        let activity_days = fields.optional("activity_days", ActivityDays::parse);
        let activity_rows = fields.optional("activity_rows", ActivityRows::parse);
        let seen = fields.version();
        let change = SettingsChange { kept, time_zone, activity_days, activity_rows };
        let (seen, change) = checked(fields.finish(seen.zip(Some(change))))?;
        app::change_settings(&core, &asked.caller, change, Some(&seen), &asked.request_id).await
    };
    match done.await {
        Ok(_) => to("/settings", asked.part),
        Err(error) => page(&core, &asked, typed, Some(error)).await,
    }
}

pub(crate) async fn set_shared_parent_domains(
    State(core): State<Arc<Core>>,
    asked: Asked,
    Given { mut fields, typed, .. }: Given,
) -> Response {
    let done = async {
        let names = fields.lines("names", DomainName::parse);
        let seen = fields.version();
        let (seen, mut names) = checked(fields.finish(seen.zip(names)))?;
        names.sort();
        names.dedup();
        app::set_shared_parent_domains(&core, &asked.caller, names, Some(&seen), &asked.request_id).await
    };
    match done.await {
        Ok(_) => to("/settings", asked.part),
        Err(error) => page(&core, &asked, typed, Some(error)).await,
    }
}
