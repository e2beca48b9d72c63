//! What can be wrong with a log.

use crate::audit::Hash;
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "flaw", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Flaw {
    /// An event says something else than it did.
    Altered {
        /// Its place.
        leaf: u64,
        /// Its number as it is now.
        id: Uuid,
    },
    /// An event is gone, and so are those up to `through_leaf`.
    Removed {
        /// The first place that is empty.
        leaf: u64,
        /// The last.
        through_leaf: u64,
    },
    /// An event is there that was not in the log.
    Inserted {
        /// The place that it claims.
        leaf: u64,
        /// Its number.
        id: Uuid,
    },
    /// An event stands where another one stood.
    Reordered {
        /// Where it stands.
        leaf: u64,
        /// Where it stood.
        was: u64,
        /// Its number.
        id: Uuid,
    },
    /// The event is what it was, and the hash that the tree keeps of it is not.
    LeafAltered {
        /// Which.
        leaf: u64,
    },
    /// A node of the tree is not what is beneath it.
    NodeAltered {
        /// The level of its tile.
        level: u16,
        /// The first leaf beneath it.
        leaf: u64,
        /// The last.
        through_leaf: u64,
    },
    /// A tile of the tree is not there, or not as long as it must be, or is one too many.
    TileDamaged {
        /// Its level.
        level: u16,
        /// The first leaf beneath it.
        leaf: u64,
        /// The last.
        through_leaf: u64,
    },
    /// What the log says of its own size is not true.
    SizeAltered {
        /// What it says.
        says: u64,
        /// What there is.
        is: u64,
    },
    /// The log is not what it was when this was signed, and was still at `sound_until`.
    CheckpointDiffers {
        /// Leaves then: the change is before that.
        size: u64,
        /// The last size at which it is as it was signed, or 0.
        sound_until: u64,
        /// The root that was signed.
        signed: String,
        /// The root that there is.
        is: String,
    },
    /// The log is shorter than it was when this was signed.
    Truncated {
        /// Leaves then.
        signed: u64,
        /// Leaves now.
        size: u64,
    },
    /// Nobody has signed the checkpoint who should have.
    NotSigned {
        /// Leaves that it is about.
        size: u64,
        /// Why it does not count.
        why: String,
    },
    /// The checkpoint is of another log.
    OtherLog {
        /// Leaves that it is about.
        size: u64,
        /// Which log it is of.
        origin: String,
    },
    /// A month that has left by retention is not what its stub says.
    StubDiffers {
        /// The last leaf that has left with it.
        through_leaf: u64,
    },
    /// A subject's key was altered or belongs to another: nothing that it sealed can be read.
    KeyAltered {
        /// Which key.
        key: Uuid,
        /// Whose.
        subject: String,
        /// The first event that it has sealed.
        leaf: u64,
    },
    /// A subject's key is gone, and no event says that it was erased.
    KeyRemoved {
        /// Which key.
        key: Uuid,
        /// Whose.
        subject: String,
        /// The first event that it has sealed.
        leaf: u64,
    },
    /// What is personal in an event is not what the tree was told of it.
    PersonalAltered {
        /// Its place.
        leaf: u64,
        /// Its number.
        id: Uuid,
    },
    /// An event is older than the one before it.
    BackInTime {
        /// Its place.
        leaf: u64,
    },
}

