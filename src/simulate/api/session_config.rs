//! The configuration of sessions: the first one, and what an update makes of it.

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::options::Options;
use crate::simulate::session::{Engine, Session};
use crate::webhook::event_type::EventType;

/// The one that a session begins with: a webhook of ours, if it is told where.
pub(super) fn first_config(options: &Options, session: &Session) -> Value {
    let webhooks: Vec<Value> =
        options.webhook_url.iter().map(|url| webhook(options, url)).collect();
    let mut config = json!({ "webhooks": webhooks, "metadata": metadata(session) });
    match session.engine {
        Engine::Gows => {
            config["gows"] = json!({ "storage": {
                "messages": true, "groups": true, "chats": true, "labels": true,
            } });
        }
        Engine::Noweb => {
            let store = json!({ "enabled": true, "fullSync": false });
            config["noweb"] = json!({ "markOnline": true, "store": store });
        }
        Engine::Webjs | Engine::Wpp => config["webjs"] = json!({ "tagsEventsOn": false }),
    }
    config
}

fn metadata(session: &Session) -> Value {
    let user = (1_000 + session.index).to_string();
    match session.index % 5 {
        4 => json!({}),
        _ => json!({ "user.id": user, "tenant.id": "t-simulated" }),
    }
}

fn webhook(options: &Options, url: &str) -> Value {
    let mut entry = json!({
        "url": url, "events": ["*"],
        "retries": { "policy": "exponential", "delaySeconds": 2, "attempts": 15 },
    });
    if let Some(key) = &options.webhook_key {
        entry["hmac"] = json!({ "key": key.expose_secret() });
    }
    entry
}

/// What an update makes the configuration: it is replaced, and missing parts of objects are filled in.
pub(super) fn replaced(body: &Value) -> Result<Value, ApiError> {
    let Some(Value::Object(config)) = body.get("config") else {
        return Ok(Value::Object(Map::new()));
    };
    let problems = problems(config);
    if !problems.is_empty() {
        return Err(ApiError::Invalid(problems));
    }
    let mut config = Value::Object(config.clone());
    fill(&mut config, "/noweb", &json!({ "markOnline": true }));
    fill(&mut config, "/noweb/store", &json!({ "enabled": false, "fullSync": false }));
    fill(&mut config, "/webjs", &json!({ "tagsEventsOn": false }));
    Ok(config)
}

fn fill(config: &mut Value, pointer: &str, defaults: &Value) {
    let Some(Value::Object(part)) = config.pointer_mut(pointer) else { return };
    for (name, value) in defaults.as_object().into_iter().flatten() {
        part.entry(name).or_insert_with(|| value.clone());
    }
}

fn problems(config: &Map<String, Value>) -> Vec<String> {
    let webhooks = config.get("webhooks").and_then(Value::as_array);
    (0..)
        .zip(webhooks.into_iter().flatten())
        .flat_map(|(place, entry)| entry_problems(place, entry))
        .collect()
}

fn entry_problems(place: usize, entry: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let events = entry.get("events").and_then(Value::as_array);
    let mut events = events.into_iter().flatten().filter_map(Value::as_str);
    if events.any(|event| event != "*" && EventType::parse(event) == EventType::Other) {
        let known = EventType::names().collect::<Vec<_>>().join(", ");
        problems.push(format!(
            "config.webhooks.{place}.each value in events must be one of the following values: \
             {known}, *"
        ));
    }
    let url = entry.get("url").and_then(Value::as_str).unwrap_or_default();
    if !is_url(url) {
        problems.push(format!("config.webhooks.{place}.url must be a URL address"));
    }
    let policy = entry.pointer("/retries/policy").and_then(Value::as_str);
    if policy.is_some_and(|policy| !["linear", "exponential", "constant"].contains(&policy)) {
        problems.push(format!(
            "config.webhooks.{place}.retries.policy must be one of the following values: linear, \
             exponential, constant"
        ));
    }
    problems
}

/// As WAHA's validator sees it: an underscore in the host is none.
fn is_url(text: &str) -> bool {
    let url = reqwest::Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .and_then(|url| url.host_str().map(|host| !host.contains('_')))
        .unwrap_or(false)
}
