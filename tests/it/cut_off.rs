//! Who loses patience cuts a statement off, in the middle of its answer as well: that costs the pool no
//! connection.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};

use crate::app::{clock, open_store};
use crate::database::{Database, Kind, on_each_database};
use crate::wait::wait_for;

on_each_database!(a_statement_that_is_cut_off_costs_no_connection);

/// More than a store of the tests has connections.
const CUT_OFF: usize = 40;
const PATIENCE: Duration = Duration::from_secs(60);

async fn a_statement_that_is_cut_off_costs_no_connection(kind: Kind) {
    let database = Database::create(kind).await;
    let store = open_store(&database, clock()).await;
    let db = store.connection();
    let text = |sql: &str| Statement::from_string(db.get_database_backend(), sql);
    // An answer that comes in many pieces.
    let long = match kind {
        Kind::Sqlite => "SELECT HEX(ZEROBLOB(2000000))",
        Kind::Postgres | Kind::MySql => "SELECT REPEAT('x', 4000000)",
    };
    for polls in 1..=CUT_OFF {
        cut_off(db.query_one_raw(text(long)), polls).await;
    }
    let answer = || async { db.query_one_raw(text("SELECT 1")).await.ok() };
    wait_for("a connection that answers", PATIENCE, answer).await;
}

/// Drops a future after so many polls, if it has not ended by then.
async fn cut_off(future: impl Future, polls: usize) {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        left -= 1;
        let ended = future.as_mut().poll(context).is_ready();
        if ended || left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
