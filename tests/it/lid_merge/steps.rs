//! A chat of many messages that turns out to be another one moves there in steps: right at each of them, beside the
//! traffic, whoever is killed, and with the rows of a chat that moves at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use waha_ingest::store::{Store, StoreError};
use waha_ingest::webhook::Webhook;

use crate::database::{Kind, on_each_database};
use crate::feed::mirror::Mirror;

use super::tables::Tables;
use super::told::{LID, PHONE, Story};
use super::{apply, assert_equal, in_batches, shuffled};

on_each_database!(
    a_chat_that_moves_is_right_at_each_step,
    a_chat_moves_beside_the_traffic_whoever_is_killed,
);

/// Longer than a worker has a chat.
const LEASE_MS: i64 = 61_000;

/// An error that a worker tries again.
fn blameless<T>(answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert!(error.class().is_blameless(), "{error:?}");
            eprintln!("again: {}", error.detail());
            None
        }
    }
}

/// Moves all that is left, whoever had it.
pub(super) async fn move_all(tables: &Tables) {
    let worker = &tables.workers[0];
    while worker.moving_chat_count().await.unwrap() > 0 {
        tables.clock.advance(LEASE_MS);
        let Some(Some(mut chat)) = blameless(worker.take_chat_move().await) else { continue };
        while blameless(worker.move_chat_step(&mut chat).await) != Some(false) {}
    }
}

/// Moves what there is until the others are done; dies at any moment again and again, and comes back later.
pub(super) async fn move_until(tables: &Tables, seed: u64, is_done: &AtomicBool) {
    let mut rng = StdRng::seed_from_u64(seed);
    while tables.moves && !is_done.load(Ordering::SeqCst) {
        let worker = &tables.workers[rng.random_range(0..2)];
        let life = Duration::from_micros(rng.random_range(100..200_000));
        if tokio::time::timeout(life, move_some(worker, is_done)).await.is_err() {
            tables.clock.advance(LEASE_MS);
        }
    }
}

async fn move_some(worker: &Store, is_done: &AtomicBool) {
    let Some(Some(mut chat)) = blameless(worker.take_chat_move().await) else {
        return tokio::task::yield_now().await;
    };
    while !is_done.load(Ordering::SeqCst) {
        if blameless(worker.move_chat_step(&mut chat).await) == Some(false) {
            return;
        }
    }
}

/// Where all was told under the LID but a few, and all that can happen to messages did.
fn before() -> Story {
    let mut story = Story::default();
    for number in 0..24 {
        let id = format!("3EB0{number:02}");
        story = story.text(&id, LID, number % 3 == 0);
        story = match number % 8 {
            0 => story.react(&id, LID, LID, "👍"),
            1 => story.edit(&id, LID, None),
            2 => story.text(&id, PHONE, false),
            3 => story.read(&id, LID),
            4 => story.revoke(&id, LID, None),
            5 => story.edit(&id, PHONE, None).text(&id, PHONE, true),
            _ => story,
        };
    }
    story.read("3EB0X1", LID).react("3EB0X2", LID, LID, "❤").call("CALL1", LID).archive(LID, true)
}

fn after(place: usize) -> Story {
    let mut story = Story::default().starting_at(place);
    for number in (0..24).rev() {
        let id = format!("3EB0{number:02}");
        story = match number % 6 {
            0 => story.ack(&id, PHONE, 3),
            1 => story.react(&id, PHONE, PHONE, "👎"),
            2 => story.text(&id, LID, false),
            3 => story.whole_ack(&id, LID, 2),
            4 => story.edit(&id, PHONE, None),
            _ => story.revoke(&id, LID, None),
        };
        story = story.text(&format!("3EB0N{number}"), LID, false);
    }
    story.text("3EB0X2", PHONE, false)
}

/// What happens, with the place of the webhook that links both.
fn told() -> (Vec<Webhook>, usize) {
    let before = before().0;
    let place = before.len();
    let linked = Story::default().starting_at(place).linking_text("3EB0L", PHONE, true).0;
    (before.into_iter().chain(linked).chain(after(place + 1).0).collect(), place)
}

