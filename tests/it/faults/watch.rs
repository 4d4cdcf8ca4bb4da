//! What an installation says of itself while something happens to it: its status, which must never be
//! untrue, readiness, metrics and log.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use waha_ingest::http_client;

use crate::fleet::{Fleet, Member};
use crate::scrape::Scrape;

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks until it is stopped.
#[derive(Default)]
pub struct Watch {
    is_over: Cell<bool>,
    untrue: RefCell<Option<Value>>,
    readiness: RefCell<BTreeMap<String, usize>>,
    metrics: RefCell<BTreeSet<String>>,
}

impl Watch {
    pub fn stop(&self) {
        self.is_over.set(true);
    }

    /// Asks everybody again and again.
    pub async fn look(&self, fleet: &Fleet) {
        while !self.is_over.get() {
            // While nothing can be read or written there may be no answer.
            if let Some(status) = fleet.status().await.filter(|told| told["balanced"] == false) {
                self.untrue.borrow_mut().get_or_insert(status);
            }
            for member in &fleet.members {
                self.look_at(member).await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look_at(&self, member: &Member) {
        let client = http_client::plain().timeout(LOOK_EVERY).build().unwrap();
        let url = format!("http://127.0.0.1:{}/readyz", member.setting().admin_port);
        let code = client.get(url).send().await.map_or(0, |answer| answer.status().as_u16());
        *self.readiness.borrow_mut().entry(format!("{} {code}", member.role)).or_default() += 1;
        let scrape = Scrape::try_of(&member.setting(), LOOK_EVERY).await;
        let told = scrape.iter().flat_map(noteworthy).map(|it| format!("{} {it}", member.role));
        self.metrics.borrow_mut().extend(told);
    }

    /// The first status that said that something is missing.
    pub fn untrue(&self) -> Option<String> {
        self.untrue.borrow().as_ref().map(Value::to_string)
    }

    /// What was said, for people.
    pub fn observed(&self, fleet: &Fleet) -> String {
        let readiness = self.readiness.borrow();
        let metrics = self.metrics.borrow();
        let log = log(fleet);
        format!("  readyz: {readiness:?}\n  metrics: {metrics:?}\n  log: {log:#?}")
    }
}

/// What the metrics say that is not as it should be.
fn noteworthy(scrape: &Scrape) -> Vec<String> {
    let mut found = Vec::new();
    for dependency in ["queue", "spool", "database"] {
        if scrape.get("waha_ingest_dependency_up", &[("dependency", dependency)]) == Some(0.0) {
            found.push(format!("{dependency} down"));
        }
    }
    if scrape.get("waha_ingest_spool_webhooks", &[]).is_some_and(|count| count > 0.0) {
        found.push("spool in use".to_owned());
    }
    for fault in ["missing", "without_majority", "short_of_members", "member_offline"] {
        let labels = [("fault", fault)];
        if scrape.get("waha_ingest_broker_queue_faults", &labels).is_some_and(|count| count > 0.0) {
            found.push(fault.to_owned());
        }
    }
    found
}

/// Distinct warnings and errors of all processes, and how often each was logged.
fn log(fleet: &Fleet) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for member in &fleet.members {
        let text = member.log();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for line in lines.filter(|line| line["level"] != "INFO") {
            let message = line["message"].as_str().unwrap_or_default();
            let level = line["level"].as_str().unwrap_or_default();
            *found.entry(format!("{level} {}: {message}", member.role)).or_default() += 1;
        }
    }
    found
}
