//! Numbers and lengths of time as people read them. Pure; called by `cli` and `admin::console`.

/// A length of time in its two largest units.
pub fn span(ms: i64) -> String {
    let s = ms / 1000;
    match s {
        ..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

/// A number with a gap between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([7, 1_234, 12_345_678].map(grouped), ["7", "1 234", "12 345 678"]);
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!([999, 61_000, 3_700_000].map(span), ["0 s", "1 min 1 s", "1 h 1 min"]);
        assert_eq!(span(90_000_000), "1 d 1 h");
    }
}
