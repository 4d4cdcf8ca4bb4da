//! MySQL and MariaDB: rights, modes and locks.

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::Sender;
use crate::database::Database;
use crate::process::Setting;
use crate::server::Server;

/// What is told of a refusal, and the statements with which it begins and ends.
type Refusal = (&'static [&'static str], Vec<String>, Vec<String>);

fn refusals(name: &str) -> [Refusal; 5] {
    let says = |statements: &[&str]| {
        statements.iter().map(|sql| sql.replace("{name}", name)).collect::<Vec<String>>()
    };
    let grant = "GRANT ALL ON {name}.* TO app@'127.0.0.1'";
    [
        (&["code 1142"], says(&["REVOKE INSERT ON {name}.* FROM app@'127.0.0.1'"]), says(&[grant])),
        (&["code 1044"], says(&["REVOKE ALL ON {name}.* FROM app@'127.0.0.1'"]), says(&[grant])),
        // MySQL's number, then MariaDB's.
        (
            &["code 3118", "code 4151"],
            says(&["ALTER USER app@'127.0.0.1' ACCOUNT LOCK"]),
            says(&["ALTER USER app@'127.0.0.1' ACCOUNT UNLOCK"]),
        ),
        (
            // Asked before a statement could be refused with 1290, which an administrator's is not.
            &["must lead to the primary"],
            says(&["SET GLOBAL read_only = ON"]),
            says(&["SET GLOBAL read_only = OFF"]),
        ),
        (
            &["code 1205"],
            says(&[
                "SET GLOBAL innodb_lock_wait_timeout = 1",
                "BEGIN",
                "SELECT id FROM {name}.webhook_events FOR UPDATE",
            ]),
            says(&["ROLLBACK", "SET GLOBAL innodb_lock_wait_timeout = 50"]),
        ),
    ]
}

async fn run(admin: &DatabaseConnection, statements: &[String]) {
    for sql in statements {
        admin.execute_unprepared(sql).await.unwrap();
    }
}

/// Rights and settings hold for new sessions only.
async fn end_sessions(admin: &DatabaseConnection) {
    let sql =
        "SELECT CAST(id AS SIGNED) AS id FROM information_schema.processlist WHERE user = 'app'";
    let sessions = Statement::from_string(DbBackend::MySql, sql);
    for session in admin.query_all_raw(sessions).await.unwrap() {
        let id: i64 = session.try_get("", "id").unwrap();
        // It may have ended by itself.
        let _ = admin.execute_unprepared(&format!("KILL {id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_refuses() {
    let server = Server::mysql();
    let database = Database::on_server(&server.url).await;
    let name = database.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    // One connection, because a lock is its own.
    let mut options = ConnectOptions::new(server.url.clone());
    let admin = sea_orm::Database::connect(options.max_connections(1).to_owned()).await.unwrap();
    let user = "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret'".to_owned();
    run(&admin, &[user, format!("GRANT ALL ON {name}.* TO app@'127.0.0.1'")]).await;
    let url = database.url.replace("//root@", "//app:secret@");
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path(), &url);
    let _up = setting.up().await;
    let mut sender = Sender::new();
    sender.send(&setting).await;
    for (told, begin, end) in refusals(name) {
        run(&admin, &begin).await;
        end_sessions(&admin).await;
        sender.send(&setting).await;
        sender.is_told(&setting, told).await;
        run(&admin, &end).await;
        end_sessions(&admin).await;
        sender.is_applied(&setting, &database).await;
    }
}
