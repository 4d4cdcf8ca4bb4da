//! Words for the people of a history to say. Used by `message` and `people`.
//!
//! Most texts are short and plain; some are of the kinds that break naive code: emoji with
//! joiners, right-to-left, combining characters, two thousand characters.

use super::dice::Dice;
use super::json::LONE_SURROGATE;

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
pub(crate) fn sentence(dice: &mut Dice, odd: bool) -> String {
    let text = match dice.below(100) {
        0..=4 => format!("{} {}", words(dice, 1, 5), dice.pick(EMOJI)),
        5..=7 => dice.pick(EMOJI).to_owned(),
        8..=11 => dice.pick(RIGHT_TO_LEFT).to_owned(),
        12..=14 => dice.pick(COMBINING).to_owned(),
        15..=16 => words(dice, 120, LONG_WORDS_MAX),
        17..=20 => format!("{}\n\n\"{}\"", words(dice, 2, 6), words(dice, 2, 9)),
        _ => words(dice, 1, 16),
    };
    if odd && dice.per_mille(200) { spoil(dice, &text) } else { text }
}

/// `least` to `most` - 1 plain words.
pub(crate) fn words(dice: &mut Dice, least: u64, most: u64) -> String {
    let count = least + dice.below(most - least);
    let mut text = String::new();
    for position in 0..count {
        if position > 0 {
            text.push(' ');
        }
        text.push_str(dice.pick(WORDS));
    }
    text
}

pub(crate) fn emoji(dice: &mut Dice) -> &'static str {
    dice.pick(EMOJI)
}

fn spoil(dice: &mut Dice, text: &str) -> String {
    if dice.per_mille(500) { format!("{text}\0.") } else { format!("{text}{LONE_SURROGATE}.") }
}
