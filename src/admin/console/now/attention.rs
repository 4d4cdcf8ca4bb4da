//! What somebody should look after, in a line under the verdict: webhooks may all be accounted for, and hundreds of
//! them wait below for a person.

use crate::admin::StatusReport;
use crate::admin::api::status::GROUPS_MAX;
use crate::admin::health::DependencyReport;
use crate::figures::grouped;

/// Something to look after: a class for its colour, words, and where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attention {
    pub(super) class: &'static str,
    pub(super) words: String,
    pub(super) path: &'static str,
}

impl Attention {
    /// All of it, the worst first.
    pub(super) fn all(
        status: &StatusReport,
        dependencies: &[(&'static str, DependencyReport)],
    ) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |class, words, path| all.push(Self { class, words, path });
        for (name, _) in dependencies.iter().filter(|(_, it)| it.is_down()) {
            add("bad", format!("{name} is away"), "#h-dependencies");
        }
        if let Some(words) = dead_letters(status) {
            add("bad", words, "/dead-letters");
        }
        let counts = [
            ("bad", len(&status.failed_sessions), "failed"),
            ("bad", len(&status.troubled_sessions), "in trouble"),
            ("warn", len(&status.silent_sessions), "silent"),
        ];
        for (class, count, what) in counts.into_iter().filter(|(_, count, _)| *count > 0) {
            add(class, format!("{} {what}", counted(count, "session")), "#h-sessions");
        }
        let drifts = len(&status.registration_drifts);
        if drifts > 0 {
            let words = format!("{drifts} of our webhooks otherwise in WAHA");
            add("warn", words, "#h-sessions");
        }
        if let Some(late) = &status.late_files {
            add("warn", format!("{} late", counted(late.count, "file")), "/media?state=waiting");
        }
        all
    }
}

/// Those that wait for a person.
fn dead_letters(status: &StatusReport) -> Option<String> {
    let groups = status.dead_letter_groups.as_ref()?;
    let count: u64 = groups.iter().map(|group| group.count).sum();
    let more = if groups.len() as u64 == GROUPS_MAX { " or more" } else { "" };
    match count {
        0 => None,
        1 => Some("1 dead letter".to_owned()),
        _ => Some(format!("{}{more} dead letters", grouped(count))),
    }
}

fn len<T>(list: &Option<Vec<T>>) -> u64 {
    list.as_ref().map_or(0, |list| list.len() as u64)
}

fn counted(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(count))
}
