//! How many bodies are in memory at a time.
//!
//! Called by whoever works on many rows: transfers, replays, renewed readings.

/// Bodies in memory at a time; a single longer one is taken alone.
const BODIES_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// Cuts rows that were read without their bodies into parts of bounded length, in rows and in bytes
/// of bodies.
pub(crate) fn parts<T>(
    rows: &[T],
    rows_max: usize,
    body_bytes: impl Fn(&T) -> i64,
) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &&T| {
            bytes += body_bytes(row);
            bytes <= BODIES_BYTES_MAX
        };
        let count = rest.iter().take(rows_max).take_while(fits).count();
        let (part, later) = rest.split_at(count.max(1).min(rest.len()));
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}
