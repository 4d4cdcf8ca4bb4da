//! What is seen through the broker's management API: queues that lack members, policies that break
//! promises. Called by `monitor`, where `queue.management_url` is configured.
//!
//! A log line says what is wrong when that changes, and no sooner again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::broker::BrokerGauges;
use crate::outage::Outage;
use crate::queue::rabbitmq::management::{Inspection, Management, ManagementError};
use crate::telemetry::cause::{self, Causes};

/// How often it is asked. The broker renews most of it every five seconds.
const INSPECT_EVERY: Duration = Duration::from_secs(20);

/// An inspection that takes longer is given up.
const INSPECT_MAX: Duration = Duration::from_secs(60);

/// What is wrong, or why that is not known.
type Found = Result<Vec<String>, String>;

/// What was found last. Clones share it.
#[derive(Clone, Default)]
pub struct LastInspection(Arc<Mutex<Option<Found>>>);

impl LastInspection {
    /// None before the first one has ended.
    pub fn get(&self) -> Option<Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, found: Found) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }
}

/// Looks at the broker from outside.
pub struct BrokerInspector {
    management: Management,
    gauges: BrokerGauges,
    clock: Arc<dyn Clock>,
    last: LastInspection,
}

impl BrokerInspector {
    /// Sets these metrics.
    pub fn new(management: Management, gauges: BrokerGauges, clock: Arc<dyn Clock>) -> Self {
        gauges.expect();
        Self { management, gauges, clock, last: LastInspection::default() }
    }

    /// Where what it finds is told.
    pub fn last(&self) -> LastInspection {
        self.last.clone()
    }

    /// Looks again and again, until `stop`; first when the queues of a first start are there.
    pub async fn run(self, stop: CancellationToken) {
        let mut outage = Outage::new();
        let mut told = Vec::new();
        let pause = || stop.run_until_cancelled(tokio::time::sleep(INSPECT_EVERY));
        while pause().await.is_some() {
            let inspected = timeout(INSPECT_MAX, self.management.inspect()).await;
            match inspected.unwrap_or(Err(ManagementError::Silent(INSPECT_MAX.as_secs()))) {
                Ok(inspection) => {
                    outage = Outage::new();
                    self.gauges.set(&inspection, self.clock.now_ms());
                    told = report(&inspection, &told);
                    self.last.set(Ok(told.clone()));
                }
                Err(error) => {
                    self.gauges.forget();
                    self.last.set(Err(cause::words(&error)));
                    if outage.is_news() {
                        tracing::warn!(error = %Causes(&error), "the broker's queues can't be inspected");
                    }
                }
            }
        }
    }
}

/// Logs what is wrong and was not `told` before, and that all is well again. Queue names and policies
/// are an operator's own words.
fn report(inspection: &Inspection, told: &[String]) -> Vec<String> {
    let found = inspection.problems();
    let passing = inspection.passing_problems();
    for problem in found.iter().filter(|problem| !told.contains(problem)) {
        if passing.contains(problem) {
            tracing::warn!(problem, "queues on the broker stand no further loss");
        } else {
            tracing::error!(problem, "a queue on the broker is not safe");
        }
    }
    if found.is_empty() && !told.is_empty() {
        tracing::info!("all queues on the broker are safe again");
    }
    found
}
