//! A connection that is made again for ever, and what is set up on it each time.
//!
//! Used by `publish` and `consume`, each with a connection of its own, because a broker in alarm
//! stops reading from connections that publish, and acks must still pass.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Event};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Options;
use super::error::BrokerError;
use crate::outage::Outage;

/// How long connecting and declaring may take. A new cluster takes a while to make its queues.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// How long the broker may say nothing before it counts as lost, twice; in seconds.
pub(super) const HEARTBEAT_S: u16 = 5;

/// How often a connection is looked at beside its events.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is set up on each new connection.
pub(super) type SetUp<T> =
    Box<dyn Fn(Arc<Connection>) -> BoxFuture<'static, Result<T, BrokerError>> + Send + Sync>;

/// A connection that is made again for ever. Dropping it closes the connection.
pub(super) struct Link<T> {
    state: watch::Receiver<State<T>>,
    /// Told when something of what was set up broke, though the connection lives.
    renew: Arc<Notify>,
    _stop: DropGuard,
}

enum State<T> {
    /// Nothing is known yet.
    Starting,
    Up(Arc<T>),
    Down(BrokerError),
}

impl<T> State<T> {
    /// What is set up, or why nothing is; none while nothing is known yet.
    fn known(&self) -> Option<Result<Arc<T>, BrokerError>> {
        match self {
            Self::Starting => None,
            Self::Up(up) => Some(Ok(Arc::clone(up))),
            Self::Down(error) => Some(Err(error.clone())),
        }
    }
}

impl<T: Send + Sync + 'static> Link<T> {
    /// Starts connecting.
    pub(super) fn start(options: Arc<Options>, set_up: SetUp<T>) -> Self {
        let (sender, state) = watch::channel(State::Starting);
        let (renew, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let keeper = Keeper { options, set_up, state: sender, renew: Arc::clone(&renew) };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(keeper.run()).await });
        Self { state, renew, _stop: stop.drop_guard() }
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

    /// Has the connection made anew.
    pub(super) fn renew(&self) {
        self.renew.notify_one();
    }
}

/// The task behind a [`Link`].
struct Keeper<T> {
    options: Arc<Options>,
    set_up: SetUp<T>,
    state: watch::Sender<State<T>>,
    renew: Arc<Notify>,
}

impl<T> Keeper<T> {
    async fn run(self) {
        let mut outage = Outage::new();
        for url in self.options.urls.iter().cycle() {
            match timeout(CONNECT_MAX, self.open(url)).await {
                Ok(Ok((connection, up))) => {
                    let events = connection.events_listener();
                    self.state.send_replace(State::Up(Arc::new(up)));
                    let since = Instant::now();
                    let error = self.lost(&connection, events).await;
                    if since.elapsed() > LOOK_EVERY {
                        outage = Outage::new();
                    }
                    self.down(error, &mut outage).await;
                }
                Ok(Err(error)) => self.down(error, &mut outage).await,
                Err(_) => {
                    let error = BrokerError::Silent(CONNECT_MAX.as_secs());
                    self.down(error, &mut outage).await;
                }
            }
        }
    }

    async fn open(&self, url: &SecretString) -> Result<(Arc<Connection>, T), BrokerError> {
        let connection = Arc::new(connect(&self.options, url).await?);
        let up = (self.set_up)(Arc::clone(&connection)).await?;
        Ok((connection, up))
    }

    /// Waits until the connection is of no use any more, and says why.
    async fn lost(
        &self,
        connection: &Connection,
        events: impl Stream<Item = Event>,
    ) -> BrokerError {
        let mut events = std::pin::pin!(events);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::Error(error)) => return error.into(),
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(reason, "the broker takes nothing until its alarm is over");
                    }
                    Some(Event::ConnectionUnblocked) => tracing::info!("the broker takes webhooks again"),
                    Some(_) => {}
                    None => return BrokerError::Closed,
                },
                () = self.renew.notified() => return BrokerError::Closed,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !connection.status().connected() {
                return BrokerError::Closed;
            }
        }
    }

    async fn down(&self, error: BrokerError, outage: &mut Outage) {
        let wait = outage.next_wait();
        if outage.is_news() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                retry.delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "no connection to the broker"
            );
        }
        self.state.send_replace(State::Down(error));
        tokio::time::sleep(wait).await;
    }
}

/// One connection to one broker. `TCP_NODELAY` is set by lapin's runtime for every socket.
pub(super) async fn connect(
    options: &Options,
    url: &SecretString,
) -> Result<Connection, BrokerError> {
    let uri = uri(url)?;
    let tls = OwnedTLSConfig { identity: None, cert_chain: options.ca_pem.clone() };
    let properties = ConnectionProperties::default()
        .with_locale("en_US".into())
        .with_connection_name(options.name.as_str().into());
    let runtime = lapin::runtime::default_runtime()?;
    Ok(Connection::connect_uri_with_config(uri, properties, tls, runtime).await?)
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
