//! What a folded text is made of: words, and runs of signs that are written without spaces.

use unicode_normalization::char::is_combining_mark;

/// A part of a folded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Letters and digits up to the next space or sign.
    Word(&'a str),
    /// Chinese, Japanese, Thai, Lao, Khmer, Burmese, or pictures (emoji).
    Run(&'a str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Unspaced,
    Break,
}

/// All of them, in their order.
pub(super) fn pieces(folded: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        loop {
            let class = class(rest.chars().next()?);
            let end = rest.find(|sign| self::class(sign) != class).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            rest = after;
            match class {
                Class::Letter => return Some(Piece::Word(piece)),
                Class::Unspaced => return Some(Piece::Run(piece)),
                Class::Break => {}
            }
        }
    })
}

fn class(sign: char) -> Class {
    let is_letter = sign.is_alphanumeric() || is_combining_mark(sign);
    if is_picture(sign) || (is_letter && is_unspaced(sign)) {
        Class::Unspaced
    } else if is_letter {
        Class::Letter
    } else {
        Class::Break
    }
}

/// Of writing without spaces between words.
fn is_unspaced(sign: char) -> bool {
    matches!(
        sign,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'
    )
}

fn is_picture(sign: char) -> bool {
    matches!(sign, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}
