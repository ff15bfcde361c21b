//! What the host decides for all accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use crate::app::{self, KeptDays};
use crate::core::Core;
use crate::http::fields::Body;
use crate::http::frame::Call;
use crate::http::problem::Problem;

/// The settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
pub(crate) struct SettingsView {
    /// For how many days a terminated account can be restored, unless its terminate says otherwise: 0 to 365.
    terminated_kept_days: u16,
}

impl From<KeptDays> for SettingsView {
    fn from(kept: KeptDays) -> Self {
        Self { terminated_kept_days: kept.get() }
    }
}

/// The settings as they are to be.
#[derive(ToSchema)]
#[schema(as = ChangeSettings)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeSettingsBody {
    /// 0 to 365; 0 keeps nothing.
    terminated_kept_days: u16,
}

/// Look at the settings
#[utoipa::path(
    get, path = "/api/settings", operation_id = "settings.read", tag = "settings", security(("token" = ["settings.read"])),
    responses((status = 200, description = "The settings.", body = Data<SettingsView>))
)]
pub(crate) async fn get(State(core): State<Arc<Core>>, _call: Call) -> Result<Json<Data<SettingsView>>, Problem> {
    Ok(data(app::settings(&core).await?.into()))
}

/// Change the settings
///
/// What was terminated before is kept as long as was said then.
#[utoipa::path(
    put, path = "/api/settings", operation_id = "settings.change", tag = "settings", security(("token" = ["settings.write"])),
    request_body = ChangeSettingsBody,
    responses((status = 200, description = "The settings as they are now.", body = Data<SettingsView>))
)]
pub(crate) async fn change(State(core): State<Arc<Core>>, call: Call, Body(mut fields): Body) -> Result<Json<Data<SettingsView>>, Problem> {
    let kept = fields.required_number("terminated_kept_days", KeptDays::new);
    let kept = fields.finish(kept)?;
    Ok(data(app::change_settings(&core, &call.caller, kept, None, &call.request_id).await?.into()))
}
