//! A connection that is made again for ever, and what is set up on it each time.
//!
//! Used by `publish` and `consume`, each with a connection of its own, because a broker in alarm
//! stops reading from connections that publish, and acks must still pass.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Event};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::BrokerError;
use super::options::{HEARTBEAT_S, Options};
use super::socket;
use crate::outage::Outage;
use crate::telemetry::cause::Causes;

/// How long connecting may take, before the next URL is tried.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long declaring may take. A new cluster takes a while to make its queues.
const SET_UP_MAX: Duration = Duration::from_secs(30);

/// How often a connection is looked at beside its events.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is set up on each new connection.
pub(super) type SetUp<T> =
    Box<dyn Fn(Arc<Connection>) -> BoxFuture<'static, Result<T, BrokerError>> + Send + Sync>;

/// The URLs in force, tried in turn; new ones are taken over while the old connection lives.
pub(super) type Urls = Arc<[SecretString]>;

/// What knows of itself whether it is of use. A connection may live and carry nothing.
pub(super) trait Usable {
    /// Whether it should be kept.
    fn is_usable(&self) -> bool;
}

/// A connection that is made again for ever. Dropping it closes the connection.
pub(super) struct Reconnecting<T> {
    state: watch::Receiver<State<T>>,
    /// The number of the last connection of which something broke, though it lives.
    broken: watch::Sender<u64>,
    _stop: DropGuard,
}

enum State<T> {
    /// Nothing is known yet.
    Starting,
    Up(Connected<T>),
    Down(BrokerError),
}

/// A connection with what was set up on it.
struct Connected<T> {
    number: u64,
    up: Arc<T>,
    connection: Arc<Connection>,
}

impl<T> Clone for Connected<T> {
    fn clone(&self) -> Self {
        let (up, connection) = (Arc::clone(&self.up), Arc::clone(&self.connection));
        Self { number: self.number, up, connection }
    }
}

impl<T> State<T> {
    /// What is set up, or why nothing is; none while nothing is known yet.
    fn known(&self) -> Option<Result<Arc<T>, BrokerError>> {
        match self {
            Self::Starting => None,
            Self::Up(connected) => Some(Ok(Arc::clone(&connected.up))),
            Self::Down(error) => Some(Err(error.clone())),
        }
    }
}

impl<T: Usable + Send + Sync + 'static> Reconnecting<T> {
    /// Starts connecting.
    pub(super) fn start(
        options: Arc<Options>,
        urls: watch::Receiver<Urls>,
        set_up: SetUp<T>,
    ) -> Self {
        let (sender, state) = watch::channel(State::Starting);
        let broken = watch::Sender::new(0);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            options,
            urls,
            set_up,
            state: sender,
            broken: broken.subscribe(),
            tries: 0,
            number: 0,
        };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(keeper.run()).await });
        Self { state, broken, _stop: stop.drop_guard() }
    }

    /// What is set up, or why nothing is. Waits only while nothing is known yet.
    pub(super) async fn get(&self) -> Result<Arc<T>, BrokerError> {
        // Every publish asks; a receiver of its own would cost it more than the answer.
        let known = self.state.borrow().known();
        if let Some(known) = known {
            return known;
        }
        let mut state = self.state.clone();
        let known = state.wait_for(|state| state.known().is_some()).await;
        known.ok().and_then(|state| state.known()).unwrap_or(Err(BrokerError::Closed))
    }

    /// What is set up now, if anything is.
    pub(super) fn up(&self) -> Option<Arc<T>> {
        self.state.borrow().known()?.ok()
    }

    /// What is set up; waits for it until `deadline`, or while nothing is known yet.
    pub(super) async fn get_until(&self, deadline: Instant) -> Result<Arc<T>, BrokerError> {
        if let Ok(up) = self.get().await {
            return Ok(up);
        }
        let mut state = self.state.clone();
        let up = state.wait_for(|state| matches!(state, State::Up(_)));
        // Either way the state says what there is to say.
        let _ = timeout_at(deadline, up).await;
        self.state.borrow().known().unwrap_or(Err(BrokerError::Closed))
    }

    /// Whether there is a newer connection than this one.
    pub(super) fn has_newer(&self, than: &Arc<T>) -> bool {
        match &*self.state.borrow() {
            State::Up(connected) => !Arc::ptr_eq(&connected.up, than),
            State::Starting | State::Down(_) => false,
        }
    }

    /// Has the connection made anew, unless `broken` is of an earlier one.
    pub(super) fn renew(&self, broken: &Arc<T>) {
        if let State::Up(connected) = &*self.state.borrow()
            && Arc::ptr_eq(&connected.up, broken)
        {
            self.broken.send_replace(connected.number);
        }
    }
}

/// The task behind a [`Reconnecting`].
struct Keeper<T> {
    options: Arc<Options>,
    urls: watch::Receiver<Urls>,
    set_up: SetUp<T>,
    state: watch::Sender<State<T>>,
    broken: watch::Receiver<u64>,
    /// How many URLs were tried.
    tries: usize,
    /// How many connections were made.
    number: u64,
}

/// Why a connection is not to be used any more.
enum End {
    /// It is of no use.
    Lost(BrokerError),
    /// There are other URLs.
    NewUrls,
}

