//! The property: the rows depend on the set of webhooks alone. A made-up history is applied in order
//! once, then some of it is delivered in any order, any number of times, in batches of any size, by
//! two workers at a time; all tables must be equal. A counterexample shrinks to few webhooks.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use waha_ingest::simulate::{Families, Plan, Sent, history};
use waha_ingest::webhook::Webhook;

use crate::app::webhook;
use crate::bench::Bench;
use crate::database::Kind;
use crate::rows::{Rows, assert_equal};

/// Cases per database; `PROPTEST_CASES` asks for more.
const CASES: u32 = 100;
/// Webhooks per transaction of the undisturbed run.
const IN_ORDER_BATCH: usize = 20;

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
    let config = Config { cases: cases_asked.unwrap_or(CASES), ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        runtime.block_on(compare(&bench, &case));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

async fn compare(bench: &Bench, case: &Case) {
    let all: Vec<Sent> = history(&case.plan).collect();
    let mut delivered: Vec<usize> =
        case.deliveries.iter().map(|index| same_webhook(&all, index.index(all.len()))).collect();
    let webhooks = |indexes: &[usize]| -> Vec<Webhook> {
        indexes.iter().map(|index| webhook(&all[*index])).collect()
    };
    let disturbed = webhooks(&delivered);
    delivered.sort_unstable();
    delivered.dedup();
    let expected = run_in_order(bench, &webhooks(&delivered)).await;
    let actual = run_disturbed(bench, disturbed, &case.batches).await;
    assert_equal(&expected, &actual);
}

/// The first that is the same webhook: equal bodies of a WAHA that signs no id are one, with the time that
/// the first request tells of it.
fn same_webhook(all: &[Sent], index: usize) -> usize {
    if all[index].webhook_id.is_some() {
        return index;
    }
    all.iter().position(|sent| sent.body == all[index].body).unwrap_or(index)
}

async fn run_in_order(bench: &Bench, webhooks: &[Webhook]) -> Rows {
    bench.clear().await;
    for batch in webhooks.chunks(IN_ORDER_BATCH) {
        bench.apply(batch).await;
    }
    bench.rows().await
}

/// Two workers, one from each end of the deliveries.
async fn run_disturbed(bench: &Bench, mut left: Vec<Webhook>, batches: &[usize]) -> Rows {
    bench.clear().await;
    let right = left.split_off(left.len() / 2);
    let [left, right] = [left, right].map(|half| {
        let (bench, batches) = (bench.clone(), batches.to_vec());
        tokio::spawn(async move { work(&bench, half, &batches).await })
    });
    left.await.unwrap();
    right.await.unwrap();
    bench.rows().await
}

async fn work(bench: &Bench, mut rest: Vec<Webhook>, batches: &[usize]) {
    for size in batches.iter().cycle() {
        if rest.is_empty() {
            return;
        }
        let batch: Vec<Webhook> = rest.drain(..(*size).min(rest.len())).collect();
        bench.apply(&batch).await;
    }
}
