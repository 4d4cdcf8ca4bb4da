//! The stream that the dispatcher reads from and writes to: hands on one request at a time.
//!
//! Actix decodes whatever it is given, up to 128 KiB at once, before a handler is asked, and goes on
//! reading while nobody reads its answers. So this stream gives it a head only when it is whole, then
//! the bytes of its body, and nothing of the next request before the answer has left. What must stay
//! true: a connection holds what was received of a head, never more than [`HEAD_BYTES_MAX`], and of a
//! body what was taken by its handler and one turn, in one piece.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::chunks::ChunkDecoder;
use super::framing::{BodyFraming, HeadScanner};
use super::phase::{ConnectionState, Phase};

/// Longest head of a request: as much as the dispatcher's first buffer takes without growing. It keeps that
/// buffer while the body arrives.
const HEAD_BYTES_MAX: usize = 7 * 1024;
/// How much is handed on before the dispatcher decodes it; its buffers grow no larger.
const TURN_BYTES: usize = 8 * 1024;
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

thread_local! {
    /// What one read brings, before it is known whose it is.
    static SCRATCH: RefCell<Box<[u8; TURN_BYTES]>> = RefCell::new(Box::new([0; TURN_BYTES]));
}

/// A connection's stream.
pub(super) struct GuardedStream {
    /// Shared with who ends the connection after the dispatcher.
    tcp: Rc<RefCell<TcpStream>>,
    state: Rc<ConnectionState>,
    /// Received and not handed on yet.
    ahead: BytesMut,
    scanner: HeadScanner,
    /// How much of a whole head is still to be handed on.
    head_rest: usize,
    /// How much may still be handed on in this turn.
    turn_rest: usize,
}

impl GuardedStream {
    pub(super) fn new(tcp: Rc<RefCell<TcpStream>>, state: Rc<ConnectionState>) -> Self {
        Self {
            tcp,
            state,
            ahead: BytesMut::new(),
            scanner: HeadScanner::default(),
            head_rest: 0,
            turn_rest: TURN_BYTES,
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
                self.refuse(HEAD_TOO_LARGE);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if !self.ahead.is_empty() && matches!(self.state.phase(), Phase::Idle) {
                self.state.enter(Phase::Head);
            }
            if ready!(self.poll_fill(context, HEAD_BYTES_MAX - self.ahead.len()))? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Answers what is no request. If even this finds no room, the client learns it from the closed
    /// connection.
    fn refuse(&self, answer: &[u8]) {
        let _ = self.tcp.borrow().try_write(answer);
        self.state.enter(Phase::Closing);
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
            ready!(Pin::new(&mut *tcp.borrow_mut()).poll_read(context, &mut received))?;
            ahead.extend_from_slice(received.filled());
            Poll::Ready(Ok(received.filled().len()))
        })
    }

    /// Hands on the first bytes of what was received.
    fn hand_on(&mut self, bytes: usize, into: &mut ReadBuf<'_>) {
        into.put_slice(&self.ahead[..bytes]);
        self.consume(bytes);
    }

    fn consume(&mut self, bytes: usize) {
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
        framing: BodyFraming,
    ) -> Poll<io::Result<()>> {
        match framing {
            BodyFraming::Length(rest) => self.poll_length(context, into, rest),
            BodyFraming::Chunks(decoder) => self.poll_chunks(context, into, decoder),
        }
    }

    fn poll_length(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        rest: u64,
    ) -> Poll<io::Result<()>> {
        let room = usize::try_from(rest).unwrap_or(usize::MAX).min(self.room(into));
        if self.ahead.is_empty() && ready!(self.poll_fill(context, room))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let bytes = room.min(self.ahead.len());
        self.hand_on(bytes, into);
        self.state.follow_body(BodyFraming::Length(rest - bytes as u64));
        Poll::Ready(Ok(()))
    }

    /// Reads on until there is something to hand on: nothing would mean the end of the stream.
    fn poll_chunks(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        mut decoder: ChunkDecoder,
    ) -> Poll<io::Result<()>> {
        let filled = into.filled().len();
        while into.filled().len() == filled {
            let room = self.turn_rest;
            if room == 0 {
                return self.end_turn(context);
            }
            if self.ahead.is_empty() && ready!(self.poll_fill(context, room))? == 0 {
                return Poll::Ready(Ok(()));
            }
            let bytes = decoder.hand_on(&self.ahead[..room.min(self.ahead.len())], into);
            if bytes == 0 {
                return self.end_turn(context);
            }
            self.consume(bytes);
            self.state.follow_body(BodyFraming::Chunks(decoder));
        }
        Poll::Ready(Ok(()))
    }

    /// The dispatcher reads until there is nothing more: now it decodes first.
    fn end_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        context.waker().wake_by_ref();
        self.turn_rest = TURN_BYTES;
        Poll::Pending
    }

    /// Nothing may be handed on now. Who waits is woken by what comes in, else when the phase changes.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_more =
            !self.ahead.is_empty() || self.tcp.borrow().poll_read_ready(context).is_ready();
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
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn_rest == 0 {
            return self.end_turn(context);
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
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.state.phase(), Phase::Decoding) {
            // What came is no request. What actix says to that does not tell that it is the last answer.
            self.refuse(BAD_REQUEST);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut *self.tcp.borrow_mut()).poll_write(context, bytes);
        match &written {
            Poll::Ready(Ok(count)) => self.state.wrote(*count < bytes.len()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.state.write_blocked(),
        }
        written
    }

    /// The dispatcher asks for it when all that it had is written.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.tcp.borrow_mut()).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.state.flushed(context);
        }
        flushed
    }

    /// Who ends the connection does it after the dispatcher.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
