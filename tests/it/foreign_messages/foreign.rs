//! What somebody else may put into our queues: what stopped a lane before, and what is made up.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// A message of somebody else's.
#[derive(Clone, Debug)]
pub struct Foreign {
    about: Option<String>,
    request: Option<AMQPValue>,
    failures: Option<AMQPValue>,
    headers: Vec<(String, AMQPValue)>,
    app_id: Option<String>,
    body: Vec<u8>,
}

/// What stopped a lane before.
pub fn known() -> Vec<Foreign> {
    let about = |source: &str, session: &str, event: &str, id: &str, times: [i64; 2]| {
        json!([[source, session, event, id], 7, times, false])
    };
    let now = 1_794_000_000_000_i64;
    let abouts = [
        about("de\0fault", "shop", "message", "nul-source", [now, now]),
        about("default", "sh\0op", "message", "nul-session", [now, now]),
        about("default", "shop", &"e".repeat(3000), "long-event", [now, now]),
        about("default", "shop", "message", &"i".repeat(5000), [now, now]),
        about("default", "shop", "message", "year -6000", [-251_500_000_000_000, now]),
        about("default", "shop", "message", "year +100000", [3_093_500_000_000_000, now]),
        about("default", "shop", "message", "no times", [i64::MIN, i64::MAX]),
        about("", "", "", "", [0, 0]),
        json!([["default", "shop", "message", "wrong types"], "x", [1.5, null], 3]),
        json!({ "default": "an object" }),
    ];
    let mut known: Vec<Foreign> = abouts
        .iter()
        .map(|about| Foreign { about: Some(about.to_string()), ..nothing() })
        .collect();
    let odd_failures = json!([
        { "at_ms": i64::MIN, "error": "a\0b" }, { "at_ms": i64::MAX, "error": "x".repeat(30_000) },
    ]);
    let ours = about("default", "shop", "message", "odd failures", [now, now]).to_string();
    let text = |text: String| AMQPValue::LongString(text.into());
    known.extend([
        Foreign { about: Some(ours), failures: Some(text(odd_failures.to_string())), ..nothing() },
        Foreign { about: Some("no JSON".to_owned()), ..nothing() },
        Foreign { app_id: Some("no JSON either".to_owned()), ..nothing() },
        Foreign { request: Some(AMQPValue::Boolean(true)), ..nothing() },
        Foreign { failures: Some(AMQPValue::Double(0.5)), ..nothing() },
        Foreign {
            headers: vec![("x-note".to_owned(), text("from the billing system".to_owned()))],
            ..nothing()
        },
        Foreign { headers: vec![("x-huge".to_owned(), text("h".repeat(100_000)))], ..nothing() },
        Foreign {
            headers: vec![("x-delivery-count".to_owned(), AMQPValue::LongLongInt(-1))],
            ..nothing()
        },
    ]);
    known
}

fn nothing() -> Foreign {
    Foreign {
        about: None,
        request: None,
        failures: None,
        headers: Vec::new(),
        app_id: None,
        body: Vec::new(),
    }
}

/// The same ones for the same seed.
pub fn made_up(count: usize, seed: u8) -> Vec<Foreign> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| foreign().new_tree(&mut runner).unwrap().current()).collect()
}

fn foreign() -> impl Strategy<Value = Foreign> {
    let about = proptest::option::of(prop_oneof![
        4 => about().prop_map(|about| about.to_string()),
        1 => ".{0,80}",
    ]);
    let value = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        text(200).prop_map(|text| AMQPValue::LongString(text.into())),
        failures().prop_map(|list| AMQPValue::LongString(list.to_string().into())),
    ];
    let headers = proptest::collection::vec(("[a-z-]{1,20}", value.clone()), 0..4);
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    let option = proptest::option::of(value);
    (about, option.clone(), option, headers, proptest::option::of(".{0,50}"), body).prop_map(
        |(about, request, failures, headers, app_id, body)| Foreign {
            about,
            request,
            failures,
            headers,
            app_id,
            body,
        },
    )
}

/// What looks like ours, with anything in it.
fn about() -> impl Strategy<Value = Value> {
    let event =
        prop_oneof![Just("message".to_owned()), Just("session.status".to_owned()), text(90)];
    (text(90), text(200), event, text(300), any::<i64>(), any::<[i64; 2]>()).prop_map(
        |(source, session, event, id, receipt, times)| {
            json!([[source, session, event, id], receipt, times, false])
        },
    )
}

fn failures() -> impl Strategy<Value = Value> {
    let failure = (any::<i64>(), text(60));
    let one = failure.prop_map(|(at_ms, error)| json!({ "at_ms": at_ms, "error": error }));
    proptest::collection::vec(one, 0..80).prop_map(Value::from)
}

/// Any text, control characters included.
fn text(chars_max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..chars_max).prop_map(|chars| chars.iter().collect())
}

/// Different for each, and never JSON; one is empty.
pub fn body(number: usize, foreign: &Foreign) -> Vec<u8> {
    if number == 0 {
        return Vec::new();
    }
    [format!("{number}: ").into_bytes(), foreign.body.clone()].concat()
}

/// A channel that confirms, and its connection.
pub async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await.unwrap();
    (connection, channel)
}

/// Puts it into a queue, whose prefix this is.
pub async fn publish(channel: &Channel, prefix: &str, number: usize, foreign: &Foreign) {
    let mut headers = FieldTable::default();
    for (name, value) in &foreign.headers {
        headers.insert(name.as_str().into(), value.clone());
    }
    let own = [("waha-request", &foreign.request), ("waha-failures", &foreign.failures)];
    for (name, value) in own.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))) {
        headers.insert(name.into(), value);
    }
    let mut properties = BasicProperties::default().with_delivery_mode(2);
    match &foreign.about {
        Some(about) if about.len() <= 255 => {
            properties = properties.with_correlation_id(about.as_str().into());
        }
        Some(about) => {
            headers.insert("waha-webhook".into(), AMQPValue::LongString(about.clone().into()));
        }
        None => {}
    }
    if let Some(app_id) = &foreign.app_id {
        properties = properties.with_app_id(app_id.as_str().into());
    }
    let queue = format!("{prefix}waha.messages");
    let body = body(number, foreign);
    let mandatory = BasicPublishOptions { mandatory: true, immediate: false };
    let properties = properties.with_headers(headers);
    let publish =
        channel.basic_publish("".into(), queue.as_str().into(), mandatory, &body, properties);
    let confirm = publish.await.unwrap().await.unwrap();
    assert!(confirm.is_ack() && confirm.take_message().is_none(), "message {number} is queued");
}
