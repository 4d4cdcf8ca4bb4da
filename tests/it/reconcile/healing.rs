//! The property: after any loss, in any order, any number of times, restarts in between and files that WAHA deleted
//! meanwhile, comparing makes the rows and files those of a run without loss, but for what WAHA's list does not know.
//! `RECONCILE_SEEDS` asks for more seeds, from `RECONCILE_SEED_FIRST` on.

use std::collections::{BTreeMap, BTreeSet};

use waha_ingest::simulate::{Families, Family, shuffled};

use super::files::Keeping;
use super::*;
use crate::asked;

/// Seeds per database.
const SEEDS: u64 = 2;
/// Share of webhooks that are lost.
const LOSS: f64 = 0.25;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_found_again_on_sqlite() {
    heal_seeds(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_found_again_on_postgres() {
    heal_seeds(Kind::Postgres).await;
}

async fn heal_seeds(kind: Kind) {
    for seed in asked("RECONCILE_SEED_FIRST", 1)..=asked("RECONCILE_SEEDS", SEEDS) {
        let started = std::time::Instant::now();
        heal_seed(kind, seed).await;
        println!("seed {seed}: {:.1} s", started.elapsed().as_secs_f64());
    }
}

fn plan(seed: u64) -> Plan {
    let families = Families::default().without(Family::Session);
    Plan { seed, sessions: 4, people: 12, groups: 4, messages: 160, families, ..Plan::default() }
}

async fn heal_seed(kind: Kind, seed: u64) {
    let undisturbed = Keeping::start(Kind::Sqlite, Options::of(plan(seed))).await;
    let whole = &undisturbed.it;
    whole.live().await;
    undisturbed.fetch_all().await;
    let options = Options { lose: LOSS, lost_per_restart: 40, ..Options::of(plan(seed)) };
    let keeping = Keeping::start(kind, options).await;
    let lossy = &keeping.it;
    let mut webhooks = lossy.waha.webhooks();
    let early: Vec<Sent> = webhooks.by_ref().take(150).collect();
    lossy.tell(shuffled(seed, 30, 0.2, early.into_iter()).collect()).await;
    // Some files are fetched in time; those that are told from now on are gone at WAHA when somebody asks for them.
    if seed.is_multiple_of(2) {
        keeping.fetch_all().await;
    }
    lossy.waha.restart().await;
    lossy.waha.advance(Duration::from_secs(10));
    let late: Vec<Sent> = webhooks.collect();
    lossy.tell(shuffled(seed, 30, 0.2, late.into_iter()).collect()).await;
    lossy.waha.expire_media();
    let missing = lossy.heal().await;
    keeping.fetch_all().await;
    assert!(missing > 10, "seed {seed}: {missing}");
    lossy.assert_balanced().await;
    let (expected, actual) = (Messages::of(whole).await, Messages::of(lossy).await);
    let gone = expected.assert_healed(&actual, seed);
    assert!(gone * 3 < expected.rows.len(), "seed {seed}: {gone} of {}", expected.rows.len());
    let files = undisturbed.files().await;
    let exceptions = expected.exceptions();
    let is_exception =
        |session: &str, id: &str| exceptions.contains(&(session.to_owned(), id.to_owned()));
    let stored = files.assert_healed(&keeping.files().await, is_exception, seed);
    assert!(stored > 3, "seed {seed}: {stored} files");
    assert_complete(lossy, seed).await;
    // Comparing again finds nothing and writes nothing.
    let before = backfills(lossy.app.db()).await;
    assert_eq!(lossy.heal().await, 0, "seed {seed}");
    assert_eq!(backfills(lossy.app.db()).await, before, "seed {seed}");
}

/// Whose message: session, chat as it is called by now, bare id.
type Key = (String, String, String);

/// Messages of all sessions with what is known of them.
struct Messages {
    rows: BTreeMap<Key, waha_messages::Model>,
}

impl Messages {
    async fn of(of: &Reconciling) -> Self {
        use entity::waha_chats;
        let db = of.app.db();
        let sessions = of.sessions().await.into_iter().map(|it| (it.id, it.name));
        let sessions: BTreeMap<i64, String> = sessions.collect();
        let chats = waha_chats::Entity::find().all(db).await.unwrap();
        let chats: BTreeMap<i64, String> =
            chats.into_iter().map(|it| (it.id, it.chat_id)).collect();
        let key = |row: &waha_messages::Model| {
            let (session, chat) = (&sessions[&row.session_id], &chats[&row.chat_id]);
            (session.clone(), chat.clone(), row.message_id.clone())
        };
        let rows = messages(db).await.into_iter().map(|row| (key(&row), row));
        Self { rows: rows.collect() }
    }

    /// Returns how many are not there, each for a reason of the list below.
    fn assert_healed(&self, actual: &Self, seed: u64) -> usize {
        let repeated = self.repeated();
        let mut gone = 0;
        for (key, expected) in &self.rows {
            // By conversation and bare id: which of the names of a person a chat has depends on what was told.
            let found = actual.rows.get(key).or_else(|| actual.of_id(key));
            if let Some(found) = found {
                let (expected, found) = (told(expected, expected), told(found, expected));
                assert_eq!(expected, found, "seed {seed}: {key:?}");
            } else {
                gone += 1;
                assert!(is_unknown_to_lists(expected, &repeated), "seed {seed}: {expected:?}");
            }
        }
        let extra = actual.rows.keys().find(|key| !self.has(key));
        assert_eq!(extra, None, "seed {seed}: nobody told it");
        gone
    }

    fn of_id(&self, (session, _, id): &Key) -> Option<&waha_messages::Model> {
        let found = self.rows.iter().find(|(key, _)| key.0 == *session && key.2 == *id);
        found.map(|(_, row)| row)
    }

    fn has(&self, key: &Key) -> bool {
        self.rows.contains_key(key) || self.of_id(key).is_some()
    }

    /// Messages, by session and bare id, whose file need not be the same: those that lists do not have, and ids that
    /// several chats have, of which WAHA keeps one file.
    fn exceptions(&self) -> BTreeSet<(String, String)> {
        let repeated = self.repeated();
        let is_exception = |row: &waha_messages::Model| is_unknown_to_lists(row, &repeated);
        let excepted = self.rows.iter().filter(|(_, row)| is_exception(row));
        excepted.map(|((session, _, id), _)| (session.clone(), id.clone())).collect()
    }

    /// Bare ids that several chats of a session have.
    fn repeated(&self) -> BTreeSet<(i64, String)> {
        let mut seen = BTreeSet::new();
        let ids = self.rows.values().map(|row| (row.session_id, row.message_id.clone()));
        ids.filter(|id| !seen.insert(id.clone())).collect()
    }
}

/// The exceptions: messages that WAHA's list does not have.
/// - Revoked ones: NOWEB deletes them, the browsers show only that they were.
/// - Notices: lists leave them out.
/// - Ids that are in several chats: NOWEB keeps the last one only.
fn is_unknown_to_lists(row: &waha_messages::Model, repeated: &BTreeSet<(i64, String)>) -> bool {
    row.revoked_at.is_some()
        || row.is_notice
        || repeated.contains(&(row.session_id, row.message_id.clone()))
}

/// What must be the same. Not among it, because WAHA's list does not know it or tells it as it is by now:
/// - times and versions of webhooks (`created_at`, `stored_at`, `*_version`);
/// - how far a message got (a snapshot), and why it could not be sent;
/// - edits and revocations whose own webhooks were lost: the text of an edited message is the old or the new one;
/// - links to files, which are not loaded for a list; the files themselves are compared.
fn told(
    row: &waha_messages::Model,
    whole: &waha_messages::Model,
) -> impl std::fmt::Debug + PartialEq + use<> {
    let is_edited = whole.edited_at.is_some();
    let is_revoked = whole.revoked_at.is_some();
    let what = (!is_revoked).then(|| (row.r#type.clone(), row.has_media));
    (
        (row.from_me, row.author.clone(), row.is_notice, row.sent_at, what),
        (!is_edited && !is_revoked).then(|| row.content.clone()),
    )
}

/// Each hour says what came and what was found, and nothing is left to be found.
async fn assert_complete(of: &Reconciling, seed: u64) {
    let hours = of.hours().await;
    assert!(!hours.is_empty());
    for hour in &hours {
        assert_eq!((hour.state.as_str(), hour.refused), ("complete", 0), "seed {seed}: {hour:?}");
        assert_eq!(hour.live + hour.backfilled - hour.only_here, hour.listed, "{hour:?}");
    }
    let backfilled: i32 = hours.iter().map(|hour| hour.backfilled).sum();
    assert!(backfilled > 0);
}
