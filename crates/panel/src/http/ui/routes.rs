//! The map of the pages: one line a path, with who may open it. A page is made from its line, so none is there without a rule.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};
use http::Method;

use super::customer::{account, sign_in, sign_out};
use super::kit::gate::{Rules, Who, gate};
use super::kit::{assets, style};
use super::staff::{
    accounts, activity, activity_verdict, dashboard, enter, mail, managed, managed_changes, managed_package, new_account, operation,
    operations, packages, people, php, profile, servers, settings, settings_dns, settings_pages, tokens,
};
use crate::app::Scope;
use crate::core::Core;

/// One line of the map.
struct Line {
    method: Method,
    path: &'static str,
    who: Who,
    page: MethodRouter<Arc<Core>>,
}

fn get<H: Handler<T, Arc<Core>>, T: 'static>(path: &'static str, who: Who, page: H) -> Line {
    Line { method: Method::GET, path, who, page: routing::get(page) }
}

fn post<H: Handler<T, Arc<Core>>, T: 'static>(path: &'static str, who: Who, page: H) -> Line {
    Line { method: Method::POST, path, who, page: routing::post(page) }
}

fn lines() -> Vec<Line> {
    vec![
        get("/sign-in/{code}", Who::Anyone, sign_in::open),
        post("/sign-out", Who::Anyone, sign_out::leave),
        get("/signed-out", Who::Anyone, sign_out::left),
        get("/style.css", Who::Anyone, style::sheet),
        get("/account/{id}", Who::Customer, account::show),
        get("/accounts", Who::Staff(Scope::AccountsRead), accounts::list),
        get("/accounts/new", Who::Staff(Scope::AccountsCreate), new_account::form),
        post("/accounts/new", Who::Staff(Scope::AccountsCreate), new_account::create),
        post("/accounts/new/checks", Who::Staff(Scope::AccountsCreate), new_account::checks),
        get("/accounts/{id}", Who::Staff(Scope::AccountsRead), managed::show),
        get("/accounts/{id}/php", Who::Staff(Scope::AccountsRead), php::show),
        post("/accounts/{id}/suspend", Who::Staff(Scope::AccountsSuspend), managed_changes::suspend),
        post("/accounts/{id}/unsuspend", Who::Staff(Scope::AccountsSuspend), managed_changes::unsuspend),
        get("/accounts/{id}/package", Who::Staff(Scope::AccountsPackage), managed_package::form),
        post("/accounts/{id}/package", Who::Staff(Scope::AccountsPackage), managed_package::change),
        post("/accounts/{id}/password", Who::Staff(Scope::AccountsPassword), managed_changes::password),
        post("/accounts/{id}/php", Who::Staff(Scope::AccountsPhp), managed_changes::php),
        post("/accounts/{id}/repair", Who::Staff(Scope::AccountsRepair), managed_changes::repair),
        post("/accounts/{id}/terminate", Who::Staff(Scope::AccountsTerminate), managed_changes::terminate),
        post("/accounts/{id}/restore", Who::Staff(Scope::AccountsRestore), managed_changes::restore),
        get("/operations", Who::Staff(Scope::OperationsRead), operations::list),
        get("/operations/{id}", Who::Staff(Scope::OperationsRead), operation::show),
        get("/operations/{id}/events", Who::Staff(Scope::OperationsRead), operation::events),
        post("/operations/{id}/retry", Who::Staff(Scope::OperationsRetry), operation::retry),
        post("/operations/{id}/abandon", Who::Staff(Scope::OperationsAbandon), operation::abandon),
        get("/assets/{version}/{name}", Who::Anyone, assets::get),
        get("/enter", Who::Anyone, enter::form),
        post("/enter", Who::Anyone, enter::enter),
        post("/enter/code", Who::Anyone, enter::code),
        get("/profile", Who::Administrator, profile::show),
        post("/profile/language", Who::Administrator, profile::choose_language),
        post("/profile/sessions/{id}/end", Who::Administrator, profile::end_session),
        get("/profile/second-factor", Who::Administrator, profile::second_factor),
        post("/profile/second-factor", Who::Administrator, profile::set_second_factor),
        post("/profile/second-factor/remove", Who::Administrator, profile::remove_second_factor),
        get("/packages", Who::Staff(Scope::PackagesRead), packages::list),
        post("/packages", Who::Staff(Scope::PackagesWrite), packages::create),
        get("/packages/new", Who::Staff(Scope::PackagesWrite), packages::new),
        get("/packages/{id}", Who::Staff(Scope::PackagesRead), packages::show),
        post("/packages/{id}", Who::Staff(Scope::PackagesWrite), packages::change),
        post("/packages/{id}/retire", Who::Staff(Scope::PackagesWrite), packages::retire),
        post("/packages/{id}/return", Who::Staff(Scope::PackagesWrite), packages::take_back),
        post("/packages/{id}/delete", Who::Staff(Scope::PackagesWrite), packages::delete),
        get("/tokens", Who::Staff(Scope::TokensRead), tokens::list),
        post("/tokens", Who::Staff(Scope::TokensWrite), tokens::create),
        post("/tokens/{id}/rotate", Who::Staff(Scope::TokensWrite), tokens::rotate),
        post("/tokens/{id}/callers", Who::Staff(Scope::TokensWrite), tokens::allow),
        post("/tokens/{id}/revoke", Who::Staff(Scope::TokensWrite), tokens::revoke),
        get("/settings", Who::Staff(Scope::SettingsRead), settings::show),
        post("/settings", Who::Staff(Scope::SettingsWrite), settings::change),
        post("/settings/shared-parent-domains", Who::Staff(Scope::SettingsWrite), settings::set_shared_parent_domains),
        get("/settings/dns", Who::Staff(Scope::SettingsRead), settings_dns::show),
        post("/settings/dns", Who::Staff(Scope::SettingsWrite), settings_dns::change),
        post("/settings/dns/nameservers/{id}", Who::Staff(Scope::ServersWrite), settings_dns::set_nameservers),
        get("/settings/pages", Who::Staff(Scope::SettingsRead), settings_pages::show),
        post("/settings/pages/suspension", Who::Staff(Scope::SettingsWrite), settings_pages::set_suspension),
        get("/settings/pages/suspension/preview", Who::Staff(Scope::SettingsRead), settings_pages::suspension),
        post("/settings/pages/suspension/preview", Who::Staff(Scope::SettingsWrite), settings_pages::preview_suspension),
        post("/settings/pages/welcome", Who::Staff(Scope::SettingsWrite), settings_pages::set_welcome),
        get("/settings/pages/welcome/preview", Who::Staff(Scope::SettingsRead), settings_pages::welcome),
        post("/settings/pages/welcome/preview", Who::Staff(Scope::SettingsWrite), settings_pages::preview_welcome),
        get("/settings/mail", Who::Staff(Scope::SettingsRead), mail::show),
        post("/settings/mail", Who::Staff(Scope::SettingsWrite), mail::change),
        post("/settings/mail/test", Who::Staff(Scope::SettingsWrite), mail::test),
        post("/settings/mail/remove", Who::Staff(Scope::SettingsWrite), mail::remove),
        get("/servers", Who::Staff(Scope::ServersRead), servers::list),
        get("/servers/{id}", Who::Staff(Scope::ServersWrite), servers::form),
        post("/servers/{id}", Who::Staff(Scope::ServersWrite), servers::change),
        get("/activity", Who::Staff(Scope::ActivityRead), activity::list),
        get("/activity/export", Who::Staff(Scope::ActivityRead), activity::export),
        post("/activity/verify", Who::Staff(Scope::ActivityRead), activity_verdict::verify),
        get("/activity/{id}", Who::Staff(Scope::ActivityRead), activity::story),
        get("/", Who::Staff(Scope::ServersRead), dashboard::show),
        get("/people", Who::Staff(Scope::AdministratorsRead), people::list),
        post("/people", Who::Staff(Scope::AdministratorsWrite), people::add),
        get("/people/{id}", Who::Staff(Scope::AdministratorsRead), people::show),
        post("/people/{id}/role", Who::Staff(Scope::AdministratorsWrite), people::set_role),
        post("/people/{id}/password", Who::Staff(Scope::AdministratorsWrite), people::new_password),
        post("/people/{id}/second-factor/remove", Who::Staff(Scope::AdministratorsWrite), people::remove_second_factor),
        post("/people/{id}/delete", Who::Staff(Scope::AdministratorsWrite), people::delete),
    ]
}

/// The API with the pages beside it.
pub(crate) fn beside(api: Router<Arc<Core>>, core: &Arc<Core>) -> Router<Arc<Core>> {
    let (mut pages, mut rules) = (Router::new(), HashMap::new());
    for Line { method, path, who, page } in lines() {
        rules.insert((method, path.to_owned()), who);
        pages = pages.route(path, page);
    }
    api.merge(pages.route_layer(from_fn_with_state((core.clone(), Arc::new(Rules(rules))), gate)))
}

/// Every page: its method, its path, and who may open it.
pub(crate) fn pages() -> Vec<(Method, &'static str, &'static str)> {
    lines().into_iter().map(|line| (line.method, line.path, line.who.as_str())).collect()
}
