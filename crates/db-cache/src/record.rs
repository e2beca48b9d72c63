//! What is kept under a key: a value with what must be known of it, as bytes. Pure.
//!
//! The first bytes say which layout they have, so that a program of another version finds a miss and no nonsense:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | layout, 1 or 2 |
//! | 1 | content: 0 nothing, 1 known to be absent, 2 JSON, 3 `MessagePack`; plus 128 where it is compressed by zstd |
//! | 2..6 | version of the value's schema |
//! | 6..14 | when it was loaded, milliseconds since 1970 |
//! | 14..22 | until when it is fresh, the same |
//! | 22..30 | until when somebody has leave to load it anew, the same; 0 for nobody |
//! | 30..34 | how long the load took, microseconds |
//! | 34.. | the value |
//!
//! A value that has tags is of layout 2, where these stand between the head and the value, each a length and the bytes: all
//! that follows of the tags, 2 bytes of length; then of each tag its name, 2 bytes of length, and its mark, 8 bytes.
//!
//! Numbers are little-endian.

use crate::Error;
use db_core::Version;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::time::Duration;

const LAYOUT: u8 = 1;
const LAYOUT_WITH_TAGS: u8 = 2;
const HEAD_BYTES: usize = 34;
const COMPRESSED: u8 = 128;
/// Longer than any that is given, and by more than clocks differ.
const LONGEST_LEASE: Duration = Duration::from_secs(10);
/// Fast, and most of what there is to gain.
const ZSTD_LEVEL: i32 = 1;

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON: other programs and people read it.
    #[default]
    Json,
    /// `MessagePack` with the fields' names: smaller, and quicker to read.
    MessagePack,
}

/// What must be known of a value beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) content: Content,
    pub(crate) schema: u32,
    pub(crate) loaded_at: UnixMillis,
    pub(crate) fresh_until: UnixMillis,
    /// Who has leave to load it anew has it until then.
    pub(crate) leased_until: UnixMillis,
    pub(crate) load_time: Duration,
}

impl Head {
    /// Whether somebody has leave to load it. One that is so long is of another clock, and would keep everybody away.
    pub(crate) fn is_leased(&self, now: UnixMillis) -> bool {
        now < self.leased_until && self.leased_until.since(now) <= LONGEST_LEASE
    }

    /// Whether it only says that a commit is under way: see `Codec::mark`.
    pub(crate) fn is_mark(&self) -> bool {
        self.content == Content::Nothing && self.loaded_at == UnixMillis::default()
    }
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nobody has loaded it yet.
    Nothing,
    /// The source has no such value.
    Absent,
    Value(Encoding),
}

/// Milliseconds since 1970, by the clock of whoever wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnixMillis(pub(crate) u64);

impl UnixMillis {
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A tag of a value, and the mark that it had before the value was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag<N = Box<str>> {
    pub(crate) name: N,
    pub(crate) mark: Version,
}

/// How values of a namespace are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codec {
    pub(crate) encoding: Encoding,
    pub(crate) schema: u32,
    /// Values from this size on are compressed.
    pub(crate) compress_from_bytes: Option<usize>,
    /// What a value may grow to when it is read.
    pub(crate) most_bytes: usize,
}

/// A record of bytes, not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) head: Head,
    tags: &'a [u8],
    is_compressed: bool,
    value: &'a [u8],
}

impl Codec {
    /// The bytes of a value, for [`write`](Self::write).
    pub(crate) fn encode<V: Serialize>(&self, value: &V) -> Result<Vec<u8>, Error> {
        let encoded = match self.encoding {
            Encoding::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
            Encoding::MessagePack => rmp_serde::to_vec_named(value).map_err(|error| error.to_string()),
        };
        encoded.map_err(|reason| Error::Encode { what: std::any::type_name::<V>(), reason })
    }

    /// A record that lets nobody store or read anything until then, for all versions.
    #[cfg(feature = "postgres")]
    pub(crate) fn mark(until: UnixMillis) -> Vec<u8> {
        let none = UnixMillis::default();
        let codec = Self { encoding: Encoding::Json, schema: 0, compress_from_bytes: None, most_bytes: 0 };
        let head = Head {
            content: Content::Nothing,
            schema: 0,
            loaded_at: none,
            fresh_until: none,
            leased_until: until,
            load_time: Duration::ZERO,
        };
        codec.write(head, std::iter::empty(), &[])
    }

