//! Names that were typed: what is near one that nothing has. Pure.
//!
//! Used by `cli` for groups, reasons and event types, and by `config` for keys.

/// So many near ones are named.
const NEAR_MAX: usize = 3;
/// From 0, nothing in common, to 1, the same.
const SIMILARITY_MIN: f64 = 0.5;

/// Says that nothing has a name, and which ones are near it; else some that there are.
pub fn unknown(what: &str, name: &str, known: impl IntoIterator<Item = String>) -> String {
    let mut known: Vec<String> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let near = nearest(name, &known);
    let hint = match (near.is_empty(), known.is_empty()) {
        (false, _) => format!("; near it: {}", near.join(", ")),
        (true, false) => {
            let more = if known.len() > NEAR_MAX { ", …" } else { "" };
            known.truncate(NEAR_MAX);
            format!("; there are: {}{more}", known.join(", "))
        }
        (true, true) => String::new(),
    };
    format!("there is no {what} {name:?}{hint}")
}

/// The known names that are like it, or that it is the beginning of; the nearest first.
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Vec<&'a str> {
    let likeness = |one: &str| {
        let is_begun = name.len() >= 3 && one.starts_with(name);
        if is_begun { 1.0 } else { strsim::normalized_damerau_levenshtein(name, one) }
    };
    let rated = known.iter().map(|one| (likeness(one), one.as_str()));
    let mut near: Vec<(f64, &str)> =
        rated.filter(|(likeness, _)| *likeness >= SIMILARITY_MIN).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(NEAR_MAX).map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, known: &[&str]) -> String {
        unknown("group", name, known.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn near_names_are_named() {
        let known = ["message.any", "message.ack", "106ea1ee76118e36"];
        assert_eq!(
            said("mesage.any", &known),
            r#"there is no group "mesage.any"; near it: message.any, message.ack"#
        );
        assert!(said("106ea", &known).ends_with("near it: 106ea1ee76118e36"));
        assert!(
            said("x", &known).ends_with("there are: 106ea1ee76118e36, message.ack, message.any")
        );
        assert_eq!(said("x", &[]), r#"there is no group "x""#);
    }
}
