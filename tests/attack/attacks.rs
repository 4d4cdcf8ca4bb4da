//! The attacks: what one connection of each does, again and again, without a key.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
}

impl Attack {
    pub const ALL: [Self; 11] = [
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
