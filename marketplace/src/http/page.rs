//! The document for people: one page of HTML that needs nothing else.

use serde_json::{Map, Value};

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #8886; }
section { margin: 1.5rem 0; }
h3 { font: 600 1rem ui-monospace, monospace; margin: 0; }
h3 b { display: inline-block; min-width: 3.5rem; }
code { font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }
p { margin: 0.3rem 0; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
td { border-top: 1px solid #8884; padding: 0.2rem 0.8rem 0.2rem 0; vertical-align: top; }
td:first-child { width: 11rem; }
small { opacity: 0.75; }
";

/// The page of a document.
pub(super) fn page(document: &Value) -> String {
    let (title, about) = (escaped(&document["info"]["title"]), text(&document["info"]["description"]));
    let tags = elements(&document["tags"]).map(|tag| {
        let calls: String =
            operations(document).filter(|call| call.operation["tags"][0] == tag["name"]).map(shown).collect();
        format!("<h2>{}</h2>{}{calls}", escaped(&tag["name"]), text(&tag["description"]))
    });
    let others: String = operations(document).filter(|call| call.operation["tags"].is_null()).map(shown).collect();
    let messages = members(&document["components"]["schemas"]).map(|(name, schema)| message(name, schema));
    let (tags, messages): (String, String) = (tags.collect(), messages.collect());
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{about}{others}{tags}<h2>Messages</h2>{messages}</body></html>"
    )
}

/// A call of the document.
struct Shown<'d> {
    root: &'d Value,
    path: &'d str,
    method: &'d str,
    operation: &'d Value,
}

fn operations(document: &Value) -> impl Iterator<Item = Shown<'_>> {
    members(&document["paths"]).flat_map(|(path, methods)| {
        let root = &document["servers"][0]["url"];
        members(methods).map(move |(method, operation)| Shown { root, path, method, operation })
    })
}

fn shown(Shown { root, path, method, operation }: Shown<'_>) -> String {
    let address = format!("{}{}", root.as_str().unwrap_or_default(), path);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = if body.is_null() { String::new() } else { format!("<p>Body: {}</p>", kind(body)) };
    let parameters = elements(&operation["parameters"]).map(|parameter| {
        row(
            parameter["name"].as_str().unwrap_or_default(),
            parameter["required"] == true,
            &parameter["schema"],
            &parameter["description"],
        )
    });
    let responses = members(&operation["responses"]).map(|(status, response)| {
        let kinds: Vec<String> =
            members(&response["content"]).map(|(media, content)| answered(media, &content["schema"])).collect();
        format!(
            "<tr><td><code>{status}</code></td><td>{}</td><td>{}</td></tr>",
            kinds.join(" "),
            inline(&response["description"])
        )
    });
    format!(
        "<section><h3><b>{}</b> {}</h3>{}{body}{}<details><summary>Answers</summary>{}</details></section>",
        method.to_uppercase(),
        escape(&address),
        text(&operation["description"]),
        table(parameters.collect()),
        table(responses.collect()),
    )
}

fn message(name: &str, schema: &Value) -> String {
    let required = |name: &str| elements(&schema["required"]).any(|required| required == name);
    let fields =
        members(&schema["properties"]).map(|(name, field)| row(name, required(name), field, &field["description"]));
    format!(
        "<section id=\"{0}\"><h3>{0}</h3>{1}{2}</section>",
        escape(name),
        text(&schema["description"]),
        table(fields.collect())
    )
}

/// A field: its name, what it may be, and what it means.
fn row(name: &str, is_required: bool, schema: &Value, about: &Value) -> String {
    let (name, required) = (escape(name), if is_required { " <small>required</small>" } else { "" });
    format!("<tr><td><code>{name}</code>{required}</td><td>{}</td><td>{}</td></tr>", kind(schema), inline(about))
}

fn table(rows: String) -> String {
    if rows.is_empty() { rows } else { format!("<table>{rows}</table>") }
}

fn answered(media: &str, schema: &Value) -> String {
    if media == "application/json" { kind(schema) } else { format!("<code>{}</code>", escape(media)) }
}

/// What a value may be, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    for (several, between) in [("anyOf", " or "), ("allOf", " and ")] {
        if schema[several].is_array() {
            return elements(&schema[several]).map(kind).collect::<Vec<_>>().join(between);
        }
    }
    if schema["type"] == "array" {
        return format!("list of {}{}", kind(&schema["items"]), limits(schema));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(escaped).collect::<Vec<_>>().join(" or "),
        one => escaped(one),
    };
    format!("{types}{}", limits(schema))
}

/// What is said of a value beside its type.
fn limits(schema: &Value) -> String {
    let told =
        members(schema).filter(|(key, _)| !["type", "description", "items", "properties", "required"].contains(key));
    let told: Vec<String> = told
        .filter(|(key, value)| !is_said_by_type(key, value))
        .map(|(key, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{} <code>{}</code>", escape(key), escape(&value))
        })
        .collect();
    if told.is_empty() { String::new() } else { format!(" <small>{}</small>", told.join(", ")) }
}

/// What any integer of 64 bits is.
fn is_said_by_type(key: &str, value: &Value) -> bool {
    match key {
        "minimum" => *value == i64::MIN,
        "maximum" => *value == i64::MAX,
        _ => key == "additionalProperties",
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(key, value)| (key.as_str(), value))
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What is said, as paragraphs.
fn text(value: &Value) -> String {
    let said = value.as_str().unwrap_or_default();
    said.split("\n\n").filter(|said| !said.is_empty()).map(|said| format!("<p>{}</p>", marked(said))).collect()
}

fn inline(value: &Value) -> String {
    marked(value.as_str().unwrap_or_default())
}

/// What stands between backticks is code.
fn marked(said: &str) -> String {
    let parts = said.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }).collect()
}

fn escaped(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
