//! What changes the history itself is killed in the middle, again and again, and begins anew, while webhooks come:
//! retention with an archive, row by row or by whole months, and the division by months. In the end ledger and
//! archive together have everything that was accepted, each once, and `webhook_sums` counts what went.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Timelike;
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde_json::Value;
use tempfile::TempDir;
use waha_ingest::archive::{Archive, ArchiveOptions};
use waha_ingest::clock::{Clock, SystemClock};
use waha_ingest::media::storage::StorageOptions;

use super::account::{Account, Key, Permitted};
use super::kind::faults;
use super::round::{PATIENCE, Round};
use super::servers::Servers;
use crate::database::{Database, Kind as DatabaseKind};
use crate::fleet::{Fleet, FleetPlan};
use crate::machine::Machine;

faults! {
    /// What is killed, with the up or without.
    HistoryFault {
        Archive: "kill-archive", "old rows are archived and let go of, which is killed, and the up perhaps, on SQLite, PostgreSQL or MariaDB";
        Dividing: "kill-dividing", "`migrate partition` is killed, and the up perhaps, on PostgreSQL or MariaDB";
        Months: "kill-months", "whole months are archived and dropped, which is killed, and the up perhaps, on PostgreSQL or MariaDB";
    }
}

/// Longer than the part that holds what was there before its table was divided, and than a week.
const AGE_MS: i64 = 100 * 24 * 3_600_000;
/// When a command is killed, and how long the process that works is away.
const KILLED_MS: std::ops::Range<u64> = 40..2_500;
const AWAY_MS: std::ops::Range<u64> = 100..1_500;
const LET_GO: &[&str] = &["retention", "run", "--yes"];
const DIVIDE: &[&str] = &["migrate", "partition", "--yes"];
/// Tables that are divided.
const DIVIDED: [&str; 3] = ["webhook_events", "webhook_duplicates", "webhook_bodies"];

/// One blow: a command is begun and killed, and the process that works with it, if it is to be away.
struct Strike {
    after: Duration,
    up_away: Option<Duration>,
}

impl HistoryFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }

    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Archive | Self::Months => LET_GO,
            Self::Dividing => DIVIDE,
        }
    }
}

pub async fn run(fault: HistoryFault, round: &mut Round, servers: &Servers) -> Account {
    let (machine, archive) = (Machine::new(), tempfile::tempdir().unwrap());
    let (plan, folder) = plan(fault, round, servers, &machine, archive.path()).await;
    println!("  on {}", plan.admin_url.split(':').next().unwrap_or_default());
    let fleet = Fleet::start_in(plan, vec![folder]).await;
    machine.assert_used();
    round.send_first(&fleet).await;
    if fault == HistoryFault::Months {
        complete(&fleet, DIVIDE).await;
    }
    if fault != HistoryFault::Dividing {
        fleet.members[0].kill().await;
        machine.jump_to(AGE_MS);
        round.archives_in(archive.path());
        fleet.members[0].resume().await;
    }
    let strikes: Vec<Strike> = (0..6 + round.index(7)).map(|_| strike(round)).collect();
    let acting = async {
        for one in &strikes {
            happen(one, fault, &fleet).await;
        }
        complete(&fleet, fault.command()).await;
    };
    let mut account = round.play(&fleet, Permitted::NOTHING, acting).await;
    account.problems.extend(problems(fault, &fleet, archive.path()).await);
    account
}

fn strike(round: &mut Round) -> Strike {
    let is_killed = round.index(2) == 0;
    Strike { after: round.ms(KILLED_MS), up_away: is_killed.then(|| round.ms(AWAY_MS)) }
}

