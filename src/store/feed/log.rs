//! The changes of a transaction, gathered while its rows are written.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sea_orm::{DbErr, QueryResult};

use super::kind::ChangeKind;

/// What the feed needs to know of a table's rows.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct FollowedTable {
    /// What a change of a row is, if nothing says more.
    pub(in crate::store) kind: ChangeKind,
    /// The column with the session, if there is one; else the chat's counts.
    pub(in crate::store) session: Option<&'static str>,
    /// The column with the chat, if there is one.
    pub(in crate::store) chat: Option<&'static str>,
    /// The column with what WAHA calls it.
    pub(in crate::store) natural_key: &'static str,
}

/// A row that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChangedRow {
    pub(super) kind: ChangeKind,
    /// None where only the chat is known.
    pub(super) session_id: Option<i64>,
    pub(super) chat_id: Option<i64>,
    pub(super) natural_key: String,
}

/// All that a transaction changed, by table and row: each row once.
#[derive(Debug, Default)]
pub(in crate::store) struct ChangeLog {
    rows: Mutex<BTreeMap<(&'static str, i64), ChangedRow>>,
}

impl FollowedTable {
    /// Of rows that belong to chats.
    pub(in crate::store) const fn in_chat(kind: ChangeKind, natural_key: &'static str) -> Self {
        Self { kind, session: None, chat: Some("chat_id"), natural_key }
    }

    /// Of rows that belong to sessions.
    pub(in crate::store) const fn in_session(kind: ChangeKind, natural_key: &'static str) -> Self {
        Self { kind, session: Some("session_id"), chat: None, natural_key }
    }

    /// The columns that a changed row is read from.
    pub(in crate::store) fn columns(&self) -> impl Iterator<Item = &'static str> {
        let columns = [Some("id"), self.session, self.chat, Some(self.natural_key)];
        let mut columns: Vec<&str> = columns.into_iter().flatten().collect();
        columns.sort_unstable();
        columns.dedup();
        columns.into_iter()
    }

    fn read(&self, row: &QueryResult) -> Result<(i64, ChangedRow), DbErr> {
        let number = |column: Option<&str>| -> Result<Option<i64>, DbErr> {
            Ok(column.map(|column| row.try_get("", column)).transpose()?.flatten())
        };
        let changed = ChangedRow {
            kind: self.kind,
            session_id: number(self.session)?,
            chat_id: number(self.chat)?,
            natural_key: row.try_get("", self.natural_key)?,
        };
        Ok((row.try_get("", "id")?, changed))
    }
}

impl ChangeLog {
    /// Adds rows of a table that changed.
    pub(in crate::store) fn add<'r>(
        &self,
        table: &FollowedTable,
        rows: impl IntoIterator<Item = &'r QueryResult>,
    ) -> Result<(), DbErr> {
        for row in rows {
            self.add_as(table, table.kind, row)?;
        }
        Ok(())
    }

    /// Adds a row to which something particular happened.
    pub(in crate::store) fn add_as(
        &self,
        table: &FollowedTable,
        kind: ChangeKind,
        row: &QueryResult,
    ) -> Result<(), DbErr> {
        let (id, mut changed) = table.read(row)?;
        changed.kind = kind;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = rows.entry((kind.table(), id)).or_insert_with(|| changed.clone());
        changed.kind = changed.kind.max(kept.kind);
        *kept = changed;
        Ok(())
    }

    /// How many rows were gathered.
    pub(in crate::store) fn len(&self) -> usize {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was gathered, in the order of tables and rows.
    pub(super) fn take(&self) -> BTreeMap<(&'static str, i64), ChangedRow> {
        std::mem::take(&mut *self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
