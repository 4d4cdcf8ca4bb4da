//! Reads rows by pairs of values, many at a time, in statements whose text is always the same.
//!
//! Called by whoever reads back what the upserts of a transaction wrote.

use std::collections::{BTreeMap, HashMap};

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, TryGetable, Value};

use super::arrays::{arrays, unnest};
use super::dialect::Dialect;

/// Keys per statement: far below any limit of parameters.
pub(in crate::store) const KEYS_MAX: usize = 5_000;

/// Reads `column` of the rows with these pairs of (`first`, `second`).
pub(in crate::store) async fn by_pairs<'a, K, A, T>(
    db: &impl ConnectionTrait,
    table: &'static str,
    names: (&'static str, &'static str),
    column: &'static str,
    keys: &[&'a K],
    pair: impl Fn(&K) -> (A, String),
) -> Result<Vec<(&'a K, T)>, DbErr>
where
    A: Clone + Eq + Ord + std::hash::Hash + Into<Value> + TryGetable,
    T: TryGetable,
{
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_MAX) {
        let asked: HashMap<(A, String), &'a K> = keys.iter().map(|key| (pair(key), *key)).collect();
        let columns = [names.0, names.1, column];
        let select = of_pairs(dialect_of(db), table, names, &columns, asked.keys());
        for row in db.query_all_raw(select).await? {
            if let Some(key) = asked.get(&read_pair(&row, names)?) {
                found.push((*key, row.try_get("", column)?));
            }
        }
    }
    Ok(found)
}

pub(in crate::store) fn read_pair<A: TryGetable>(
    row: &QueryResult,
    names: (&str, &str),
) -> Result<(A, String), DbErr> {
    Ok((row.try_get("", names.0)?, row.try_get("", names.1)?))
}

fn dialect_of(db: &impl ConnectionTrait) -> Dialect {
    Dialect::of(db.get_database_backend())
}

/// Selects columns of the rows with these pairs of values in the columns `names`.
pub(in crate::store) fn of_pairs<'a, A: Clone + Ord + Into<Value> + 'a>(
    dialect: Dialect,
    table: &'static str,
    names: (&'static str, &'static str),
    columns: &[&str],
    pairs: impl Iterator<Item = &'a (A, String)>,
) -> Statement {
    let columns = columns.iter().map(|column| format!("{table}.{column}"));
    let columns = columns.collect::<Vec<String>>().join(", ");
    if dialect == Dialect::Postgres {
        let (first, second) = names;
        let sql = format!(
            "SELECT {columns} FROM {} JOIN {table} ON {table}.{first} = r.c0 AND {table}.{second} = r.c1",
            unnest(2)
        );
        let pairs = pairs.map(|(one, other)| vec![one.clone().into(), other.as_str().into()]);
        return Statement::from_sql_and_values(dialect.backend(), sql, arrays(pairs.collect()));
    }
    let mut select = Query::select();
    select.expr(Expr::cust(columns)).from(Alias::new(table)).cond_where(any_of(names, pairs));
    dialect.backend().build(&select)
}

/// Grouped by the first, so that the databases walk the unique index.
fn any_of<'a, A: Clone + Ord + Into<Value> + 'a>(
    names: (&'static str, &'static str),
    pairs: impl Iterator<Item = &'a (A, String)>,
) -> Cond {
    let mut groups: BTreeMap<A, Vec<&str>> = BTreeMap::new();
    for (first, second) in pairs {
        groups.entry(first.clone()).or_default().push(second);
    }
    groups.into_iter().fold(Cond::any(), |any, (first, seconds)| {
        let first = Expr::col(Alias::new(names.0)).eq(Expr::val(first));
        any.add(Cond::all().add(first).add(Expr::col(Alias::new(names.1)).is_in(seconds)))
    })
}
