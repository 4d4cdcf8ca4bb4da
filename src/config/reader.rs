//! Reads keys one by one and collects every problem with the path of its key; what nobody reads is
//! unknown. What was read is kept as text, so that what is shown of a configuration is what was read.
//!
//! By hand over `config`, because reading into a struct by serde ends at its first problem and can't say
//! which file or variable each further one is of.

mod secret;
mod syntax;
mod variables;

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use config::{Environment, File, FileFormat, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

pub use secret::without_password;

use super::ConfigError;

/// Environment variables start with this and two underscores.
const PREFIX: &str = "WAHA_INGEST";

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn builder(defaults: &str) -> Builder {
    config::Config::builder().add_source(File::from_str(defaults, FileFormat::Toml))
}

/// A configuration without problems.
pub(super) struct Finished {
    /// What may be shown of every key that has a value.
    pub(super) shown: BTreeMap<String, String>,
    /// What is odd, though it does no harm.
    pub(super) notes: Vec<String>,
}

/// The layered values, and what was wrong with them so far.
pub(super) struct Reader {
    values: config::Config,
    /// Every key that was asked for, with what may be shown of its value; none if it has none.
    asked: BTreeMap<String, Option<String>>,
    problems: Vec<String>,
    reads_environment: bool,
}

impl Reader {
    /// Defaults, then a file, then the environment.
    pub(super) fn open(defaults: &str, file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut builder = builder(defaults);
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__");
        Self::build(builder.add_source(environment.ignore_empty(true)), true)
    }

    /// The defaults alone.
    pub(super) fn open_defaults(defaults: &str) -> Result<Self, ConfigError> {
        Self::build(builder(defaults), false)
    }

    fn build(builder: Builder, reads_environment: bool) -> Result<Self, ConfigError> {
        let values = builder.build().map_err(|error| ConfigError(vec![said_of(&error)]))?;
        Ok(Self { values, asked: BTreeMap::new(), problems: Vec::new(), reads_environment })
    }

    /// What was read, without secrets; or all problems, and every key that nobody asked for.
    pub(super) fn finish(mut self) -> Result<Finished, ConfigError> {
        let all = self.values.collect().unwrap_or_default();
        let mut keys = Vec::new();
        for (name, value) in &all {
            leaves(name, value, &mut keys);
        }
        let unknown = keys.into_iter().filter(|key| !self.asked.contains_key(key));
        let unknown: Vec<String> = unknown.map(|key| self.unknown_key(&key)).collect();
        self.problems.extend(unknown);
        let notes = self.check_variables();
        if !self.problems.is_empty() {
            return Err(ConfigError(self.problems));
        }
        let shown = self.asked.into_iter().filter_map(|(key, shown)| Some((key, shown?)));
        Ok(Finished { shown: shown.collect(), notes })
    }

    /// Says what is shown of a key: what holds if it is not told, or stands for a secret.
    pub(super) fn show(&mut self, key: &str, shown: impl Display) {
        self.asked.insert(key.to_owned(), Some(shown.to_string()));
    }

    /// Adds a problem unless `is_right`.
    pub(super) fn check(&mut self, key: &str, is_right: bool, problem: impl Display) {
        if !is_right {
            self.problems.push(format!("{key}: {problem}"));
        }
    }

    /// A value of any kind; a problem if it has another.
    pub(super) fn get<T: DeserializeOwned + Debug>(&mut self, key: &str) -> Option<T> {
        self.asked.insert(key.to_owned(), None);
        match self.values.get(key) {
            Ok(value) => {
                self.show(key, format_args!("{value:?}"));
                Some(value)
            }
            Err(config::ConfigError::NotFound(_)) => None,
            Err(error) => {
                // The library's text may hold the value, which may be secret: say the kind only.
                let expected = match error {
                    config::ConfigError::Type { expected, .. } => expected,
                    _ => "another kind of value",
                };
                self.check(key, false, format!("must be {expected}"));
                None
            }
        }
    }

    pub(super) fn optional_text(&mut self, key: &str) -> Option<String> {
        self.get::<String>(key).filter(|text| !text.is_empty())
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        let text = self.optional_text(key);
        self.check(key, text.is_some(), "must not be empty");
        text.unwrap_or_default()
    }

    pub(super) fn number<N>(&mut self, key: &str, min: u64, max: u64) -> N
    where
        N: TryFrom<u64> + Default,
    {
        let Some(number) = self.get::<u64>(key) else { return N::default() };
        let fits = N::try_from(number).ok().filter(|_| (min..=max).contains(&number));
        self.check(key, fits.is_some(), format!("must be between {min} and {max}"));
        fits.unwrap_or_default()
    }

    pub(super) fn milliseconds(&mut self, key: &str) -> Duration {
        Duration::from_millis(self.number(key, 1, 24 * 60 * 60 * 1000))
    }

    /// Milliseconds within other bounds.
    pub(super) fn duration(&mut self, key: &str, bounds: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(key, *bounds.start(), *bounds.end()))
    }

    pub(super) fn address(&mut self, key: &str) -> SocketAddr {
        let text = self.text(key);
        let address = text.parse().ok();
        self.check(
            key,
            text.is_empty() || address.is_some(),
            "must be an address such as 127.0.0.1:8080",
        );
        address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// One of a few words. The first stands in when it is none of them.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let told = self.get::<String>(key).unwrap_or_default();
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let chosen = choices.iter().find(|(word, _)| *word == told);
        self.check(key, chosen.is_some(), format!("must be one of: {}", words.join(", ")));
        chosen.or(choices.first()).map(|(_, choice)| *choice).expect("a choice has words")
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.get(key).unwrap_or_default()
    }

    /// A list, or a text with commas.
    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        self.asked.insert(key.to_owned(), None);
        let Ok(value) = self.values.get::<Value>(key) else { return Vec::new() };
        let items = items(value);
        self.check(key, items.is_some(), "must be a list of single values, or a text with commas");
        let items = items.unwrap_or_default();
        self.show(key, format_args!("{items:?}"));
        items
    }

    /// A list of numbers.
    pub(super) fn numbers(&mut self, key: &str) -> Vec<u64> {
        let items = self.list(key);
        let numbers: Vec<u64> = items.iter().filter_map(|item| u64::from_str(item).ok()).collect();
        self.check(key, numbers.len() == items.len(), "must be a list of numbers");
        self.show(key, format_args!("{numbers:?}"));
        numbers
    }

    /// A variable that another specification names; never when only the defaults are read.
    pub(super) fn standard(&self, variable: &str) -> Option<String> {
        let told = self.reads_environment.then(|| std::env::var(variable).ok()).flatten();
        told.filter(|text| !text.is_empty())
    }

    /// The names of the tables below a key.
    pub(super) fn names_below(&self, key: &str) -> Vec<String> {
        let table = self.values.get_table(key).unwrap_or_default();
        let mut names: Vec<String> = table.into_keys().collect();
        names.sort_unstable();
        names
    }
}

/// Why the layers can't be read.
fn said_of(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::FileParse { uri, cause } => {
            syntax::unreadable(uri.as_deref(), &cause.to_string(), super::DEFAULTS)
        }
        error => error.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// What a list holds, without what is empty; none if something in it is no single value.
fn items(value: Value) -> Option<Vec<String>> {
    let items: Option<Vec<String>> = match value.kind {
        ValueKind::Array(items) => items.into_iter().map(|item| item.into_string().ok()).collect(),
        _ => Some(value.into_string().ok()?.split(',').map(str::to_owned).collect()),
    };
    let items = items?.into_iter().map(|item| item.trim().to_owned());
    Some(items.filter(|item| !item.is_empty()).collect())
}

/// The paths of all values that are no tables.
fn leaves(path: &str, value: &Value, keys: &mut Vec<String>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                leaves(&format!("{path}.{name}"), value, keys);
            }
        }
        _ => keys.push(path.to_owned()),
    }
}
