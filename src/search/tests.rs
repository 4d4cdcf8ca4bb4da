use proptest::prelude::*;

use super::fold::fold;
use super::{SearchQuery, SearchQueryError, words_of};

fn finds(typed: &str, text: &str) -> bool {
    SearchQuery::parse(typed).unwrap().matches(text)
}

#[test]
fn what_reads_alike_is_one() {
    for (text, folded) in [
        ("Ärger in STRASSE, Straße", "arger in strasse, strasse"),
        ("İstanbul Istanbul ıslak ISLAK", "istanbul istanbul islak islak"),
        ("Œuvre, Łódź, smørrebrød", "oeuvre, lodz, smorrebrod"),
        ("ﬁn ＡＢＣ１２ ①", "fin abc12 1"),
        ("أحمد مُحَمَّد ســلام", "احمد محمد سلام"),
        ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
        ("👍🏽 ❤️", "👍 ❤"),
        ("がぎ 한국", "がぎ 한국"),
        ("हिन्दी", "हिन्दी"),
    ] {
        assert_eq!(fold(text), folded, "{text}");
    }
}

#[test]
fn words_are_found_by_their_beginnings() {
    let text = "Rechnung Nr. 2026-17 über 1.250 € für Ömer's Café, ok?";
    for found in ["rech", "RECHNUNG", "2026-17", "café 17", "omer's", "uber fur", "ok", "cafe r"] {
        assert!(finds(found, text), "{found}");
    }
    for missing in ["echnung", "rechnungen", "rech kaffee", "2027", "ok x"] {
        assert!(!finds(missing, text), "{missing}");
    }
}

#[test]
fn runs_are_found_by_their_parts() {
    let text = "今天天气很好 iPhone手机 👨‍👩‍👧 👍👍 สวัสดีครับ";
    for found in ["天气", "气", "天天气", "iphone", "手机", "iphone手机", "👩", "👍", "ดีครับ", "👍🏿"]
    {
        assert!(finds(found, text), "{found}");
    }
    for missing in ["天今", "天很", "机手", "👎", "👧👍"] {
        assert!(!finds(missing, text), "{missing}");
    }
}

#[test]
fn nothing_in_a_query_is_an_operator() {
    for (typed, asked) in [
        ("100% _a_bc \"x y\" +must -not*", vec!["must", "100", "not", "bc"]),
        ("a' OR 'bb':* & !cc | (dd)", vec!["bb", "cc", "dd", "or"]),
        ("NEAR(one, two) AND NOT", vec!["near", "and", "not", "one", "two"]),
    ] {
        assert_eq!(SearchQuery::parse(typed).unwrap().asked(), asked, "{typed}");
    }
}

#[test]
fn what_would_find_nearly_all_is_refused() {
    for typed in ["", " ", "a", "a b c", "%%", "'; --", "…!?", "\u{301}\u{301}", "\u{200d}"] {
        assert_eq!(SearchQuery::parse(typed), Err(SearchQueryError::TooShort), "{typed:?}");
    }
    assert_eq!(SearchQuery::parse(&"long ".repeat(2_000)), Err(SearchQueryError::TooLong));
    assert!(SearchQuery::parse(&"x".repeat(200)).is_ok());
    for typed in ["ab", "1 23", "中", "👍"] {
        assert!(SearchQuery::parse(typed).is_ok(), "{typed}");
    }
}

#[test]
fn a_text_has_bounds() {
    let text = "中文".chars().cycle().take(100_000).chain(" end".chars()).collect::<String>();
    assert_eq!(words_of(&text).into_iter().collect::<Vec<_>>(), ["中文", "文", "文中"]);
    let long = "x".repeat(500);
    assert!(finds(&long[..100], &long) && words_of(&long).iter().all(|word| word.len() == 64));
    let many: String =
        (0..60_000).map(|at| char::from_u32(0x4e00 + at % 20_000).unwrap()).collect();
    assert!(words_of(&many).iter().map(|word| word.len() + 1).sum::<usize>() < 1 << 20);
}

proptest! {
    /// The database is asked for what the words of a text have, whatever it holds.
    #[test]
    fn what_is_accepted_has_the_words(text in "\\PC{0,40}", from in 0_usize..40, length in 1_usize..20) {
        let typed: String = text.chars().skip(from).take(length).collect();
        if let Ok(query) = SearchQuery::parse(&typed)
            && query.matches(&text)
        {
            let words = words_of(&text);
            for asked in query.asked() {
                prop_assert!(words.iter().any(|word| word.starts_with(asked)), "{asked} in {words:?}");
            }
        }
    }

    /// What becomes of a text does not change when it is folded once more.
    #[test]
    fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
        let folded = fold(&text);
        prop_assert_eq!(fold(&folded), folded);
    }
}
