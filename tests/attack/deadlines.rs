//! Every connection ends, whatever it waits for.

use std::time::Duration;

use actix_web::{App, web};
use waha_ingest::server::connection::{self, ConnectionLimits, ListenerOptions};
use waha_ingest::server::listen;

use crate::attacks::ATTACKER;
use crate::client::{Answer, Client, unverified_head, webhook};
use crate::server::Server;

/// Short ones, so that a test need not wait; the idle one is the shortest that is allowed.
const SHORT: [(&str, &str); 3] = [
    ("SERVER__HEAD_TIMEOUT_MS", "1000"),
    ("SERVER__IDLE_TIMEOUT_MS", "5000"),
    ("SERVER__WRITE_TIMEOUT_MS", "1000"),
];

async fn connect(server: &Server) -> Client {
    Client::connect(ATTACKER, server.address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_only_begin_something_end() {
    let server = Server::start(1024, &SHORT).await;
    let whole = webhook(1, 300);
    let tunnel = b"POST /webhooks/default HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\
        connection: upgrade\r\nupgrade: websocket\r\n\r\nwhatever";
    let beginnings: [&[u8]; 8] = [
        tunnel,
        b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"",
        b"POST /webhooks/default HTTP/1.1\r\nhos",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\nG",
        &[&whole[..], b"P"].concat(),
        &whole,
    ];
    for beginning in beginnings {
        let mut client = connect(&server).await;
        client.send(beginning).await.unwrap();
        client.closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_408_long_before_its_timeout() {
    let server = Server::start(1024, &SHORT).await;
    for framing in ["content-length: 100000", "transfer-encoding: chunked"] {
        let mut client = connect(&server).await;
        client.send(&unverified_head("default", framing)).await.unwrap();
        client.send(b"1\r\n{").await.unwrap();
        assert_eq!(client.answer().await.unwrap().status, 408);
        client.closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_has_the_same_guard() {
    let server = Server::start(1024, &[]).await;
    let beginnings = [
        "",
        "GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nG",
        "GET /livez HTT",
        "POST /api/v1/log-level HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         connection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ];
    for beginning in beginnings {
        let mut client = Client::connect(ATTACKER, server.admin).await.unwrap();
        client.send(beginning.as_bytes()).await.unwrap();
        client.closed().await;
    }
}

const LIMITS: ConnectionLimits = ConnectionLimits {
    connections_max: 16,
    head_timeout: Duration::from_secs(1),
    body_timeout: Duration::from_secs(1),
    idle_timeout: Duration::from_secs(60),
    write_timeout: Duration::from_secs(60),
    age_max: Duration::from_secs(60),
};

#[tokio::test(flavor = "multi_thread")]
async fn a_late_body_is_408_whoever_reads_it() {
    let listener = listen((ATTACKER, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let options = ListenerOptions {
        name: "test",
        workers: Some(1),
        limits: LIMITS,
        stop_grace: Duration::ZERO,
    };
    let application = || App::new().default_service(web::to(|body: web::Bytes| async { body }));
    let server = connection::serve(listener, options, |_| None, |_| {}, application).unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    for framing in ["content-length: 10", "transfer-encoding: chunked"] {
        let mut client = Client::connect(ATTACKER, address).await.unwrap();
        client.send(&unverified_head("default", framing)).await.unwrap();
        client.send(b"1\r\nx").await.unwrap();
        assert_eq!(client.answer().await.unwrap(), Answer { status: 408, closes: true });
        client.closed().await;
    }
    handle.stop(false).await;
}