    /// A record of what [`encode`](Self::encode) has made, or of no value.
    pub(crate) fn write<'t>(
        &self,
        head: Head,
        tags: impl Iterator<Item = Tag<&'t str>>,
        value: &[u8],
    ) -> Vec<u8> {
        let compressed = self.compressed(value);
        let (flag, value) = match &compressed {
            Some(compressed) => (COMPRESSED, compressed.as_slice()),
            None => (0, value),
        };
        let content = match head.content {
            Content::Nothing => 0,
            Content::Absent => 1,
            Content::Value(Encoding::Json) => 2,
            Content::Value(Encoding::MessagePack) => 3,
        };
        let load_micros = u32::try_from(head.load_time.as_micros()).unwrap_or(u32::MAX);
        let tags = written(tags);
        let layout = if tags.is_empty() { LAYOUT } else { LAYOUT_WITH_TAGS };
        let mut record = Vec::with_capacity(HEAD_BYTES + tags.len() + value.len());
        record.extend([layout, content | flag]);
        record.extend(head.schema.to_le_bytes());
        for time in [head.loaded_at, head.fresh_until, head.leased_until] {
            record.extend(time.0.to_le_bytes());
        }
        record.extend(load_micros.to_le_bytes());
        record.extend(tags);
        record.extend(value);
        record
    }

    /// `None` where it would not be smaller.
    fn compressed(&self, value: &[u8]) -> Option<Vec<u8>> {
        if self.compress_from_bytes.is_none_or(|least| value.len() < least) {
            return None;
        }
        zstd::bulk::compress(value, ZSTD_LEVEL).ok().filter(|compressed| compressed.len() < value.len())
    }

    /// The value of a record; `None` for one that this program cannot read.
    pub(crate) fn decode<V: DeserializeOwned>(&self, record: &Record<'_>) -> Option<V> {
        let Content::Value(encoding) = record.head.content else { return None };
        let bytes = self.plain(record)?;
        match encoding {
            Encoding::Json => serde_json::from_slice(&bytes).ok(),
            Encoding::MessagePack => rmp_serde::from_slice(&bytes).ok(),
        }
    }

    fn plain<'a>(&self, record: &Record<'a>) -> Option<Cow<'a, [u8]>> {
        if !record.is_compressed {
            return Some(Cow::Borrowed(record.value));
        }
        zstd::bulk::decompress(record.value, self.most_bytes).ok().map(Cow::Owned)
    }

    /// Reads the head; `None` where it is of another layout, or its value of another schema.
    pub(crate) fn read<'a>(&self, bytes: &'a [u8]) -> Option<Record<'a>> {
        // A mark that nothing may be stored is one for all versions.
        Record::of(bytes)
            .filter(|record| record.head.schema == self.schema || record.head.content == Content::Nothing)
    }
}

impl<'a> Record<'a> {
    /// Reads the head, whatever schema the value has; `None` where it is of another layout.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let number = |at: usize| Some(u64::from_le_bytes(*head[at..].first_chunk()?));
        let short = |at: usize| Some(u32::from_le_bytes(*head[at..].first_chunk()?));
        let content = match head[1] & !COMPRESSED {
            0 => Content::Nothing,
            1 => Content::Absent,
            2 => Content::Value(Encoding::Json),
            3 => Content::Value(Encoding::MessagePack),
            _ => return None,
        };
        let head = Head {
            content,
            schema: short(2)?,
            loaded_at: UnixMillis(number(6)?),
            fresh_until: UnixMillis(number(14)?),
            leased_until: UnixMillis(number(22)?),
            load_time: Duration::from_micros(short(30)?.into()),
        };
        let (tags, value) = match bytes[0] {
            LAYOUT => (&[][..], rest),
            LAYOUT_WITH_TAGS => with_length(rest)?,
            _ => return None,
        };
        Some(Self { head, tags, is_compressed: bytes[1] & COMPRESSED != 0, value })
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// Its tags; `None` where they cannot be read.
    pub(crate) fn tags(&self) -> Option<Vec<Tag<&'a str>>> {
        let mut rest = self.tags;
        let mut tags = Vec::new();
        while !rest.is_empty() {
            let (name, behind) = with_length(rest)?;
            let (mark, behind) = behind.split_first_chunk()?;
            tags.push(Tag { name: str::from_utf8(name).ok()?, mark: Version(u64::from_le_bytes(*mark)) });
            rest = behind;
        }
        Some(tags)
    }
}

