//! What of our webhook is otherwise in a configuration, and the configuration with it put right. Pure.
//!
//! Ours are the entries that reach our door and source, whatever else their URL says. Only they are compared: WAHA
//! fills in defaults elsewhere.

use std::collections::BTreeSet;
use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::raw_json::{OddShape, items, member, push, replace, set, without_item};
use super::reach::is_same_door;
use super::wanted::{POLICY, WantedWebhook};
use crate::waha::session_config::HIDDEN;

/// What is shown in the place of what may be anything.
const FOREIGN: &str = "…";
/// What WAHA knows as the policy of retries.
const POLICIES: [&str; 3] = ["linear", "exponential", "constant"];

/// Something that is otherwise than it should be. Says no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The session has no webhook of ours; how it would be.
    Missing(String),
    /// It has so many beside the first: each event comes as often.
    Repeated(usize),
    /// It goes to the same source at the same door, by another URL.
    Url {
        /// The one that it has, without what may be secret.
        there: String,
        /// The one that it should have.
        wanted: String,
    },
    /// It tells other events.
    Events {
        /// Those that it tells.
        there: Vec<String>,
        /// Those that it should tell.
        wanted: Vec<String>,
    },
    /// It is signed with another key than the newest, or with none.
    Key {
        /// Whether there is one.
        is_signed: bool,
    },
    /// It is tried again otherwise.
    Retries {
        /// How it is tried, if that is told.
        there: Option<String>,
        /// How it should be.
        wanted: String,
    },
    /// The webhook of WAHA's environment goes to the same URL: each event comes twice.
    Global,
    /// The configuration is not built as WAHA builds it.
    Unreadable,
}

impl Difference {
    /// As rows say it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Repeated(_) => "repeated",
            Self::Url { .. } => "url",
            Self::Events { .. } => "events",
            Self::Key { .. } => "key",
            Self::Retries { .. } => "retries",
            Self::Global => "global",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(entry) => write!(formatter, "+ {entry}"),
            Self::Repeated(count) => write!(formatter, "- {count} more to the same door"),
            Self::Url { there, wanted } => write!(formatter, "~ url: {there} -> {wanted}"),
            Self::Events { there, wanted } => {
                write!(formatter, "~ events: {} -> {}", list(there), list(wanted))
            }
            Self::Key { is_signed: true } => {
                write!(formatter, "~ hmac.key: *** -> *** (another one)")
            }
            Self::Key { is_signed: false } => write!(formatter, "+ hmac.key: ***"),
            Self::Retries { there: Some(there), wanted } => {
                write!(formatter, "~ retries: {there} -> {wanted}")
            }
            Self::Retries { there: None, wanted } => write!(formatter, "+ retries: {wanted}"),
            Self::Global => write!(
                formatter,
                "! WAHA's environment (WHATSAPP_HOOK_URL) has the same URL: each event comes twice"
            ),
            Self::Unreadable => {
                write!(
                    formatter,
                    "! the configuration is not built as WAHA builds it: it is left alone"
                )
            }
        }
    }
}

fn list(names: &[String]) -> String {
    Value::from(names).to_string()
}

/// Our entries of a configuration, and how many others there are.
struct Entries<'a> {
    /// The list as it stands; none if there is none.
    list: Option<&'a str>,
    /// Each of ours with its place.
    ours: Vec<(usize, &'a str)>,
    others: usize,
}

impl<'a> Entries<'a> {
    fn of(config: &'a str, url: &Url) -> Result<Self, OddShape> {
        let list = member(config, "webhooks")?;
        let all = list.map(items).transpose()?.unwrap_or_default();
        let count = all.len();
        let ours = all.into_iter().enumerate().filter(|(_, entry)| is_at(entry, url));
        let ours: Vec<_> = ours.collect();
        Ok(Self { list, others: count - ours.len(), ours })
    }
}

/// Whether an entry reaches the door and source of this URL, in whichever spelling.
fn is_at(entry: &str, url: &Url) -> bool {
    // Alone: elsewhere in it there may be what no parser takes, as a number that nothing holds.
    let told = member(entry, "url").ok().flatten();
    let told: Option<String> = told.and_then(|told| serde_json::from_str(told).ok());
    told.and_then(|told| Url::parse(&told).ok()).is_some_and(|told| is_same_door(&told, url))
}

/// A URL without what may be secret in it.
fn shown(mut url: Url) -> String {
    let has_user = !url.username().is_empty() || url.password().is_some();
    // Nothing of it can fail with http and https.
    let _ =
        url.set_password(None).and_then(|()| url.set_username(if has_user { HIDDEN } else { "" }));
    let (has_query, has_fragment) = (url.query().is_some(), url.fragment().is_some());
    url.set_query(has_query.then_some(HIDDEN));
    url.set_fragment(has_fragment.then_some(HIDDEN));
    url.to_string()
}

