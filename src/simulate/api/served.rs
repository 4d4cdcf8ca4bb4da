//! A simulated WAHA in process: started, commanded, asked what it was asked, stopped.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpServer, middleware};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::ApiError;
use super::failure::Fault;
use super::gate::{Request, gate};
use super::options::Options;
use super::routes;
use super::state::{Silence, State};
use super::webhooks::Webhooks;
use crate::simulate::{Files, Storage, moments};

/// Node's: whoever uses an idle connection later than that meets a closed one.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How often a request looks whether its session works by now.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the handlers share.
pub struct Waha {
    state: Mutex<State>,
}

impl Waha {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position of a session that works, after waiting for it as WAHA does.
    pub(super) async fn ready(&self, name: &str) -> Result<usize, ApiError> {
        let mut patience = self.state().options.patience;
        loop {
            let refusal = match self.look(name) {
                Ok(position) => return Ok(position),
                Err(refusal) => refusal,
            };
            if patience.is_zero() {
                return Err(refusal);
            }
            tokio::time::sleep(LOOK_EVERY.min(patience)).await;
            patience = patience.saturating_sub(LOOK_EVERY);
        }
    }

    fn look(&self, name: &str) -> Result<usize, ApiError> {
        let state = self.state();
        let unknown = || ApiError::NoSuchSession(name.to_owned());
        let position = state.position(name).ok_or_else(unknown)?;
        match state.status(position) {
            "WORKING" => Ok(position),
            status => Err(ApiError::NotWorking { session: name.into(), status: status.into() }),
        }
    }
}

/// A simulated WAHA that answers until it is dropped or stopped.
pub struct Served {
    address: SocketAddr,
    waha: Arc<Waha>,
    /// Asks for other connections; closed, the server ends.
    bounce: mpsc::Sender<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Served {
    /// Listens and answers. An error is one of the address.
    pub fn start(mut options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        options.plan.files = Some(files(&options, address));
        let waha = Arc::new(Waha { state: Mutex::new(State::new(options)) });
        let (bounce, bounces) = mpsc::channel(1);
        let first = serve(&listener, &waha)?;
        let server = tokio::spawn(supervise(first, listener, Arc::clone(&waha), bounces));
        Ok(Self { address, waha, bounce, server })
    }

    /// Everything that is the case.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.waha.state()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its webhooks, from the start of the history. Taking one makes what it tells readable.
    pub fn webhooks(&self) -> Webhooks {
        let history = moments(&self.waha.state().options.plan);
        let waha = Arc::clone(&self.waha);
        Webhooks { waha, history, delayed: VecDeque::new(), count: 0 }
    }

    /// Whether a session is WORKING.
    pub fn is_working(&self, session: &str) -> bool {
        self.waha.look(session).is_ok()
    }

    /// The names of its sessions.
    pub fn sessions(&self) -> Vec<String> {
        let state = self.waha.state();
        state.world.sessions.iter().map(|session| session.name.clone()).collect()
    }

    /// Lets time pass: files expire, sessions start.
    pub fn advance(&self, duration: Duration) {
        self.waha.state().advance(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
    }

    /// What time it is there, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.waha.state().now_ms()
    }

    /// Removes all files that are on its disk.
    pub fn expire_media(&self) {
        self.waha.state().remove_files();
    }

    /// WhatsApp has the file of no message any more that is known by now: what WAHA deletes is lost.
    pub fn forget_media(&self) {
        let mut state = self.waha.state();
        let kept = state.stores.iter().flat_map(|store| &store.rows);
        let turns: Vec<u64> =
            kept.filter_map(|row| Some(row.kept.as_ref()?.message.turn)).collect();
        state.gone.extend(turns);
    }

    /// Sends nothing from now on, though its sessions are WORKING; none: sends again.
    pub fn silence(&self, silence: Option<Silence>) {
        let mut state = self.waha.state();
        state.silence = silence;
        let is_dead = silence == Some(Silence::Dead);
        state.stores.iter_mut().for_each(|store| store.is_dead = is_dead);
    }

    /// Whether webhooks are lost as its options say; at first they are.
    pub fn lose(&self, is_lossy: bool) {
        self.waha.state().is_lossy = is_lossy;
    }

    /// How a session is configured now; none if there is no such session, or it never was.
    pub fn config(&self, session: &str) -> Option<Value> {
        let state = self.waha.state();
        state.stores[state.position(session)?].config.clone()
    }

    /// Configures a session, as somebody else does.
    pub fn configure(&self, session: &str, config: Value) {
        let mut state = self.waha.state();
        if let Some(position) = state.position(session) {
            state.stores[position].config = Some(config);
        }
    }

    /// Lets a session have a status, such as `SCAN_QR_CODE`, until it starts anew.
    pub fn set_status(&self, session: &str, status: &'static str) {
        let mut state = self.waha.state();
        if let Some(position) = state.position(session) {
            state.stores[position].status = status;
        }
    }

    /// Lets requests fail.
    pub fn fail(&self, fault: Fault) {
        self.waha.state().faults.add(fault);
    }

    /// The requests that came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.waha.state().requests.clone()
    }

    /// How often a file was fetched from WhatsApp because of a request.
    pub fn downloads(&self) -> u64 {
        self.waha.state().downloads
    }

    /// As when the process ends and starts anew: another start timestamp, no files, no connections, and all
    /// sessions connect again, which their webhooks tell.
    pub async fn restart(&self) {
        self.waha.state().restart();
        let (done, is_done) = oneshot::channel();
        if self.bounce.send(done).await.is_ok() {
            // An error means that the server has ended, and so have its connections.
            let _ = is_done.await;
        }
    }

    /// Closes everything.
    pub async fn stop(self) -> std::io::Result<()> {
        drop(self.bounce);
        self.server.await.map_err(std::io::Error::other)?
    }
}

/// Where the files are: here, or where links that lead astray say.
fn files(options: &Options, address: SocketAddr) -> Files {
    use super::oddity::Oddity;
    let is = |oddity| options.oddities.contains(oddity);
    let storage = match () {
        () if is(Oddity::PresignedLinks) => Storage::Presigned,
        () if is(Oddity::ProxiedLinks) => Storage::Proxied,
        () => Storage::Disk,
    };
    let host = if is(Oddity::ForeignLinks) { "169.254.0.1".into() } else { address.to_string() };
    let base = format!("http://{host}");
    let sizes = options.plan.files.clone().unwrap_or_else(|| Files::at(""));
    Files { base, storage, ..sizes }
}

fn serve(listener: &TcpListener, waha: &Arc<Waha>) -> std::io::Result<Server> {
    let waha = Data::from(Arc::clone(waha));
    let app = move || {
        App::new()
            .app_data(waha.clone())
            .wrap(middleware::from_fn(gate))
            .configure(routes::configure)
    };
    let server = HttpServer::new(app).workers(1).disable_signals().keep_alive(KEEP_ALIVE);
    // The port stays ours while the server is away.
    Ok(server.listen(listener.try_clone()?)?.run())
}

/// Serves until nobody can ask for other connections any more.
async fn supervise(
    mut server: Server,
    listener: TcpListener,
    waha: Arc<Waha>,
    mut bounces: mpsc::Receiver<oneshot::Sender<()>>,
) -> std::io::Result<()> {
    loop {
        let handle = server.handle();
        let running = tokio::spawn(server);
        let bounce = bounces.recv().await;
        handle.stop(false).await;
        running.await.map_err(std::io::Error::other)??;
        let Some(done) = bounce else { return Ok(()) };
        server = serve(&listener, &waha)?;
        // Whoever asked may have gone.
        let _ = done.send(());
    }
}
