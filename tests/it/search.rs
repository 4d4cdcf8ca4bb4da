//! Search in messages: what is found is what a plain look at all rows finds, whatever happens to the
//! messages. On each kind of database.

mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::json;
use waha_ingest::search::SearchQuery;
use waha_ingest::simulate::{Families, Plan, Sent, history, shuffled};
use waha_ingest::store::Store;
use waha_ingest::store::operations::search::{
    FoundMessage, MessageSearch, SearchCursor, SearchState, SearchStep,
};

use crate::app::{TestApp, clock, open_store};
use crate::database::{Kind, on_each_database};
use crate::desk::actor;
use told::{LOOKED, odd_texts, text};

on_each_database!(
    what_is_found_is_what_a_look_at_all_rows_finds,
    several_fill_while_others_write,
    edits_revocations_and_merges_are_followed,
    odd_texts_are_found_alike,
    words_that_can_not_be_gone_on_with_are_made_anew,
    switched_off_nothing_is_left,
    the_documented_queries_find_the_same,
);

fn plan(seed: u64) -> Plan {
    Plan { seed, messages: 150, people: 10, groups: 2, families: Families::ALL, ..Plan::default() }
}

/// Until all is done that there is.
pub async fn settle(store: &Store) {
    loop {
        match store.search_step().await.unwrap() {
            SearchStep::Moved | SearchStep::Overtaken => {}
            SearchStep::Idle => return,
            SearchStep::NotOurs => panic!("it is off"),
        }
    }
}

pub async fn enable(store: &Store) {
    store.enable_search(&actor()).await.unwrap().unwrap();
}

fn id(found: &FoundMessage) -> i64 {
    found.row["id"].as_i64().unwrap()
}

/// All that is found, page by page.
async fn found(store: &Store, typed: &str, limit: u64) -> Vec<FoundMessage> {
    let query = SearchQuery::parse(typed).unwrap();
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let search = MessageSearch { query: &query, sessions: None, chat: None, before, limit };
        let page = store.find_messages(search).await.unwrap();
        assert!(page.messages.len() as u64 <= limit);
        all.extend(page.messages);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

/// Newest first.
fn assert_ordered(found: &[FoundMessage]) {
    let place = |it: &FoundMessage| {
        let at = [&it.row["sent_at"], &it.row["created_at"]].into_iter().find_map(|it| it.as_str());
        (at.unwrap().to_owned(), id(it))
    };
    assert!(
        found.windows(2).all(|two| place(&two[0]) > place(&two[1])),
        "newest first, no tie lost"
    );
}

/// Ids of the messages that should be found by plain words: by a look at every row, with nothing of ours.
async fn plainly(app: &TestApp, typed: &str) -> BTreeSet<i64> {
    use entity::waha_messages::{Column, Entity};
    let rows = Entity::find()
        .filter(Column::IsStub.eq(false))
        .filter(Column::MergedInto.is_null())
        .filter(Column::RevokedAt.is_null());
    let has = |text: &str, word: &str| {
        let lower = text.to_lowercase();
        lower.split(|it: char| !it.is_alphanumeric()).any(|it| it.starts_with(word))
    };
    let rows = rows.all(app.db()).await.unwrap();
    let rows = rows.into_iter().filter(|row| {
        let text = row.content.as_deref().unwrap_or_default();
        typed.split(' ').all(|word| has(text, word))
    });
    rows.map(|row| row.id).collect()
}

/// Words of the simulator, their beginnings, two together, and one that nobody says.
const TYPED: [&str; 12] = [
    "order",
    "ord",
    "in",
    "invoice",
    "card question",
    "la",
    "the",
    "meet gate",
    "edited",
    "ti of",
    "אנחנו",
    "nobodysaysthis",
];

async fn assert_found(app: &TestApp, what: &str) -> usize {
    let mut most = 0;
    for typed in TYPED {
        let found = found(&app.store, typed, 7).await;
        assert_ordered(&found);
        let ids: BTreeSet<i64> = found.iter().map(id).collect();
        assert_eq!(ids.len(), found.len(), "{what}: {typed}: none twice");
        assert_eq!(ids, plainly(app, typed).await, "{what}: {typed}");
        most = most.max(ids.len());
    }
    most
}

/// Histories with edits, revocations and people who turn out to be one, in any order: some before the search is
/// switched on, the rest after it.
async fn what_is_found_is_what_a_look_at_all_rows_finds(kind: Kind) {
    for seed in 1..=2 {
        let mut app = TestApp::start(kind).await;
        app.worker.batch_max = 20;
        let mut rng = StdRng::seed_from_u64(seed);
        let webhooks: Vec<Sent> = shuffled(seed, 300, 0.1, history(&plan(seed))).collect();
        let (before, mut rest) = webhooks.split_at(webhooks.len() / 2);
        app.publish_all(before.iter().cloned()).await;
        app.work_until_idle().await;
        enable(&app.store).await;
        settle(&app.store).await;
        assert_found(&app, "what was there").await;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rng.random_range(1..=rest.len().min(90)));
            app.publish_all(some.iter().cloned()).await;
            app.work_until_idle().await;
            settle(&app.store).await;
            rest = others;
        }
        assert!(assert_found(&app, "what came").await > 10);
        // A fill finds the same as following did.
        app.store.disable_search(&actor()).await.unwrap().unwrap();
        enable(&app.store).await;
        settle(&app.store).await;
        assert_found(&app, "filled anew").await;
    }
}

