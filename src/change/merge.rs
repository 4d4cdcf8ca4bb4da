//! Two changes of one row -> one. Pure; the SQL twin is `store/sql/upsert.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::Register;

/// Merges each field of a struct, as its type says or by a function of this file; a field that is forgotten
/// does not compile.
macro_rules! merge_fields {
    ($mine:ident, $theirs:ident: $($field:ident),* $(; $by:ident: $($other:ident),+)*) => {
        let Self { $($field,)* $($($other,)+)* } = $theirs;
        $($crate::change::Merge::merge_in(&mut $mine.$field, $field);)*
        $($($crate::change::merge::$by(&mut $mine.$other, $other);)+)*
    };
}

/// Joins what two webhooks told. Order and repetition make no difference.
pub trait Merge {
    /// Takes `other` in.
    fn merge_in(&mut self, other: Self);
}

impl<K: Ord, V: Merge> Merge for BTreeMap<K, V> {
    fn merge_in(&mut self, other: Self) {
        for (key, value) in other {
            match self.get_mut(&key) {
                Some(mine) => mine.merge_in(value),
                None => {
                    self.insert(key, value);
                }
            }
        }
    }
}

impl<T: Ord> Merge for BTreeSet<T> {
    fn merge_in(&mut self, other: Self) {
        self.extend(other);
    }
}

impl<T: Merge> Merge for Option<T> {
    fn merge_in(&mut self, other: Self) {
        match (self.as_mut(), other) {
            (Some(mine), Some(theirs)) => mine.merge_in(theirs),
            (None, theirs) => *self = theirs,
            (Some(_), None) => {}
        }
    }
}

impl<T> Merge for Register<T> {
    /// The higher version wins whole. Equal versions are the same webhook.
    fn merge_in(&mut self, other: Self) {
        if other.version > self.version {
            *self = other;
        }
    }
}

/// The lower one stays.
pub fn least<T: Ord>(mine: &mut T, theirs: T) {
    if theirs < *mine {
        *mine = theirs;
    }
}

/// Only forward: the higher one stays.
pub fn forward<T: PartialOrd>(mine: &mut Option<T>, theirs: Option<T>) {
    if let Some(theirs) = theirs
        && mine.as_ref().is_none_or(|mine| theirs > *mine)
    {
        *mine = Some(theirs);
    }
}

/// The earliest one stays.
pub fn earliest<T: PartialOrd>(mine: &mut Option<T>, theirs: Option<T>) {
    if let Some(theirs) = theirs
        && mine.as_ref().is_none_or(|mine| theirs < *mine)
    {
        *mine = Some(theirs);
    }
}
