//! Forms of what must not be read, and what stands in its place.

use super::numbers::{cards, ibans, replaced};
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
    /// A value behind a name that says that it is secret: `password=…`, `"token": "…"`, `PASSWORD '…'`, `--password …`,
    /// `<password>…`, and the rest of the line behind `Authorization:` and `Cookie:`.
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
        let forms: &[&Form] = match self {
            Self::PrivateKey => &[&PRIVATE_KEY],
            Self::UrlPassword => &[&URL_PASSWORD],
            Self::Named => &[&HEADER, &NAMED, &QUOTED, &OPTION, &ELEMENT, &BEARER],
            Self::Jwt => &[&JWT],
            Self::Token => &[&TOKEN],
            Self::Email => &[&EMAIL],
            Self::Card => return replaced(text, &cards(text), "[card]"),
            Self::Iban => return replaced(text, &ibans(text), "[iban]"),
            Self::Phone => &[&PHONE],
            Self::IpAddress => &[&IP_ADDRESS],
        };
        let mut masked: Option<String> = None;
        for form in forms {
            let now = masked.as_deref().unwrap_or(text);
            if form.is_match(now) {
                let next = form.replace_all(now, |found: &Captures<'_>| self.instead(found)).into_owned();
                masked = Some(next);
            }
        }
        masked.filter(|masked| masked != text)
    }

    /// What stands in its place; itself where it only looks like one.
    fn instead(self, found: &Captures<'_>) -> String {
        let whole = &found[0];
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        match self {
            Self::PrivateKey => "[private key]".to_owned(),
            Self::UrlPassword => format!("{}***@", part(1)),
            Self::Named => {
                let quote = opening(&whole[part(1).len()..]);
                // What ends a value is what began it, without the letter that may stand before.
                let end = quote.trim_start_matches(|letter: char| !matches!(letter, '\\' | '"' | '\''));
                format!("{}{quote}***{end}", part(1))
            }
            Self::Jwt | Self::Token => "[token]".to_owned(),
            Self::Email => "[email]".to_owned(),
            Self::Phone => format!("{}[phone]", part(1)),
            Self::IpAddress if whole.parse::<std::net::IpAddr>().is_ok() => "[ip]".to_owned(),
            Self::Card | Self::Iban | Self::IpAddress => whole.to_owned(),
        }
    }
}

/// What a value in quotes begins with: the quote, with the backslashes or the letter before it. Empty where it has none.
fn opening(value: &str) -> &str {
    let quote = value.find(['"', '\'']).filter(|at| {
        let before = &value[..*at];
        before.bytes().all(|byte| byte == b'\\') || matches!(before, "e" | "E" | "n" | "N" | "u&" | "U&")
    });
    quote.map_or("", |at| &value[..=at])
}

/// What stands before a credential in a header, and may be read.
const SCHEMES: &str = "bearer|basic|token|apikey|negotiate|ntlm|digest";

type Form = LazyLock<Regex>;

macro_rules! forms {
    ($($name:ident = $form:expr;)+) => {
        $(static $name: Form =
            LazyLock::new(|| Regex::new(AsRef::<str>::as_ref(&$form)).expect("a form of this program's own"));)+

        #[cfg(test)]
        pub(super) fn all() -> Vec<&'static str> {
            vec![$($name.as_str()),+]
        }
    };
}

/// Names whose values are secret, wherever they stand. ASCII letters of either case, by themselves: what Unicode has of cases is
/// a part of `regex` that not everybody who builds this has.
pub(super) const SECRET_NAMES: &str = "password|passwd|pwd|passphrase|secret|token|api[_-]?key|apikey|access[_-]?key|\
    private[_-]?key|signing[_-]?key|master[_-]?key|client[_-]?secret|authorization|credentials?|cookie|session[_-]?id|signature";

/// A name of them, with what stands before and behind it.
fn secret_name() -> String {
    format!(r"(?:\b|_)(?i-u:[a-z0-9_.-]*(?:{SECRET_NAMES})[a-z0-9_]*|(?:[a-z0-9.-]*[_.-])?pass)")
}

/// A value in quotes, of JSON, of JSON in JSON or of SQL: up to the quote that ends it, or to the end where the text was cut.
const QUOTED_VALUE: &str = r#""(?:[^"\\]|\\.)*(?:"|\\?$)|(?i-u:e|n|u&)?'(?:[^'\\]|\\.|'')*(?:'|\\?$)|\\"(?:[^"\\]|\\\\(?:\\["\\]|[^"\\])|\\[^"\\])*(?:\\?"|\\*$)|\\{2,}"[^"]*(?:"|$)"#;

/// A value without quotes: signs that may end it belong to it where it goes on.
const BARE_VALUE: &str = r#"(?:[,;&)}\]]*[^\s"',;&)}\]])+"#;

forms! {
    PRIVATE_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)";
    // Up to the last at sign: a password that nobody has escaped may hold one, and what else ends a host.
    URL_PASSWORD = r#"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/?#@]*:)(?:[^\s"'<>]*|[^\s/?#]*)@"#;
    // The line is the value, of whatever parts it is.
    HEADER = format!(r#"(\b(?i-u:[a-z-]*authorization|(?:set-)?cookie2?)[ \t]*:[ \t]*(?i-u:(?:{SCHEMES})[ \t]+)?)[^\s"'\\](?:[^\r\n]*\b(?i-u:response|signature)=[^\r\n]*|[^\r\n"]*)"#);
    NAMED = format!(
        r#"({}\\*["']?\s*(?:=>|[:=]|%3[ADad])\s*(?i-u:(?:{SCHEMES})\s+)?)(?:{QUOTED_VALUE}|\{{[^{{}}\n]*\}}(?:{BARE_VALUE})?|\[[^\[\]\n]*\](?:{BARE_VALUE})?|[\[{{][^\n]*|{BARE_VALUE})"#,
        secret_name()
    );
    // As in `ALTER ROLE app PASSWORD 'x'`.
    QUOTED = format!(r#"((?:\b|_)(?i-u:[a-z0-9_.-]*(?:{SECRET_NAMES})|identified\s+by)\s+)(?:{QUOTED_VALUE}|\$[A-Za-z0-9_]*\$[^$]*(?:\$[A-Za-z0-9_]*\$|$))"#);
    // As in `--password x`.
    OPTION = format!(r#"((?:^|\s)--?(?i-u:[a-z0-9-]*(?:{SECRET_NAMES})[a-z0-9-]*)\s+)(?:{QUOTED_VALUE}|[^\s"'-][^\s"']*)"#);
    // As in `<password>x</password>`.
    ELEMENT = format!(r"(<(?i-u:[a-z0-9_.:-]*(?:{SECRET_NAMES})[a-z0-9_]*)(?:\s[^<>]*)?>)[^<]+");
    BEARER = r"(\b(?i-u:bearer)[ \t]+)[A-Za-z0-9._~+/=-]{8,}";
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
        // What PostgreSQL keeps of a password.
        r"\bSCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=:]+",
        r"\bmd5[0-9a-f]{32}\b",
    ]
    .join("|");
    EMAIL = r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}";
    PHONE = r"(^|[^0-9A-Za-z+])\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}\b";
    IP_ADDRESS = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}";
}
