//! `/api`: the API's description as a page.
//!
//! By hand over its JSON, which is what programs read: a page of somebody else's making would be larger
//! than all the others, and bring scripts.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::error::PageError;
use super::frame::{Frame, Section, shown};
use super::users::Visitor;
use crate::admin::Admin;
use crate::admin::api::description;

/// What the description calls ways of doing something with a path.
const METHODS: [&str; 3] = ["get", "post", "put"];

#[derive(Template)]
#[template(path = "api.html", config = "src/admin/console/askama.toml")]
struct ApiPage {
    frame: Frame,
    groups: Vec<ApiGroup>,
    types: Vec<ApiType>,
}

/// Ways of one kind.
struct ApiGroup {
    name: String,
    ways: Vec<ApiWay>,
}

/// A method of a path.
struct ApiWay {
    method: String,
    path: String,
    summary: String,
    details: String,
    parameters: Vec<ApiField>,
    body: Option<String>,
    answers: Vec<(String, String, String)>,
}

/// A parameter, or a field of a type.
struct ApiField {
    name: String,
    kind: String,
    description: String,
    is_required: bool,
}

/// A type that ways take or give.
struct ApiType {
    name: String,
    description: String,
    fields: Vec<ApiField>,
}

impl ApiWay {
    /// What a link within the page leads to.
    fn anchor(&self) -> String {
        let word = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
        format!("{}{}", self.method, self.path).chars().map(word).collect()
    }
}

/// The page.
pub(super) async fn show(
    admin: web::Data<Admin>,
    visitor: web::ReqData<Visitor>,
) -> Result<HttpResponse, PageError> {
    let description = serde_json::to_value(description(admin.scope)).unwrap_or_default();
    shown(&ApiPage {
        frame: Frame::new(&admin, &visitor, Section::Api, "API"),
        groups: groups(&description["paths"]),
        types: types(&description["components"]["schemas"]),
    })
}

/// The description itself.
pub(super) async fn json(admin: web::Data<Admin>) -> HttpResponse {
    HttpResponse::Ok().json(description(admin.scope))
}

fn groups(paths: &Value) -> Vec<ApiGroup> {
    let mut groups: Vec<ApiGroup> = Vec::new();
    for (path, item) in paths.as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let name = text(&operation["tags"][0]);
            let way = way(method, path, operation);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.ways.push(way),
                None => groups.push(ApiGroup { name, ways: vec![way] }),
            }
        }
    }
    groups
}

fn way(method: &str, path: &str, operation: &Value) -> ApiWay {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameter = |it: &Value| ApiField {
        name: text(&it["name"]),
        kind: kind(&it["schema"]),
        description: text(&it["description"]),
        is_required: it["required"] == true,
    };
    let answers = operation["responses"].as_object().into_iter().flatten();
    let answer = |(status, answer): (&String, &Value)| {
        (status.clone(), text(&answer["description"]), content(answer).unwrap_or_default())
    };
    ApiWay {
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        details: text(&operation["description"]),
        parameters: parameters.map(parameter).collect(),
        body: content(&operation["requestBody"]),
        answers: answers.map(answer).collect(),
    }
}

/// The type of a body.
fn content(told: &Value) -> Option<String> {
    let (media, content) = told["content"].as_object()?.iter().next()?;
    match kind(&content["schema"]) {
        any if any == "any" => Some(media.clone()),
        kind => Some(kind),
    }
}

fn types(schemas: &Value) -> Vec<ApiType> {
    let schemas = schemas.as_object().into_iter().flatten();
    schemas
        .map(|(name, schema)| ApiType {
            name: name.clone(),
            description: text(&schema["description"]),
            fields: fields(schema),
        })
        .collect()
}

/// Of a type, and of those that it holds as its own.
fn fields(schema: &Value) -> Vec<ApiField> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let field = |(name, schema): (&String, &Value)| ApiField {
        name: name.clone(),
        kind: kind(schema),
        description: text(&schema["description"]),
        is_required: required.contains(&name.as_str()),
    };
    let properties = schema["properties"].as_object().into_iter().flat_map(Map::iter);
    let mut all: Vec<ApiField> = properties.map(field).collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(fields(part));
    }
    all
}

/// A type in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(text).collect::<Vec<_>>().join(" | ");
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(kinds) = schema[any].as_array() {
            let kinds: Vec<String> = kinds.iter().map(kind).filter(|kind| kind != "null").collect();
            return kinds.join(" | ");
        }
    }
    let name = match &schema["type"] {
        Value::Array(names) => {
            let names = names.iter().map(text).filter(|name| name != "null");
            names.collect::<Vec<_>>().join(" | ")
        }
        name => text(name),
    };
    match name.as_str() {
        "array" => format!("list of {}", kind(&schema["items"])),
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "" => "any".to_owned(),
        _ => name,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scope;

    #[test]
    fn every_way_of_the_description_is_on_the_page() {
        let scope = Scope { serves: true, works: true, has_broker: false };
        let described = serde_json::to_value(description(scope)).unwrap();
        let methods = described["paths"].as_object().unwrap().values();
        let count: usize = methods.map(|item| item.as_object().unwrap().len()).sum();
        let groups = groups(&described["paths"]);
        assert_eq!(groups.iter().map(|group| group.ways.len()).sum::<usize>(), count);
        let all = groups.iter().flat_map(|group| &group.ways);
        assert!(all.clone().all(|way| !way.summary.is_empty() && !way.answers.is_empty()));
        let types = types(&described["components"]["schemas"]);
        assert!(types.iter().any(|it| it.name == "Problem" && it.fields.len() == 3));
    }
}
