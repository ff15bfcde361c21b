//! Reads a body or a query field by field, and finds everything that is wrong with it, not only the first thing.

use std::fmt::Display;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::header;
use http::request::Parts;
use opterius_model::{InvalidDomain, InvalidPassword, InvalidUsername, Limit, Limits, Password};
use serde_json::{Map, Value};

use crate::app::{AppError, Code, Edit, FieldProblem, LimitChanges, Refusal, Version};
use crate::http::problem::Problem;
use crate::http::{body, json};

/// The most entries of a list in a body.
pub(crate) const MOST_ENTRIES: usize = 100;

/// The fields of a request that nobody has asked for yet, and what is wrong with those that somebody has.
pub(crate) struct Fields {
    rest: Map<String, Value>,
    /// Whether everything is a text, as in a query or a form.
    in_words: bool,
    problems: Vec<FieldProblem>,
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_struct("Fields").field("names", &self.rest.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// The body's fields.
pub(crate) struct Body(pub(crate) Fields);

/// The body's fields; none if there is no body.
pub(crate) struct OptionalBody(pub(crate) Fields);

/// The query's fields.
pub(crate) struct QueryFields(pub(crate) Fields);

/// How a refused text is classed, for programs.
pub(crate) trait Classed: Display {
    fn class(&self) -> &'static str {
        "invalid"
    }
}

impl Classed for InvalidUsername {
    fn class(&self) -> &'static str {
        match self {
            Self::Reserved(_) => "reserved",
            Self::Form(_) => "invalid",
        }
    }
}

impl Classed for InvalidDomain {
    fn class(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "too_long",
            Self::PublicSuffix(_) => "public_suffix",
            _ => "invalid",
        }
    }
}

impl Classed for InvalidPassword {
    fn class(&self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Control => "invalid",
        }
    }
}

impl Classed for opterius_model::InvalidPage {
    fn class(&self) -> &'static str {
        if matches!(self, Self::TooLong) { "too_long" } else { "invalid" }
    }
}

macro_rules! classed {
    ($($name:ty),+) => { $(impl Classed for $name {})+ };
}
classed!(
    opterius_model::InvalidPackageName,
    opterius_model::InvalidPhpChoice,
    opterius_model::InvalidId,
    opterius_model::InvalidHold,
    opterius_model::InvalidRecord,
    opterius_model::InvalidTtl,
    crate::app::InvalidClientRef,
    crate::app::InvalidExternalRef,
    crate::app::InvalidReason,
    crate::app::InvalidRefPrefix,
    crate::app::InvalidEmailAddress,
    crate::app::InvalidTokenName,
    crate::app::InvalidAdministratorName,
    crate::app::InvalidCidr,
    crate::store::UnknownWord,
    std::net::AddrParseError,
    String
);

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Refusal::new(Code::UnsupportedMediaType, "The body must be JSON.")
                .hint("Send it with `Content-Type: application/json`.")
                .into());
        }
        let body = body::whole(request.into_body()).await?;
        match json::read(&body) {
            Ok((Value::Object(rest), twice)) => {
                let mut fields = Fields { rest, in_words: false, problems: Vec::new() };
                for place in twice {
                    fields.refuse(&place, "invalid", format!("`{place}` is given twice: say it once"));
                }
                Ok(Self(fields))
            }
            Ok(_) => Err(Refusal::invalid_field("", "wrong_type", "the body must be a JSON object").into()),
            // Where, but not what: what stands there may be a secret.
            Err(error) => {
                let detail = format!("the body is not JSON (line {}, column {})", error.line(), error.column());
                Err(Refusal::invalid_field("", "invalid", detail).into())
            }
        }
    }
}

impl<S: Sync> FromRequest<S> for OptionalBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(Self(Fields { rest: Map::new(), in_words: false, problems: Vec::new() }));
        }
        Body::from_request(request, state).await.map(|Body(fields)| Self(fields))
    }
}

impl<S: Sync> FromRequestParts<S> for QueryFields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Refusal::invalid_field("", "invalid", "the query cannot be read"))?;
        let mut fields = Fields { rest: Map::new(), in_words: true, problems: Vec::new() };
        for (name, value) in pairs {
            if fields.rest.insert(name.clone(), Value::String(value)).is_some() {
                let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
                fields.refuse(&shown, "invalid", format!("`{shown}` is given twice: say it once"));
            }
        }
        Ok(Self(fields))
    }
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

