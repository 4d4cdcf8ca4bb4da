//! What a connection is doing, since when, and how long it may.
//!
//! Shared by the parts of one connection: `stream` sees bytes, `gate` sees requests and answers,
//! `supervise` ends what is overdue. It never leaves its thread; what other threads may know of it is
//! in its entry of the `registry`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::ConnectionLimits;
use super::framing::BodyFraming;
use super::registry::{ConnectionEntry, Standing};

/// A handler with a deadline of its own for its body has so long to answer after it.
const BODY_GRACE: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Nothing of a request has come since the last answer, or ever.
    Idle,
    /// A part of a head has come.
    Head,
    /// A whole head was handed on.
    Decoding,
    /// The handler waits for the body.
    Body(BodyFraming),
    /// The request is here; its answer is not, or not all written.
    Answering,
    /// The last answer is encoded: nothing more is handed on.
    Closing,
}

/// The state of one connection.
pub(super) struct ConnectionState {
    pub(super) limits: ConnectionLimits,
    pub(super) entry: Arc<ConnectionEntry>,
    opened: Instant,
    /// After this age its next answer is its last; differs by connection, so that those that were
    /// opened together are not closed together.
    age_max: Duration,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// Since when written bytes have been waiting for the client to read.
    blocked: Cell<Option<Instant>>,
    /// The client does not go on after this request, or wants to speak something else then.
    client_ends: Cell<bool>,
    /// The answer that is given now is the last one.
    ends: Cell<bool>,
    /// The answer is encoded; it is over when all is flushed.
    is_encoded: Cell<bool>,
    /// Somebody waits to read on.
    reader: RefCell<Option<Waker>>,
}

impl ConnectionState {
    pub(super) fn new(limits: ConnectionLimits, entry: Arc<ConnectionEntry>) -> Self {
        let now = Instant::now();
        let age_max = limits.age_max.mul_f64(entry.jitter());
        Self {
            limits,
            entry,
            opened: now,
            age_max,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(now),
            blocked: Cell::default(),
            client_ends: Cell::default(),
            ends: Cell::default(),
            is_encoded: Cell::default(),
            reader: RefCell::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Goes on to another phase, whose time begins now.
    pub(super) fn enter(&self, phase: Phase) {
        self.since.set(Instant::now());
        self.phase.set(phase);
        let standing = match phase {
            // Whoever gets a last answer may be closed before it was read.
            Phase::Idle | Phase::Closing => Standing::Idle,
            Phase::Head | Phase::Decoding => Standing::SendsHead,
            Phase::Body(_) => Standing::SendsBody,
            Phase::Answering => Standing::Busy,
        };
        self.entry.stand(standing, self.since.get());
    }

    /// The handler takes the request over; it may read its body.
    pub(super) fn begin(&self, body: Option<BodyFraming>, client_ends: bool) {
        self.is_encoded.set(false);
        self.client_ends.set(client_ends);
        self.enter(body.map_or(Phase::Answering, Phase::Body));
        self.wake_reader();
    }

    /// How far the body has come.
    pub(super) fn follow_body(&self, framing: BodyFraming) {
        if framing.is_whole() {
            self.enter(Phase::Answering);
        } else {
            self.phase.set(Phase::Body(framing));
        }
    }

    /// Whether the answer that is given now is the last one of this connection.
    pub(super) fn is_last(&self) -> bool {
        // Answered before the body was read: nobody is going to.
        let is_unread = matches!(self.phase.get(), Phase::Body(_));
        let is_wanted = !is_unread && !self.client_ends.get();
        !is_wanted || self.entry.must_end() || self.opened.elapsed() > self.age_max
    }

    /// Whether the handler still waits for a body whose time is over. Those that tell so themselves had
    /// their time.
    pub(super) fn is_body_late(&self) -> bool {
        let is_body = matches!(self.phase.get(), Phase::Body(_));
        is_body && self.since.get().elapsed() > self.limits.body_timeout + BODY_GRACE
    }

    /// The answer that is given now is the last one, however long it takes. No more is read.
    pub(super) fn end(&self) {
        self.ends.set(true);
        self.enter(Phase::Answering);
    }

    /// The answer was given to the dispatcher whole.
    pub(super) fn answer_encoded(&self) {
        self.is_encoded.set(true);
        if self.ends.get() {
            self.enter(Phase::Closing);
        }
    }

    /// All that was written has left.
    pub(super) fn flushed(&self, context: &Context<'_>) {
        self.blocked.set(None);
        match self.phase.get() {
            Phase::Answering if self.is_encoded.get() => {
                self.enter(Phase::Idle);
                self.wake_reader();
            }
            // What the dispatcher would read next tells it that there is no more.
            Phase::Closing if self.is_encoded.replace(false) => context.waker().wake_by_ref(),
            _ => {}
        }
    }

    /// Something was written, all of it or not. While an answer is being made, each step of its reader
    /// counts; once it is complete the reader has one deadline for the rest.
    pub(super) fn wrote(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked.set(None);
        } else if self.blocked.get().is_none() || !self.is_encoded.get() {
            self.blocked.set(Some(Instant::now()));
        }
    }

    /// A write found no room.
    pub(super) fn write_blocked(&self) {
        if self.blocked.get().is_none() {
            self.blocked.set(Some(Instant::now()));
        }
    }

    /// Who reads is woken when the phase allows it to go on.
    pub(super) fn wait_to_read(&self, context: &Context<'_>) {
        let mut reader = self.reader.borrow_mut();
        match reader.as_mut() {
            Some(reader) => reader.clone_from(context.waker()),
            None => *reader = Some(context.waker().clone()),
        }
    }

    fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Whether it has to end now.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        // A request that came after it was chosen is still answered: it is the last.
        if self.entry.gives_way() && !matches!(self.phase.get(), Phase::Answering) {
            return true;
        }
        let passed = now.saturating_duration_since(self.since.get());
        let limits = &self.limits;
        let is_blocked = self.blocked.get().is_some_and(|since| {
            now.saturating_duration_since(since) > limits.write_timeout || self.entry.is_stopping()
        });
        is_blocked
            || match self.phase.get() {
                Phase::Idle if self.entry.is_stopping() => true,
                Phase::Idle if self.entry.was_served() => {
                    passed > limits.idle_timeout || self.opened.elapsed() > self.age_max
                }
                Phase::Idle => passed > limits.head_timeout,
                Phase::Head | Phase::Decoding => passed > limits.head_timeout,
                // A late body is answered; this is for who did not let that happen.
                Phase::Body(_) => passed > limits.body_timeout + limits.write_timeout,
                // Handlers have limits of their own.
                Phase::Answering => false,
                Phase::Closing => passed > limits.write_timeout,
            }
    }
}
