//! A password changes under load: the URLs are in a file that is replaced, before or after the server knows
//! the new one. No process is started anew.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::account::{Account, Permitted};
use super::kind::faults;
use super::round::Round;
use super::servers::{Servers, user_of};
use crate::fleet::{Fleet, FleetPlan};
use crate::rotating::replace;

faults! {
    /// Whose password.
    RotationFault {
        Broker: "rotate-broker-password", "the broker's password changes, in queue.url_file and on the broker";
        Database: "rotate-database-password", "PostgreSQL's password changes, in database.url_file and on the server";
    }
}

impl RotationFault {
    #[expect(clippy::unused_self, reason = "each group of kinds is asked")]
    pub fn is_possible(self) -> bool {
        true
    }
}

/// How a password is changed.
#[derive(Clone, Copy)]
struct Rotation {
    /// Whether the file changes before the server.
    is_file_first: bool,
    /// Between the two.
    pause: Duration,
    /// Whether connections that were made with the old one are ended.
    ends_old: bool,
}

pub async fn run(fault: RotationFault, round: &mut Round, servers: &Servers) -> Account {
    let rotation = Rotation {
        is_file_first: round.index(2) == 0,
        pause: round.ms(0..6_000),
        ends_old: round.index(2) == 0,
    };
    match fault {
        RotationFault::Broker => broker(rotation, round, servers).await,
        RotationFault::Database => database(rotation, round, servers).await,
    }
}

async fn broker(rotation: Rotation, round: &mut Round, servers: &Servers) -> Account {
    let node = &servers.broker().await.server;
    let folder = tempfile::tempdir().unwrap();
    let plan = servers.plan().await;
    let user = user_of(&plan);
    let file = folder.path().join("urls");
    node.control(&["add_user", &user, "first"]);
    node.control(&["set_permissions", &user, ".*", ".*", ".*"]);
    let guest = plan.queue_url.clone().expect("a broker");
    let url = |password: &str| guest.replace("guest:guest", &format!("{user}:{password}"));
    replace(&file, &url("first"));
    let fleet = Fleet::start(with_file(plan, "WAHA_INGEST__QUEUE__URL_FILE", &file)).await;
    let change = || async {
        node.control(&["change_password", &user, "second"]);
        if rotation.ends_old {
            node.control(&["close_all_user_connections", &user, "its password has changed"]);
        }
    };
    let acting = rotate(rotation, || replace(&file, &url("second")), change);
    let account = round.play(&fleet, Permitted::NOTHING, acting).await;
    servers.end(fleet).await;
    node.control(&["delete_user", &user]);
    account
}

async fn database(rotation: Rotation, round: &mut Round, servers: &Servers) -> Account {
    let plan = servers.plan().await;
    let folder = tempfile::tempdir().unwrap();
    let user = user_of(&plan);
    let file = folder.path().join("url");
    let admin = sea_orm::Database::connect(&plan.admin_url).await.unwrap();
    migration::up(&admin).await.unwrap();
    ask_for_passwords(servers, &admin).await;
    for sql in [
        format!("CREATE ROLE {user} LOGIN PASSWORD 'first' IN ROLE asked_for_password"),
        format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"),
        format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}"),
    ] {
        admin.execute_unprepared(&sql).await.unwrap();
    }
    let known = plan.database_url.clone();
    let url = |password: &str| known.replace("//postgres@", &format!("//{user}:{password}@"));
    replace(&file, &url("first"));
    let mut plan = with_file(plan, "WAHA_INGEST__DATABASE__URL_FILE", &file);
    plan.database_url.clear();
    let fleet = Fleet::start(plan).await;
    let change = || async {
        let change = format!("ALTER ROLE {user} PASSWORD 'second'");
        admin.execute_unprepared(&change).await.unwrap();
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"
        );
        if rotation.ends_old {
            admin.execute_unprepared(&end).await.unwrap();
        }
    };
    let acting = rotate(rotation, || replace(&file, &url("second")), change);
    let account = round.play(&fleet, Permitted::NOTHING, acting).await;
    servers.end(fleet).await;
    account
}

fn with_file(plan: FleetPlan, variable: &'static str, file: &std::path::Path) -> FleetPlan {
    let queue_url = plan.queue_url.filter(|_| !variable.contains("QUEUE"));
    let environment = vec![(variable, file.display().to_string())];
    FleetPlan { queue_url, environment, ..plan }
}

/// Members of a role must have a password from now on; all others are trusted as before.
async fn ask_for_passwords(servers: &Servers, admin: &DatabaseConnection) {
    let file = servers.postgres().await.server.home().join("data/pg_hba.conf");
    let rules = std::fs::read_to_string(&file).unwrap();
    if rules.contains("asked_for_password") {
        return;
    }
    admin.execute_unprepared("CREATE ROLE asked_for_password").await.unwrap();
    let rule = "host all +asked_for_password all scram-sha-256";
    std::fs::write(&file, format!("{rule}\n{rules}")).unwrap();
    admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
}

async fn rotate<F: Future<Output = ()>>(
    rotation: Rotation,
    replace: impl FnOnce(),
    change: impl FnOnce() -> F,
) {
    let Rotation { is_file_first, pause, ends_old } = rotation;
    println!("  the file first: {is_file_first}, {pause:?} apart, old ones end: {ends_old}");
    if is_file_first {
        replace();
        tokio::time::sleep(pause).await;
        change().await;
    } else {
        change().await;
        tokio::time::sleep(pause).await;
        replace();
    }
}
