//! The shape that all answers share.

use std::convert::Infallible;
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use opterius_model::{OperationId, PackageId, TokenId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{AdministratorName, InvalidAdministratorName, Reference, Refusal};
use crate::http::problem::Problem;

/// A success.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    pub(crate) page: Page,
}

/// Where a page is in its list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page {
    /// The `cursor` of the next page; null on the last one.
    pub(crate) next: Option<String>,
    /// How many entries all pages have together.
    pub(crate) total: i64,
    /// Names the state that all pages of this list show.
    pub(crate) snapshot: String,
}

/// A success with one thing in it.
pub(crate) fn data<T>(data: T) -> Json<Data<T>> {
    Json(Data { data })
}

/// A whole list, on one page.
pub(crate) fn whole<T>(data: Vec<T>, snapshot: i64) -> Json<List<T>> {
    let total = i64::try_from(data.len()).unwrap_or(i64::MAX);
    Json(List { data, page: Page { next: None, total, snapshot: snapshot.to_string() } })
}

/// An id in the path. A text that is no id is the id of nothing.
pub(crate) struct Id<T>(pub(crate) T);

/// What an id is the id of.
pub(crate) trait Noun: FromStr {
    const NOUN: &'static str;
}

impl Noun for Reference {
    const NOUN: &'static str = "account";
}

impl Noun for OperationId {
    const NOUN: &'static str = "operation";
}

impl Noun for PackageId {
    const NOUN: &'static str = "package";
}

/// A server's id or name, or `default`.
pub(crate) struct ServerRef(pub(crate) String);

impl FromStr for ServerRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl Noun for ServerRef {
    const NOUN: &'static str = "server";
}

impl FromStr for AdministratorName {
    type Err = InvalidAdministratorName;

    fn from_str(text: &str) -> Result<Self, InvalidAdministratorName> {
        Self::parse(text)
    }
}

impl Noun for AdministratorName {
    const NOUN: &'static str = "administrator";
}

impl Noun for TokenId {
    const NOUN: &'static str = "token";
}

impl<S: Send + Sync, T: Noun> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => text,
            Err(_) => String::new(),
        };
        text.parse().map(Self).map_err(|_| Refusal::not_found(T::NOUN, &text).into())
    }
}
