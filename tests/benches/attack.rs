//! Besieges the door with each attack and prints what it cost and what honest senders saw; asserts
//! nothing. Only against a process that it starts on loopback, each attack for a fixed time.
//!
//! ```sh
//! tests/bench attack      # DURATION_S=60 DESCRIPTORS=1024 ATTACK=Announced for one row
//! ```

#[path = "../attack/attacks.rs"]
mod attacks;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../attack/client.rs"]
mod client;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../attack/server.rs"]
mod server;
#[path = "../attack/siege.rs"]
mod siege;
#[path = "../it/wait.rs"]
mod wait;

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::Duration;

use attacks::Attack;
use server::Server;
use siege::{Seen, Siege, besiege};

/// How long an attack lasts.
const SECONDS: u64 = 60;
const DESCRIPTORS: [usize; 2] = [1_024, 20_000];
/// Most connections of an attack: this process has descriptors, too.
const CONNECTIONS_MAX: usize = 18_000;

/// A variable of the environment, if it is set and can be read.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Makes this process an attacker: the door that it attacks.
const DOOR: &str = "ATTACK_DOOR";

#[tokio::main]
async fn main() {
    waha_ingest::server::descriptors::raise_limit();
    if let Some(door) = setting(DOOR) {
        let attack = Attack::ALL[setting::<usize>("ATTACK").expect("an attack")];
        let connections = setting("CONNECTIONS").expect("a number");
        let _attackers = siege::attack(attack, connections, door);
        return std::future::pending().await;
    }
    let time = Duration::from_secs(setting("DURATION_S").unwrap_or(SECONDS));
    println!("each attack for {} s; MB; ms", time.as_secs());
    println!(
        "| attack | descriptors | connections | RSS before | RSS worst | other address: tried | refused | slowest | same address: tried | refused | slowest |"
    );
    println!("|{}", " --- |".repeat(11));
    let one = setting("DESCRIPTORS");
    let chosen: Option<String> = setting("ATTACK");
    for descriptors in one.map_or(DESCRIPTORS.to_vec(), |one| vec![one]) {
        let attacks = Attack::ALL.into_iter();
        for attack in
            attacks.filter(|it| chosen.as_ref().is_none_or(|name| *name == format!("{it:?}")))
        {
            row(attack, descriptors, time).await;
        }
    }
}

async fn row(attack: Attack, descriptors: usize, time: Duration) {
    // As many as the door has descriptors, so that it has none to spare.
    let connections = descriptors.min(CONNECTIONS_MAX);
    let server = Server::start(descriptors, &[("SERVER__CONNECTIONS_MAX", "20000")]).await;
    let Siege { rss_before_kb, rss_worst_kb, other, same } =
        besiege(&server, time, |door| Attackers::start(attack, connections, door)).await;
    println!(
        "| {attack:?} | {descriptors} | {connections} | {} | {} | {} | {} |",
        rss_before_kb / 1024,
        rss_worst_kb / 1024,
        shown(&other),
        shown(&same),
    );
}

/// A process of attackers. It has what the door leaves over: strangers bring machines of their own, and here
/// they would take the door's.
struct Attackers(Child);

impl Attackers {
    fn start(attack: Attack, connections: usize, door: SocketAddr) -> Self {
        let number = Attack::ALL.iter().position(|it| *it == attack).expect("one of them");
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(std::env::current_exe().expect("a path"));
        command.env(DOOR, door.to_string()).env("ATTACK", number.to_string());
        Self(command.env("CONNECTIONS", connections.to_string()).spawn().expect("a process"))
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shown(seen: &Seen) -> String {
    format!("{} | {} | {}", seen.tried, seen.repeated, seen.slowest.as_millis())
}
