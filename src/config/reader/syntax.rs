//! Why a file is no TOML: where, at which key, and the reason; without the line itself, which may hold a
//! secret.

/// What is said of a file that can't be read. `told` is the library's error: its first line says where,
/// its last ones say why, and between them it quotes the file.
pub(super) fn unreadable(file: Option<&str>, told: &str, defaults: &str) -> String {
    let place = told.lines().next().unwrap_or_default();
    let quoted = told.lines().enumerate().filter(|(_, line)| is_quote(line)).last();
    let why = told.lines().skip(quoted.map_or(1, |(last, _)| last + 1));
    let why: Vec<&str> = why.map(str::trim).filter(|line| !line.is_empty()).collect();
    let key = file.and_then(|file| key_at(file, line_of(place)?, defaults));
    let file = file.map(|file| format!("{file}: ")).unwrap_or_default();
    let key = key.map(|key| format!(", at {key}")).unwrap_or_default();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join(", ")) };
    format!("{file}{place}{key}{why}")
}

/// Such as `3 | listen = here` and `  |     ^`.
fn is_quote(line: &str) -> bool {
    line.trim_start_matches(|it: char| it == ' ' || it.is_ascii_digit()).starts_with('|')
}

/// The number in "TOML parse error at line 3, column 5".
fn line_of(place: &str) -> Option<usize> {
    place.split_once("line ")?.1.split(',').next()?.parse().ok()
}

/// The key on a line of a file, if it is one that we know by name: anything else may be part of a value.
fn key_at(file: &str, line: usize, defaults: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let before: Vec<&str> = text.lines().take(line).map(str::trim).collect();
    let name = before.last()?.split('=').next()?.trim();
    let assigned = format!("{name} =");
    let is_known = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&assigned);
    if name.is_empty() || !defaults.lines().any(is_known) {
        return None;
    }
    let section = before.iter().rev().find_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    Some(section.map_or_else(|| name.to_owned(), |section| format!("{section}.{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: &str = "listen = 1\n# hmac_keys = [\"a\"]\n";

    #[test]
    fn place_key_and_reason_are_said_and_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "[server]\nlisten = here\nc2VjcmV0 = x\n").unwrap();
        let file = file.to_str().unwrap();
        let told = |line: u8| {
            format!(
                "TOML parse error at line {line}, column 10\n  |\n{line} | listen = here\n  |  ^\n\
                 string values must be quoted\nexpected literal string\n"
            )
        };
        let said = unreadable(Some(file), &told(2), DEFAULTS);
        let why = "string values must be quoted, expected literal string";
        let place = "TOML parse error at line 2, column 10, at server.listen";
        assert_eq!(said, format!("{file}: {place}: {why}"));
        let said = unreadable(Some(file), &told(3), DEFAULTS);
        assert!(!said.contains("c2VjcmV0") && !said.contains("here"), "{said}");
    }
}
