//! Clients that do not read their answers.

use crate::attacks::ATTACKER;
use crate::client::{Client, webhook};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_no_answer_is_closed() {
    let server = Server::start(1024, &[("SERVER__WRITE_TIMEOUT_MS", "1000")]).await;
    let mut client = Client::connect_reading_little(ATTACKER, server.address).await.unwrap();
    let before_kb = server.rss_kb();
    client.refuses_writes(&webhook(1, 300).repeat(64)).await;
    assert!(server.rss_kb() < before_kb + 32 * 1024, "answers are not kept for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_neither_for_who_does_not_read_nor_for_who_is_idle() {
    let settings = [("SERVER__WRITE_TIMEOUT_MS", "3600000"), ("SERVER__STOP_GRACE_MS", "86400000")];
    let mut server = Server::start(1024, &settings).await;
    let mut idle = Client::connect(ATTACKER, server.address).await.unwrap();
    idle.send(&webhook(1, 300)).await.unwrap();
    assert_eq!(idle.answer().await.unwrap().status, 202);
    let mut unread = Client::connect_reading_little(ATTACKER, server.address).await.unwrap();
    let is_full = unread.fill_up(&webhook(2, 300).repeat(64)).await;
    assert!(is_full, "it is not closed while the process runs");
    assert_eq!(server.terminate().await, Some(0));
}
