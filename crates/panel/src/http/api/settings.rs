//! What the host decides for all accounts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::shape::{Data, data};
use super::texts;
use crate::app::{self, ActivityDays, ActivityRows, KeptDays, Settings, SettingsChange, TimeZone};
use crate::core::Core;
use crate::http::frame::Call;
use crate::http::problem::Problem;
use crate::http::read::Body;

/// The settings.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
pub(crate) struct SettingsView {
    /// For how many days a terminated account can be restored, unless its terminate says otherwise: 0 to 365.
    terminated_kept_days: u16,
    /// The IANA name of the time zone in which the pages show times. The API says all times in UTC.
    time_zone: String,
    /// For how many days the Activity is kept: 30 to 3650.
    activity_days: u16,
    /// How many rows of the Activity are kept at most: 100000 to 100000000. Rows of the last 30 days stay however many they are.
    activity_rows: u32,
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> Self {
        Self {
            terminated_kept_days: settings.kept.get(),
            time_zone: settings.time_zone.name().to_owned(),
            activity_days: settings.activity_days.get(),
            activity_rows: settings.activity_rows.get(),
        }
    }
}

/// The settings as they are to be.
#[derive(ToSchema)]
#[schema(as = ChangeSettings)]
#[expect(dead_code, reason = "describes the body in the document")]
struct ChangeSettingsBody {
    /// 0 to 365; 0 keeps nothing. May be left out if there is another setting.
    terminated_kept_days: Option<texts::SettingKeptDays>,
    /// An IANA name such as `Europe/Berlin`.
    time_zone: Option<texts::TimeZone>,
    /// 30 to 3650.
    activity_days: Option<texts::SettingActivityDays>,
    /// 100000 to 100000000.
    activity_rows: Option<texts::SettingActivityRows>,
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
/// What is left out stays as it is. What was terminated before is kept as long as was said then.
#[utoipa::path(
    put, path = "/api/settings", operation_id = "settings.change", tag = "settings", security(("token" = ["settings.write"])),
    request_body = ChangeSettingsBody,
    responses((status = 200, description = "The settings as they are now.", body = Data<SettingsView>))
)]
pub(crate) async fn change(State(core): State<Arc<Core>>, call: Call, Body(mut fields): Body) -> Result<Json<Data<SettingsView>>, Problem> {
    let kept = if ["time_zone", "activity_days", "activity_rows"].into_iter().any(|name| fields.has(name)) {
        fields.number("terminated_kept_days", KeptDays::new)
    } else {
        fields.required_number("terminated_kept_days", KeptDays::new)
    };
    let time_zone = fields.optional("time_zone", TimeZone::parse);
    let activity_days = fields.number("activity_days", ActivityDays::new);
    let activity_rows = fields.number("activity_rows", ActivityRows::new);
    let change = fields.finish(Some(SettingsChange { kept, time_zone, activity_days, activity_rows }))?;
    Ok(data(app::change_settings(&core, &call.caller, change, None, &call.request_id).await?.into()))
}
