//! The calls as an OpenAPI document (<https://spec.openapis.org/oas/v3.1.1.html>). Names, types and what they mean are the contract's.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::ROOT;
use super::calls::{Answers, Call, Takes};
use super::contract::{Contract, Field, Kind, Message, Rpc};
use super::limits::{Limits, cursor, must_be_there};
use super::message::status;
use super::stream::{CURSOR, CURSOR_DATA, ERROR, LAST_EVENT_ID};

/// Where the document is, and the page that shows it.
pub(super) const DOCUMENT: &str = "/openapi.json";
pub(super) const PAGE: &str = "/";

/// Messages by name.
type Messages = BTreeMap<String, Message>;

/// The document of these calls.
pub(super) fn document(calls: &[Call]) -> Value {
    let contract = Contract::read();
    let messages: Messages = contract.messages().into_iter().map(|message| (message.name.clone(), message)).collect();
    let (rpcs, limits) = (contract.rpcs(), Limits::all());
    let mut paths = pages();
    for call in calls {
        let rpc = rpcs.iter().find(|rpc| rpc.name == call.rpc).expect("the contract has every call");
        let method = if call.takes == Takes::Body { "post" } else { "get" };
        paths[call.path][method] = operation(call, rpc, &messages, &limits);
    }
    let tags =
        contract.services().into_iter().map(|service| json!({ "name": service.name, "description": service.about }));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "souk marketplace", "version": env!("CARGO_PKG_VERSION"), "description": contract.about() },
        "servers": [{ "url": ROOT }],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": { "schemas": schemas(calls, &messages, &limits) },
    })
}

/// What tells of the calls.
fn pages() -> Value {
    let page = |name: &str, about: &str, media: &str, schema: Value| {
        let content = json!({ media: { "schema": schema } });
        json!({ "get": {
            "operationId": name, "description": about,
            "responses": { "200": { "description": "It.", "content": content } },
        } })
    };
    json!({
        PAGE: page("GetPage", "This document for people.", "text/html", json!({ "type": "string" })),
        DOCUMENT: page("GetDocument", "This document.", "application/json", json!({ "type": "object" })),
    })
}

