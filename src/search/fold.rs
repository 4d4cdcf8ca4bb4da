//! Texts that read alike become one: lower case, accents removed.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// The folded text. `É` is `e`, `İ` and `ı` are `i`, `ß` is `ss`, full width is half width.
pub(super) fn fold(text: &str) -> String {
    let lower = text.nfkd().flat_map(char::to_lowercase);
    // What became lower case may be made of parts again.
    let parts = lower.nfkd().filter(|it| !is_left_out(*it));
    parts.flat_map(spelled).nfc().collect()
}

/// Letters that have no parts, but are written with others where they are missing.
fn spelled(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        // The form at the end of a word.
        'ς' => ('σ', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// What is read over: accents and vowel points, joiners, directions, and what only changes a picture.
fn is_left_out(sign: char) -> bool {
    is_accent(sign)
        || matches!(
            sign,
            '\u{ad}' | '\u{640}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{20e3}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0000}'..='\u{e01ef}'
        )
}

/// Marks of Latin, Greek, Cyrillic, Hebrew and Arabic. Those of Indic, Thai and Japanese writing are letters.
fn is_accent(sign: char) -> bool {
    matches!(canonical_combining_class(sign), 1 | 10..=36 | 200..)
}