/// Nothing where there are none.
fn written<'t>(tags: impl Iterator<Item = Tag<&'t str>>) -> Vec<u8> {
    // So few and so short that both lengths fit: see the limits of tags and of keys.
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes();
    let mut written = Vec::new();
    for tag in tags {
        written.extend(length(tag.name.len()));
        written.extend(tag.name.as_bytes());
        written.extend(tag.mark.0.to_le_bytes());
    }
    if !written.is_empty() {
        written.splice(0..0, length(written.len()));
    }
    written
}

/// As many bytes as the length before them tells, and what follows.
fn with_length(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::{Codec, Content, Encoding, HEAD_BYTES, Head, Tag, UnixMillis};
    use db_core::Version;
    use proptest::{collection::vec, prelude::any, prop_assert_eq, proptest};
    use std::time::Duration;

    const CODEC: Codec =
        Codec { encoding: Encoding::Json, schema: 3, compress_from_bytes: Some(100), most_bytes: 1 << 20 };

    const NONE: std::iter::Empty<Tag<&str>> = std::iter::empty();

    fn head(encoding: Encoding) -> Head {
        Head {
            content: Content::Value(encoding),
            schema: 3,
            loaded_at: UnixMillis(1_000),
            fresh_until: UnixMillis(2_000),
            leased_until: UnixMillis(0),
            load_time: Duration::from_micros(77),
        }
    }

    #[test]
    fn a_value_comes_back_as_it_was() {
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            for value in ["short".to_owned(), "long ".repeat(100)] {
                let codec = Codec { encoding, ..CODEC };
                let bytes = codec.write(head(encoding), NONE, &codec.encode(&value).expect("text"));
                assert!(bytes.len() < HEAD_BYTES + 60, "{encoding:?}: long ones are compressed");
                let record = codec.read(&bytes).expect("of this version");
                assert_eq!(record.head, head(encoding));
                assert_eq!(codec.decode(&record), Some(value));
            }
        }
    }

    #[test]
    fn tags_come_back_with_their_marks() {
        let tags = [Tag { name: "a", mark: Version(7) }, Tag { name: "user:ä", mark: Version(u64::MAX) }];
        let bytes = CODEC.write(head(Encoding::Json), tags.iter().cloned(), b"\"text\"");
        let record = CODEC.read(&bytes).expect("of this version");
        assert_eq!(record.tags().as_deref(), Some(&tags[..]));
        assert_eq!(CODEC.decode(&record), Some("text".to_owned()));
        let cut = CODEC.read(&bytes[..HEAD_BYTES + 4]);
        assert_eq!(cut, None, "one that was cut short is none");
    }

    #[test]
    fn one_of_another_version_is_a_miss() {
        let bytes = CODEC.write(head(Encoding::Json), NONE, b"\"text\"");
        assert_eq!(Codec { schema: 4, ..CODEC }.read(&bytes), None);
        let mut other_layout = bytes.clone();
        other_layout[0] = 3;
        assert_eq!(CODEC.read(&other_layout), None);
        let record = CODEC.read(&bytes).expect("of this version");
        assert_eq!(CODEC.decode::<u32>(&record), None, "text is no number");
    }

    #[test]
    fn a_value_that_grows_too_much_is_not_read() {
        let long = CODEC.encode(&"a".repeat(10_000)).expect("text");
        let bytes = CODEC.write(head(Encoding::Json), NONE, &long);
        let narrow = Codec { most_bytes: 5_000, ..CODEC };
        assert_eq!(narrow.decode::<String>(&narrow.read(&bytes).expect("of this version")), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..200)) {
            if let Some(record) = CODEC.read(&bytes) {
                prop_assert_eq!(record.head.schema, 3);
                let _ = record.tags();
                let _ = CODEC.decode::<Vec<String>>(&record);
            }
        }
    }
}
