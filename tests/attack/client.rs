//! A client over a raw socket, from an address of the loopback network.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use waha_ingest::webhook::source::sign;

use crate::server::KEY;

/// How long an answer or the end of a connection may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing was taken for so long: it is full.
const STALLED: Duration = Duration::from_secs(3);

/// A connection.
pub struct Client {
    stream: TcpStream,
    /// Read and not looked at yet.
    ahead: Vec<u8>,
}

/// An answer: its status, and whether it says that it is the last.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub closes: bool,
}

impl Client {
    pub async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        Self::connect_by(TcpSocket::new_v4()?, from, to).await
    }

    /// With so small a buffer that little waits to be read.
    pub async fn connect_reading_little(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Self::connect_by(socket, from, to).await
    }

    async fn connect_by(socket: TcpSocket, from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        socket.set_reuseaddr(true)?;
        socket.bind((from, 0).into())?;
        Ok(Self { stream: socket.connect(to).await?, ahead: Vec::new() })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next answer; an error if the connection ends or nothing comes in time.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        timeout(PATIENCE, self.read_answer()).await?
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let head = self.read_until(b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        self.fill(length).await?;
        self.ahead.drain(..length);
        Ok(Answer { status, closes: head.contains("connection: close") })
    }

    async fn read_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let found = self.ahead.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return Ok(self.ahead.drain(..at + end.len()).collect());
            }
            self.fill(self.ahead.len() + 1).await?;
        }
    }

    async fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.ahead.len() < bytes {
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Waits until the other side has closed, however; what comes before is thrown away.
    pub async fn closed(&mut self) {
        let mut bytes = [0; 4096];
        let ended = timeout(PATIENCE, async {
            while self.stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        });
        ended.await.expect("the connection stays open");
    }

    /// Does nothing until the other side closes.
    pub async fn hold(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        while self.stream.read(&mut bytes).await? > 0 {}
        Ok(())
    }

    /// Writes until nothing is taken any more; false if the connection ends instead.
    pub async fn fill_up(&mut self, bytes: &[u8]) -> bool {
        loop {
            match timeout(STALLED, self.send(bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return false,
                Err(_) => return true,
            }
        }
    }

    /// Waits for the end of the connection without reading.
    pub async fn refuses_writes(&mut self, bytes: &[u8]) {
        let ended = timeout(PATIENCE, async { while self.send(bytes).await.is_ok() {} });
        ended.await.expect("the connection stays open");
    }
}

/// A signed webhook of about so many bytes.
pub fn webhook(id: u64, body_bytes: usize) -> Vec<u8> {
    let body = body(id, body_bytes);
    let signature = sign(&SecretString::from(KEY), body.as_bytes());
    let head = head("default", &signature, &format!("content-length: {}", body.len()));
    [head, body.into_bytes()].concat()
}

pub fn body(id: u64, body_bytes: usize) -> String {
    let fill = "x".repeat(body_bytes.saturating_sub(100));
    format!(r#"{{"id":"evt_{id}","event":"message","session":"s","payload":{{"body":"{fill}"}}}}"#)
}

/// The head of a request whose signature could be right.
pub fn unverified_head(source: &str, framing: &str) -> Vec<u8> {
    head(source, &"ab".repeat(64), framing)
}

pub fn head(source: &str, signature: &str, framing: &str) -> Vec<u8> {
    format!(
        "POST /webhooks/{source} HTTP/1.1\r\nhost: door\r\nx-webhook-hmac: {signature}\r\n\
         x-webhook-hmac-algorithm: sha512\r\n{framing}\r\n\r\n"
    )
    .into_bytes()
}
