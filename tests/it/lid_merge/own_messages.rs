//! What is told of an own message under another name of its chat finds the message, in any order, from
//! two workers at once; and nothing else does.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::told::{GROUP, LID, PHONE, Story};
use super::{Tables, apply, assert_equal, difference, in_order, lines, shuffled};
use crate::database::{Kind, on_each_database};

on_each_database!(
    an_ack_finds_its_message_under_any_name,
    a_whole_message_as_an_ack_makes_no_second_one,
    own_edits_and_revocations_find_their_message,
    an_ack_alone_is_a_stub_where_it_was_told,
    what_others_do_stays_where_it_was_told,
    a_link_to_a_third_person_moves_no_message,
    a_forged_ack_moves_no_message,
    a_message_leaves_a_chat_that_is_just_being_merged,
    fixtures_of_one_message_make_one_row,
    two_workers_with_message_and_ack_meet,
    any_order_gives_the_same_rows,
);

/// Somebody else, with the smallest phone number.
const OTHER_PHONE: &str = "12025550101@c.us";
const OTHER_LID: &str = "100000000000101@lid";
/// Orders of a story that are tried.
const ORDERS: u64 = 12;

/// The messages of a dump by chat and id, each with what shows of it.
fn shown(dump: &[String]) -> Vec<String> {
    let field = |line: &str, name: &str| {
        let rest = line.split(&format!(" {name}=")).nth(1)?;
        Some(rest.split(' ').next()?.to_owned())
    };
    let text = |line: &String| {
        let is_stub = matches!(field(line, "is_stub").as_deref(), Some("1" | "true"));
        let parts = ["chat_id", "message_id", "status"].map(|name| field(line, name));
        let [chat, id, status] = parts.map(Option::unwrap_or_default);
        format!("{chat} {id} {}{status}", if is_stub { "stub " } else { "" })
    };
    let mut shown: Vec<String> = lines(dump, "waha_messages").into_iter().map(text).collect();
    shown.sort_unstable();
    shown
}

/// Checks what a story ends with, in its order and others.
async fn ends_with(kind: Kind, story: &Story, expected: &[&str]) -> Vec<String> {
    let tables = Tables::create(kind).await;
    let dump = in_order(&tables, &story.0).await;
    assert_eq!(shown(&dump), expected, "{dump:#?}");
    let mut backwards = story.0.clone();
    backwards.reverse();
    assert_equal(&dump, &in_order(&tables, &backwards).await, "backwards");
    for seed in 0..ORDERS {
        assert_equal(&dump, &shuffled(&tables, &story.0, seed).await, &format!("seed {seed}"));
    }
    dump
}

async fn an_ack_finds_its_message_under_any_name(kind: Kind) {
    let story = Story::default().text("3EB0A1", PHONE, true).ack("3EB0A1", LID, 2);
    let dump = ends_with(kind, &story, &["12025550142@c.us 3EB0A1 delivered"]).await;
    let listed = lines(&dump, "waha_chats").into_iter().filter(|it| it.contains("last_message_at"));
    assert_eq!(listed.count(), 1, "one chat is in the inbox: {dump:#?}");
    let story = Story::default().text("3EB0A2", LID, true).ack("3EB0A2", PHONE, 4);
    ends_with(kind, &story, &["100000000000142@lid 3EB0A2 played"]).await;
}

async fn a_whole_message_as_an_ack_makes_no_second_one(kind: Kind) {
    let story = Story::default()
        .text("3EB0B0", LID, false)
        .whole_ack("3EB0B1", LID, 3)
        .text("3EB0B1", PHONE, true)
        .text("3EB0B2", LID, true)
        .text("3EB0B2", PHONE, true)
        .text("3EB0B3", OTHER_LID, true)
        .text("3EB0B4", OTHER_LID, true)
        .whole_ack("3EB0B3", OTHER_LID, 2)
        .text("3EB0B4", PHONE, true);
    let expected = [
        "100000000000101@lid 3EB0B3 delivered",
        "100000000000142@lid 3EB0B0 sent",
        "12025550142@c.us 3EB0B1 read",
        "12025550142@c.us 3EB0B2 sent",
        "12025550142@c.us 3EB0B4 sent",
    ];
    let dump = ends_with(kind, &story, &expected).await;
    let of_lid = |line: &&&String| line.contains(&format!(" chat_id={LID} "));
    let chats = lines(&dump, "waha_chats");
    let last = chats.iter().find(of_lid).unwrap();
    assert!(last.contains("last_message_at=2026-09-21"), "that of the one message left: {last}");
}

async fn own_edits_and_revocations_find_their_message(kind: Kind) {
    let story = Story::default()
        .own_edit("3EB0C1", LID)
        .text("3EB0C1", PHONE, true)
        .own_revoke("3EB0C2", LID)
        .text("3EB0C2", PHONE, true)
        .ack("3EB0C2", LID, 3);
    let expected = ["12025550142@c.us 3EB0C1 sent", "12025550142@c.us 3EB0C2 read"];
    let dump = ends_with(kind, &story, &expected).await;
    assert_eq!(dump.iter().filter(|line| line.contains("content=edited by me")).count(), 2);
    assert!(lines(&dump, "waha_messages")[1].contains("revoked_at="), "{dump:#?}");
}

