//! Cells and records of pages: pure, and no bytes make it fail.
//!
//! Used by `page_file`. Format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>.

/// Where the rest of a long record is: from a page number to the next one and this one's bytes.
type Overflow<'a> = &'a dyn Fn(u32) -> Option<(u32, Vec<u8>)>;

/// Longer records are no webhooks; a damaged length must not take the memory.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// A value of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing, or the row number.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text; not necessarily UTF-8, if it was damaged.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
    /// A number with a fraction: nothing of ours has one.
    Real,
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    /// Its values, as far as they can be read.
    pub(super) values: Vec<Value>,
    /// Whether all of it was there.
    pub(super) is_whole: bool,
}

/// The rows of a leaf page of a table.
pub(super) fn table_cells(page: &[u8], header: usize, overflow: Overflow) -> Vec<(i64, Cell)> {
    let starts = cell_starts(page, header, 8);
    let cells = starts.filter_map(|start| {
        let mut at = start;
        let bytes = length(page, &mut at)?;
        let number = varint(page, &mut at)?;
        let local = local_bytes(bytes, page.len(), page.len() - 35);
        Some((number, cell(page, at, bytes, local, overflow)?))
    });
    cells.collect()
}

/// The entries of a page of an index; each of an inner page has a page number of `child_bytes` first.
pub(super) fn index_cells(
    page: &[u8],
    header: usize,
    header_bytes: usize,
    child_bytes: usize,
    overflow: Overflow,
) -> Vec<Cell> {
    let starts = cell_starts(page, header, header_bytes);
    let cells = starts.filter_map(|start| {
        let mut at = start + child_bytes;
        let bytes = length(page, &mut at)?;
        let local_max = (page.len() - 12) * 64 / 255 - 23;
        cell(page, at, bytes, local_bytes(bytes, page.len(), local_max), overflow)
    });
    cells.collect()
}

/// The pages below a page of a tree, which is not the first of the file; none if it is no such page.
pub(super) fn children(page: &[u8]) -> Option<Vec<u32>> {
    match page.first()? {
        0x0a | 0x0d => Some(Vec::new()),
        0x02 | 0x05 => {
            let starts = cell_starts(page, 0, 12).map(|start| page_number(page, start));
            starts.chain([page_number(page, 8)]).collect()
        }
        _ => None,
    }
}

fn page_number(page: &[u8], at: usize) -> Option<u32> {
    let bytes = page.get(at..at + 4)?;
    Some(bytes.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte)))
}

fn cell_starts(page: &[u8], header: usize, header_bytes: usize) -> impl Iterator<Item = usize> {
    let count = short(page, header + 3).unwrap_or(0);
    (0..count).map_while(move |number| short(page, header + header_bytes + 2 * number))
}

fn short(page: &[u8], at: usize) -> Option<usize> {
    let bytes = page.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
}

fn length(page: &[u8], at: &mut usize) -> Option<usize> {
    let bytes = usize::try_from(varint(page, at)?).ok()?;
    (bytes <= RECORD_BYTES_MAX).then_some(bytes)
}

/// How much of a record of `bytes` is on its own page.
fn local_bytes(bytes: usize, page_bytes: usize, local_max: usize) -> usize {
    if bytes <= local_max {
        return bytes;
    }
    let local_min = (page_bytes - 12) * 32 / 255 - 23;
    let local = local_min + (bytes - local_min) % (page_bytes - 4);
    if local <= local_max { local } else { local_min }
}

fn cell(page: &[u8], at: usize, bytes: usize, local: usize, overflow: Overflow) -> Option<Cell> {
    let mut payload = page.get(at..at + local)?.to_vec();
    if local < bytes {
        let mut next = page_number(page, at + local)?;
        while payload.len() < bytes
            && let Some((following, part)) = overflow(next)
        {
            payload.extend_from_slice(&part[..part.len().min(bytes - payload.len())]);
            next = following;
        }
    }
    let values = record(&payload)?;
    Some(Cell { is_whole: payload.len() == bytes && values.is_whole, values: values.values })
}

/// Reads a record, the last value cut where the bytes end.
fn record(payload: &[u8]) -> Option<Cell> {
    let mut at = 0;
    let header_bytes = usize::try_from(varint(payload, &mut at)?).ok()?;
    let mut types = Vec::new();
    while at < header_bytes {
        types.push(varint(payload, &mut at)?);
    }
    let mut content = payload.get(header_bytes..)?;
    let mut values = Vec::with_capacity(types.len());
    let mut is_whole = true;
    for serial_type in types {
        let bytes = value_bytes(serial_type)?;
        is_whole &= bytes <= content.len();
        let (value, rest) = content.split_at(bytes.min(content.len()));
        values.push(read_value(serial_type, value));
        content = rest;
    }
    Some(Cell { values, is_whole })
}

fn value_bytes(serial_type: i64) -> Option<usize> {
    match serial_type {
        0 | 8 | 9 => Some(0),
        1..=4 => usize::try_from(serial_type).ok(),
        5 => Some(6),
        6 | 7 => Some(8),
        12.. => usize::try_from((serial_type - 12) / 2).ok(),
        _ => None,
    }
}

fn read_value(serial_type: i64, bytes: &[u8]) -> Value {
    match serial_type {
        0 => Value::Null,
        1..=6 => Value::Integer(integer(bytes)),
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        12.. if serial_type % 2 == 0 => Value::Blob(bytes.to_vec()),
        12.. => Value::Text(bytes.to_vec()),
        _ => Value::Real,
    }
}

/// Big-endian, of up to eight bytes, with a sign.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte))
}

/// Seven bits a byte, highest first; the ninth byte has eight.
fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut number = 0_u64;
    for place in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if place == 8 {
            number = (number << 8) | u64::from(byte);
            break;
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number.cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(mut page in prop::collection::vec(any::<u8>(), 512), cells in 0_u8..40) {
            page[3] = 0;
            page[4] = cells;
            let overflow = |next: u32| next.is_multiple_of(3).then(|| (next / 3, vec![7; 508]));
            table_cells(&page, 0, &overflow);
            index_cells(&page, 0, 8, 0, &overflow);
            index_cells(&page, 0, 12, 4, &overflow);
        }
    }
}
