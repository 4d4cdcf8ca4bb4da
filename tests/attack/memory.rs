//! Memory follows what was received, and large bodies keep nobody out.

use std::time::Duration;

use crate::attacks::{ATTACKER, Attack};
use crate::client::{Client, webhook};
use crate::server::{PATIENCE, Server};
use crate::siege::{self, HONEST, Siege, besiege};
use crate::wait::wait_for;

/// Beside the bodies, and for each connection, in kB.
const RSS_KB: u64 = 96 * 1024;
const RSS_PER_CONNECTION_KB: u64 = 24;
/// Enough for each attack.
const DESCRIPTORS: usize = 8_192;
/// How long an attack lasts here.
const BRIEFLY: Duration = Duration::from_secs(6);

async fn attack_briefly(attack: Attack, connections: usize, memory_bytes: u64) -> Siege {
    let memory = memory_bytes.to_string();
    let server = Server::start(DESCRIPTORS, &[("SERVER__MEMORY_BYTES_MAX", &memory)]).await;
    waha_ingest::server::descriptors::raise_limit();
    let begin = |door| siege::attack(attack, connections, door);
    let siege = besiege(&server, BRIEFLY, begin).await;
    let bound = memory_bytes / 1024 + RSS_KB + RSS_PER_CONNECTION_KB * connections as u64;
    let worst = siege.rss_worst_kb;
    assert!(worst < bound, "{attack:?}: {worst} of {bound} kB");
    assert!(siege.other.tried > 0);
    assert_eq!(siege.other.refused, 0, "{:?}", siege.other);
    siege
}

#[tokio::test(flavor = "multi_thread")]
async fn announced_bytes_take_no_memory() {
    attack_briefly(Attack::Announced, 256, 16 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_large_bodies_keep_nobody_out() {
    attack_briefly(Attack::LargeUnfinished, 40, 64 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_small_bodies_keep_nobody_out() {
    attack_briefly(Attack::SmallUnfinished, 600, 64 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tiny_chunks_take_no_more_than_large_ones() {
    attack_briefly(Attack::TinyChunks, 2_000, 16 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_heads_take_no_more_than_a_connection_may() {
    attack_briefly(Attack::LargeHeads, 2_000, 16 << 20).await;
    attack_briefly(Attack::LargeHeadsUnfinished, 2_000, 16 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_lost_its_memory_is_503_and_the_log_says_it_once() {
    let memory = (16 << 20).to_string();
    let server = Server::start(1024, &[("SERVER__MEMORY_BYTES_MAX", &memory)]).await;
    let unfinished = webhook(1, 8 << 20);
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(ATTACKER, server.address).await.unwrap();
        // One that is refused before all was sent has its answer waiting.
        let _ = client.send(&unfinished[..7 << 20]).await;
        slow.push(client);
    }
    let mut honest = Client::connect(HONEST, server.address).await.unwrap();
    honest.send(&webhook(2, 6 << 20)).await.unwrap();
    assert_eq!(honest.answer().await.unwrap().status, 202);
    let mut statuses = Vec::new();
    for client in &mut slow {
        statuses.push(client.answer().await.map(|answer| answer.status).ok());
    }
    assert!(statuses.contains(&Some(503)), "{statuses:?}");
    let lines = || server.log().matches("not accepted").count();
    wait_for("the line", PATIENCE, || async { (lines() > 0).then_some(()) }).await;
    assert_eq!(lines(), 1);
}
