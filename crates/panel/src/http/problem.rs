//! Refusals as RFC 9457 problem documents.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use opterius_model::RequestId;
use opterius_protocol::client::chain;
use serde::Serialize;

use crate::app::{AppError, Code, Conflict, FieldProblem, Refusal};

/// What a handler returns when it does not do what was asked. The outermost layer writes it down, since the request's id stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Problem(pub(crate) Box<Refusal>);

/// A problem document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView<'a> {
    /// Always `about:blank`: `code` says which problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    status: u16,
    /// For programs.
    code: Code,
    title: &'static str,
    /// For staff: what went wrong, and what became of it.
    detail: &'a str,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    /// The field that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// Every field that is wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
    /// The operation that did not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_id: Option<String>,
    request_id: &'a str,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Who holds what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<&'a Conflict>,
    /// The account that is gone, if that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    /// When it was terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    terminated_at: Option<i64>,
    /// Until when it can or could be restored; not there if nothing of it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    restorable_until: Option<i64>,
}

impl<'a> ProblemView<'a> {
    pub(crate) fn new(refusal: &'a Refusal, request_id: &'a RequestId) -> Self {
        let field = match refusal.errors.as_slice() {
            [one] if !one.field.is_empty() => Some(one.field.as_str()),
            _ => refusal.conflict.as_ref().map(|conflict| conflict.field.as_str()),
        };
        Self {
            kind: "about:blank",
            status: status(refusal.code).as_u16(),
            code: refusal.code,
            title: title(refusal.code),
            detail: &refusal.detail,
            hint: refusal.hint.as_deref(),
            field,
            errors: &refusal.errors,
            operation_id: refusal.operation_id.map(|id| id.to_string()),
            request_id: request_id.as_str(),
            retryable: matches!(
                refusal.code,
                Code::ServerUnreachable
                    | Code::ServerNotConfigured
                    | Code::ProvisioningFailed
                    | Code::OperationRunning
                    | Code::TooManyRequests
                    | Code::Internal
                    | Code::BodyTooSlow
            ) || refusal.retry_after.is_some(),
            conflict: refusal.conflict.as_ref(),
            account_id: refusal.gone.map(|gone| gone.account_id.to_string()),
            terminated_at: refusal.gone.and_then(|gone| gone.terminated_at).map(|at| at.0),
            restorable_until: refusal.gone.and_then(|gone| gone.restorable_until).map(|at| at.0),
        }
    }
}

/// The HTTP status of a code.
pub(crate) fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest => StatusCode::UNPROCESSABLE_ENTITY,
        Code::PackageNotFound | Code::NotFound => StatusCode::NOT_FOUND,
        Code::UsernameTaken
        | Code::DomainTaken
        | Code::ExternalRefMismatch
        | Code::ExternalRefTaken
        | Code::LimitsBelowUse
        | Code::OperationRunning
        | Code::PackageInUse
        | Code::PackageRetired
        | Code::ServerFull
        | Code::ChangedMeanwhile
        | Code::NameTaken => StatusCode::CONFLICT,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::OtherCaller => StatusCode::FORBIDDEN,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::AccountGone => StatusCode::GONE,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::ServerUnreachable | Code::ServerNotConfigured => StatusCode::SERVICE_UNAVAILABLE,
        Code::ProvisioningFailed | Code::MailNotTaken => StatusCode::BAD_GATEWAY,
        Code::NeedsAttention | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub(crate) fn title(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "The request is not valid",
        Code::PackageNotFound => "Package not found",
        Code::UsernameTaken => "The username is taken",
        Code::DomainTaken => "The domain is taken",
        Code::ExternalRefMismatch => "Another order has this external_ref",
        Code::ExternalRefTaken => "The external_ref is taken",
        Code::LimitsBelowUse => "More is used than that",
        Code::OperationRunning => "Another operation is running",
        Code::PackageInUse => "The package is in use",
        Code::PackageRetired => "The package is retired",
        Code::NameTaken => "The name is taken",
        Code::ChangedMeanwhile => "It was changed meanwhile",
        Code::Unauthorized => "Not signed in",
        Code::Forbidden => "Not allowed",
        Code::NotFound => "Not found",
        Code::MethodNotAllowed => "Not possible here",
        Code::AccountGone => "The account is gone",
        Code::BodyTooLarge => "The body is too large",
        Code::BodyTooSlow => "The body did not arrive in time",
        Code::UnsupportedMediaType => "The body is not JSON",
        Code::TooManyRequests => "Too many requests",
        Code::OtherCaller => "Called from another installation",
        Code::ServerFull => "The server is full",
        Code::ServerUnreachable => "The server could not be reached",
        Code::ServerNotConfigured => "The server is not configured",
        Code::ProvisioningFailed => "The account could not be provisioned",
        Code::NeedsAttention => "The account needs attention",
        Code::MailNotTaken => "The mail server did not take it",
        Code::Internal => "The Panel failed",
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal))
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Refused(refusal) => Self(refusal),
            // The only place where the cause is written down; the caller gets the request's id, which finds it.
            error => {
                tracing::error!(error = %chain(&error), "the Panel failed at a request");
                Self::from(
                    Refusal::new(Code::Internal, "The Panel failed; nothing is known to be wrong with the request.")
                        .hint("Look for the request's id in `journalctl -u opterius-panel`."),
                )
            }
        }
    }
}

impl From<crate::store::StoreError> for Problem {
    fn from(error: crate::store::StoreError) -> Self {
        AppError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = status(self.0.code).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Says when another try makes sense, if the refusal does.
pub(crate) fn retry_after(refusal: &Refusal, headers: &mut HeaderMap) {
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
}

/// Writes the problem that a response carries, if it carries one.
pub(crate) fn write(mut response: Response, request_id: &RequestId) -> Response {
    let Some(Problem(refusal)) = response.extensions_mut().remove::<Problem>() else { return response };
    let body = serde_json::to_vec(&ProblemView::new(&refusal, request_id)).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    retry_after(&refusal, &mut parts.headers);
    Response::from_parts(parts, body.into())
}
