//! Something is killed, frozen or cut off: a process, the broker, the database.

use std::time::Duration;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::{Servers, order_for};
use crate::database::{Database, Kind as DatabaseKind};
use crate::fleet::{Fleet, FleetPlan};

faults! {
    /// What is struck.
    ProcessFault {
        KillDoor: "kill-door", "kill -9 of a serve, one to three times";
        KillWorker: "kill-worker", "kill -9 of a work";
        KillUp: "kill-up", "kill -9 of an up with the embedded queue, on SQLite, PostgreSQL or MariaDB";
        FreezeDoor: "freeze-door", "SIGSTOP of a serve for some seconds";
        FreezeWorker: "freeze-worker", "SIGSTOP of a work for some seconds";
        KillBroker: "kill-broker", "kill -9 of the broker";
        FreezeBroker: "freeze-broker", "SIGSTOP of the broker: it is slow, then it hangs";
        KillDatabase: "kill-database", "kill -9 of PostgreSQL";
        FreezeDatabase: "freeze-database", "SIGSTOP of PostgreSQL: it is slow, then it hangs";
        CutBroker: "cut-broker", "all connections to the broker break";
        CutDatabase: "cut-database", "all connections to PostgreSQL break";
        BrokerAway: "broker-away", "the broker is dead or hangs for longer than any time-out";
        DatabaseAway: "database-away", "PostgreSQL is dead or hangs for longer than any time-out";
        RollingUpdate: "rolling-update", "SIGTERM of every process in turn, each replaced";
        Mixed: "mixed", "three of the kills, freezes and cuts above";
    }
}

/// What [`ProcessFault::Mixed`] chooses from.
const SHORT: [ProcessFault; 10] = [
    ProcessFault::KillDoor,
    ProcessFault::KillWorker,
    ProcessFault::FreezeDoor,
    ProcessFault::FreezeWorker,
    ProcessFault::KillBroker,
    ProcessFault::FreezeBroker,
    ProcessFault::KillDatabase,
    ProcessFault::FreezeDatabase,
    ProcessFault::CutBroker,
    ProcessFault::CutDatabase,
];

/// How long something is away: shortly, and for longer than any time-out of ours and of drivers.
const SHORT_MS: std::ops::Range<u64> = 300..4_000;
const LONG_MS: std::ops::Range<u64> = 60_000..90_000;

/// One blow.
struct Strike {
    fault: ProcessFault,
    /// Which of the processes of its role.
    index: usize,
    away: Duration,
    pause: Duration,
    /// Where the fault leaves it open: killed, not frozen.
    kills: bool,
}

impl ProcessFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }

    fn is_long(self) -> bool {
        matches!(self, Self::BrokerAway | Self::DatabaseAway)
    }
}

pub async fn run(fault: ProcessFault, round: &mut Round, servers: &Servers) -> Account {
    let strikes = strikes(fault, round);
    let fleet = match fault {
        ProcessFault::KillUp => embedded(round, servers).await,
        _ => Fleet::start(servers.plan().await).await,
    };
    // What is sent lasts longer than what is away.
    match fault {
        ProcessFault::BrokerAway | ProcessFault::DatabaseAway => round.lasts(100.0),
        ProcessFault::RollingUpdate => round.lasts(30.0),
        _ => {}
    }
    let kills_door = strikes.iter().any(|one| one.fault == ProcessFault::KillDoor);
    let permitted = Permitted { uncounted: kills_door, ..Permitted::NOTHING };
    let acting = async {
        for one in strikes {
            println!("  {} for {:?}", one.fault.name(), one.away);
            strike(&one, &fleet, servers).await;
            tokio::time::sleep(one.pause).await;
        }
    };
    let account = round.play(&fleet, permitted, acting).await;
    if fault != ProcessFault::KillUp {
        servers.end(fleet).await;
    }
    account
}

fn strikes(fault: ProcessFault, round: &mut Round) -> Vec<Strike> {
    let count = match fault {
        ProcessFault::Mixed => 3,
        ProcessFault::RollingUpdate => 1,
        _ if fault.is_long() => 1,
        _ => 1 + round.index(3),
    };
    (0..count).map(|_| one_strike(fault, round)).collect()
}

fn one_strike(fault: ProcessFault, round: &mut Round) -> Strike {
    let fault = if fault == ProcessFault::Mixed { round.one_of(&SHORT) } else { fault };
    Strike {
        fault,
        index: round.index(2),
        away: round.ms(if fault.is_long() { LONG_MS } else { SHORT_MS }),
        pause: round.ms(200..2_000),
        kills: round.index(2) == 0,
    }
}

/// An `up` on any kind of database.
async fn embedded(round: &mut Round, servers: &Servers) -> Fleet {
    let kinds = [DatabaseKind::Sqlite, DatabaseKind::Postgres, DatabaseKind::MySql];
    let database = match round.one_of(&kinds) {
        DatabaseKind::Sqlite => {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("waha.db").display());
            return Fleet::start_in(FleetPlan::new(&["up"], &url), vec![folder]).await;
        }
        DatabaseKind::Postgres => Database::on_server(&servers.postgres().await.server.url).await,
        DatabaseKind::MySql => Database::on_server(&servers.mysql().await.url).await,
    };
    Fleet::start(FleetPlan::new(&["up"], &database.url)).await
}

async fn strike(one: &Strike, fleet: &Fleet, servers: &Servers) {
    let broker = servers.broker();
    let postgres = servers.postgres();
    let orders = if one.kills { ["kill", "resume"] } else { ["freeze", "thaw"] };
    let kill = ["kill", "resume"];
    let freeze = ["freeze", "thaw"];
    match one.fault {
        ProcessFault::KillDoor => fleet.doors()[one.index].kill_for(one.away).await,
        ProcessFault::KillWorker => fleet.workers()[one.index].kill_for(one.away).await,
        ProcessFault::KillUp => fleet.members[0].kill_for(one.away).await,
        ProcessFault::FreezeDoor => fleet.doors()[one.index].freeze_for(one.away).await,
        ProcessFault::FreezeWorker => fleet.workers()[one.index].freeze_for(one.away).await,
        ProcessFault::KillBroker => order_for(broker.await.server.server(), kill, one.away).await,
        ProcessFault::FreezeBroker => {
            order_for(broker.await.server.server(), freeze, one.away).await;
        }
        ProcessFault::BrokerAway => order_for(broker.await.server.server(), orders, one.away).await,
        ProcessFault::KillDatabase => order_for(&postgres.await.server, kill, one.away).await,
        ProcessFault::FreezeDatabase => order_for(&postgres.await.server, freeze, one.away).await,
        ProcessFault::DatabaseAway => order_for(&postgres.await.server, orders, one.away).await,
        ProcessFault::CutBroker => broker.await.proxy.cut(),
        ProcessFault::CutDatabase => postgres.await.proxy.cut(),
        ProcessFault::RollingUpdate => {
            for member in &fleet.members {
                member.replace().await;
            }
        }
        ProcessFault::Mixed => unreachable!("it is one of the others by now"),
    }
}
