//! The property: the rows depend on the set of webhooks alone. A made-up history is applied in order
//! once, then some of it is delivered in any order, any number of times, in batches of any size, by
//! two workers at a time; all tables must be equal. A counterexample shrinks to few webhooks.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::ConnectionTrait;
use waha_ingest::clock::FixedClock;
use waha_ingest::config::Config as Settings;
use waha_ingest::normalize::{Rules, normalize};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::store::{ErrorClass, Store, StoreOptions, Task};
use waha_ingest::webhook::Webhook;

use crate::app::webhook;
use crate::database::{Database, Kind};
use crate::rows::{Rows, assert_equal, rows};

/// Cases per database; `PROPTEST_CASES` asks for more.
const CASES: u32 = 500;
/// Fewer where each statement waits 40 ms for a delayed ack (sqlx issue 4335): MariaDB over TCP.
const CASES_MYSQL: u32 = 25;
/// Webhooks per transaction of the undisturbed run.
const IN_ORDER_BATCH: usize = 20;
/// A deadlock or a lock that is waited for too long is an outage: the worker tries again.
const TRIES_MAX: usize = 50;

/// One case: a history, what of it is delivered in which order, and in which batches.
#[derive(Clone, Debug)]
struct Case {
    plan: Plan,
    deliveries: Vec<Index>,
    batches: Vec<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    let plan = (any::<u64>(), 1..3_u16, 2..6_u32, 0..3_u16, 1..10_u32, any::<bool>());
    let plan = plan.prop_map(|(seed, sessions, people, groups, messages, old_session)| Plan {
        seed,
        sessions,
        people,
        groups,
        messages,
        old_session,
        families: Families::ALL,
        ..Plan::default()
    });
    let deliveries = prop::collection::vec(any::<Index>(), 1..80);
    (plan, deliveries, prop::collection::vec(1..12_usize, 1..8))
        .prop_map(|(plan, deliveries, batches)| Case { plan, deliveries, batches })
}

#[test]
fn sqlite() {
    check(Kind::Sqlite);
}

#[test]
fn postgres() {
    check(Kind::Postgres);
}

#[test]
fn mysql() {
    check(Kind::MySql);
}

fn check(kind: Kind) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::start(kind));
    let cases_asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases_default = if kind == Kind::MySql { CASES_MYSQL } else { CASES };
    let config = Config { cases: cases_asked.unwrap_or(cases_default), ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        runtime.block_on(bench.compare(&case));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// A database that every case uses after the other.
struct Bench {
    store: Arc<Store>,
    rules: Rules,
    _database: Database,
}

impl Bench {
    async fn start(kind: Kind) -> Self {
        let database = Database::create(kind).await;
        let options = StoreOptions {
            url: database.url.clone(),
            connections_max: 4,
            keeps_bodies: true,
            keeps_ephemeral_bodies: true,
        };
        let store = Store::open(&options, FixedClock::at(1_795_000_000_000)).await.unwrap();
        migration::up(store.connection()).await.unwrap();
        let rules = Settings::load_defaults().unwrap().rules;
        Self { store: Arc::new(store), rules, _database: database }
    }

    async fn compare(&self, case: &Case) {
        let all: Vec<Sent> = history(&case.plan).collect();
        let mut delivered: Vec<usize> =
            case.deliveries.iter().map(|index| index.index(all.len())).collect();
        let webhooks = |indexes: &[usize]| -> Vec<Webhook> {
            indexes.iter().map(|index| webhook(&all[*index])).collect()
        };
        let disturbed = webhooks(&delivered);
        delivered.sort_unstable();
        delivered.dedup();
        let expected = self.run_in_order(webhooks(&delivered)).await;
        let actual = self.run_disturbed(disturbed, &case.batches).await;
        assert_equal(&expected, &actual);
    }

    async fn run_in_order(&self, webhooks: Vec<Webhook>) -> Rows {
        self.clear().await;
        for batch in webhooks.chunks(IN_ORDER_BATCH) {
            apply(&self.store, &self.rules, batch).await;
        }
        rows(self.store.connection()).await
    }

    /// Two workers, one from each end of the deliveries.
    async fn run_disturbed(&self, webhooks: Vec<Webhook>, batches: &[usize]) -> Rows {
        self.clear().await;
        let (left, right) = webhooks.split_at(webhooks.len() / 2);
        tokio::join!(self.work(left, batches), self.work(right, batches));
        rows(self.store.connection()).await
    }

    async fn work(&self, webhooks: &[Webhook], batches: &[usize]) {
        let (store, rules) = (Arc::clone(&self.store), self.rules.clone());
        let (mut rest, batches) = (webhooks.to_vec(), batches.to_vec());
        let worker = tokio::spawn(async move {
            for size in batches.iter().cycle() {
                if rest.is_empty() {
                    return;
                }
                let batch: Vec<Webhook> = rest.drain(..(*size).min(rest.len())).collect();
                apply(&store, &rules, &batch).await;
            }
        });
        worker.await.unwrap();
    }

    async fn clear(&self) {
        for table in ["dead_letters", "webhook_events", "waha_sessions"] {
            self.store
                .connection()
                .execute_unprepared(&format!("DELETE FROM {table}"))
                .await
                .unwrap();
        }
        self.store.forget_ids();
    }
}

async fn apply(store: &Store, rules: &Rules, batch: &[Webhook]) {
    let tasks: Vec<Task<'_>> = batch
        .iter()
        .map(|webhook| Task {
            webhook,
            attempts: 1,
            normalized: normalize(webhook, rules).unwrap(),
        })
        .collect();
    for _ in 0..TRIES_MAX {
        match store.apply(&tasks).await {
            Ok(_) => return,
            Err(error) if error.class() == ErrorClass::Outage => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no luck in {TRIES_MAX} tries");
}
