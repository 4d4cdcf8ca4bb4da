//! Giving queues the members they lack: through the management API where the broker's release can (3.12
//! and later, and the last 3.11), else in the words of the broker's own tool.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::error::ManagementError;
use super::members::{MemberFault, MemberFaultKind};
use super::{Inspection, Management};

/// How long a queue may take to get one more member. A new leader allows no change at first, and the
/// broker itself waits 20 s for the queue's consent.
const MEMBER_MAX: Duration = Duration::from_secs(60);

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_secs(1);

/// What came of growing.
#[derive(Debug, Default)]
pub struct Growth {
    /// Members that were added: queue and node.
    pub added: Vec<(String, String)>,
    /// What could not be done: queue, node and why.
    pub failed: Vec<(String, String, ManagementError)>,
    /// What an operator runs on a node of the broker instead, if its API can't.
    pub commands: Vec<String>,
}

impl Management {
    /// Adds members to all queues that have too few, on running nodes. Can be done at any time: a queue
    /// goes on working while its new member copies what it holds.
    pub async fn grow(&self) -> Result<Growth, ManagementError> {
        let inspection = self.inspect().await?;
        let mut growth = Growth::default();
        let short = |fault: &&MemberFault| fault.kind == MemberFaultKind::ShortOfMembers;
        for fault in inspection.member_faults.iter().filter(short) {
            for node in new_members(fault, &inspection) {
                match self.add_member(&fault.queue, node).await {
                    Ok(()) => growth.added.push((fault.queue.clone(), node.to_owned())),
                    Err(ManagementError::Unsupported) => {
                        growth.commands = self.commands(&inspection);
                        return Ok(growth);
                    }
                    Err(error) => growth.failed.push((fault.queue.clone(), node.to_owned(), error)),
                }
            }
        }
        Ok(growth)
    }

    /// Tries again while the queue allows no change.
    async fn add_member(&self, queue: &str, node: &str) -> Result<(), ManagementError> {
        let path = ["queues", "quorum", &self.vhost, queue, "replicas", "add"];
        let deadline = Instant::now() + MEMBER_MAX;
        loop {
            match self.client.post(&path, &json!({ "node": node })).await {
                Err(
                    ManagementError::Answered { status: 500.., .. } | ManagementError::Silent(_),
                ) if Instant::now() < deadline => {
                    sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    /// What gives every queue a member on each node that one of them lacks.
    fn commands(&self, inspection: &Inspection) -> Vec<String> {
        let faults = || inspection.member_faults.iter();
        let short = || faults().filter(|fault| fault.kind == MemberFaultKind::ShortOfMembers);
        let lacked = |node: &&String| short().any(|fault| !fault.members.contains(*node));
        let nodes = inspection.nodes.iter().filter(|node| node.is_running);
        let nodes = nodes.map(|node| &node.name).filter(lacked);
        nodes.map(|node| grow_command(&quoted(node), &self.vhost, &self.pattern)).collect()
    }
}

/// What an operator runs on a node of the broker, so that each queue that `pattern` finds gets a member
/// on a node.
pub(super) fn grow_command(node: &str, vhost: &str, pattern: &str) -> String {
    let vhost = quoted(&format!("^{}$", super::escaped(vhost)));
    let queues = quoted(pattern);
    format!("rabbitmq-queues grow {node} all --vhost-pattern {vhost} --queue-pattern {queues}")
}

/// Running nodes that should have a member of a queue and have none, as many as it lacks.
fn new_members<'a>(fault: &MemberFault, inspection: &'a Inspection) -> Vec<&'a str> {
    let running = inspection.nodes.iter().filter(|node| node.is_running);
    let others = running.map(|node| node.name.as_str());
    let without = others.filter(|node| !fault.members.iter().any(|member| member == node));
    without.take(fault.needed.saturating_sub(fault.members.len())).collect()
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
