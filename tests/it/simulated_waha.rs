//! The simulator as a whole WAHA: each endpoint has the shape of WAHA's own answer, and each oddity that can be
//! switched on is seen.

mod control;
mod media;
mod oddities;
mod paging;
mod shapes;

use serde_json::Value;
use waha_ingest::http_client;
use waha_ingest::simulate::api::{Options, Served};
use waha_ingest::simulate::{Engine, Families, Family, Plan};

/// Two sessions of one engine, which work from the start.
fn plan(engine: Engine) -> Plan {
    Plan {
        engine: Some(engine),
        sessions: 2,
        people: 20,
        groups: 4,
        messages: 200,
        families: Families::default().without(Family::Session),
        ..Plan::default()
    }
}

/// A simulated WAHA and who asks it.
struct Api {
    served: Served,
    client: reqwest::Client,
}

impl Api {
    fn start(options: Options) -> Self {
        let served = Served::start(options).unwrap();
        Self { served, client: http_client::plain().build().unwrap() }
    }

    /// One whose whole history has come.
    fn filled(options: Options) -> Self {
        let api = Self::start(options);
        api.served.webhooks().for_each(drop);
        api
    }

    /// One of an engine whose whole history has come.
    fn of(engine: Engine) -> Self {
        Self::filled(Options::of(plan(engine)))
    }

    async fn response(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.served.url())).send().await.unwrap()
    }

    /// Status and body; null of an empty one.
    async fn ask(&self, path: &str) -> (u16, Value) {
        read(self.response(path).await).await
    }

    /// The body of a 200.
    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).await.as_array().unwrap().clone()
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method = method.parse().unwrap();
        let url = format!("{}{path}", self.served.url());
        read(self.client.request(method, url).json(body).send().await.unwrap()).await
    }

    /// All messages of the first session, newest first, without files.
    async fn messages(&self) -> Vec<Value> {
        self.list("/api/shop-0/chats/all/messages?limit=10000&downloadMedia=false").await
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Percent-encodes what ids have in them.
fn escaped(id: &str) -> String {
    id.replace('@', "%40")
}

/// Asserts that `value` has the keys of `sample`, no others, and values of the same kinds; where one of the two
/// is null, anything. Lists are compared by their first elements.
fn assert_shape(value: &Value, sample: &Value, at: &str) {
    match (value, sample) {
        (Value::Object(value), Value::Object(sample)) => {
            let keys = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(keys(value), keys(sample), "keys at {at}");
            sample.iter().for_each(|(key, part)| {
                assert_shape(&value[key], part, &format!("{at}/{key}"));
            });
        }
        (Value::Array(value), Value::Array(sample)) => {
            if let (Some(value), Some(sample)) = (value.first(), sample.first()) {
                assert_shape(value, sample, &format!("{at}/0"));
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => assert_eq!(
            std::mem::discriminant(value),
            std::mem::discriminant(sample),
            "kind at {at}: {value} like {sample}"
        ),
    }
}