/// Two processes that fill, both at once with workers, and one of them stops in the middle of its steps.
async fn several_fill_while_others_write(kind: Kind) {
    let app = TestApp::start(kind).await;
    let webhooks: Vec<Sent> = shuffled(5, 300, 0.1, history(&plan(5))).collect();
    let (before, after) = webhooks.split_at(webhooks.len() / 2);
    app.publish_all(before.iter().cloned()).await;
    app.work_until_idle().await;
    app.publish_all(after.iter().cloned()).await;
    enable(&app.store).await;
    let other = open_store(app.database(), clock()).await;
    let is_over = AtomicBool::new(false);
    let filling = async |store: Arc<Store>, is_cut_off: bool| {
        while !is_over.load(Ordering::Relaxed) {
            let step = store.search_step();
            if is_cut_off {
                // As by a kill: what was not committed is rolled back.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(2), step).await;
            } else if let Err(error) = step.await {
                assert!(error.class().is_blameless(), "{error:?}");
            }
            tokio::task::yield_now().await;
        }
    };
    let working = async {
        app.work_until_idle().await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(working, filling(Arc::clone(&app.store), false), filling(other, true));
    settle(&app.store).await;
    assert!(assert_found(&app, "in the end").await > 20);
}

async fn texts(app: &TestApp, typed: &str) -> Vec<String> {
    let found = found(&app.store, typed, 50).await;
    found.iter().map(|it| it.row["content"].as_str().unwrap().to_owned()).collect()
}

async fn edits_revocations_and_merges_are_followed(kind: Kind) {
    let app = TestApp::start(kind).await;
    enable(&app.store).await;
    for (place, bare) in ["3EB0A1", "3EB0A2", "3EB0A3"].into_iter().enumerate() {
        app.post_json(&text(place, bare, told::LID, "the bicycle is red")).await;
    }
    app.work_until_idle().await;
    settle(&app.store).await;
    assert_eq!(texts(&app, "bicy").await.len(), 3);
    // What the words do not know yet is left out all the same.
    app.post_json(&told::edit(10, "3EB0A1", told::LID, "the motorcycle is green")).await;
    app.post_json(&told::revoke(11, "3EB0A2", told::LID)).await;
    app.work_until_idle().await;
    assert_eq!(texts(&app, "bicycle").await, ["the bicycle is red"]);
    settle(&app.store).await;
    assert_eq!(texts(&app, "bicycle").await, ["the bicycle is red"]);
    assert_eq!(texts(&app, "motor").await, ["the motorcycle is green"]);
    // The same message under the other id of the person, then the link: one row gives way.
    app.post_json(&text(20, "3EB0A3", told::PHONE, "the bicycle is red")).await;
    app.work_until_idle().await;
    settle(&app.store).await;
    assert_eq!(texts(&app, "bicycle").await.len(), 2);
    app.post_json(&told::link(30)).await;
    app.work_until_idle().await;
    assert_eq!(texts(&app, "bicycle").await.len(), 1, "before the words know");
    settle(&app.store).await;
    let left = found(&app.store, "bicycle", 50).await;
    assert_eq!((left.len(), left[0].chat.as_str()), (1, told::PHONE));
    assert_eq!(words(&app).await, 3, "no words of what can't be found");
    for (chat, number) in [(told::LID, 1), (told::PHONE, 1), ("12025550149@c.us", 0)] {
        let query = SearchQuery::parse("bicycle").unwrap();
        let search = MessageSearch { chat: Some(chat), ..of(&query) };
        let page = app.store.find_messages(search).await.unwrap();
        assert_eq!(page.messages.len(), number, "{chat}");
    }
}

fn of(query: &SearchQuery) -> MessageSearch<'_> {
    MessageSearch { query, sessions: None, chat: None, before: None, limit: 50 }
}

