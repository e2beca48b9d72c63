//! From what was written under a name to a typed value, or to the problems with it.

use crate::error::{Problem, ProblemKind};
use crate::host::Address;
use crate::schema::{self, Key, Kind, Zero};
use crate::span::{self, Bare, Fault, Window};
use crate::value::{RedisUrl, Value};
use crate::{Pem, command_words, hint, mask, url};
use db_core::Secret;
use std::path::PathBuf;

/// What a layer holds under a name.
#[derive(Clone)]
#[cfg_attr(not(feature = "file"), expect(dead_code, reason = "only files hold numbers, booleans and lists"))]
pub(crate) enum Raw {
    Text(String),
    /// A number or a boolean of a file, as text.
    Literal(String),
    List(Vec<String>),
}

/// A value for one key; a compound such as `database.url` gives several.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) key: &'static Key,
    pub(crate) value: Value,
    /// Follows from what was written without being written, so it yields to a value that is (a URL without a port).
    pub(crate) implied: bool,
}

impl Part {
    pub(crate) fn new(key: &'static str, value: Value) -> Self {
        Self { key: schema::key(key), value, implied: false }
    }

    pub(crate) fn implied(key: &'static str, value: Value) -> Self {
        Self { implied: true, ..Self::new(key, value) }
    }
}

/// Parses the value of a key. The problems name neither key nor source: the caller knows them.
///
/// # Errors
/// All that is wrong with the value.
pub(crate) fn parse(key: &'static Key, bare: Bare, raw: &Raw) -> Result<Vec<Part>, Vec<Problem>> {
    let one = |value| vec![Part { key, value, implied: false }];
    match (key.kind, raw) {
        (Kind::PostgresUrl, Raw::Text(text)) if !text.is_empty() => url::postgres::parse(text),
        (Kind::Replicas, Raw::List(items)) => {
            url::replicas(items).map(|replicas| one(Value::Replicas(replicas)))
        }
        (Kind::Replicas, Raw::Text(text)) => {
            url::replicas(&url::split_list(text)?).map(|replicas| one(Value::Replicas(replicas)))
        }
        (Kind::Command, Raw::List(words)) => {
            Ok(one(Value::Command(words.iter().map(|word| Secret::new(word.as_str())).collect())))
        }
        (Kind::Addresses | Kind::Ports, Raw::List(items)) => {
            value(key, bare, &items.join(",")).map(one).map_err(only)
        }
        (_, Raw::List(_)) => Err(only(invalid("a list", "give one value"))),
        (Kind::Text | Kind::Secret | Kind::Pem | Kind::Path, Raw::Literal(_)) => {
            Err(only(invalid("read as a number or a boolean, which changes it", "put it into quotes")))
        }
        (_, Raw::Text(text) | Raw::Literal(text)) => value(key, bare, text).map(one).map_err(only),
    }
}

fn value(key: &Key, bare: Bare, text: &str) -> Result<Value, Problem> {
    // No password at all is what an empty one means to libpq as well.
    if text.is_empty() && !matches!(key.kind, Kind::Secret) {
        return Err(invalid("empty", "leave it out, or give a value"));
    }
    match key.kind {
        Kind::Text => plain(text),
        Kind::Secret if text.contains('\0') => {
            Err(invalid("holds a NUL character", "leave it out").value(mask::MASK))
        }
        Kind::Secret => Ok(Value::Secret(Secret::new(text))),
        Kind::Word(words) => word(text, words),
        Kind::Flag => flag(text),
        Kind::Count { least, most } => count(text, least, most),
        Kind::PoolSize => count(text, 1, 10_000),
        Kind::MaxOverflow => overflow(text),
        Kind::Span { zero, window } => span(text, zero, bare, window),
        Kind::Addresses => addresses(text),
        Kind::Ports => ports(text),
        Kind::Path if mask::may_hold_secret(text) || text.contains(char::is_control) => {
            Err(invalid("not a path", "give the path of a file").value(mask::MASK))
        }
        Kind::Path => Ok(Value::Path(PathBuf::from(text))),
        Kind::Pem => Pem::parse(text).map(Value::Pem).ok_or_else(|| {
            invalid("neither a path nor PEM text", "give the path of a PEM file, or its text")
                .value(mask::MASK)
        }),
        Kind::Command => command_words::split(text).map(Value::Command).ok_or_else(|| {
            invalid("a quote is not closed", "close it; words are split as by a shell, nothing is expanded")
                .value(mask::MASK)
        }),
        Kind::RedisUrl => redis(text),
        Kind::PostgresUrl | Kind::Replicas => {
            Err(invalid("not a URL", "write postgres://user@host:port/database"))
        }
    }
}

