//! Where pointers lead. Pure.

use std::collections::BTreeMap;

/// Where a row leads in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChainEnd<K> {
    /// To a row that leads nowhere, over so many pointers.
    Row(K, usize),
    /// The last row that is there leads to one that is not.
    Nothing(K),
    /// To these rows, which lead to one another.
    Circle(Vec<K>),
}

/// Follows the pointers from a row that is there. `leads` has every row on the way, and where it leads.
pub(super) fn follow<K: Ord + Clone>(start: &K, leads: &BTreeMap<K, Option<K>>) -> ChainEnd<K> {
    let mut path = vec![start.clone()];
    let mut last = start.clone();
    while let Some(Some(next)) = leads.get(&last) {
        if let Some(at) = path.iter().position(|passed| passed == next) {
            return ChainEnd::Circle(path.split_off(at));
        }
        if !leads.contains_key(next) {
            return ChainEnd::Nothing(last);
        }
        path.push(next.clone());
        last = next.clone();
    }
    ChainEnd::Row(last, path.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_ends() {
        let leads = BTreeMap::from([
            (1, None),
            (2, Some(1)),
            (3, Some(2)),
            (4, Some(9)),
            (5, Some(4)),
            (6, Some(7)),
            (7, Some(6)),
            (8, Some(7)),
            (10, Some(10)),
        ]);
        let ends = [
            (1, ChainEnd::Row(1, 0)),
            (2, ChainEnd::Row(1, 1)),
            (3, ChainEnd::Row(1, 2)),
            (4, ChainEnd::Nothing(4)),
            (5, ChainEnd::Nothing(4)),
            (6, ChainEnd::Circle(vec![6, 7])),
            (8, ChainEnd::Circle(vec![7, 6])),
            (10, ChainEnd::Circle(vec![10])),
        ];
        for (start, end) in ends {
            assert_eq!(follow(&start, &leads), end, "{start}");
        }
    }
}
