//! What the broker's management API tells and AMQP does not: which nodes hold each queue, and which of
//! an operator's policies are in force on it. A policy wins over what we declare.
//!
//! Used by `check`, `status` and `monitor` where `queue.management_url` is configured. Read only, but
//! for `grow`. Invariant: nothing of this is needed to take webhooks in or to apply them, so
//! a user who may only look, or none, is enough for them.
//!
//! Why queues aren't declared with `x-quorum-initial-group-size`: a group takes the nodes that run at
//! its declaration, however many were asked for, so it would not help; and a broker refuses to declare
//! a queue that exists without it (seen on 3.10.8 and 4.0.5).

mod answer;
mod client;
mod error;
mod expected;
mod grow;
mod members;
mod policy;
mod problems;

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use self::answer::{FoundQueue, Page};
use self::client::ManagementClient;
use self::expected::{ExpectedQueue, expected_queues};
use self::grow::grow_command;
use super::connection::uri;
use super::options::Options;

pub use answer::ClusterNode;
pub use error::ManagementError;
pub use grow::Growth;
pub use members::{MemberFault, MemberFaultKind};
pub use policy::{PolicyConflict, PolicyEffect};

/// Queues on one page of the API's list: its limit. There are 27 of ours.
const PAGE: &str = "500";

/// What is asked of each queue; all else costs the broker more.
const COLUMNS: &str = "name,type,members,online,policy,operator_policy,effective_policy_definition";

/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A broker's management API, for the queues of one installation.
pub struct Management {
    client: ManagementClient,
    vhost: String,
    /// A regular expression that finds our queues, and few others.
    pattern: String,
    expected: Vec<ExpectedQueue>,
}

/// What was found in one look.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Nodes of the cluster, also those that don't run.
    pub nodes: Vec<ClusterNode>,
    /// How many queues there should be.
    pub queues: usize,
    /// Queues that can't stand what a quorum queue should stand; one entry each, its gravest.
    pub member_faults: Vec<MemberFault>,
    /// What policies break.
    pub policy_conflicts: Vec<PolicyConflict>,
    /// Queues of which the API does not tell the policy in force: for some seconds after they were made,
    /// and for good where its statistics are switched off.
    pub policies_unknown: usize,
}

impl Management {
    /// For the queues that these options give; `urls` are those of the API, tried in turn. One without
    /// a user gets that of the broker's first URL.
    pub fn new(options: &Options, urls: &[SecretString]) -> Result<Self, ManagementError> {
        let first = options.urls.first().ok_or(ManagementError::Settings("queue.url is empty"))?;
        let broker = uri(first).map_err(|_| ManagementError::Settings("queue.url is no URL"))?;
        let user = broker.authority.userinfo;
        let user = format!("{}:{}", user.username, user.password).into();
        Ok(Self {
            client: ManagementClient::new(urls, &user, options.ca_pem.as_deref())?,
            vhost: broker.vhost,
            pattern: pattern(&options.prefix),
            expected: expected_queues(options),
        })
    }

    /// The command that adds members on a node, for where the API is not there to do it.
    pub fn grow_command_of(options: &Options, node: &str) -> String {
        let vhost = options.urls.first().and_then(|url| uri(url).ok()).map(|uri| uri.vhost);
        grow_command(node, vhost.as_deref().unwrap_or("/"), &pattern(&options.prefix))
    }

    /// Looks until the policies in force on all queues are known, which after a declaration takes some
    /// seconds, but no longer than so; then what is known.
    pub async fn inspect_until_known(
        &self,
        limit: Duration,
    ) -> Result<Inspection, ManagementError> {
        let deadline = Instant::now() + limit;
        loop {
            let inspection = self.inspect().await?;
            if inspection.policies_unknown == 0 || Instant::now() >= deadline {
                return Ok(inspection);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Looks at all nodes and queues.
    pub async fn inspect(&self) -> Result<Inspection, ManagementError> {
        let nodes = self.nodes().await?;
        let found = self.queues().await?;
        let mut inspection = Inspection {
            nodes,
            queues: self.expected.len(),
            member_faults: Vec::new(),
            policy_conflicts: Vec::new(),
            policies_unknown: 0,
        };
        for expected in &self.expected {
            let queue = found.iter().find(|queue| queue.name == expected.name);
            let fault = members::fault(&expected.name, queue, &inspection.nodes);
            inspection.member_faults.extend(fault);
            let Some(queue) = queue else { continue };
            match &queue.effective_policy_definition {
                Some(_) => inspection.policy_conflicts.extend(policy::conflicts(expected, queue)),
                None => inspection.policies_unknown += 1,
            }
        }
        Ok(inspection)
    }

    async fn nodes(&self) -> Result<Vec<ClusterNode>, ManagementError> {
        self.client.get(&["nodes"], &[("columns", "name,running")]).await
    }

    async fn queues(&self) -> Result<Vec<FoundQueue>, ManagementError> {
        let query = [
            ("name", self.pattern.as_str()),
            ("use_regex", "true"),
            ("page", "1"),
            ("page_size", PAGE),
            ("columns", COLUMNS),
        ];
        let page: Page = self.client.get(&["queues", &self.vhost], &query).await?;
        page.queues().map_err(ManagementError::Unreadable)
    }
}

/// Finds the queues of an installation.
fn pattern(prefix: &str) -> String {
    format!("^{}waha\\.", escaped(prefix))
}

/// A text as a regular expression that finds it; of what a prefix may have, only the dot is special.
fn escaped(text: &str) -> String {
    text.replace('.', "\\.")
}
