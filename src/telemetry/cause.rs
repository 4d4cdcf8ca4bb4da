//! Why something failed, in words that may be shown: an error with all its causes, and no values.
//!
//! Used wherever an error is logged or shown to operators, because the JSON format of the log would
//! drop the sources of an error, and an error of a database quotes rows. Invariant: both
//! formats of the log say the same, and no text that came from outside is in it.

use std::error::Error;
use std::fmt;

use crate::driver_error::loggable;

/// An error and its causes, from the outermost to the first: `"can't publish: disk full"`.
#[derive(Clone, Copy, Debug)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

/// An error and its causes as one text.
pub fn words(error: &(dyn Error + 'static)) -> String {
    Causes(error).to_string()
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = Some(self.0);
        let mut separator = "";
        while let Some(error) = next {
            let (link, source) = link(error);
            write!(f, "{separator}{link}")?;
            next = source;
            separator = ": ";
        }
        Ok(())
    }
}

type Source<'a> = Option<&'a (dyn Error + 'static)>;

/// What one link of the chain says, and what comes after it. A chain ends where values begin.
fn link<'a>(error: &'a (dyn Error + 'static)) -> (String, Source<'a>) {
    if let Some(words) = loggable(error) {
        return (words, None);
    }
    if let Some(json) = error.downcast_ref::<serde_json::Error>() {
        let (line, column) = (json.line(), json.column());
        return (format!("not the JSON it should be, at line {line} column {column}"), None);
    }
    (error.to_string(), error.source())
}

#[cfg(test)]
mod tests {
    use sea_orm::DbErr;

    use super::*;
    use crate::queue::QueueError;
    use crate::store::StoreError;

    #[test]
    fn every_cause_is_told() {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let error = rusqlite::Error::SqliteFailure(code, Some("database or disk is full".into()));
        let told = words(&crate::server::ReceiveError::from(QueueError::from(error)));
        assert!(told.starts_with("the webhook could not be made durable: "), "{told}");
        assert!(told.contains(": the embedded queue failed: database or disk is full: "), "{told}");
    }

    /// A log line that takes an error as such loses its causes in JSON.
    #[test]
    fn no_line_of_the_log_takes_an_error_as_such() {
        let mut folders =
            vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let cast = ["as &dyn ", "std::error::Error"].concat();
                    let short = ["as &dyn ", "Error"].concat();
                    assert!(!text.contains(&cast) && !text.contains(&short), "{}", path.display());
                }
            }
        }
    }

    #[test]
    fn no_value_is_told() {
        let quoting = serde_json::from_str::<u8>("\"4915155501234\"").unwrap_err();
        assert!(quoting.to_string().contains("49151"), "it would have been quoted");
        let json = words(&QueueError::from(quoting));
        let row = words(&StoreError::from(DbErr::Custom("key (4915155501234) exists".into())));
        assert_eq!(row, "the database failed: it gave no code");
        for told in [json, row] {
            assert!(!told.contains("49151"), "{told}");
        }
    }
}
