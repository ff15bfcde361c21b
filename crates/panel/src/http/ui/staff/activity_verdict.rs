//! `/activity/verify`: whether the Activity is still what was written.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::app::{self, AppError, Verdict};
use crate::core::Core;
use crate::http::ui::kit::assets;
use crate::http::ui::kit::frame::{Asked, Frame, shown};

#[derive(Template)]
#[template(path = "activity_verdict.html")]
struct VerdictPage {
    frame: Frame,
    verdict: Verdict,
}

pub(crate) async fn verify(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    let view = async {
        let verdict = app::verify_activity(&core).await?;
        Ok::<_, AppError>(VerdictPage { verdict, frame: asked.frame(&core).await? })
    };
    match view.await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}
