//! What the broker's management API told: nodes, queues with too few members, policies that break
//! promises. Set by `monitor`; no series where it is not asked or does not answer.

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntGaugeVec};

use crate::queue::rabbitmq::management::{Inspection, MemberFaultKind, PolicyEffect};
use crate::telemetry::family::{self, seconds};

/// What the management API told.
#[derive(Clone)]
pub struct BrokerGauges {
    nodes: IntGaugeVec,
    queue_faults: IntGaugeVec,
    policy_conflicts: IntGaugeVec,
    inspected_at: GaugeVec,
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl BrokerGauges {
    pub(super) fn new() -> Self {
        Self {
            nodes: family::gauges("broker_nodes", "Nodes of the broker's cluster.", &["state"]),
            queue_faults: family::gauges(
                "broker_queue_faults",
                "Queues that can't stand what a quorum queue should, each under its gravest fault.",
                &["fault"],
            ),
            policy_conflicts: family::gauges(
                "broker_policy_conflicts",
                "Settings of policies in force on our queues, by what they do to webhooks.",
                &["effect"],
            ),
            inspected_at: family::times(
                "broker_inspected_timestamp_seconds",
                "When the broker's management API last told all this; 0 before the first time.",
                &[],
            ),
        }
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.nodes.clone()),
            Box::new(self.queue_faults.clone()),
            Box::new(self.policy_conflicts.clone()),
            Box::new(self.inspected_at.clone()),
        ]
    }

    /// From now on there should be inspections.
    pub fn expect(&self) {
        self.inspected_at.with_label_values(&[] as &[&str]).set(0.0);
    }

    /// What was found.
    pub fn set(&self, inspection: &Inspection, now_ms: i64) {
        let running = inspection.nodes.iter().filter(|node| node.is_running).count();
        self.nodes.with_label_values(&["running"]).set(whole(running));
        let stopped = inspection.nodes.len() - running;
        self.nodes.with_label_values(&["stopped"]).set(whole(stopped));
        for kind in MemberFaultKind::ALL {
            let count = inspection.member_faults.iter().filter(|fault| fault.kind == kind).count();
            self.queue_faults.with_label_values(&[kind.name()]).set(whole(count));
        }
        for effect in PolicyEffect::ALL {
            let these = inspection.policy_conflicts.iter().filter(|it| it.effect == effect);
            self.policy_conflicts.with_label_values(&[effect.name()]).set(whole(these.count()));
        }
        self.inspected_at.with_label_values(&[] as &[&str]).set(seconds(now_ms));
    }

    /// Nobody knows: an old figure would look like a new one. When it was last known stays.
    pub fn forget(&self) {
        self.nodes.reset();
        self.queue_faults.reset();
        self.policy_conflicts.reset();
    }
}
