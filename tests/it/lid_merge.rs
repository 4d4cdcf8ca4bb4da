//! A person's two ids are one conversation, no matter when that is told, in which order, how often,
//! and by how many workers.

mod own_messages;
mod steps;
mod tables;
mod told;

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use waha_ingest::normalize::{Rules, normalize};
use waha_ingest::simulate::{Plan, Sent, history};
use waha_ingest::store::Store;
use waha_ingest::store::apply::batch::ApplyTask;
use waha_ingest::store::apply::outcome::Outcome;
use waha_ingest::webhook::Webhook;

use crate::database::{Kind, on_each_database};

use tables::Tables;
use told::{GROUP, LID, PHONE, Story, webhook};

on_each_database!(
    a_link_before_between_and_after_gives_one_conversation,
    without_a_link_the_two_ids_stay_apart,
    a_person_is_found_by_either_id,
    contradictory_links_end_the_same,
    two_phones_of_one_lid_that_alone_is_told,
    a_pointer_leads_to_the_message_through_every_merge,
    a_worker_with_an_old_cache_does_not_write_beside_the_union,
    a_name_goes_to_who_stands_for_the_person_by_then,
    the_author_of_a_group_message_is_one_person,
    what_happens_to_messages_meets_too,
    whole_histories_end_the_same,
    whole_histories_end_the_same_in_steps,
);

/// Webhooks per transaction of the undisturbed run of a whole history.
const IN_ORDER_BATCH: usize = 40;
/// Tries of a transaction that meets another one.
const TRIES_MAX: usize = 100;

pub async fn apply(worker: &Store, batch: &[&Webhook]) -> Vec<Outcome> {
    let rules = Rules { user_id_key: "user.id".into() };
    let tasks: Vec<ApplyTask<'_>> = batch
        .iter()
        .map(|webhook| ApplyTask {
            webhook,
            attempts: 1,
            normalized: normalize(webhook, &rules).unwrap(),
        })
        .collect();
    for _ in 0..TRIES_MAX {
        match worker.apply(&tasks).await {
            Ok(applied) => return applied,
            Err(error) => {
                assert!(error.class().is_blameless(), "{error:?}");
                eprintln!("again: {}", error.detail());
            }
        }
    }
    panic!("no transaction came through");
}

/// One worker, one webhook at a time, as they happened.
async fn in_order(tables: &Tables, story: &[Webhook]) -> Vec<String> {
    in_batches(tables, story, 1).await
}

/// One worker, in order.
async fn in_batches(tables: &Tables, story: &[Webhook], size: usize) -> Vec<String> {
    tables.clear().await;
    for batch in story.chunks(size) {
        let batch: Vec<&Webhook> = batch.iter().collect();
        apply(&tables.workers[0], &batch).await;
    }
    tables.dump().await
}

/// Two workers at once, in any order, with repeats, in batches of any size.
async fn shuffled(tables: &Tables, story: &[Webhook], seed: u64) -> Vec<String> {
    tables.clear().await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<&Webhook> = story.iter().collect();
    order.extend(story.iter().filter(|_| rng.random_bool(0.2)));
    order.shuffle(&mut rng);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(rng.random_range(1..=rest.len().min(12)));
        if rng.random_bool(0.5) { &mut left } else { &mut right }.push(batch);
        rest = others;
    }
    let [one, other] = &tables.workers;
    let work = async |worker: &Store, batches: &[&[&Webhook]]| {
        for batch in batches {
            apply(worker, batch).await;
        }
    };
    let is_done = AtomicBool::new(false);
    let working = async {
        tokio::join!(work(one, &left), work(other, &right));
        is_done.store(true, Ordering::SeqCst);
    };
    tokio::join!(working, steps::move_until(tables, seed, &is_done));
    tables.dump().await
}

fn lines<'a>(dump: &'a [String], table: &str) -> Vec<&'a String> {
    dump.iter().filter(|line| line.starts_with(&format!("{table}:"))).collect()
}

fn assert_equal(left: &[String], right: &[String], what: &str) {
    let missing: Vec<_> = left.iter().filter(|line| !right.contains(line)).collect();
    let extra: Vec<_> = right.iter().filter(|line| !left.contains(line)).collect();
    assert!(left == right, "{what}\nonly in order: {missing:#?}\nonly shuffled: {extra:#?}");
}

