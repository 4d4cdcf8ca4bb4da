//! The socket to a broker, plain or with TLS (`tls`), behind which what strangers published is harmless
//! (`sanitizer`).
//!
//! Called by `connection`. lapin takes a stream of ours as the stream of a runtime of ours: tokio, but
//! for the type of its sockets. The traits of such a runtime are of `async-rs`, and lapin does not
//! pass them on.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_util::either::Either;

use super::sanitizer::Sanitizer;
use super::tls::{self, TlsStream};

/// Connects; to be called in a tokio runtime. `ca_pem` are certificates of a private authority.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    ca_pem: Option<String>,
) -> lapin::Result<Connection> {
    let tokio = Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), SocketReactor(tokio)));
    let open = async move |uri: AMQPUri, _: Runtime<RuntimeParts<Tokio, SocketReactor>>| {
        let stream = open(&uri, ca_pem.as_deref()).await?;
        Ok::<_, lapin::Error>(AsyncTcpStream::Plain(BrokerSocket::new(stream)))
    };
    Connection::connector(uri, runtime, open, properties).await
}

async fn open(uri: &AMQPUri, ca_pem: Option<&str>) -> io::Result<BrokerStream> {
    let host = uri.authority.host.as_str();
    let stream = TcpStream::connect((host, uri.authority.port)).await?;
    // An ack must not wait for company.
    stream.set_nodelay(true)?;
    match uri.scheme {
        AMQPScheme::AMQP => Ok(Either::Left(stream)),
        AMQPScheme::AMQPS => Ok(Either::Right(tls::wrap(stream, host, ca_pem).await?)),
    }
}

/// All that tokio does, with sockets of ours.
#[derive(Clone, Debug)]
struct SocketReactor(Tokio);

impl Reactor for SocketReactor {
    type TcpStream = BrokerSocket;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// lapin asks for none.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<BrokerSocket, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(period)
    }

    /// lapin asks for none: it gets its sockets from [`open`].
    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<BrokerSocket>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

type BrokerStream = Either<TcpStream, TlsStream>;

/// A stream whose reader meets nothing that was not sanitized.
struct BrokerSocket {
    stream: BrokerStream,
    sanitizer: Sanitizer,
}

impl BrokerSocket {
    fn new(stream: BrokerStream) -> Self {
        Self { stream, sanitizer: Sanitizer::new() }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut BrokerStream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl AsyncRead for BrokerSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut read = ReadBuf::new(buffer);
        ready!(tokio::io::AsyncRead::poll_read(Pin::new(&mut this.stream), context, &mut read))?;
        this.sanitizer.pass(read.filled_mut());
        Poll::Ready(Ok(read.filled().len()))
    }
}

impl AsyncWrite for BrokerSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(self.stream(), context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write_vectored(self.stream(), context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(self.stream(), context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(self.stream(), context)
    }
}