/// How many messages have words.
async fn words(app: &TestApp) -> i64 {
    let sql = "SELECT COUNT(*) AS number FROM waha_message_words";
    let backend = app.db().get_database_backend();
    let row = app.db().query_one_raw(sea_orm::Statement::from_string(backend, sql)).await.unwrap();
    row.unwrap().try_get("", "number").unwrap()
}

async fn odd_texts_are_found_alike(kind: Kind) {
    let app = TestApp::start(kind).await;
    enable(&app.store).await;
    let texts = odd_texts();
    for (place, (bare, content)) in texts.iter().enumerate() {
        app.post_json(&text(place, bare, told::PHONE, content)).await;
    }
    app.work_until_idle().await;
    settle(&app.store).await;
    for (typed, expected) in LOOKED {
        let found = found(&app.store, typed, 50).await;
        let found: BTreeSet<&str> =
            found.iter().map(|it| it.row["message_id"].as_str().unwrap()).collect();
        assert_eq!(found, expected.iter().copied().collect(), "{typed}");
    }
    // Nothing that was typed has changed anything.
    assert_eq!(words(&app).await, i64::try_from(texts.len()).unwrap());
    let (query, at) = (SearchQuery::parse("arger").unwrap(), "2026-11-20T00:00:00Z");
    let before = Some(SearchCursor { at: at.parse().unwrap(), id: i64::MIN });
    let page = app.store.find_messages(MessageSearch { before, ..of(&query) }).await.unwrap();
    assert_eq!(page.messages.len(), 1, "{:?}", json!(page.next.map(|it| it.id)));
    let before = Some(SearchCursor { at: "2020-01-01T00:00:00Z".parse().unwrap(), id: 0 });
    let page = app.store.find_messages(MessageSearch { before, ..of(&query) }).await.unwrap();
    assert_eq!(page.messages.len(), 0);
}

/// The database was restored, the feed was cut, or another release made the words by other rules.
async fn words_that_can_not_be_gone_on_with_are_made_anew(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.publish_all(history(&plan(3))).await;
    app.work_until_idle().await;
    enable(&app.store).await;
    for wrong in ["epoch = 'another'", "position = position + 1000", "words_version = 0"] {
        settle(&app.store).await;
        let ghost = match kind {
            Kind::Sqlite => {
                "INSERT INTO waha_message_words (rowid, words) VALUES (9000000, 'ghost')"
            }
            Kind::Postgres => "INSERT INTO waha_message_words VALUES (9000000, '''ghost''')",
            Kind::MySql => "INSERT INTO waha_message_words VALUES (9000000, 'w_ghost')",
        };
        app.db().execute_unprepared(ghost).await.unwrap();
        let key = if kind == Kind::Sqlite { "rowid" } else { "id" };
        let lose = format!("DELETE FROM waha_message_words WHERE {key} < 50");
        app.db().execute_unprepared(&lose).await.unwrap();
        let spoil = format!("UPDATE waha_search SET {wrong}");
        app.db().execute_unprepared(&spoil).await.unwrap();
        assert_eq!(app.store.search_step().await.unwrap(), SearchStep::Moved);
        let state = app.store.search_status().await.unwrap().state;
        assert_eq!(state, SearchState::Filling, "{wrong}");
        settle(&app.store).await;
        assert!(assert_found(&app, wrong).await > 20);
        let ghosts = format!("SELECT {key} FROM waha_message_words WHERE {key} = 9000000");
        let backend = app.db().get_database_backend();
        let ghosts = sea_orm::Statement::from_string(backend, ghosts);
        assert!(app.db().query_one_raw(ghosts).await.unwrap().is_none(), "{wrong}");
    }
    let newer = "UPDATE waha_search SET words_version = 1000";
    app.db().execute_unprepared(newer).await.unwrap();
    assert_eq!(app.store.search_step().await.unwrap(), SearchStep::NotOurs);
    assert!(app.store.search_status().await.unwrap().is_newer);
    app.store.enable_search(&actor()).await.unwrap().unwrap_err();
}

