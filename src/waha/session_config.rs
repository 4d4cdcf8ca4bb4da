//! A session's configuration without what is secret in it. Pure.
//!
//! WAHA answers whoever may read a session with the keys that sign its webhooks, the values of its own headers and
//! the passwords of its proxies, all in the clear. None of that may be stored.

use reqwest::Url;
use serde_json::{Map, Value};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";
/// How the names of what is secret end, in lower case: `hmac.key`, `proxy.password`, and what an application of
/// WAHA's (Chatwoot and the like) is configured with.
const SECRET_ENDS: [&str; 9] = [
    "key",
    "keys",
    "secret",
    "password",
    "passwd",
    "token",
    "authorization",
    "credential",
    "cookie",
];
/// Names of lists of headers, whose values are secret whatever their names are.
const HEADERS: [&str; 2] = ["customheaders", "headers"];
/// Deepest configuration that is read; what lies deeper is left out.
const DEPTH_MAX: usize = 16;

/// A configuration that holds no secret: nothing else can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeConfig(String);

impl SafeConfig {
    /// That of a configuration; none if it is no object.
    pub fn of(config: &Value) -> Option<Self> {
        config.is_object().then(|| Self(without_secrets(config, DEPTH_MAX).to_string()))
    }

    /// As JSON text.
    pub fn json(&self) -> &str {
        &self.0
    }
}

fn without_secrets(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if depth == 0 => Value::Null,
        Value::Object(object) => Value::Object(of_object(object, depth)),
        Value::Array(items) => {
            items.iter().map(|item| without_secrets(item, depth - 1)).collect::<Vec<_>>().into()
        }
        Value::String(text) => without_access(text).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn of_object(object: &Map<String, Value>, depth: usize) -> Map<String, Value> {
    let stripped = object.iter().map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        let value = match value {
            Value::Null | Value::Bool(_) => value.clone(),
            _ if SECRET_ENDS.iter().any(|end| lower.ends_with(end)) => HIDDEN.into(),
            _ if HEADERS.contains(&lower.as_str()) => of_headers(value),
            _ => without_secrets(value, depth - 1),
        };
        (name.clone(), value)
    });
    stripped.collect()
}

/// `[{name, value}]`, or an object of them: the names stay.
fn of_headers(headers: &Value) -> Value {
    match headers {
        Value::Array(items) => {
            let of = |item: &Value| serde_json::json!({ "name": item["name"], "value": HIDDEN });
            items.iter().map(of).collect::<Vec<_>>().into()
        }
        Value::Object(object) => {
            let hidden = object.keys().map(|name| (name.clone(), HIDDEN.into()));
            Value::Object(hidden.collect())
        }
        _ => HIDDEN.into(),
    }
}

/// A URL without user, password and the values of its query; other text as it is.
fn without_access(text: &str) -> String {
    let Some(mut url) = Url::parse(text).ok().filter(Url::has_authority) else {
        // A proxy may be told without a scheme: `user:password@host:port`.
        return match text.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => format!("{HIDDEN}@{host}"),
            _ => text.to_owned(),
        };
    };
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return text.to_owned();
    }
    // Errors are those of URLs without a host.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    url.set_query(None);
    if !names.is_empty() {
        url.query_pairs_mut().extend_pairs(names.iter().map(|name| (name.as_str(), HIDDEN)));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn of_what_waha_tells_no_secret_is_left() {
        let config = json!({
            "metadata": { "user.id": "42", "tenant.apiKey": "S1" },
            "proxy": { "server": "user:S2@proxy:3128", "username": "u", "password": "S3" },
            "noweb": { "store": { "enabled": true, "fullSync": false } },
            "webhooks": [{
                "url": "https://user:S4@crm.example/hook?token=S5&b=",
                "events": ["message", "session.status"],
                "hmac": { "key": "S6" },
                "retries": { "policy": "exponential", "delaySeconds": 2, "attempts": 15 },
                "customHeaders": [{ "name": "X-Tenant", "value": "S7" }],
            }],
            "apps": [{ "app": "chatwoot", "config": { "accountToken": "S8", "inboxId": 3 } }],
            "later": { "clientSecret": ["S9"], "headers": { "Cookie": "S10" } },
        });
        let safe = SafeConfig::of(&config).unwrap();
        for secret in 1..=10 {
            assert!(!safe.json().contains(&format!("S{secret}")), "S{secret} in {}", safe.json());
        }
        let safe: Value = serde_json::from_str(safe.json()).unwrap();
        assert_eq!(safe["noweb"], config["noweb"]);
        assert_eq!(safe["metadata"]["user.id"], "42");
        let webhook = &safe["webhooks"][0];
        assert_eq!(webhook["url"], "https://crm.example/hook?token=***&b=***");
        assert_eq!(webhook["hmac"], json!({ "key": HIDDEN }));
        assert_eq!(webhook["events"], config["webhooks"][0]["events"]);
        assert_eq!(webhook["retries"], config["webhooks"][0]["retries"]);
        assert_eq!(webhook["customHeaders"], json!([{ "name": "X-Tenant", "value": HIDDEN }]));
        assert_eq!(safe["proxy"]["server"], "***@proxy:3128");
        assert_eq!(SafeConfig::of(&safe).unwrap().json(), safe.to_string(), "twice is once");
        assert_eq!(SafeConfig::of(&json!("S1")), None);
    }

    proptest! {
        #[test]
        fn wherever_a_key_stands_it_is_hidden(path in prop::collection::vec("[a-z]{1,6}", 0..20)) {
            let mut config = json!({ "hmac": { "key": "S1" }, "customHeaders": [{ "value": "S1" }] });
            for name in path {
                config = json!({ name: [config] });
            }
            prop_assert!(!SafeConfig::of(&config).unwrap().json().contains("S1"));
        }
    }
}