/// The parts of an entry that are compared, each read alone; one that can't be read is null.
fn value(entry: &str) -> Value {
    let part = |name: &'static str| {
        let text = member(entry, name).ok().flatten()?;
        Some((name.to_owned(), serde_json::from_str(text).ok()?))
    };
    Value::Object(["url", "events", "hmac", "retries"].into_iter().filter_map(part).collect())
}

/// What was found in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) differences: Vec<Difference>,
    /// Webhooks to others.
    pub(super) others: usize,
}

/// Compares our entry of a configuration (none: there never was one) with what it should be. A key is compared only
/// where the door verifies.
pub(super) fn compare(
    config: Option<&str>,
    wanted: &WantedWebhook,
    key: Option<&SecretString>,
) -> Result<Comparison, OddShape> {
    let entries = Entries::of(config.unwrap_or("{}"), &wanted.url)?;
    let Some((_, first)) = entries.ours.first() else {
        let missing = Difference::Missing(wanted.shown(key.is_some()));
        return Ok(Comparison { differences: vec![missing], others: entries.others });
    };
    let mut differences = of_entry(&value(first), wanted, key);
    if entries.ours.len() > 1 {
        differences.push(Difference::Repeated(entries.ours.len() - 1));
    }
    Ok(Comparison { differences, others: entries.others })
}