async fn an_ack_alone_is_a_stub_where_it_was_told(kind: Kind) {
    let story = Story::default().ack("3EB0D1", LID, 2).ack("3EB0D1", LID, 3);
    ends_with(kind, &story, &["100000000000142@lid 3EB0D1 stub read"]).await;
}

/// Reactions, edits and messages of others, reads of theirs on our phone, and all that is in groups.
async fn what_others_do_stays_where_it_was_told(kind: Kind) {
    let story = Story::default()
        .ack("3EB0E1", LID, 3)
        .text("3EB0E1", PHONE, true)
        .react("3EB0E1", LID, LID, "👍")
        .edit("3EB0E2", LID, None)
        .text("3EB0E2", PHONE, true)
        .text("3EB0E3", LID, false)
        .ack("3EB0E3", LID, 2)
        .read_by_us("3EB0E3", LID)
        .text("3EB0E3", PHONE, true)
        .read_by_us("3EB0E4", LID)
        .text("3EB0E4", PHONE, true)
        .group_read("3EB0E5", LID)
        .text("3EB0E5", PHONE, true)
        .ack("3EB0E5", GROUP, 1);
    let expected = [
        "100000000000142@lid 3EB0E1 stub ",
        "100000000000142@lid 3EB0E2 stub ",
        "100000000000142@lid 3EB0E3 read",
        "100000000000142@lid 3EB0E4 stub read",
        "12025550142@c.us 3EB0E1 read",
        "12025550142@c.us 3EB0E2 sent",
        "12025550142@c.us 3EB0E3 delivered",
        "12025550142@c.us 3EB0E4 sent",
        "12025550142@c.us 3EB0E5 sent",
        "120363000000000077@g.us 3EB0E5 stub read",
    ];
    ends_with(kind, &story, &expected).await;
}

async fn a_link_to_a_third_person_moves_no_message(kind: Kind) {
    let story = Story::default()
        .ack("3EB0F1", LID, 3)
        .text("3EB0F1", PHONE, true)
        .text("3EB0F2", LID, true)
        .member("join", LID, Some(OTHER_PHONE))
        .ack("3EB0F1", OTHER_PHONE, 4)
        .ack("3EB0F2", PHONE, 2);
    let expected = ["12025550101@c.us 3EB0F2 delivered", "12025550142@c.us 3EB0F1 played"];
    let dump = ends_with(kind, &story, &expected).await;
    let merged = lines(&dump, "waha_chats").into_iter().filter(|it| it.contains("merged_into="));
    assert_eq!(merged.count(), 1, "only the link makes two ids one person: {dump:#?}");
}

/// The link and the message come at once: what is own has just met what the third person wrote.
async fn a_message_leaves_a_chat_that_is_just_being_merged(kind: Kind) {
    let story = Story::default()
        .whole_ack("3EB0L1", OTHER_LID, 2)
        .own_edit("3EB0L1", OTHER_LID)
        .text("3EB0L1", OTHER_PHONE, false)
        .member("join", OTHER_LID, Some(OTHER_PHONE))
        .text("3EB0L1", PHONE, true)
        .text("3EB0L1", "12025550100@c.us", true);
    let expected = ["12025550100@c.us 3EB0L1 delivered", "12025550101@c.us 3EB0L1 sent"];
    let dump = ends_with(kind, &story, &expected).await;
    let tables = Tables::create(kind).await;
    for webhook in &story.0[..3] {
        apply(&tables.workers[0], &[webhook]).await;
    }
    let rest: Vec<_> = story.0[3..].iter().collect();
    apply(&tables.workers[1], &rest).await;
    assert_equal(&dump, &tables.dump().await, "link and message at once");
}

/// Members of a group know the ids of messages there; a forger's number may be the smallest.
async fn a_forged_ack_moves_no_message(kind: Kind) {
    let own = format!("true_{GROUP}_3EB0G1_12025550100@c.us");
    let sent = serde_json::json!({"id": own, "from": GROUP, "participant": "12025550100@c.us",
        "fromMe": true, "body": "to all", "timestamp": 1_790_000_000, "hasMedia": false, "ack": 1});
    let story = Story::default()
        .tell("message.any", sent)
        .ack("3EB0G1", OTHER_PHONE, 4)
        .ack("3EB0G1", OTHER_LID, 3)
        .ack("3EB0G2", OTHER_PHONE, 3)
        .text("3EB0G2", LID, true)
        .ack("3EB0G3", OTHER_PHONE, 3)
        .own_edit("3EB0G3", LID);
    let expected = [
        "100000000000142@lid 3EB0G2 read",
        "100000000000142@lid 3EB0G3 stub read",
        "12025550101@c.us 3EB0G1 stub played",
        "120363000000000077@g.us 3EB0G1 sent",
    ];
    let dump = ends_with(kind, &story, &expected).await;
    assert!(!dump.iter().any(|line| line.contains("merged_into=")), "{dump:#?}");
}

