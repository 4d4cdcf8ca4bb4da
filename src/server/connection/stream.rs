//! The stream that the dispatcher reads from and writes to: hands on one request at a time.
//!
//! Actix decodes whatever it is given, up to 128 KiB at once, before a handler is asked, and goes on
//! reading while nobody reads its answers. So this stream gives it a head only when it is whole, then
//! the bytes of its body, and nothing of the next request before the answer has left. What must stay
//! true: a connection holds what was received of a head, never more than [`HEAD_BYTES_MAX`], and of a
//! body what was taken by its handler and one turn.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::framing::{BodyFraming, HeadScanner};
use super::phase::{ConnectionState, Phase};

/// Longest head of a request.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How much is handed on before the dispatcher decodes it; its buffers grow no larger.
const TURN_BYTES: usize = 8 * 1024;
/// After a refusal so much is still read and thrown away, so that the answer arrives.
const DRAIN_BYTES_MAX: usize = 64 * 1024;
/// And for so long.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

thread_local! {
    /// What one read brings, before it is known whose it is.
    static SCRATCH: RefCell<Box<[u8; TURN_BYTES]>> = RefCell::new(Box::new([0; TURN_BYTES]));
}

/// A connection's stream.
pub(super) struct GuardedStream {
    tcp: TcpStream,
    state: Rc<ConnectionState>,
    /// Received and not handed on yet.
    ahead: BytesMut,
    scanner: HeadScanner,
    /// How much of a whole head is still to be handed on.
    head_rest: usize,
    /// How much may still be handed on in this turn.
    turn_rest: usize,
    drain: Option<Drain>,
}

/// What comes after a refusal is read and thrown away, within limits.
struct Drain {
    bytes: usize,
    end: Pin<Box<Sleep>>,
}

impl GuardedStream {
    pub(super) fn new(tcp: TcpStream, state: Rc<ConnectionState>) -> Self {
        Self {
            tcp,
            state,
            ahead: BytesMut::new(),
            scanner: HeadScanner::default(),
            head_rest: 0,
            turn_rest: TURN_BYTES,
            drain: None,
        }
    }

    pub(super) fn state(&self) -> &Rc<ConnectionState> {
        &self.state
    }

    /// Waits for a whole head; false if the client left before.
    pub(super) fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.head_rest == 0 {
            if let Some(end) = self.scanner.find_end(&self.ahead) {
                self.scanner = HeadScanner::default();
                self.head_rest = end;
                self.state.enter(Phase::Decoding);
                break;
            }
            if self.ahead.len() >= HEAD_BYTES_MAX {
                // If even this finds no room, the client learns it from the closed connection.
                let _ = self.tcp.try_write(HEAD_TOO_LARGE);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if !self.ahead.is_empty() && matches!(self.state.phase(), Phase::Idle) {
                self.state.enter(Phase::Head);
            }
            if ready!(self.poll_fill(context, TURN_BYTES))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Receives more; 0 if the client is done.
    fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        let Self { tcp, ahead, .. } = self;
        SCRATCH.with_borrow_mut(|scratch| {
            let mut received = ReadBuf::new(&mut scratch[..bytes_max.min(TURN_BYTES)]);
            ready!(Pin::new(tcp).poll_read(context, &mut received))?;
            ahead.extend_from_slice(received.filled());
            Poll::Ready(Ok(received.filled().len()))
        })
    }

    /// Hands on the first bytes of what was received.
    fn hand_on(&mut self, bytes: usize, into: &mut ReadBuf<'_>) {
        into.put_slice(&self.ahead[..bytes]);
        self.turn_rest -= bytes;
        if bytes == self.ahead.len() {
            // Idle connections keep no buffer.
            self.ahead = BytesMut::new();
        } else {
            self.ahead.advance(bytes);
        }
    }

    fn room(&self, into: &ReadBuf<'_>) -> usize {
        into.remaining().min(self.turn_rest)
    }

    fn hand_on_head(&mut self, into: &mut ReadBuf<'_>) {
        let bytes = self.head_rest.min(self.room(into));
        self.head_rest -= bytes;
        self.hand_on(bytes, into);
    }

    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        mut framing: BodyFraming,
    ) -> Poll<io::Result<()>> {
        let room = self.room(into);
        if self.ahead.is_empty() && ready!(self.poll_fill(context, room))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let bytes = framing.take(&self.ahead[..room.min(self.ahead.len())]);
        self.hand_on(bytes, into);
        self.state.follow_body(framing);
        Poll::Ready(Ok(()))
    }

    /// Nothing may be handed on now. Who waits is woken by what comes in, else when the phase changes.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_more = !self.ahead.is_empty() || self.tcp.poll_read_ready(context).is_ready();
        if has_more {
            self.state.wait_to_read(context);
        }
        Poll::Pending
    }

    fn poll_phase(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.state.phase() {
            Phase::Idle | Phase::Head => {
                if ready!(self.poll_head(context))? {
                    self.hand_on_head(into);
                }
                Poll::Ready(Ok(()))
            }
            Phase::Decoding if self.head_rest > 0 => {
                self.hand_on_head(into);
                Poll::Ready(Ok(()))
            }
            Phase::Body(framing) => self.poll_body(context, into, framing),
            Phase::Decoding | Phase::Answering => self.wait(context),
            // The end of the stream: the dispatcher writes its answer and closes.
            Phase::Closing => Poll::Ready(Ok(())),
        }
    }

    /// Reads on for a little while after the last answer: a socket that is closed with unread bytes
    /// takes the answer back.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Self { tcp, drain, .. } = self;
        let drain =
            drain.get_or_insert_with(|| Drain { bytes: 0, end: Box::pin(sleep(DRAIN_TIME_MAX)) });
        if drain.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        SCRATCH.with_borrow_mut(|scratch| {
            while drain.bytes < DRAIN_BYTES_MAX {
                let mut received = ReadBuf::new(&mut scratch[..]);
                match ready!(Pin::new(&mut *tcp).poll_read(context, &mut received)) {
                    Ok(()) if !received.filled().is_empty() => {
                        drain.bytes += received.filled().len();
                    }
                    Ok(()) | Err(_) => break,
                }
            }
            Poll::Ready(())
        })
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn_rest == 0 {
            // The dispatcher reads until there is nothing more: now it decodes first.
            context.waker().wake_by_ref();
            self.turn_rest = TURN_BYTES;
            return Poll::Pending;
        }
        let read = self.poll_phase(context, into);
        if read.is_pending() {
            self.turn_rest = TURN_BYTES;
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        match &written {
            Poll::Ready(Ok(count)) => self.state.wrote(*count < bytes.len()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.state.write_blocked(),
        }
        written
    }

    /// The dispatcher asks for it when all that it had is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tcp).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.state.flushed(context);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.drain.is_none() {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(context))?;
        }
        match self.state.phase() {
            // Decoding: what came was no request.
            Phase::Closing | Phase::Decoding => self.poll_drain(context).map(Ok),
            Phase::Idle | Phase::Head | Phase::Body(_) | Phase::Answering => Poll::Ready(Ok(())),
        }
    }
}