/// An `up` that lets go of what is older than a week, by itself or not.
async fn plan(
    fault: HistoryFault,
    round: &mut Round,
    servers: &Servers,
    machine: &Machine,
    archive: &Path,
) -> (FleetPlan, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [DatabaseKind::Postgres, DatabaseKind::MySql, DatabaseKind::Sqlite];
    let count = if fault == HistoryFault::Archive { 3 } else { 2 };
    let url = match round.one_of(&kinds[..count]) {
        DatabaseKind::Sqlite => format!("sqlite://{}", folder.path().join("waha.db").display()),
        DatabaseKind::Postgres => {
            Database::on_server(&servers.postgres().await.server.url).await.url
        }
        DatabaseKind::MySql => Database::on_server(&servers.mysql().await.url).await.url,
    };
    let hour = (SystemClock.now().hour() + if round.index(2) == 0 { 0 } else { 12 }) % 24;
    let codec = round.one_of(&["plain", "zstd"]);
    let mut plan = FleetPlan::new(&["up"], &url);
    plan.environment = vec![
        ("WAHA_INGEST__LEDGER__BODY_CODEC", codec.to_owned()),
        ("WAHA_INGEST__RETENTION__LEDGER_DAYS", "7".to_owned()),
        ("WAHA_INGEST__RETENTION__HOUR", hour.to_string()),
        ("WAHA_INGEST__RETENTION__ROWS_PER_SECOND", "1000000".to_owned()),
        ("WAHA_INGEST__FEED__KEEP_DAYS", "0".to_owned()),
        ("WAHA_INGEST__ARCHIVE__URL", archive.display().to_string()),
    ];
    plan.environment.extend(machine.environment());
    (plan, folder)
}

async fn happen(one: &Strike, fault: HistoryFault, fleet: &Fleet) {
    let up = &fleet.members[0];
    let mut command = up.setting().spawn(fault.command());
    tokio::time::sleep(one.after).await;
    let has_ended = command.has_ended();
    command.kill();
    println!("  ended: {has_ended} after {:?}, the up is away: {:?}", one.after, one.up_away);
    if let Some(away) = one.up_away {
        up.kill_for(away).await;
    }
}

/// Runs a command until it ends well.
async fn complete(fleet: &Fleet, command: &'static [&'static str]) {
    let started = Instant::now();
    loop {
        let mut running = fleet.members[0].setting().command(command);
        let output = tokio::task::spawn_blocking(move || running.output().unwrap()).await.unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("  {}: {}", command.join(" "), said.trim());
        assert!(started.elapsed() < PATIENCE, "{said}");
    }
}

/// What is not as it should be, besides what every round counts.
async fn problems(fault: HistoryFault, fleet: &Fleet, archive: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    if fault != HistoryFault::Archive {
        for table in DIVIDED {
            if !is_divided(fleet, table).await {
                problems.push(format!("{table} is not divided"));
            }
        }
    }
    if fault == HistoryFault::Dividing {
        return problems;
    }
    let lines = archived(archive).await;
    let kept: BTreeSet<&Key> = lines.iter().collect();
    if kept.is_empty() {
        problems.push("nothing was archived".to_owned());
    }
    let sums = entity::webhook_sums::Entity::find().all(&fleet.db()).await.unwrap();
    let gone = sums.iter().filter(|row| row.outcome != "duplicate").map(|row| row.webhooks);
    let gone: i64 = gone.sum();
    println!("  archived {}, lines {}, counted as gone {gone}", kept.len(), lines.len());
    if gone.unsigned_abs() != kept.len() as u64 {
        problems.push(format!("{} are archived, and {gone} are counted as gone", kept.len()));
    }
    problems
}

async fn is_divided(fleet: &Fleet, table: &str) -> bool {
    let db = fleet.db();
    let backend = db.get_database_backend();
    let sql = match backend {
        sea_orm::DbBackend::Postgres => {
            format!("SELECT 1 AS n FROM pg_class WHERE relname = '{table}' AND relkind = 'p'")
        }
        _ => format!(
            "SELECT 1 AS n FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = '{table}' AND PARTITION_NAME IS NOT NULL LIMIT 1"
        ),
    };
    db.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().is_some()
}

/// Each line of an archive: a webhook each, twice if it is in two files.
pub async fn archived(folder: &Path) -> Vec<Key> {
    let storage = StorageOptions::Folder(PathBuf::from(folder));
    let place = folder.display().to_string();
    let archive = ArchiveOptions { storage, prefix: String::new(), place };
    let archive = Archive::open(&archive).unwrap();
    let mut keys = Vec::new();
    for manifest in archive.manifests(None).await.unwrap() {
        let text = zstd::stream::decode_all(&archive.check(&manifest).await.unwrap()[..]).unwrap();
        let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        keys.extend(lines.map(|line| key(&line.unwrap())));
    }
    keys
}

fn key(line: &Value) -> Key {
    let part = |name: &str| line[name].as_str().unwrap().to_owned();
    (part("source"), part("session"), part("event_type"), part("webhook_id"))
}
