//! Words for the people of a history to say. Used by `message` and `people`.
//!
//! Most texts are short and plain; some are of the kinds that break naive code: emoji with
//! joiners, right-to-left, combining characters, two thousand characters.

use super::json::LONE_SURROGATE;
use super::seeded_rng::SeededRng;

const WORDS: &[&str] = &[
    "the", "order", "is", "ready", "please", "send", "a", "new", "invoice", "for", "our", "van",
    "tomorrow", "morning", "can", "you", "call", "me", "after", "lunch", "we", "need", "two",
    "more", "boxes", "of", "tiles", "thanks", "where", "delivery", "street", "late", "today",
    "again", "price", "still", "open", "until", "six", "meet", "at", "gate", "bring", "keys",
    "small", "change", "to", "plan", "it", "works", "now", "maybe", "next", "week", "good", "idea",
    "in", "stock", "sold", "out", "paid", "by", "card", "question", "about", "size", "and",
    "colour", "blue", "green",
];

const EMOJI: &[&str] = &["👍", "🎉", "❤️", "👩🏽‍🔧", "🇪🇺", "😂", "🚚", "👨‍👩‍👧‍👦", "✅", "🙏🏿"];

const RIGHT_TO_LEFT: &[&str] =
    &["שלום, מה שלומך?", "أين الطلب من فضلك؟", "תודה רבה!", "موعدنا غدا صباحا", "كم السعر؟"];

const COMBINING: &[&str] = &[
    "cafe\u{301} a\u{300} emporter",
    "Z\u{30c}luty\u{301} ku\u{30a}n\u{30c}",
    "สวัสดีค่ะ ขอบคุณ",
    "नमस्ते, क्या हाल है?",
    "z\u{351}\u{36b}\u{343}a\u{35d}\u{309}l\u{321}g\u{353}o\u{31b}",
];

/// Longest text made here, in words; a word has seven characters at most.
const LONG_WORDS_MAX: u64 = 270;

/// A message's text, never empty. `odd` adds now and then what no consumer expects: NUL and lone
/// surrogates.
pub(crate) fn sentence(rng: &mut SeededRng, odd: bool) -> String {
    let text = match rng.below(100) {
        0..=4 => format!("{} {}", words(rng, 1, 5), rng.pick(EMOJI)),
        5..=7 => rng.pick(EMOJI).to_owned(),
        8..=11 => rng.pick(RIGHT_TO_LEFT).to_owned(),
        12..=14 => rng.pick(COMBINING).to_owned(),
        15..=16 => words(rng, 120, LONG_WORDS_MAX),
        17..=20 => format!("{}\n\n\"{}\"", words(rng, 2, 6), words(rng, 2, 9)),
        _ => words(rng, 1, 16),
    };
    if odd && rng.per_mille(200) { spoil(rng, &text) } else { text }
}

/// `least` to `most` - 1 plain words.
pub(crate) fn words(rng: &mut SeededRng, least: u64, most: u64) -> String {
    let count = least + rng.below(most - least);
    let mut text = String::new();
    for position in 0..count {
        if position > 0 {
            text.push(' ');
        }
        text.push_str(rng.pick(WORDS));
    }
    text
}

pub(crate) fn emoji(rng: &mut SeededRng) -> &'static str {
    rng.pick(EMOJI)
}

fn spoil(rng: &mut SeededRng, text: &str) -> String {
    if rng.per_mille(500) { format!("{text}\0.") } else { format!("{text}{LONE_SURROGATE}.") }
}
