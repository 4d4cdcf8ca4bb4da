//! One round: an installation under load, and what happens to it. All that is left to chance comes from
//! the round's seed.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use waha_ingest::sender::Report;
use waha_ingest::simulate::{Plan, Sent, history, shuffled};

use super::account::{Account, Permitted, take};
use super::followers::Followers;
use super::history::archived;
use super::watch::Watch;
use crate::fleet::Fleet;
use crate::load::{Load, at_rate};

/// How long a round may take to take in some webhooks, and to become quiet.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// A status that knows nothing for so long will not.
const UNKNOWN_MAX: Duration = Duration::from_secs(30);
/// How often the status is asked for, besides what each look takes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Retries of a webhook: longer than anything lasts.
const RETRIES: u32 = 1_000;
/// Webhooks per second of those that are sent before anything happens.
const FIRST_RATE: f64 = 600.0;

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// With all tests.
    Short,
    /// In a campaign.
    Full,
}

/// One round.
pub struct Round {
    pub rng: StdRng,
    pub length: Length,
    seed: u64,
    /// Webhooks per second.
    rate: f64,
    /// For how many seconds.
    seconds: f64,
    /// Sent before, and settled.
    first: Vec<Sent>,
    /// Where the ledger's rows are before they go.
    archive: Option<PathBuf>,
}

impl Round {
    pub fn new(seed: u64, length: Length) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (rate, seconds) = match length {
            Length::Short => (rng.random_range(80..120), 6.0),
            Length::Full => (rng.random_range(100..400), 10.0),
        };
        let rate = f64::from(rate);
        Self { rng, length, seed, rate, seconds, first: Vec::new(), archive: None }
    }

    /// The load goes on for longer, at a lower rate.
    pub fn lasts(&mut self, seconds: f64) {
        self.rate = self.rate.min(60.0);
        self.seconds = seconds;
    }

    /// A duration of so many milliseconds; a short round's is near the lower end.
    pub fn ms(&mut self, range: Range<u64>) -> Duration {
        let end = match self.length {
            Length::Short => range.start + (range.end - range.start).div_ceil(4),
            Length::Full => range.end,
        };
        Duration::from_millis(self.rng.random_range(range.start..end))
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        *all.choose(&mut self.rng).unwrap()
    }

    /// A seed for what takes a byte.
    pub fn seed_byte(&mut self) -> u8 {
        self.rng.random()
    }

    pub fn index(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count)
    }

    /// All webhooks that are still to be sent, in order and each once; others than those that were.
    fn webhooks(&self) -> Vec<Sent> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousands"
        )]
        let count = (self.rate * self.seconds) as usize;
        let messages = u32::try_from(count).unwrap();
        let seed = if self.first.is_empty() { self.seed } else { !self.seed };
        history(&Plan { seed, messages, ..Plan::default() }).take(count).collect()
    }

    /// Sends as many webhooks as will be, each once, and waits until all have come to their end.
    pub async fn send_first(&mut self, fleet: &Fleet) {
        let webhooks = self.webhooks();
        let load =
            Load::start(at_rate(fleet.urls(), FIRST_RATE, RETRIES), webhooks.clone().into_iter());
        assert_eq!(load.report().await.lost, 0);
        fleet.ledger_reaches(webhooks.len(), PATIENCE).await;
        quiet(fleet).await;
        self.first = webhooks;
    }

    /// What the ledger lets go of is kept there.
    pub fn archives_in(&mut self, folder: &Path) {
        self.archive = Some(folder.to_owned());
    }

    /// Sends the round's webhooks, shuffled and some of them twice, lets `fault` happen while they come,
    /// waits until all is quiet, and counts.
    pub async fn play(
        &mut self,
        fleet: &Fleet,
        permitted: Permitted,
        fault: impl Future<Output = ()>,
    ) -> Account {
        let webhooks = self.webhooks();
        let pause = self.ms(500..2_500);
        let started = Instant::now();
        let disturbed = shuffled(self.seed, 200, 0.1, webhooks.clone().into_iter());
        let load = Load::start(at_rate(fleet.urls(), self.rate, RETRIES), disturbed);
        let (watch, followers) = (Watch::default(), Followers::default());
        let acting = async {
            load.reaches(1, PATIENCE).await;
            tokio::time::sleep(pause).await;
            fault.await;
            println!("  mended {:?} after the start", started.elapsed());
            let report = load.report().await;
            let status = self::settle(fleet, permitted).await;
            watch.stop();
            followers.stop();
            (report, status)
        };
        let ((report, status), (), ()) =
            tokio::join!(acting, watch.look(fleet), followers.follow(fleet));
        let mut account = self.count(fleet, webhooks, &report, &status, permitted, &watch).await;
        // What was destroyed, or is of other tables, has no place in one feed.
        if !permitted.destroys && !permitted.other_tables {
            account.problems.extend(followers.problem(fleet).await);
        }
        account
    }

    async fn count(
        &self,
        fleet: &Fleet,
        webhooks: Vec<Sent>,
        report: &Report,
        status: &Value,
        permitted: Permitted,
        watch: &Watch,
    ) -> Account {
        let archived = match &self.archive {
            Some(folder) => archived(folder).await.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let all = self.first.iter().cloned().chain(webhooks).collect();
        let mut account = take(fleet, all, report, status, permitted, archived).await;
        if let Some(untrue) = watch.untrue().filter(|_| !permitted.unbalances()) {
            account.problems.push(format!("status said meanwhile what was not so: {untrue}"));
        }
        if std::env::var("FAULTS_OBSERVED").is_ok() {
            println!("{}", watch.observed(fleet));
        }
        account
    }
}

/// The status once nothing waits and it is known whether something is missing, or it is clear that
/// nobody will know. What was buried is replayed first, where that may be.
async fn settle(fleet: &Fleet, permitted: Permitted) -> Value {
    let status = quiet(fleet).await;
    if !permitted.buries || status["dead_lettered"] == 0 {
        return status;
    }
    let door = fleet.doors()[0].setting();
    let mut replay = door.command(&["dead-letters", "replay", "--all", "--yes"]);
    let output = tokio::task::spawn_blocking(move || replay.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    quiet(fleet).await
}

async fn quiet(fleet: &Fleet) -> Value {
    let started = Instant::now();
    let mut last = Value::Null;
    let mut since = Instant::now();
    loop {
        let status = fleet.status().await.as_ref().map(counts).unwrap_or_default();
        if status != last {
            since = Instant::now();
        }
        let is_known = status["balanced"].is_boolean() || since.elapsed() > UNKNOWN_MAX;
        let is_quiet = status["waiting"] == 0 && is_known && status == last;
        if is_quiet || started.elapsed() > PATIENCE {
            return status;
        }
        last = status;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What does not change any more when all is quiet.
fn counts(status: &Value) -> Value {
    let kept = [
        "accepted",
        "applied",
        "duplicate",
        "ignored",
        "dead_lettered",
        "waiting",
        "lost",
        "damaged",
        "uncertain",
        "missing",
        "excess",
        "balanced",
        "reason",
        "dead_letter_groups",
    ];
    kept.iter().map(|key| ((*key).to_owned(), status[key].clone())).collect()
}
