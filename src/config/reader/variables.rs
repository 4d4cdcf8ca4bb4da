//! Environment variables that look like ours and that nothing reads: a setting with one underscore too
//! few would be passed over in silence.

use super::{PREFIX, Reader};
use crate::names::nearest;

/// Those that the command line reads.
const OF_COMMANDS: [&str; 2] = ["WAHA_INGEST_CONFIG", "WAHA_INGEST_SIMULATE_KEY"];

impl Reader {
    /// Refuses variables that mean a key and are written otherwise; returns a line for each that means
    /// nothing here. Asked once every key was read.
    pub(super) fn check_variables(&mut self) -> Vec<String> {
        if !self.reads_environment {
            return Vec::new();
        }
        let named = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().unwrap_or_default()))
        });
        let mut strange: Vec<String> =
            named.filter(|(name, value)| is_strange(name, value)).map(|(name, _)| name).collect();
        strange.sort_unstable();
        let mut notes = Vec::new();
        for name in strange {
            match self.meant(&name) {
                Some(variable) => self.problems.push(format!(
                    "{name} is no setting: two underscores stand after {PREFIX} and between the parts \
                     of a key: {variable}"
                )),
                None => notes.push(format!(
                    "{name} is no setting and changes nothing: settings are {PREFIX}__SECTION__KEY"
                )),
            }
        }
        notes
    }

    /// The variable of the key that a name means if its underscores are not counted.
    fn meant(&self, name: &str) -> Option<String> {
        let bare = letters(&name[PREFIX.len()..]);
        let key = self.asked.keys().find(|key| letters(key) == bare);
        key.map(|key| variable(key)).or_else(|| {
            let field = ["hmac_keys_file", "hmac_keys", "verify"];
            let field = field.into_iter().find(|field| bare.ends_with(&letters(field)))?;
            bare.starts_with("sources").then(|| variable(&format!("sources.name.{field}")))
        })
    }

    /// What is said of a key that nobody reads.
    pub(super) fn unknown_key(&self, key: &str) -> String {
        let known: Vec<String> = self.asked.keys().cloned().collect();
        let bare = letters(key);
        let same = known.iter().find(|known| letters(known) == bare);
        let near = same.map(String::as_str).or_else(|| nearest(key, &known).first().copied());
        match near {
            Some(near) => format!("{key}: unknown key; near it: {near} ({})", variable(near)),
            None => format!("{key}: unknown key"),
        }
    }
}

/// The variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}__{}", key.replace('.', "__").to_uppercase())
}

fn letters(name: &str) -> String {
    name.chars().filter(|it| !"_.".contains(*it)).collect::<String>().to_lowercase()
}

/// Whether a variable starts as ours do and is none, nor one that Kubernetes makes for each Service of
/// the namespace, such as `WAHA_INGEST_SERVICE_HOST` and `WAHA_INGEST_PORT_8080_TCP`.
fn is_strange(name: &str, value: &str) -> bool {
    let upper = name.to_uppercase();
    let Some(rest) = upper.strip_prefix(PREFIX).filter(|rest| rest.starts_with('_')) else {
        return false;
    };
    let is_ours = rest.starts_with("__") || OF_COMMANDS.contains(&upper.as_str());
    let is_link = rest.contains("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || (rest.contains("_PORT") && value.contains("://"))
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|it| rest.contains(it));
    !is_ours && !is_link && !value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_setting_is_strange() {
        for (name, value) in [
            ("WAHA_INGEST_SERVER__LISTEN", "x"),
            ("WAHA_INGEST_SERVER_LISTEN", "x"),
            ("waha_ingest_server_port", "8080"),
        ] {
            assert!(is_strange(name, value), "{name}");
        }
        for (name, value) in [
            ("WAHA_INGEST__SERVER__LISTEN", "x"),
            ("WAHA_INGEST_CONFIG", "x"),
            ("WAHA_INGEST_SERVICE_HOST", "10.0.0.1"),
            ("WAHA_INGEST_SERVICE_PORT_HTTP", "8080"),
            ("WAHA_INGEST_PORT", "tcp://10.0.0.1:8080"),
            ("WAHA_INGEST_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("WAHA_INGEST_ADMIN_PORT_9090_TCP_ADDR", "10.0.0.1"),
            ("WAHA_INGEST_SERVER_LISTEN", ""),
            ("WAHA_INGESTION", "x"),
        ] {
            assert!(!is_strange(name, value), "{name}");
        }
    }
}
