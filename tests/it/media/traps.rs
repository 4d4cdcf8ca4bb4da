//! The traps of WAHA's API that concern files: each test fails if its trap is not seen.

use super::*;
use crate::process::Setting;

/// What somebody else's file is.
const OTHER: &[u8] = b"\xff\xd8\xff\xe0 another's photo";
const VICTIM: &str = "12025550199@c.us";

async fn rows(keeping: &Keeping) -> Vec<Model> {
    use sea_orm::QueryOrder;
    Entity::find().order_by_asc(Column::Id).all(keeping.app.db()).await.unwrap()
}

/// WAHA names files by session and bare id, and the bare id is its sender's choice: who repeats the id of a message
/// in another chat gets that one's file under his link. Without a look at the hash it would be stored as his.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_bare_id_gets_nobody_anothers_file() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let link = keeping.link("A1");
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(OTHER.to_vec()));
    keeping.tell(&Told { hashed: Some(OTHER), chat: VICTIM, ..Told::new("A1", Some(&link)) }).await;
    keeping.ended("A1").await;
    keeping
        .tell(&Told { hashed: Some(PNG), at_s: 1_790_000_001, ..Told::new("A1", Some(&link)) })
        .await;
    let second = wait_for("a try", PATIENCE, async || {
        rows(&keeping).await.into_iter().nth(1).filter(|row| row.reason.is_some())
    })
    .await;
    assert_eq!((second.state.as_str(), second.reason.as_deref()), ("waiting", Some("wrong_hash")));
    // WAHA has deleted the first by now, and loads this one.
    let anew = keeping.link("A1-anew");
    keeping.waha.set(&Keeping::path("A1-anew"), Answer::Bytes(PNG.to_vec()));
    keeping.waha.set(&Keeping::message_path("A1"), Answer::Json(200, message(LOADED, Some(&anew))));
    keeping.waha.unset(&Keeping::path("A1"));
    keeping.app.clock.advance(MINUTE_MS);
    let second = wait_for("the right file", PATIENCE, async || {
        rows(&keeping).await.into_iter().nth(1).filter(|row| row.state == "stored")
    })
    .await;
    keeping.assert_stored(&second, PNG).await;
    keeping.assert_stored(&rows(&keeping).await[0], OTHER).await;
}

/// NOWEB keeps one message of a bare id in the whole session. Without a hash its chat is all that tells.
#[tokio::test(flavor = "multi_thread")]
async fn another_chats_message_under_the_same_id_is_not_taken() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let anothers = keeping.link("A1-anothers");
    keeping.waha.set(&Keeping::path("A1-anothers"), Answer::Bytes(OTHER.to_vec()));
    let mut answer = message(LOADED, Some(&anothers));
    answer["id"] = json!(format!("false_{VICTIM}_A1"));
    keeping.waha.set(&Keeping::message_path("A1"), Answer::Json(200, answer));
    keeping.tell(&Told::new("A1", None)).await;
    let row = keeping.row_when("A1", "a try", |row| row.reason.is_some()).await;
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("waiting", Some("wrong_message")));
    let asked: Vec<String> = keeping.waha.asked().into_iter().map(|(path, _)| path).collect();
    assert!(!asked.contains(&Keeping::path("A1-anothers")), "{asked:?}");
}

/// A key without the scope `read` may fetch files, and nothing else: what is on time is stored, what is late waits
/// for somebody who gives the key more. WAHA is there, so the source does not rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_files_alone_gets_files() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let forbidden = json!({ "message": "Forbidden", "statusCode": 403 });
    for number in 0..8 {
        let id = format!("L{number}");
        keeping.waha.set(&Keeping::message_path(&id), Answer::Json(403, forbidden.clone()));
        keeping.tell(&Told::new(&id, None)).await;
        let row = keeping.row_when(&id, "a try", |row| row.reason.is_some()).await;
        assert_eq!((row.reason.as_deref(), row.tries), (Some("key_forbidden"), 1));
    }
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
}

/// Loading a file again costs WAHA minutes: one at a time of a session, and files that it still has don't wait.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_session_one_message_is_asked_for_at_a_time() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = run(keeping.fetcher_at(&keeping.waha.url, 4));
    for id in ["L1", "L2", "L3"] {
        keeping.waha.set(&Keeping::message_path(id), Answer::Silence);
        keeping.tell(&Told::new(id, None)).await;
    }
    keeping.waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    keeping.assert_stored(&keeping.ended("A1").await, PNG).await;
    let asked = keeping.waha.asked();
    let messages = asked.iter().filter(|(path, _)| path.contains("/messages/"));
    assert_eq!(messages.count(), 1, "{asked:?}");
}

