//! `kill -9` in the middle of `migrate up` and `migrate down` on MySQL and MariaDB, which commit after
//! every statement: the next run always finishes what was begun.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::database::{Database, Kind};
use crate::migrations_foreign::tables;
use crate::process::Setting;
use crate::wait::wait_for;

const ROUNDS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_can_be_finished_on_mysql() {
    let whole = whole().await;
    let tables_max = whole.len();
    for round in 0..ROUNDS {
        let (database, folder) =
            (Database::create(Kind::MySql).await, tempfile::tempdir().unwrap());
        let db = database.connect().await;
        let setting = Setting::new(folder.path(), &database.url);
        let enough = 1 + round * tables_max / ROUNDS;
        kill_once(&setting, &["migrate", "up"], || async { tables(&db).await.len() >= enough })
            .await;
        let down = ["migrate", "down", "--all", "--yes"];
        if round % 2 == 1 {
            let output = setting.run(&down);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_done = output.status.success() || told.contains("nothing to take back");
            assert!(is_done, "round {round}, taken back at once: {told}");
        }
        let up = setting.run(&["migrate", "up"]);
        assert!(up.status.success(), "round {round}: {}", String::from_utf8_lossy(&up.stderr));
        assert_eq!(shape(&db).await, whole, "round {round}");
        let few = tables_max - enough;
        kill_once(&setting, &down, || async { tables(&db).await.len() <= few.max(1) }).await;
        // The last step may be over already: then there is nothing left to take back.
        setting.run(&down);
        assert_eq!(tables(&db).await.len(), 1, "round {round}: the history alone is left");
        let up = setting.run(&["migrate", "up"]);
        assert!(up.status.success(), "round {round}: {}", String::from_utf8_lossy(&up.stderr));
        assert_eq!(shape(&db).await, whole, "round {round}, once more");
    }
}

async fn kill_once<F: Future<Output = bool>>(
    setting: &Setting<'_>,
    arguments: &[&str],
    is_time: impl Fn() -> F,
) {
    let mut process = setting.spawn(arguments);
    wait_for("the middle", PATIENCE, || async { is_time().await.then_some(()) }).await;
    process.kill();
}

/// What an undisturbed run makes.
async fn whole() -> BTreeMap<String, Vec<String>> {
    let database = Database::create(Kind::MySql).await;
    let db = database.connect().await;
    migration::up(&db).await.unwrap();
    shape(&db).await
}

/// Columns and indexes by table.
async fn shape(db: &DatabaseConnection) -> BTreeMap<String, Vec<String>> {
    let mut shape: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sql in [
        "SELECT CAST(TABLE_NAME AS CHAR), CAST(CONCAT(COLUMN_NAME, ' ', COLUMN_TYPE) AS CHAR) \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
         ORDER BY TABLE_NAME, ORDINAL_POSITION",
        "SELECT CAST(TABLE_NAME AS CHAR), \
         CAST(CONCAT(INDEX_NAME, ' ', SEQ_IN_INDEX, ' ', COLUMN_NAME) AS CHAR) \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() \
         ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
    ] {
        let question = Statement::from_string(db.get_database_backend(), sql);
        for row in db.query_all_raw(question).await.unwrap() {
            let table: String = row.try_get_by_index(0).unwrap();
            shape.entry(table).or_default().push(row.try_get_by_index(1).unwrap());
        }
    }
    shape
}
