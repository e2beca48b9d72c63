//! What is sent to Redis, and what its answers hold. Pure.
//!
//! A value is one byte, eight of its version (big-endian), and the bytes. A number is what Redis itself counts with, so
//! that INCRBY refuses a value: the first byte is neither digit nor sign, and no text in UTF-8 begins with it.

use super::fault::{Fault, Meaning};
use db_core::{Expected, KeyValueError, Put, Stored, Version};
use redis::{Cmd, Value};
use std::time::Duration;

const TAG: u8 = 0xc1;
const HEAD_BYTES: usize = 9;
/// A hundred years: Redis refuses a time that ends beyond its clock.
const LONGEST_MILLIS: u64 = 100 * 365 * 24 * 3_600 * 1_000;
/// Keys of one step of a scan: some hundred microseconds of the server's one thread.
const SCAN_COUNT: u32 = 1_000;

/// A script, and its SHA-1 by which a server that has seen it knows it.
pub(crate) struct Script {
    pub(crate) text: &'static str,
    pub(crate) sha1: &'static str,
}

/// Errors are handed back as they are: up to version 6 Redis writes its own words before those that `call` raises.
pub(crate) const SET_IF: Script = Script {
    text: "\
local head = redis.pcall('GETRANGE', KEYS[1], 0, 8)
if type(head) == 'table' or head ~= ARGV[1] then return 0 end
local done = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if done.err then return done end
return 1",
    sha1: "2187f552190d33e9fcc723cf3dd7af8b2808bba6",
};

/// The sum goes back as text: numbers of a script have 53 bits. One without an end has just begun.
pub(crate) const INCREMENT: Script = Script {
    text: "\
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' then return sum end
if redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('GET', KEYS[1])",
    sha1: "a83dcf77d4e3921d6b668fdd0aedbeac205fd070",
};

pub(crate) fn get(keys: &[&str]) -> Cmd {
    match keys {
        [key] => command("GET", &[key]),
        _ => command("MGET", keys),
    }
}

pub(crate) fn delete(keys: &[&str]) -> Cmd {
    command("UNLINK", keys)
}

fn command(name: &str, keys: &[&str]) -> Cmd {
    let bytes: usize = keys.iter().map(|key| key.len()).sum();
    let mut command = Cmd::with_capacity(keys.len() + 1, bytes + name.len());
    command.arg(name);
    for key in keys {
        command.arg(*key);
    }
    command
}

pub(crate) fn set(put: &Put<'_>) -> Cmd {
    let mut command = Cmd::with_capacity(5, put.key.len() + put.value.len() + HEAD_BYTES + 24);
    command.arg("SET").arg(put.key).arg(with_head(put)).arg("PX").arg(millis(put.ttl));
    command
}

pub(crate) fn set_if(expected: Expected, put: &Put<'_>, way: Way) -> Cmd {
    let mut command = run(&SET_IF, way, put.key);
    match expected {
        Expected::Absent => command.arg(""),
        Expected::Version(version) => command.arg(&head(version)[..]),
    };
    command.arg(with_head(put)).arg(millis(put.ttl));
    command
}

pub(crate) fn increment(key: &str, by: i64, ttl: Duration, way: Way) -> Cmd {
    let mut command = run(&INCREMENT, way, key);
    command.arg(by).arg(millis(ttl));
    command
}

pub(crate) fn scan(cursor: u64, prefix: &str) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(beginning_with(prefix)).arg("COUNT").arg(SCAN_COUNT);
    command
}

pub(crate) fn length(key: &str) -> Cmd {
    command("STRLEN", &[key])
}

pub(crate) fn info() -> Cmd {
    redis::cmd("INFO")
}

/// How a script is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By its checksum: what a server has once seen.
    Known,
    /// In full; from then on the server knows it.
    InFull,
}

pub(crate) fn run(script: &Script, way: Way, key: &str) -> Cmd {
    let mut command = match way {
        Way::Known => redis::cmd("EVALSHA"),
        Way::InFull => redis::cmd("EVAL"),
    };
    command.arg(if way == Way::Known { script.sha1 } else { script.text }).arg(1).arg(key);
    command
}

fn head(version: Version) -> [u8; HEAD_BYTES] {
    let mut head = [TAG; HEAD_BYTES];
    head[1..].copy_from_slice(&version.0.to_be_bytes());
    head
}

fn with_head(put: &Put<'_>) -> Vec<u8> {
    [&head(put.version)[..], put.value].concat()
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_MILLIS)
}

/// A pattern of what begins with it, letter by letter.
fn beginning_with(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('*');
    pattern
}

/// What is under keys, from the answer to [`get`]. What something else has put there is nothing of ours: a miss.
pub(crate) fn stored(
    keys: &[&str],
    answer: Value,
    store: &str,
) -> Result<Vec<Option<Stored>>, KeyValueError> {
    match answer {
        Value::Array(found) if keys.len() != 1 && found.len() == keys.len() => {
            keys.iter().zip(found).map(|(key, value)| one(key, value, store)).collect()
        }
        other if keys.len() == 1 => Ok(vec![one(keys[0], other, store)?]),
        other => Err(strange(&other, store)),
    }
}

fn one(key: &str, value: Value, store: &str) -> Result<Option<Stored>, KeyValueError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => split(key, bytes),
        // A list, a set: nothing of ours. Of several keys Redis says Nil.
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(None),
        other => Err(strange(&other, store)),
    }
}

