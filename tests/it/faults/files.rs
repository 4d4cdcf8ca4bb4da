//! Somebody removes, moves or replaces files that a process has open: nothing that was accepted goes to a
//! file that nothing leads to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::Servers;
use crate::fleet::{Fleet, FleetPlan};
use crate::queue_damage::file::with_suffix;

faults! {
    /// Whose files, and what becomes of them.
    FileFault {
        TablesRemoved: "tables-removed", "the folder of SQLite's tables is moved away and back, of an up";
        TablesReplaced: "tables-replaced", "another file is in the place of SQLite's tables for some time, of an up";
        LogRemoved: "log-removed", "the -wal of queue.db or of SQLite's tables is removed; then an up is killed";
        QueueRemoved: "queue-removed", "queue.db is removed, with its log or without; then an up is killed";
        SpoolRemoved: "spool-removed", "a door's spool is removed while it spools; then the door is killed";
    }
}

/// How long the tables' file is not where it was.
const AWAY_MS: std::ops::Range<u64> = 200..8_000;
/// Longer than a process takes to see that its files are gone: a kill before that takes them along.
const SEEN_MS: std::ops::Range<u64> = 5_000..8_000;
const ALL: [&str; 3] = ["", "-wal", "-shm"];

impl FileFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }
}

pub async fn run(fault: FileFault, round: &mut Round, servers: &Servers) -> Account {
    match fault {
        FileFault::SpoolRemoved => spool_removed(round, servers).await,
        _ => of_up(fault, round).await,
    }
}

/// An `up` with its tables in a folder of their own.
async fn of_up(fault: FileFault, round: &mut Round) -> Account {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tables")).unwrap();
    let tables = folder.path().join("tables/waha.db");
    let url = format!("sqlite://{}", tables.display());
    let plan = FleetPlan {
        environment: vec![(
            "WAHA_INGEST__DATA_DIR",
            folder.path().join("data").display().to_string(),
        )],
        ..FleetPlan::new(&["up"], &url)
    };
    let fleet = Fleet::start(plan).await;
    let queue = folder.path().join("data/queue.db");
    let away = round.ms(AWAY_MS);
    let seen = round.ms(SEEN_MS);
    let victim = round.one_of(&[&queue, &tables]).clone();
    let suffixes = round.one_of(&[&ALL[..], &ALL[..1]]);
    let acting = Box::pin(async {
        match fault {
            FileFault::TablesRemoved => move_away(&folder, away).await,
            FileFault::TablesReplaced => replace(&tables, away).await,
            FileFault::LogRemoved => remove(&victim, &["-wal"]),
            FileFault::QueueRemoved => remove(&queue, suffixes),
            FileFault::SpoolRemoved => unreachable!("it has doors"),
        }
        if matches!(fault, FileFault::LogRemoved | FileFault::QueueRemoved) {
            tokio::time::sleep(seen).await;
            // Whoever else has the tables open has their former log.
            fleet.looks_into(&url).await;
            fleet.members[0].kill_for(Duration::from_millis(200)).await;
        }
    });
    let other_tables = matches!(fault, FileFault::TablesReplaced);
    round.play(&fleet, Permitted { other_tables, ..Permitted::NOTHING }, acting).await
}

async fn move_away(folder: &TempDir, away: Duration) {
    println!("  the folder of the tables is away for {away:?}");
    let [here, there] = ["tables", "away"].map(|name| folder.path().join(name));
    fs::rename(&here, &there).unwrap();
    tokio::time::sleep(away).await;
    fs::rename(&there, &here).unwrap();
}

async fn replace(tables: &Path, away: Duration) {
    println!("  another file is in the place of the tables for {away:?}");
    let names = |path: &Path| ALL.map(|suffix| with_suffix(path, suffix));
    let kept: [PathBuf; 3] = names(&with_suffix(tables, ".kept"));
    for (path, kept) in names(tables).iter().zip(&kept) {
        fs::hard_link(path, kept).unwrap();
    }
    let copy = with_suffix(tables, ".copy");
    fs::copy(tables, &copy).unwrap();
    fs::rename(&copy, tables).unwrap();
    tokio::time::sleep(away).await;
    for (path, kept) in names(tables).iter().zip(&kept) {
        fs::rename(kept, path).unwrap();
    }
}

fn remove(path: &Path, suffixes: &[&str]) {
    println!("  {} is removed: {suffixes:?}", path.display());
    for suffix in suffixes {
        fs::remove_file(with_suffix(path, suffix)).unwrap();
    }
}

async fn spool_removed(round: &mut Round, servers: &Servers) -> Account {
    let fleet = Fleet::start(servers.plan().await).await;
    let which = round.index(2);
    let seen = round.ms(SEEN_MS);
    let suffixes = round.one_of(&[&ALL[..], &ALL[..1], &ALL[1..2]]);
    let node = &servers.broker().await.server;
    let acting = async {
        node.does("kill");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let doors = fleet.doors();
        let door = doors[which];
        remove(&door.folder().join("data/spool.db"), suffixes);
        tokio::time::sleep(seen).await;
        door.kill_for(Duration::from_millis(200)).await;
        node.does("resume");
    };
    let permitted = Permitted { uncounted: true, ..Permitted::NOTHING };
    let account = round.play(&fleet, permitted, acting).await;
    servers.end(fleet).await;
    account
}
