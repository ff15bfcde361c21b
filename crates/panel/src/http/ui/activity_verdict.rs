//! `/activity/verify`: whether the Activity is still what was written.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::assets;
use super::frame::{Asked, Frame, shown};
use crate::app::{self, AppError, Verdict};
use crate::core::Core;

#[derive(Template)]
#[template(path = "activity_verdict.html")]
struct VerdictPage {
    frame: Frame,
    verdict: Verdict,
}

pub(super) async fn verify(State(core): State<Arc<Core>>, asked: Asked) -> Response {
    let view = async {
        let verdict = app::verify_activity(&core).await?;
        Ok::<_, AppError>(VerdictPage { verdict, frame: asked.frame(&core).await? })
    };
    match view.await {
        Ok(view) => shown(StatusCode::OK, &view),
        Err(error) => asked.failed(&core, error).await,
    }
}
