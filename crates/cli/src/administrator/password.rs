//! `opterius administrator password`.

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::new_password;
use crate::output::{self, Format};
use crate::panel::Panel;

#[derive(Args)]
pub(crate) struct Options {
    /// Who
    name: String,
    #[command(flatten)]
    password: new_password::Source,
}

pub(crate) async fn run(options: &Options, panel: &Panel, format: Format) -> Result<(), Failure> {
    checked(&options.name)?;
    let password = options.password.take()?;
    let path = format!("/api/administrators/{}/password", options.name);
    panel.put(&path, &json!({ "password": password.expose() })).await?;
    if format == Format::Json {
        output::json(&json!({ "username": options.name, "password": password.made() }));
        return Ok(());
    }
    output::line(format!("{} has another password now, and every session of theirs has ended.", options.name));
    password.show();
    Ok(())
}

/// A name that is put into a path: nobody has one of another form.
pub(super) fn checked(name: &str) -> Result<&str, Failure> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Err(Failure::new(format!("`{}` is nobody's name: use lower-case letters and digits", name.escape_debug())));
    }
    Ok(name)
}