pub(crate) fn invalid(what: impl Into<Box<str>>, fix: impl Into<Box<str>>) -> Problem {
    Problem::new(ProblemKind::Invalid, what, fix)
}

fn only(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

fn plain(text: &str) -> Result<Value, Problem> {
    if mask::may_hold_secret(text) {
        let fix = "put a connection string into DATABASE_URL and a password into DB_PASSWORD";
        return Err(invalid("looks like a connection string or a credential", fix).value(mask::MASK));
    }
    if text.contains(char::is_control) || text.len() > 200 {
        return Err(
            invalid("longer than 200 bytes, or holds control characters", "shorten it").value(mask::MASK)
        );
    }
    Ok(Value::Text(text.to_owned()))
}

fn word(text: &str, words: &'static [&'static [&'static str]]) -> Result<Value, Problem> {
    let known = || words.iter().flat_map(|spellings| spellings.iter().copied());
    if let Some(spellings) =
        words.iter().find(|spellings| spellings.iter().any(|word| word.eq_ignore_ascii_case(text)))
    {
        return Ok(Value::Word(spellings[0]));
    }
    let fix =
        format!("use one of {}", words.iter().map(|spellings| spellings[0]).collect::<Vec<_>>().join(", "));
    let hint = hint::nearest(text, known());
    Err(invalid("unknown word", fix).value(mask::shown_word(text, known())).hint(hint))
}

fn flag(text: &str) -> Result<Value, Problem> {
    const YES: [&str; 4] = ["true", "yes", "on", "1"];
    const NO: [&str; 4] = ["false", "no", "off", "0"];
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is(&YES), is(&NO)) {
        (true, _) => Ok(Value::Flag(true)),
        (_, true) => Ok(Value::Flag(false)),
        _ => {
            let words = ["true", "false"];
            let problem = invalid("neither true nor false", "write true or false");
            Err(problem.value(mask::shown_word(text, words)).hint(hint::nearest(text, words)))
        }
    }
}

fn count(text: &str, least: u32, most: u32) -> Result<Value, Problem> {
    match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(Value::Count(number)),
        Ok(_) => {
            Err(invalid("out of range", format!("give {least} to {most}")).value(mask::shown_number(text)))
        }
        Err(_) => {
            Err(invalid("not a whole number", format!("give {least} to {most}"))
                .value(mask::shown_number(text)))
        }
    }
}

fn overflow(text: &str) -> Result<Value, Problem> {
    if text == "-1" {
        return Err(invalid("without a limit", "every pool has a limit: give 0 to 10000").value(text));
    }
    count(text, 0, 10_000)
}

fn span(text: &str, zero: Zero, bare: Bare, window: Window) -> Result<Value, Problem> {
    let off = ["off", "never", "-1"].iter().any(|word| word.eq_ignore_ascii_case(text));
    let parsed = if off { Ok(std::time::Duration::ZERO) } else { span::parse(text, bare, window) };
    let problem = match parsed {
        Ok(span) if !span.is_zero() => return Ok(Value::Span(Some(span))),
        Ok(_) if zero == Zero::Off => return Ok(Value::Span(None)),
        Ok(_) => invalid("must be longer than zero", "give a span such as 30s"),
        Err(Fault::Form) => invalid("not a time span", "give a number and a unit: 500ms, 30s, 5m, 1h, 1d"),
        Err(Fault::NoUnit) => invalid("the unit is missing", "write the unit: 500ms, 30s, 5m, 1h, 1d"),
        Err(Fault::Range) => {
            invalid("out of range", format!("give 1ms to {}, or 0 for none", span::render(span::LONGEST)))
        }
        Err(Fault::Implausible { as_read, unit, meant }) => {
            let what = format!(
                "a bare number is in {unit} here, and {} is outside {} to {}",
                span::render(as_read),
                span::render(window.least),
                span::render(window.most)
            );
            let fix = meant.map_or_else(
                || "write the unit".to_owned(),
                |meant| format!("did you mean {meant}? write the unit"),
            );
            invalid(what, fix)
        }
    };
    Err(problem.value(mask::shown_number(text)))
}

fn addresses(text: &str) -> Result<Value, Problem> {
    let parsed: Option<Vec<Address>> = text.split(',').map(Address::parse).collect();
    parsed.map(Value::Addresses).ok_or_else(|| {
        let fix = if text.contains("://") {
            "a connection URL belongs into DATABASE_URL"
        } else {
            "give host names, addresses or absolute socket directories, by commas; a port belongs into DB_PORT"
        };
        invalid("not a host", fix).value(mask::MASK)
    })
}

