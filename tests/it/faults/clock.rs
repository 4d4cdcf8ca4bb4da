//! The clock of the machine jumps, and is set right again.

use std::time::Duration;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::Servers;
use crate::fleet::{Fleet, FleetPlan};
use crate::machine::Machine;

faults! {
    /// Whose clock.
    ClockFault {
        Up: "clock-jump", "the clock of an up jumps by up to a day and a half, with a kill in between perhaps";
        Fleet: "clock-jump-fleet", "the clock of doors and workers jumps, that of the broker does not";
    }
}

const JUMP_MS: i64 = 36 * 3_600_000;

/// One jump, and what happens while the clock is wrong.
struct Jump {
    ahead_ms: i64,
    lasting: Duration,
    /// A process that is killed then, and comes back when the clock is right.
    killed: Option<usize>,
}

impl ClockFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }
}

pub async fn run(fault: ClockFault, round: &mut Round, servers: &Servers) -> Account {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let mut plan = match fault {
        ClockFault::Up => {
            let url = format!("sqlite://{}", folder.path().join("waha.db").display());
            FleetPlan::new(&["up"], &url)
        }
        ClockFault::Fleet => servers.plan().await,
    };
    plan.environment.extend(machine.environment());
    let fleet = Fleet::start(plan).await;
    machine.assert_used();
    let jumps: Vec<Jump> = (0..=round.index(2)).map(|_| jump(round, fleet.members.len())).collect();
    let kills_door = jumps.iter().filter_map(|jump| jump.killed).any(|index| index < 2);
    let uncounted = kills_door && fault == ClockFault::Fleet;
    let acting = async {
        for jump in jumps {
            happen(&jump, &machine, &fleet).await;
        }
    };
    let account = round.play(&fleet, Permitted { uncounted, ..Permitted::NOTHING }, acting).await;
    if fault == ClockFault::Fleet {
        servers.end(fleet).await;
    }
    account
}

fn jump(round: &mut Round, members: usize) -> Jump {
    use rand::RngExt;
    let kills = round.index(2) == 0;
    Jump {
        ahead_ms: round.rng.random_range(-JUMP_MS..JUMP_MS),
        lasting: round.ms(500..6_000),
        killed: kills.then(|| round.index(members)),
    }
}

async fn happen(jump: &Jump, machine: &Machine, fleet: &Fleet) {
    println!("  {} ms ahead for {:?}, killed: {:?}", jump.ahead_ms, jump.lasting, jump.killed);
    machine.jump_to(jump.ahead_ms);
    tokio::time::sleep(jump.lasting).await;
    match jump.killed {
        Some(index) => {
            fleet.members[index].kill().await;
            machine.jump_to(0);
            fleet.members[index].resume().await;
        }
        None => machine.jump_to(0),
    }
}
