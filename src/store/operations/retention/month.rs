//! Months, in UTC: what the ledger lets go of is counted and kept by them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};

/// A month as a number: 202611.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

/// A text is no month.
#[derive(Debug, thiserror::Error)]
#[error("must be a month such as 2026-11")]
pub struct MonthError;

impl Month {
    /// The month of a time.
    pub fn of(at: DateTime<Utc>) -> Self {
        Self(at.year() * 100 + i32::try_from(at.month()).unwrap_or_default())
    }

    /// As it is stored.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Its first moment; that of 1970 for a number that is no month.
    pub fn start(self) -> DateTime<Utc> {
        let month = u32::try_from(self.0 % 100).unwrap_or_default();
        let day = NaiveDate::from_ymd_opt(self.0 / 100, month, 1).unwrap_or_default();
        day.and_time(chrono::NaiveTime::MIN).and_utc()
    }
}

impl From<i32> for Month {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let day = format!("{text}-01").parse::<NaiveDate>().map_err(|_| MonthError)?;
        let month = Self::of(day.and_time(chrono::NaiveTime::MIN).and_utc());
        // No other way to write it: it is a part of names.
        if month.to_string() == text { Ok(month) } else { Err(MonthError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_written_in_one_way_and_begins_at_its_first_moment() {
        let month: Month = "2026-02".parse().unwrap();
        assert_eq!((month.number(), month.to_string()), (202_602, "2026-02".to_owned()));
        let (start, end) = (month.start(), month.start() + chrono::TimeDelta::days(28));
        assert_eq!((Month::of(start), Month::of(end)), (month, Month(202_603)));
        assert_eq!(Month::of(start - chrono::TimeDelta::microseconds(1)), Month(202_601));
        for odd in ["2026-2", "202602", "2026-13", "", "2026-02-01", "../x"] {
            assert!(odd.parse::<Month>().is_err(), "{odd}");
        }
    }
}
