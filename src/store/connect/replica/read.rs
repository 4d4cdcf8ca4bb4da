//! Statements that read: on the replica where that may be and can be, else on the primary.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};
use tokio::time::sleep;

use super::lag::{fall_back, is_allowed, was_read};
use super::{LOOK_EVERY, Replica};
use crate::store::connect::pool::ServerPool;

/// Where statements that read are asked.
pub(in crate::store) struct Reading<'a> {
    replica: Option<&'a Replica>,
    primary: Arc<ServerPool>,
}

/// A replica that can be asked.
struct Usable<'a> {
    replica: &'a Replica,
    db: DatabaseConnection,
    /// How old what it tells is at most.
    age: Duration,
}

impl<'a> Reading<'a> {
    pub(in crate::store) fn new(replica: Option<&'a Replica>, primary: Arc<ServerPool>) -> Self {
        Self { replica, primary }
    }

    /// None if the primary is to be asked.
    async fn usable(&self) -> Option<Usable<'a>> {
        let replica = self.replica.filter(|_| is_allowed())?;
        if let Some((db, age)) = replica.usable(&self.primary.db).await {
            return Some(Usable { replica, db, age });
        }
        replica.fell_back();
        fall_back();
        None
    }

    /// What the replica answers; none if the primary is to be asked after all.
    async fn answer<T>(
        &self,
        usable: &Usable<'_>,
        asked: impl Future<Output = Result<T, DbErr>> + Send,
    ) -> Option<T> {
        let answer = tokio::select! {
            answer = asked => Some(answer),
            () = self.is_given_up(usable.replica) => None,
        };
        match answer {
            Some(Ok(answer)) => {
                was_read(usable.age);
                return Some(answer);
            }
            Some(Err(error)) => usable.replica.failed(&error),
            None => usable.replica.fell_back(),
        }
        fall_back();
        None
    }

    /// Ends once the replica can't be used any more: one that hangs answers nothing.
    async fn is_given_up(&self, replica: &Replica) {
        loop {
            sleep(LOOK_EVERY).await;
            if replica.usable(&self.primary.db).await.is_none() {
                return;
            }
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Reading<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.primary.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.primary.db.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.primary.db.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if let Some(usable) = self.usable().await
            && let asked = usable.db.query_one_raw(statement.clone())
            && let Some(answer) = self.answer(&usable, asked).await
        {
            return Ok(answer);
        }
        self.primary.db.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(usable) = self.usable().await
            && let asked = usable.db.query_all_raw(statement.clone())
            && let Some(answer) = self.answer(&usable, asked).await
        {
            return Ok(answer);
        }
        self.primary.db.query_all_raw(statement).await
    }
}
