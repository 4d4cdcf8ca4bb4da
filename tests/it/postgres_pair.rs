//! A PostgreSQL with a hot standby, to fail over.
//!
//! Each of the two is a [`Server`] that can be struck by itself. After a promotion the old primary knows
//! nothing of it: [`PostgresPair::rejoin`] makes a new standby in its place.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database as Connect, DatabaseConnection, Statement};

use crate::server::Server;
use crate::wait::wait_for;

/// How long a standby may take to replay what its primary has written.
const REPLAY_MAX: Duration = Duration::from_secs(60);

/// A primary and its standby; they start asynchronous.
pub struct PostgresPair {
    pub primary: Server,
    pub standby: Server,
}

impl PostgresPair {
    /// Starts both; takes some seconds.
    pub fn start() -> Self {
        let primary = Server::start("postgres");
        let standby = standby_of(&primary);
        Self { primary, standby }
    }

    /// From now on a commit waits until the standby has it, for as long as that takes.
    pub fn be_synchronous(&self) {
        self.primary.order("synchronous");
    }

    /// From now on a commit waits for no standby; those that wait are let go.
    pub fn be_asynchronous(&self) {
        self.primary.order("asynchronous");
    }

    /// Makes the standby take writes. The old primary should be dead: else both do.
    pub fn promote(&self) {
        self.standby.order("promote");
    }

    /// Gives the promoted standby the primary's place, and it a standby of its own. What the old primary
    /// had and the standby had not is gone with it.
    pub fn rejoin(self) -> Self {
        let standby = standby_of(&self.standby);
        Self { primary: self.standby, standby }
    }

    /// Waits until the standby shows all that the primary has written.
    pub async fn standby_catches_up(&self) {
        let primary = Connect::connect(&self.primary.url).await.unwrap();
        let standby = Connect::connect(&self.standby.url).await.unwrap();
        let written = text(&primary, "SELECT pg_current_wal_lsn()::text").await.unwrap();
        let replayed = format!("SELECT 'yes' WHERE pg_last_wal_replay_lsn() >= '{written}'");
        wait_for("the standby to catch up", REPLAY_MAX, || text(&standby, &replayed)).await;
    }

    /// A URL of a database that both have, at both addresses: clients take the one that is writable.
    pub fn url_of_both(&self, url: &str) -> String {
        let both = format!("{},{}", self.primary.address(), self.standby.address());
        let url = url.replace(&self.primary.address(), &both);
        format!("{url}&target_session_attrs=read-write")
    }
}

fn standby_of(primary: &Server) -> Server {
    let home = primary.home();
    Server::start_with("postgres", &[("TEST_SERVERS_STANDBY_OF", home.as_os_str())])
}

/// The first column of the first row, if there is one.
async fn text(connection: &DatabaseConnection, query: &str) -> Option<String> {
    let statement = Statement::from_string(connection.get_database_backend(), query);
    let row = connection.query_one_raw(statement).await.unwrap()?;
    Some(row.try_get_by_index(0).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_has_what_was_committed_and_takes_writes() {
    let pair = PostgresPair::start();
    let primary = Connect::connect(&pair.primary.url).await.unwrap();
    primary.execute_unprepared("CREATE TABLE notes (note text)").await.unwrap();
    pair.standby_catches_up().await;
    let standby = Connect::connect(&pair.standby.url).await.unwrap();
    let write = "INSERT INTO notes VALUES ('kept')";
    assert!(standby.execute_unprepared(write).await.is_err(), "a standby is read-only");

    pair.be_synchronous();
    pair.standby.order("freeze");
    let waiting = tokio::spawn(async move { primary.execute_unprepared(write).await });
    let admin = Connect::connect(&pair.primary.url).await.unwrap();
    let waits = "SELECT 'yes' FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    wait_for("a commit that waits for the standby", REPLAY_MAX, || text(&admin, waits)).await;
    pair.standby.order("thaw");
    waiting.await.unwrap().unwrap();
    pair.be_asynchronous();

    let both = pair.url_of_both(&pair.primary.url);
    assert!(both.contains(&format!("{},{}", pair.primary.address(), pair.standby.address())));
    pair.primary.order("kill");
    pair.promote();
    let pair = pair.rejoin();
    let promoted = Connect::connect(&pair.primary.url).await.unwrap();
    promoted.execute_unprepared(write).await.unwrap();
    let rows = text(&promoted, "SELECT count(*)::text FROM notes").await;
    assert_eq!(rows.as_deref(), Some("2"));
    pair.standby_catches_up().await;
}
