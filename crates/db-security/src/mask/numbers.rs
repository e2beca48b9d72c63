//! Numbers that prove themselves: those of payment cards and of bank accounts, between whatever other numbers stand.

use regex::Regex;
use std::{ops::Range, sync::LazyLock};

/// The numbers of cards in a text.
pub(super) fn cards(text: &str) -> Vec<Range<usize>> {
    static RUN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b[0-9]+(?:[ -][0-9]+)*\b").expect("a form of this program's own"));
    let mut found = Vec::new();
    for run in RUN.find_iter(text).filter(|run| run.len() >= CARD_DIGITS.start) {
        let mut groups = Vec::new();
        let mut start = run.start();
        for (at, letter) in run.as_str().char_indices().filter(|(_, letter)| !letter.is_ascii_digit()) {
            groups.push(start..run.start() + at);
            start = run.start() + at + letter.len_utf8();
        }
        groups.push(start..run.end());
        cards_of(text, &groups, true, &mut found);
    }
    found
}

const CARD_DIGITS: Range<usize> = 13..20;

/// The cards among groups of digits. All of them together may be one, whatever they look like; some of them only in a form in
/// which cards are written.
fn cards_of(text: &str, groups: &[Range<usize>], is_whole: bool, found: &mut Vec<Range<usize>>) {
    let span = |groups: &[Range<usize>]| groups[0].start..groups[groups.len() - 1].end;
    if is_whole && !groups.is_empty() && passes_luhn(&text[span(groups)]) {
        return found.push(span(groups));
    }
    let mut from = 0;
    while from < groups.len() {
        let written = |count: &usize| {
            let some = groups.get(from..from + count);
            some.is_some_and(|some| is_written(some) && passes_luhn(&text[span(some)]))
        };
        match [5, 4, 3, 1].into_iter().find(written) {
            Some(count) => {
                found.push(span(&groups[from..from + count]));
                from += count;
            }
            None => from += 1,
        }
    }
}

/// Forms in which cards are written: in one, in fours, and as 4-6-5 and 4-6-4.
fn is_written(groups: &[Range<usize>]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(Range::len).collect();
    match lengths[..] {
        [one] => CARD_DIGITS.contains(&one),
        [4, 6, 4 | 5] | [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3] => true,
        _ => false,
    }
}

/// Luhn's test (ISO/IEC 7812-1, annex B).
fn passes_luhn(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    CARD_DIGITS.contains(&digits.len()) && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// The numbers of bank accounts in a text. What stands behind one, and could be part of it, is left away word by word.
pub(super) fn ibans(text: &str) -> Vec<Range<usize>> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b").expect("a form of this program's own")
    });
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(run) = FORM.find_at(text, from) {
        let spaces = run.as_str().rmatch_indices(' ').map(|(at, _)| run.start() + at);
        let mut ends = std::iter::once(run.end()).chain(spaces);
        match ends.find(|end| passes_iban(&text[run.start()..*end])) {
            Some(end) => {
                found.push(run.start()..end);
                from = end;
            }
            // Another may begin within what was none.
            None => from = run.start() + 2,
        }
    }
    found
}

/// The test of ISO 13616: the number that the letters make, its first four put last, is 1 modulo 97.
fn passes_iban(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|letter| *letter != ' ').collect();
    if !(15..=34).contains(&letters.len()) {
        return false;
    }
    let (country, rest) = letters.split_at(4);
    let mut remainder = 0_u32;
    for letter in rest.iter().chain(country) {
        let Some(value) = letter.to_digit(36) else { return false };
        remainder = (remainder * if value < 10 { 10 } else { 100 } + value) % 97;
    }
    remainder == 1
}

/// The text with something else in these places; `None` where there are none.
pub(super) fn replaced(text: &str, places: &[Range<usize>], instead: &str) -> Option<String> {
    let (mut masked, mut from) = (String::with_capacity(text.len()), 0);
    for place in places {
        masked.push_str(&text[from..place.start]);
        masked.push_str(instead);
        from = place.end;
    }
    masked.push_str(&text[from..]);
    (!places.is_empty()).then_some(masked)
}

#[cfg(test)]
mod tests {
    use super::{cards, ibans};

    #[track_caller]
    fn check(found: &[std::ops::Range<usize>], text: &str, expected: &[&str]) {
        let found: Vec<&str> = found.iter().map(|place| &text[place.clone()]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_card_is_found_between_other_numbers() {
        for (text, expected) in [
            ("4111 1111 1111 1111 12/27", vec!["4111 1111 1111 1111"]),
            ("4111111111111111 123", vec!["4111111111111111"]),
            ("7 4111 1111 1111 1111", vec!["4111 1111 1111 1111"]),
            (
                "row 7 4111-1111-1111-1111 2 4012888888881881 3",
                vec!["4111-1111-1111-1111", "4012888888881881"],
            ),
            ("3782 822463 10005 1 2", vec!["3782 822463 10005"]),
            ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", vec!["4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"]),
            ("4111 1111 1111 1112 12", vec![]),
            ("1000 2000 3000 4001", vec![]),
            ("0000 0000 0000 0000", vec![]),
        ] {
            check(&cards(text), text, &expected);
        }
    }

    #[test]
    fn an_account_is_found_before_other_words() {
        for (text, expected) in [
            ("DE89 3704 0044 0532 0130 00 BIC COBADEFF", vec!["DE89 3704 0044 0532 0130 00"]),
            ("DE89370400440532013000 EUR 12", vec!["DE89370400440532013000"]),
            ("AB12 DE89 3704 0044 0532 0130 00", vec!["DE89 3704 0044 0532 0130 00"]),
            (
                "GB82 WEST 1234 5698 7654 32 GB82 WEST 1234 5698 7654 32",
                vec!["GB82 WEST 1234 5698 7654 32"; 2],
            ),
            ("GB82 WEST 1234 5698 7654 33 AND MORE", vec![]),
        ] {
            check(&ibans(text), text, &expected);
        }
    }

    #[test]
    fn long_texts_of_numbers_take_no_longer_than_they_are_long() {
        let numbers = "1234 ".repeat(200_000);
        assert!(cards(&numbers).len() < 100_000);
        assert!(ibans(&"DE12 ".repeat(100_000)).len() < 100_000);
    }
}
