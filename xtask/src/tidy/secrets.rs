//! Secrets that look like secrets. What has no shape of its own is for people to see.

/// How a token begins, and how many more letters and digits it has at the least.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("sk_live_", 24),
    ("AIza", 35),
];

const KEY_BEGINS: &str = "-----BEGIN ";
/// So much of a key's body on the line after its beginning is no example.
const KEY_BODY: usize = 40;

/// Looks at one file.
pub(crate) fn check(path: &str, text: &str, found: &mut Vec<String>) {
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let next = lines.peek().map_or("", |(_, line)| line.trim());
        let what =
            token(line).or_else(|| (opens_key(line) && run(next) >= KEY_BODY).then_some("a private key"));
        if let Some(what) = what {
            found.push(format!(
                "{path}:{}: this looks like a secret ({what}…): revoke it, and take it out of the history too",
                index + 1
            ));
        }
    }
}

/// The beginning of the token in this line.
fn token(line: &str) -> Option<&'static str> {
    let found = TOKENS.iter().find(|(begin, length)| {
        line.match_indices(begin).any(|(at, _)| {
            !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
                && run(&line[at + begin.len()..]) >= *length
        })
    });
    found.map(|(begin, _)| *begin)
}

fn opens_key(line: &str) -> bool {
    line.contains(KEY_BEGINS) && line.contains("PRIVATE KEY-----")
}

/// How many characters of a token or of base64 a text begins with.
fn run(text: &str) -> usize {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-+/=".contains(*c)).count()
}

#[cfg(test)]
mod tests {
    use super::check;

    fn is_found(text: &str) -> bool {
        let mut found = Vec::new();
        check("a.rs", text, &mut found);
        !found.is_empty()
    }

    #[test]
    fn secrets_are_seen_and_talk_of_them_is_not() {
        for (text, seen) in [
            (concat!("key = \"AK", "IAIOSFODNN7EXAMPLE\"").to_owned(), true),
            (format!("token: gh{}{}", "p_", "a1".repeat(18)), true),
            (format!("-----BEGIN RSA PRIVATE {}\n{}\n", "KEY-----", "Ab0/".repeat(16)), true),
            ("AKIA is how such keys begin".to_owned(), false),
            ("MAKIAABCDEFGHIJKLMNOP".to_owned(), false),
            (format!("-----BEGIN PRIVATE {}\nabc\n", "KEY-----"), false),
        ] {
            assert_eq!(is_found(&text), seen, "{text}");
        }
    }
}
