//! Publishing: persistent, mandatory, confirmed, many at a time over a few channels.
//!
//! Called by `rabbitmq.rs` for new webhooks and retries. Invariant: `Ok` means that the
//! broker confirmed this very message; `confirms` says when that is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};
use tokio::time::{Instant, timeout};

use super::confirms::{Answer, Confirms};
use super::connection::Usable;
use super::error::BrokerError;
use super::lock::Lock;
use super::refusals::Refusals;
use super::topology::{Address, Topology};
use crate::queue::Lane;
use crate::telemetry::cause::Causes;

/// Channels of a lane. One does 25,000 a second here, four do 40,000, more no better.
const CHANNELS: usize = 4;

/// How long the broker may take to confirm; callers who need an answer earlier stop waiting.
const CONFIRM_MAX: Duration = Duration::from_secs(5);

/// A new connection may take so long to confirm what is no webhook; later only real use tells.
const FIRST_CONFIRM_MAX: Duration = Duration::from_secs(2);

/// So many publishes, each begun after the one before it was given up, and a connection is of no use,
/// though it lives: its node may be cut off from the others.
const UNANSWERED_MAX: usize = 2;

thread_local! {
    /// The thread's number among those that publish.
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// Open channels in confirm mode.
///
/// The broker's process of a channel waits for the leader of a quorum queue that it publishes to for the first
/// time, for half a minute, and so does all that comes after on that channel. So no lane shares one with
/// another, nor with probes: a queue that lost its leader when the broker was killed would deafen the others.
pub(super) struct Publisher {
    connection: Arc<Connection>,
    /// By lane.
    channels: Vec<[ConfirmChannel; CHANNELS]>,
    /// No webhook goes out on it.
    probing: ConfirmChannel,
    silence: Silence,
    refusals: Refusals,
    /// Held while what the broker lacks is declared again.
    mending: Arc<tokio::sync::Mutex<()>>,
}

/// A channel that messages go out on.
struct ConfirmChannel {
    channel: Arc<Channel>,
    confirms: Confirms,
}

impl Publisher {
    /// Declares everything, opens the channels, and has something confirmed that is no webhook.
    pub(super) async fn open(
        connection: Arc<Connection>,
        topology: &Topology,
    ) -> Result<Self, BrokerError> {
        topology.declare(&connection.create_channel().await?).await?;
        let mut channels = Vec::with_capacity(Lane::ALL.len());
        for _ in Lane::ALL {
            let opened = [(); CHANNELS].map(|()| ConfirmChannel::open(&connection));
            let opened = try_join_all(opened).await?;
            channels.push(opened.try_into().map_err(|_| BrokerError::Closed)?);
        }
        let probing = ConfirmChannel::open(&connection).await?;
        let (silence, refusals, mending) = <(Silence, Refusals, Arc<_>)>::default();
        let publisher = Self { connection, channels, probing, silence, refusals, mending };
        // Only a missing right is final. Whatever else fails here may not fail for the lanes.
        match timeout(FIRST_CONFIRM_MAX, publisher.probe(topology)).await {
            Ok(Err(error)) if error.is_permission() => Err(error),
            _ => Ok(publisher),
        }
    }

    /// The connection, for counting.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Has the broker confirm something that is no webhook, on the way that webhooks go.
    pub(super) async fn probe(&self, topology: &Topology) -> Result<(), BrokerError> {
        // Gone with a restart, which is no matter: nobody reads it.
        self.require_unblocked()?;
        let (properties, body) = (BasicProperties::default(), bytes::Bytes::new());
        self.probing.publish(topology.probe(), properties, body).await
    }

    /// Declares everything again, because a queue is gone. In a task: nobody has to wait for that.
    pub(super) fn mend(self: &Arc<Self>, topology: &Topology) {
        let Ok(mending) = Arc::clone(&self.mending).try_lock_owned() else { return };
        let publisher = Arc::clone(self);
        let topology = topology.clone();
        tokio::spawn(async move {
            let declared =
                async { topology.declare(&publisher.connection.create_channel().await?).await };
            match declared.await {
                Ok(()) => tracing::warn!("a queue was gone from the broker and was made again"),
                Err(error) => {
                    tracing::warn!(
                        error = %Causes(&error),
                        "a queue is gone from the broker and can't be made again"
                    );
                }
            }
            drop(mending);
        });
    }

    /// Always the same for a thread, because threads that share one wait for each other.
    fn channel(&self, lane: Lane) -> &ConfirmChannel {
        &self.channels[lane as usize][THREAD.with(|number| number % CHANNELS)]
    }

    /// Publishes something of a lane and waits for the confirm.
    pub(super) async fn publish(
        &self,
        lane: Lane,
        to: Address,
        properties: BasicProperties,
        body: bytes::Bytes,
    ) -> Result<(), BrokerError> {
        self.require_unblocked()?;
        let bytes = body.len() as u64;
        let attempt = Attempt::begin(&self.silence);
        let answer = self.channel(lane).publish(to.clone(), properties, body).await;
        if matches!(answer, Err(BrokerError::Silent(_))) {
            return answer;
        }
        attempt.answered();
        self.refusals.note(&to, &answer);
        match answer {
            // The broker closes the channel for it; the others on it are not too large.
            Err(BrokerError::TooLarge { bytes_max }) if bytes <= bytes_max => {
                Err(BrokerError::Closed)
            }
            answer => answer,
        }
    }

    fn require_unblocked(&self) -> Result<(), BrokerError> {
        if self.connection.status().blocked() { Err(BrokerError::Blocked) } else { Ok(()) }
    }
}

impl ConfirmChannel {
    async fn open(connection: &Connection) -> Result<Self, BrokerError> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
        Ok(Self { channel: Arc::new(channel), confirms: Confirms::default() })
    }

    /// Publishes and waits for the confirm, at most [`CONFIRM_MAX`].
    async fn publish(
        &self,
        to: Address,
        properties: BasicProperties,
        body: bytes::Bytes,
    ) -> Result<(), BrokerError> {
        let call = publish(Arc::clone(&self.channel), to, properties, body);
        let answer = timeout(CONFIRM_MAX, self.confirms.begin(call.boxed())).await;
        answer.map_err(|_| BrokerError::Silent(CONFIRM_MAX.as_secs()))?
    }
}