fn split(key: &str, mut bytes: Vec<u8>) -> Result<Option<Stored>, KeyValueError> {
    if let Some((&TAG, rest)) = bytes.split_first()
        && let Some(version) = rest.first_chunk()
    {
        let version = Version(u64::from_be_bytes(*version));
        bytes.drain(..HEAD_BYTES);
        return Ok(Some(Stored { version, value: bytes }));
    }
    if str::from_utf8(&bytes).is_ok_and(|text| text.parse::<i64>().is_ok()) {
        return Err(KeyValueError::WrongKind { key: key.to_owned(), found: "number" });
    }
    Ok(None)
}

pub(crate) fn done(answer: &Value, store: &str) -> Result<(), KeyValueError> {
    match answer {
        Value::Okay => Ok(()),
        other => Err(strange(other, store)),
    }
}

pub(crate) fn count(answer: &Value, store: &str) -> Result<u64, KeyValueError> {
    match answer {
        Value::Int(count) if *count >= 0 => Ok(count.unsigned_abs()),
        other => Err(strange(other, store)),
    }
}

pub(crate) fn sum(key: &str, answer: &Value, store: &str) -> Result<i64, KeyValueError> {
    let key = || key.to_owned();
    match answer {
        Value::BulkString(text) => {
            let sum = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            sum.ok_or_else(|| strange(answer, store))
        }
        Value::ServerError(error) => Err(match Meaning::of(error) {
            Meaning::NotANumber => KeyValueError::WrongKind { key: key(), found: "value" },
            Meaning::Overflow => KeyValueError::Overflow { key: key() },
            _ => strange(answer, store),
        }),
        other => Err(strange(other, store)),
    }
}

/// A step of a scan: the next cursor and the keys. One that is no text is nothing of ours.
pub(crate) fn scanned(answer: Value, store: &str) -> Result<(u64, Vec<String>), KeyValueError> {
    let strange = |answer: &Value| strange(answer, store);
    let Value::Array(parts) = answer else { return Err(strange(&answer)) };
    let Ok([Value::BulkString(cursor), Value::Array(keys)]) = <[Value; 2]>::try_from(parts) else {
        return Err(strange(&Value::Nil));
    };
    let cursor = str::from_utf8(&cursor).ok().and_then(|text| text.parse().ok());
    let cursor = cursor.ok_or_else(|| strange(&Value::Nil))?;
    let text = |key| match key {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    Ok((cursor, keys.into_iter().filter_map(text).collect()))
}

/// The length of what is under a key; nothing where that is gone, or something else's.
pub(crate) fn bytes(answer: &Value) -> Option<usize> {
    match answer {
        Value::Int(bytes) => usize::try_from(*bytes).ok().filter(|bytes| *bytes > 0),
        _ => None,
    }
}

/// What INFO tells: a name and a value in each line.
pub(crate) fn told(answer: Value, store: &str) -> Result<Vec<(String, String)>, KeyValueError> {
    let text = match answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        other => return Err(strange(&other, store)),
    };
    let lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    Ok(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What it says, or that it says something else than Redis does; never what a value holds.
fn strange(answer: &Value, store: &str) -> KeyValueError {
    match answer {
        Value::ServerError(error) => Fault::of_reply(error).into_error(store),
        _ => Fault::Refused("an answer that Redis does not give".to_owned()).into_error(store),
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_MILLIS, TAG, beginning_with, millis, stored};
    use db_core::{KeyValueError, Stored, Version};
    use redis::Value;
    use std::time::Duration;

    #[test]
    fn a_prefix_is_taken_by_its_letters() {
        for (prefix, expected) in [
            ("app:user:", "app:user:*"),
            ("a*b?", r"a\*b\?*"),
            (r"[^a-z]\", r"\[\^a\-z\]\\*"),
            ("", "*"),
            ("ä", "ä*"),
        ] {
            assert_eq!(beginning_with(prefix), expected);
        }
    }

    #[test]
    fn times_are_whole_milliseconds_within_a_century() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::from_secs(2)), 2_000);
        assert_eq!(millis(Duration::MAX), LONGEST_MILLIS);
    }

    #[test]
    fn what_is_not_ours_is_a_miss() {
        let check = |bytes: &[u8], expected: Option<Stored>| {
            let found = stored(&["k"], Value::BulkString(bytes.to_vec()), "redis").expect("no number");
            assert_eq!(found, [expected], "{bytes:?}");
        };
        check(b"", None);
        check(b"text", None);
        check(b"1.5", None);
        check(&[TAG, 0, 0, 0, 0, 0, 0, 1], None);
        check(&[0xff; 20], None);
        let one = Stored { version: Version(1), value: b"x".to_vec() };
        check(&[TAG, 0, 0, 0, 0, 0, 0, 0, 1, b'x'], Some(one));
    }

    #[test]
    fn a_number_is_no_value_and_an_answer_has_its_shape() {
        let get = |keys: &[&str], answer| stored(keys, answer, "redis");
        let number = get(&["k"], Value::BulkString(b"-7".to_vec()));
        assert!(matches!(number, Err(KeyValueError::WrongKind { key, found: "number" }) if key == "k"));
        for answer in [Value::Okay, Value::Int(3), Value::Array(vec![])] {
            assert!(matches!(get(&["k"], answer), Err(KeyValueError::Refused { .. })));
        }
        let short = Value::Array(vec![Value::Nil]);
        assert!(matches!(get(&["a", "b"], short), Err(KeyValueError::Refused { .. })));
    }
}
