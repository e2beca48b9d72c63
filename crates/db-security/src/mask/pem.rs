//! Private keys in PEM, whose lines come one by one.

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const KEY: &str = "PRIVATE KEY-----";

/// The longest key: what goes on after that is none.
const MAX_KEY_BYTES: usize = 32 << 10;

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Outside,
    /// In a key of which so many bytes were seen.
    Inside(usize),
}

/// What is left of a text, by what `mask` leaves of what is not of a key that began before; and where the text ends.
pub(super) fn mask(state: State, text: &str, mask: impl Fn(&str) -> String) -> (String, State) {
    let (left, rest) = match state {
        State::Outside => (String::new(), text),
        State::Inside(seen) => match skip(seen, text) {
            Ok(rest) => (String::new(), rest),
            // The line break behind the mask went with the key.
            Err(Skipped::NoKey(rest)) => ("\n".to_owned(), rest),
            Err(Skipped::All) => return (String::new(), State::Inside(seen + text.len())),
        },
    };
    let state = if is_open(rest) { State::Inside(0) } else { State::Outside };
    (left + &mask(rest), state)
}

enum Skipped<'t> {
    /// All of it is of the key.
    All,
    /// From here on it is no key's, though none has ended.
    NoKey(&'t str),
}

/// What follows on the end of the key.
fn skip(seen: usize, text: &str) -> Result<&str, Skipped<'_>> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(end) = end_in(line) {
            return Ok(&text[at + end..]);
        }
        if seen + at > MAX_KEY_BYTES || !is_of_key(line.trim()) {
            return Err(Skipped::NoKey(&text[at..]));
        }
        at += line.len();
    }
    Err(Skipped::All)
}

/// Whether a line may be one of a key: of Base64, alone or behind what a log writes before, empty, or of its header.
fn is_of_key(line: &str) -> bool {
    let is_base64 =
        |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let last = line.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_header = ["Proc-Type:", "DEK-Info:"].iter().any(|header| line.starts_with(header));
    is_base64(line) || is_header || last.len() >= 32 && is_base64(last)
}

/// Where the end of a key ends.
fn end_in(text: &str) -> Option<usize> {
    marks(text, END).next().map(|(_, end)| end)
}

/// Whether a key begins that does not end.
fn is_open(text: &str) -> bool {
    marks(text, BEGIN).last().is_some_and(|(_, begun)| end_in(&text[begun..]).is_none())
}

/// Where a first or last line of a private key stands.
fn marks<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = (usize, usize)> + 't {
    text.match_indices(mark).filter_map(move |(at, _)| {
        let kind = &text[at + mark.len()..];
        let length = kind.find(KEY)?;
        let is_kind = kind[..length].bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ');
        is_kind.then_some((at, at + mark.len() + length + KEY.len()))
    })
}
