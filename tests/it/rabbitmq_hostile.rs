//! Messages that the broker passes on and a client can't read: headers nested as deep as fits into a
//! frame (whoever parses them on the stack of a thread is gone, with all its process), and texts that are
//! no UTF-8 (lapin gives the connection up, and they come again on the next).
//!
//! Published with frames of our own, because a client writes nothing that it can't read.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lapin::uri::AMQPUri;
use sea_orm::EntityTrait;
use waha_ingest::queue::Queue;
use waha_ingest::queue::rabbitmq::RabbitmqQueue;

use crate::database::{Database, Kind};
use crate::process::Setting;
use crate::rabbitmq_node::{message, options};
use crate::rows::count;
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
/// What fits into a frame of 128 KiB beside what the broker adds.
const LEVELS: u32 = 26_000;
const BODIES: [&[u8]; 2] = [b"deep", b"no text"];

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const BODY_FRAME: u8 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_what_its_client_can_not_read() {
    let (options, database) = (options(), Database::create(Kind::Sqlite).await);
    let url = std::env::var("TEST_AMQP_URL").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.queue_url = Some(url.clone());
    setting.environment = vec![("WAHA_INGEST__QUEUE__PREFIX", options.prefix.clone())];
    let mut working = setting.up().await;
    let queue = format!("{}waha.messages", options.prefix);
    tokio::task::spawn_blocking(move || publish_both(&url, &queue)).await.unwrap();
    RabbitmqQueue::open(options).publish(message("after")).await.expect("publish");

    let db = database.connect().await;
    wait_for("all to end", PATIENCE, || async {
        (count(&db, "webhook_events").await == 3).then_some(())
    })
    .await;
    let letters = entity::dead_letters::Entity::find().all(&db).await.unwrap();
    let bodies: BTreeSet<&[u8]> = letters.iter().map(|letter| &letter.body[..]).collect();
    assert_eq!((bodies, letters.len()), (BODIES.into(), 2), "each once, and whole");
    assert_eq!(working.terminate(), Some(0), "the worker is there to be stopped");
}

fn publish_both(url: &str, queue: &str) {
    let mut broker = Broker::connect(url);
    let value: Vec<u8> = (0..LEVELS).rev().flat_map(|inner| array_head(5 * inner)).collect();
    broker.publish(queue, &[&short(b"x")[..], &value].concat(), b"", BODIES[0]);
    broker.publish(queue, &[&short(b"caf\xe9")[..], b"V"].concat(), b"\xff\xfe", BODIES[1]);
}

/// Type and length of an array.
fn array_head(bytes: u32) -> [u8; 5] {
    let [a, b, c, d] = bytes.to_be_bytes();
    [b'A', a, b, c, d]
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// As little of AMQP 0-9-1 as it takes to publish.
struct Broker(TcpStream);

impl Broker {
    /// With an open channel, number 1, that confirms.
    fn connect(url: &str) -> Self {
        let uri: AMQPUri = url.parse().unwrap();
        let stream = TcpStream::connect((&*uri.authority.host, uri.authority.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut broker = Self(stream);
        broker.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        broker.answer();
        let user = uri.authority.userinfo;
        let login = long(format!("\0{}\0{}", user.username, user.password).as_bytes());
        let login = [&long(&[])[..], &short(b"PLAIN"), &login, &short(b"en_US")].concat();
        broker.send(METHOD, 0, &[&[0, 10, 0, 11][..], &login].concat());
        broker.answer();
        // Channels, frames of 128 KiB, no heartbeat.
        broker.send(METHOD, 0, &[0, 10, 0, 31, 7, 255, 0, 2, 0, 0, 0, 0]);
        broker.send(
            METHOD,
            0,
            &[&[0, 10, 0, 40][..], &short(uri.vhost.as_bytes()), &[0, 0]].concat(),
        );
        broker.answer();
        broker.call(20, 10, &[0]);
        broker.call(85, 10, &[0]);
        broker
    }

    /// A message to a queue, with headers and a correlation id, confirmed.
    fn publish(&mut self, queue: &str, headers: &[u8], correlation_id: &[u8], body: &[u8]) {
        let to = [&[0, 0, 0][..], &short(queue.as_bytes()), &[1]].concat();
        self.send(METHOD, 1, &[&[0, 60, 0, 40][..], &to].concat());
        let size = (body.len() as u64).to_be_bytes();
        let properties = [&[0x24, 0], &long(headers)[..], &short(correlation_id)].concat();
        self.send(CONTENT_HEADER, 1, &[&[0, 60, 0, 0], &size[..], &properties].concat());
        self.send(BODY_FRAME, 1, body);
        assert_eq!(self.answer(), [0, 60, 0, 80], "it is confirmed");
    }

    /// A method of the channel, and the answer to it.
    fn call(&mut self, class: u8, method: u8, arguments: &[u8]) {
        self.send(METHOD, 1, &[&[0, class, 0, method], arguments].concat());
        self.answer();
    }

    fn send(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        self.0.write_all(&[&[kind, 0, channel], &long(payload)[..], &[0xce]].concat()).unwrap();
    }

    /// Class and method of the next frame.
    fn answer(&mut self) -> [u8; 4] {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).unwrap();
        let bytes = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; bytes as usize + 1];
        self.0.read_exact(&mut payload).unwrap();
        [payload[0], payload[1], payload[2], payload[3]]
    }
}
