//! Puts the parts together: a listener, actix' dispatcher around the guarded stream, an application.

use std::cell::RefCell;
use std::future::{poll_fn, ready};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, KeepAlive, Request, Response};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
    map_config,
};
use actix_web::dev::AppConfig;
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture};
use tokio::net::TcpStream;

use super::linger::linger;
use super::phase::{ConnectionState, Phase};
use super::registry::ConnectionRegistry;
use super::stream::GuardedStream;
use super::supervise::Supervised;
use super::{ConnectionLimits, gate};

/// How a listener is run.
#[derive(Clone, Copy)]
pub struct ListenerOptions {
    /// What its threads are called in logs.
    pub name: &'static str,
    /// Its threads; none: one for each processor.
    pub workers: Option<usize>,
    /// What a connection may take.
    pub limits: ConnectionLimits,
    /// How long requests in hand may take when it is told to stop.
    pub stop_grace: Duration,
}

type Peer = Option<std::net::SocketAddr>;

/// Runs an application on a listener until the server's handle is told to stop. `expect` refuses a
/// request by its head before its client is told to go on (`Expect: 100-continue`); `trim` takes from a head
/// what the application does not need.
pub fn serve<F, I, S, B, E, T>(
    listener: TcpListener,
    options: ListenerOptions,
    expect: E,
    trim: T,
    application: F,
) -> std::io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    E: Fn(&Request) -> Option<Response<BoxBody>> + Send + Clone + 'static,
    T: Fn(&mut Request) + Send + Clone + 'static,
{
    let registry = ConnectionRegistry::new(options.limits.connections_max);
    let mut server =
        Server::build().disable_signals().shutdown_timeout(options.stop_grace.as_secs());
    if let Some(workers) = options.workers {
        server = server.workers(workers);
    }
    let workers = options.workers.or_else(processors).unwrap_or(1);
    server =
        server.max_concurrent_connections(accepted_max(options.limits.connections_max, workers));
    let stop = server.graceful_shutdown_signal();
    let stopped = Arc::clone(&registry);
    tokio::spawn(async move {
        stop.notified().await;
        stopped.stop();
    });
    let limits = options.limits;
    let server = server.listen(options.name, listener, move || {
        let h1 = h1(application().into_factory(), expect.clone(), trim.clone());
        GuardFactory { h1: Rc::new(h1), registry: Arc::clone(&registry), limits }
    })?;
    Ok(server.run())
}

fn processors() -> Option<usize> {
    std::thread::available_parallelism().ok().map(std::num::NonZero::get)
}

/// How many accepted connections a thread may have: an eighth more than may stay, for those that give
/// way. Above it the rest waits in the backlog, so descriptors never run out.
fn accepted_max(connections_max: usize, workers: usize) -> usize {
    (connections_max + connections_max / 8 + 1).div_ceil(workers)
}

/// Actix' dispatcher of HTTP/1 around the application. Its own deadlines are off: they belong to the
/// first request only.
fn h1<S, B, E, T>(
    application: S,
    expect: E,
    trim: T,
) -> impl ServiceFactory<
    (GuardedStream, Peer),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
    Service: 'static,
    Future: 'static,
>
where
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    E: Fn(&Request) -> Option<Response<BoxBody>> + Clone + 'static,
    T: Fn(&mut Request) + Clone + 'static,
{
    let application = map_config(application, |()| AppConfig::default())
        .map_err(|error| Response::<BoxBody>::from(error.into().error_response()));
    let gated = apply_fn_factory(application, move |mut request: Request, application: &_| {
        let state = gate::begin(&request);
        let answer = if let Some(refused) = gate::refuse_tunnel(&request) {
            Either::Left(ready(refused))
        } else {
            trim(&mut request);
            Either::Right(Service::call(application, request).map(boxed::<S::Response, B>))
        };
        async move {
            let answer = gate::in_time(&state, answer).await;
            Ok(gate::end(state, answer))
        }
    });
    let expect = fn_service(move |request: Request| {
        let refused = gate::refuse_tunnel(&request).or_else(|| expect(&request));
        let refused = refused.map(|answer| gate::end(gate::begin(&request), answer));
        ready(refused.map_or(Ok(request), |answer| Err(answer.map_into_boxed_body())))
    });
    HttpService::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect_ext(|stream: &GuardedStream, extensions: &mut Extensions| {
            extensions.insert(Rc::clone(stream.state()));
        })
        .expect(expect)
        .h1(gated)
}

/// What an application answers, errors as well.
fn boxed<R: Into<Response<B>>, B: MessageBody + 'static>(
    answer: Result<R, Response<BoxBody>>,
) -> Response<BoxBody> {
    answer.map_or_else(|error| error, |response| response.into().map_into_boxed_body())
}

/// Makes a [`GuardService`] for each thread.
struct GuardFactory<H> {
    h1: Rc<H>,
    registry: Arc<ConnectionRegistry>,
    limits: ConnectionLimits,
}

/// Takes connections in.
struct GuardService<H> {
    h1: Rc<H>,
    registry: Arc<ConnectionRegistry>,
    limits: ConnectionLimits,
}

impl<H> ServiceFactory<TcpStream> for GuardFactory<H>
where
    H: ServiceFactory<(GuardedStream, Peer), Config = (), Response = (), Error = DispatchError>
        + 'static,
    H::InitError: 'static,
    H::Service: 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Config = ();
    type Service = GuardService<H::Service>;
    type InitError = H::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let h1 = self.h1.new_service(());
        let registry = Arc::clone(&self.registry);
        let limits = self.limits;
        Box::pin(async move { Ok(GuardService { h1: Rc::new(h1.await?), registry, limits }) })
    }
}

impl<H> Service<TcpStream> for GuardService<H>
where
    H: Service<(GuardedStream, Peer), Response = (), Error = DispatchError> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Future = LocalBoxFuture<'static, Result<(), DispatchError>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.h1.poll_ready(context)
    }

    fn call(&self, tcp: TcpStream) -> Self::Future {
        let peer = tcp.peer_addr().ok();
        let entry = peer.and_then(|peer| self.registry.enter(peer.ip().into()));
        let Some(entry) = entry else { return Box::pin(std::future::ready(Ok(()))) };
        let state = Rc::new(ConnectionState::new(self.limits, entry));
        let tcp = Rc::new(RefCell::new(tcp));
        let stream = GuardedStream::new(Rc::clone(&tcp), Rc::clone(&state));
        let h1 = Rc::clone(&self.h1);
        let ending = Rc::clone(&state);
        let work = Box::pin(async move {
            let ended = converse(&*h1, stream, peer).await;
            ending.enter(Phase::Closing);
            linger(&tcp).await;
            ended
        });
        Box::pin(Supervised::new(work, state))
    }
}

/// All requests of a connection. The dispatcher and its buffers are made only for a client that has sent a
/// head.
async fn converse<H>(h1: &H, mut stream: GuardedStream, peer: Peer) -> Result<(), DispatchError>
where
    H: Service<(GuardedStream, Peer), Response = (), Error = DispatchError>,
{
    if poll_fn(|context| stream.poll_head(context)).await? {
        Box::pin(h1.call((stream, peer))).await?;
    }
    Ok(())
}
