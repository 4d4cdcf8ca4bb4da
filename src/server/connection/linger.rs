//! The end of a connection: its last answer must arrive.
//!
//! Used by `service`, after the dispatcher and its buffers are gone. A socket that is closed with unread bytes
//! takes back what was written to it, so what still comes is read and thrown away for a little while.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// So much is read and thrown away.
const BYTES_MAX: usize = 64 * 1024;
/// For so long.
const TIME_MAX: Duration = Duration::from_secs(1);
const PIECE_BYTES: usize = 4 * 1024;

/// Says that nothing more comes, and waits for the client to say so too.
pub(super) async fn linger(tcp: &RefCell<TcpStream>) {
    if SockRef::from(&*tcp.borrow()).shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut bytes = 0;
    // A client that sends on has had its time.
    let _ = timeout(TIME_MAX, poll_fn(|context| poll_drain(tcp, &mut bytes, context))).await;
}

fn poll_drain(tcp: &RefCell<TcpStream>, bytes: &mut usize, context: &mut Context<'_>) -> Poll<()> {
    let mut tcp = tcp.borrow_mut();
    while *bytes < BYTES_MAX {
        let mut space = [0; PIECE_BYTES];
        let mut received = ReadBuf::new(&mut space);
        match ready!(Pin::new(&mut *tcp).poll_read(context, &mut received)) {
            Ok(()) if !received.filled().is_empty() => *bytes += received.filled().len(),
            Ok(()) | Err(_) => break,
        }
    }
    Poll::Ready(())
}
