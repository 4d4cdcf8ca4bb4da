//! lapin on its own, and behind the smallest handler that verifies and waits for the confirm.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use hdrhistogram::Histogram;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::JoinSet;
use waha_ingest::queue::rabbitmq::{Options, RUNGS, RabbitmqQueue};
use waha_ingest::queue::{Lane, Queue};
use waha_ingest::webhook::source::Source;

use super::load::{Figures, KEY, body, figures};

/// As many as the real queue uses.
const CHANNELS: usize = 4;

/// What is published to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A quorum queue of its own without arguments, by the default exchange.
    Plain,
    /// The queue that `serve` publishes to, the same way.
    Ours,
}

/// A connection with channels in confirm mode.
#[derive(Clone)]
pub struct Bare {
    channels: Vec<Channel>,
    next: Arc<AtomicUsize>,
    exchange: String,
    routing_key: String,
    _connection: Arc<Connection>,
}

impl Bare {
    async fn open(url: &str, prefix: &str, target: Target) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(url, properties).await.expect("a broker");
        let mut channels = Vec::new();
        for _ in 0..CHANNELS {
            let channel = connection.create_channel().await.expect("a channel");
            let confirms = ConfirmSelectOptions { nowait: false };
            channel.confirm_select(confirms).await.expect("confirms");
            channels.push(channel);
        }
        let (exchange, routing_key) = match target {
            Target::Plain => (String::new(), declare(&channels[0], prefix).await),
            Target::Ours => (String::new(), format!("{prefix}waha.messages")),
        };
        let (next, connection) = (Arc::default(), Arc::new(connection));
        Self { channels, next, exchange, routing_key, _connection: connection }
    }

    async fn publish(&self, body: &[u8]) {
        let channel = &self.channels[self.next.fetch_add(1, Ordering::Relaxed) % CHANNELS];
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (exchange, key) = (self.exchange.as_str().into(), self.routing_key.as_str().into());
        let confirm = channel.basic_publish(exchange, key, options, body, properties).await;
        let confirmation = confirm.expect("a publish").await.expect("a confirm");
        assert!(confirmation.is_ack(), "not confirmed");
    }
}

async fn declare(channel: &Channel, prefix: &str) -> String {
    let queue = format!("{prefix}bare");
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.as_str().into(), options, arguments).await;
    declared.expect("a queue");
    queue
}

/// The real queue, once it is connected and everything is declared.
pub async fn ours(url: &str, prefix: &str) -> RabbitmqQueue {
    let mut options = Options::new(vec![url.into()]);
    options.prefix = prefix.to_owned();
    let queue = RabbitmqQueue::open(options);
    while queue.depth().await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    queue
}

/// A prefix that nothing else uses.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("bench{}.", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// lapin alone, with so many publishers that wait for their confirms.
pub async fn confirm(url: &str, publishers: usize, body_bytes: usize, time: Duration) -> Figures {
    let prefix = prefix();
    let bare = Bare::open(url, &prefix, Target::Plain).await;
    let started = Instant::now();
    let mut all = JoinSet::new();
    for number in 0..publishers {
        let (bare, body) = (bare.clone(), body(number, body_bytes).into_bytes());
        all.spawn(async move {
            let mut latencies = Histogram::<u64>::new(3).expect("three digits are allowed");
            while started.elapsed() < time {
                let asked = Instant::now();
                bare.publish(&body).await;
                let us = u64::try_from(asked.elapsed().as_micros()).expect("a short time");
                latencies.record(us).expect("a short time");
            }
            latencies
        });
    }
    let mut latencies = Histogram::new(3).expect("three digits are allowed");
    for part in all.join_all().await {
        latencies.add(part).expect("equal histograms");
    }
    remove(url, &prefix).await;
    figures(&latencies, started.elapsed())
}

/// Verifies, publishes, waits for the confirm, answers 202.
pub async fn serve(listener: TcpListener, url: &str, prefix: &str, target: Target) {
    let source = web::Data::new(Source::signed("default", &[KEY.into()]));
    let outlet = web::Data::new(Bare::open(url, prefix, target).await);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(source.clone())
            .app_data(outlet.clone())
            .app_data(web::PayloadConfig::new(1 << 23))
            .route("/webhooks/default", web::post().to(receive))
    });
    let server = server.listen(listener).expect("a listener").run();
    server.await.expect("a server that goes on");
}

async fn receive(
    request: HttpRequest,
    body: web::Bytes,
    source: web::Data<Source>,
    bare: web::Data<Bare>,
) -> HttpResponse {
    let header = request.headers().get("x-webhook-hmac").and_then(|value| value.to_str().ok());
    let signature = header.and_then(|text| hex::decode(text).ok());
    if source.matching_key(&body, signature.as_deref()).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    bare.publish(&body).await;
    HttpResponse::Accepted().finish()
}

async fn channel(url: &str) -> (Connection, Channel) {
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(url, properties).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// Empties the queues that take the load: what waits from earlier runs slows the broker down, and in
/// use there are workers.
pub async fn empty(url: &str, prefix: &str) {
    let (_connection, channel) = channel(url).await;
    // The second is of one variant only: the broker closes the channel of all others.
    for queue in [format!("{prefix}waha.messages"), format!("{prefix}bare")] {
        let _ = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await;
    }
}

/// Removes the queues of a run, so that the next one does not share the disk with them.
pub async fn remove(url: &str, prefix: &str) {
    let (_connection, channel) = channel(url).await;
    let mut queues = vec![format!("{prefix}bare")];
    for lane in Lane::ALL.map(Lane::name) {
        let rungs = RUNGS.map(|rung| format!("{prefix}waha.retry.{lane}.{}", rung.as_millis()));
        queues.extend(rungs.into_iter().chain([format!("{prefix}waha.{lane}")]));
    }
    for queue in queues {
        let _ = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
    }
}
