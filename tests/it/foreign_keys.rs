//! An application refers to our rows by their ids, with and without a cascade: merging people, chats and
//! messages takes none of them away, and each leads to where the message is.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use waha_ingest::simulate::{Families, Plan, Sent, history, shuffled};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};

on_each_database!(rows_that_an_application_refers_to_stay);

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
