//! Fixtures, mutated: no panic, and every invariant of the entry points.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Bodies, well-formed and odd.
fn fixtures() -> Vec<Vec<u8>> {
    crate::fixtures::fixtures().iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What is put in somewhere: within texts, in place of values, between them.
const ODD: [&str; 20] = [
    "\\u0001",
    "\\u0000",
    "\\ud83d",
    "\\u009b",
    "\\n",
    "\u{7f}",
    "\u{a0}",
    " ",
    "_",
    "@",
    "@c.us",
    "_true_",
    "\"",
    "null",
    "[]",
    "{\"id\":{}}",
    "1e400",
    "-9223372036854775809",
    "\u{feff}",
    "\u{202e}",
];

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Cut(Index),
    /// A part, once more, somewhere else.
    Repeat(Index, Index, Index),
    /// Something odd behind some byte that has a meaning.
    Insert(Index, &'static str),
    /// Something long behind such a byte.
    Lengthen(Index, u16),
    /// A value within as many others.
    Nest(Index, u8),
    /// Another text or number in place of a value.
    Replace(Index, &'static str),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    let insert = (index(), select(&ODD[..])).prop_map(|(at, odd)| Mutation::Insert(at, odd));
    prop_oneof![
        2 => (index(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => index().prop_map(Mutation::Cut),
        1 => (index(), index(), index()).prop_map(|(from, to, at)| Mutation::Repeat(from, to, at)),
        6 => insert,
        2 => (index(), any::<u16>()).prop_map(|(at, count)| Mutation::Lengthen(at, count % 600)),
        1 => (index(), any::<u8>()).prop_map(|(at, count)| Mutation::Nest(at, count)),
        3 => (index(), select(&ODD[..])).prop_map(|(at, odd)| Mutation::Replace(at, odd)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bit) => *at.get_mut(bytes) ^= 1 << bit,
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Repeat(from, to, at) => {
                let [from, to, at] = [from, to, at].map(|index| index.index(bytes.len()));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(at..at, part);
            }
            Self::Insert(at, odd) => insert(bytes, *at, b"\"@_:", odd.as_bytes()),
            Self::Lengthen(at, count) => {
                insert(bytes, *at, b"\"@_:", &vec![b'7'; usize::from(*count)]);
            }
            Self::Nest(at, count) => insert(bytes, *at, b":", &vec![b'['; usize::from(*count)]),
            Self::Replace(at, odd) => {
                let from = behind(bytes, *at, b":");
                let value = bytes[from..].iter().position(|byte| b",}]".contains(byte));
                let to = from + value.unwrap_or(0);
                bytes.splice(from..to, odd.bytes());
            }
        }
    }
}

/// Puts something behind one of some bytes.
fn insert(bytes: &mut Vec<u8>, at: Index, which: &[u8], odd: &[u8]) {
    let place = behind(bytes, at, which);
    bytes.splice(place..place, odd.iter().copied());
}

/// A place behind one of some bytes, if there is one.
fn behind(bytes: &[u8], at: Index, which: &[u8]) -> usize {
    let places = bytes.iter().enumerate().filter(|(_, byte)| which.contains(byte));
    let places: Vec<usize> = places.map(|(place, _)| place + 1).collect();
    if places.is_empty() { 0 } else { *at.get(&places) }
}

/// One of some bytes, changed up to so many times.
fn mutated(seeds: Vec<Vec<u8>>, times: usize) -> impl Strategy<Value = Vec<u8>> {
    let mutations = prop::collection::vec(mutation(), 0..=times);
    (select(seeds), mutations).prop_map(|(mut bytes, mutations)| {
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        bytes
    })
}

#[test]
fn most_fixtures_tell_changes() {
    let fixtures = fixtures();
    let told: usize = fixtures.iter().map(|body| requests(body)).sum();
    assert!(told * 10 > fixtures.len() * 6, "{told} of {}", fixtures.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn requests_hold(one in mutated(fixtures(), 3), other in mutated(fixtures(), 2)) {
        requests(&[one, other].join(&SEPARATOR));
    }

    /// Two tellings of one thing.
    #[test]
    fn tellings_of_one_thing_hold(body in select(fixtures()), change in mutation(), id in "[a-z]{8}") {
        let Ok(serde_json::Value::Object(mut other)) = serde_json::from_slice(&body) else {
            return Ok(());
        };
        other.insert("id".to_owned(), id.into());
        let mut other = serde_json::to_vec(&other).unwrap();
        change.apply(&mut other);
        requests(&[body, other].join(&SEPARATOR));
    }

    #[test]
    fn broker_messages_hold(message in mutated(broker_seeds(), 3)) {
        broker_message(&message);
    }
}

fn broker_seeds() -> Vec<Vec<u8>> {
    fixtures().iter().map(|body| broker_seed(body)).collect()
}

#[test]
fn seeds_of_messages_are_read() {
    assert!(broker_seeds().iter().all(|message| broker_message(message)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_hold(row in mutated(fixtures().iter().map(|body| row_seed(body)).collect(), 4)) {
        queue_row(&row);
    }
}

/// Webhooks in a damaged file.
const WEBHOOKS: usize = 14;

fn files() -> Vec<u8> {
    let bodies: Vec<String> = (0..WEBHOOKS)
        .map(|id| format!(r#"{{"id":"{id}","event":"message","session":"shop","payload":{{}}}}"#))
        .collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(String::as_bytes).collect();
    file_seed(&bodies)
}

/// Whatever is not handed out is told.
fn check_damaged(files: &[u8], case: &str) {
    let Some(outcome) = queue_file(files) else { return };
    let count = outcome.handed_out.len() as u64 + outcome.set_aside + outcome.missing;
    assert_eq!(count, WEBHOOKS as u64, "{case}: {outcome:?}");
    assert!(outcome.handed_out.values().all(|times| *times == 1), "{case}: doubled");
}

/// Where the log begins.
fn log_start(files: &[u8]) -> usize {
    let length = *files.first_chunk().unwrap();
    4 + usize::try_from(u32::from_be_bytes(length)).unwrap()
}

#[test]
fn no_byte_of_the_heads_of_a_log_loses_anything_untold() {
    let whole = files();
    let log = log_start(&whole);
    check_damaged(&whole, "undamaged");
    // The log's head, the first frame's, and a later one's.
    let frame = 24 + 8192;
    for place in (0..32 + 24).chain(32 + 5 * frame..32 + 5 * frame + 24).step_by(3) {
        let mut files = whole.clone();
        files[log + place] ^= 1 << (place % 8);
        check_damaged(&files, &format!("byte {place}"));
    }
}

/// No checksum is over the number of a row: with this bit that of "0" says that it is that of "2".
#[test]
fn a_number_that_became_anothers_loses_nothing() {
    let mut files = files();
    files[164_079] ^= 1 << 1;
    let outcome = queue_file(&files).unwrap();
    assert_eq!(outcome.handed_out.len(), WEBHOOKS, "{outcome:?}");
    assert!(outcome.handed_out.values().all(|times| *times == 1), "{outcome:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn damaged_files_lose_nothing_untold(at in any::<Index>(), bit in 0_u8..8) {
        let mut files = files();
        // The first hundred bytes say what the file is, and which release's.
        let place = 104 + at.index(files.len() - 104);
        files[place] ^= 1 << bit;
        check_damaged(&files, &format!("byte {place}, bit {bit}"));
    }
}

/// Writes seeds for the fuzz targets into the folder that `FUZZ_CORPUS` names, if it is set.
#[test]
fn corpus() {
    let Some(folder) = std::env::var_os("FUZZ_CORPUS") else { return };
    let write = |target: &str, number: usize, seed: &[u8]| {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("fixture-{number}")), seed).unwrap();
    };
    for (number, body) in fixtures().iter().enumerate() {
        write("requests", number, body);
        write("broker_message", number, &broker_seed(body));
        write("queue_row", number, &row_seed(body));
    }
    for bodies in fixtures().chunks(100) {
        let few: Vec<&[u8]> = bodies.iter().take(5).map(Vec::as_slice).collect();
        write("queue_file", bodies.len(), &file_seed(&few));
    }
}
