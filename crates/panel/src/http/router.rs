//! The map of the Panel: one line a path. A route of the API is made from its place in the OpenAPI document, so neither is there without the
//! other. The pages for people have a map of their own, in [`ui`].

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Access, guard};
use super::problem::{Problem, ProblemView};
use super::{api, docs, document, frame, ui};
use crate::app::{Code, Refusal};
use crate::core::Core;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Opterius Panel",
        description = "Orders accounts and tells what became of them. Times are microseconds since 1970 (UTC); ids are UUIDs.\n\nEvery reply has an `X-Request-Id`, which is also in the Activity, in the operation and in the server's journal. Whatever is not a success is a problem document (RFC 9457) with a stable `code`.\n\nEach token has a budget: 5,000 requests that look or 1,000 that change something at once, and 100 or 20 a second all the time; refused ones cost more. Beyond it the answer is 429 `too_many_requests` with `Retry-After` in seconds, and nothing was done.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemView)),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("A token made with `opterius token create`. Root on the Panel's own machine needs none over `/run/opterius/panel.sock`."))
                .build(),
        );
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// Everything the Panel serves.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(api::accounts::create::create, api::accounts::list::list))
        .routes(routes!(api::accounts::read::get, api::accounts::record::record, api::accounts::terminate::terminate))
        .routes(routes!(api::accounts::suspend::suspend))
        .routes(routes!(api::accounts::unsuspend::unsuspend))
        .routes(routes!(api::accounts::package::change_package))
        .routes(routes!(api::accounts::password::change_password))
        .routes(routes!(api::accounts::php::change_php))
        .routes(routes!(api::accounts::restore::restore))
        .routes(routes!(api::accounts::repair::repair))
        .routes(routes!(api::accounts::plan::plan))
        .routes(routes!(api::accounts::usage::usage))
        .routes(routes!(api::php::get))
        .routes(routes!(api::availability::get))
        .routes(routes!(api::usage::list))
        .routes(routes!(api::sign_in::account))
        .routes(routes!(api::packages::create, api::packages::list))
        .routes(routes!(api::packages::get, api::packages::change, api::packages::delete))
        .routes(routes!(api::packages::retire))
        .routes(routes!(api::packages::take_back))
        .routes(routes!(api::operations::list))
        .routes(routes!(api::operations::get))
        .routes(routes!(api::operations::events))
        .routes(routes!(api::operations::retry))
        .routes(routes!(api::operations::abandon))
        .routes(routes!(api::servers::list))
        .routes(routes!(api::servers::get, api::servers::change))
        .routes(routes!(api::shared_parent_domains::list, api::shared_parent_domains::replace))
        .routes(routes!(api::resync::get, api::resync::adopt))
        .routes(routes!(api::settings::get, api::settings::change))
        .routes(routes!(api::mail_server::get, api::mail_server::change, api::mail_server::remove))
        .routes(routes!(api::settings_dns::get, api::settings_dns::change))
        .routes(routes!(api::settings_pages::get, api::settings_pages::change))
        .routes(routes!(api::activity::list))
        .routes(routes!(api::activity::verify))
        .routes(routes!(api::tokens::create, api::tokens::list))
        .routes(routes!(api::tokens::delete))
        .routes(routes!(api::tokens::rotate))
        .routes(routes!(api::tokens::allow))
        .routes(routes!(api::administrators::create))
        .routes(routes!(api::administrators::change_password))
        .routes(routes!(api::administrators::remove_second_factor))
        .routes(routes!(api::own::get))
        .routes(routes!(api::own::rotate))
        .routes(routes!(api::sign_in::own))
        .routes(routes!(api::health::get))
        .routes(routes!(api::tasks::list))
        .routes(routes!(docs::document))
        .routes(routes!(docs::page))
        .split_for_parts();
    let document = document::complete(&document);
    let access = Arc::new(Access::from_document(&document));
    let published = Arc::new(docs::Published::new(&document));
    let api = routes
        .layer(axum::Extension(published))
        .route_layer(from_fn_with_state((core.clone(), access.clone()), frame::detached))
        .route_layer(from_fn_with_state((core.clone(), access), guard));
    ui::beside(api, &core).fallback(nothing_here).layer(from_fn_with_state(core.clone(), frame::outermost)).with_state(core)
}

async fn nothing_here() -> Problem {
    Refusal::new(Code::NotFound, "There is nothing here.").hint("`/api/docs` lists what there is.").into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_route_is_made_from_the_document() {
        let source = include_str!("router.rs");
        let made = &source[..source.find("#[cfg(test)]").unwrap()];
        for way_round in [".route(", ".nest(", ".merge(", ".route_service(", ".nest_service(", ".fallback_service("] {
            assert!(!made.contains(way_round), "{way_round} adds a route that the document does not have");
        }
    }
}
