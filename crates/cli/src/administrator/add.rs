//! `opterius administrator add`.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::Failure;
use crate::new_password;
use crate::output::{self, Format};
use crate::panel::Panel;

#[derive(Args)]
pub(crate) struct Options {
    /// 3 to 32 lower-case letters and digits, a letter first
    name: String,
    /// What they may do
    #[arg(long, value_enum, default_value_t = Role::Administrator)]
    role: Role,
    #[command(flatten)]
    password: new_password::Source,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    /// Everything
    Administrator,
    /// Look at everything, suspend and unsuspend accounts, try operations again
    Support,
    /// Look at everything
    #[value(name = "read_only")]
    ReadOnly,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Support => "support",
            Self::ReadOnly => "read_only",
        }
    }
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    let password = options.password.take()?;
    let role = options.role.word();
    let body = json!({ "username": options.name, "role": role, "password": password.expose() });
    let mut data = panel.post("/api/administrators", &body).await?.data;
    if format == Format::Json {
        data["password"] = json!(password.made());
        output::json(&data);
        return Ok(());
    }
    output::line(format!("{} can sign in to the Panel's pages now, with the role {role}.", options.name));
    password.show();
    Ok(())
}