/// Everything that can be told under both ids; the link comes at `link` of it.
fn story(link: usize) -> Story {
    let steps: Vec<fn(Story) -> Story> = vec![
        |story| story.text("3EB0A1", LID, false),
        |story| story.text("3EB0A2", PHONE, true),
        |story| story.read("3EB0A2", LID),
        |story| story.text("3EB0A2", LID, true),
        |story| story.call("CALL1", LID),
        |story| story.member("join", LID, None),
        |story| story.member("leave", PHONE, None),
        |story| story.label("label.chat.added", LID),
        |story| story.read("3EB0A1", PHONE),
        |story| story.label("label.chat.deleted", PHONE),
        |story| story.group_read("3EB0B1", LID),
        |story| story.group_read("3EB0B2", PHONE),
        |story| story.archive(LID, true),
        |story| story.text("3EB0A1", PHONE, false),
        |story| story.text("3EB0A3", LID, false),
    ];
    let mut told = Story::default();
    for (place, step) in steps.into_iter().enumerate() {
        if place == link {
            told = told.linking_text("3EB0AF", LID, false);
        }
        told = step(told);
    }
    told
}

async fn a_link_before_between_and_after_gives_one_conversation(kind: Kind) {
    let tables = Tables::create(kind).await;
    for link in [0, 4, 9, 14] {
        let story = story(link).0;
        let dump = in_order(&tables, &story).await;
        assert_eq!(lines(&dump, "waha_chats").len(), 3, "{dump:#?}");
        let messages = lines(&dump, "waha_messages");
        let direct = messages.iter().filter(|line| line.contains(&format!("chat_id={PHONE} ")));
        assert_eq!((messages.len(), direct.count()), (6, 4), "{messages:#?}");
        assert_eq!(lines(&dump, "chat_reads").len(), 2, "{dump:#?}");
        assert!(lines(&dump, "waha_calls")[0].contains(&format!("chat_id={PHONE}")));
        assert_eq!(lines(&dump, "waha_participants").len(), 1, "{dump:#?}");
        assert!(lines(&dump, "waha_participants")[0].contains("role=left"), "{dump:#?}");
        assert_eq!(lines(&dump, "waha_chat_labels").len(), 1, "{dump:#?}");
        for seed in 0..8 {
            let other = shuffled(&tables, &story, seed).await;
            assert_equal(&dump, &other, &format!("link {link}, seed {seed}"));
        }
    }
}

async fn without_a_link_the_two_ids_stay_apart(kind: Kind) {
    let tables = Tables::create(kind).await;
    let dump = in_order(&tables, &story(99).0).await;
    // What the account wrote is one message under both; what the other side wrote are two.
    assert_eq!(lines(&dump, "waha_messages").len(), 6, "{dump:#?}");
    assert!(!dump.iter().any(|line| line.contains("merged_into=")), "{dump:#?}");
}

async fn a_person_is_found_by_either_id(kind: Kind) {
    let tables = Tables::create(kind).await;
    in_order(&tables, &story(9).0).await;
    for id in [LID, PHONE] {
        let sql = format!(
            "SELECT {} FROM waha_visible_messages m JOIN waha_chats c \
             ON m.chat_id = COALESCE(c.merged_into, c.id) WHERE c.chat_id = '{id}'",
            tables.text("COUNT(*)")
        );
        assert_eq!(tables.query(&sql).await, [[Some("4".to_owned())]], "{id}");
        let sql = format!(
            "SELECT person.phone, person.lid, person.push_name FROM waha_contacts c \
             JOIN waha_contacts person ON person.session_id = c.session_id \
             AND person.jid = COALESCE(c.phone, c.jid) WHERE c.jid = '{id}'"
        );
        let person = [PHONE, LID].map(|text| Some(text.to_owned()));
        assert_eq!(tables.query(&sql).await[0][..2], person, "{id}");
    }
}

/// A person changes the number, and a number changes the person: whoever is joined by links is
/// one, in whatever order the links come.
async fn contradictory_links_end_the_same(kind: Kind) {
    let (other_phone, other_lid) = ("12025550111@c.us", "100000000000111@lid");
    let story = Story::default()
        .text("3EB0C1", LID, false)
        .text("3EB0C2", PHONE, false)
        .text("3EB0C3", other_phone, false)
        .text("3EB0C4", other_lid, false)
        .read("3EB0C4", other_lid)
        .read("3EB0C1", PHONE)
        .group_read("3EB0D1", LID)
        .group_read("3EB0D2", other_lid)
        .member("join", LID, Some(PHONE))
        .member("promote", LID, Some(other_phone))
        .member("join", other_lid, Some(PHONE))
        .member("demote", "100000000000199@lid", Some("12025550199@c.us"))
        .text("3EB0C5", other_lid, true)
        .archive(LID, true);
    let tables = Tables::create(kind).await;
    let dump = in_order(&tables, &story.0).await;
    let merged = dump.iter().filter(|line| line.contains(&format!("merged_into={other_phone}")));
    assert_eq!(merged.count(), 3, "{dump:#?}");
    for seed in 0..30 {
        let other = shuffled(&tables, &story.0, seed).await;
        assert_equal(&dump, &other, &format!("seed {seed}"));
    }
}

