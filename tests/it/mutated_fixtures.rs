//! Every fixture with something odd in it, into each database: whatever is told, the database takes it
//! the first time, or the body says too little and is a dead letter that says so.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::EntityTrait;
use waha_ingest::simulate::Sent;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::fixtures::fixtures;

on_each_database!(each_database_takes_whatever_is_told);

/// How often each fixture is changed.
const ROUNDS: usize = 3;
/// How bodies may end that say too little.
const REASONS: [&str; 3] = ["malformed", "missing_field", "too_complex"];

async fn each_database_takes_whatever_is_told(kind: Kind) {
    let app = TestApp::start(kind).await;
    let mut rng = StdRng::seed_from_u64(14);
    let fixtures = fixtures();
    for (number, path) in fixtures.iter().cycle().take(fixtures.len() * ROUNDS).enumerate() {
        let body = std::fs::read(path).unwrap();
        app.publish_all([sent(number, mutated(body, &mut rng))]).await;
    }
    app.work_until_idle().await;
    let letters = entity::dead_letters::Entity::find().all(app.db()).await.unwrap();
    let reasons: BTreeSet<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    assert!(reasons.iter().all(|reason| REASONS.contains(reason)), "{reasons:?}");
    assert!(letters.len() * 2 < fixtures.len() * ROUNDS, "most are told: {}", letters.len());
    let equation = app.equation().await;
    assert!(equation.is_balanced() && equation.waiting == 0, "{equation:?}");
}

fn sent(number: usize, body: Vec<u8>) -> Sent {
    Sent {
        event_type: "message",
        session: String::new(),
        webhook_id: None,
        at_ms: 1_794_000_000_000,
        body,
        request_id: number.to_string(),
    }
}

/// Something odd or long in some of its texts.
fn mutated(mut body: Vec<u8>, rng: &mut StdRng) -> Vec<u8> {
    let odd =
        [r"\u0001", r"\u0000", r"\ud83d", r"\u009b", r"\n", " ", "_", "@", "\u{a0}", "\u{202e}"];
    for _ in 0..3 {
        let odd = match rng.random_range(0..odd.len() + 3) {
            place if place < odd.len() => odd[place].to_owned(),
            longer => "7".repeat(20 << (2 * (longer - odd.len()))),
        };
        // Behind a letter or a sign that is mostly within a text.
        let places = body.windows(2).enumerate().filter(|(_, two)| {
            two[0].is_ascii_alphanumeric() && (two[1] == b'"' || two[1] == b'@' || two[1] == b'_')
        });
        let places: Vec<usize> = places.map(|(place, _)| place + 1).collect();
        if places.is_empty() {
            break;
        }
        let place = places[rng.random_range(0..places.len())];
        body.splice(place..place, odd.into_bytes());
    }
    body
}
