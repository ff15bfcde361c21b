//! Why a command did not do what it was asked to.

use std::fmt::Display;

use opterius_protocol::client::chain;
use serde::Deserialize;

/// A refusal or an error, ready to be shown: a sentence, and what to do next.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Problem")]
pub(crate) struct Failure {
    /// What went wrong, in a sentence, causes included.
    pub(crate) detail: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The API's word for what went wrong; empty where the failure is this command's own.
    pub(crate) code: Box<str>,
    /// The request, as it stands in the logs.
    pub(crate) request_id: Option<String>,
    /// The operation that failed, if one was begun.
    pub(crate) operation_id: Option<String>,
    /// The HTTP status of a refusal; 0 where the failure is this command's own.
    pub(crate) status: u16,
}

/// A refusal as the API sends it (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    code: Box<str>,
    #[serde(default)]
    errors: Vec<FieldError>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    operation_id: Option<String>,
    #[serde(default)]
    status: u16,
}

/// What is wrong with one field of an order.
#[derive(Deserialize)]
struct FieldError {
    field: String,
    detail: String,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let Problem { mut detail, hint, code, errors, request_id, operation_id, status } = problem;
        for FieldError { field, detail: why } in errors {
            detail.push_str("\n  ");
            detail.push_str(&field);
            detail.push_str(": ");
            detail.push_str(&why);
        }
        Self { detail, hint, code, request_id, operation_id, status }
    }
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

    /// `doing` failed on the network: the last cause says it all, and those before it only name layers.
    pub(crate) fn network(doing: impl Display, error: &(dyn std::error::Error + 'static)) -> Self {
        let (doing, cause) = (doing.to_string(), root_cause(error).to_string());
        Self::new(if doing == cause { doing } else { format!("{doing}: {cause}") })
    }

    /// The same, with what to do next.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Everything there is to say, on lines without a final line break: the detail, the hint, the ids.
    /// `shown` makes each text one that may be shown; `error` and `hint` are ours.
    pub(crate) fn text(&self, error: &str, hint: &str, shown: impl Fn(&str) -> String) -> String {
        let mut text = format!("{error}: {}", shown(&self.detail));
        if let Some(what) = &self.hint {
            text.push_str("\n\n");
            text.push_str(hint);
            text.push_str(": ");
            text.push_str(&shown(what));
        }
        let ids: Vec<String> = [("request", &self.request_id), ("operation", &self.operation_id)]
            .into_iter()
            .filter_map(|(name, id)| id.as_ref().map(|id| format!("{name} {}", shown(id))))
            .collect();
        if !ids.is_empty() {
            text.push_str("\n(");
            text.push_str(&ids.join(", "));
            text.push(')');
        }
        text
    }
}

/// The last cause of an error.
pub(crate) fn root_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do_next() {
        let problem = r#"{"type": "about:blank", "status": 422, "detail": "the order was refused", "hint": "choose another domain",
            "errors": [{"field": "domain", "code": "taken", "detail": "is taken"}], "request_id": "req-12345", "operation_id": "op-1"}"#;
        let failure: Failure = serde_json::from_str(problem).expect("a problem");
        assert_eq!(failure.status, 422);
        assert_eq!(
            failure.text("error", "hint", str::to_owned),
            "error: the order was refused\n  domain: is taken\n\nhint: choose another domain\n(request req-12345, operation op-1)"
        );
        assert_eq!(Failure::new("no").text("error", "hint", str::to_owned), "error: no");
    }
}
