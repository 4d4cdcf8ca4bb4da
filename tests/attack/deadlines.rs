//! Every connection ends, whatever it waits for.

use crate::attacks::ATTACKER;
use crate::client::{Client, unverified_head, webhook};
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
    let beginnings: [&[u8]; 5] = [
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
    for beginning in ["", "GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nG", "GET /livez HTT"] {
        let mut client = Client::connect(ATTACKER, server.admin).await.unwrap();
        client.send(beginning.as_bytes()).await.unwrap();
        client.closed().await;
    }
}
