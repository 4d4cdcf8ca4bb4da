//! A local socket in front of a database server, for a driver that leaves Nagle's algorithm on.
//!
//! sqlx 0.9.0 does not set `TCP_NODELAY` (its issue 4335, mended after that release). A statement
//! larger than a segment then waits some 40 ms for the server's delayed ack, and a batch is a dozen
//! of them. sqlx can be told to use a Unix socket instead; each connection to it is carried to the
//! server byte for byte, with the option set. TLS, names of hosts and passwords stay between sqlx
//! and the server. The folder of the socket is its owner's alone.
//!
//! To be removed with the first sqlx that sets the option.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use tokio::io::{BufReader, copy_buf};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::telemetry::cause::Causes;

/// Bytes carried at a time: a statement with a batch of bodies has a megabyte, a socket's buffer a fifth.
const STATEMENT_BYTES: usize = 256 * 1024;

/// Carries connections until it is dropped.
pub(in crate::store) struct Relay {
    folder: TempDir,
    accepting: JoinHandle<()>,
}

/// Where connections go.
struct Server {
    host: String,
    port: u16,
    /// Whether it is known to be away: said once, not for each attempt.
    is_away: AtomicBool,
}

impl Relay {
    /// Opens a socket of this name in a folder of its own.
    pub(super) fn open(host: &str, port: u16, name: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("waha-ingest-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(name))?;
        let is_away = AtomicBool::new(false);
        let server = Arc::new(Server { host: host.to_owned(), port, is_away });
        Ok(Self { folder, accepting: tokio::spawn(accept(listener, server)) })
    }

    /// The folder of the socket.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The socket of this name.
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: UnixListener, server: Arc<Server>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(Arc::clone(&server).carry(client));
    }
}

impl Server {
    /// Ends with whichever side ends first, so a server that hangs holds nothing here.
    async fn carry(self: Arc<Self>, client: UnixStream) {
        let server = match self.connect().await {
            Ok(server) => server,
            Err(error) => return self.report(&error),
        };
        self.is_away.store(false, Ordering::Relaxed);
        let (from_client, mut to_client) = client.into_split();
        let (from_server, mut to_server) = server.into_split();
        let mut from_client = BufReader::with_capacity(STATEMENT_BYTES, from_client);
        let mut from_server = BufReader::new(from_server);
        tokio::select! {
            _ = copy_buf(&mut from_client, &mut to_server) => {}
            _ = copy_buf(&mut from_server, &mut to_client) => {}
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let server = TcpStream::connect((self.host.as_str(), self.port)).await?;
        server.set_nodelay(true)?;
        Ok(server)
    }

    /// The driver sees no more than a connection that ends.
    fn report(&self, error: &io::Error) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error = %Causes(error),
                "can't reach the database server"
            );
        }
    }
}
