//! Keys: what a caller's parts are called in a store.

use crate::Error;
use std::fmt::{self, Write};

/// Longer ones are refused: a key is read on every access, and PostgreSQL indexes no more than 2,700 bytes.
const MOST_BYTES: usize = 512;

/// Something that tells one value of a namespace from the others: text, numbers, booleans, and tuples of those.
///
/// Two different lists of texts never make the same key, whatever is in them; a number is its text, so that `7` and `"7"` are one.
pub trait KeyParts {
    /// Writes each part.
    fn write_to(&self, key: &mut KeyWriter);
}

/// Takes the parts of a key.
#[derive(Debug)]
pub struct KeyWriter {
    text: String,
}

impl KeyWriter {
    pub(crate) fn new(prefix: &str) -> Self {
        let mut text = String::with_capacity(prefix.len() + 24);
        text.push_str(prefix);
        Self { text }
    }

    /// Adds a part by its `Display`.
    pub fn part(&mut self, part: impl fmt::Display) {
        self.text.push(':');
        // Writing to a String does not fail; a `Display` that does has written what it has.
        let _ = write!(Escaping { to: &mut self.text }, "{part}");
    }

    pub(crate) fn finish(self) -> Result<String, Error> {
        if self.text.len() > MOST_BYTES {
            let key = self.text.chars().take(80).collect();
            return Err(Error::KeyTooLong { key, bytes: self.text.len(), most: MOST_BYTES });
        }
        Ok(self.text)
    }
}

/// A colon parts, and braces choose the slot of a Redis Cluster, so that neither is the caller's to write.
struct Escaping<'a> {
    to: &'a mut String,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let must = |letter: char| matches!(letter, ':' | '%' | '{' | '}') || letter.is_control();
        let mut rest = text;
        while let Some(at) = rest.find(must) {
            let (plain, special) = rest.split_at(at);
            self.to.push_str(plain);
            let letter = special.chars().next().unwrap_or_default();
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                write!(self.to, "%{byte:02x}")?;
            }
            rest = &special[letter.len_utf8()..];
        }
        self.to.push_str(rest);
        Ok(())
    }
}

/// For types whose `Display` tells all their values apart.
macro_rules! one_part {
    ($($part:ty),*) => {$(
        impl KeyParts for $part {
            fn write_to(&self, key: &mut KeyWriter) {
                key.part(self);
            }
        }
    )*};
}

one_part!(str, String, bool, char, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl<P: KeyParts + ?Sized> KeyParts for &P {
    fn write_to(&self, key: &mut KeyWriter) {
        (**self).write_to(key);
    }
}

macro_rules! several_parts {
    ($($name:ident),*) => {
        impl<$($name: KeyParts),*> KeyParts for ($($name,)*) {
            fn write_to(&self, key: &mut KeyWriter) {
                #[allow(non_snake_case, reason = "the names of the types are those of the values")]
                let ($($name,)*) = self;
                $($name.write_to(key);)*
            }
        }
    };
}

several_parts!(A);
several_parts!(A, B);
several_parts!(A, B, C);
several_parts!(A, B, C, D);

#[cfg(test)]
mod tests {
    use super::{KeyParts, KeyWriter, MOST_BYTES};
    use proptest::{prop_assert_eq, proptest};

    fn key(parts: impl KeyParts) -> String {
        let mut writer = KeyWriter::new("app:user");
        parts.write_to(&mut writer);
        writer.finish().expect("a short one")
    }

    #[test]
    fn parts_are_written_one_after_the_other() {
        assert_eq!(key(7), "app:user:7");
        assert_eq!(key(("a b", -1_i64, true)), "app:user:a b:-1:true");
        assert_eq!(key("{x}:100%\n"), "app:user:%7bx%7d%3a100%25%0a");
    }

    #[test]
    fn a_long_one_is_refused_by_its_beginning() {
        let mut writer = KeyWriter::new("app:user");
        "ä".repeat(MOST_BYTES).write_to(&mut writer);
        let error = writer.finish().expect_err("too long").to_string();
        assert!(error.contains("app:user:ä") && error.contains("1033") && error.contains("512"), "{error}");
    }

    proptest! {
        #[test]
        fn different_parts_make_different_keys(a: (String, String), b: (String, String)) {
            let same = key((&*a.0, &*a.1)) == key((&*b.0, &*b.1));
            prop_assert_eq!(same, a == b);
        }
    }
}
