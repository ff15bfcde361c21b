//! Each kind of operation in words.

use crate::api::Operation;

/// What it does, as the beginning of a sentence that an account ends.
pub(super) fn doing(kind: &str) -> &'static str {
    match kind {
        "create" => "Creating the account",
        "password" => "Setting the password of the account",
        "suspend" => "Suspending the account",
        "unsuspend" => "Lifting a hold of the account",
        "package" => "Changing the package of the account",
        "php_version" => "Changing the PHP of the account",
        "terminate" => "Terminating the account",
        "restore" => "Restoring the account",
        "repair" => "Repairing the account",
        _ => "Changing the account",
    }
}

/// What did not happen, if it failed.
pub(super) fn not_done(kind: &str) -> &'static str {
    match kind {
        "create" => "the account was not created",
        "password" => "the password was not set",
        "suspend" => "the account was not suspended",
        "unsuspend" => "the hold was not lifted",
        "package" => "the package was not changed",
        "php_version" => "the PHP was not changed",
        "terminate" => "the account was not terminated",
        "restore" => "the account was not restored",
        "repair" => "the account was not repaired",
        _ => "the account was not changed",
    }
}

/// What the outcome means for the account.
pub(super) fn meaning(operation: &Operation) -> &'static str {
    match (operation.outcome.as_str(), operation.kind.as_str()) {
        ("committed", _) if operation.abandoned => {
            "A person ended it as it stood. What is not as it should be is in `opterius account plan`, and `opterius account repair` mends it."
        }
        ("rolled_back", _) if operation.abandoned => {
            "A person ended it as it stood, on its way back. What is left of it is named above, and in `journalctl -u opterius-agent`."
        }
        ("committed", "terminate") => "It is done: nothing of the account answers any more.",
        ("committed", "suspend") => "It is done, and the account was seen to be suspended.",
        ("committed", _) => "It is done, and the account was seen to answer.",
        ("rolled_back", "create") => "Everything was undone: nothing of it is left on the server, and it can be ordered again.",
        ("rolled_back", "restore") => "Everything was undone: the account is terminated as before, and what was kept of it is kept.",
        ("rolled_back", _) => "Everything was undone: the account is as it was before, and it can be ordered again.",
        ("not_sent", _) => "Nothing was sent to the server, so nothing was changed; it can be ordered again.",
        ("running", _) => "It is not decided yet.",
        ("needs_attention", _) => "It could neither be finished nor be undone. The Agent goes on trying; a person should look.",
        _ => "This version of the command does not know this outcome.",
    }
}

/// The two ways in which a person ends what needs attention.
pub(crate) fn ways_out(id: &str) -> String {
    format!("`opterius operation retry {id}` tries it again at once, and `opterius operation abandon {id}` ends it as it stands")
}