fn of_entry(entry: &Value, wanted: &WantedWebhook, key: Option<&SecretString>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let told = entry["url"].as_str().and_then(|told| Url::parse(told).ok());
    if let Some(told) = told.filter(|told| *told != wanted.url) {
        let wanted = wanted.url.to_string();
        differences.push(Difference::Url { there: shown(told), wanted });
    }
    let told = entry["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let there: Vec<String> = told.map(str::to_owned).collect();
    if as_set(&there) != as_set(&wanted.events) {
        differences.push(Difference::Events { there, wanted: wanted.events.clone() });
    }
    let there = entry["hmac"]["key"].as_str().filter(|key| !key.is_empty());
    if key.is_some_and(|key| there != Some(key.expose_secret())) {
        differences.push(Difference::Key { is_signed: there.is_some() });
    }
    let retries = &entry["retries"];
    let is_right = retries["policy"] == POLICY
        && retries["delaySeconds"] == wanted.retry_delay_s
        && retries["attempts"] == wanted.retry_attempts;
    if !is_right {
        let there = (!retries.is_null()).then(|| known_retries(retries));
        differences.push(Difference::Retries { there, wanted: wanted.retries_shown() });
    }
    differences
}

/// What is there of retries, without what WAHA does not know, which may be anything.
fn known_retries(retries: &Value) -> String {
    let Some(members) = retries.as_object() else { return FOREIGN.to_owned() };
    let known = members.iter().map(|(name, value)| {
        let is_known = match name.as_str() {
            "policy" => value.as_str().is_some_and(|word| POLICIES.contains(&word)),
            "delaySeconds" | "attempts" => value.is_number(),
            _ => return FOREIGN.to_owned(),
        };
        let value = if is_known { value.to_string() } else { FOREIGN.to_owned() };
        format!("\"{name}\":{value}")
    });
    format!("{{{}}}", known.collect::<Vec<_>>().join(","))
}

fn as_set(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// The configuration with our entry as it should be, once; everything else as it is.
pub(super) fn registered(
    config: Option<&str>,
    wanted: &WantedWebhook,
    key: Option<&SecretString>,
) -> Result<String, OddShape> {
    let config = config.unwrap_or("{}");
    let entries = Entries::of(config, &wanted.url)?;
    let list = entries.list.unwrap_or("null");
    let list = match entries.ours.split_first() {
        None => push(list, &wanted.json(key))?,
        Some(((_, first), further)) => {
            let mended = mended(first, wanted, key)?;
            let list = replace(list, first, &mended);
            let mut places = further.iter().rev().map(|(place, _)| *place);
            places.try_fold(list, |list, place| without_item(&list, place))?
        }
    };
    set(config, &["webhooks"], &list)
}

/// An entry with what differs put right.
fn mended(
    entry: &str,
    wanted: &WantedWebhook,
    key: Option<&SecretString>,
) -> Result<String, OddShape> {
    let mut mended = entry.to_owned();
    for difference in of_entry(&value(entry), wanted, key) {
        mended = match difference {
            Difference::Url { wanted, .. } => {
                set(&mended, &["url"], &Value::from(wanted).to_string())?
            }
            Difference::Events { wanted, .. } => set(&mended, &["events"], &list(&wanted))?,
            Difference::Key { .. } => {
                let key = key.map(ExposeSecret::expose_secret).unwrap_or_default();
                set(&mended, &["hmac", "key"], &Value::from(key).to_string())?
            }
            Difference::Retries { .. } => with_retries(&mended, wanted)?,
            Difference::Missing(_)
            | Difference::Repeated(_)
            | Difference::Global
            | Difference::Unreadable => mended,
        };
    }
    Ok(mended)
}

fn with_retries(entry: &str, wanted: &WantedWebhook) -> Result<String, OddShape> {
    let entry = set(entry, &["retries", "policy"], &Value::from(POLICY).to_string())?;
    let entry = set(&entry, &["retries", "delaySeconds"], &wanted.retry_delay_s.to_string())?;
    set(&entry, &["retries", "attempts"], &wanted.retry_attempts.to_string())
}

/// The configuration without entries that reach the door and source of a URL; none if there are none.
pub(super) fn unregistered(config: Option<&str>, url: &Url) -> Result<Option<String>, OddShape> {
    let Some(config) = config else { return Ok(None) };
    let entries = Entries::of(config, url)?;
    let Some(list) = entries.list.filter(|_| !entries.ours.is_empty()) else { return Ok(None) };
    let mut places = entries.ours.iter().rev().map(|(place, _)| *place);
    let list = places.try_fold(list.to_owned(), |list, place| without_item(&list, place))?;
    set(config, &["webhooks"], &list).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://ingest:8080/webhooks/default";

    fn wanted() -> WantedWebhook {
        WantedWebhook {
            url: URL.parse().unwrap(),
            events: vec!["*".to_owned()],
            retry_delay_s: 2,
            retry_attempts: 15,
        }
    }

    fn key() -> SecretString {
        SecretString::from("the-new-key")
    }

    fn names(config: Option<&str>) -> Vec<&'static str> {
        let found = compare(config, &wanted(), Some(&key())).unwrap();
        found.differences.iter().map(Difference::name).collect()
    }

    /// A CRM's webhook, and ours with a header that somebody added and a member of a later release.
    fn config(entry: &str) -> String {
        format!(
            r#"{{ "metadata":{{"user.id":"42"}}, "debug":false,
  "webhooks": [ {{"url":"https://crm.example/in","events":["message"]}}, {entry} ],
  "later": {{"number": 12345678901234567890}} }}"#
        )
    }

    const OURS: &str = r#"{"url":"http://ingest:8080/webhooks/default", "events":["*"],
        "hmac":{"key":"the-new-key","later":1},"retries":{"policy":"exponential","delaySeconds":2,"attempts":15},
        "customHeaders":[{"name":"X-Tenant","value":"7"}]}"#;

    #[test]
    fn what_is_as_it_should_be_differs_in_nothing() {
        assert_eq!(names(Some(&config(OURS))), Vec::<&str>::new());
        let same = OURS.replace("http://ingest:8080/", "HTTP://INGEST:8080/");
        assert_eq!(names(Some(&config(&same))), Vec::<&str>::new(), "another spelling of the URL");
        let found = compare(Some(&config(OURS)), &wanted(), None).unwrap();
        assert_eq!(found, Comparison { differences: Vec::new(), others: 1 });
    }

    #[test]
    fn each_part_is_compared_and_put_right_alone() {
        for (from, to, name) in [
            (r#"["*"]"#, r#"["message","session.status"]"#, "events"),
            ("the-new-key", "the-old-key", "key"),
            (r#""attempts":15"#, r#""attempts":3"#, "retries"),
            ("exponential", "constant", "retries"),
        ] {
            let before = config(&OURS.replace(from, to));
            assert_eq!(names(Some(&before)), [name]);
            let after = registered(Some(&before), &wanted(), Some(&key())).unwrap();
            assert_eq!(after, config(OURS), "{name}");
        }
    }

    #[test]
    fn an_entry_without_key_and_retries_gets_them_at_its_end() {
        let bare = format!(r#"{{"url":"{URL}","events":["*"]}}"#);
        assert_eq!(names(Some(&config(&bare))), ["key", "retries"]);
        let after = registered(Some(&config(&bare)), &wanted(), Some(&key())).unwrap();
        let whole = format!(
            r#"{{"url":"{URL}","events":["*"],"hmac":{{"key":"the-new-key"}},"retries":{{"policy":"exponential","delaySeconds":2,"attempts":15}}}}"#
        );
        assert_eq!(after, config(&whole));
        // A door that verifies nothing wants no key, and takes none away.
        let open = compare(Some(&config(&whole)), &wanted(), None).unwrap();
        assert_eq!(open.differences, []);
    }

    #[test]
    fn a_session_without_a_configuration_gets_one() {
        for none in [None, Some("{}"), Some(r#"{"webhooks":null}"#), Some(r#"{"webhooks":[]}"#)] {
            assert_eq!(names(none), ["missing"], "{none:?}");
            let after = registered(none, &wanted(), Some(&key())).unwrap();
            assert_eq!(names(Some(&after)), Vec::<&str>::new(), "{after}");
        }
        assert!(compare(Some("[]"), &wanted(), None).is_err());
    }

    /// Else a second one would be added, and each event come twice.
    #[test]
    fn ours_by_another_url_is_put_right_and_taken_out_as_ours() {
        for odd in ["?x=1", "#top", "?token=the-secret-key#a"] {
            let before =
                config(&OURS.replace("/webhooks/default", &format!("/webhooks/default{odd}")));
            assert_eq!(names(Some(&before)), ["url"], "{odd}");
            let after = registered(Some(&before), &wanted(), Some(&key())).unwrap();
            assert_eq!(after, config(OURS), "{odd}");
            assert!(unregistered(Some(&before), &URL.parse().unwrap()).unwrap().is_some(), "{odd}");
        }
        let before = config(&OURS.replace("ingest:8080", "user:the-secret-key@ingest:8080"));
        let found = compare(Some(&before), &wanted(), Some(&key())).unwrap().differences;
        let shown: String = found.iter().map(ToString::to_string).collect();
        assert!(shown.contains("://***@ingest:8080/") && !shown.contains("secret"), "{shown}");
        let twice = config(&format!("{}, {OURS}", OURS.replace("/default", "/default?x=1")));
        assert_eq!(names(Some(&twice)), ["url", "repeated"]);
        assert_eq!(registered(Some(&twice), &wanted(), Some(&key())).unwrap(), config(OURS));
    }

    #[test]
    fn of_retries_only_what_waha_knows_is_shown() {
        let retries =
            serde_json::json!({ "policy": "linear", "attempts": 3, "delaySeconds": "S1", "S2": 1 });
        let shown = known_retries(&retries);
        assert!(
            shown.contains("\"policy\":\"linear\"") && shown.contains("\"attempts\":3"),
            "{shown}"
        );
        assert!(!shown.contains("S1") && !shown.contains("S2"), "{shown}");
        assert!(!known_retries(&serde_json::json!({ "policy": "S1" })).contains("S1"));
        assert_eq!(known_retries(&serde_json::json!("S1")), FOREIGN);
    }

    #[test]
    fn what_is_there_twice_stays_once() {
        let before = config(&format!("{OURS}, {OURS}"));
        assert_eq!(names(Some(&before)), ["repeated"]);
        let after = registered(Some(&before), &wanted(), Some(&key())).unwrap();
        assert_eq!(after, config(OURS));
        let before = config(&format!("{OURS}, {OURS}, {OURS}"));
        let after = registered(Some(&before), &wanted(), Some(&key())).unwrap();
        assert_eq!(after, config(OURS));
    }

    /// Somebody's entry, or ours, may hold what no parser keeps.
    #[test]
    fn odd_values_beside_ours_change_nothing() {
        for odd in [r#""x":1e999"#, r#""x":"\ud800""#, r#""retries":{"attempts":1e999}"#] {
            let ours = OURS.replacen('{', &format!("{{{odd},"), 1);
            let found = names(Some(&config(&ours)));
            assert_eq!(found, Vec::<&str>::new(), "{odd}: the last of a name counts");
        }
        let spoiled = OURS.replace(r#""attempts":15"#, r#""attempts":1e999"#);
        assert_eq!(names(Some(&config(&spoiled))), ["retries"]);
        let after = registered(Some(&config(&spoiled)), &wanted(), Some(&key())).unwrap();
        assert_eq!(after, config(OURS));
    }

    #[test]
    fn only_ours_is_taken_out() {
        let url = URL.parse().unwrap();
        let after = unregistered(Some(&config(OURS)), &url).unwrap().unwrap();
        assert!(!after.contains("ingest") && after.contains("crm.example"), "{after}");
        let twice = unregistered(Some(&config(&format!("{OURS}, {OURS}"))), &url).unwrap();
        assert_eq!(twice.as_ref(), Some(&after));
        assert_eq!(unregistered(Some(&after), &url).unwrap(), None);
        assert_eq!(unregistered(None, &url).unwrap(), None);
    }

    #[test]
    fn what_is_shown_holds_no_key() {
        let bad = config(&OURS.replace("the-new-key", "the-old-key"));
        for config in [None, Some(bad.as_str())] {
            let found = compare(config, &wanted(), Some(&key())).unwrap();
            let shown: String = found.differences.iter().map(ToString::to_string).collect();
            assert!(!shown.contains("-key") && shown.contains("***"), "{shown}");
            assert!(!format!("{found:?}").contains("-key"));
        }
    }
}
