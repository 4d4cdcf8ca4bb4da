//! How much of something limited each address holds, and which holds most.
//!
//! Used by `connection::registry` (connections) and `bodies::pool` (bytes). Every operation costs the
//! logarithm of the number of addresses.

use std::collections::{BTreeSet, HashMap};

use super::address::ClientAddress;

/// What each address holds.
#[derive(Default)]
pub(super) struct Holdings {
    held: HashMap<ClientAddress, usize>,
    ranking: BTreeSet<(usize, ClientAddress)>,
    total: usize,
}

impl Holdings {
    /// What all hold together.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// What one holds.
    pub(super) fn of(&self, address: ClientAddress) -> usize {
        self.held.get(&address).copied().unwrap_or_default()
    }

    /// Who holds most.
    pub(super) fn largest(&self) -> Option<ClientAddress> {
        self.ranking.last().map(|(_, address)| *address)
    }

    /// All of them, from who holds most to who holds least.
    pub(super) fn descending(&self) -> impl Iterator<Item = (usize, ClientAddress)> {
        self.ranking.iter().rev().copied()
    }

    pub(super) fn add(&mut self, address: ClientAddress, amount: usize) {
        self.total += amount;
        self.set(address, self.of(address) + amount);
    }

    pub(super) fn remove(&mut self, address: ClientAddress, amount: usize) {
        let held = self.of(address);
        debug_assert!(held >= amount, "nobody gives back more than was taken");
        self.total -= amount.min(held);
        self.set(address, held.saturating_sub(amount));
    }

    fn set(&mut self, address: ClientAddress, amount: usize) {
        let before = match amount {
            0 => self.held.remove(&address),
            _ => self.held.insert(address, amount),
        };
        if let Some(before) = before {
            self.ranking.remove(&(before, address));
        }
        if amount > 0 {
            self.ranking.insert((amount, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn the_largest_changes_with_what_is_held() {
        let [one, two] = ["127.0.0.1", "127.0.0.2"].map(|it| it.parse::<IpAddr>().unwrap().into());
        let mut holdings = Holdings::default();
        assert_eq!(holdings.largest(), None);
        holdings.add(one, 3);
        holdings.add(two, 2);
        assert_eq!((holdings.largest(), holdings.total()), (Some(one), 5));
        holdings.add(two, 2);
        assert_eq!(holdings.largest(), Some(two));
        holdings.remove(two, 4);
        assert_eq!((holdings.largest(), holdings.of(two), holdings.total()), (Some(one), 0, 3));
    }
}
