//! Three nodes of a broker, of which one is killed, frozen, cut off, or all are restarted or boot together. A
//! majority survives: nothing is lost, nothing doubled.

use std::time::{Duration, Instant};

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::{Length, PATIENCE, Round};
use super::servers::{Servers, prefix_of};
use crate::database::Database;
use crate::fleet::{Fleet, FleetPlan, TWO_EACH};
use crate::process::Setting;
use crate::rabbitmq_cluster::{BootingCluster, BrokerCluster, NODES, Reconciling, configuration};
use crate::rabbitmq_management::{QUEUES, metric_is, run_printed_commands, text};
use crate::rabbitmq_node::{delete_queues, prefix};
use crate::wait::wait_for;

faults! {
    /// What happens to the nodes.
    NodeFault {
        Kill: "node-kill", "kill -9 of one of three nodes of the broker";
        Freeze: "node-freeze", "SIGSTOP of one of three nodes";
        Partition: "node-partition", "one of three nodes and the others lose sight of each other";
        RollingRestart: "node-rolling-restart", "all three nodes restart in turn, as an upgrade does it";
        BootRace: "boot-race", "three nodes and an up start together, each after a delay of its own";
    }
}

/// How long a node is away: longer than the others take to notice.
const AWAY_MS: std::ops::Range<u64> = 12_000..20_000;
/// The longest that one of them starts after another.
const DELAY_MS: std::ops::Range<u64> = 0..8_000;
/// How long queues may take to have three members by themselves.
const MEMBERS_MAX: Duration = Duration::from_mins(1);

impl NodeFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        BrokerCluster::is_possible()
    }
}

pub async fn run(fault: NodeFault, round: &mut Round, servers: &Servers) -> Account {
    if fault == NodeFault::BootRace {
        return boot_race(round, servers).await;
    }
    let cluster = servers.nodes().await;
    let admin_url = Database::on_server(&servers.postgres().await.server.url).await.url;
    let plan = FleetPlan {
        queue_url: Some(cluster.urls().join(",")),
        configuration: configuration(&prefix(), &cluster.management_urls()),
        ..FleetPlan::new(TWO_EACH, &admin_url)
    };
    let fleet = Fleet::start(plan).await;
    round.lasts(if fault == NodeFault::RollingRestart { 60.0 } else { 25.0 });
    let index = round.index(NODES);
    let away = round.ms(AWAY_MS);
    let acting = strike(fault, cluster, index, away);
    let account = round.play(&fleet, Permitted::NOTHING, acting).await;
    let prefix = prefix_of(&fleet);
    drop(fleet);
    let queues: Vec<String> = cluster.members(&prefix).into_iter().map(|(name, _)| name).collect();
    delete_queues(&cluster.urls()[0], &queues).await;
    account
}

async fn strike(fault: NodeFault, cluster: &BrokerCluster, index: usize, away: Duration) {
    println!("  node {} for {away:?}", index + 1);
    match fault {
        NodeFault::Kill => {
            cluster.node(index).order("kill");
            tokio::time::sleep(away).await;
            cluster.node(index).order("resume");
        }
        NodeFault::Freeze => {
            cluster.node(index).order("freeze");
            tokio::time::sleep(away).await;
            cluster.node(index).order("thaw");
        }
        NodeFault::Partition => {
            cluster.isolate(index);
            tokio::time::sleep(away).await;
            cluster.heal();
        }
        NodeFault::RollingRestart => {
            tokio::task::block_in_place(|| {
                (0..NODES).for_each(|index| cluster.restart_gracefully(index));
            });
        }
        NodeFault::BootRace => unreachable!("it has nodes of its own"),
    }
}

/// Queues get the nodes that run when they are declared, so some may have one member: then that is told,
/// and can be mended.
async fn boot_race(round: &mut Round, servers: &Servers) -> Account {
    let delays = [round.ms(DELAY_MS), round.ms(DELAY_MS), round.ms(DELAY_MS)];
    let product = round.ms(DELAY_MS);
    println!("  the nodes start after {delays:?}, up after {product:?}");
    let prefix = prefix();
    let admin_url = Database::on_server(&servers.postgres().await.server.url).await.url;
    let booting = BootingCluster::begin(delays, Reconciling::Yes);
    let plan = FleetPlan {
        queue_url: Some(booting.urls().join(",")),
        configuration: configuration(&prefix, &booting.management_urls()),
        ..FleetPlan::new(&["up"], &admin_url)
    };
    // The order in which they come up is what is tried.
    tokio::time::sleep(product).await;
    let booted = async { tokio::task::spawn_blocking(|| booting.wait()).await.unwrap() };
    let (fleet, cluster) = tokio::join!(Fleet::start(plan), booted);
    let patience = if round.length == Length::Short { MEMBERS_MAX / 4 } else { MEMBERS_MAX };
    let acting = async {
        let short = told_and_grown(&cluster, &prefix, &fleet.members[0].setting(), patience).await;
        println!("  {short} of {QUEUES} queues short, told and grown");
    };
    round.play(&fleet, Permitted::NOTHING, acting).await
}

/// Returns how many queues had too few members after a while; they were told and grown.
async fn told_and_grown(
    cluster: &BrokerCluster,
    prefix: &str,
    setting: &Setting<'_>,
    patience: Duration,
) -> usize {
    let short = || cluster.members(prefix).iter().filter(|(_, members)| *members < NODES).count();
    wait_for("all queues", PATIENCE, || async {
        (cluster.members(prefix).len() == QUEUES).then_some(())
    })
    .await;
    let started = Instant::now();
    let left = wait_for("queues with members", PATIENCE, || async {
        let count = short();
        (count == 0 || started.elapsed() > patience).then_some(count)
    })
    .await;
    metric_is(setting, "waha_ingest_broker_nodes", &[("state", "running")], NODES).await;
    let fault = [("fault", "short_of_members")];
    metric_is(setting, "waha_ingest_broker_queue_faults", &fault, left).await;
    let said = text(&setting.run(&["check"]));
    let status = String::from_utf8(setting.run(&["status"]).stdout).unwrap();
    assert_eq!(said.contains("of 3 members ("), left > 0, "{said}");
    assert_eq!(status.contains("of 3 members ("), left > 0, "{status}");
    if left > 0 {
        run_printed_commands(cluster, &text(&setting.run(&["check", "--grow"])));
        wait_for("three members each", PATIENCE, || async { (short() == 0).then_some(()) }).await;
    }
    left
}
