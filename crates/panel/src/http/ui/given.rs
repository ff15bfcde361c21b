//! What was typed into a form, and what is wrong with it: shown again beside the sentence that says so, so that nobody types twice.

use std::fmt::Display;

use axum::extract::{Form, FromRequest, Request};
use http::StatusCode;

use crate::app::{AppError, Refusal};
use crate::http::problem;

/// The fields of a form, and what is wrong with them. No `Debug`: a field may be a secret.
#[derive(Default)]
pub(super) struct Given {
    fields: Vec<(String, String)>,
    /// A field's name with a sentence.
    problems: Vec<(String, String)>,
    /// Why the whole was refused, and what to do about it.
    refused: Option<(StatusCode, String, Option<String>)>,
}

impl<S: Send + Sync> FromRequest<S> for Given {
    type Rejection = std::convert::Infallible;

    /// What is no form has no fields; then those that are needed are missing.
    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let fields = Form::<Vec<(String, String)>>::from_request(request, state).await.map(|Form(fields)| fields).unwrap_or_default();
        Ok(Self { fields, ..Self::default() })
    }
}

impl Given {
    /// A form that is filled in already, as it is shown at first.
    pub(super) fn filled<N: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { fields: fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), ..Self::default() }
    }

    /// What a field holds, without white space around it; nothing if it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    /// Everything that was sent under one name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.trim())
    }

    /// Whether one of several boxes is ticked.
    pub(super) fn holds(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|one| one == value)
    }

    /// What a field holds, read into its type.
    pub(super) fn read<T, E: Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(self.text(name)).map_err(|error| error.to_string()).map_err(|error| self.refuse(name, error)).ok()
    }

    /// The same of a field that may be empty.
    pub(super) fn read_if_there<T, E: Display>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.text(name).is_empty() { None } else { self.read(name, parse) }
    }

    /// Fills a field in that was not sent.
    pub(super) fn fill(&mut self, name: &str, value: &str) {
        if !self.fields.iter().any(|(field, _)| field == name) {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Several of one kind, each on its own line or with commas between them.
    pub(super) fn read_list<T, E: Display>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let texts: Vec<String> =
            self.text(name).split([',', '\n', ' ', '\t', '\r']).filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let mut read = Vec::new();
        for text in texts {
            match parse(&text) {
                Ok(one) => read.push(one),
                Err(error) => self.refuse(name, error.to_string()),
            }
        }
        read
    }

    /// Puts down what is wrong with a field.
    pub(super) fn refuse(&mut self, name: &str, problem: String) {
        self.problems.push((name.to_owned(), problem));
    }

    /// Puts down why the whole was refused.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        let status = problem::status(refusal.code);
        if refusal.errors.is_empty() {
            self.refused = Some((status, refusal.detail, refusal.hint));
        } else {
            self.problems.extend(refusal.errors.into_iter().map(|error| (error.field, error.detail)));
        }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_fine(&self) -> bool {
        self.problems.is_empty() && self.refused.is_none()
    }

    /// What the answer that shows the form again is sent with.
    pub(super) fn status(&self) -> StatusCode {
        match &self.refused {
            Some((status, ..)) => *status,
            None if self.problems.is_empty() => StatusCode::OK,
            None => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// What is wrong with a field; nothing if it is fine.
    pub(super) fn problem(&self, name: &str) -> String {
        self.problems.iter().filter(|(field, _)| field == name).map(|(_, problem)| problem.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Whether something is wrong with a field.
    pub(super) fn is_wrong(&self, name: &str) -> bool {
        self.problems.iter().any(|(field, _)| field == name)
    }

    /// Everything that is wrong, in sentences.
    pub(super) fn wrong(&self) -> Vec<String> {
        let whole = self.refused.iter().flat_map(|(_, detail, hint)| std::iter::once(detail).chain(hint)).cloned();
        whole.chain(self.problems.iter().map(|(_, problem)| problem.clone())).collect()
    }

    /// Takes in why a verb refused; what failed in another way is not the form's business.
    pub(super) fn take_in<T>(&mut self, result: Result<T, AppError>) -> Result<Option<T>, AppError> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(AppError::Refused(refusal)) => {
                self.refused(*refusal);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
