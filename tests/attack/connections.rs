//! More connections than there is room for, and fewer descriptors than connections.

use crate::attacks::ATTACKER;
use crate::client::{Client, webhook};
use crate::server::Server;
use crate::siege::HONEST;

async fn is_taken(client: &mut Client, id: u64) -> bool {
    let request = webhook(id, 300);
    client.send(&request).await.is_ok() && client.answer().await.is_ok_and(|it| it.status == 202)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_most_gives_way_and_never_who_was_there_first() {
    let server = Server::start(1024, &[("SERVER__CONNECTIONS_MAX", "16")]).await;
    let mut first = Client::connect(HONEST, server.address).await.unwrap();
    assert!(is_taken(&mut first, 1).await);
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(Client::connect(ATTACKER, server.address).await.unwrap());
    }
    for id in 2..12 {
        let mut another = Client::connect(HONEST, server.address).await.unwrap();
        assert!(is_taken(&mut another, id).await, "a new one is let in");
    }
    assert!(is_taken(&mut first, 12).await, "the oldest of all is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_descriptors_hold_nobody_out() {
    let server = Server::start(128, &[]).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(Client::connect(ATTACKER, server.address).await.unwrap());
    }
    for id in 0..10 {
        let mut honest = Client::connect(HONEST, server.address).await.unwrap();
        assert!(is_taken(&mut honest, id).await);
    }
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
}