impl Flaw {
    /// The first leaf that it is about: what sorts them.
    #[must_use]
    pub fn leaf(&self) -> u64 {
        match self {
            Self::Altered { leaf, .. }
            | Self::Removed { leaf, .. }
            | Self::Inserted { leaf, .. }
            | Self::Reordered { leaf, .. }
            | Self::LeafAltered { leaf }
            | Self::NodeAltered { leaf, .. }
            | Self::TileDamaged { leaf, .. }
            | Self::KeyAltered { leaf, .. }
            | Self::KeyRemoved { leaf, .. }
            | Self::PersonalAltered { leaf, .. }
            | Self::BackInTime { leaf } => *leaf,
            Self::SizeAltered { says, is } => (*says).min(*is),
            Self::CheckpointDiffers { sound_until, .. } => *sound_until,
            Self::Truncated { size, .. } | Self::NotSigned { size, .. } | Self::OtherLog { size, .. } => {
                *size
            }
            Self::StubDiffers { through_leaf } => *through_leaf,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { leaf, id } => write!(f, "event {leaf} ({id}) was altered"),
            Self::Removed { leaf, through_leaf } if leaf == through_leaf => {
                write!(f, "event {leaf} was removed")
            }
            Self::Removed { leaf, through_leaf } => write!(f, "events {leaf} to {through_leaf} were removed"),
            Self::Inserted { leaf, id } => {
                write!(f, "event {leaf} ({id}) was inserted: it has no place in the log")
            }
            Self::Reordered { leaf, was, id } => {
                write!(f, "event {leaf} ({id}) was moved: it was event {was}")
            }
            Self::LeafAltered { leaf } => {
                write!(f, "the hash of event {leaf} in the tree was altered; the event is what it was")
            }
            Self::NodeAltered { level, leaf, through_leaf } => write!(
                f,
                "the tree's node over events {leaf} to {through_leaf} (tile level {level}) was altered, or one of them with its hash"
            ),
            Self::TileDamaged { level, leaf, through_leaf } => write!(
                f,
                "the tree's tile of level {level} over events {leaf} to {through_leaf} is gone, cut, too long, or one too many"
            ),
            Self::SizeAltered { says, is } => {
                write!(f, "the log says that it has {says} events, and has {is}")
            }
            Self::CheckpointDiffers { size, sound_until, signed, is } => write!(
                f,
                "the log is not what was signed at {size} events: the first difference is from event {sound_until} on \
                 (signed root {signed}, root now {is})"
            ),
            Self::Truncated { signed, size } => {
                write!(
                    f,
                    "the log had {signed} events when that was signed, and has {size}: its end was removed"
                )
            }
            Self::NotSigned { size, why } => {
                write!(f, "the checkpoint at {size} events does not count: {why}")
            }
            Self::OtherLog { size, origin } => {
                write!(f, "the checkpoint at {size} events is of another log: {origin}")
            }
            Self::StubDiffers { through_leaf } => {
                write!(f, "what left by retention up to event {through_leaf} is not what its stub says")
            }
            Self::KeyAltered { key, subject, leaf } => write!(
                f,
                "the key {key} of {subject} was altered, or is another's: what it sealed since event {leaf} cannot be read"
            ),
            Self::KeyRemoved { key, subject, leaf } => write!(
                f,
                "the key {key} of {subject} is gone, and no event says that it was erased; it sealed event {leaf}"
            ),
            Self::PersonalAltered { leaf, id } => {
                write!(f, "what is personal in event {leaf} ({id}) was altered")
            }
            Self::BackInTime { leaf } => write!(f, "event {leaf} is older than the one before it"),
        }
    }
}

/// What a verification has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Leaves of the log.
    pub size: u64,
    /// The root over what there is.
    #[serde(serialize_with = "as_text")]
    pub root: Hash,
    /// Events before it have left by retention, or are believed for the checkpoint that was given.
    pub first_leaf: u64,
    /// Events that were compared with their leaves.
    pub events: u64,
    /// Checkpoints that the log agrees with and whose signature, where a key was given, is good.
    pub checkpoints: u64,
    /// Checkpoints from outside that were not compared, as they are of a size before `first_leaf`.
    pub passed_over: u64,
    /// Personal parts that were opened and are what the tree was told.
    pub personal: u64,
    /// Subjects' keys that were erased.
    pub erased: u64,
    /// What is wrong, by leaf; the first hundred.
    pub flaws: Vec<Flaw>,
    /// How many there are in all.
    pub flaw_count: u64,
    /// Events in the inbox, that have no place yet and cannot be verified.
    pub waiting: u64,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.flaw_count == 0
    }
}

fn as_text<S: serde::Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hash.to_base64())
}

/// Flaws as they are found: all are counted, the first hundred by leaf are kept.
#[derive(Debug, Default)]
pub(super) struct Flaws {
    kept: Vec<Flaw>,
    count: u64,
}

impl Flaws {
    const KEPT: usize = 100;

    pub(super) fn add(&mut self, flaw: Flaw) {
        self.count += 1;
        self.kept.push(flaw);
        if self.kept.len() >= 2 * Self::KEPT {
            self.trim();
        }
    }

    pub(super) fn into_parts(mut self) -> (Vec<Flaw>, u64) {
        self.trim();
        (self.kept, self.count)
    }

    fn trim(&mut self) {
        self.kept.sort_by_key(Flaw::leaf);
        self.kept.truncate(Self::KEPT);
    }
}
