//! Why a command did not do what it was asked to.

use std::fmt::Display;

use opterius_protocol::client::chain;
use serde::Deserialize;

/// A refusal or an error, ready to be shown: a sentence, and what to do next.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Failure {
    /// The API's code, for programs; empty where the failure is this command's own.
    #[serde(default)]
    pub(crate) code: String,
    /// The HTTP status; 0 where the failure is this command's own.
    #[serde(default)]
    pub(crate) status: u16,
    /// What went wrong, in a sentence, causes included.
    pub(crate) detail: String,
    /// What to do next.
    #[serde(default)]
    pub(crate) hint: Option<String>,
    /// One entry a field, where an order was refused for its fields.
    #[serde(default)]
    pub(crate) errors: Vec<FieldError>,
    /// The request, as it stands in the logs.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
    /// The operation that failed, if one was begun.
    #[serde(default)]
    pub(crate) operation_id: Option<String>,
}

/// What is wrong with one field of an order.
#[derive(Debug, Deserialize)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) detail: String,
}

impl Failure {
    /// A failure of our own.
    pub(crate) fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::default() }
    }

    /// `doing` failed because of `error`: "could not write /etc/opterius/agent.toml: permission denied".
    pub(crate) fn because(doing: impl Display, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(format!("{doing}: {}", chain(error)))
    }

    /// The same, with what to do next.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Everything there is to say, on lines without a final line break: the detail, the fields, the hint, the ids.
    pub(crate) fn text(&self, error: &str, hint: &str) -> String {
        let mut text = format!("{error}: {}", self.detail);
        for FieldError { field, detail } in &self.errors {
            text.push_str("\n  ");
            text.push_str(field);
            text.push_str(": ");
            text.push_str(detail);
        }
        if let Some(what) = &self.hint {
            text.push_str("\n\n");
            text.push_str(hint);
            text.push_str(": ");
            text.push_str(what);
        }
        let ids: Vec<String> = [("request", &self.request_id), ("operation", &self.operation_id)]
            .into_iter()
            .filter_map(|(name, id)| id.as_ref().map(|id| format!("{name} {id}")))
            .collect();
        if !ids.is_empty() {
            text.push_str("\n(");
            text.push_str(&ids.join(", "));
            text.push(')');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do_next() {
        let failure = Failure {
            detail: "the order was refused".into(),
            errors: vec![FieldError { field: "domain".into(), detail: "is taken".into() }],
            request_id: Some("req-12345".into()),
            operation_id: Some("op-1".into()),
            ..Failure::default()
        }
        .hint("choose another domain");
        assert_eq!(
            failure.text("error", "hint"),
            "error: the order was refused\n  domain: is taken\n\nhint: choose another domain\n(request req-12345, operation op-1)"
        );
        assert_eq!(Failure::new("no").text("error", "hint"), "error: no");
    }
}