fn operation(call: &Call, rpc: &Rpc, messages: &Messages, limits: &Limits) -> Value {
    let mut operation = json!({
        "operationId": rpc.name, "tags": [rpc.service], "description": rpc.about, "responses": responses(call),
    });
    match call.takes {
        Takes::Body => {
            let content = json!({ "application/json": { "schema": reference(call.request) } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        Takes::Query => {
            let mut parameters: Vec<Value> = messages[call.request]
                .fields
                .iter()
                .map(|field| parameter(field, limits.of(call.request, &field.name)))
                .collect();
            if call.answers == Answers::Events {
                parameters.push(last_event_id());
            }
            operation["parameters"] = json!(parameters);
        }
    }
    operation
}

fn parameter(field: &Field, limits: Value) -> Value {
    let mut parameter = json!({ "name": field.name, "in": "query" });
    if !field.about.is_empty() {
        parameter["description"] = json!(field.about);
    }
    if must_be_there(&limits) {
        parameter["required"] = json!(true);
    }
    if field.is_list {
        // With commas between.
        (parameter["style"], parameter["explode"]) = (json!("form"), json!(false));
    }
    parameter["schema"] = with(typed(field), limits);
    parameter
}

fn last_event_id() -> Value {
    let about =
        "The `id` of the last event that had one: it is taken before `cursor`. Browsers send it when they come back.";
    let schema = with(json!({ "type": "string" }), cursor());
    json!({ "name": LAST_EVENT_ID, "in": "header", "description": about, "schema": schema })
}

/// What a call may answer, by status.
fn responses(call: &Call) -> Value {
    let mut reasons: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for reason in &call.reasons {
        reasons.entry(status(*reason).as_u16()).or_default().insert(reason.as_str());
    }
    let mut responses = json!({ "200": success(call) });
    for (status, reasons) in reasons {
        let mut schema = error(&reasons);
        let mut about = reasons.into_iter().collect::<Vec<_>>().join(", ");
        if call.answers == Answers::Order && status == StatusCode::CONFLICT {
            schema = json!({ "anyOf": [reference(call.answer), schema] });
            about = format!("The order is refused, and says why; or {about}");
        }
        let content = json!({ "application/json": { "schema": schema } });
        responses[status.to_string()] = json!({ "description": about, "content": content });
    }
    responses
}

fn success(call: &Call) -> Value {
    match call.answers {
        Answers::Message | Answers::Order => {
            let content = json!({ "application/json": { "schema": reference(call.answer) } });
            json!({ "description": format!("{}.", call.answer), "content": content })
        }
        Answers::Events => {
            let about = format!(
                "Server-sent events, for as long as they are read. `{CURSOR}` says by its `id` that everything up to there was given; `{ERROR}` is the last. \
                 Of any other its `data` is an `Event`, of this kind."
            );
            json!({ "description": about, "content": { "text/event-stream": { "schema": event_of_stream() } } })
        }
    }
}

/// One server-sent event.
fn event_of_stream() -> Value {
    let carried =
        |message: Value| json!({ "type": "string", "contentMediaType": "application/json", "contentSchema": message });
    let of_kind = |event: Value, data: Value, id: Option<Value>| {
        let mut properties = json!({ "event": event, "data": data });
        let mut required = vec!["event", "data"];
        if let Some(id) = id {
            properties["id"] = id;
            required.push("id");
        }
        json!({ "type": "object", "properties": properties, "required": required })
    };
    json!({ "oneOf": [
        of_kind(json!({ "const": CURSOR }), json!({ "const": CURSOR_DATA }), Some(json!({ "type": "string" }))),
        of_kind(json!({ "const": ERROR }), carried(reference("Error")), None),
        of_kind(json!({ "type": "string", "not": { "enum": [CURSOR, ERROR] } }), carried(reference("Event")), None),
    ] })
}

/// An error that has one of these reasons.
fn error(reasons: &BTreeSet<&str>) -> Value {
    json!({ "allOf": [reference("Error")], "properties": { "reason": { "enum": reasons } } })
}

/// The messages that the calls take as a body or answer with, and those that are in them.
fn schemas(calls: &[Call], messages: &Messages, limits: &Limits) -> Value {
    let mut schemas = Map::new();
    schemas.insert("Error".to_owned(), error_schema());
    let requests = calls.iter().filter(|call| call.takes == Takes::Body).map(|call| call.request);
    let answers = calls.iter().map(|call| if call.answers == Answers::Events { "Event" } else { call.answer });
    for (names, is_request) in [(requests.collect::<Vec<_>>(), true), (answers.collect(), false)] {
        let mut names: Vec<&str> = names;
        while let Some(name) = names.pop() {
            if schemas.contains_key(name) {
                continue;
            }
            let message = &messages[name];
            schemas.insert(name.to_owned(), schema(message, is_request.then_some(limits)));
            names.extend(message.fields.iter().filter_map(|field| match &field.kind {
                Kind::Message(of) => Some(of.as_str()),
                _ => None,
            }));
        }
    }
    schemas.sort_keys();
    Value::Object(schemas)
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a call was not done.",
        "properties": {
            "reason": { "type": "string", "description": "A word that stays the same." },
            "message": { "type": "string", "description": "For people." },
        },
        "required": ["reason", "message"],
        "additionalProperties": false,
    })
}

/// A message. An answer has all its fields; of a request those may be left out whose default is one that they may be.
fn schema(message: &Message, request: Option<&Limits>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &message.fields {
        let limits = request.map_or_else(|| json!({}), |limits| limits.of(&message.name, &field.name));
        if request.is_none() || (must_be_there(&limits) && !field.is_optional) {
            required.push(field.name.as_str());
        }
        let mut schema = with(typed(field), limits);
        if !field.about.is_empty() {
            schema["description"] = json!(field.about);
        }
        properties.insert(field.name.clone(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !message.about.is_empty() {
        schema["description"] = json!(message.about);
    }
    schema
}

/// The type of a field.
fn typed(field: &Field) -> Value {
    let one = match &field.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Integer => json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX }),
        Kind::Natural => json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Message(name) => reference(name),
        Kind::Other => unreachable!("`{}` has no form as JSON", field.name),
    };
    if field.is_list {
        return json!({ "type": "array", "items": one });
    }
    if field.is_optional { with(one.clone(), json!({ "type": [one["type"], "null"] })) } else { one }
}

/// A schema with more said of it.
fn with(mut schema: Value, more: Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        let merged = if value.is_object() { with(schema[key].take(), value.clone()) } else { value.clone() };
        schema[key] = merged;
    }
    schema
}

fn reference(message: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{message}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::calls;

    #[test]
    fn every_call_is_what_the_contract_says() {
        let calls = calls::all();
        for rpc in Contract::read().rpcs() {
            // A live query is SQL, with rows of any type: only over gRPC.
            if rpc.name == "Watch" {
                continue;
            }
            let call = calls.iter().find(|call| call.rpc == rpc.name);
            let call = call.unwrap_or_else(|| panic!("`{}` is not served", rpc.name));
            assert_eq!((call.request, call.answer), (rpc.request.as_str(), rpc.answer.as_str()), "{}", rpc.name);
        }
    }
}
