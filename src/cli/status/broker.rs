//! What `status` says of the broker's inside, where `queue.management_url` is configured: without it
//! nothing, because nothing is known.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::queue::rabbitmq::management::Management;

/// How long the management API may take; the equation does not need it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Queues that lack members, policies that break promises.
#[derive(Default, Serialize)]
pub(super) struct BrokerReport {
    /// What is wrong; empty if all is well, or nothing is known.
    problems: Vec<String>,
    /// Why nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

impl BrokerReport {
    pub(super) async fn find(management: &Management) -> Self {
        match timeout(ANSWER_MAX, management.inspect()).await {
            Ok(Ok(inspection)) => Self { problems: inspection.problems(), unknown: None },
            Ok(Err(error)) => Self::unknown(format!("{:#}", anyhow::Error::from(error))),
            Err(_) => Self::unknown(format!(
                "the management API did not answer within {} s",
                ANSWER_MAX.as_secs()
            )),
        }
    }

    fn unknown(why: String) -> Self {
        Self { problems: Vec::new(), unknown: Some(why) }
    }

    /// For people; none if all is well.
    pub(super) fn lines(&self) -> Vec<String> {
        let problems = self.problems.iter().map(|problem| format!("broker: {problem}"));
        let unknown = self.unknown.iter().map(|why| format!("broker: not inspected: {why}"));
        problems.chain(unknown).collect()
    }
}
