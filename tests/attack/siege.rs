//! An attack over many connections, and honest webhooks beside it: what they saw, and what it cost.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::attacks::{ATTACKER, Attack};
use crate::client::{Client, webhook};
use crate::server::Server;

/// Where honest webhooks come from.
pub const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// An honest webhook that is not answered within this counts as refused.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Between two honest webhooks of a client.
const PAUSE: Duration = Duration::from_millis(25);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// WAHA's usual size, and now and then a large one.
const SIZES: [usize; 8] = [2_500, 2_500, 12_000, 2_500, 2_500, 2_500, 500_000, 2_500];

/// What honest webhooks saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub tried: u64,
    /// Not accepted at the first try. WAHA tries again after each answer but 2xx.
    pub repeated: u64,
    /// Not accepted at the second one either.
    pub refused: u64,
    pub slowest: Duration,
    /// Why the last one was refused.
    pub reason: Option<String>,
}

impl Seen {
    fn refuse(&mut self, reason: String) {
        self.refused += 1;
        self.reason = Some(reason);
    }
}

/// What an attack did.
pub struct Siege {
    pub rss_before_kb: u64,
    pub rss_worst_kb: u64,
    /// By an address of its own.
    pub other: Seen,
    /// By the attackers' address.
    pub same: Seen,
}

/// Attackers of this process; they stop when they are dropped.
pub fn attack(attack: Attack, connections: usize, door: SocketAddr) -> JoinSet<()> {
    let mut attackers = JoinSet::new();
    for _ in 0..connections {
        attackers.spawn(attack.run(door));
    }
    attackers
}

/// Sends honest webhooks for `time` while attackers, whom `begin` starts, attack.
pub async fn besiege<A>(
    server: &Server,
    time: Duration,
    begin: impl FnOnce(SocketAddr) -> A,
) -> Siege {
    let (door, end) = (server.address, Instant::now() + time);
    let rss_before_kb = server.rss_kb();
    let (other, same) = (honest(HONEST, door, end), honest(ATTACKER, door, end));
    let attackers = begin(door);
    let mut rss_worst_kb = rss_before_kb;
    while Instant::now() < end {
        rss_worst_kb = rss_worst_kb.max(server.rss_kb());
        sleep(LOOK).await;
    }
    let seen = |from: oneshot::Receiver<Seen>| async { from.await.expect("no panic") };
    let (other, same) = (seen(other).await, seen(same).await);
    drop(attackers);
    Siege { rss_before_kb, rss_worst_kb, other, same }
}

/// In a thread of its own: what an honest sender waits for is the door, not its turn among attackers.
fn honest(from: IpAddr, door: SocketAddr, end: Instant) -> oneshot::Receiver<Seen> {
    let (tell, seen) = oneshot::channel();
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        // Nobody asks any more if the test has failed.
        let _ = tell.send(runtime.block_on(send_honestly(from, door, end)));
    });
    seen
}

/// Half of them over one connection, half over new ones.
async fn send_honestly(from: IpAddr, door: SocketAddr, end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut kept = None;
    let mut sizes = SIZES.into_iter().cycle();
    while Instant::now() < end {
        let size = sizes.next().expect("it goes on without end");
        let request = webhook(seen.tried, size);
        let asked = Instant::now();
        let client = if seen.tried.is_multiple_of(2) { None } else { kept.take() };
        let mut sent = answered(client, from, door, &request).await;
        if sent.is_err() {
            seen.repeated += 1;
            sent = answered(None, from, door, &request).await;
        }
        match sent {
            Ok(client) => kept = Some(client),
            Err(reason) => seen.refuse(reason),
        }
        seen.tried += 1;
        seen.slowest = seen.slowest.max(asked.elapsed());
        sleep(PAUSE).await;
    }
    seen
}

async fn answered(
    kept: Option<Client>,
    from: IpAddr,
    door: SocketAddr,
    request: &[u8],
) -> Result<Client, String> {
    match timeout(ANSWER_MAX, send(kept, from, door, request)).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

async fn send(
    kept: Option<Client>,
    from: IpAddr,
    door: SocketAddr,
    request: &[u8],
) -> std::io::Result<Client> {
    let mut client = match kept {
        Some(client) => client,
        None => Client::connect(from, door).await?,
    };
    client.send(request).await?;
    match client.answer().await?.status {
        202 => Ok(client),
        status => Err(std::io::Error::other(format!("status {status}"))),
    }
}