/// As a worker's role meets it, which may delete rows, but not empty tables.
const REFUSING: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
                        AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
                        CREATE TRIGGER refused BEFORE TRUNCATE ON waha_message_words \
                        EXECUTE FUNCTION refuse()";

async fn switched_off_nothing_is_left(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.publish_all(history(&plan(4))).await;
    app.work_until_idle().await;
    assert_eq!(app.store.search_step().await.unwrap(), SearchStep::NotOurs);
    assert_eq!(words(&app).await, 0);
    enable(&app.store).await;
    settle(&app.store).await;
    assert!(words(&app).await > 50);
    if kind == Kind::Postgres {
        app.db().execute_unprepared(REFUSING).await.unwrap();
    }
    // Interrupted, it says so, and can be gone on with.
    app.db().execute_unprepared("UPDATE waha_search SET state = 'clearing'").await.unwrap();
    let refused = app.store.enable_search(&actor()).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("search disable"), "{refused}");
    app.store.disable_search(&actor()).await.unwrap().unwrap();
    assert_eq!(words(&app).await, 0);
    assert_eq!(app.store.search_status().await.unwrap().state, SearchState::Off);
    let logged = app.store.audit_logs(None, None, 10).await.unwrap();
    let actions: BTreeSet<&str> = logged.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["disable", "enable"].into());
    enable(&app.store).await;
    settle(&app.store).await;
    assert!(words(&app).await > 50);
}

/// The query of `entity/README.md` for a kind of database.
fn documented(kind: Kind) -> String {
    let text = include_str!("../../entity/README.md");
    let fence = match kind {
        Kind::Sqlite => "```sqlite\n",
        Kind::Postgres => "```postgresql\n",
        Kind::MySql => "```mysql\n",
    };
    let (_, section) = text.split_once("\n## Search").unwrap();
    let (_, rest) = section.split_once(fence).unwrap();
    rest.split_once("```").unwrap().0.replace("'shop'", "'desk'")
}

async fn the_documented_queries_find_the_same(kind: Kind) {
    let app = TestApp::start(kind).await;
    enable(&app.store).await;
    for (place, content) in
        ["Order ready", "really an ORDER", "order", "reorder rea"].iter().enumerate()
    {
        app.post_json(&text(place, &format!("3EB0{place}"), told::PHONE, content)).await;
    }
    app.work_until_idle().await;
    settle(&app.store).await;
    let statement =
        sea_orm::Statement::from_string(app.db().get_database_backend(), documented(kind));
    let rows = app.db().query_all_raw(statement).await.unwrap();
    let told: Vec<i64> = rows.iter().map(|row| row.try_get("", "id").unwrap()).collect();
    let expected: Vec<i64> = found(&app.store, "order rea", 50).await.iter().map(id).collect();
    assert_eq!((told.len(), &told), (2, &expected));
    // All of one moment: page by page none is lost.
    let time =
        if kind == Kind::MySql { "2026-09-22 08:00:00" } else { "2026-09-22T08:00:00+00:00" };
    let same = format!("UPDATE waha_messages SET sent_at = '{time}'");
    app.db().execute_unprepared(&same).await.unwrap();
    let pages = found(&app.store, "ord", 1).await;
    assert_eq!(pages.len(), 3);
    assert_ordered(&pages);
}
