//! The property: the rows depend on the set of webhooks alone. A made-up history, or the fixtures of all
//! kinds as if they were one, is applied in order once, then some of it is delivered in any order, any number
//! of times, in batches of any size, by two workers at a time, of which none, one or both pack bodies; all tables must be equal. A counterexample
//! shrinks to few webhooks.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use waha_ingest::normalize::{Rules, normalize};
use waha_ingest::simulate::{Age, Families, Plan, Sent, history};
use waha_ingest::webhook::Webhook;

use crate::app::webhook;
use crate::bench::Bench;
use crate::database::Kind;
use crate::rows::{Rows, assert_equal};
use crate::stored_rows::fixtures;

/// Cases per database; `PROPTEST_CASES` asks for more.
const CASES: u32 = 100;
/// Webhooks per transaction of the undisturbed run.
const IN_ORDER_BATCH: usize = 20;
/// When fixtures are sent that tell no time.
const FIXTURE_MS: i64 = 1_785_000_000_000;

/// What is told.
#[derive(Clone, Debug)]
enum Told {
    History(Plan),
    Fixtures,
}

/// One case: what of it is delivered in which order, and in which batches.
#[derive(Clone, Debug)]
struct Case {
    told: Told,
    deliveries: Vec<Index>,
    batches: Vec<usize>,
    packing: Packing,
}

/// Which of the two workers pack bodies.
#[derive(Clone, Copy, Debug)]
enum Packing {
    Neither,
    Either,
    Both,
}

fn cases() -> impl Strategy<Value = Case> {
    let ages = prop::sample::select(vec![Age::Autumn, Age::Spring, Age::Old]);
    let plan = (any::<u64>(), 1..3_u16, 2..6_u32, 0..3_u16, 1..10_u32, (ages, any::<bool>()));
    let plan =
        plan.prop_map(|(seed, sessions, people, groups, messages, (age, old_session))| Plan {
            seed,
            age,
            sessions,
            people,
            groups,
            messages,
            old_session,
            families: Families::ALL,
            ..Plan::default()
        });
    // Fixtures speak of few people and messages, and of everything that can happen to them.
    let told = prop_oneof![2 => plan.prop_map(Told::History), 1 => Just(Told::Fixtures)];
    let deliveries = prop::collection::vec(any::<Index>(), 1..80);
    let packing = prop::sample::select(vec![Packing::Neither, Packing::Either, Packing::Both]);
    (told, deliveries, prop::collection::vec(1..12_usize, 1..8), packing).prop_map(
        |(told, deliveries, batches, packing)| Case { told, deliveries, batches, packing },
    )
}

impl Told {
    fn webhooks(&self, rules: &Rules) -> Vec<Sent> {
        match self {
            Self::History(plan) => history(plan).collect(),
            Self::Fixtures => {
                // Of a pair one is enough: both have one id.
                let one = fixtures().into_iter().filter(|(name, _)| !name.contains("/gows-same-"));
                // What can't be read is buried, alone.
                let is_read = |sent: &Sent| normalize(&webhook(sent), rules).is_ok();
                one.map(sent).filter(is_read).collect()
            }
        }
    }
}

/// A fixture as it would be sent.
fn sent((name, body): (String, Vec<u8>)) -> Sent {
    Sent {
        event_type: "",
        session: String::new(),
        webhook_id: Some(name.clone()),
        at_ms: FIXTURE_MS,
        body,
        request_id: name,
    }
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
    let packing = runtime.block_on(bench.packing());
    let cases_asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let config = Config { cases: cases_asked.unwrap_or(CASES), ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        runtime.block_on(compare(&bench, &packing, &case));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

async fn compare(bench: &Bench, packing: &Bench, case: &Case) {
    let all = case.told.webhooks(&bench.rules);
    let mut delivered: Vec<usize> =
        case.deliveries.iter().map(|index| same_webhook(&all, index.index(all.len()))).collect();
    let webhooks = |indexes: &[usize]| -> Vec<Webhook> {
        indexes.iter().map(|index| webhook(&all[*index])).collect()
    };
    let disturbed = webhooks(&delivered);
    delivered.sort_unstable();
    delivered.dedup();
    let expected = run_in_order(bench, &webhooks(&delivered)).await;
    let workers = match case.packing {
        Packing::Neither => [bench, bench],
        Packing::Either => [bench, packing],
        Packing::Both => [packing, packing],
    };
    let actual = run_disturbed(workers, disturbed, &case.batches).await;
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
async fn run_disturbed(workers: [&Bench; 2], mut left: Vec<Webhook>, batches: &[usize]) -> Rows {
    // Both forget the ids of what is gone.
    for bench in workers {
        bench.clear().await;
    }
    let right = left.split_off(left.len() / 2);
    let [left, right] = [(workers[0], left), (workers[1], right)].map(|(bench, half)| {
        let (bench, batches) = (bench.clone(), batches.to_vec());
        tokio::spawn(async move { work(&bench, half, &batches).await })
    });
    left.await.unwrap();
    right.await.unwrap();
    workers[0].rows().await
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