impl Usable for Publisher {
    fn is_usable(&self) -> bool {
        let mut channels = self.channels.iter().flatten().chain([&self.probing]);
        !self.silence.is_too_long()
            && !self.refusals.last_too_long()
            && channels.all(|it| it.channel.status().connected())
    }
}

async fn publish(
    channel: Arc<Channel>,
    to: Address,
    properties: BasicProperties,
    body: bytes::Bytes,
) -> Answer {
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let Address { exchange, routing_key } = to;
    let confirm = channel.basic_publish(exchange, routing_key, options, &body, properties).await;
    drop(body);
    match confirm {
        Ok(confirm) => answer(confirm).await,
        Err(error) => Answer::Failed(error.into()),
    }
}

async fn answer(confirm: PublisherConfirm) -> Answer {
    match confirm.await {
        Ok(Confirmation::Ack(None)) => Answer::Confirmed,
        Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
            Answer::Returned(format!("{} {}", returned.reply_text, returned.routing_key))
        }
        Ok(Confirmation::Nack(None)) => Answer::Failed(BrokerError::NotTaken),
        Ok(Confirmation::NotRequested) => Answer::Failed(BrokerError::Closed),
        Err(error) => Answer::Failed(error.into()),
    }
}

/// How many publishes in a row the broker left unanswered, whatever the answer would have been.
#[derive(Default)]
struct Silence {
    unanswered: AtomicUsize,
    /// When the last of them was given up.
    given_up_at: Lock<Option<Instant>>,
}

impl Silence {
    fn is_too_long(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= UNANSWERED_MAX
    }

    fn is_broken(&self) {
        // Nearly always 0 already; then nothing is written that other threads read.
        if self.unanswered.load(Ordering::Relaxed) > 0 {
            self.unanswered.store(0, Ordering::Relaxed);
        }
    }

    /// Those that were on their way at the same time count once.
    fn goes_on(&self, begun: Instant) {
        self.given_up_at.with(|given_up_at| {
            if given_up_at.is_none_or(|at| begun >= at) {
                *given_up_at = Some(Instant::now());
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// One publish; dropped, it was left unanswered for as long as its caller could wait.
struct Attempt<'a> {
    silence: &'a Silence,
    begun: Instant,
    is_answered: bool,
}

impl<'a> Attempt<'a> {
    fn begin(silence: &'a Silence) -> Self {
        Self { silence, begun: Instant::now(), is_answered: false }
    }

    fn answered(mut self) {
        self.is_answered = true;
        self.silence.is_broken();
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.silence.goes_on(self.begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_tries_one_after_the_other_are_a_silence_and_an_answer_breaks_it() {
        let silence = Silence::default();
        let at_once = [(); 64].map(|()| Attempt::begin(&silence));
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(at_once);
        assert!(!silence.is_too_long(), "they are one try");
        Attempt::begin(&silence).answered();
        drop(Attempt::begin(&silence));
        assert!(!silence.is_too_long(), "one since the answer");
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(Attempt::begin(&silence));
        assert!(silence.is_too_long());
    }
}