/// The row that only a link needs is there in every order.
async fn two_phones_of_one_lid_that_alone_is_told(kind: Kind) {
    let story = Story::default()
        .member("join", LID, Some("12025550120@c.us"))
        .text("3EB0E1", LID, false)
        .member("join", LID, Some("12025550110@c.us"))
        .text("3EB0E2", LID, true);
    let tables = Tables::create(kind).await;
    let dump = in_order(&tables, &story.0).await;
    for seed in 0..20 {
        let other = shuffled(&tables, &story.0, seed).await;
        assert_equal(&dump, &other, &format!("seed {seed}"));
    }
}

/// One id of a message in three chats, which become one chat in two steps.
async fn a_pointer_leads_to_the_message_through_every_merge(kind: Kind) {
    let (first, last) = ("12025550110@c.us", "12025550120@c.us");
    let story = Story::default()
        .text("3EB0G1", LID, false)
        .text("3EB0G1", first, false)
        .text("3EB0G1", last, false)
        .member("join", LID, Some(last))
        .member("join", LID, Some(first));
    let tables = Tables::create(kind).await;
    in_order(&tables, &story.0).await;
    let pointers = "SELECT p.message_id FROM waha_messages m JOIN waha_messages p ON p.id = m.merged_into \
                    WHERE p.merged_into IS NULL AND p.is_stub = FALSE";
    let expected = Some("3EB0G1".to_owned());
    assert_eq!(tables.query(pointers).await, [[expected.clone()], [expected]]);
    let all = format!("SELECT {} FROM waha_messages", tables.text("COUNT(*)"));
    assert_eq!(tables.query(&all).await, [[Some("3".to_owned())]]);
}

/// A worker that has seen both ids apart, and has not heard of their union.
async fn a_worker_with_an_old_cache_does_not_write_beside_the_union(kind: Kind) {
    let story = Story::default()
        .text("3EB0F1", LID, false)
        .text("3EB0F2", PHONE, false)
        .group_read("3EB0F3", LID)
        .linking_text("3EB0F4", PHONE, true)
        .text("3EB0F5", LID, false)
        .read("3EB0F2", LID)
        .group_read("3EB0F6", LID);
    let tables = Tables::create(kind).await;
    let expected = in_order(&tables, &story.0).await;
    tables.clear().await;
    let [old, other] = &tables.workers;
    for webhook in &story.0[..3] {
        apply(old, &[webhook]).await;
    }
    apply(other, &[&story.0[3]]).await;
    for webhook in &story.0[4..] {
        apply(old, &[webhook]).await;
    }
    assert_equal(&expected, &tables.dump().await, "old cache");
    assert!(!expected.iter().any(|line| line.starts_with("chat_reads") && line.contains(LID)));
}

/// A worker knows a person by one phone number, and is told the name and another number at once.
async fn a_name_goes_to_who_stands_for_the_person_by_then(kind: Kind) {
    let story = Story::default()
        .member("join", LID, Some(PHONE))
        .text("3EB0K1", LID, false)
        .member("join", LID, Some("12025550101@c.us"));
    let tables = Tables::create(kind).await;
    let expected = in_order(&tables, &story.0).await;
    tables.clear().await;
    apply(&tables.workers[0], &[&story.0[0]]).await;
    apply(&tables.workers[0], &[&story.0[1], &story.0[2]]).await;
    assert_equal(&expected, &tables.dump().await, "name and link at once");
}

/// Somebody whom a group calls by a LID and the chat by a phone number writes one message's id
/// again: the author is one person where the webhook says so.
async fn the_author_of_a_group_message_is_one_person(kind: Kind) {
    let say = |sender: &str, alt: &str| {
        serde_json::json!({
            "id": format!("false_{GROUP}_3EB0AA_{sender}"), "from": GROUP, "participant": sender,
            "fromMe": false, "body": "hello", "timestamp": 1_790_000_000,
            "_data": {"Info": {"Chat": GROUP, "Sender": sender, "SenderAlt": alt,
                "IsFromMe": false, "IsGroup": true}, "Message": {"conversation": "hello"}},
        })
    };
    let story = Story::default()
        .tell("message", say(LID, PHONE))
        .tell("message.any", say(PHONE, LID))
        .tell("message.any", say("100000000000188@lid", "12025550188@c.us"));
    let tables = Tables::create(kind).await;
    let batch: Vec<&Webhook> = story.0.iter().collect();
    let outcomes: Vec<&str> =
        apply(&tables.workers[0], &batch).await.into_iter().map(Outcome::name).collect();
    assert_eq!(outcomes, ["applied", "applied", "ignored"]);
}