/// How often each message is shown in the conversation; all others are an error.
async fn shown(tables: &Tables) -> BTreeMap<String, i64> {
    let sql = format!(
        "SELECT v.message_id, p.chat_id, {} FROM waha_visible_messages v \
         JOIN waha_chats c ON c.id = v.chat_id JOIN waha_chats p ON p.id = COALESCE(c.merged_into, c.id) \
         GROUP BY v.message_id, p.chat_id",
        tables.text("COUNT(*)")
    );
    let row = |row: Vec<Option<String>>| {
        let [id, chat, count] = row.try_into().unwrap();
        assert_eq!(chat.as_deref(), Some(PHONE), "{id:?}");
        (id.unwrap(), count.unwrap().parse().unwrap())
    };
    tables.query(&sql).await.into_iter().map(row).collect()
}

async fn a_chat_that_moves_is_right_at_each_step(kind: Kind) {
    let (told, linked) = told();
    let at_once = Tables::create(kind).await;
    let expected = in_batches(&at_once, &told, 1).await;
    let tables = Tables::moving(kind, 6).await;
    let [worker, other] = &tables.workers;
    let mut mirror = Mirror::default();
    for webhook in &told[..=linked] {
        apply(worker, &[webhook]).await;
    }
    mirror.follow(&tables.connection).await.unwrap();
    let in_steps = shown(&tables).await;
    assert_eq!(in_steps.len(), 25, "{in_steps:?}");
    let mut chat = other.take_chat_move().await.unwrap().expect("it moves");
    assert!(worker.take_chat_move().await.unwrap().is_none(), "it is another worker's");
    let mut rest = told[linked + 1..].iter();
    let mut steps = 0;
    loop {
        let goes_on = other.move_chat_step(&mut chat).await.unwrap();
        steps += 1;
        mirror.follow(&tables.connection).await.unwrap();
        for webhook in rest.by_ref().take(3) {
            apply(worker, &[webhook]).await;
            let shown = shown(&tables).await;
            assert!(in_steps.keys().all(|id| shown.contains_key(id)), "{steps}: {shown:?}");
            assert!(shown.values().all(|count| *count == 1), "{steps}: {shown:?}");
        }
        if !goes_on {
            break;
        }
    }
    assert!(steps > 3, "{steps}");
    assert_eq!(worker.moving_chat_count().await.unwrap(), 0);
    for webhook in rest {
        apply(worker, &[webhook]).await;
    }
    assert_equal(&expected, &tables.dump().await, "in steps");
    mirror.follow(&tables.connection).await.unwrap();
    assert_eq!(mirror.difference(&tables.connection).await.unwrap(), None);
}

async fn a_chat_moves_beside_the_traffic_whoever_is_killed(kind: Kind) {
    let (told, linked) = told();
    let at_once = Tables::create(kind).await;
    let expected = in_batches(&at_once, &told, 1).await;
    let tables = Tables::moving(kind, 2).await;
    for seed in 0..4 {
        tables.clear().await;
        for batch in told[..=linked].chunks(7) {
            apply(&tables.workers[0], &batch.iter().collect::<Vec<_>>()).await;
        }
        assert_eq!(tables.workers[0].moving_chat_count().await.unwrap(), 1);
        let end = tell_beside(&tables, &told[linked + 1..], seed).await;
        assert_equal(&expected, &end, &format!("seed {seed}"));
        // The same from the beginning, in any order.
        let other = shuffled(&tables, &told, seed).await;
        assert_equal(&expected, &other, &format!("shuffled {seed}"));
    }
}

/// Two workers tell the rest, while two others move the chat and die.
async fn tell_beside(tables: &Tables, rest: &[Webhook], seed: u64) -> Vec<String> {
    let is_done = AtomicBool::new(false);
    let (left, right): (Vec<_>, Vec<_>) = rest.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let work = async |worker: &Store, told: &[(usize, &Webhook)]| {
        for batch in told.chunks(5) {
            apply(worker, &batch.iter().map(|(_, webhook)| *webhook).collect::<Vec<_>>()).await;
        }
    };
    let [one, other] = &tables.workers;
    let working = async {
        tokio::join!(work(one, &left), work(other, &right));
        is_done.store(true, Ordering::SeqCst);
    };
    let moving = [seed, seed + 100].map(|seed| move_until(tables, seed, &is_done));
    tokio::join!(working, futures_util::future::join_all(moving));
    tables.dump().await
}
