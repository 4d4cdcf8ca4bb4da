//! For how long things are kept: of all sources, and of some for a time of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Retention, RetentionKind};
use crate::store::operations::retention::OfSources;

/// For how long something of one source is kept, where it is not as long as of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAge {
    /// The source's name.
    pub source: String,
    /// Of what: of a kind that has a [`RetentionKind::own_setting`].
    pub kind: RetentionKind,
    /// None: for ever.
    pub age_max: Option<Duration>,
}

/// For how long something of some sources is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// Of which.
    pub sources: OfSources,
    /// None: for ever.
    pub age_max: Option<Duration>,
}

impl Retention {
    /// For how long a kind is kept, where its source has no age of its own.
    pub fn age_max(&self, kind: RetentionKind) -> Option<Duration> {
        match kind {
            RetentionKind::Bodies => self.bodies_age_max,
            RetentionKind::Ledger => self.ledger_age_max,
            RetentionKind::Messages => self.messages_age_max,
            RetentionKind::Calls => self.calls_age_max,
            RetentionKind::Statuses => self.statuses_age_max,
            RetentionKind::Changes => self.feed_age_max,
            RetentionKind::DeadLetters => self.letters_age_max,
            RetentionKind::Audit => self.audit_age_max,
            RetentionKind::Probes => self.probes_age_max,
        }
    }

    /// All ages of a kind: each row is of the sources of exactly one. First those of all that have none of their
    /// own, then the others by name. An own age that is that of all is none, because each costs a pass.
    pub fn ages(&self, kind: RetentionKind) -> Vec<Age> {
        let age_max = self.age_max(kind);
        let of_kind = self.own_ages.iter().filter(|it| it.kind == kind && it.age_max != age_max);
        let mut own: Vec<&OwnAge> = of_kind.collect();
        own.sort_by(|one, other| one.source.cmp(&other.source));
        let named: BTreeSet<String> = own.iter().map(|it| it.source.clone()).collect();
        let sources = if named.is_empty() { OfSources::All } else { OfSources::Without(named) };
        let rest = Age { sources, age_max };
        let own = own
            .into_iter()
            .map(|it| Age { sources: OfSources::Only(it.source.clone()), age_max: it.age_max });
        std::iter::once(rest).chain(own).collect()
    }
}

impl Age {
    /// The key of the configuration that says it.
    pub fn setting(&self, kind: RetentionKind) -> String {
        match (&self.sources, kind.own_setting()) {
            (OfSources::Only(source), Some(own)) => format!("retention.sources.{source}.{own}"),
            _ => kind.setting().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn own(source: &str, age_max: Option<Duration>) -> OwnAge {
        OwnAge { source: source.to_owned(), kind: RetentionKind::Messages, age_max }
    }

    #[test]
    fn each_source_has_one_age_and_an_age_like_that_of_all_is_none_of_its_own() {
        let own_ages = vec![own("vip", None), own("shop", Some(DAY)), own("same", Some(DAY * 2))];
        let retention =
            Retention { messages_age_max: Some(DAY * 2), own_ages, ..Retention::default() };
        let ages = retention.ages(RetentionKind::Messages);
        let others = ["shop", "vip"].map(str::to_owned).into();
        let expected = [
            Age { sources: OfSources::Without(others), age_max: Some(DAY * 2) },
            Age { sources: OfSources::Only("shop".to_owned()), age_max: Some(DAY) },
            Age { sources: OfSources::Only("vip".to_owned()), age_max: None },
        ];
        assert_eq!(ages, expected);
        let settings = ages.iter().map(|age| age.setting(RetentionKind::Messages));
        let settings: Vec<String> = settings.collect();
        let expected = [
            "retention.message_days",
            "retention.sources.shop.message_days",
            "retention.sources.vip.message_days",
        ];
        assert_eq!(settings, expected);
        let calls = retention.ages(RetentionKind::Calls);
        assert_eq!(calls, [Age { sources: OfSources::All, age_max: None }]);
    }
}
