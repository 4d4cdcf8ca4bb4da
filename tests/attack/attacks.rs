//! The attacks: what one connection of each does, again and again, without a key.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::sleep;

use crate::client::{Client, unverified_head};

/// Where attackers come from.
pub const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The largest body that is taken.
const LARGE: usize = 8 << 20;
/// The largest one that counts as small.
const SMALL: usize = 64 << 10;
/// What bodies are made of.
static PIECE: [u8; 65_536] = [b'['; 65_536];
/// As many chunks as one read brings.
static TINY_CHUNKS: LazyLock<Vec<u8>> = LazyLock::new(|| b"1\r\n[\r\n".repeat(1_365));
/// As many lines as actix takes, of so many bytes that they are as many as the door takes.
const LINES: usize = 90;
const LINE_BYTES: usize = 75;
/// How long an attacker waits before it connects again.
const PAUSE: Duration = Duration::from_millis(50);
/// What slow ones wait between two bytes.
const DRIP: Duration = Duration::from_secs(1);

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Announce 8 MiB, send one byte.
    Announced,
    /// Bodies of 8 MiB without their last byte.
    LargeUnfinished,
    /// Bodies of 64 KiB without their last byte.
    SmallUnfinished,
    /// Whole bodies of 8 MiB with a wrong signature, as fast as they go.
    Wave,
    /// A whole request, then one byte of the next.
    SecondHead,
    /// Heads, a byte a second.
    SlowHead,
    /// Chunks without end, a byte a second.
    EndlessChunks,
    /// The same to a source that is not known.
    EndlessChunksUnknown,
    /// Silence after an answer.
    SilentAfterAnswer,
    /// Nothing at all.
    Silent,
    /// Requests without end whose answers are not read.
    Unread,
    /// Bodies in chunks of one byte.
    TinyChunks,
    /// Whole heads as long and with as many lines as are taken, and the beginning of a body.
    LargeHeads,
    /// The same without their end.
    LargeHeadsUnfinished,
    /// Asks for another protocol and sends on.
    Tunnel,
}

impl Attack {
    pub const ALL: [Self; 15] = [
        Self::Announced,
        Self::LargeUnfinished,
        Self::SmallUnfinished,
        Self::Wave,
        Self::SecondHead,
        Self::SlowHead,
        Self::EndlessChunks,
        Self::EndlessChunksUnknown,
        Self::SilentAfterAnswer,
        Self::Silent,
        Self::Unread,
        Self::TinyChunks,
        Self::LargeHeads,
        Self::LargeHeadsUnfinished,
        Self::Tunnel,
    ];

    /// Attacks over one connection after another until it is dropped.
    pub async fn run(self, door: SocketAddr) {
        loop {
            // The door closes the connection sooner or later: that is what it is for.
            let _ = self.once(door).await;
            sleep(PAUSE).await;
        }
    }

    async fn once(self, door: SocketAddr) -> io::Result<()> {
        let mut client = Client::connect(ATTACKER, door).await?;
        match self {
            Self::Announced => announce(&mut client, LARGE, 1).await,
            Self::LargeUnfinished => announce(&mut client, LARGE, LARGE - 1).await,
            Self::SmallUnfinished => announce(&mut client, SMALL, SMALL - 1).await,
            Self::Wave => announce(&mut client, LARGE, LARGE).await,
            Self::SecondHead => {
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nG").await?;
                client.hold().await
            }
            Self::SlowHead => {
                drip(&mut client, b"POST /webhooks/default HTTP/1.1\r\nx: ", b"x").await
            }
            Self::EndlessChunks => chunks(&mut client, "default").await,
            Self::EndlessChunksUnknown => chunks(&mut client, "nobody").await,
            Self::SilentAfterAnswer => {
                client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
                client.hold().await
            }
            Self::Silent => client.hold().await,
            Self::Unread => {
                let requests = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(256);
                loop {
                    client.send(&requests).await?;
                }
            }
            Self::TinyChunks => {
                let head = unverified_head("default", "transfer-encoding: chunked");
                drip(&mut client, &head, &TINY_CHUNKS).await
            }
            Self::LargeHeads => {
                client.send(&large_head()).await?;
                client.send(b"[").await?;
                client.hold().await
            }
            Self::LargeHeadsUnfinished => {
                let head = large_head();
                client.send(&head[..head.len() - 1]).await?;
                client.hold().await
            }
            Self::Tunnel => {
                let asks = "connection: upgrade\r\nupgrade: websocket";
                drip(&mut client, &unverified_head("default", asks), b"x").await
            }
        }
    }
}

async fn announce(client: &mut Client, announced: usize, sent: usize) -> io::Result<()> {
    client.send(&unverified_head("default", &format!("content-length: {announced}"))).await?;
    let mut rest = sent;
    while rest > 0 {
        let piece = rest.min(PIECE.len());
        client.send(&PIECE[..piece]).await?;
        rest -= piece;
    }
    client.hold().await
}

fn large_head() -> Vec<u8> {
    let lines: Vec<String> =
        (0..LINES).map(|number| format!("x-{number:02}: {}", "x".repeat(LINE_BYTES - 8))).collect();
    unverified_head("default", &format!("content-length: 50000\r\n{}", lines.join("\r\n")))
}

async fn chunks(client: &mut Client, source: &str) -> io::Result<()> {
    drip(client, &unverified_head(source, "transfer-encoding: chunked"), b"1\r\nx\r\n").await
}

async fn drip(client: &mut Client, first: &[u8], then: &[u8]) -> io::Result<()> {
    client.send(first).await?;
    loop {
        sleep(DRIP).await;
        client.send(then).await?;
    }
}
