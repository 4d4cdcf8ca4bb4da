//! The disk is full, refuses writes, or is slow. Nothing is killed: what was accepted is applied, once, as
//! soon as there is space again.

use std::time::Duration;

use tempfile::TempDir;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::{Servers, order_for};
use crate::disk::{Disk, SmallDisk, WriteLimit};
use crate::fleet::{Fleet, FleetPlan};
use crate::machine::{Failing, Machine};

faults! {
    /// Which disk, and what it does.
    DiskFault {
        Full: "disk-full", "no space for queue.db and SQLite's tables, of an up";
        FullQueue: "disk-full-queue", "no space for queue.db; the tables have some";
        FullTables: "disk-full-tables", "no space for SQLite's tables; queue.db has some";
        FullSpool: "disk-full-spool", "no space for the doors' spools, and perhaps the broker dies meanwhile";
        FailingWrites: "failing-writes", "every write beyond 4 KiB of a file fails (EFBIG), of an up";
        Eio: "eio", "writes, fsyncs or both of all database files fail with EIO, of an up";
        Slow: "slow-disk", "each fsync of a database file takes up to a second longer, of an up";
    }
}

/// How long nothing can be written.
const OUTAGE_MS: std::ops::Range<u64> = 200..8_000;
/// Room for a few thousand webhooks twice, in the queue and in the tables; and in a spool.
const DISK_BYTES: u64 = 128 << 20;
const SPOOL_BYTES: u64 = 16 << 20;

impl DiskFault {
    pub fn is_possible(self) -> bool {
        match self {
            Self::Full | Self::FullQueue | Self::FullTables | Self::FullSpool => {
                SmallDisk::is_possible()
            }
            Self::FailingWrites | Self::Eio | Self::Slow => true,
        }
    }
}

pub async fn run(fault: DiskFault, round: &mut Round, servers: &Servers) -> Account {
    match fault {
        DiskFault::Full | DiskFault::FullQueue | DiskFault::FullTables => full(fault, round).await,
        DiskFault::FullSpool => full_spool(round, servers).await,
        DiskFault::FailingWrites => failing_writes(round).await,
        DiskFault::Eio => eio(round).await,
        DiskFault::Slow => slow(round).await,
    }
}

/// An `up` with its queue in one folder and its tables in another.
fn plan(queue: &std::path::Path, tables: &std::path::Path) -> FleetPlan {
    let url = format!("sqlite://{}", tables.join("waha.db").display());
    FleetPlan {
        environment: vec![("WAHA_INGEST__DATA_DIR", queue.display().to_string())],
        ..FleetPlan::new(&["up"], &url)
    }
}

async fn full(fault: DiskFault, round: &mut Round) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let small = SmallDisk::mount(folder.path().join("small"), DISK_BYTES);
    let large = folder.path().join("large");
    std::fs::create_dir(&large).unwrap();
    let (queue, tables) = match fault {
        DiskFault::FullQueue => (small.path(), large.as_path()),
        DiskFault::FullTables => (large.as_path(), small.path()),
        _ => (small.path(), small.path()),
    };
    let fleet = Fleet::start(plan(queue, tables)).await;
    let outages = outages(round);
    round.play(&fleet, Permitted::NOTHING, fail(&small, outages)).await
}

async fn failing_writes(round: &mut Round) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let plan = FleetPlan { endures: true, ..plan(folder.path(), folder.path()) };
    let fleet = Fleet::start(plan).await;
    let limit = WriteLimit::of(fleet.members[0].id().await);
    let outages = outages(round);
    round.play(&fleet, Permitted::NOTHING, fail(&limit, outages)).await
}

async fn eio(round: &mut Round) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let fleet = on_machine(&machine, &folder).await;
    let disk = machine.disk(round.one_of(&[Failing::Writes, Failing::Syncs, Failing::Both]));
    let outages = outages(round);
    round.play(&fleet, Permitted::NOTHING, fail(&disk, outages)).await
}

async fn slow(round: &mut Round) -> Account {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let fleet = on_machine(&machine, &folder).await;
    let delay = round.ms(50..1_000);
    let lasting = round.ms(4_000..20_000);
    let acting = async {
        println!("  each fsync takes {delay:?} more for {lasting:?}");
        machine.slow_down(delay);
        tokio::time::sleep(lasting).await;
        machine.slow_down(Duration::ZERO);
    };
    round.play(&fleet, Permitted::NOTHING, acting).await
}

async fn on_machine(machine: &Machine, folder: &TempDir) -> Fleet {
    let mut plan = plan(folder.path(), folder.path());
    plan.environment.extend(machine.environment());
    let fleet = Fleet::start(plan).await;
    machine.assert_used();
    fleet
}

async fn full_spool(round: &mut Round, servers: &Servers) -> Account {
    let folders: Vec<TempDir> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let mount = |folder: &TempDir| SmallDisk::mount(folder.path().join("data"), SPOOL_BYTES);
    let disks: Vec<SmallDisk> = folders[..2].iter().map(mount).collect();
    let fleet = Fleet::start_in(servers.plan().await, folders).await;
    let outage = round.ms(OUTAGE_MS);
    let is_away = round.index(2) == 0;
    let away = round.ms(300..4_000);
    let acting = async {
        println!("  no space for {outage:?}, the broker is killed: {is_away}");
        disks.iter().for_each(Disk::fail);
        if is_away {
            order_for(servers.broker().await.server.server(), ["kill", "resume"], away).await;
        }
        tokio::time::sleep(outage).await;
        disks.iter().for_each(Disk::mend);
    };
    // Refused for lack of space, and the broker died before it said whether it has it.
    let permitted = Permitted { uncounted: is_away, ..Permitted::NOTHING };
    let account = round.play(&fleet, permitted, acting).await;
    servers.end(fleet).await;
    account
}

/// Outages and the pauses after them.
fn outages(round: &mut Round) -> Vec<[Duration; 2]> {
    let count = 1 + round.index(2);
    (0..count).map(|_| [round.ms(OUTAGE_MS), round.ms(200..2_000)]).collect()
}

async fn fail(disk: &impl Disk, outages: Vec<[Duration; 2]>) {
    for [outage, pause] in outages {
        println!("  nothing can be written for {outage:?}");
        disk.fail();
        tokio::time::sleep(outage).await;
        disk.mend();
        tokio::time::sleep(pause).await;
    }
}
