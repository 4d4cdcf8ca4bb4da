//! A database that is there and refuses, for a reason that no webhook can cause: it is told as down with
//! its code, no attempt is used, and everything is applied once it no longer refuses.
//!
//! What one webhook can cause is in `error_classes`.

mod mysql;
mod postgres;
mod sqlite;

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use waha_ingest::http_client;
use waha_ingest::webhook::source::sign;

use crate::app::KEY;
use crate::database::Database;
use crate::process::Setting;
use crate::rows::count;
use crate::scrape::Scrape;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
/// Webhooks before, and during each refusal.
const COUNT: u64 = 20;
/// Most batches that fill a small disk.
const BATCHES_MAX: usize = 40;

/// Some letters that no other message has.
fn noise(id: u64, number: u64) -> String {
    format!("{:x}", ((id << 32) | number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A sender, and how much it has sent.
struct Sender {
    client: Client,
    sent: u64,
}

impl Sender {
    fn new() -> Self {
        Self { client: http_client::plain().build().unwrap(), sent: 0 }
    }

    /// Sends messages, some kilobytes each that can't be made shorter; all must be accepted.
    async fn send(&mut self, setting: &Setting<'_>) {
        for _ in 0..COUNT {
            let id = self.sent;
            self.sent += 1;
            let text: String = (0..500).map(|number| noise(id, number)).collect();
            let body = json!({
                "id": format!("evt_{id}"), "timestamp": 1_790_000_000_000_u64 + id,
                "event": "message", "session": "s",
                "payload": {"id": format!("false_12025550142@c.us_{id}"), "timestamp": 1_790_000_000,
                            "from": "12025550142@c.us", "fromMe": false, "body": text},
            });
            let body = body.to_string();
            let signature = sign(&KEY.into(), body.as_bytes());
            let request = self.client.post(setting.url()).header("x-webhook-hmac", signature);
            let status = request.body(body).send().await.unwrap().status();
            assert_eq!(status, StatusCode::ACCEPTED, "intake goes on");
        }
    }

    /// Sends until the room that the database already has is used up.
    async fn send_until_full(&mut self, setting: &Setting<'_>) {
        for _ in 0..BATCHES_MAX {
            self.send(setting).await;
            if self.failure(setting).await.is_some() {
                return;
            }
        }
    }

    /// Why the database is told as down, if it is.
    async fn failure(&self, setting: &Setting<'_>) -> Option<String> {
        let url = format!("http://127.0.0.1:{}/readyz", setting.admin_port);
        let told: Value = self.client.get(&url).send().await.unwrap().json().await.unwrap();
        let database = &told["dependencies"]["database"];
        let failure = database["last_use"]["failure"].as_str().unwrap_or_default();
        (database["state"] == "down").then(|| failure.to_owned())
    }

    /// Waits until the database is told as down with one of these ends of a reason.
    async fn is_told(&self, setting: &Setting<'_>, reasons: &[&str]) {
        wait_for(&format!("one of {reasons:?}"), PATIENCE, || async {
            let failure = self.failure(setting).await?;
            reasons.iter().any(|reason| failure.ends_with(reason)).then_some(())
        })
        .await;
        let scrape = Scrape::of(setting).await;
        let up = scrape.get("waha_ingest_dependency_up", &[("dependency", "database")]);
        assert_eq!(up, Some(0.0));
    }

    /// Everything was applied, at the first attempt.
    async fn is_applied(&self, setting: &Setting<'_>, database: &Database) {
        let status = setting.settled(PATIENCE).await;
        assert_eq!((&status["balanced"], &status["accepted"]), (&json!(true), &json!(self.sent)));
        assert_eq!(status["applied"], self.sent, "{status}");
        let db = database.connect().await;
        let tried_once = count(&db, "webhook_events WHERE attempts = 1").await;
        db.close().await.unwrap();
        assert_eq!(u64::try_from(tried_once).unwrap(), self.sent, "no attempt is used");
    }
}
