//! lapin on its own, and behind the smallest handler that verifies and waits for the confirm.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use hdrhistogram::Histogram;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::JoinSet;
use waha_ingest::webhook::source::Source;

use super::load::{Figures, KEY, body, cpu_seconds, figures};

/// As many as the real queue uses.
const CHANNELS: usize = 4;

/// A connection with channels in confirm mode, and a quorum queue of its own.
#[derive(Clone)]
pub struct Bare {
    channels: Vec<Channel>,
    next: Arc<AtomicUsize>,
    queue: String,
    _connection: Arc<Connection>,
}

impl Bare {
    async fn open(url: &str) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(url, properties).await.expect("a broker");
        let queue = format!("{}bare", prefix());
        let mut channels = Vec::new();
        for _ in 0..CHANNELS {
            let channel = connection.create_channel().await.expect("a channel");
            let confirms = ConfirmSelectOptions { nowait: false };
            channel.confirm_select(confirms).await.expect("confirms");
            channels.push(channel);
        }
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let name = queue.as_str().into();
        channels[0].queue_declare(name, options, arguments).await.expect("a queue");
        Self { channels, next: Arc::default(), queue, _connection: Arc::new(connection) }
    }

    async fn publish(&self, body: &[u8]) {
        let channel = &self.channels[self.next.fetch_add(1, Ordering::Relaxed) % CHANNELS];
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let name = self.queue.as_str().into();
        let confirm = channel.basic_publish("".into(), name, options, body, properties).await;
        let confirmation = confirm.expect("a publish").await.expect("a confirm");
        assert!(confirmation.is_ack(), "not confirmed");
    }

    pub async fn remove(&self) {
        let options = QueueDeleteOptions::default();
        let _ = self.channels[0].queue_delete(self.queue.as_str().into(), options).await;
    }
}

/// A prefix that nothing else uses.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("bench{}.", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// lapin alone, with so many publishers that wait for their confirms.
pub async fn confirm(url: &str, publishers: usize, body_bytes: usize, time: Duration) -> Figures {
    let bare = Bare::open(url).await;
    let (started, cpu) = (Instant::now(), cpu_seconds());
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
    bare.remove().await;
    figures(&latencies, started.elapsed(), cpu_seconds() - cpu)
}

/// Verifies, publishes, waits for the confirm, answers 202.
pub async fn serve(listener: TcpListener, url: &str) -> (Server, Bare) {
    let bare = Bare::open(url).await;
    let source = web::Data::new(Source::signed("default", &[KEY.into()]));
    let outlet = web::Data::new(bare.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(source.clone())
            .app_data(outlet.clone())
            .app_data(web::PayloadConfig::new(1 << 23))
            .route("/webhooks/default", web::post().to(receive))
    });
    let server = server.disable_signals().listen(listener).expect("a listener").run();
    (server, bare)
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

/// Removes the queues of a run, so that the next one does not share the disk with them.
pub async fn remove(url: &str, prefix: &str) {
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(url, properties).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    for lane in ["sessions", "messages", "calls", "chats"] {
        let name = format!("{prefix}waha.{lane}");
        let _ = channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await;
    }
}
