//! Whether the Panel answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use crate::core::Core;
use crate::http::problem::Problem;
use crate::store::setting;

/// The Panel answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthView {
    /// `ok`, or `degraded`: something that the Panel does by itself comes to nothing at present. `GET /api/tasks` and `opterius doctor` name it.
    status: &'static str,
}

/// Ask whether the Panel answers
#[utoipa::path(
    get, path = "/api/health", operation_id = "health.read", tag = "api", security(()),
    responses((status = 200, description = "It answers, and its database does.", body = Data<HealthView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>) -> Result<Json<Data<HealthView>>, Problem> {
    setting::installation(core.store.read()).await?;
    Ok(data(HealthView { status: if core.task_states.any_failing() { "degraded" } else { "ok" } }))
}
