//! Splits a command line into its words. No shell is involved: nothing is expanded, nothing redirected.

use db_core::Secret;

/// Words by white space; single and double quotes keep it inside a word, a backslash outside single quotes takes the next
/// character as it is. `None` when a quote is open at the end or there is no word.
pub(crate) fn split(line: &str) -> Option<Vec<Secret>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (None, _) if letter.is_whitespace() => words.extend(word.take().map(Secret::new)),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word.map(Secret::new));
    (quote.is_none() && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn splits_as_a_shell_would_and_expands_nothing() {
        for (line, expected) in [
            ("/bin/get --key a", Some(vec!["/bin/get", "--key", "a"])),
            (" a  'b c' \"d e\" ", Some(vec!["a", "b c", "d e"])),
            ("a $HOME `x` ; b", Some(vec!["a", "$HOME", "`x`", ";", "b"])),
            (r"a\ b 'c\d'", Some(vec!["a b", r"c\d"])),
            ("a ''", Some(vec!["a", ""])),
            ("a 'b", None),
            ("", None),
            ("a \\", None),
        ] {
            let found = split(line);
            let found: Option<Vec<&str>> =
                found.as_ref().map(|words| words.iter().map(|word| word.expose()).collect());
            assert_eq!(found, expected, "{line}");
        }
    }
}
