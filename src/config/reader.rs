//! Reads keys one by one and collects every problem with the path of its key; what nobody reads is
//! unknown.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use config::{Environment, File, FileFormat, Source, Value, ValueKind};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::ConfigError;

/// Environment variables start with this and two underscores.
const PREFIX: &str = "WAHA_INGEST";

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn builder(defaults: &str) -> Builder {
    config::Config::builder().add_source(File::from_str(defaults, FileFormat::Toml))
}

/// The layered values, and what was wrong with them so far.
pub(super) struct Reader {
    values: config::Config,
    asked: BTreeSet<String>,
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
        let values = builder.build().map_err(|error| ConfigError(vec![unreadable(&error)]))?;
        Ok(Self { values, asked: BTreeSet::new(), problems: Vec::new(), reads_environment })
    }

    /// All problems, and every key that nobody asked for.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        let all = self.values.collect().unwrap_or_default();
        let mut keys = Vec::new();
        for (name, value) in &all {
            leaves(name, value, &mut keys);
        }
        let unknown = keys.into_iter().filter(|key| !self.asked.contains(key));
        self.problems.extend(unknown.map(|key| format!("{key}: unknown key")));
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError(self.problems)) }
    }

    /// Adds a problem unless `is_right`.
    pub(super) fn check(&mut self, key: &str, is_right: bool, problem: impl Display) {
        if !is_right {
            self.problems.push(format!("{key}: {problem}"));
        }
    }

    /// A value of any kind; a problem if it has another.
    pub(super) fn get<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        self.asked.insert(key.to_owned());
        match self.values.get(key) {
            Ok(value) => Some(value),
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
        self.asked.insert(key.to_owned());
        let value: Value = match self.values.get(key) {
            Ok(value) => value,
            Err(_) => return Vec::new(),
        };
        let items = match value.kind {
            ValueKind::Array(items) => {
                items.into_iter().filter_map(|item| item.into_string().ok()).collect()
            }
            _ => value.into_string().unwrap_or_default().split(',').map(str::to_owned).collect(),
        };
        let items: Vec<String> = items;
        items
            .into_iter()
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .collect()
    }

    /// A list of numbers.
    pub(super) fn numbers(&mut self, key: &str) -> Vec<u64> {
        let items = self.list(key);
        let numbers: Vec<u64> = items.iter().filter_map(|item| u64::from_str(item).ok()).collect();
        self.check(key, numbers.len() == items.len(), "must be a list of numbers");
        numbers
    }

    /// A secret, or the file that holds it.
    pub(super) fn secret(&mut self, key: &str, file_key: &str) -> Option<SecretString> {
        let told = self.optional_text(key).map(SecretString::from);
        match self.optional_text(file_key) {
            Some(file) => self.file(file_key, &file).map(|text| text.trim().to_owned().into()),
            None => told,
        }
    }

    /// The lines of the file that a key names, without empty ones; none if it names no file.
    pub(super) fn lines(&mut self, file_key: &str) -> Vec<String> {
        let file = self.optional_text(file_key);
        let text = file.and_then(|file| self.file(file_key, &file)).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// A variable that another specification names; never when only the defaults are read.
    pub(super) fn standard(&self, variable: &str) -> Option<String> {
        let told = self.reads_environment.then(|| std::env::var(variable).ok()).flatten();
        told.filter(|text| !text.is_empty())
    }

    /// The text of a file that a key names.
    pub(super) fn file(&mut self, key: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) => {
                self.check(key, false, format!("{path} can't be read: {error}"));
                None
            }
        }
    }

    /// The names of the tables below a key.
    pub(super) fn names_below(&self, key: &str) -> Vec<String> {
        let table = self.values.get_table(key).unwrap_or_default();
        let mut names: Vec<String> = table.into_keys().collect();
        names.sort_unstable();
        names
    }
}

/// Why the layers can't be read. The library quotes the line, which may hold a secret: its first line
/// says where alone.
fn unreadable(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    match error {
        config::ConfigError::FileParse { uri: Some(file), .. } => format!("{file}: {first}"),
        _ => first.to_owned(),
    }
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
