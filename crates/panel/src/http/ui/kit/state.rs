//! What has become of something, as a word with a colour beside it.

use super::texts::Texts;
use crate::store::account::Status;
use crate::store::operation::Outcome;

/// A word, and the class of the dot in front of it. The word is in the colour of the text, so that it can always be read.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) word: String,
    pub(crate) class: &'static str,
}

impl State {
    pub(crate) fn of_account(texts: Texts, status: Status) -> Self {
        let class = match status {
            Status::Active => "status-green",
            Status::Suspended => "status-orange",
            Status::Provisioning => "status-blue",
            Status::NeedsAttention => "status-red",
            Status::Terminated | Status::Failed => "status-secondary",
        };
        Self { word: texts.say(&format!("status-{}", status.as_str())), class }
    }

    pub(crate) fn of_operation(texts: Texts, outcome: Outcome) -> Self {
        let class = match outcome {
            Outcome::Committed => "status-green",
            Outcome::Running => "status-blue",
            Outcome::NeedsAttention => "status-red",
            Outcome::RolledBack | Outcome::NotSent => "status-orange",
        };
        Self { word: texts.say(&format!("outcome-{}", outcome.as_str())), class }
    }
}
