//! Query strings as WAHA's validators take them: unknown keys are dropped, wrong values are told all at once.

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::web::Query;

use super::error::ApiError;

/// The parameters of a request.
pub(super) struct Params {
    values: HashMap<String, String>,
    problems: Vec<String>,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Page {
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

impl Params {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let values = Query::<HashMap<String, String>>::from_query(request.query_string());
        let values = values.map(Query::into_inner).unwrap_or_default();
        Self { values, problems: Vec::new() }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A whole number; none where it is not told.
    pub(super) fn number(&mut self, name: &str) -> Option<i64> {
        let number = self.text(name)?.parse();
        if number.is_err() {
            let conforming = "must be a number conforming to the specified constraints";
            self.problems.push(format!("{name} {conforming}"));
        }
        number.ok()
    }

    /// `true True 1 false False 0`, and nothing else.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.text(name)? {
            "true" | "True" | "1" => Some(true),
            "false" | "False" | "0" => Some(false),
            _ => {
                self.problems.push(format!("{name} must be a boolean value"));
                None
            }
        }
    }

    /// One of these words.
    pub(super) fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(name)?;
        let word = words.iter().copied().find(|word| *word == text);
        if word.is_none() {
            let words = words.join(", ");
            self.problems.push(format!("{name} must be one of the following values: {words}"));
        }
        word
    }

    pub(super) fn page(&mut self) -> Page {
        let limit = self.number("limit").map(|limit| usize::try_from(limit).unwrap_or(0));
        let offset = usize::try_from(self.number("offset").unwrap_or(0)).unwrap_or(0);
        Page { limit, offset }
    }

    /// Whether the order is turned: `desc`.
    pub(super) fn is_descending(&mut self, by_default: bool) -> bool {
        self.word("sortOrder", &["asc", "desc"]).map_or(by_default, |order| order == "desc")
    }

    /// Refuses what was wrong so far.
    pub(super) fn check(&mut self) -> Result<(), ApiError> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(ApiError::Invalid(problems)),
        }
    }

    /// The session of an endpoint that has it in its query.
    pub(super) fn session(&self) -> Result<&str, ApiError> {
        let missing = || ApiError::BadRequest("Session name is required".to_owned());
        self.text("session").ok_or_else(missing)
    }
}

impl Page {
    /// The part of `items`. `is_in_memory`: an offset without a limit is ignored.
    pub(super) fn cut<T>(self, mut items: Vec<T>, is_in_memory: bool, zero_is_all: bool) -> Vec<T> {
        let limit = self.limit.filter(|limit| !(zero_is_all && *limit == 0));
        if is_in_memory && limit.is_none() {
            return items;
        }
        items.drain(..self.offset.min(items.len()));
        items.truncate(limit.unwrap_or(usize::MAX));
        items
    }
}
