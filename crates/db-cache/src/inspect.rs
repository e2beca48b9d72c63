//! What the shared store has under a key, as a person wants to see it.

use crate::Error;
use crate::cache::{Cache, checked};
use crate::key::{KeyParts, KeyWriter};
use crate::record::{Codec, Content, Encoding, Record, UnixMillis};
use crate::tags::is_mark;
use db_core::{KeyValueError, Stored};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a value may grow to when it is shown.
const MOST_BYTES: usize = 256 << 20;

/// What the shared store has under a key. Times are by the clocks of whoever wrote it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inspected {
    /// The key as the store knows it.
    pub key: String,
    /// What it stands for.
    pub value: InspectedValue,
    /// What the record takes in the store, without the key.
    pub stored_bytes: usize,
    /// Version of the value's type.
    pub schema: u32,
    /// How it is written; `None` where there is no value.
    pub encoding: Option<Encoding>,
    /// Whether it is compressed.
    pub is_compressed: bool,
    /// When it was loaded.
    pub loaded_at: Option<SystemTime>,
    /// How long that took.
    pub load_time: Duration,
    /// Until when it is given out without asking for it anew.
    pub fresh_until: Option<SystemTime>,
    /// Until when somebody has leave to load it anew, or a commit is under way that changes it.
    pub leased_until: Option<SystemTime>,
    /// Its tags.
    pub tags: Vec<InspectedTag>,
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InspectedValue {
    /// A value, as JSON text.
    Json(String),
    /// The source is known to have none.
    Absent,
    /// Nothing yet: somebody loads it, or changes it.
    Nothing,
    /// A number that is counted with.
    Number(i64),
    /// What cannot be read, and why; for whoever reads the cache it is a miss.
    Unreadable(String),
}

/// A tag of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedTag {
    /// Its name.
    pub name: String,
    /// Whether nobody has made it untrue since the value was loaded.
    pub holds: bool,
}

impl Inspected {
    /// Whether it would be given out at this time: it is fresh, and all its tags hold.
    #[must_use]
    pub fn is_good(&self, now: SystemTime) -> bool {
        match self.value {
            InspectedValue::Json(_) | InspectedValue::Absent => {
                self.fresh_until.is_some_and(|until| now < until) && self.tags.iter().all(|tag| tag.holds)
            }
            InspectedValue::Number(_) => true,
            InspectedValue::Nothing | InspectedValue::Unreadable(_) => false,
        }
    }

    fn nameless(key: String, value: InspectedValue, stored_bytes: usize) -> Self {
        Self {
            key,
            value,
            stored_bytes,
            schema: 0,
            encoding: None,
            is_compressed: false,
            loaded_at: None,
            load_time: Duration::ZERO,
            fresh_until: None,
            leased_until: None,
            tags: Vec::new(),
        }
    }
}

impl Cache {
    /// What the shared store has under a key of a namespace or a counter, whatever type its values have; `None` where that is
    /// nothing, or no store is shared.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::KeyTooLong`], [`Error::Store`] where the store does not answer.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn inspect(&self, namespace: &str, key: impl KeyParts) -> Result<Option<Inspected>, Error> {
        checked(namespace)?;
        let mut writer = KeyWriter::new(&format!("{}:{namespace}", self.inner.prefix));
        key.write_to(&mut writer);
        let key = writer.finish()?;
        let Some(store) = self.inner.shared.as_deref() else { return Ok(None) };
        let failed = |source| Error::Store { source };
        let stored = match store.get_multi(&[&key]).await {
            Ok(mut found) => found.pop().flatten(),
            Err(KeyValueError::WrongKind { .. }) => {
                // It is there, so that nothing begins by this but where it ends just now; then that ends at once.
                let number = store.increment(&key, 0, Duration::from_millis(1)).await.map_err(failed)?;
                let value = InspectedValue::Number(number);
                return Ok(Some(Inspected::nameless(key, value, size_of::<i64>())));
            }
            Err(source) => return Err(failed(source)),
        };
        let Some(stored) = stored else { return Ok(None) };
        let Some(record) = Record::of(&stored.value) else {
            let why = InspectedValue::Unreadable(strange(&stored.value));
            return Ok(Some(Inspected::nameless(key, why, stored.value.len())));
        };
        let tags = self.tags_of(&record).await.map_err(failed)?;
        Ok(Some(shown(key, &record, tags, stored.value.len())))
    }

    async fn tags_of(&self, record: &Record<'_>) -> Result<Vec<InspectedTag>, KeyValueError> {
        let tags = self.inner.tags.of_record(&record.tags().unwrap_or_default());
        let (Some(tags), Some(store)) = (tags, self.inner.shared.as_deref()) else { return Ok(Vec::new()) };
        let keys: Vec<&str> = tags.iter().map(|tag| &*tag.name).collect();
        let marks = store.get_multi(&keys).await?;
        let begin = format!("{}:%tag:", self.inner.prefix);
        // A mark that is not empty is one of a change that is under way.
        let is = |stored: Option<Stored>, mark| {
            stored.is_some_and(|stored| stored.version == mark && is_mark(&stored.value))
        };
        let tag = |(tag, stored): (&crate::record::Tag, Option<Stored>)| InspectedTag {
            name: tag.name.strip_prefix(&begin).unwrap_or(&tag.name).to_owned(),
            holds: is(stored, tag.mark),
        };
        Ok(tags.iter().zip(marks).map(tag).collect())
    }
}

fn shown(key: String, record: &Record<'_>, tags: Vec<InspectedTag>, stored_bytes: usize) -> Inspected {
    let head = record.head;
    let (value, encoding) = match head.content {
        Content::Nothing => (InspectedValue::Nothing, None),
        Content::Absent => (InspectedValue::Absent, None),
        Content::Value(encoding) => (json(record, encoding), Some(encoding)),
    };
    Inspected {
        key,
        value,
        stored_bytes,
        schema: head.schema,
        encoding,
        is_compressed: record.is_compressed(),
        loaded_at: time(head.loaded_at),
        load_time: head.load_time,
        fresh_until: time(head.fresh_until),
        leased_until: time(head.leased_until),
        tags,
    }
}

fn json(record: &Record<'_>, encoding: Encoding) -> InspectedValue {
    let codec =
        Codec { encoding, schema: record.head.schema, compress_from_bytes: None, most_bytes: MOST_BYTES };
    match codec.decode::<serde_json::Value>(record) {
        Some(value) => InspectedValue::Json(value.to_string()),
        None => {
            let written = match encoding {
                Encoding::Json => "JSON",
                Encoding::MessagePack => "MessagePack that JSON can show",
            };
            InspectedValue::Unreadable(format!("the head is sound, but what follows is no {written}"))
        }
    }
}

/// Why a record is none.
fn strange(bytes: &[u8]) -> String {
    match bytes.first() {
        Some(1 | 2) => {
            format!("its {} bytes are cut short, or say what this program does not know", bytes.len())
        }
        Some(layout) => format!("its layout is {layout}, and this program knows 1 and 2"),
        None => "it is empty".to_owned(),
    }
}

fn time(at: UnixMillis) -> Option<SystemTime> {
    (at != UnixMillis::default()).then(|| UNIX_EPOCH + at.since(UnixMillis::default()))
}
