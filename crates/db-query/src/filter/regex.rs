//! Regular expressions before the server sees them: one that it would refuse, or that could keep it busy, is refused here.
//!
//! PostgreSQL's advanced regular expressions, without back references (which alone are not matched in linear time) and with
//! counts up to 255. See <https://www.postgresql.org/docs/current/functions-matching.html>, 9.7.3.

/// What is wrong with a pattern, if something is.
pub(super) fn fault(pattern: &str) -> Option<&'static str> {
    let mut chars = pattern.chars().peekable();
    let mut depth = 0_usize;
    // Whether there is something that a quantifier can be about.
    let mut has_atom = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                None => return Some("it ends in a backslash"),
                Some('1'..='9') => return Some("it has a back reference"),
                // Escapes of classes, borders and control characters, and any sign as itself.
                Some(escaped)
                    if !escaped.is_alphanumeric() || "aAbBcdDefmMnrstvwWxyYZuU0".contains(escaped) =>
                {
                    if matches!(escaped, 'c' | 'x' | 'u' | 'U') {
                        return Some("it has an escape by number; write the character");
                    }
                    has_atom = true;
                }
                Some(_) => return Some("it has an escape that there is not"),
            },
            '[' => {
                if !skip_brackets(&mut chars) {
                    return Some("a bracket is not closed");
                }
                has_atom = true;
            }
            '(' => {
                depth += 1;
                has_atom = false;
                if chars.next_if_eq(&'?').is_some() && !matches!(chars.next(), Some(':' | '=' | '!')) {
                    return Some("it has a group of a kind that there is not");
                }
            }
            ')' => {
                let Some(outer) = depth.checked_sub(1) else { return Some("a parenthesis is not opened") };
                depth = outer;
                has_atom = true;
            }
            '*' | '+' | '?' | '{' => {
                if !has_atom {
                    return Some("a quantifier has nothing before it");
                }
                if char == '{' && !skip_counts(&mut chars) {
                    return Some("a count is none, or above 255");
                }
                // One that is not greedy; a second quantifier is none.
                chars.next_if_eq(&'?');
                has_atom = false;
            }
            '|' | '^' | '$' => has_atom = false,
            _ => has_atom = true,
        }
    }
    (depth > 0).then_some("a parenthesis is not closed")
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Behind `[`: to behind the `]` that ends it. Classes, ranges and equivalences inside are only letters and signs.
fn skip_brackets(chars: &mut Chars<'_>) -> bool {
    chars.next_if_eq(&'^');
    // One that stands first is a member.
    let mut members = usize::from(chars.next_if_eq(&']').is_some());
    while let Some(char) = chars.next() {
        match char {
            ']' => return members > 0,
            // `[:alpha:]` and its kind, and escapes: too many ways to be wrong.
            '[' | '\\' => return false,
            _ => members += 1,
        }
        // A range that runs backwards is an error of the server.
        if chars.peek() == Some(&'-') {
            chars.next();
            match chars.peek() {
                Some(&']') | None => {}
                Some(&end) if end < char || matches!(end, '[' | '\\' | '-') => return false,
                Some(_) => {
                    chars.next();
                }
            }
        }
    }
    false
}

/// Behind `{`: `n}`, `n,}` or `n,m}` with n up to m up to 255.
fn skip_counts(chars: &mut Chars<'_>) -> bool {
    let mut counts = [String::new(), String::new()];
    let mut at = 0;
    for char in chars.by_ref() {
        match char {
            '}' => {
                let count = |text: &str| text.parse::<u8>().ok();
                return match (count(&counts[0]), at, count(&counts[1])) {
                    (Some(_), 0, _) => true,
                    (Some(_), _, None) => counts[1].is_empty(),
                    (Some(least), _, Some(most)) => least <= most,
                    (None, ..) => false,
                };
            }
            ',' if at == 0 => at = 1,
            '0'..='9' => counts[at].push(char),
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_the_server_takes_passes() {
        for pattern in [
            "", "^a.*b$", "[a-z]+", "[^]a]", "(?:a|b)?", "a{2,}", "a{1,3}?", r"\d+\.\d", r"\(", "a||b",
            "[-a]", "[a-]", "(?=a)b",
        ] {
            assert_eq!(fault(pattern), None, "{pattern:?}");
        }
    }

    #[test]
    fn what_the_server_refuses_is_refused_here() {
        for pattern in [
            "(", ")", "[", "[]", "a{", "a{x}", "a{3,1}", "a{256}", "*a", "+", "a**", "^*", r"\", r"(a)\1",
            r"\q", "(?<a)", "[b-a]", "a|*", "(*)", r"\u12",
        ] {
            assert!(fault(pattern).is_some(), "{pattern:?}");
        }
    }
}
