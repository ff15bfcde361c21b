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
    /// For how many days the Activity is kept; what is older is removed for good
    ActivityDays {
        /// 30 to 3650
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(30..=3650))]
        days: u16,
    },
    /// How many rows of the Activity are kept at most; those of the last 30 days stay in any case
    ActivityRows {
        /// 100000 to 100000000
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(100_000..=100_000_000))]
        rows: u32,
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
        Setting::ActivityDays { days } => json!({ "activity_days": days }),
        Setting::ActivityRows { rows } => json!({ "activity_rows": rows }),
        Setting::TimeZone { name } => json!({ "time_zone": name }),
    };
    show::show(&panel.put("/api/settings", &body).await?.data, format)
}
