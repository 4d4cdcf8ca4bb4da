//! The disk gives back something else than was written: pages of `queue.db` or of a door's spool, after a
//! kill. What was on them is gone, and told; the rest goes on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rand::RngExt;
use rand::rngs::StdRng;
use rusqlite::Connection;
use waha_ingest::queue::spool::DoorCounts;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::{PATIENCE, Round};
use super::servers::Servers;
use crate::fleet::{Fleet, FleetPlan};
use crate::queue_damage::file::{PAGE, strike, with_suffix};
use crate::wait::wait_for;

faults! {
    /// Whose pages.
    PageFault {
        Queue: "page-damage-queue", "an up is killed with webhooks queued, and pages of queue.db or its log are damaged";
        Spool: "page-damage-spool", "a serve is killed while it spools, and pages of its spool are damaged";
    }
}

/// What is spooled before the door is killed.
const SPOOLED: u64 = 50;

impl PageFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }
}

pub async fn run(fault: PageFault, round: &mut Round, servers: &Servers) -> Account {
    match fault {
        PageFault::Queue => damage_queue(round).await,
        PageFault::Spool => damage_spool(round, servers).await,
    }
}

const PERMITTED: Permitted = Permitted { destroys: true, at_most: true, ..Permitted::NOTHING };

async fn damage_queue(round: &mut Round) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let tables = folder.path().join("waha.db");
    let fleet =
        Fleet::start(FleetPlan::new(&["up"], &format!("sqlite://{}", tables.display()))).await;
    let filling = round.ms(1_000..4_000);
    let mut damage = Damage::of(round);
    let up = &fleet.members[0];
    let acting = async {
        // Nothing can be applied meanwhile, so webhooks are queued.
        let lock = Connection::open(&tables).unwrap();
        lock.busy_timeout(PATIENCE).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        tokio::time::sleep(filling).await;
        up.kill().await;
        damage.happen(&up.folder().join("data/queue.db"));
        drop(lock);
        up.resume().await;
    };
    round.play(&fleet, PERMITTED, acting).await
}

async fn damage_spool(round: &mut Round, servers: &Servers) -> Account {
    let fleet = Fleet::start(servers.plan().await).await;
    let which = round.index(2);
    let mut damage = Damage::of(round);
    let doors = fleet.doors();
    let door = doors[which];
    let spool = door.folder().join("data/spool.db");
    let node = &servers.broker().await.server;
    let acting = async {
        node.does("kill");
        wait_for("spooled webhooks", PATIENCE, || async {
            DoorCounts::read(&spool).await.ok().filter(|books| books.waiting >= SPOOLED).map(drop)
        })
        .await;
        door.kill().await;
        damage.happen(&spool);
        door.resume().await;
        node.does("resume");
    };
    let permitted = Permitted { uncounted: true, ..PERMITTED };
    let account = round.play(&fleet, permitted, acting).await;
    servers.end(fleet).await;
    account
}

/// What is done to a file that nobody has open.
struct Damage {
    places: usize,
    /// Its log instead, where it has one.
    is_of_log: bool,
    rng: StdRng,
}

impl Damage {
    fn of(round: &mut Round) -> Self {
        use rand::SeedableRng;
        let places = 1 + round.index(3);
        let is_of_log = round.index(3) == 0;
        Self { places, is_of_log, rng: StdRng::seed_from_u64(round.rng.random()) }
    }

    fn happen(&mut self, database: &Path) {
        let log = with_suffix(database, "-wal");
        let has_pages = std::fs::metadata(database).unwrap().len() > 8 * PAGE as u64;
        let has_log = std::fs::metadata(&log).is_ok_and(|log| log.len() > PAGE as u64);
        if has_log && (self.is_of_log || !has_pages) {
            self.flip(&log);
        } else if has_pages {
            self.strike(database);
        }
        println!("  {} places, of the log: {}", self.places, self.is_of_log);
    }

    fn strike(&mut self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        for _ in 0..self.places {
            strike(&mut bytes, &mut self.rng);
        }
        overwrite(path, &bytes);
    }

    fn flip(&mut self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        for _ in 0..self.places {
            let place = self.rng.random_range(0..bytes.len());
            bytes[place] ^= 0x10;
        }
        overwrite(path, &bytes);
    }
}

fn overwrite(path: &Path, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, 0).unwrap();
}
