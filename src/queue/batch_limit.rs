//! How much one `receive` may bring: by count, and by bytes, because those are what a worker must have
//! room for.
//!
//! Chosen by the worker and the spool's drain, kept by every queue. Invariant: a batch of two or more
//! never exceeds `bytes_max`, and a limit of at least one webhook is never a reason to bring none.

/// How much one `receive` may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Most webhooks; 0 brings none.
    pub count_max: usize,
    /// Most bytes of their bodies together. A single body over it comes alone.
    pub bytes_max: u64,
}

impl BatchLimit {
    /// Bytes of a batch unless somebody chooses: about three thousand usual bodies, or the largest one
    /// that the door takes by default. Normalizing and storing needs several times as much.
    pub const BYTES_MAX: u64 = 8 << 20;

    /// Up to `count_max` webhooks in [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn of(count_max: usize) -> Self {
        Self { count_max, bytes_max: Self::BYTES_MAX }
    }

    /// How many of the first `sizes`, in bytes, make one batch.
    pub fn count_of(self, sizes: impl IntoIterator<Item = u64>) -> usize {
        let mut batch = BatchSize::default();
        sizes.into_iter().take_while(|bytes| batch.add(*bytes, self)).count()
    }
}

/// What a batch has so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchSize {
    count: usize,
    bytes: u64,
}

impl BatchSize {
    /// Adds a body of `bytes` if it still fits `limit`; else the batch is as large as it gets.
    pub fn add(&mut self, bytes: u64, limit: BatchLimit) -> bool {
        let bytes = self.bytes.saturating_add(bytes);
        let fits = bytes <= limit.bytes_max || self.count == 0;
        if fits && self.count < limit.count_max {
            self.count += 1;
            self.bytes = bytes;
            return true;
        }
        false
    }

    /// How many more `limit` allows, whatever their size.
    pub fn count_left(self, limit: BatchLimit) -> usize {
        limit.count_max.saturating_sub(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_its_count_or_its_bytes() {
        let limit = BatchLimit { count_max: 3, bytes_max: 100 };
        for (sizes, count) in [
            (vec![], 0),
            (vec![10; 9], 3),
            (vec![50, 50, 1], 2),
            (vec![50, 51, 1], 1),
            (vec![101, 0], 1),
            (vec![u64::MAX, u64::MAX], 1),
            (vec![0, 101], 1),
            (vec![0, 100, 0, 0], 3),
        ] {
            assert_eq!(limit.count_of(sizes.iter().copied()), count, "{sizes:?}");
        }
        assert_eq!(BatchLimit { count_max: 0, bytes_max: 100 }.count_of([1]), 0);
    }
}
