//! What `status` shows, looked up in queue and tables.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::broker::BrokerReport;
use super::sessions::Sessions;
use crate::admin::{LaneReport, ProcessReport};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::equation::{Equation, Sides};
use crate::lifecycle::{open_management, open_sides, open_store};
use crate::queue::rabbitmq::management::Management;
use crate::silence::Silence;
use crate::store::Store;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::Actor;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};
use crate::store::operations::settlement::Settlement;

/// Groups of dead letters that are named; `dead-letters groups` names more.
const GROUPS_MAX: u64 = 10;

/// What is printed.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) equation: Equation,
    /// In the spools; absent without a broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spooled: Option<u64>,
    pub(super) lanes: Vec<LaneReport>,
    /// Who runs, and who ended without a word.
    pub(super) processes: Vec<ProcessReport>,
    /// Pending ones by cause, the most frequent first.
    pub(super) dead_letter_groups: Vec<DeadLetterGroup>,
    #[serde(flatten)]
    pub(super) sessions: Sessions,
    /// Sources whose clock disagrees with ours.
    pub(super) wrong_clocks: Vec<SourceClock>,
    /// Absent without `queue.management_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broker: Option<BrokerReport>,
}

/// What is looked at, opened once.
pub(super) struct Sight {
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
    sides: Sides,
    silence: Silence,
    management: Option<Management>,
}

impl Sight {
    pub(super) async fn open(config: &Config, spools: &[PathBuf]) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(config, &clock).await?;
        Ok(Self {
            sides: open_sides(config, &clock, spools)?,
            management: open_management(config)?,
            silence: Silence::new(Arc::clone(&store), config.silent_after),
            store,
            clock,
        })
    }

    /// With the equation of one moment.
    pub(super) async fn report(&self) -> anyhow::Result<Report> {
        self.around(self.sides.count(&self.store).await?).await
    }

    /// With an equation that holds up nobody.
    pub(super) async fn report_moving(&self) -> anyhow::Result<Report> {
        self.around(self.sides.count_moving(&self.store).await?).await
    }

    /// What an operator could settle now, or why nothing.
    pub(super) async fn settlement(&self) -> anyhow::Result<Result<Settlement, String>> {
        Ok(self.sides.settlement(&self.store).await?)
    }

    /// Settles; returns the number of the entry in the audit log.
    pub(super) async fn settle(
        &self,
        settled: &Settlement,
        actor: &Actor,
        note: Option<&str>,
    ) -> anyhow::Result<i64> {
        Ok(self.store.settle(settled, actor, note).await?)
    }

    async fn processes(&self, now_ms: i64) -> anyhow::Result<Vec<ProcessReport>> {
        let doors = self.sides.doors().await?;
        let workers = self.store.processes().await?;
        let doors = doors.iter().map(|door| ProcessReport::of_door(door, now_ms));
        Ok(doors.chain(workers.iter().map(|row| ProcessReport::of_worker(row, now_ms))).collect())
    }

    async fn around(&self, equation: Equation) -> anyhow::Result<Report> {
        let spooled = self.sides.spooled().await?;
        let (depth, now_ms) = (self.sides.depth().await?, self.clock.now_ms());
        let broker = match &self.management {
            Some(management) => Some(BrokerReport::find(management).await),
            None => None,
        };
        let until = depth.ended_until(now_ms);
        let pending = DeadLetterFilter {
            states: vec![DeadLetterState::Pending],
            ..DeadLetterFilter::default()
        };
        Ok(Report {
            equation,
            spooled,
            lanes: depth.lanes.iter().map(|lane| LaneReport::new(lane, now_ms)).collect(),
            processes: self.processes(now_ms).await?,
            dead_letter_groups: self.store.dead_letter_groups(&pending, GROUPS_MAX).await?,
            sessions: Sessions::find(&self.store, &self.silence, until).await?,
            wrong_clocks: self.store.wrong_clocks().await?,
            broker,
        })
    }
}
