//! What must not be seen of the bodies that were sent: texts, names, numbers and LIDs.

use std::collections::BTreeSet;

use serde_json::Value;

/// Shorter texts occur by chance.
const TEXT_CHARS_MIN: usize = 8;
const NUMBER_CHARS_MIN: usize = 9;

#[derive(Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    pub fn add(&mut self, secret: &str) {
        self.0.insert(secret.to_owned());
    }

    /// Takes the texts and numbers of a body.
    pub fn add_body(&mut self, body: &[u8]) {
        let Ok(envelope) = serde_json::from_slice::<Value>(body) else { return };
        self.add_values(&envelope["payload"]);
        self.add_values(&envelope["me"]);
    }

    fn add_values(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add_values(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.add_values(field)),
            Value::String(text) => self.add_text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What people write has spaces; the number of a person stands before an `@`.
    fn add_text(&mut self, text: &str) {
        let is_plain = |c: char| c.is_alphanumeric() || " .,!?".contains(c);
        if text.len() >= TEXT_CHARS_MIN && text.contains(' ') && text.chars().all(is_plain) {
            self.add(text);
        }
        for before in text.split('@') {
            let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            if digits.len() >= NUMBER_CHARS_MIN {
                self.add(digits);
            }
        }
    }

    pub fn assert_absent(&self, place: &str, text: &str) {
        assert!(self.0.len() > 100, "only {} secrets were sent", self.0.len());
        for secret in &self.0 {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret:?} is in {place}");
        }
    }
}
