//! Which of a cluster's 16,384 slots a key is in. Pure.
//!
//! Source: Redis Cluster Specification, "Key distribution model" and "Hash tags"; the checksum is CRC-16/XMODEM.

/// How many there are.
pub(crate) const SLOTS: u16 = 16_384;

const CRC: [u16; 256] = table();

/// The slot of a key: of what is in its first braces, if anything is, so that a caller can keep keys together.
pub(crate) fn slot(key: &str) -> u16 {
    let key = key.as_bytes();
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inner = &key[open + 1..];
        inner
            .iter()
            .position(|byte| *byte == b'}')
            .filter(|length| *length > 0)
            .map(|length| &inner[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// Positions of keys that are to be asked for together.
pub(crate) struct Group {
    pub(crate) slot: u16,
    pub(crate) positions: Vec<usize>,
}

/// The keys by slot, each slot once.
pub(crate) fn by_slot<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<Group> {
    let mut slots: Vec<(u16, usize)> =
        keys.into_iter().enumerate().map(|(position, key)| (slot(key), position)).collect();
    slots.sort_unstable();
    slots
        .chunk_by(|one, other| one.0 == other.0)
        .map(|group| Group {
            slot: group[0].0,
            positions: group.iter().map(|(_, position)| *position).collect(),
        })
        .collect()
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ CRC[usize::from((crc >> 8) ^ u16::from(*byte))])
}

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{by_slot, crc16, slot};

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn keys_are_in_the_slots_that_a_server_tells() {
        // By CLUSTER KEYSLOT.
        for (key, expected) in
            [("foo", 12_182), ("bar", 5_061), ("somekey", 11_058), ("foo{hash_tag}", 2_515), ("", 0)]
        {
            assert_eq!(slot(key), expected, "{key}");
        }
    }

    #[test]
    fn braces_with_something_in_them_choose_the_slot() {
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_ne!(slot("foo{}{bar}"), slot("bar"));
        assert_ne!(slot("foo{bar"), slot("bar"));
    }

    #[test]
    fn keys_of_a_slot_come_together() {
        let groups = by_slot(["foo", "bar", "{foo}1", "foo"]);
        let told: Vec<_> = groups.iter().map(|group| (group.slot, group.positions.clone())).collect();
        assert_eq!(told, [(5_061, vec![1]), (12_182, vec![0, 2, 3])]);
        assert!(by_slot([]).is_empty());
    }
}
