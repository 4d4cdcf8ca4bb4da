//! A batch that fails for a reason of its own: in two, and so on, until what is to blame stands alone.
//!
//! Used by whoever applies or buries a batch.

/// The parts of a batch that are still to be tried, in their order.
pub struct Halves<'a, T>(Vec<&'a [T]>);

impl<'a, T> Halves<'a, T> {
    /// All of it at once, first.
    pub fn of(items: &'a [T]) -> Self {
        Self(vec![items])
    }

    /// The next part to try; never an empty one.
    pub fn next_part(&mut self) -> Option<&'a [T]> {
        self.0.pop().filter(|part| !part.is_empty())
    }

    /// A part failed: its halves come next. The item, if it stands alone: then it is to blame.
    pub fn split(&mut self, part: &'a [T]) -> Option<&'a T> {
        if let [item] = part {
            return Some(item);
        }
        let (left, right) = part.split_at(part.len() / 2);
        self.0.extend([right, left]);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_to_blame_stand_alone_and_the_order_stays() {
        let items = [1, 2, -3, 4, 5, -6, 7];
        let (mut halves, mut ends) = (Halves::of(&items), Vec::new());
        while let Some(part) = halves.next_part() {
            if part.iter().all(|item| *item > 0) {
                ends.extend(part.iter().map(|item| (*item, true)));
            } else {
                ends.extend(halves.split(part).map(|item| (*item, false)));
            }
        }
        assert_eq!(ends, items.map(|item| (item, item > 0)));
        assert_eq!(Halves::<i32>::of(&[]).next_part(), None);
    }
}
