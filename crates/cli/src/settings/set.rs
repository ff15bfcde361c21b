//! `opterius settings set`.

use clap::Subcommand;
use serde_json::json;

use super::{days, show};
use crate::failure::Failure;
use crate::output::Format;
use crate::panel::Panel;

#[derive(Subcommand)]
pub(crate) enum Setting {
    /// For how many days what a restore needs is kept of an account that is terminated from now on; 0 for not at all
    KeptDays {
        /// 0 to 365
        #[arg(value_name = "N", value_parser = days())]
        days: u16,
    },
    /// The time zone in which the Panel's pages show times
    TimeZone {
        /// Its IANA name, such as Europe/Berlin
        #[arg(value_name = "NAME")]
        name: String,
    },
}

pub(super) async fn run(setting: &Setting, panel: &Panel, format: Format) -> Result<(), Failure> {
    let body = match setting {
        Setting::KeptDays { days } => json!({ "terminated_kept_days": days }),
        Setting::TimeZone { name } => json!({ "time_zone": name }),
    };
    show::show(&panel.put("/api/settings", &body).await?.data, format)
}
