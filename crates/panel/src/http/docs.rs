//! The OpenAPI document, and a page to read it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Extension;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use serde_json::Value;
use sha2::{Digest, Sha256};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d273b}h2{margin-top:2.5rem;font-size:1.1rem}code,pre{font-family:ui-monospace,monospace;font-size:.9em}h2 code{background:#eef1f6;padding:.2rem .4rem;border-radius:4px}table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e6e8ee}th{font-weight:600}nav{columns:2}a{color:#066fd1}.scope{color:#667382}";

/// What is published of the API. Made once, since it never changes while a Panel runs.
#[derive(Debug)]
pub(crate) struct Published {
    document: String,
    page: String,
    policy: Option<HeaderValue>,
}

impl Published {
    pub(crate) fn new(document: &Value) -> Self {
        // The one style sheet is allowed by its hash, so that the policy needs no exception.
        let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        let policy = format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        Self { document: document.to_string(), page: render(document), policy: HeaderValue::from_str(&policy).ok() }
    }
}

/// The OpenAPI document of this API
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "openapi.read", tag = "api", security(()), responses((status = 200, description = "The document.", content_type = "application/json")))]
pub(crate) async fn document(Extension(published): Extension<Arc<Published>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], published.document.clone()).into_response()
}

/// This page
#[utoipa::path(get, path = "/api/docs", operation_id = "docs.read", tag = "api", security(()), responses((status = 200, description = "The page.", content_type = "text/html")))]
pub(crate) async fn page(Extension(published): Extension<Arc<Published>>) -> Response {
    let mut response = Html(published.page.clone()).into_response();
    if let Some(policy) = &published.policy {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

/// Text of the document as HTML: what stands between backticks is code.
fn prose(text: &str) -> String {
    text.split('`').enumerate().fold(String::new(), |mut html, (at, part)| {
        let _ = if at % 2 == 1 { write!(html, "<code>{}</code>", escape(part)) } else { write!(html, "{}", escape(part)) };
        html
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn render(document: &Value) -> String {
    let (mut list, mut operations) = (String::new(), String::new());
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let method = method.to_uppercase();
            let id = escape(text(operation, "operationId"));
            let _ = write!(list, "<li><a href=\"#{id}\"><code>{method} {}</code></a></li>", escape(path));
            let _ = write!(
                operations,
                "<section><h2 id=\"{id}\"><code>{method} {}</code></h2><p>{}</p>",
                escape(path),
                prose(text(operation, "summary"))
            );
            for paragraph in text(operation, "description").split("\n\n").filter(|text| !text.is_empty()) {
                let _ = write!(operations, "<p>{}</p>", prose(paragraph));
            }
            let scope = operation["security"][0]["token"][0].as_str();
            let _ = match scope {
                Some(scope) => write!(operations, "<p class=\"scope\">Needs the scope <code>{}</code>.</p>", escape(scope)),
                None => write!(operations, "<p class=\"scope\">Needs no token.</p>"),
            };
            parameters(&mut operations, operation);
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            if !body.is_null() {
                operations.push_str("<h3>Body</h3>");
                fields(&mut operations, document, body, 0);
            }
            operations.push_str("<h3>Answers</h3><table>");
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let _ = write!(operations, "<tr><td><code>{}</code></td><td>{}", escape(status), prose(text(response, "description")));
                let schema = &response["content"]["application/json"]["schema"];
                if !schema.is_null() {
                    fields(&mut operations, document, schema, 0);
                }
                operations.push_str("</td></tr>");
            }
            operations.push_str("</table></section>");
        }
    }
    let problem = {
        let mut table = String::new();
        fields(&mut table, document, &document["components"]["schemas"]["Problem"], 0);
        table
    };
    let introduction: String = text(&document["info"], "description").split("\n\n").fold(String::new(), |mut all, paragraph| {
        let _ = write!(all, "<p>{}</p>", prose(paragraph));
        all
    });
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{introduction}<p>For programs: <a href=\"/api/openapi.json\">the OpenAPI document</a>.</p><nav aria-label=\"Operations\"><ul>{list}</ul></nav>{operations}<section><h2 id=\"problem\"><code>Problem</code></h2><p>What every refusal answers, as <code>application/problem+json</code>.</p>{problem}</section></main></body></html>",
        title = escape(text(&document["info"], "title")),
    )
}

fn parameters(page: &mut String, operation: &Value) {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parameters.is_empty() {
        return;
    }
    page.push_str("<h3>Parameters</h3><table>");
    for parameter in parameters {
        let _ = write!(
            page,
            "<tr><td><code>{}</code></td><td>{} {}</td></tr>",
            escape(text(parameter, "name")),
            escape(text(parameter, "in")),
            prose(text(parameter, "description"))
        );
    }
    page.push_str("</table>");
}

/// The schema that `schema` names, or is.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(schema),
        None => schema,
    }
}

fn fields(page: &mut String, document: &Value, schema: &Value, depth: usize) {
    let schema = resolved(document, schema);
    // The document's types are a few levels deep; this ends a type that holds itself.
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        fields(page, document, one, depth);
    }
    let Some(properties) = schema["properties"].as_object().filter(|_| depth < 5) else { return };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    page.push_str("<table>");
    for (name, property) in properties {
        let needed = if required.contains(&name.as_str()) { "" } else { " (optional)" };
        let described = if text(property, "description").is_empty() {
            text(resolved(document, property), "description")
        } else {
            text(property, "description")
        };
        let _ = write!(
            page,
            "<tr><td><code>{}</code>{needed}</td><td>{} {}",
            escape(name),
            escape(&kind(document, property)),
            prose(described)
        );
        let inner = if property["items"].is_null() { property } else { &property["items"] };
        let inner = inner["oneOf"].as_array().and_then(|all| all.iter().find(|one| !one["$ref"].is_null())).unwrap_or(inner);
        fields(page, document, inner, depth + 1);
        page.push_str("</td></tr>");
    }
    page.push_str("</table>");
}

fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => schema["oneOf"].as_array().into_iter().flatten().map(|one| kind(document, one)).collect::<Vec<_>>().join(" or "),
    }
}
