//! The contracts between the parts: Panel → Agent ([`agent`]) and Agent → phpd ([`phpd`]), one type per call, so that a caller and a
//! server that disagree do not compile. Both are JSON over HTTP over a Unix socket. Unknown fields are refused.
//!
//! Panel N talks to Agent N−1 and N: a field is only ever added with a default, and [`VERSION`] grows when that is not enough.

pub mod agent;
pub mod bounded;
pub mod client;
pub mod phpd;
pub mod telemetry;

pub use opterius_model::Micros;
use serde::{Deserialize, Serialize};

/// What a panic says, as it says it: it may hold text of strangers.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it does not say why")
}

/// The version of the contracts that this build speaks.
pub const VERSION: u32 = 1;

/// One call: where it goes and what comes back. The value itself is the request's body, where it has one.
pub trait Call: Serialize + Sync {
    /// What a success answers.
    type Reply: for<'de> Deserialize<'de> + Send;

    /// The HTTP method.
    const METHOD: http::Method;

    /// The route, in the form that the server's router takes: `/operations/{id}`.
    const ROUTE: &'static str;

    /// The path and query of this very call.
    fn target(&self) -> String {
        Self::ROUTE.to_owned()
    }
}

/// What a refused call answers, with an HTTP status of 4xx or 5xx. Nothing was changed by the call that got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct WireError {
    /// Which refusal this is, for programs.
    pub code: WireCode,
    /// The refusal in a sentence, for staff.
    pub detail: String,
}

/// The refusals that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireCode {
    /// The body is not what the call takes. 422.
    Invalid,
    /// The caller may not use this socket. 403.
    Forbidden,
    /// There is no such thing. 404.
    NotFound,
    /// The Spec's generation is not newer than what the server has. 409.
    StaleGeneration,
    /// The operation id is known with another content. 409.
    OtherContent,
    /// Another account holds this name, or something that is not the account's is in the way. 409.
    Conflict,
    /// The request arrived too late, as an Agent of the version before says it. Nothing of this version does. 410.
    TooLate,
    /// It was promised that the operation never begins ([`agent::NeverOperation`]). 410.
    NeverBegins,
    /// A part that is needed is not there now; nothing was begun. 503.
    Unavailable,
    /// Something else went wrong. 500.
    Internal,
}

impl WireCode {
    /// The HTTP status that carries the code.
    pub fn status(self) -> http::StatusCode {
        use http::StatusCode as S;
        match self {
            Self::Invalid => S::UNPROCESSABLE_ENTITY,
            Self::Forbidden => S::FORBIDDEN,
            Self::NotFound => S::NOT_FOUND,
            Self::StaleGeneration | Self::OtherContent | Self::Conflict => S::CONFLICT,
            Self::TooLate | Self::NeverBegins => S::GONE,
            Self::Unavailable => S::SERVICE_UNAVAILABLE,
            Self::Internal => S::INTERNAL_SERVER_ERROR,
        }
    }
}
