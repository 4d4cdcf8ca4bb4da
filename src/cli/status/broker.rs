//! What `status` says of the broker's inside, where `queue.management_url` is configured: without it
//! nothing, because nothing is known.

use std::time::Duration;

use tokio::time::timeout;

use crate::admin::BrokerReport;
use crate::queue::rabbitmq::management::Management;

/// How long the management API may take; the equation does not need it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What is seen of it now.
pub(super) async fn inspect(management: &Management) -> BrokerReport {
    match timeout(ANSWER_MAX, management.inspect()).await {
        Ok(Ok(inspection)) => BrokerReport { problems: inspection.problems(), unknown: None },
        Ok(Err(error)) => BrokerReport::unknown(format!("{:#}", anyhow::Error::from(error))),
        Err(_) => BrokerReport::unknown(format!(
            "the management API did not answer within {} s",
            ANSWER_MAX.as_secs()
        )),
    }
}

/// For people; none if all is well.
pub(super) fn lines(report: &BrokerReport) -> Vec<String> {
    let problems = report.problems.iter().map(|problem| format!("broker: {problem}"));
    let unknown = report.unknown.iter().map(|why| format!("broker: not inspected: {why}"));
    problems.chain(unknown).collect()
}
