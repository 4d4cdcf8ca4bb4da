//! What its head rules out is refused before a byte of the body is sent, and the connection is closed.

use crate::attacks::ATTACKER;
use crate::client::{Answer, Client, head, unverified_head, webhook};
use crate::server::Server;

async fn answer_to(server: &Server, head: &[u8]) -> Answer {
    let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
    client.send(head).await.unwrap();
    let answer = client.answer().await.unwrap();
    client.closed().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_waited_for_that_would_be_refused() {
    let server = Server::start(1024, &[]).await;
    let refused = |status| Answer { status, closes: true };
    let body = "content-length: 1000";
    let heads = [
        (unverified_head("nobody", body), 404),
        (unverified_head("nobody", "transfer-encoding: chunked"), 404),
        (head("default", "no hex", body), 401),
        (head("default", "ab", "transfer-encoding: chunked"), 401),
        (b"POST /webhooks/default HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n".to_vec(), 401),
        (unverified_head("default", "content-length: 8388609"), 413),
        (unverified_head("default", "upgrade: websocket\r\nconnection: upgrade"), 501),
        (unverified_head("default", "upgrade: websocket\r\ncontent-length: 9"), 501),
        (b"CONNECT door:80 HTTP/1.1\r\nhost: door:80\r\n\r\n".to_vec(), 501),
    ];
    for (head, status) in heads {
        let shown = String::from_utf8_lossy(&head).into_owned();
        assert_eq!(answer_to(&server, &head).await, refused(status), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_is_told_before_the_body() {
    let server = Server::start(1024, &[]).await;
    let expecting = |head: Vec<u8>| {
        let text = String::from_utf8(head).unwrap();
        text.replacen("\r\n", "\r\nexpect: 100-continue\r\n", 1).into_bytes()
    };
    let refused = Answer { status: 401, closes: true };
    for framing in ["content-length: 1000", "transfer-encoding: chunked", "content-length: 0"] {
        let wrong = expecting(head("default", "ab", framing));
        assert_eq!(answer_to(&server, &wrong).await, refused, "{framing}");
    }
    let whole = webhook(1, 2_500);
    let end = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
    client.send(&expecting(whole[..end].to_vec())).await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send(&whole[end..]).await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_does_not_take_its_answer_away() {
    let server = Server::start(1024, &[]).await;
    for framing in ["content-length: 60000", "transfer-encoding: chunked"] {
        let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
        let body = [b"EA60\r\n".to_vec(), vec![b'x'; 59_994]].concat();
        client.send(&[head("default", "ab", framing), body].concat()).await.unwrap();
        assert_eq!(client.answer().await.unwrap(), Answer { status: 401, closes: true });
        client.closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_head_is_refused() {
    let server = Server::start(1024, &[]).await;
    for end in ["", "\r\n\r\n"] {
        let head = format!("POST /webhooks/default HTTP/1.1\r\nx: {}{end}", "x".repeat(8_000));
        let answer = answer_to(&server, head.as_bytes()).await;
        assert_eq!(answer, Answer { status: 431, closes: true });
    }
}

/// Whatever comes in one piece is still one request after the other.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_together_are_answered_in_turn() {
    let server = Server::start(1024, &[]).await;
    let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
    let chunked = chunked(&webhook(3, 12_000));
    let all = [webhook(1, 2_500), webhook(2, 100_000), chunked, webhook(4, 300)].concat();
    client.send(&all).await.unwrap();
    for _ in 0..4 {
        assert_eq!(client.answer().await.unwrap(), Answer { status: 202, closes: false });
    }
}

/// Java's client offers HTTP/2 so.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_another_protocol_is_left_alone() {
    let server = Server::start(1024, &[]).await;
    let whole = String::from_utf8(webhook(1, 300)).unwrap();
    for (offer, closes) in [("upgrade: h2c", false), (JAVA, true)] {
        let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
        let offering = whole.replacen("\r\n", &format!("\r\n{offer}\r\n"), 1);
        client.send(offering.as_bytes()).await.unwrap();
        assert_eq!(client.answer().await.unwrap(), Answer { status: 202, closes });
    }
}

const JAVA: &str =
    "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA";

/// Whatever was answered before on the connection.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_request_is_told_that_it_is_the_end() {
    let server = Server::start(1024, &[]).await;
    for served in [vec![], webhook(1, 300)] {
        let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
        let no_request = [&served[..], b"no request\r\n\r\n", &vec![b'x'; 60_000]].concat();
        client.send(&no_request).await.unwrap();
        if !served.is_empty() {
            assert_eq!(client.answer().await.unwrap(), Answer { status: 202, closes: false });
        }
        assert_eq!(client.answer().await.unwrap(), Answer { status: 400, closes: true });
        client.closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_no_chunks_is_refused() {
    let server = Server::start(1024, &[]).await;
    for body in ["x\r\n", "fffffffffffffffff\r\n", "1\r\nabc", "1;\0\r\n"] {
        let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
        client.send(&unverified_head("default", "transfer-encoding: chunked")).await.unwrap();
        client.send(&[body.as_bytes(), &vec![b'x'; 60_000]].concat()).await.unwrap();
        assert_eq!(client.answer().await.unwrap(), Answer { status: 400, closes: true }, "{body}");
        client.closed().await;
    }
}

/// The same webhook with its body in chunks.
fn chunked(webhook: &[u8]) -> Vec<u8> {
    let end = webhook.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (head, body) = webhook.split_at(end);
    let head = String::from_utf8(head.to_vec()).unwrap();
    let length = format!("content-length: {}", body.len());
    let mut chunked = head.replace(&length, "transfer-encoding: chunked").into_bytes();
    for piece in body.chunks(1000) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    chunked
}
