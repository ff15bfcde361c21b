//! What somebody filled into a form: read field by field, and kept as it was typed, so that it can be shown again.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::gate::secret;
use super::message::Message;
use crate::app::{self, AppError, Code, Proof, Refusal, sentence};
use crate::http::body;
use crate::http::problem::{self, Problem};
use crate::http::read::Fields;

/// The body of a form, within the bounds of every body; nothing if it is no form.
async fn sent(request: Request) -> Result<Option<Zeroizing<Vec<u8>>>, Response> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let body = body::whole(request.into_body()).await.map_err(|Problem(refusal)| Message::refused(&refusal).into_response())?;
    Ok(is_form.then_some(body))
}

/// A form whose fields are those of `T`, for pages that are sent by nobody but our own forms.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let body = sent(request).await?.unwrap_or_default();
        serde_urlencoded::from_bytes(&body).map(Self).map_err(|_| Message::no_such_form().into_response())
    }
}

/// A form as it was sent. One that cannot be read is an empty one: what it lacks is said then.
pub(crate) struct Given {
    pub(crate) fields: Fields,
    pub(crate) typed: Typed,
    /// The password, if the form has one.
    pub(crate) password: Zeroizing<String>,
    /// What whoever sends it signs in with, if they were asked for it.
    pub(crate) proof: Option<Proof>,
}

/// What was typed, by field. No password.
#[derive(Debug, Clone, Default)]
pub(crate) struct Typed(Vec<(String, String)>);

impl Typed {
    pub(crate) fn of<N: AsRef<str>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter().filter(|(name, _)| name.as_ref() != "password");
        Self(pairs.map(|(name, value)| (name.as_ref().to_owned(), value.into())).collect())
    }

    /// All of it, to be sent once more.
    pub(crate) fn pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Nothing was typed where nothing is known.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Whether one of several boxes is ticked.
    pub(crate) fn holds(&self, field: &str, value: &str) -> bool {
        self.0.iter().any(|(name, one)| name == field && one == value)
    }

    /// Fills a field in that was not sent.
    pub(crate) fn fill(&mut self, field: &str, value: impl Into<String>) {
        if !self.0.iter().any(|(name, _)| name == field) {
            self.0.push((field.to_owned(), value.into()));
        }
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        !self.get(field).is_empty()
    }
}

impl<S: Send + Sync> FromRequest<S> for Given {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let session = secret(request.headers()).map(|secret| Zeroizing::new(secret.to_owned()));
        let body = sent(request).await?.unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(&body).unwrap_or_default();
        // People leave blanks around what they paste; in a password they may be meant.
        let (own, pairs): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == app::PASSWORD || name == app::CODE);
        let trimmed = |(name, value): (String, String)| if name == "password" { (name, value) } else { (name, value.trim().to_owned()) };
        let pairs: Vec<_> = pairs.into_iter().map(trimmed).collect();
        let password = pairs.iter().find(|(name, _)| name == "password").map(|(_, value)| value.clone()).unwrap_or_default();
        Ok(Self {
            typed: Typed::of(pairs.iter().map(|(name, value)| (name, value))),
            password: Zeroizing::new(password),
            proof: proof(own, session),
            fields: Fields::of_form(pairs),
        })
    }
}

/// What somebody signs in with; nothing if they were not asked for it. What is given twice is no proof.
fn proof(own: Vec<(String, String)>, session: Option<Zeroizing<String>>) -> Option<Proof> {
    let mut proof = Proof { password: Zeroizing::default(), code: Zeroizing::default(), session };
    let was_asked = own.iter().any(|(name, _)| name == app::PASSWORD);
    let is_once = own.iter().enumerate().all(|(at, (name, _))| own[..at].iter().all(|(other, _)| other != name));
    for (name, value) in own {
        let value = Zeroizing::new(value);
        match name.as_str() {
            _ if !is_once => {}
            app::PASSWORD => proof.password = value,
            _ => proof.code = value,
        }
    }
    was_asked.then_some(proof)
}

