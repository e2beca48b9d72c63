//! What is sent to Redis to publish and to hear, and what its answers hold. Pure.

use super::position::{Id, Look};
use crate::redis::command::{Script, Way, run};
use crate::redis::fault::Fault;
use redis::{Cmd, Pipeline, Value};
use std::time::Duration;

/// Adds a message under the number after the last one's, in a stream that is begun where there is none. Numbers of a script
/// have 53 bits, which microseconds fill in the year 2255.
const PUBLISH: Script = Script {
    text: "\
local last = redis.pcall('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last.err then return last end
local epoch, number
if last[1] then
  epoch, number = string.match(last[1][1], '^(%d+)-(%d+)$')
else
  local now = redis.call('TIME')
  epoch, number = now[1] .. string.format('%06d', now[2]), 0
  redis.call('DEL', KEYS[1])
end
local id = epoch .. '-' .. string.format('%.0f', number + 1)
local done = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], id, 'm', ARGV[1])
if done.err then return done end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return id",
    sha1: "c7ea2c161bc2bf38ca52ee91e22a73e7eea31e3c",
};

/// The last id with the server's history; begins a stream where there is none, so that one who listens knows when it is lost.
const LOOK: Script = Script {
    text: "\
local last = redis.pcall('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last.err then return last end
local id
if last[1] then
  id = last[1][1]
else
  local now = redis.call('TIME')
  id = now[1] .. string.format('%06d', now[2]) .. '-0'
  redis.call('DEL', KEYS[1])
  local done = redis.pcall('XADD', KEYS[1], id, 'begin', '')
  if done.err then return done end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {id, redis.call('INFO', 'replication')}",
    sha1: "c993b0fea77ede0fee6adf3d2eaa7c32cbb22c56",
};

/// What is kept of a stream for those who were away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) messages: u64,
    pub(super) millis: u64,
}

impl Kept {
    pub(super) fn new(messages: u64, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64 / 4);
        Self { messages, millis }
    }
}

pub(super) fn publish(key: &str, message: &[u8], kept: Kept, way: Way) -> Cmd {
    let mut command = run(&PUBLISH, way, key);
    command.arg(message).arg(kept.messages).arg(kept.millis);
    command
}

pub(super) fn published(answer: &Value) -> Result<(), Fault> {
    match answer {
        Value::BulkString(id) if str::from_utf8(id).ok().and_then(Id::parse).is_some() => Ok(()),
        other => Err(strange(other)),
    }
}

pub(super) fn look(key: &str, kept: Kept, way: Way) -> Cmd {
    let mut command = run(&LOOK, way, key);
    command.arg(kept.millis);
    command
}

pub(super) fn looked(answer: &Value) -> Result<Look, Fault> {
    let Value::Array(parts) = answer else { return Err(strange(answer)) };
    let [Value::BulkString(id), info] = &parts[..] else { return Err(strange(answer)) };
    let last = str::from_utf8(id).ok().and_then(Id::parse).ok_or_else(|| strange(&Value::Nil))?;
    Ok(Look { history: history(info)?.into(), last })
}

/// Looks at all of them, by a connection that need not know the script.
pub(super) fn look_at_all<'a>(keys: impl ExactSizeIterator<Item = &'a str>, kept: Kept) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(keys.len() + 1);
    pipeline.cmd("SCRIPT").arg("LOAD").arg(LOOK.text);
    for key in keys {
        pipeline.add_command(look(key, kept, Way::Known));
    }
    pipeline
}

/// Waits for entries after these positions, and asks for the server's history after that.
pub(super) fn read(positions: &[(&str, Id)], most: usize, block: Duration) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(2);
    // For ever would be 0.
    let millis = block.as_millis().max(1);
    pipeline.cmd("XREAD").arg("COUNT").arg(most).arg("BLOCK").arg(millis.to_string()).arg("STREAMS");
    for (key, _) in positions {
        pipeline.arg(*key);
    }
    for (_, at) in positions {
        pipeline.arg(at.to_string());
    }
    pipeline.cmd("INFO").arg("replication");
    pipeline
}

