//! `db cache get`.

use super::{NO_STORE, args::GetArgs, place, with_target};
use crate::{
    Exit, Failed,
    output::{self, Format},
};
use chrono::{DateTime, SecondsFormat, Utc};
use db_facade::db_cache::{Encoding, Inspected, InspectedValue, KeyParts, KeyWriter};
use serde_json::{Value, json};
use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

/// The parts of a key as they were typed.
struct Typed<'a>(&'a [String]);

impl KeyParts for Typed<'_> {
    fn write_to(&self, key: &mut KeyWriter) {
        self.0.iter().for_each(|part| key.part(part));
    }
}

pub(super) async fn run(args: &GetArgs, format: Format) -> Result<Exit, Failed> {
    let found = with_target(&args.database, async |target| {
        if place(target).is_none() {
            return Err(Failed::usage(format!("nobody can look into other processes, and {NO_STORE}")));
        }
        Ok(target.database.cache().inspect(&args.namespace, Typed(&args.key)).await?)
    })
    .await?;
    let Some(found) = found else {
        output::print(format, &json!({ "found": false }), || {
            format!("nothing is cached under {} in {}", args.key.join(" "), args.namespace)
        });
        return Ok(Exit::No);
    };
    let now = SystemTime::now();
    output::print(format, &to_json(&found, now), || to_text(&found, now));
    Ok(match found.value {
        InspectedValue::Nothing | InspectedValue::Unreadable(_) => Exit::No,
        _ => Exit::Done,
    })
}

fn kind(value: &InspectedValue) -> &'static str {
    match value {
        InspectedValue::Json(_) => "value",
        InspectedValue::Absent => "absent",
        InspectedValue::Nothing => "nothing",
        InspectedValue::Number(_) => "number",
        _ => "unreadable",
    }
}

fn encoding(found: &Inspected) -> Option<&'static str> {
    found.encoding.map(|encoding| match encoding {
        Encoding::Json => "json",
        Encoding::MessagePack => "messagepack",
    })
}

fn to_json(found: &Inspected, now: SystemTime) -> Value {
    let value = match &found.value {
        InspectedValue::Json(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        InspectedValue::Number(number) => json!(number),
        _ => Value::Null,
    };
    let why = match &found.value {
        InspectedValue::Unreadable(why) => Some(why),
        _ => None,
    };
    let tags: Vec<Value> =
        found.tags.iter().map(|tag| json!({ "name": tag.name, "holds": tag.holds })).collect();
    json!({
        "found": !matches!(found.value, InspectedValue::Nothing | InspectedValue::Unreadable(_)),
        "key": found.key,
        "kind": kind(&found.value),
        "value": value,
        "why_unreadable": why,
        "is_given_out": found.is_good(now),
        "loaded_at": found.loaded_at.map(instant),
        "load_seconds": found.load_time.as_secs_f64(),
        "fresh_until": found.fresh_until.map(instant),
        "leased_until": found.leased_until.map(instant),
        "schema": found.schema,
        "tags": tags,
        "stored_bytes": found.stored_bytes,
        "encoding": encoding(found),
        "is_compressed": found.is_compressed,
    })
}

fn to_text(found: &Inspected, now: SystemTime) -> String {
    let mut text = match &found.value {
        InspectedValue::Json(json) => format!("{json}\n\n"),
        InspectedValue::Number(number) => format!("{number}\n\n"),
        InspectedValue::Absent => "the source is known to have none\n\n".to_owned(),
        InspectedValue::Nothing => {
            "nothing yet: somebody loads it, or a commit is changing it\n\n".to_owned()
        }
        InspectedValue::Unreadable(why) => {
            format!("it cannot be read: {why}; for whoever reads the cache it is a miss\n\n")
        }
        _ => "\n".to_owned(),
    };
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:8} {value}");
    };
    line("key", found.key.clone());
    if let Some(at) = found.loaded_at {
        line("loaded", format!("{} ({}), in {:?}", instant(at), relative(at, now), found.load_time));
    }
    if let Some(until) = found.fresh_until {
        line("fresh", format!("until {} ({})", instant(until), relative(until, now)));
    }
    if let Some(until) = found.leased_until.filter(|until| *until > now) {
        line(
            "lease",
            format!("somebody has leave to load it until {} ({})", instant(until), relative(until, now)),
        );
    }
    for tag in &found.tags {
        let holds = if tag.holds { "holds" } else { "was made untrue since, so the value is not given out" };
        line("tag", format!("{}: {holds}", tag.name));
    }
    let written = encoding(found).map(|name| {
        let compressed = if found.is_compressed { ", compressed" } else { "" };
        format!(" as {name}{compressed}, schema {}", found.schema)
    });
    line("stored", format!("{} bytes{}", found.stored_bytes, written.unwrap_or_default()));
    text
}

fn instant(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn relative(at: SystemTime, now: SystemTime) -> String {
    match (at.duration_since(now), now.duration_since(at)) {
        (Ok(ahead), _) if !ahead.is_zero() => format!("for {} more", span(ahead)),
        (_, Ok(ago)) => format!("{} ago", span(ago)),
        _ => "now".to_owned(),
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 60..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::relative;
    use std::time::{Duration, SystemTime};

    #[test]
    fn times_are_told_from_now() {
        let now = SystemTime::now();
        for (seconds, ahead, ago) in [
            (1, "for 1.0 s more", "1.0 s ago"),
            (600, "for 10 min more", "10 min ago"),
            (7_300, "for 2 h more", "2 h ago"),
            (400_000, "for 4 days more", "4 days ago"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(
                (relative(now + time, now).as_str(), relative(now - time, now).as_str()),
                (ahead, ago)
            );
        }
    }
}
