//! `/accounts/{id}/php`: what the PHP of an account does. The account's page fetches it by itself, so that it never waits for a server.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Of;
use axum::response::Response;
use http::StatusCode;
use opterius_model::AccountId;

use crate::app::{self, AppError, Doing, Reference};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::form::Id;
use crate::http::ui::kit::frame::{Asked, Frame, shown};
use crate::http::ui::kit::moment::Moment;
use crate::http::ui::kit::state::State;

#[derive(Template)]
#[template(path = "php.html")]
struct PhpPage {
    frame: Frame,
    id: String,
    username: String,
    pools: Vec<Pool>,
    /// Why the server does not say.
    unknown: Option<String>,
}

struct Pool {
    name: String,
    php_version: String,
    /// The version that answers, where that is not the one that is wanted.
    runs: Option<String>,
    /// Whether the one that is wanted is not installed.
    replaced: bool,
    state: State,
    /// A sentence of what that means.
    means: String,
    failure: Option<Failure>,
}

struct Failure {
    /// How often, in words.
    count: String,
    at: Moment,
    retry: Moment,
    detail: String,
}

impl Pool {
    fn new(frame: &Frame, pool: app::Pool) -> Self {
        let word = pool.doing.as_str();
        let class = match pool.doing {
            Doing::Running => "status-green",
            Doing::Asleep => "status-blue",
            Doing::Ending => "status-orange",
            Doing::CrashLoop => "status-red",
            Doing::Closed => "status-secondary",
        };
        Self {
            name: pool.name.to_string(),
            replaced: pool.php_version.version().is_some() && pool.runs.is_some() && pool.php_version.version() != pool.runs.as_ref(),
            runs: pool.runs.as_ref().filter(|runs| Some(*runs) != pool.php_version.version()).map(ToString::to_string),
            php_version: frame.php(&pool.php_version),
            state: State { word: frame.texts.say(&format!("php-{word}")), class },
            means: frame.texts.say(&format!("php-{word}-means")),
            failure: pool.failure.map(|failure| Failure {
                count: frame.texts.count("php-failed", failure.count),
                at: frame.moment(failure.at),
                retry: frame.moment(failure.retry_at),
                detail: failure.detail,
            }),
        }
    }
}

pub(crate) async fn show(Of(core): Of<Arc<Core>>, asked: Asked, id: Id<AccountId>) -> Response {
    let view = async {
        let id = id.of("account")?;
        let account = app::account(&core, &asked.caller, &Reference::Id(id)).await?;
        let frame = asked.frame(&core).await?;
        let (pools, unknown) = match app::php(&core, &asked.caller, &Reference::Id(id)).await {
            Ok((_, pools)) => (pools.into_iter().map(|pool| Pool::new(&frame, pool)).collect(), None),
            // It stands where the answer would stand, so that the rest of the account's page is still one.
            Err(AppError::Refused(refusal)) if refusal.code == app::Code::ServerUnreachable => (Vec::new(), Some(refusal.detail)),
            Err(error) => return Err(error),
        };
        Ok::<_, AppError>(PhpPage { id: id.to_string(), username: account.username.to_string(), pools, unknown, frame })
    };
    match view.await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}
