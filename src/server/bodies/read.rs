//! Collects a body within its limits, which hold while it arrives: size, time, rate, memory.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::Limits;
use super::super::address::ClientAddress;
use super::super::error::ReceiveError;
use super::pool::{BodyLease, GiveUp};
use super::{BodyMemory, PoolFull, SMALL_BODY_BYTES};

/// The rate of a body is looked at in steps of this; the first step is free.
const RATE_STEP: Duration = Duration::from_secs(2);
/// The least that is allocated for a body of an unknown length.
const CAPACITY_MIN: usize = 4 * 1024;

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct BodyLimits {
    pub bytes_max: usize,
    pub timeout: Duration,
    /// Least bytes in a second, after the first two.
    pub rate_min: u64,
}

impl BodyLimits {
    pub(in super::super) fn of(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.body_bytes_max,
            timeout: limits.connection.body_timeout,
            rate_min: limits.body_rate_min,
        }
    }
}

/// The whole body, and the memory it holds. `announced`: its length, if the client told it.
pub(in super::super) async fn read_body(
    payload: Payload,
    announced: Option<usize>,
    address: ClientAddress,
    limits: BodyLimits,
    memory: &BodyMemory,
) -> Result<(Bytes, BodyLease), ReceiveError> {
    let lease = memory.lease(address, announced);
    let arrival = Arrival::new(payload, Arc::clone(lease.signal()), limits);
    let bytes_max = announced.unwrap_or(limits.bytes_max);
    let collector =
        BodyCollector { arrival, lease, segments: Vec::new(), received: 0, bytes_max, memory };
    collector.collect().await
}

/// Collects in segments: a buffer that grows as a whole would leave as much again behind it.
struct BodyCollector<'a> {
    arrival: Arrival,
    lease: BodyLease,
    segments: Vec<Vec<u8>>,
    received: usize,
    bytes_max: usize,
    memory: &'a BodyMemory,
}

impl BodyCollector<'_> {
    async fn collect(mut self) -> Result<(Bytes, BodyLease), ReceiveError> {
        while let Some(chunk) = self.arrival.next().await? {
            if self.received + chunk.len() > self.arrival.limits.bytes_max {
                return Err(ReceiveError::TooLarge { bytes_max: self.arrival.limits.bytes_max });
            }
            self.take(&chunk)?;
            if self.received < self.bytes_max {
                self.lease.arrives();
            }
        }
        self.lease.complete()?;
        Ok((join(self.segments, self.received), self.lease))
    }

    fn take(&mut self, mut chunk: &[u8]) -> Result<(), ReceiveError> {
        while !chunk.is_empty() {
            self.make_room(chunk.len())?;
            let segment = self.segments.last_mut().expect("there is room");
            let taken = chunk.len().min(segment.capacity() - segment.len());
            segment.extend_from_slice(&chunk[..taken]);
            self.received += taken;
            chunk = &chunk[taken..];
        }
        Ok(())
    }

    /// Makes sure that the last segment has room. The first one doubles until it is full: what is held
    /// is at most twice what was received, and a segment.
    fn make_room(&mut self, bytes: usize) -> Result<(), ReceiveError> {
        let rest = self.bytes_max.saturating_sub(self.received).max(bytes);
        let (length, capacity) =
            self.segments.last().map_or((0, 0), |segment| (segment.len(), segment.capacity()));
        if length < capacity {
            return Ok(());
        }
        let is_first = self.received < SMALL_BODY_BYTES;
        let more = if is_first { bytes.max(length).max(CAPACITY_MIN) } else { SMALL_BODY_BYTES };
        let more = more.min(rest).min(SMALL_BODY_BYTES - self.received % SMALL_BODY_BYTES);
        self.memory.cover(&mut self.lease, self.received + more)?;
        self.arrival.signal = Arc::clone(self.lease.signal());
        match self.segments.last_mut() {
            Some(segment) if is_first => segment.reserve_exact(more),
            _ => self.segments.push(Vec::with_capacity(more)),
        }
        Ok(())
    }
}

/// One buffer of all segments; most bodies are one.
fn join(mut segments: Vec<Vec<u8>>, bytes: usize) -> Bytes {
    if segments.len() == 1 {
        return segments.pop().unwrap_or_default().into();
    }
    let mut body = Vec::with_capacity(bytes);
    for segment in segments {
        body.extend_from_slice(&segment);
    }
    body.into()
}

impl From<PoolFull> for ReceiveError {
    fn from(_: PoolFull) -> Self {
        Self::Busy
    }
}

/// The chunks of a body as they arrive, as long as they do so in time.
struct Arrival {
    payload: Payload,
    signal: Arc<GiveUp>,
    limits: BodyLimits,
    began: Instant,
    /// When the rate is looked at next. Made only for a body that does not come at once.
    look: Option<Pin<Box<Sleep>>>,
    /// What came since it was looked at.
    recent_bytes: u64,
    is_first_step: bool,
}

impl Arrival {
    fn new(payload: Payload, signal: Arc<GiveUp>, limits: BodyLimits) -> Self {
        let began = Instant::now();
        Self { payload, signal, limits, began, look: None, recent_bytes: 0, is_first_step: true }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, ReceiveError>> {
        match Pin::new(&mut self.payload).poll_next(context) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.recent_bytes += chunk.len() as u64;
                return Poll::Ready(Ok(Some(chunk)));
            }
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(ReceiveError::BrokenBody)),
            Poll::Ready(None) => return Poll::Ready(Ok(None)),
            Poll::Pending => {}
        }
        self.signal.reader.register(context.waker());
        if self.signal.is_given_up() {
            return Poll::Ready(Err(ReceiveError::Busy));
        }
        self.poll_deadlines(context)
    }

    fn poll_deadlines<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T, ReceiveError>> {
        let end = self.began + self.limits.timeout;
        let first = (self.began + RATE_STEP).min(end);
        let look = self.look.get_or_insert_with(|| Box::pin(sleep_until(first)));
        while look.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now >= end {
                return Poll::Ready(Err(ReceiveError::SlowBody(self.limits.timeout)));
            }
            let least = self.limits.rate_min.saturating_mul(RATE_STEP.as_secs());
            if !self.is_first_step && self.recent_bytes < least {
                return Poll::Ready(Err(ReceiveError::SlowRate(self.limits.rate_min)));
            }
            self.is_first_step = false;
            self.recent_bytes = 0;
            look.as_mut().reset((now + RATE_STEP).min(end));
        }
        Poll::Pending
    }
}
