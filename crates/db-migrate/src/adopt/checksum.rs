//! Whether a file is the one that another tool applied.

use super::{Candidate, ForeignChecksum};
use sha2::{Digest, Sha256, Sha384};
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};

/// How a file agrees with a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    Same,
    /// All but the line ends, which a checkout on another system changes.
    ButForLineEnds,
    Different,
}

/// Compares a file with what was applied.
pub(super) fn agreement(checksum: &ForeignChecksum, candidate: &Candidate<'_>) -> Agreement {
    let text = candidate.original;
    if fits(checksum, candidate, text) {
        return Agreement::Same;
    }
    let unix = text.replace("\r\n", "\n");
    if fits(checksum, candidate, &unix) || fits(checksum, candidate, &unix.replace('\n', "\r\n")) {
        return Agreement::ButForLineEnds;
    }
    Agreement::Different
}

fn fits(checksum: &ForeignChecksum, candidate: &Candidate<'_>, text: &str) -> bool {
    match checksum {
        ForeignChecksum::Sha384(expected) => Sha384::digest(text).as_slice() == expected.as_slice(),
        ForeignChecksum::Sha256(expected) => {
            hexadecimal(&Sha256::digest(text)).eq_ignore_ascii_case(expected.trim())
        }
        ForeignChecksum::Crc32(expected) => crc32(text) == *expected,
        ForeignChecksum::SipHash(expected) => siphash(candidate, text).contains(expected),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As Flyway's `ChecksumCalculator` has it: lines as Java's `readLine` ends them, the mark of the first one dropped.
fn crc32(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut hasher = crc32fast::Hasher::new();
    for line in text.split(['\r', '\n']) {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}

/// As refinery's `Migration::unapplied` has it: with a version of 32 bits, or of 64 with its feature `int8-versions`.
fn siphash(candidate: &Candidate<'_>, text: &str) -> Vec<u64> {
    let hash = |version: &dyn Fn(&mut SipHasher13)| {
        let mut hasher = SipHasher13::new();
        candidate.name.hash(&mut hasher);
        version(&mut hasher);
        text.hash(&mut hasher);
        hasher.finish()
    };
    let narrow = candidate.version.parse::<i32>().ok().map(|version| hash(&|hasher| version.hash(hasher)));
    let wide = candidate.version.parse::<i64>().ok().map(|version| hash(&|hasher| version.hash(hasher)));
    narrow.into_iter().chain(wide).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Candidate, ForeignChecksum};
    use super::{Agreement, agreement};
    use crate::Kind;

    fn candidate<'a>(version: &'a str, name: &'a str, original: &'a str) -> Candidate<'a> {
        Candidate { version, name, label: "", kind: Kind::Versioned, original }
    }

    fn check(checksum: &ForeignChecksum, candidate: &Candidate<'_>, expected: Agreement) {
        assert_eq!(agreement(checksum, candidate), expected, "{checksum:?} {candidate:?}");
    }

    /// The numbers are those of `refinery_core` 0.10.1's own `Migration::unapplied`.
    #[test]
    fn agrees_with_refinery() {
        let first = candidate("1", "initial", "SELECT 1;\n");
        check(&ForeignChecksum::SipHash(10_145_367_301_335_201_120), &first, Agreement::Same);
        check(
            &ForeignChecksum::SipHash(3_584_473_859_600_578_795),
            &candidate("20", "ä_b", "x"),
            Agreement::Same,
        );
        let other = candidate("1", "initials", "SELECT 1;\n");
        check(&ForeignChecksum::SipHash(10_145_367_301_335_201_120), &other, Agreement::Different);
    }

    /// The numbers are those of zlib's crc32 of the lines joined.
    #[test]
    fn agrees_with_flyway() {
        let checksum = ForeignChecksum::Crc32(0x1B85_1995);
        for text in ["hello\nworld\n", "hello\r\nworld", "\u{feff}hello\rworld"] {
            let joined = candidate("1", "a", text);
            check(&ForeignChecksum::Crc32(CRC_HELLOWORLD), &joined, Agreement::Same);
            check(&checksum, &joined, Agreement::Different);
        }
    }

    const CRC_HELLOWORLD: i32 = -102_031_187;

    /// The digests are those of coreutils.
    #[test]
    fn agrees_with_digests_of_the_file() {
        let sha256 = "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd";
        let checksum = ForeignChecksum::Sha256(sha256.to_owned());
        check(&checksum, &candidate("1", "a", "SELECT 1;\n"), Agreement::Same);
        check(&checksum, &candidate("1", "a", "SELECT 1;\r\n"), Agreement::ButForLineEnds);
        check(&checksum, &candidate("1", "a", "SELECT 2;\n"), Agreement::Different);
    }
}
