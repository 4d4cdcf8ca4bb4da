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
use variables::variable;

use super::ConfigError;
use crate::admin::Setting;

/// Environment variables start with this and two underscores.
const PREFIX: &str = "WAHA_INGEST";
/// What the configuration library calls the origin of a variable.
const ENVIRONMENT: &str = "the environment";

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn builder(defaults: &str) -> Builder {
    config::Config::builder().add_source(File::from_str(defaults, FileFormat::Toml))
}

/// A configuration without problems.
pub(super) struct Finished {
    /// What may be shown of every key that has a value.
    pub(super) shown: Vec<Setting>,
    /// What is odd, though it does no harm.
    pub(super) notes: Vec<String>,
}

/// A value of another kind than is asked for.
struct NotOfKind;

/// The layered values, and what was wrong with them so far.
pub(super) struct Reader {
    values: config::Config,
    /// Every key that was asked for, with what may be shown of its value; none if it has none.
    asked: BTreeMap<String, Option<String>>,
    problems: Vec<String>,
    /// What is odd, though it does no harm.
    notes: Vec<String>,
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
        let (problems, notes) = (Vec::new(), Vec::new());
        Ok(Self { values, asked: BTreeMap::new(), problems, notes, reads_environment })
    }

    /// What was read, without secrets; or all problems, and every key that nobody asked for.
    pub(super) fn finish(mut self) -> Result<Finished, ConfigError> {
        let origins = self.origins();
        let unknown = origins.keys().filter(|key| !self.asked.contains_key(*key));
        let unknown: Vec<String> = unknown.map(|key| self.unknown_key(key)).collect();
        self.problems.extend(unknown);
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.check_variables());
        if !self.problems.is_empty() {
            return Err(ConfigError(self.problems));
        }
        let shown = self.asked.iter().filter_map(|(key, shown)| {
            let (key, value) = (key.clone(), shown.clone()?);
            Some(Setting { origin: self.origin(&key, &origins), key, value })
        });
        Ok(Finished { shown: shown.collect(), notes })
    }

    /// Every key that is told, and what tells it.
    fn origins(&self) -> BTreeMap<String, Option<String>> {
        let mut origins = BTreeMap::new();
        for (name, value) in &self.values.collect().unwrap_or_default() {
            leaves(name, value, &mut origins);
        }
        origins
    }

    /// Where a key has its value from. A secret may have it from the file that another key names.
    fn origin(&self, key: &str, origins: &BTreeMap<String, Option<String>>) -> String {
        let told = |key: &str| match origins.get(key)?.as_deref()? {
            ENVIRONMENT => Some("environment".to_owned()),
            file => Some(file.to_owned()),
        };
        let of_file = || {
            let file_key = format!("{key}_file");
            self.asked.get(&file_key)?.as_ref()?;
            told(&file_key).map(|origin| format!("{origin}, by {file_key}"))
        };
        told(key).or_else(of_file).unwrap_or_else(|| "default".to_owned())
    }

    /// Says what is shown of a key: what holds if it is not told, or stands for a secret.
    pub(super) fn show(&mut self, key: &str, shown: impl Display) {
        self.asked.insert(key.to_owned(), Some(shown.to_string()));
    }

    /// Adds a problem unless `is_right`, with the variable that the value is from.
    pub(super) fn check(&mut self, key: &str, is_right: bool, problem: impl Display) {
        if is_right {
            return;
        }
        let origins = self.origins();
        let origin = origins.get(key).and_then(Option::as_deref);
        let variable = if origin == Some(ENVIRONMENT) {
            format!(" ({})", variable(key))
        } else {
            String::new()
        };
        self.problems.push(format!("{key}: {problem}{variable}"));
    }

    /// Adds something that is odd, though it does no harm.
    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// The same of a value that is no secret, which is quoted.
    fn check_quoted(&mut self, key: &str, is_right: bool, expected: impl Display) {
        let quoted = self.values.get::<Value>(key).ok().and_then(|value| quoted(&value.kind));
        let quoted = quoted.map(|value| format!("; it is {value}")).unwrap_or_default();
        self.check(key, is_right, format_args!("must be {expected}{quoted}"));
    }

    /// A value of any kind; a problem if it has another, without the value, which may be secret.
    fn get<T: DeserializeOwned + Debug>(&mut self, key: &str, expected: &str) -> Option<T> {
        let value = self.find(key);
        self.check(key, value.is_ok(), format_args!("must be {expected}"));
        value.ok().flatten()
    }

    /// A value of any kind; none if it is not told, an error if it has another.
    fn find<T: DeserializeOwned + Debug>(&mut self, key: &str) -> Result<Option<T>, NotOfKind> {
        self.asked.insert(key.to_owned(), None);
        match self.values.get(key) {
            Ok(value) => {
                self.show(key, format_args!("{value:?}"));
                Ok(Some(value))
            }
            Err(config::ConfigError::NotFound(_)) => Ok(None),
            // The library's text may hold the value, which may be secret, and tells of Rust's types.
            Err(_) => Err(NotOfKind),
        }
    }

    /// Whether a key has a value, of whichever kind.
    pub(super) fn is_told(&self, key: &str) -> bool {
        self.values.get::<Value>(key).is_ok()
    }

    pub(super) fn optional_text(&mut self, key: &str) -> Option<String> {
        self.get::<String>(key, "a text").filter(|text| !text.is_empty())
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
        let found = self.find::<u64>(key);
        let number = found.ok().flatten().filter(|number| (min..=max).contains(number));
        let fits = number.and_then(|number| N::try_from(number).ok());
        let expected = format_args!("a whole number from {min} to {max}");
        self.check_quoted(key, fits.is_some(), expected);
        fits.unwrap_or_default()
    }

    /// A number that holds without being told.
    pub(super) fn number_or(&mut self, key: &str, otherwise: u64, min: u64, max: u64) -> u64 {
        if self.is_told(key) {
            return self.number(key, min, max);
        }
        self.show(key, otherwise);
        otherwise
    }

    /// A number from 0 to 1.
    pub(super) fn share(&mut self, key: &str) -> f64 {
        let found = self.find::<f64>(key).map(Option::unwrap_or_default);
        let share = found.ok().filter(|share| (0.0..=1.0).contains(share));
        self.check_quoted(key, share.is_some(), "a number from 0 to 1");
        share.unwrap_or_default()
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
        let is_right = text.is_empty() || address.is_some();
        self.check_quoted(key, is_right, "an address such as 127.0.0.1:8080");
        address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// One of a few words. The first stands in when it is none of them.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let told = self.find::<String>(key).ok().flatten().unwrap_or_default();
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let chosen = choices.iter().find(|(word, _)| *word == told);
        self.check_quoted(key, chosen.is_some(), format_args!("one of: {}", words.join(", ")));
        chosen.or(choices.first()).map(|(_, choice)| *choice).expect("a choice has words")
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        let flag = self.find(key);
        self.check_quoted(key, flag.is_ok(), "true or false");
        flag.ok().flatten().unwrap_or_default()
    }

    /// Says nothing of the keys below one that has a problem of its own.
    pub(super) fn skip_below(&mut self, section: &str) {
        let prefix = format!("{section}.");
        let below = self.origins().into_keys().filter(|key| key.starts_with(&prefix));
        self.asked.extend(below.map(|key| (key, None)));
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
        let strange = items.iter().find(|item| u64::from_str(item).is_err());
        let strange = strange.map(|item| format!("; {item:?} is none")).unwrap_or_default();
        let problem = format_args!("must be a list of whole numbers{strange}");
        self.check(key, numbers.len() == items.len(), problem);
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

/// A value, as a file would have it; none of a table or a list.
fn quoted(kind: &ValueKind) -> Option<String> {
    match kind {
        ValueKind::String(text) => Some(format!("{text:?}")),
        ValueKind::Nil | ValueKind::Table(_) | ValueKind::Array(_) => None,
        single => Some(single.to_string()),
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

/// The paths of all values that are no tables, with where each is from; the defaults have no name.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Option<String>>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                leaves(&format!("{path}.{name}"), value, found);
            }
        }
        _ => {
            found.insert(path.to_owned(), value.origin().map(str::to_owned));
        }
    }
}
