//! What a server says of its own accord. Pure.

use redis::{PushInfo, PushKind, Value};

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'p> {
    /// These have changed; a key that is no text is nothing of ours.
    Changed(Vec<&'p str>),
    /// Anything may have, as by FLUSHALL.
    ChangedAll,
    /// The connection has ended.
    Ended,
    Nothing,
}

pub(super) fn read(push: &PushInfo) -> Said<'_> {
    match (&push.kind, &push.data[..]) {
        (PushKind::Disconnection, _) => Said::Ended,
        (PushKind::Invalidate, [Value::Array(keys)]) => Said::Changed(keys.iter().filter_map(text).collect()),
        // What it means is not known, so it may mean anything.
        (PushKind::Invalidate, _) => Said::ChangedAll,
        _ => Said::Nothing,
    }
}

fn text(key: &Value) -> Option<&str> {
    match key {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, read};
    use redis::{PushInfo, PushKind, Value};

    fn check(kind: PushKind, data: Vec<Value>, expected: &Said<'_>) {
        assert_eq!(read(&PushInfo { kind, data }), *expected);
    }

    #[test]
    fn keys_are_read_and_no_keys_are_all() {
        let key = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let keys = Value::Array(vec![key(b"app:a:1"), key(b"\xff"), key(b"app:b:2")]);
        check(PushKind::Invalidate, vec![keys], &Said::Changed(vec!["app:a:1", "app:b:2"]));
        for data in [vec![Value::Nil], vec![], vec![Value::Okay, Value::Okay]] {
            check(PushKind::Invalidate, data, &Said::ChangedAll);
        }
        check(PushKind::Disconnection, vec![], &Said::Ended);
        check(PushKind::Message, vec![Value::Nil], &Said::Nothing);
    }
}