/// Edits, revocations, reactions and tellings of others, under both ids, in a direct chat and a
/// group.
async fn what_happens_to_messages_meets_too(kind: Kind) {
    let stranger = "12025550177@c.us";
    let story = Story::default()
        .group_text("3EB0G1", LID)
        .group_text("3EB0G1", stranger)
        .group_text("3EB0G1", PHONE)
        .edit("3EB0G1", GROUP, Some(PHONE))
        .edit("3EB0G1", GROUP, Some(stranger))
        .react("3EB0G1", GROUP, LID, "👍")
        .react("3EB0G1", GROUP, PHONE, "👎")
        .group_text("3EB0G2", stranger)
        .group_text("3EB0G2", LID)
        .revoke("3EB0G2", GROUP, Some(LID))
        .edit("3EB0G3", GROUP, Some(LID))
        .group_text("3EB0G3", PHONE)
        .text("3EB0H1", LID, false)
        .edit("3EB0H1", PHONE, None)
        .text("3EB0H1", PHONE, false)
        .text("3EB0H1", PHONE, true)
        .react("3EB0H1", LID, LID, "❤")
        .react("3EB0H1", PHONE, PHONE, "")
        .revoke("3EB0H2", LID, None)
        .text("3EB0H2", PHONE, false)
        .edit("3EB0H3", LID, None)
        .text("3EB0H3", LID, true)
        .member("join", LID, Some(PHONE));
    let tables = Tables::create(kind).await;
    let dump = in_order(&tables, &story.0).await;
    let left = dump.iter().filter(|line| {
        let keyed = ["author", "reactor", "reader", "chat_id"];
        let by = |column: &&str| line.contains(&format!(" {column}={LID} "));
        !line.starts_with("waha_chats") && keyed.iter().any(by)
    });
    assert_eq!(left.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(lines(&dump, "waha_reactions").len(), 2, "{dump:#?}");
    assert_eq!(lines(&dump, "waha_message_claims").len(), 3, "{dump:#?}");
    for seed in 0..60 {
        let other = shuffled(&tables, &story.0, seed).await;
        assert_equal(&dump, &other, &format!("seed {seed}"));
    }
}

/// Whole histories of four engines, in which people alternate between their ids.
async fn whole_histories_end_the_same(kind: Kind) {
    compare_whole_histories(Tables::create(kind).await).await;
}

/// The same where each chat with more than one message moves one by one, and who moves them is killed again and
/// again.
async fn whole_histories_end_the_same_in_steps(kind: Kind) {
    compare_whole_histories(Tables::moving(kind, 1).await).await;
}

async fn compare_whole_histories(tables: Tables) {
    let runtime = tokio::runtime::Handle::current();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig { cases: cases.unwrap_or(8), ..ProptestConfig::default() };
    let strategy = (any::<u64>(), 5_u32..120, 2_u32..8, any::<u64>());
    let tried = tokio::task::spawn_blocking(move || {
        TestRunner::new(config).run(&strategy, |(seed, messages, people, order)| {
            let story =
                whole_history(&Plan { seed, messages, people, groups: 4, ..Plan::default() });
            let dump = runtime.block_on(in_batches(&tables, &story, IN_ORDER_BATCH));
            let other = runtime.block_on(shuffled(&tables, &story, order));
            prop_assert_eq!(difference(&dump, &other), Vec::<&String>::new());
            Ok(())
        })
    });
    tried.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
}

fn whole_history(plan: &Plan) -> Vec<Webhook> {
    let told = |sent: Sent| {
        let body = serde_json::from_slice(&sent.body).unwrap();
        webhook(sent.event_type, sent.webhook_id.unwrap_or(sent.request_id), sent.at_ms, &body)
    };
    history(plan).map(told).collect()
}

fn difference<'a>(left: &'a [String], right: &'a [String]) -> Vec<&'a String> {
    let only = |these: &'a [String], those: &'a [String]| {
        these.iter().filter(move |line| !those.contains(line))
    };
    only(left, right).chain(only(right, left)).collect()
}
