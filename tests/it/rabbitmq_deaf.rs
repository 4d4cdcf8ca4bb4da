//! A connection that lives and confirms nothing, as to a node that is cut off from the others: it is left
//! for the next URL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use waha_ingest::queue::Queue;
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};

use crate::rabbitmq_node::{message, options};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_confirms_is_left_for_the_next_url() {
    use secrecy::ExposeSecret;
    let sound = options();
    let url = sound.urls[0].expose_secret().to_owned();
    let address = url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let node = CutOffNode::start(address.clone()).await;
    let urls = vec![url.replace(&address, &node.address).into(), url.into()];
    let queue = RabbitmqQueue::open(Options { urls, ..sound });
    queue.publish(message("before")).await.expect("publish");
    node.is_cut_off.store(true, Ordering::SeqCst);
    let publish_max = Duration::from_millis(500);
    let mut tries = 0;
    wait_for("a confirm by the next URL", PATIENCE, || {
        tries += 1;
        let publish = tokio::time::timeout(publish_max, queue.publish(message(&tries.to_string())));
        async move { publish.await.ok()?.ok() }
    })
    .await;
    assert!(tries > 2, "not before two went unanswered");
}

/// A way to a node that brings everything but confirms, once it is cut off: heartbeats, answers to
/// declarations.
struct CutOffNode {
    address: String,
    is_cut_off: Arc<AtomicBool>,
}

impl CutOffNode {
    async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let is_cut_off = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut_off);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                let (mut from_client, to_client) = client.into_split();
                let (from_server, mut to_server) = server.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_client, &mut to_server).await },
                );
                tokio::spawn(pass_frames(from_server, to_client, Arc::clone(&cut)));
            }
        });
        Self { address, is_cut_off }
    }
}

/// Class and method of `basic.ack`.
const BASIC_ACK: [u8; 4] = [0, 60, 0, 80];

async fn pass_frames(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_cut_off: Arc<AtomicBool>,
) -> std::io::Result<()> {
    loop {
        let mut frame = vec![0; 7];
        from.read_exact(&mut frame).await?;
        let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]) as usize;
        frame.resize(7 + size + 1, 0);
        from.read_exact(&mut frame[7..]).await?;
        let is_confirm = frame[0] == 1 && frame[7..].starts_with(&BASIC_ACK);
        if !(is_confirm && is_cut_off.load(Ordering::SeqCst)) {
            to.write_all(&frame).await?;
        }
    }
}
