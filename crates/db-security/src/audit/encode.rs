//! What of an event is hashed, byte by byte. docs/audit.md says the same for other programs, and `tests` holds its examples.
//! It never changes: what was hashed once must hash so again.

use super::Hash;
use sha2::{Digest as _, Sha256};

/// What every leaf begins with.
const LEAF: &[u8] = b"cairn-audit-event-v1\n";
/// What a commitment begins with.
pub(crate) const PERSONAL: &[u8] = b"cairn-audit-personal-v1\n";

/// The fields of an event that stand in the tree. Times are microseconds since 1970; JSON is the text that the server makes
/// of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'e> {
    pub(crate) id: [u8; 16],
    pub(crate) occurred_at: i64,
    pub(crate) sequenced_at: i64,
    pub(crate) actor: Option<&'e [u8]>,
    pub(crate) request: Option<&'e [u8]>,
    pub(crate) action: &'e [u8],
    pub(crate) entity_type: &'e [u8],
    pub(crate) entity_id: Option<&'e [u8]>,
    pub(crate) outcome: &'e [u8],
    pub(crate) database_user: &'e [u8],
    pub(crate) old_values: Option<&'e [u8]>,
    pub(crate) new_values: Option<&'e [u8]>,
    pub(crate) details: Option<&'e [u8]>,
    pub(crate) subject: Option<&'e [u8]>,
    pub(crate) subject_key: Option<[u8; 16]>,
    pub(crate) commitment: Option<&'e [u8]>,
}

impl Leaf<'_> {
    /// The bytes whose hash is the leaf's; `into` is overwritten.
    pub(crate) fn encode(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(LEAF);
        into.extend_from_slice(&self.id);
        into.extend_from_slice(&self.occurred_at.to_be_bytes());
        into.extend_from_slice(&self.sequenced_at.to_be_bytes());
        for field in [
            self.actor,
            self.request,
            Some(self.action),
            Some(self.entity_type),
            self.entity_id,
            Some(self.outcome),
            Some(self.database_user),
            self.old_values,
            self.new_values,
            self.details,
            self.subject,
            self.subject_key.as_ref().map(<[u8; 16]>::as_slice),
            self.commitment,
        ] {
            match field {
                // A field that is not there has the length that none can have.
                None => into.extend_from_slice(&u32::MAX.to_be_bytes()),
                Some(bytes) => {
                    // The server holds less than a GiB in a field.
                    into.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1).to_be_bytes());
                    into.extend_from_slice(bytes);
                }
            }
        }
    }

    /// The leaf's hash; `scratch` is overwritten.
    pub(crate) fn hash(&self, scratch: &mut Vec<u8>) -> Hash {
        self.encode(scratch);
        Hash::of_leaf(scratch)
    }
}

/// The hash that stands in the tree for what is personal: whoever has salt and text can show that they are it, and whoever
/// has neither learns nothing, however few texts there might be.
pub(crate) fn commitment(salt: &[u8; 32], text: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(PERSONAL).chain_update(salt).chain_update(text).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{Leaf, commitment};

    const EMPTY: Leaf<'_> = Leaf {
        id: [0; 16],
        occurred_at: 0,
        sequenced_at: 0,
        actor: None,
        request: None,
        action: b"a",
        entity_type: b"t",
        entity_id: None,
        outcome: b"success",
        database_user: b"app",
        old_values: None,
        new_values: None,
        details: None,
        subject: None,
        subject_key: None,
        commitment: None,
    };

    /// The examples of docs/audit.md.
    #[test]
    fn the_documented_examples_hold() {
        let documented = include_str!("../../../../docs/audit.md");
        let mut scratch = Vec::new();
        let full = Leaf {
            id: *b"\x01\x93\x5c\x0a\x00\x00\x7a\xbc\x8d\xef\x00\x01\x02\x03\x04\x05",
            occurred_at: 1_763_769_600_123_456,
            sequenced_at: 1_763_769_601_000_000,
            actor: Some(b"ann"),
            request: Some(b"req-7"),
            action: b"update",
            entity_type: b"users",
            entity_id: Some(b"42"),
            outcome: b"success",
            database_user: b"app",
            old_values: Some(br#"{"plan": "free"}"#),
            new_values: Some(br#"{"plan": "team"}"#),
            details: None,
            subject: Some(b"user-42"),
            subject_key: Some([7; 16]),
            commitment: Some(&commitment(&[9; 32], br#"{"new": {"email": "ann@example.org"}}"#)),
        };
        for (name, leaf) in [("bare", EMPTY), ("full", full)] {
            let line = format!("| {name} | `{}` |", leaf.hash(&mut scratch));
            assert!(documented.contains(&line), "docs/audit.md must have: {line}");
        }
    }

    #[test]
    fn no_field_can_stand_for_another() {
        let mut scratch = Vec::new();
        let texts: Vec<Option<&[u8]>> = vec![None, Some(b""), Some(b"x"), Some(b"\xff\xff\xff\xff")];
        let mut seen = std::collections::HashSet::new();
        for actor in &texts {
            for request in &texts {
                for entity_id in &texts {
                    let leaf = Leaf { actor: *actor, request: *request, entity_id: *entity_id, ..EMPTY };
                    assert!(seen.insert(leaf.hash(&mut scratch)), "{leaf:?}");
                }
            }
        }
        assert!(seen.insert(Leaf { occurred_at: 1, ..EMPTY }.hash(&mut scratch)));
        assert!(seen.insert(Leaf { sequenced_at: 1, ..EMPTY }.hash(&mut scratch)));
        assert!(seen.insert(Leaf { commitment: Some(b"x"), ..EMPTY }.hash(&mut scratch)));
        assert!(seen.insert(Leaf { subject: Some(b"x"), ..EMPTY }.hash(&mut scratch)));
    }
}