impl<T: Usable> Keeper<T> {
    async fn run(mut self) {
        let mut outage = Outage::new();
        let mut connected = self.connect(&mut outage).await;
        loop {
            self.state.send_replace(State::Up(connected.clone()));
            let since = Instant::now();
            match self.end(&connected).await {
                End::Lost(error) => {
                    drop(connected);
                    if since.elapsed() > LOOK_EVERY {
                        outage = Outage::new();
                    }
                    self.down(error, &mut outage).await;
                    connected = self.connect(&mut outage).await;
                }
                End::NewUrls => connected = self.replace(connected).await,
            }
        }
    }

    /// Tries one URL after the other, for ever.
    async fn connect(&mut self, outage: &mut Outage) -> Connected<T> {
        loop {
            match self.open().await {
                Ok(connected) => return connected,
                Err(error) => self.down(error, outage).await,
            }
        }
    }

    /// Takes new URLs over. The old connection is used until there is a new one, and closes when what is
    /// on its way there has ended: whoever uses it holds it.
    async fn replace(&mut self, old: Connected<T>) -> Connected<T> {
        let mut outage = Outage::new();
        self.tries = 0;
        loop {
            let error = match self.open().await {
                Ok(connected) => {
                    tracing::info!("connected by the changed URLs of the broker");
                    return connected;
                }
                Err(error) => error,
            };
            let wait = outage.next_wait();
            if outage.is_news() {
                tracing::warn!(error = %Causes(&error), "the changed URLs of the broker can't be used yet");
            }
            tokio::time::sleep(wait).await;
            if !old.connection.status().connected() {
                self.state.send_replace(State::Down(error));
            }
        }
    }

    async fn open(&mut self) -> Result<Connected<T>, BrokerError> {
        let urls = Arc::clone(&self.urls.borrow_and_update());
        let url = urls.get(self.tries % urls.len().max(1));
        let url =
            url.ok_or_else(|| BrokerError::Settings("queue.url names no broker".to_owned()))?;
        self.tries += 1;
        let connection = within(CONNECT_MAX, connect(&self.options, url)).await?;
        let connection = Arc::new(connection);
        let up = within(SET_UP_MAX, (self.set_up)(Arc::clone(&connection))).await?;
        self.number += 1;
        Ok(Connected { number: self.number, up: Arc::new(up), connection })
    }

    /// Waits until the connection is not to be used any more, and says why.
    async fn end(&mut self, connected: &Connected<T>) -> End {
        let mut events = std::pin::pin!(connected.connection.events_listener());
        let Connected { number, up, connection } = connected;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::Error(error)) => return End::Lost(error.into()),
                    Some(event) => log(&event),
                    None => return End::Lost(BrokerError::Closed),
                },
                Ok(_) = self.broken.wait_for(|broken| broken == number) => {
                    return End::Lost(BrokerError::Closed);
                }
                Ok(()) = self.urls.changed() => return End::NewUrls,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !connection.status().connected() {
                return End::Lost(BrokerError::Closed);
            }
            if !up.is_usable() {
                return End::Lost(BrokerError::Deaf);
            }
        }
    }

    async fn down(&self, error: BrokerError, outage: &mut Outage) {
        let wait = outage.next_wait();
        if outage.is_news() {
            tracing::warn!(
                error = %Causes(&error),
                retry.delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "no connection to the broker"
            );
        }
        self.state.send_replace(State::Down(error));
        tokio::time::sleep(wait).await;
    }
}

/// What the broker tells of itself.
fn log(event: &Event) {
    match event {
        Event::ConnectionBlocked(reason) => {
            tracing::warn!(reason, "the broker takes nothing until its alarm is over");
        }
        Event::ConnectionUnblocked => tracing::info!("the broker's alarm is over"),
        _ => {}
    }
}

async fn within<R>(
    limit: Duration,
    step: impl Future<Output = Result<R, BrokerError>>,
) -> Result<R, BrokerError> {
    timeout(limit, step).await.unwrap_or(Err(BrokerError::Silent(limit.as_secs())))
}

/// One connection to one broker.
pub(super) async fn connect(
    options: &Options,
    url: &SecretString,
) -> Result<Connection, BrokerError> {
    let uri = uri(url)?;
    let properties = ConnectionProperties::default()
        .with_locale("en_US".into())
        .with_connection_name(options.name.as_str().into());
    Ok(socket::connect(uri, properties, options.ca_pem.clone()).await?)
}

/// Reads a URL; its text is secret and in no error.
pub(super) fn uri(url: &SecretString) -> Result<AMQPUri, BrokerError> {
    let mut uri: AMQPUri = url
        .expose_secret()
        .parse()
        .map_err(|_| BrokerError::Settings("not an amqp:// or amqps:// URL".to_owned()))?;
    uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT_S));
    // "amqp://host:5672/", as the broker's own tools write it, means the default virtual host; none
    // has an empty name.
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_virtual_host_can_be_left_out() {
        let vhost = |url: &str| uri(&url.into()).unwrap().vhost;
        for url in ["amqp://host", "amqp://host:5672/", "amqp://host/%2f"] {
            assert_eq!(vhost(url), "/", "{url}");
        }
        assert_eq!(vhost("amqp://host/shop"), "shop");
    }
}
