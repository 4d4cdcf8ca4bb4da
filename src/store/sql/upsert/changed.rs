//! Which rows an upsert changed: those whose time of the last change is that of writing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IdenStatic, QueryResult, Value};

use super::{Upsert, names};

/// The column with the time of the last change.
pub(in crate::store) const UPDATED_AT: &str = "updated_at";

impl<E: EntityTrait> Upsert<E> {
    /// Writes rows, which hold `now` as the time of their last change; returns `columns` of those that are new
    /// or changed. A row that another transaction changed in the same microsecond may be among them.
    pub(in crate::store) async fn run_changed(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<E::ActiveModel>,
        columns: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut changed = if self.merging.dialect.returns_rows() {
            let columns: Vec<&str> = columns.iter().copied().chain([UPDATED_AT]).collect();
            self.run_returning(db, rows, &columns).await?
        } else {
            self.run_and_read(db, rows, columns, now).await?
        };
        let mut failed = Ok(());
        changed.retain(|row| {
            let at: Result<DateTime<Utc>, DbErr> = row.try_get("", UPDATED_AT);
            at.map_or_else(
                |error| {
                    failed = Err(error);
                    false
                },
                |at| at == now,
            )
        });
        failed.map(|()| changed)
    }

    /// MySQL returns no rows: they are read by their keys.
    async fn run_and_read(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<E::ActiveModel>,
        columns: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut changed = Vec::new();
        for part in self.parts(rows)? {
            let keys = self.keys(&part);
            db.execute_raw(self.statement(part, "")).await?;
            let mut select = Query::select();
            select
                .columns(columns.iter().chain([&UPDATED_AT]).map(|name| Alias::new(*name)))
                .from(Alias::new(E::default().table_name()))
                .cond_where(keys)
                .and_where(
                    Expr::col(Alias::new(UPDATED_AT)).eq(self.merging.dialect.bind(now.into())),
                );
            changed.extend(db.query_all(&select).await?);
        }
        Ok(changed)
    }

    /// Rows with the keys of these, grouped by all but the last column, so that the unique index is walked.
    fn keys(&self, rows: &[Vec<Value>]) -> Cond {
        let names = names(self.key);
        let place = |name: &&str| self.columns.iter().position(|it| it.as_str() == *name);
        let places: Vec<usize> = names.iter().filter_map(place).collect();
        let mut groups: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
        for row in rows {
            let mut key: Vec<Value> = places.iter().map(|place| row[*place].clone()).collect();
            let last = key.pop();
            groups.entry(format!("{key:?}")).or_insert((key, Vec::new())).1.extend(last);
        }
        let equal = |(name, value): (&&str, Value)| Expr::col(Alias::new(*name)).eq(value);
        groups.into_values().fold(Cond::any(), |any, (first, lasts)| {
            let all = names.iter().zip(first).map(equal).fold(Cond::all(), Cond::add);
            let last = Expr::col(Alias::new(names[names.len() - 1]));
            any.add(all.add(last.is_in(lasts)))
        })
    }
}
