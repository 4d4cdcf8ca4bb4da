//! Publishing: persistent, mandatory, confirmed, many at a time over a few channels.
//!
//! Called by `rabbitmq.rs` for new webhooks and retries. What must stay true: `Ok` means that the
//! broker confirmed this very message, and one that it refuses fails alone.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::error::BrokerError;
use super::topology::{Address, Topology};

/// Channels of a connection. One does 25,000 a second here, four do 40,000, more no better.
const CHANNELS: usize = 4;

/// How long the broker may take to confirm; callers who need an answer earlier stop waiting.
const CONFIRM_MAX: Duration = Duration::from_secs(30);

thread_local! {
    /// The thread's number among those that publish.
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// Open channels in confirm mode.
pub(super) struct Outlet {
    connection: Arc<Connection>,
    lines: Vec<Line>,
}

/// A channel that messages go out on, in turns.
struct Line {
    channel: Arc<Channel>,
    turn: Lock<()>,
}

/// For steps that must not mix. The broker counts messages as they come in, lapin when it is called: the
/// two agree only if both happen in one step.
pub(super) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(super) fn new(inner: T) -> Self {
        Self(Mutex::new(inner))
    }

    /// Does a step that must not mix with others.
    pub(super) fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Outlet {
    /// Declares everything and opens the channels.
    pub(super) async fn open(
        connection: Arc<Connection>,
        topology: &Topology,
    ) -> Result<Self, BrokerError> {
        topology.declare(&connection.create_channel().await?).await?;
        let mut lines = Vec::with_capacity(CHANNELS);
        for _ in 0..CHANNELS {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
            lines.push(Line { channel: Arc::new(channel), turn: Lock::new(()) });
        }
        Ok(Self { connection, lines })
    }

    /// The connection, for counting.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether all channels can be used.
    pub(super) fn is_sound(&self) -> bool {
        self.lines.iter().all(|line| line.channel.status().connected())
    }

    /// Always the same for a thread, because threads that share one wait for each other.
    fn line(&self) -> &Line {
        &self.lines[THREAD.with(|number| number % self.lines.len())]
    }

    /// Publishes and waits for the confirm.
    pub(super) async fn publish(
        &self,
        to: Address,
        properties: BasicProperties,
        body: bytes::Bytes,
    ) -> Result<(), BrokerError> {
        if self.connection.status().blocked() {
            return Err(BrokerError::Blocked);
        }
        let line = self.line();
        let mut call = SeenThrough::new(publish(Arc::clone(&line.channel), to, properties, body));
        let mut turn = Some(&line.turn);
        // The first step hands the message over.
        let confirming = poll_fn(|context| match turn.take() {
            Some(turn) => turn.with(|()| call.poll_unpin(context)),
            None => call.poll_unpin(context),
        });
        timeout(CONFIRM_MAX, confirming)
            .await
            .unwrap_or(Err(BrokerError::Silent(CONFIRM_MAX.as_secs())))
    }
}

async fn publish(
    channel: Arc<Channel>,
    to: Address,
    properties: BasicProperties,
    body: bytes::Bytes,
) -> Result<(), BrokerError> {
    let id = properties.message_id().clone();
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let Address { exchange, routing_key } = to;
    let confirm = channel.basic_publish(exchange, routing_key, options, &body, properties).await?;
    confirmed(confirm, id.as_ref().map(lapin::types::ShortString::as_str)).await
}

/// A call that goes on in a task of its own if its caller stops waiting: a confirm must not be
/// dropped while it waits, or lapin would keep it for ever.
struct SeenThrough<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F: Future<Output: Send> + Send + 'static> SeenThrough<F> {
    fn new(call: F) -> Self {
        Self(Some(Box::pin(call)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for SeenThrough<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(call) = self.0.as_mut() else { return Poll::Pending };
        let ended = call.as_mut().poll(context);
        if ended.is_ready() {
            self.0 = None;
        }
        ended
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for SeenThrough<F> {
    fn drop(&mut self) {
        // Without a runtime the connection is going down as well.
        if let (Some(call), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(call);
        }
    }
}

/// Does the first step of a call to lapin, in which it hands its frames over; the caller awaits it
/// then, which asks for its waker again.
pub(super) fn begin<F: Future>(call: Pin<&mut F>) -> Poll<F::Output> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

async fn confirmed(confirm: PublisherConfirm, id: Option<&str>) -> Result<(), BrokerError> {
    match confirm.await? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            let returned_id = returned.properties.message_id().as_ref();
            if returned_id.map(lapin::types::ShortString::as_str) != id {
                // Only if the broker confirms several at once of which it returned one.
                tracing::error!(
                    "the broker returned a message together with others: no queue of ours is bound to its exchange"
                );
            }
            Err(BrokerError::Refused(returned.reply_text.to_string()))
        }
        Confirmation::Nack(None) => Err(BrokerError::Refused("not confirmed".to_owned())),
        Confirmation::NotRequested => Err(BrokerError::Closed),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_call_goes_on_when_its_caller_stops_waiting() {
        let (go_on, told) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let call = SeenThrough::new(async move {
            told.await.unwrap();
            done.send("seen through").unwrap();
        });
        assert!(timeout(Duration::ZERO, call).await.is_err());
        go_on.send(()).unwrap();
        assert_eq!(is_done.await, Ok("seen through"));
    }
}
