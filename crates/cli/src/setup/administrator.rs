//! The Panel's first administrator.

use serde_json::json;

use super::progress::Progress;
use crate::failure::Failure;
use crate::panel::Panel;
use crate::secret;

pub(super) const NAME: &str = "admin";

/// Makes the administrator unless there is one. Returns the password of a new one, which is not kept anywhere.
pub(super) async fn create(panel: &Panel, progress: &mut Progress) -> Result<Option<String>, Failure> {
    let password = secret::password();
    match panel.post("/api/administrators", &json!({ "username": NAME, "password": password })).await {
        Ok(_) => {
            progress.done(format!("made the administrator {NAME}"));
            Ok(Some(password))
        }
        Err(failure) if failure.status == 409 => {
            progress.kept(format!("the administrator {NAME}"));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