/// The fixtures of one message, as NOWEB, WEBJS and GOWS tell it.
async fn fixtures_of_one_message_make_one_row(kind: Kind) {
    let bodies = [
        ("message.any", include_str!("../../fixtures/message.any/noweb-own-acked-under-lid.json")),
        ("message.ack", include_str!("../../fixtures/message.ack/noweb-under-lid.json")),
        (
            "message.ack",
            include_str!("../../fixtures/message.ack/webjs-whole-message-under-lid.json"),
        ),
        ("message.edited", include_str!("../../fixtures/message.edited/gows-own-under-lid.json")),
    ];
    let mut story = Story::default();
    for (event, body) in bodies {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        story = story.tell(event, body["payload"].clone());
    }
    let dump = ends_with(kind, &story, &["12025550142@c.us 3EB0F601 read"]).await;
    let message = lines(&dump, "waha_messages")[0];
    assert!(message.contains("content=Your parcel is at the door"), "{message}");
}

/// Each holds what the other needs, again and again.
async fn two_workers_with_message_and_ack_meet(kind: Kind) {
    let tables = Tables::create(kind).await;
    let ids: Vec<String> = (0..40).map(|number| format!("3EB0H{number:02}")).collect();
    let (mut messages, mut acks) = (Story::default(), Story::default().starting_at(1_000));
    for id in &ids {
        messages = messages.text(id, PHONE, true);
        acks = acks.ack(id, LID, 2);
    }
    acks.0.reverse();
    let [one, other] = &tables.workers;
    for (told, acked) in messages.0.chunks(4).zip(acks.0.rchunks(4)) {
        let (told, acked): (Vec<_>, Vec<_>) = (told.iter().collect(), acked.iter().collect());
        tokio::join!(apply(one, &told), apply(other, &acked));
    }
    let expected: Vec<String> = ids.iter().map(|id| format!("{PHONE} {id} delivered")).collect();
    assert_eq!(shown(&tables.dump().await), expected);
}

/// What can happen to a message under a name of a chat.
#[derive(Clone, Copy, Debug)]
enum Step {
    OwnText,
    Ack(u8),
    WholeAck,
    OwnEdit,
    OwnRevoke,
    Text,
    Reaction,
    Edit,
    ReadByUs,
    Link,
    LinkToThird,
    LinkThird,
}

const STEPS: [Step; 14] = [
    Step::OwnText,
    Step::OwnText,
    Step::Ack(2),
    Step::Ack(3),
    Step::WholeAck,
    Step::OwnEdit,
    Step::OwnRevoke,
    Step::Text,
    Step::Reaction,
    Step::Edit,
    Step::ReadByUs,
    Step::Link,
    Step::LinkToThird,
    Step::LinkThird,
];
const NAMES: [&str; 4] = [PHONE, LID, OTHER_PHONE, OTHER_LID];

fn happens(story: Story, (step, name, id): (Step, &str, &str)) -> Story {
    match step {
        Step::OwnText => story.text(id, name, true),
        Step::Ack(ack) => story.ack(id, name, ack),
        Step::WholeAck => story.whole_ack(id, name, 4),
        Step::OwnEdit => story.own_edit(id, name),
        Step::OwnRevoke => story.own_revoke(id, name),
        Step::Text => story.text(id, name, false),
        Step::Reaction => story.react(id, name, name, "👍"),
        Step::Edit => story.edit(id, name, None),
        Step::ReadByUs => story.read_by_us(id, name),
        Step::Link => story.member("join", LID, Some(PHONE)),
        Step::LinkToThird => story.member("join", LID, Some(OTHER_PHONE)),
        Step::LinkThird => story.member("join", OTHER_LID, Some(OTHER_PHONE)),
    }
}

async fn any_order_gives_the_same_rows(kind: Kind) {
    let tables = Tables::create(kind).await;
    let runtime = tokio::runtime::Handle::current();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig { cases: cases.unwrap_or(40), ..ProptestConfig::default() };
    let step = (select(STEPS.to_vec()), select(NAMES.to_vec()), select(vec!["3EB0J1", "3EB0J2"]));
    let steps = prop::collection::vec(step, 2..16);
    let tried = tokio::task::spawn_blocking(move || {
        TestRunner::new(config).run(&(steps, any::<u64>()), |(steps, seed)| {
            let mut story = steps.into_iter().fold(Story::default(), happens).0;
            let dump = runtime.block_on(in_order(&tables, &story));
            for seed in [seed, 1, 2] {
                let other = runtime.block_on(shuffled(&tables, &story, seed));
                prop_assert_eq!(difference(&dump, &other), Vec::<&String>::new());
            }
            story.reverse();
            let other = runtime.block_on(in_order(&tables, &story));
            prop_assert_eq!(difference(&dump, &other), Vec::<&String>::new());
            Ok(())
        })
    });
    tried.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
}
