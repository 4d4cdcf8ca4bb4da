//! What other people do on the broker: put messages of their own into our queues, purge them, and set
//! policies over them.

use std::time::Duration;

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::{Servers, prefix_of};
use crate::fleet::Fleet;
use crate::foreign_messages::foreign::{channel, known, made_up, publish};
use crate::rabbitmq_node::Node;

faults! {
    /// What they do.
    StrangerFault {
        Foreign: "foreign-messages", "messages of somebody else's in a lane: NUL, huge ids, absurd times, anything";
        Purge: "purge", "an operator purges the queues of some lanes while workers are away";
        DropHead: "policy-drop-head", "an operator's policy: max-length with drop-head, while workers are away";
        MessageTtl: "policy-message-ttl", "an operator's policy: messages expire, while workers are away";
    }
}

/// Made-up messages, beside those that are known to have stopped a lane.
const MADE_UP: usize = 60;
const LANES: [&str; 4] = ["sessions", "messages", "calls", "chats"];

impl StrangerFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }

    fn permitted(self) -> Permitted {
        match self {
            Self::Foreign => Permitted { foreign: true, ..Permitted::NOTHING },
            Self::Purge => Permitted { destroys: true, ..Permitted::NOTHING },
            Self::DropHead => Permitted { destroys: true, buries: true, ..Permitted::NOTHING },
            Self::MessageTtl => Permitted { buries: true, ..Permitted::NOTHING },
        }
    }
}

pub async fn run(fault: StrangerFault, round: &mut Round, servers: &Servers) -> Account {
    let mut plan = servers.plan().await;
    if fault == StrangerFault::Foreign {
        // What is refused for an unknown reason does not climb the ladder for hours.
        plan.configuration += "retry.delays_ms = []\n";
    }
    let fleet = Fleet::start(plan).await;
    let node = &servers.broker().await.server;
    let prefix = prefix_of(&fleet);
    let permitted = fault.permitted();
    let account = match fault {
        StrangerFault::Foreign => {
            let acting = put(node, &prefix, made_up(MADE_UP, round.seed_byte()));
            round.play(&fleet, permitted, acting).await
        }
        StrangerFault::Purge => {
            let lanes = 1 + round.index(LANES.len());
            let acting = while_workers_are_away(&fleet, round.ms(1_000..4_000), |is_full| {
                for lane in LANES[..lanes].iter().filter(|_| is_full) {
                    node.control(&["purge_queue", &format!("{prefix}waha.{lane}")]);
                }
            });
            round.play(&fleet, permitted, acting).await
        }
        StrangerFault::DropHead | StrangerFault::MessageTtl => {
            let policy = policy(fault, round);
            let acting = while_workers_are_away(&fleet, round.ms(2_000..6_000), |is_full| {
                set_policy(node, &prefix, (!is_full).then_some(&policy));
            });
            round.play(&fleet, permitted, acting).await
        }
    };
    servers.end(fleet).await;
    account
}

async fn put(node: &Node, prefix: &str, more: Vec<crate::foreign_messages::foreign::Foreign>) {
    let (_connection, channel) = channel(node.url()).await;
    for (number, foreign) in known().iter().chain(&more).enumerate() {
        publish(&channel, prefix, number, foreign).await;
    }
}

/// Kills the workers, and starts them after a while; calls `act` before and after it.
async fn while_workers_are_away(fleet: &Fleet, away: Duration, act: impl Fn(bool)) {
    for worker in fleet.workers() {
        worker.kill().await;
    }
    act(false);
    tokio::time::sleep(away).await;
    act(true);
    for worker in fleet.workers() {
        worker.resume().await;
    }
}

fn policy(fault: StrangerFault, round: &mut Round) -> String {
    match fault {
        StrangerFault::MessageTtl => {
            let ttl = round.ms(100..1_500).as_millis();
            format!(r#"{{"message-ttl":{ttl}}}"#)
        }
        _ => format!(r#"{{"max-length":{},"overflow":"drop-head"}}"#, 10 + round.index(90)),
    }
}

/// Sets a policy over all lanes, or clears it.
fn set_policy(node: &Node, prefix: &str, policy: Option<&String>) {
    let name = format!("{prefix}policy");
    let pattern = format!("^{prefix}waha.({})$", LANES.join("|"));
    match policy {
        Some(policy) => {
            println!("  {policy}");
            node.control(&["set_policy", &name, &pattern, policy, "--apply-to", "queues"]);
        }
        None => node.control(&["clear_policy", &name]),
    }
}
