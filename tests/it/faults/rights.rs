//! A right is taken away and given back, as by somebody who tidies up: that is an outage, and no webhook's
//! fault.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::{Servers, user_of};
use crate::database::Database;
use crate::fleet::{Fleet, FleetPlan};
use crate::rabbitmq_node::Node;

faults! {
    /// Whose right.
    RightsFault {
        Postgres: "rights-postgres", "PostgreSQL takes a right on a table from the processes' user";
        Mysql: "rights-mysql", "MariaDB (or MySQL) takes a right on a table from the processes' user";
        Broker: "rights-broker", "the broker takes rights from the processes' user, and ends its connections";
    }
}

/// A right, and a table that every batch needs it on.
const RIGHTS: [(&str, &str); 4] = [
    ("INSERT", "webhook_events"),
    ("INSERT", "waha_messages"),
    ("UPDATE", "waha_chats"),
    ("SELECT", "waha_chats"),
];
const AWAY_MS: std::ops::Range<u64> = 500..8_000;

impl RightsFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }
}

pub async fn run(fault: RightsFault, round: &mut Round, servers: &Servers) -> Account {
    match fault {
        RightsFault::Broker => broker(round, servers).await,
        RightsFault::Postgres => {
            let mut plan = servers.plan().await;
            let user = user_of(&plan);
            let admin = migrated(&plan.admin_url).await;
            execute(&admin, &format!("CREATE ROLE {user} LOGIN")).await;
            for what in ["TABLES", "SEQUENCES"] {
                execute(&admin, &format!("GRANT ALL ON ALL {what} IN SCHEMA public TO {user}"))
                    .await;
            }
            plan.database_url = plan.database_url.replace("//postgres@", &format!("//{user}@"));
            database(round, servers, plan, &admin, &user).await
        }
        RightsFault::Mysql => {
            let url = Database::on_server(&servers.mysql().await.url).await.url;
            let mut plan = FleetPlan { admin_url: url.clone(), ..servers.plan().await };
            let user = user_of(&plan);
            let admin = migrated(&url).await;
            let account = format!("'{user}'@'%'");
            execute(&admin, &format!("CREATE USER {account}")).await;
            for table in tables(&admin).await {
                let rights = "SELECT, INSERT, UPDATE, DELETE";
                execute(&admin, &format!("GRANT {rights} ON {table} TO {account}")).await;
            }
            plan.database_url = url.replace("//root@", &format!("//{user}@"));
            database(round, servers, plan, &admin, &account).await
        }
    }
}

async fn migrated(url: &str) -> DatabaseConnection {
    let db = sea_orm::Database::connect(url).await.unwrap();
    migration::up(&db).await.unwrap();
    db
}

async fn execute(admin: &DatabaseConnection, sql: &str) {
    admin.execute_unprepared(sql).await.unwrap();
}

async fn tables(admin: &DatabaseConnection) -> Vec<String> {
    let sql = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()";
    let statement = sea_orm::Statement::from_string(admin.get_database_backend(), sql);
    let rows = admin.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn database(
    round: &mut Round,
    servers: &Servers,
    plan: FleetPlan,
    admin: &DatabaseConnection,
    user: &str,
) -> Account {
    let fleet = Fleet::start(plan).await;
    let (right, table) = round.one_of(&RIGHTS);
    let away = round.ms(AWAY_MS);
    let acting = async {
        println!("  no {right} on {table} for {away:?}");
        execute(admin, &format!("REVOKE {right} ON {table} FROM {user}")).await;
        tokio::time::sleep(away).await;
        execute(admin, &format!("GRANT {right} ON {table} TO {user}")).await;
    };
    let account = round.play(&fleet, Permitted::NOTHING, acting).await;
    servers.end(fleet).await;
    account
}

async fn broker(round: &mut Round, servers: &Servers) -> Account {
    let mut plan = servers.plan().await;
    let user = user_of(&plan);
    let node = &servers.broker().await.server;
    node.control(&["add_user", &user, "secret"]);
    allow(node, &user, [".*"; 3]);
    plan.queue_url =
        plan.queue_url.map(|url| url.replace("guest:guest", &format!("{user}:secret")));
    let fleet = Fleet::start(plan).await;
    // Configure, write, read.
    let rights = round.one_of(&[["", "", ""], [".*", "", ".*"], [".*", ".*", ""]]);
    let away = round.ms(AWAY_MS);
    let acting = revoke(node, &user, rights, away);
    let account = round.play(&fleet, Permitted::NOTHING, acting).await;
    servers.end(fleet).await;
    node.control(&["delete_user", &user]);
    account
}

/// Open channels know what they may for a while, so their connections are ended as well.
async fn revoke(node: &Node, user: &str, rights: [&str; 3], away: Duration) {
    println!("  the rights are {rights:?} for {away:?}");
    allow(node, user, rights);
    node.control(&["close_all_user_connections", user, "its rights have changed"]);
    tokio::time::sleep(away).await;
    allow(node, user, [".*"; 3]);
}

fn allow(node: &Node, user: &str, [configure, write, read]: [&str; 3]) {
    node.control(&["set_permissions", user, configure, write, read]);
}
