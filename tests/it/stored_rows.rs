//! The rows that each fixture makes, all columns of all tables, against a text that somebody has read:
//! the same text on each kind of database, so all of them store the same.
//!
//! Add a fixture or a column and it shows by itself. `INSTA_UPDATE=always cargo test stored_rows` writes
//! all texts anew; how they are read is in `tests/fixtures/snapshots/rows/README.md`.

mod table;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use sea_orm::DatabaseConnection;
use waha_ingest::queue::Queue;
use waha_ingest::webhook::source::Source;
use waha_ingest::webhook::verify::{REQUEST_ID_HEADER, RawRequest, verify};
use waha_ingest::webhook::{Receipt, Webhook};

use crate::app::{NOW_MS, TestApp};
use crate::database::{Kind, on_each_database};
use crate::fixtures::children;
use crate::migrations_foreign::tables;
use crate::migrations_with_rows::columns;
use table::{Table, all_tables};
use value::Shown;

on_each_database!(every_fixture_makes_the_rows_of_its_snapshot);

/// Where the texts are, below the package.
const SNAPSHOTS: &str = "tests/fixtures/snapshots/rows";

/// All fixtures at once, each from a source of its own: a row's source says which one made it.
async fn every_fixture_makes_the_rows_of_its_snapshot(kind: Kind) {
    let began = machine_now();
    let app = TestApp::start(kind).await;
    let fixtures = fixtures();
    let publishing = fixtures.iter().map(|(name, body)| app.queue.publish(webhook(name, body)));
    join_all(publishing).await.into_iter().for_each(|published| published.unwrap());
    app.work_until_idle().await;
    let tables = all_tables(app.db()).await;
    assert_no_column_is_missing(app.db(), &tables).await;
    let shown = Shown { bodies: &fixtures, written: began..=machine_now() };
    let texts = texts(&tables, &shown);
    let (told, with_rows): (Vec<_>, Vec<_>) = (fixtures.keys().collect(), texts.keys().collect());
    assert_eq!(told, with_rows, "each makes a row, and no row is of anything else");
    texts.iter().for_each(assert_snapshot);
}

/// Bodies by the name of their fixture: `{event type}/{case}`.
pub fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let files = crate::fixtures::fixtures().into_iter();
    files.map(|file| (name(&file), std::fs::read(&file).unwrap())).collect()
}

fn name(file: &Path) -> String {
    let folder = file.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
    format!("{folder}/{}", file.file_stem().unwrap().to_str().unwrap())
}

/// As the door makes it; nothing in it is left to chance.
pub fn webhook(name: &str, body: &[u8]) -> Webhook {
    let request = RawRequest {
        hmac: None,
        hmac_algorithm: None,
        headers: [(REQUEST_ID_HEADER.to_owned(), "request".to_owned())].into(),
        body: body.to_vec().into(),
    };
    verify(&Source::unverified(name), request, Receipt(1), NOW_MS).unwrap().0
}

#[expect(clippy::disallowed_methods, reason = "the database's clock is the machine's")]
fn machine_now() -> DateTime<Utc> {
    Utc::now()
}

/// What an entity does not know is not read, so it would not show.
async fn assert_no_column_is_missing(db: &DatabaseConnection, known: &[Table]) {
    let mut stored = tables(db).await;
    // What they hold depends on how webhooks come together in transactions.
    let feed = ["waha_changes", "waha_feed", "feed_consumers", "waha_message_words", "waha_search"];
    // Of sessions whose files are not kept there are none.
    for apart in feed.into_iter().chain([
        "waha_ingest_migrations",
        "retention_cursors",
        "webhook_bodies",
        "webhook_dictionaries",
        "webhook_sums",
        "waha_attachments",
        "reconciliations",
        "reconciliation_hours",
        "webhook_registrations",
        "waha_session_watches",
        "waha_session_probes",
        "waha_chat_moves",
    ]) {
        assert!(stored.remove(apart), "{apart}");
    }
    let names: BTreeSet<String> = known.iter().map(|table| table.name.clone()).collect();
    assert_eq!(names, stored, "the tables that are read, and those that are there");
    for table in known {
        let there = columns(db, &table.name).await.into_iter().map(|(column, _)| column);
        let known: BTreeSet<String> = table.columns.iter().cloned().collect();
        assert_eq!(known, there.collect(), "the columns of {}", table.name);
    }
}

/// The rows of each fixture, as text.
fn texts(tables: &[Table], shown: &Shown<'_>) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::<String, String>::new();
    for table in tables {
        let mut rows = BTreeMap::<String, Vec<String>>::new();
        for row in &table.rows {
            let source = table.source(tables, row);
            let text = shown.row(tables, table, row);
            rows.entry(source).or_default().push(text);
        }
        for (source, mut rows) in rows {
            rows.sort_unstable();
            let text = texts.entry(source).or_default();
            text.push_str(&format!("{}\n{}\n", table.name, rows.concat()));
        }
    }
    texts
}

fn assert_snapshot((name, text): (&String, &String)) {
    insta::with_settings!({
        snapshot_path => Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOTS),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name.replace('/', "__"), text);
    });
}

/// One that stays when its fixture goes would be read as if it held.
#[test]
fn every_snapshot_of_rows_has_its_fixture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SNAPSHOTS);
    let files =
        children(&folder).into_iter().filter(|file| file.extension() == Some("snap".as_ref()));
    let kept: BTreeSet<String> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let told: BTreeSet<String> = fixtures().into_keys().map(|it| it.replace('/', "__")).collect();
    assert_eq!(kept, told);
}