/// Why a form was not taken, said above it.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    pub(crate) hint: Option<String>,
    /// What is wrong, by field.
    fields: Vec<(String, String)>,
}

impl Wrong {
    /// What is wrong with a form that can be sent again. Anything else is given back.
    pub(crate) fn of(error: AppError) -> Result<Self, AppError> {
        match error {
            AppError::Refused(refusal)
                if refusal.operation_id.is_none()
                    && matches!(
                        refusal.code,
                        Code::InvalidRequest
                            | Code::ChangedMeanwhile
                            | Code::LimitsBelowUse
                            | Code::UsernameTaken
                            | Code::DomainTaken
                            | Code::ExternalRefTaken
                            | Code::ExternalRefMismatch
                            | Code::PackageNotFound
                            | Code::PackageRetired
                            | Code::NameTaken
                            | Code::ServerFull
                            | Code::ServerNotConfigured
                    ) =>
            {
                Ok(Self::new(*refusal))
            }
            error => Err(error),
        }
    }

    pub(crate) fn new(refusal: Refusal) -> Self {
        let mut fields: Vec<(String, String)> = refusal.errors.into_iter().map(|error| (error.field, error.detail)).collect();
        if let (true, Some(conflict)) = (fields.is_empty(), refusal.conflict) {
            fields.push((conflict.field, refusal.detail.clone()));
        }
        Self { status: problem::status(refusal.code), detail: refusal.detail, hint: refusal.hint, fields }
    }

    /// What is wrong with this field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let details: Vec<&str> = self.fields.iter().filter(|(field, _)| field == name).map(|(_, detail)| detail.as_str()).collect();
        (!details.is_empty()).then(|| details.join("; "))
    }

    /// What is wrong, unless the sentence above says it already.
    pub(crate) fn others(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(_, detail)| detail.as_str()).filter(|detail| *detail != self.detail && sentence(detail) != self.detail)
    }
}

/// A form as it is shown: what its fields hold, and why it was not taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filled {
    /// What the ids of its fields begin with, where a page has several forms with the same fields.
    pub(crate) under: String,
    pub(crate) typed: Typed,
    pub(crate) wrong: Option<Wrong>,
}

impl Filled {
    /// A form that may have been refused, for whatever reason. What failed in another way is given back.
    pub(crate) fn new(typed: Typed, error: Option<AppError>) -> Result<Self, AppError> {
        let wrong = match error {
            Some(AppError::Refused(refusal)) => Some(Wrong::new(*refusal)),
            Some(error) => return Err(error),
            None => None,
        };
        Ok(Self { typed, wrong, under: String::new() })
    }

    /// What the answer that shows it is sent with.
    pub(crate) fn status(&self) -> StatusCode {
        self.wrong.as_ref().map_or(StatusCode::OK, |wrong| wrong.status)
    }

    /// The id of the element of this field.
    pub(crate) fn id(&self, field: &str) -> String {
        if self.under.is_empty() { field.to_owned() } else { format!("{}-{field}", self.under) }
    }

    /// What is wrong with this field.
    pub(crate) fn problem(&self, field: &str) -> Option<String> {
        self.wrong.as_ref()?.field(field)
    }
}

/// Whatever was wrong with the fields, as the verbs say it.
pub(crate) fn checked<T>(result: Result<T, Problem>) -> Result<T, AppError> {
    result.map_err(|Problem(refusal)| AppError::Refused(refusal))
}

/// An id in the path; nothing if it is none.
pub(crate) struct Id<T>(Option<T>, String);

impl<T: Copy> Id<T> {
    /// The id. A text that is none is the id of nothing.
    pub(crate) fn of(&self, noun: &str) -> Result<T, AppError> {
        self.0.ok_or_else(|| Refusal::not_found(noun, &self.1).into())
    }
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        Ok(Self(text.parse().ok(), text))
    }
}