impl Fields {
    /// The fields of a form, whose empty ones are those that nobody filled in. What is sent more than once is a list, empty or not.
    pub(crate) fn of_form(pairs: Vec<(String, String)>) -> Self {
        let mut rest = Map::new();
        let is_once = |name: &str| pairs.iter().filter(|(other, _)| other == name).count() == 1;
        let empty: Vec<String> =
            pairs.iter().filter(|(name, value)| value.is_empty() && is_once(name)).map(|(name, _)| name.clone()).collect();
        for (name, value) in pairs.into_iter().filter(|(name, _)| !empty.contains(name)) {
            match rest.entry(name).or_insert(Value::Null) {
                Value::Array(values) => values.push(value.into()),
                there if there.is_null() => *there = value.into(),
                there => *there = Value::Array(vec![there.take(), value.into()]),
            }
        }
        Self { rest, in_words: true, problems: Vec::new() }
    }

    /// Notes that a field is wrong.
    pub(crate) fn refuse(&mut self, field: &str, code: &str, detail: impl Display) {
        self.problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), detail: detail.to_string() });
    }

    /// Whether the field is there. One that is null is one that is not given, and nobody needs to ask for it again.
    pub(crate) fn has(&mut self, field: &str) -> bool {
        match self.rest.get(field) {
            None => false,
            Some(Value::Null) => {
                self.rest.remove(field);
                false
            }
            Some(_) => true,
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.rest.remove(field).filter(|value| !value.is_null())
    }

    /// Whether the field is not there, which is noted.
    fn is_missing(&mut self, field: &str) -> bool {
        let missing = !self.has(field);
        if missing {
            self.refuse(field, "missing", format!("`{field}` is missing"));
        }
        missing
    }

    fn text_of(&mut self, field: &str, value: Value) -> Option<String> {
        match value {
            Value::String(text) if text.is_empty() => self.refuse(field, "empty", format!("`{field}` is empty")),
            Value::String(text) => return Some(text),
            other => self.refuse(field, "wrong_type", format!("`{field}` must be a text, and is {}", kind(&other))),
        }
        None
    }

    fn parsed<T, E: Classed>(&mut self, field: &str, value: Value, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text_of(field, value)?;
        parse(&text).map_err(|error| self.refuse(field, error.class(), &error)).ok()
    }

    /// A text that must be there.
    pub(crate) fn required<T, E: Classed>(&mut self, field: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.is_missing(field) { None } else { self.optional(field, parse) }
    }

    /// A text that may be there.
    pub(crate) fn optional<T, E: Classed>(&mut self, field: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let value = self.take(field)?;
        self.parsed(field, value, parse)
    }

    /// A text of a form, which is read even if nobody filled it in.
    pub(crate) fn text<T, E: Classed>(&mut self, field: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.has(field) {
            return self.optional(field, parse);
        }
        parse("").map_err(|error| self.refuse(field, error.class(), &error)).ok()
    }

    /// The version of what was seen, as its form says it.
    pub(crate) fn version(&mut self) -> Option<Version> {
        self.required("version", |text| Ok::<_, String>(Version::given(text)))
    }

    /// A text to set, or null to take away what is there.
    pub(crate) fn edit<T, E: Classed>(&mut self, field: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Edit<T> {
        match self.rest.remove(field) {
            None => Edit::Keep,
            Some(Value::Null) => Edit::Clear,
            Some(value) => self.parsed(field, value, parse).map_or(Edit::Keep, Edit::Set),
        }
    }

    /// A password, which is moved and not copied.
    pub(crate) fn password(&mut self, field: &str) -> Option<Password> {
        if self.is_missing(field) {
            return None;
        }
        let value = self.take(field)?;
        let text = self.text_of(field, value)?;
        Password::parse(text).map_err(|error| self.refuse(field, error.class(), error)).ok()
    }

    /// A list of texts that may be there.
    pub(crate) fn list<T, E: Classed>(&mut self, field: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        match self.take(field)? {
            Value::Array(values) if values.len() > MOST_ENTRIES => {
                self.refuse(field, "too_long", format!("`{field}` has more than {MOST_ENTRIES} entries"));
                None
            }
            Value::Array(values) => self.each(field, values, parse),
            other => {
                self.refuse(field, "wrong_type", format!("`{field}` must be a list of texts, and is {}", kind(&other)));
                None
            }
        }
    }

    /// A list of texts that must be there.
    pub(crate) fn required_list<T, E: Classed>(&mut self, field: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        if self.is_missing(field) { None } else { self.list(field, parse) }
    }

    /// Everything that a form says under one name: the boxes that are ticked.
    pub(crate) fn ticked<T, E: Classed>(&mut self, field: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let values = match self.take(field) {
            None => Vec::new(),
            Some(Value::Array(values)) => values.into_iter().filter(|value| value.as_str() != Some("")).collect(),
            Some(one) => vec![one],
        };
        self.each(field, values, parse)
    }

    /// Texts of one field of a form, each on a line of its own or with commas between them.
    pub(crate) fn lines<T, E: Classed>(&mut self, field: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let Some(value) = self.take(field) else { return Some(Vec::new()) };
        let text = self.text_of(field, value)?;
        let texts = text.split([',', '\n', ' ', '\t', '\r']).filter(|text| !text.is_empty());
        self.each(field, texts.map(Value::from).collect(), parse)
    }

    /// The same of a field that must be filled in.
    pub(crate) fn required_lines<T, E: Classed>(&mut self, field: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        if self.is_missing(field) { None } else { self.lines(field, parse) }
    }

    /// All that is wrong with any of them is noted.
    fn each<T, E: Classed>(&mut self, field: &str, values: Vec<Value>, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let count = values.len();
        let good: Vec<T> = values.into_iter().filter_map(|value| self.parsed(field, value, &parse)).collect();
        (good.len() == count).then_some(good)
    }

    /// A list of objects that must be there, each read by `read`. What is wrong with one is told as of `field[0].name`.
    pub(crate) fn required_objects<T>(&mut self, field: &str, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let values = match self.take(field) {
            Some(Value::Array(values)) if values.len() <= MOST_ENTRIES => values,
            Some(Value::Array(_)) => {
                self.refuse(field, "too_long", format!("`{field}` has more than {MOST_ENTRIES} entries"));
                return None;
            }
            Some(other) => {
                self.refuse(field, "wrong_type", format!("`{field}` must be a list of objects, and is {}", kind(&other)));
                return None;
            }
            None => {
                self.refuse(field, "missing", format!("`{field}` is missing"));
                return None;
            }
        };
        let mut good = Some(Vec::new());
        for (at, value) in values.into_iter().enumerate() {
            let one = self.object(&format!("{field}[{at}]"), value, &read);
            good = good.zip(one).map(|(mut good, one)| {
                good.push(one);
                good
            });
        }
        good
    }

    /// An object, read by `read`, or null, and one of them must be there. What is wrong with it is told as of `field.name`.
    pub(crate) fn object_or_null<T>(&mut self, field: &str, read: impl Fn(&mut Self) -> Option<T>) -> Option<Edit<T>> {
        match self.rest.remove(field) {
            None => {
                self.refuse(field, "missing", format!("`{field}` is missing"));
                None
            }
            Some(Value::Null) => Some(Edit::Clear),
            Some(value) => self.object(field, value, read).map(Edit::Set),
        }
    }

    fn object<T>(&mut self, place: &str, value: Value, read: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        let Value::Object(rest) = value else {
            self.refuse(place, "wrong_type", format!("`{place}` must be an object, and is {}", kind(&value)));
            return None;
        };
        let mut inner = Self { rest, in_words: self.in_words, problems: Vec::new() };
        let one = read(&mut inner);
        inner.refuse_the_rest();
        let is_good = inner.problems.is_empty();
        let placed = |problem: FieldProblem| FieldProblem { field: format!("{place}.{}", problem.field), ..problem };
        self.problems.extend(inner.problems.into_iter().map(placed));
        one.filter(|_| is_good)
    }

    /// A moment, in microseconds since 1970.
    pub(crate) fn moment(&mut self, field: &str) -> Option<i64> {
        let value = self.take(field)?;
        let moment = whole(&value).and_then(|moment| i64::try_from(moment).ok());
        if moment.is_none() {
            self.refuse(field, "wrong_type", format!("`{field}` must be a moment in microseconds since 1970, and is {}", kind(&value)));
        }
        moment
    }

    /// Yes or no; `default` if nothing is said. In a query, the words `true` and `false`.
    pub(crate) fn truth(&mut self, field: &str, default: bool) -> bool {
        match self.take(field) {
            None => default,
            Some(Value::Bool(truth)) => truth,
            Some(Value::String(text)) if self.in_words && text == "true" => true,
            Some(Value::String(text)) if self.in_words && text == "false" => false,
            Some(other) => {
                self.refuse(field, "wrong_type", format!("`{field}` must be true or false, and is {}", kind(&other)));
                default
            }
        }
    }

    /// A whole number that must be there.
    pub(crate) fn required_number<T, E: Classed>(&mut self, field: &str, parse: impl FnOnce(u64) -> Result<T, E>) -> Option<T> {
        if self.is_missing(field) { None } else { self.number(field, parse) }
    }

    /// A whole number that may be there.
    pub(crate) fn number<T, E: Classed>(&mut self, field: &str, parse: impl FnOnce(u64) -> Result<T, E>) -> Option<T> {
        let value = self.take(field)?;
        let Some(number) = whole(&value) else {
            self.refuse(field, "wrong_type", format!("`{field}` must be a whole number from 0, and is {}", kind(&value)));
            return None;
        };
        parse(number).map_err(|error| self.refuse(field, error.class(), &error)).ok()
    }

    /// Limits to set, and with null those to leave to the package, by name.
    pub(crate) fn overrides(&mut self, field: &str) -> Vec<(&'static str, Option<Limit>)> {
        let mut given = match self.take(field) {
            None => return Vec::new(),
            Some(Value::Object(given)) => given,
            Some(other) => {
                self.refuse(field, "wrong_type", format!("`{field}` must be an object of limits, and is {}", kind(&other)));
                return Vec::new();
            }
        };
        let mut overrides = Vec::new();
        for (name, _) in Limits::DEFAULT.named() {
            match given.remove(name) {
                None => {}
                Some(Value::Null) => overrides.push((name, None)),
                Some(value) => overrides.extend(self.limit(name, &value).map(|limit| (name, Some(limit)))),
            }
        }
        for name in given.keys() {
            let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            self.refuse(field, "unknown", format!("there is no limit `{shown}`"));
        }
        overrides
    }

    fn limit(&mut self, field: &str, value: &Value) -> Option<Limit> {
        let Some(number) = whole(value) else {
            let detail = format!("`{field}` must be a whole number from 0 (unlimited), and is {}", kind(value));
            self.refuse(field, "wrong_type", detail);
            return None;
        };
        Limit::try_from(number).map_err(|error| self.refuse(field, "too_large", error)).ok()
    }

    /// Whatever limits are there.
    pub(crate) fn limits(&mut self) -> LimitChanges {
        let mut given = Vec::new();
        for (field, _) in Limits::DEFAULT.named() {
            let Some(value) = self.take(field) else { continue };
            given.extend(self.limit(field, &value).map(|limit| (field, limit)));
        }
        LimitChanges(given)
    }

    /// How many entries of a list, of a query: 1 to `most`.
    pub(crate) fn page_size(&mut self, most: u32) -> Option<u32> {
        self.optional("limit", |text| {
            let number = digits(text).and_then(|number| u32::try_from(number).ok()).filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("`limit` must be a number from 1 to {most}"))
        })
    }

    /// Notes every field that nobody has asked for.
    fn refuse_the_rest(&mut self) {
        for name in std::mem::take(&mut self.rest).keys() {
            let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            self.problems.push(FieldProblem {
                detail: format!("there is no field `{shown}` here"),
                field: shown,
                code: "unknown".to_owned(),
            });
        }
    }

    /// Everything that is wrong, fields that nobody knows included; `value` if nothing is.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        self.refuse_the_rest();
        match value {
            _ if !self.problems.is_empty() => Err(Refusal::invalid(self.problems).into()),
            Some(value) => Ok(value),
            None => Err(AppError::Broken("say what is wrong with a request").into()),
        }
    }
}

/// A whole number from 0, as JSON writes one: `1.0` and `1e0` are 1.
fn whole(value: &Value) -> Option<u64> {
    // All whole numbers up to here are floats; beyond, a float says not which one is meant.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number in the range")]
    let of_float = |number: f64| (number.fract() == 0.0 && (0.0..=EXACT).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().filter(|_| value.is_f64()).and_then(of_float))
}

/// A whole number from 0 in digits, of at most 18 of them, and without a sign.
pub(crate) fn digits(text: &str) -> Option<u64> {
    ((1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
