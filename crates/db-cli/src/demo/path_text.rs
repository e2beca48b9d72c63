//! Paths as text that can be turned back: file names need not be UTF-8, and a column must be.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// Writes a path; a backslash is doubled, and a byte that is no UTF-8 becomes `\xNN`.
#[must_use]
pub fn to_text(path: &Path) -> String {
    let mut text = String::with_capacity(path.as_os_str().len());
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The path that [`to_text`] wrote; `None` for a text that it did not write.
#[must_use]
pub fn from_text(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..position]);
        let escaped = &rest[position + 1..];
        if let Some(after) = escaped.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let hex = escaped.strip_prefix('x')?.get(..2)?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &escaped[3..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::{from_text, to_text};
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

    fn check(bytes: &[u8], text: &str) {
        let path = Path::new(OsStr::from_bytes(bytes));
        assert_eq!(to_text(path), text);
        assert_eq!(from_text(text).as_deref(), Some(path));
    }

    #[test]
    fn every_path_comes_back() {
        check(b"src/lib.rs", "src/lib.rs");
        check("na\u{ef}ve/\u{2603}".as_bytes(), "na\u{ef}ve/\u{2603}");
        check(b"caf\xe9.txt", "caf\\xe9.txt");
        check(b"back\\slash", "back\\\\slash");
        check(b"\\xe9", "\\\\xe9");
        check(b"\xff\xfe", "\\xff\\xfe");
        for broken in ["\\", "\\y", "\\x", "\\x9", "\\xzz"] {
            assert_eq!(from_text(broken), None, "{broken}");
        }
    }
}
