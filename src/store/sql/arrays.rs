//! Many rows as one array per column: PostgreSQL's way to many rows in a statement whose text is
//! always the same. A list of rows would be parsed and planned anew for each number of rows, with
//! thousands of parameters.
//!
//! Used by `upsert` and `select`. The library binds arrays without NULLs, so a further array says
//! where they are: bit n of a row's number is its column n.

use sea_orm::Value;

/// More columns don't fit the number that says which are NULL.
const COLUMNS_MAX: usize = 63;

/// Columns as arrays, without NULLs.
struct ColumnArrays {
    columns: Vec<Vec<Value>>,
    nulls: Vec<Value>,
}

/// The arrays of rows, of which there is at least one, and the array of their NULLs.
pub(in crate::store) fn arrays(rows: Vec<Vec<Value>>) -> Vec<Value> {
    let width = rows.first().map_or(0, Vec::len);
    debug_assert!(width <= COLUMNS_MAX, "{width} columns");
    let columns = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
    let mut arrays = ColumnArrays { columns, nulls: Vec::with_capacity(rows.len()) };
    for row in rows {
        arrays.push(row);
    }
    arrays.columns.into_iter().chain([arrays.nulls]).map(array).collect()
}

/// What stands for column `place` in a statement that reads from [`arrays`] as `r`.
pub(in crate::store) fn nullable(place: usize) -> String {
    format!("CASE WHEN r.nulls & {} = 0 THEN r.c{place} END", 1_u64 << place)
}

/// `r` with columns `c0` and so on, and `nulls`.
pub(in crate::store) fn unnest(width: usize) -> String {
    let parameters: Vec<String> = (1..=width + 1).map(|number| format!("${number}")).collect();
    let columns: Vec<String> = (0..width).map(|place| format!("c{place}")).collect();
    format!("UNNEST({}) AS r({}, nulls)", parameters.join(", "), columns.join(", "))
}

impl ColumnArrays {
    fn push(&mut self, row: Vec<Value>) {
        let mut nulls = 0_i64;
        for (place, (value, column)) in row.into_iter().zip(&mut self.columns).enumerate() {
            let is_null = value == value.as_null();
            nulls |= i64::from(is_null) << place;
            column.push(if is_null { value.dummy_value() } else { value });
        }
        self.nulls.push(nulls.into());
    }
}

fn array(values: Vec<Value>) -> Value {
    let kind = values.first().map_or(sea_orm::sea_query::ArrayType::BigInt, Value::array_type);
    Value::Array(kind, Some(Box::new(values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_told_by_a_number_of_their_own() {
        let row = |text: Option<&str>, number: Option<i64>| -> Vec<Value> {
            vec![text.map(str::to_owned).into(), number.into()]
        };
        let arrays = arrays(vec![row(Some("a"), None), row(None, Some(7)), row(None, None)]);
        let expected = [
            Value::from(vec!["a".to_owned(), String::new(), String::new()]),
            Value::from(vec![0_i64, 7, 0]),
            Value::from(vec![0b10_i64, 0b01, 0b11]),
        ];
        assert_eq!(arrays, expected);
    }
}
