//! Completes the OpenAPI document with what holds for every operation: how its request is read, and what it may be refused with. What is particular
//! to one stands at its route.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::problem::{status, title};
use crate::app::Code;

/// Where an operation names the codes that it may be refused with beside those of every operation like it. Not in the published document.
const REFUSALS: &str = "x-refusals";

/// The most entries of a list in a body, unless less is said.
const MOST_ENTRIES: u64 = super::read::MOST_ENTRIES as u64;

pub(super) fn complete(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let mut bodies = Vec::new();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                without_null(&mut parameter["schema"]);
            }
            let body = operation.pointer_mut("/requestBody/content/application~1json/schema");
            if let Some(schema) = body {
                // A body that may be left out is not one that may be null.
                without_null(schema);
                bodies.push(schema.clone());
            }
            refusals(path, method, operation);
            for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
                response["headers"]["X-Request-Id"] = json!({
                    "description": "The request's id.", "required": true, "schema": { "type": "string" },
                });
            }
        }
    }
    while let Some(body) = bodies.pop() {
        close(&mut document, &body, &mut bodies);
    }
    document
}

/// Takes null away from what a schema allows: nothing stands for it in a path or a query.
fn without_null(schema: &mut Value) {
    if let Some(types) = schema["type"].as_array() {
        let rest: Vec<Value> = types.iter().filter(|one| *one != "null").cloned().collect();
        if let [one] = rest.as_slice() {
            schema["type"] = one.clone();
        }
    }
    if let Some(all) = schema["oneOf"].as_array() {
        let rest: Vec<Value> = all.iter().filter(|one| one["type"] != "null").cloned().collect();
        if let [one] = rest.as_slice() {
            *schema = one.clone();
        }
    }
}

/// Bodies are read field by field: a field that nobody knows is refused, and so is a list that is too long.
fn close(document: &mut Value, schema: &Value, more: &mut Vec<Value>) {
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        close(document, one, more);
    }
    let Some(place) = schema["$ref"].as_str().map(|reference| reference.trim_start_matches('#').to_owned()) else { return };
    let Some(named) = document.pointer_mut(&place) else { return };
    if named["type"] != "object" || named["additionalProperties"] == false {
        return;
    }
    named["additionalProperties"] = false.into();
    let Some(properties) = named.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, property) in properties {
        let is_list =
            property["type"] == "array" || property["type"].as_array().is_some_and(|types| types.iter().any(|one| one == "array"));
        if is_list && property["maxItems"].is_null() {
            property["maxItems"] = MOST_ENTRIES.into();
        }
        more.push(property.clone());
        more.push(property["items"].clone());
    }
}

/// Writes down what an operation may be refused with, by status.
fn refusals(path: &str, method: &str, operation: &mut Value) {
    // A header may be there twice, and too many requests under way, at every route.
    let mut codes = vec![Code::Internal, Code::TooManyRequests, Code::InvalidRequest];
    if operation["security"][0]["token"].is_array() {
        codes.extend([Code::Unauthorized, Code::Forbidden]);
        if method != "get" {
            codes.push(Code::OtherCaller);
        }
    }
    if path.contains('{') {
        codes.push(Code::NotFound);
    }
    if method != "get" {
        codes.extend([Code::BodyTooLarge, Code::BodyTooSlow, Code::UnsupportedMediaType]);
    }
    let own = operation.as_object_mut().and_then(|operation| operation.remove(REFUSALS)).unwrap_or_default();
    codes.extend(serde_json::from_value::<Vec<Code>>(own).unwrap_or_default());
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let there = by_status.entry(status(code).as_u16()).or_default();
        if !there.contains(&code) {
            there.push(code);
        }
    }
    for (status, codes) in by_status {
        operation["responses"][status.to_string()] = refusal(status, &codes);
    }
}

fn refusal(status: u16, codes: &[Code]) -> Value {
    let described: Vec<String> = codes.iter().map(|code| format!("`{}`: {}.", code.word(), title(*code))).collect();
    let mut headers = Map::new();
    if status == 401 {
        let description = "The authentication scheme: Bearer.";
        headers
            .insert("WWW-Authenticate".to_owned(), json!({ "description": description, "required": true, "schema": { "type": "string" } }));
    }
    if matches!(status, 409 | 429) {
        let description = "Seconds after which another try makes sense.";
        let schema = json!({ "type": "integer", "minimum": 0 });
        headers.insert("Retry-After".to_owned(), json!({ "description": description, "required": status == 429, "schema": schema }));
    }
    json!({
        "description": described.join(" "),
        "headers": headers,
        "content": { "application/problem+json": { "schema": {
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
            ],
        } } },
    })
}