/// An entry of a stream; the beginning of one has no message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) message: Option<Vec<u8>>,
}

/// The entries by their keys, each in its order.
pub(super) fn entries(answer: Value) -> Result<Vec<(String, Vec<Entry>)>, Fault> {
    match answer {
        // Nothing came in time.
        Value::Nil => Ok(Vec::new()),
        Value::Array(streams) => streams.into_iter().map(stream).collect(),
        other => Err(strange(&other)),
    }
}

fn stream(stream: Value) -> Result<(String, Vec<Entry>), Fault> {
    let [Value::BulkString(key), Value::Array(entries)] = array(stream)? else {
        return Err(strange(&Value::Nil));
    };
    let key = String::from_utf8(key).map_err(|_| strange(&Value::Nil))?;
    Ok((key, entries.into_iter().map(entry).collect::<Result<_, _>>()?))
}

fn entry(entry: Value) -> Result<Entry, Fault> {
    let [Value::BulkString(id), Value::Array(fields)] = array(entry)? else {
        return Err(strange(&Value::Nil));
    };
    let id = str::from_utf8(&id).ok().and_then(Id::parse).ok_or_else(|| strange(&Value::Nil))?;
    let message = match <[Value; 2]>::try_from(fields) {
        Ok([_, Value::BulkString(message)]) if id.number > 0 => Some(message),
        _ => None,
    };
    Ok(Entry { id, message })
}

fn array<const N: usize>(value: Value) -> Result<[Value; N], Fault> {
    match value {
        Value::Array(parts) => parts.try_into().map_err(|_| strange(&Value::Nil)),
        other => Err(strange(&other)),
    }
}

/// The replication id in what INFO tells.
pub(super) fn history(info: &Value) -> Result<&str, Fault> {
    let text = match info {
        Value::BulkString(text) => str::from_utf8(text).unwrap_or_default(),
        Value::VerbatimString { text, .. } => text,
        other => return Err(strange(other)),
    };
    let id = text.lines().find_map(|line| line.strip_prefix("master_replid:"));
    id.ok_or_else(|| Fault::Refused("it does not tell its master_replid".to_owned()))
}

fn strange(answer: &Value) -> Fault {
    match answer {
        Value::ServerError(error) => Fault::of_reply(error),
        _ => Fault::Refused("an answer that Redis does not give".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Id, entries, history};
    use redis::Value;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn entries_are_read_and_a_beginning_is_no_message() {
        let entry = |id: &str, field: &str| {
            Value::Array(vec![text(id), Value::Array(vec![text(field), text("bytes")])])
        };
        let streams = vec![Value::Array(vec![
            text("key"),
            Value::Array(vec![entry("7-0", "begin"), entry("7-1", "m")]),
        ])];
        let read = entries(Value::Array(streams)).expect("as Redis answers");
        let expected = vec![
            Entry { id: Id { epoch: 7, number: 0 }, message: None },
            Entry { id: Id { epoch: 7, number: 1 }, message: Some(b"bytes".to_vec()) },
        ];
        assert_eq!(read, [("key".to_owned(), expected)]);
        assert_eq!(entries(Value::Nil), Ok(vec![]));
        for strange in [Value::Okay, Value::Array(vec![Value::Nil]), Value::Array(vec![Value::Array(vec![])])]
        {
            assert!(entries(strange).is_err());
        }
    }

    #[test]
    fn a_history_is_told_among_other_things() {
        let info = text("# Replication\r\nrole:master\r\nmaster_replid:abc\r\nmaster_replid2:000\r\n");
        assert_eq!(history(&info), Ok("abc"));
        assert!(history(&text("role:master\r\n")).is_err());
        assert!(history(&Value::Nil).is_err());
    }
}
