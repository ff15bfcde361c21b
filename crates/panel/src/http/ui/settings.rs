//! `/settings`: what the host decides for all accounts.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use opterius_model::DomainName;

use super::assets;
use super::frame::{Asked, Frame, shown, to};
use super::given::Given;
use crate::app::{self, AppError, KeptDays, Scope, SettingsChange, TimeZone, Version};
use crate::core::Core;
use crate::store::shared_parent_domain;

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    may: bool,
    given: Given,
    kept_now: String,
    zone_now: String,
    /// Every time zone that can be chosen.
    zones: Vec<String>,
    version: String,
    names_now: String,
    names_version: String,
    /// Whether something was refused, so that what is there now is worth saying.
    refused: bool,
}

pub(super) async fn show(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    page(&core, &asked, Given::default()).await
}

async fn page(core: &Core, asked: &Asked, mut given: Given) -> Response {
    let view = async {
        let settings = app::settings(core).await?;
        let names = shared_parent_domain::list(core.store.read(), &asked.caller.owner).await?;
        let names_now = names.iter().map(DomainName::as_str).collect::<Vec<_>>().join("\n");
        // What was not typed is as it is.
        given.fill("terminated_kept_days", &settings.kept.to_string());
        given.fill("time_zone", settings.time_zone.name());
        given.fill("names", &names_now);
        Ok::<_, AppError>(SettingsPage {
            may: asked.caller.may(Scope::SettingsWrite),
            kept_now: settings.kept.to_string(),
            zone_now: settings.time_zone.name().to_owned(),
            zones: TimeZone::names(),
            version: app::settings_version(&settings).as_str().to_owned(),
            names_version: app::shared_parent_domains_version(&names).as_str().to_owned(),
            names_now,
            refused: !given.is_fine(),
            given,
            frame: asked.frame(core).await?,
        })
    };
    match view.await {
        Ok(view) => shown(view.given.status(), &view),
        Err(error) => asked.failed(core, error).await,
    }
}

pub(super) async fn change(State(core): State<Arc<Core>>, asked: Asked, mut given: Given) -> Response {
    let kept = given.read("terminated_kept_days", KeptDays::parse);
    let time_zone = given.read("time_zone", TimeZone::parse);
    let (Some(_), Some(_)) = (kept, &time_zone) else { return page(&core, &asked, given).await };
    let seen = Version::given(given.text("version"));
    let done = app::change_settings(&core, &asked.caller, SettingsChange { kept, time_zone }, Some(&seen), &asked.request_id).await;
    back(&core, &asked, given, done).await
}

pub(super) async fn set_shared_parent_domains(State(core): State<Arc<Core>>, asked: Asked, mut given: Given) -> Response {
    let mut names = given.read_list("names", DomainName::parse);
    if !given.is_fine() {
        return page(&core, &asked, given).await;
    }
    names.sort();
    names.dedup();
    let seen = Version::given(given.text("version"));
    let done = app::set_shared_parent_domains(&core, &asked.caller, names, Some(&seen), &asked.request_id).await;
    back(&core, &asked, given, done).await
}

async fn back<T>(core: &Core, asked: &Asked, mut given: Given, done: Result<T, AppError>) -> Response {
    match given.take_in(done) {
        Ok(Some(_)) => to("/settings", asked.part),
        Ok(None) => page(core, asked, given).await,
        Err(error) => asked.failed(core, error).await,
    }
}
