//! An application refers to our rows by their ids, with and without a cascade: merging people, chats and
//! messages takes none of them away, and each leads to where the message is.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use waha_ingest::simulate::{Families, Plan, Sent, history, shuffled};
use waha_ingest::store::apply::burial::state::DeadLetterState;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use crate::desk::letters;
use crate::last_messages::{LID, PHONE, link, message};

on_each_database!(
    rows_that_an_application_refers_to_stay,
    a_key_that_keeps_a_row_which_goes_is_told,
);

/// The tables that applications refer to.
const REFERRED: [&str; 3] = ["waha_messages", "waha_chats", "waha_contacts"];
/// What happens to a row of the application if ours went.
const ENDS: [(&str, &str); 2] = [("kept", ""), ("cascaded", "ON DELETE CASCADE")];

async fn rows_that_an_application_refers_to_stay(kind: Kind) {
    for seed in 1..=3 {
        let app = TestApp::start(kind).await;
        make_tables(app.db()).await;
        let plan =
            Plan { seed, messages: 120, people: 8, families: Families::ALL, ..Plan::default() };
        // Far out of order, so that links come late and much has to move.
        let webhooks: Vec<Sent> = shuffled(seed, 2_000, 0.1, history(&plan)).collect();
        for part in webhooks.chunks(40) {
            app.publish_all(part.iter().cloned()).await;
            app.work_until_idle().await;
            refer(app.db()).await;
        }
        assert_eq!(app.equation().await.dead_lettered, 0);
        for table in REFERRED {
            for (name, _) in ENDS {
                let gone = format!(
                    "SELECT COUNT(*) FROM crm_seen s LEFT JOIN crm_{name}_{table} r ON r.row_id = s.row_id \
                     WHERE s.of_table = '{table}' AND r.row_id IS NULL"
                );
                assert_eq!(count(app.db(), &gone).await, 0, "{name} rows of {table}");
            }
        }
        let chained = "SELECT COUNT(*) FROM waha_messages m JOIN waha_messages p ON p.id = m.merged_into \
                       WHERE p.merged_into IS NOT NULL OR p.is_stub = TRUE";
        assert_eq!(count(app.db(), chained).await, 0, "a pointer leads to a message");
        let lost = "SELECT COUNT(*) FROM waha_messages m WHERE m.merged_into IS NULL AND \
                    m.message_id LIKE 'merged:%'";
        assert_eq!(count(app.db(), lost).await, 0, "an emptied row points somewhere");
    }
}

/// Of two read marks of one user one goes when their chats turn out to be one.
async fn a_key_that_keeps_a_row_which_goes_is_told(kind: Kind) {
    let app = TestApp::start(kind).await;
    for webhook in [message(PHONE, "3EB0A1", false, 1), message(LID, "3EB0A2", false, 2)] {
        app.post_json(&webhook).await;
    }
    app.work_until_idle().await;
    for sql in [
        "INSERT INTO chat_reads (chat_id, reader, user_id, last_read_at) \
         SELECT id, 'user:7', '7', last_message_at FROM waha_chats",
        "CREATE TABLE crm_notes (read_id BIGINT NOT NULL, \
         CONSTRAINT crm_note FOREIGN KEY (read_id) REFERENCES chat_reads (id))",
        "INSERT INTO crm_notes SELECT id FROM chat_reads",
    ] {
        app.db().execute_unprepared(sql).await.unwrap();
    }
    app.post_json(&link("3EB0A5", 5)).await;
    for _ in 0..=app.worker.policy.delays.len() {
        app.work_until_idle().await;
        app.clock.advance(2 * 3_600_000);
    }
    let letters = letters(&app, DeadLetterState::Pending).await;
    let error = &letters[0].failures[0].error;
    assert!(error.contains("refers"), "{error}");
    assert!(error.contains("ON DELETE CASCADE"), "{error}");
    // SQLite tells neither.
    if kind != Kind::Sqlite {
        assert!(error.contains("constraint crm_note"), "{error}");
        assert!(error.contains("table crm_notes of an application"), "{error}");
        assert!(!error.contains("missing"), "{error}");
    }
}

async fn make_tables(db: &DatabaseConnection) {
    let seen = "CREATE TABLE crm_seen (of_table VARCHAR(64) NOT NULL, row_id BIGINT NOT NULL)";
    db.execute_unprepared(seen).await.unwrap();
    for table in REFERRED {
        for (name, end) in ENDS {
            let sql = format!(
                "CREATE TABLE crm_{name}_{table} (row_id BIGINT NOT NULL PRIMARY KEY, \
                 FOREIGN KEY (row_id) REFERENCES {table} (id) {end})"
            );
            db.execute_unprepared(&sql).await.unwrap();
        }
    }
}

/// The application refers to all that is there, and writes down that it did.
async fn refer(db: &DatabaseConnection) {
    for table in REFERRED {
        let new = format!(
            "FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM crm_seen s \
             WHERE s.of_table = '{table}' AND s.row_id = t.id)"
        );
        for (name, _) in ENDS {
            let sql = format!("INSERT INTO crm_{name}_{table} SELECT t.id {new}");
            db.execute_unprepared(&sql).await.unwrap();
        }
        let sql = format!("INSERT INTO crm_seen SELECT '{table}', t.id {new}");
        db.execute_unprepared(&sql).await.unwrap();
    }
}

async fn count(db: &DatabaseConnection, sql: &str) -> i64 {
    let select = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(select).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}
