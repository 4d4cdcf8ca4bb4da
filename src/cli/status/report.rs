//! What `status` shows, looked up in queue and tables.

use std::sync::Arc;

use serde::Serialize;

use super::Options;
use super::sessions::Sessions;
use crate::admin::LaneReport;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::equation::{Equation, Sides};
use crate::lifecycle::{open_sides, open_store};
use crate::silence::Silence;
use crate::store::Store;
use crate::store::dead_letter::{Filter, Group, State};

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
    /// Pending ones by cause, the most frequent first.
    pub(super) dead_letter_groups: Vec<Group>,
    #[serde(flatten)]
    pub(super) sessions: Sessions,
}

/// What is looked at, opened once.
pub(super) struct Sight {
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
    sides: Sides,
    silence: Silence,
}

impl Sight {
    pub(super) async fn open(config: &Config, options: &Options) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(config, &clock).await?;
        Ok(Self {
            sides: open_sides(config, &clock, &options.spool)?,
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

    async fn around(&self, equation: Equation) -> anyhow::Result<Report> {
        let spooled = self.sides.spooled().await?;
        let (depth, now_ms) = (self.sides.depth().await?, self.clock.now_ms());
        let until = depth.ended_until(now_ms);
        let pending = Filter { states: vec![State::Pending], ..Filter::default() };
        Ok(Report {
            equation,
            spooled,
            lanes: depth.lanes.iter().map(|lane| LaneReport::new(lane, now_ms)).collect(),
            dead_letter_groups: self.store.dead_letter_groups(&pending, GROUPS_MAX).await?,
            sessions: Sessions::find(&self.store, &self.silence, until).await?,
        })
    }
}
