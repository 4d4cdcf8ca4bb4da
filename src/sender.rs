//! Sends webhooks as WAHA does: signed, in parallel, tried again until they are accepted.
//!
//! Used by `simulate`, `demo` and the tests.

mod answer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

pub use answer::Answer;

use crate::http_client;
use crate::simulate::{Age, Sent};
use crate::webhook::source::sign;
use crate::webhook::verify::{
    HMAC_ALGORITHM_HEADER, HMAC_HEADER, REQUEST_ID_HEADER, TIMESTAMP_HEADER,
};

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take. Doors answer within their publish timeout of a few seconds; what takes
/// longer hangs.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Different answers that are counted one by one.
const ANSWERS_MAX: usize = 100;

/// How to send.
#[derive(Clone)]
pub struct Sending {
    /// Whole URLs, such as `http://127.0.0.1:8080/webhooks/default`. A webhook goes to one of them,
    /// and its retries to the next ones, as behind a load balancer.
    pub urls: Vec<String>,
    /// Signs, if there is one.
    pub key: Option<SecretString>,
    /// Requests at a time.
    pub connections: usize,
    /// Webhooks per second, if limited.
    pub rate: Option<f64>,
    /// Retries of one webhook; WAHA's default is 15.
    pub attempts_max: u32,
    /// Wait before a retry; WAHA's default is 2 s.
    pub retry_delay: Duration,
    /// Of which WAHA it says to be.
    pub waha: Age,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Webhooks, repetitions included.
    pub sent: u64,
    /// Those that were answered 2xx.
    pub accepted: u64,
    /// Those that were given up.
    pub lost: u64,
    /// Requests beyond the first of each webhook.
    pub retries: u64,
    /// Answers that were not 2xx; a connection that breaks is none.
    pub refused: u64,
    /// How often each answer came, and each reason why none did.
    pub answers: BTreeMap<Answer, u64>,
    /// Answer times of the accepted requests, in microseconds.
    pub latency_us: Histogram<u64>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Report {
    fn new() -> Self {
        let latency_us = Histogram::new(3).expect("three digits are allowed");
        let answers = BTreeMap::new();
        let elapsed = Duration::ZERO;
        Self { sent: 0, accepted: 0, lost: 0, retries: 0, refused: 0, answers, latency_us, elapsed }
    }

    fn count(&mut self, answer: &Answer, times: u64) {
        if let Some(count) = self.answers.get_mut(answer) {
            *count += times;
        } else if self.answers.len() < ANSWERS_MAX {
            self.answers.insert(answer.clone(), times);
        }
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.lost += other.lost;
        self.retries += other.retries;
        self.refused += other.refused;
        other.answers.iter().for_each(|(answer, times)| self.count(answer, *times));
        // Both have the same bounds of value and precision.
        let _ = self.latency_us.add(&other.latency_us);
    }
}

/// What is told while webhooks are sent.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A request is sent.
    Asked,
    /// A request was answered, or was not.
    Answered(&'a Answer),
    /// A webhook was accepted or given up.
    Ended,
}

/// Sends everything; `progress` is called once per webhook that came to an end.
pub async fn send_all<I>(
    sending: Sending,
    webhooks: I,
    progress: impl Fn() + Clone + Send + Sync + 'static,
) -> reqwest::Result<Report>
where
    I: Iterator<Item = Sent> + Send + 'static,
{
    let watch = move |event: Event<'_>| {
        if matches!(event, Event::Ended) {
            progress();
        }
    };
    send_watched(sending, webhooks, watch).await
}

/// The same; `watch` is told of every answer as well.
pub async fn send_watched<I>(
    sending: Sending,
    webhooks: I,
    watch: impl Fn(Event<'_>) + Clone + Send + Sync + 'static,
) -> reqwest::Result<Report>
where
    I: Iterator<Item = Sent> + Send + 'static,
{
    let client = client(&sending)?;
    let webhooks = Arc::new(Mutex::new(webhooks));
    let pace = sending.rate.map(|rate| Arc::new(tokio::sync::Mutex::new(pace(rate))));
    let started = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..sending.connections.max(1) {
        let connection = Connection { client: client.clone(), sending: sending.clone() };
        let webhooks = Arc::clone(&webhooks);
        let pace = pace.clone();
        let watch = watch.clone();
        connections.spawn(async move { connection.run(&webhooks, pace.as_deref(), watch).await });
    }
    let mut report = Report::new();
    for part in connections.join_all().await {
        report.add(&part);
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Needs certificates of authorities only where it has to check some.
fn client(sending: &Sending) -> reqwest::Result<reqwest::Client> {
    let is_plain = sending.urls.iter().all(|url| !url.starts_with("https:"));
    let client = if is_plain { http_client::plain() } else { http_client::builder() };
    client
        .user_agent(user_agent(sending.waha))
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX)
        .build()
}

fn user_agent(waha: Age) -> String {
    format!("WAHA/{}", waha.version())
}

fn pace(rate: f64) -> Interval {
    let mut pace = interval(Duration::from_secs_f64(1.0 / rate.max(0.001)));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    pace
}

/// One of the requests at a time.
struct Connection {
    client: reqwest::Client,
    sending: Sending,
}

impl Connection {
    async fn run<I: Iterator<Item = Sent>>(
        &self,
        webhooks: &Mutex<I>,
        pace: Option<&tokio::sync::Mutex<Interval>>,
        watch: impl Fn(Event<'_>),
    ) -> Report {
        let mut report = Report::new();
        loop {
            if let Some(pace) = pace {
                pace.lock().await.tick().await;
            }
            let next = webhooks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(webhook) = next else { return report };
            self.send(webhook, &mut report, &watch).await;
            watch(Event::Ended);
        }
    }

    fn url(&self, number: u64, attempt: u32) -> &str {
        let urls = &self.sending.urls;
        let turn = usize::try_from(number + u64::from(attempt)).unwrap_or_default();
        urls.get(turn % urls.len().max(1)).map_or("", String::as_str)
    }

    /// Sends one webhook until it is accepted, as often as WAHA would.
    async fn send(&self, webhook: Sent, report: &mut Report, watch: &impl Fn(Event<'_>)) {
        report.sent += 1;
        let signature = self.sending.key.as_ref().map(|key| sign(key, &webhook.body));
        for attempt in 0..=self.sending.attempts_max {
            let asked = Instant::now();
            let url = self.url(report.sent, attempt);
            watch(Event::Asked);
            let (answer, retry_after) = self.post(url, &webhook, signature.as_deref()).await;
            report.count(&answer, 1);
            watch(Event::Answered(&answer));
            if answer.is_accepted() {
                report.accepted += 1;
                let us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
                // Grows by itself: only 2^63 µs would not fit.
                let _ = report.latency_us.record(us);
                return;
            }
            report.refused += u64::from(answer.status().is_some());
            if attempt < self.sending.attempts_max {
                report.retries += 1;
                tokio::time::sleep(self.sending.retry_delay.max(retry_after)).await;
            } else {
                report.lost += 1;
            }
        }
    }

    /// One request: its answer, and how long that asks to wait.
    async fn post(&self, url: &str, webhook: &Sent, signature: Option<&str>) -> (Answer, Duration) {
        let mut request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header(REQUEST_ID_HEADER, &webhook.request_id)
            .header(TIMESTAMP_HEADER, webhook.at_ms.to_string())
            .body(webhook.body.clone());
        if let Some(signature) = signature {
            request =
                request.header(HMAC_HEADER, signature).header(HMAC_ALGORITHM_HEADER, "sha512");
        }
        match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => (Answer::none(&error), Duration::ZERO),
        }
    }
}
