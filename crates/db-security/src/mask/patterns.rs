//! Forms of what must not be read, and what stands in its place.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// A form of personal data or of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Pattern {
    /// A private key in PEM, from its first line to its last, or to the end where that is missing.
    PrivateKey,
    /// The password in `scheme://user:password@host`.
    UrlPassword,
    /// A value behind a name that says that it is secret: `password=…`, `"token": "…"`, `Authorization: Bearer …`.
    Named,
    /// A JSON Web Token.
    Jwt,
    /// A token whose maker gave it a prefix: `ghp_…`, `glpat-…`, `xoxb-…`, `AKIA…`, `sk-…`, `AIza…`, `npm_…`, `pypi-…`, and this system's
    /// own signing keys.
    Token,
    /// An e-mail address.
    Email,
    /// A payment card's number: 13 to 19 digits that pass Luhn's test.
    Card,
    /// An international bank account number that passes its test (ISO 7064).
    Iban,
    /// A telephone number in international form: `+` and 8 to 15 digits.
    Phone,
    /// An IPv4 or IPv6 address. Not looked for unless it is asked for: logs are about machines.
    IpAddress,
}

impl Pattern {
    /// Those that are looked for unless something else is said, in the order in which they are.
    pub(super) const USUAL: [Self; 9] = [
        Self::PrivateKey,
        Self::UrlPassword,
        Self::Jwt,
        Self::Token,
        Self::Named,
        Self::Email,
        Self::Iban,
        Self::Card,
        Self::Phone,
    ];

    /// The text with each of these replaced; `None` where there is none.
    pub(super) fn mask(self, text: &str) -> Option<String> {
        let regex = self.regex();
        if !regex.is_match(text) {
            return None;
        }
        let masked = regex.replace_all(text, |found: &Captures<'_>| self.instead(found));
        (masked != text).then(|| masked.into_owned())
    }

    fn regex(self) -> &'static Regex {
        match self {
            Self::PrivateKey => &PRIVATE_KEY,
            Self::UrlPassword => &URL_PASSWORD,
            Self::Named => &NAMED,
            Self::Jwt => &JWT,
            Self::Token => &TOKEN,
            Self::Email => &EMAIL,
            Self::Card => &CARD,
            Self::Iban => &IBAN,
            Self::Phone => &PHONE,
            Self::IpAddress => &IP_ADDRESS,
        }
    }

    /// What stands in its place; itself where it only looks like one.
    fn instead(self, found: &Captures<'_>) -> String {
        let whole = &found[0];
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        match self {
            Self::PrivateKey => "[private key]".to_owned(),
            Self::UrlPassword => format!("{}***@", part(1)),
            Self::Named => {
                let value = &whole[part(1).len()..];
                let quote =
                    value.chars().next().filter(|letter| matches!(letter, '"' | '\'')).map(String::from);
                let quote = quote.unwrap_or_default();
                format!("{}{quote}***{quote}", part(1))
            }
            Self::Jwt | Self::Token => "[token]".to_owned(),
            Self::Email => "[email]".to_owned(),
            Self::Card if passes_luhn(whole) => "[card]".to_owned(),
            Self::Iban if passes_iban(whole) => "[iban]".to_owned(),
            Self::Phone => format!("{}[phone]", part(1)),
            Self::IpAddress if whole.parse::<std::net::IpAddr>().is_ok() => "[ip]".to_owned(),
            Self::Card | Self::Iban | Self::IpAddress => whole.to_owned(),
        }
    }
}

macro_rules! forms {
    ($($name:ident = $form:expr;)+) => {
        $(static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(AsRef::<str>::as_ref(&$form)).expect("a form of this program's own"));)+

        #[cfg(test)]
        pub(super) fn all_compile() {
            $(LazyLock::force(&$name);)+
        }
    };
}

/// Names whose values are secret, wherever they stand.
pub(super) const SECRET_NAMES: &str = "password|passwd|pwd|passphrase|secret|token|api[_-]?key|apikey|access[_-]?key|\
    private[_-]?key|signing[_-]?key|master[_-]?key|client[_-]?secret|authorization|credentials?|cookie|session[_-]?id";

forms! {
    PRIVATE_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)";
    // Up to the last at sign before the host's end: a password that nobody has escaped may hold one.
    URL_PASSWORD = r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/?#@]*:)[^\s/?#]*@";
    // A value in quotes goes up to the quote that ends it, or to the end where the text was cut.
    NAMED = format!(
        r#"(?i)((?:\b|_)[a-z0-9_.-]*(?:{SECRET_NAMES})[a-z0-9_]*["']?\s*(?:=>|[:=])\s*(?:(?:bearer|basic|token)\s+)?)(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|'(?:[^'\\]|\\.)*(?:'|\\?$)|[^\s"',;&}})\]]+)"#
    );
    JWT = r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*";
    TOKEN = [
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\b(?:sk|rk|pk)[-_](?:live|test|proj|ant|or)?[-_A-Za-z0-9]{16,}",
        r"\bAIza[A-Za-z0-9_-]{30,}",
        r"\bnpm_[A-Za-z0-9]{30,}",
        r"\bpypi-[A-Za-z0-9_-]{30,}",
        r"PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+",
    ]
    .join("|");
    EMAIL = r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}";
    CARD = r"\b[0-9](?:[ -]?[0-9]){12,18}\b";
    IBAN = r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b";
    PHONE = r"(^|[^0-9A-Za-z+])\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}\b";
    IP_ADDRESS = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}";
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
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
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