fn ports(text: &str) -> Result<Value, Problem> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let parsed: Option<Vec<u16>> = text.split(',').map(port).collect();
    parsed.map(Value::Ports).ok_or_else(|| {
        invalid("not a port", "give 1 to 65535, or one for each host by commas")
            .value(mask::shown_number(text))
    })
}

fn redis(text: &str) -> Result<Value, Problem> {
    let (masked, tls) = url::redis::masked(text)?;
    Ok(Value::Redis(RedisUrl { url: Secret::new(text), masked, tls }))
}

#[cfg(test)]
mod tests {
    use super::{Raw, parse};
    use crate::schema;

    fn check(key: &str, text: &str, expected: Result<&str, &str>) {
        let (key, bare) = schema::of_path(key).or_else(|| schema::of_variable(key)).unwrap();
        let found = parse(key, bare, &Raw::Text(text.to_owned()));
        let found = match &found {
            Ok(parts) => Ok(parts[0].value.shown()),
            Err(problems) => Err(problems[0].to_string()),
        };
        match (found, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn words_and_flags() {
        check("DB_SSL_MODE", "verify-full", Ok("verify-full"));
        check("DB_SSL_MODE", "Require", Ok("require"));
        check("DB_SSL_MODE", "requre", Err("`requre`: unknown word"));
        check("DB_SSL_MODE", "requre", Err("did you mean require?"));
        check("DB_SSL_MODE", "hunter2", Err("`***`"));
        check("NODE_ENV", "prod", Ok("production"));
        check("NODE_ENV", "test", Ok("development"));
        check("DB_TARGET_SESSION_ATTRS", "read_write", Err("did you mean read-write?"));
        check("DB_LOG_QUERIES", "yes", Ok("true"));
        check("DB_LOG_QUERIES", "0", Ok("false"));
        check("DB_LOG_QUERIES", "ture", Err("did you mean true?"));
    }

    #[test]
    fn counts_and_ports() {
        check("DB_POOL_MAX", "20", Ok("20"));
        check("DB_POOL_MAX", "0", Err("`0`: out of range; give 1 to 10000"));
        check("DB_POOL_MIN", "0", Ok("0"));
        check("DB_POOL_MAX", "-5", Err("not a whole number"));
        check("DB_PORT", "5432,5433", Ok("5432,5433"));
        check("DB_PORT", "0", Err("`0`: not a port"));
        check("DB_PORT", "65536", Err("`65536`: not a port"));
        check("DB_PORT", "hunter2", Err("`***`: not a port"));
    }

    #[test]
    fn spans_by_the_unit_of_their_name() {
        check("DB_QUERY_TIMEOUT", "30000", Ok("30s"));
        check("DB_QUERY_TIMEOUT", "30.0", Ok("30s"));
        check("DB_QUERY_TIMEOUT", "30", Err("did you mean 30s? write the unit"));
        check("DB_QUERY_TIMEOUT", "30ms", Ok("30ms"));
        check("DB_QUERY_TIMEOUT", "off", Ok("off"));
        check("DB_POOL_CONNECTION_TIMEOUT", "2000", Ok("2s"));
        check("DB_POOL_CONNECTION_TIMEOUT", "0", Err("must be longer than zero"));
        check("DB_CONNECT_TIMEOUT", "2000", Err("the unit is missing"));
        check("DB_HEALTH_CHECK_INTERVAL", "30", Err("did you mean 30s?"));
        check("REDIS_DEFAULT_TTL", "300", Ok("5m"));
        check("database.pool_recycle", "3600", Ok("1h"));
        check("database.pool_recycle", "-1", Ok("off"));
        check("database.pool_timeout", "30000", Err("did you mean 30000ms?"));
        check("database.query_timeout", "60", Ok("1m"));
        check("pool.acquire_timeout", "30", Err("the unit is missing"));
    }

    #[test]
    fn texts_that_may_hold_a_secret_are_refused_and_masked() {
        for key in ["DB_HOST", "DB_NAME", "DB_USER", "DB_APPLICATION_NAME", "DB_PASSWORD_FILE", "DB_SSL_CA"] {
            check(key, "postgres://u:hunter2@h", Err("`***`"));
        }
        check("DB_HOST", "u:hunter2@h", Err("`***`: not a host"));
        check("DB_NAME", "host=h password=hunter2", Err("`***`: looks like"));
        check("DB_SSL_KEY", "-----BEGIN PRIVATE KEY-----\\nabc", Ok("*** (PEM text)"));
    }

    #[test]
    fn hosts() {
        check("DB_HOST", "a,b", Ok("a,b"));
        check("DB_HOST", "/tmp", Ok("/tmp"));
        check("DB_HOST", "a,,b", Err("not a host"));
        check("DB_HOST", "", Err("empty"));
    }
}