/// A WAHA without a key of its own makes one up at each start: the new one, in the file, is used without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_of_the_api_is_taken_over() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create(Kind::Sqlite).await);
    let (waha, key_file) = (Waha::start(), folder.path().join("waha-key"));
    std::fs::write(&key_file, "another key").unwrap();
    waha.require(KEY);
    let mut setting = Setting::new(folder.path(), &database.url);
    setting.environment = vec![
        ("WAHA_INGEST__MEDIA__ENABLED", "true".to_owned()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__URL", waha.url.clone()),
        ("WAHA_INGEST__SOURCES__DEFAULT__WAHA__API_KEY_FILE", key_file.display().to_string()),
    ];
    let up = setting.up().await;
    waha.set(&Keeping::path("A1"), Answer::Bytes(PNG.to_vec()));
    let link = format!("{}{}", waha.url, Keeping::path("A1"));
    let body = Told::new("A1", Some(&link)).webhook().to_string();
    let signature = waha_ingest::webhook::source::sign(&crate::app::KEY.into(), body.as_bytes());
    let client = waha_ingest::http_client::plain().build().unwrap();
    let posted = client.post(setting.url()).header("x-webhook-hmac", signature).body(body);
    posted.send().await.unwrap();
    let state = async || {
        let db = sea_orm::Database::connect(&database.url).await.unwrap();
        let row = Entity::find().one(&db).await.unwrap()?;
        Some((row.state, row.reason))
    };
    // Whoever of the process asks first is refused, and all the others wait.
    wait_for("a row", PATIENCE, async || state().await.filter(|(state, _)| state == "waiting"))
        .await;
    let wrong = Some("another key".to_owned());
    wait_for("the refused key", PATIENCE, async || {
        waha.asked().iter().any(|(_, key)| *key == wrong).then_some(())
    })
    .await;
    std::fs::write(&key_file, KEY).unwrap();
    up.signal("-HUP");
    let stored = ("stored".to_owned(), None);
    wait_for("the file", PATIENCE, async || state().await.filter(|it| *it == stored)).await;
    let keys: Vec<Option<String>> = waha.asked().into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys.last().unwrap().as_deref(), Some(KEY));
}

/// The answer for a message is believed less than the message's own webhook; and WAHA turns some stickers into another
/// form, whose hash nobody told.
#[tokio::test(flavor = "multi_thread")]
async fn the_hash_that_was_told_first_counts_and_that_of_a_sticker_does_not() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let _fetching = keeping.fetch();
    let (dead, anew) = (keeping.link("A1"), keeping.link("A1-anew"));
    keeping.waha.set(&Keeping::path("A1-anew"), Answer::Bytes(PNG.to_vec()));
    let mut loaded = message(LOADED, Some(&anew));
    let hash = BASE64_STANDARD.encode(Sha256::digest(OTHER));
    loaded["_data"]["message"]["imageMessage"]["fileSha256"] = json!(hash);
    loaded["media"]["filename"] = json!("another.png");
    keeping.waha.set(&Keeping::message_path("A1"), Answer::Json(200, loaded));
    keeping.tell(&Told { hashed: Some(PNG), ..Told::new("A1", Some(&dead)) }).await;
    let row = keeping.row_when("A1", "a try", |row| row.state != "waiting" || row.tries > 0).await;
    keeping.assert_stored(&row, PNG).await;
    assert_ne!(row.file_name.as_deref(), Some("another.png"), "nor its name");

    let link = keeping.link("A2");
    keeping.waha.set(&Keeping::path("A2"), Answer::Bytes(PNG.to_vec()));
    let mut sticker = Told { hashed: Some(OTHER), ..Told::new("A2", Some(&link)) }.webhook();
    let image = sticker["payload"]["_data"]["message"]["imageMessage"].take();
    sticker["payload"]["_data"]["message"] = json!({ "stickerMessage": image });
    keeping.app.post_json(&sticker).await;
    keeping.app.work_until_idle().await;
    let row = keeping.row_when("A2", "a try", |row| row.state != "waiting" || row.tries > 0).await;
    keeping.assert_stored(&row, PNG).await;
}

/// What failed before waits behind what was not tried yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_tried_least_comes_first() {
    let keeping = Keeping::start(Kind::Sqlite).await;
    let (store, lease) = (&keeping.app.store, Duration::from_secs(60));
    let take = async || store.take_attachment(&LeftAlone::default(), lease).await.unwrap().unwrap();
    keeping.tell(&Told::new("A1", Some(&keeping.link("A1")))).await;
    let first = take().await;
    let (at, reason) = (first.row.next_try_at.unwrap(), "cut_off");
    let failed = AttachmentEnd::Waits { at, reason, is_try: true };
    assert!(store.end_attachment(&first, failed).await.unwrap());
    keeping.app.clock.advance(1);
    keeping.tell(&Told::new("A2", Some(&keeping.link("A2")))).await;
    keeping.set_told_now().await;
    assert_eq!(take().await.row.message_id, "A2");
    assert_eq!(take().await.row.message_id, "A1");
}
