//! What an application is told of a change: one JSON object; and several that are told at once.

use serde::Serialize;

use crate::operations::ChangeReport;
use crate::store::operations::consumers::ConsumerRow;

/// A change as it is told, and what names it.
pub(super) struct Entry {
    /// Its place in the feed.
    pub(super) position: i64,
    /// Names this delivery of it; the same each time that it is tried, another one after a rewind.
    pub(super) id: String,
    /// `{source}.{session}.{kind}`, without dots in the first two.
    pub(super) routing_key: String,
    /// All of it.
    pub(super) json: String,
}

/// What is told at once.
pub(super) struct Batch {
    /// In the order of positions.
    pub(super) entries: Vec<Entry>,
    /// Up to where nothing is left to tell once these are told.
    pub(super) position: i64,
}

/// As it is written.
#[derive(Serialize)]
struct Told<'a> {
    /// Which feed its position is of.
    epoch: &'a str,
    #[serde(flatten)]
    change: &'a ChangeReport,
}

impl Entry {
    pub(super) fn new(change: &ChangeReport, consumer: &ConsumerRow) -> Self {
        let ConsumerRow { epoch, generation, .. } = consumer;
        let ChangeReport { position, source, session, kind, .. } = change;
        let part = |text: &str| text.replace('.', "_");
        let told = Told { epoch, change };
        Self {
            position: *position,
            id: format!("{epoch}_{position}_{generation}"),
            routing_key: format!("{}.{}.{kind}", part(source), part(session)),
            json: serde_json::to_string(&told).expect("numbers and texts are JSON"),
        }
    }
}

impl Batch {
    /// Takes out of the end what is too much, but for the first.
    pub(super) fn shorten_to(&mut self, bytes_max: u64) {
        let mut sum = 0;
        let fits = self.entries.iter().take_while(|entry| {
            // With a comma or a bracket.
            sum += entry.json.len() as u64 + 1;
            sum < bytes_max
        });
        let count = fits.count().max(1);
        if count < self.entries.len() {
            self.entries.truncate(count);
            self.position = self.entries.last().map_or(self.position, |entry| entry.position);
        }
    }

    /// Which changes, in words.
    pub(super) fn named(&self) -> String {
        match self.entries.as_slice() {
            [] => String::new(),
            [one] => format!("position {}", one.position),
            [first, .., last] => format!("positions {} to {}", first.position, last.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lengths: &[usize]) -> Batch {
        let entry = |(position, length): (i64, &usize)| Entry {
            position,
            id: String::new(),
            routing_key: String::new(),
            json: "x".repeat(*length),
        };
        Batch { entries: (1..).zip(lengths).map(entry).collect(), position: 99 }
    }

    #[test]
    fn a_batch_is_bounded_by_its_bytes() {
        for (lengths, bytes_max, count, position) in [
            (&[10, 10, 10][..], 40, 3, 99),
            (&[10, 10, 10], 34, 3, 99),
            (&[10, 10, 10], 33, 2, 2),
            (&[50, 10], 20, 1, 1),
            (&[50], 20, 1, 99),
            (&[], 20, 0, 99),
        ] {
            let mut batch = batch(lengths);
            batch.shorten_to(bytes_max);
            assert_eq!((batch.entries.len(), batch.position), (count, position), "{lengths:?}");
        }
    }
}
