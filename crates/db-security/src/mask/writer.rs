//! A writer that masks what goes through it, line by line: put it under whatever writes logs.

use super::{Masker, Pattern, pem};
use std::io::{self, Write};

/// A line that is longer than this is masked in parts.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Places at which a long line is tried to be cut: the last ones, and then some that are so far apart at least.
const MAX_CUTS: usize = 32;
const NEAR_CUTS: usize = 8;
const MIN_CUT_BYTES: usize = 256;

/// Masks each line that is written. A line that has not ended is kept until it does, until it is flushed, or until the writer goes.
/// A line of more than 64 KiB is cut where no secret is cut with it. Of a private key that stands on several lines none is
/// written, up to 32 KiB.
///
/// ```
/// use db_security::mask::{MaskedWriter, Masker};
/// use std::io::Write;
///
/// let mut log = MaskedWriter::new(Vec::new(), Masker::new());
/// write!(log, "password=hun")?;
/// writeln!(log, "ter2 of ann@example.org")?;
/// assert_eq!(log.into_inner()?, b"password=*** of [email]\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MaskedWriter<W: Write> {
    inner: Option<W>,
    masker: Masker,
    line: Vec<u8>,
    key: pem::State,
}

impl<W: Write> MaskedWriter<W> {
    /// Writes to this one.
    pub fn new(inner: W, masker: Masker) -> Self {
        Self { inner: Some(inner), masker, line: Vec::new(), key: pem::State::Outside }
    }

    /// The writer beneath, with everything written.
    ///
    /// # Errors
    /// That the rest cannot be written.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.flush()?;
        self.inner.take().ok_or_else(|| io::Error::other("the writer is gone"))
    }

    /// Writes what there is, up to there. What cannot be written stays.
    fn write_out(&mut self, to: usize) -> io::Result<()> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        let text = String::from_utf8_lossy(&self.line[..to]);
        let (masked, key) = if self.masker.looks_for(Pattern::PrivateKey) {
            pem::mask(self.key, &text, |text| self.masker.text(text).into_owned())
        } else {
            (self.masker.text(&text).into_owned(), self.key)
        };
        inner.write_all(masked.as_bytes())?;
        self.key = key;
        self.line.drain(..to);
        Ok(())
    }

    /// Where a line that is too long can be cut: the parts masked by themselves are what is left of the whole.
    fn cut(&self) -> usize {
        let end = whole_letters(&self.line);
        let text = String::from_utf8_lossy(&self.line[..end]);
        // Bytes that are no letters make the text another, and nothing is known of places in it.
        if text.len() != end {
            return end;
        }
        let whole = self.masker.text(&text);
        let (mut tried, mut last) = (0, end);
        for (at, _) in text.rmatch_indices([' ', '\t', ',', ';']) {
            if tried == MAX_CUTS || at == 0 {
                break;
            }
            if tried >= NEAR_CUTS && last - at < MIN_CUT_BYTES {
                continue;
            }
            (tried, last) = (tried + 1, at);
            let (before, behind) = text.split_at(at);
            let parts = [self.masker.text(before), self.masker.text(behind)];
            // A secret that goes on behind the end begins behind the cut, or the cut shows in what is left.
            if parts.concat() == *whole {
                return at;
            }
        }
        end
    }
}

/// How much of it does not end within a letter.
fn whole_letters(bytes: &[u8]) -> usize {
    let is_first = |byte: &u8| *byte & 0b1100_0000 != 0b1000_0000;
    let last = bytes.iter().rev().take(4).position(is_first).map_or(bytes.len(), |at| bytes.len() - 1 - at);
    if std::str::from_utf8(&bytes[last..]).is_ok() { bytes.len() } else { last }
}

impl<W: Write> Write for MaskedWriter<W> {
    /// After an error nothing of `bytes` was taken; lines before them may have been written in part.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.line.len();
        self.line.extend_from_slice(bytes);
        let to = match self.line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.line.len() > MAX_LINE_BYTES => self.cut(),
            None => return Ok(bytes.len()),
        };
        if let Err(error) = self.write_out(to) {
            self.line.truncate(before);
            return Err(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out(self.line.len())?;
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl<W: Write> Drop for MaskedWriter<W> {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE_BYTES, MaskedWriter, Masker};
    use std::io::{self, Write};

    /// What is left of parts that are written one after another.
    fn written(parts: &[&str]) -> String {
        let mut log = MaskedWriter::new(Vec::new(), Masker::new());
        for part in parts {
            log.write_all(part.as_bytes()).expect("written");
        }
        String::from_utf8(log.into_inner().expect("written")).expect("text")
    }

    #[test]
    fn a_key_on_several_lines_is_not_written() {
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
        for (parts, expected) in [
            (vec![begin, "\n", "MIISECRETKEY\n", end, "\nnext\n"], "[private key]\nnext\n"),
            (vec!["a ", begin, "\nMIISECRET", "KEY\nabcd==\n", end, " b\n"], "a [private key] b\n"),
            (
                vec![begin, "\n", "Proc-Type: 4,ENCRYPTED\n", "\n", "MIISECRETKEY\n", "done, after 3 ms\n"],
                "[private key]\ndone, after 3 ms\n",
            ),
            (
                vec![begin, "\nMII\n", end, "\n", begin, "\nMII\n", end, "\n"],
                "[private key]\n[private key]\n",
            ),
            (vec!["one\n", begin, "MII", end, " two\n"], "one\n[private key] two\n"),
        ] {
            assert_eq!(written(&parts), expected, "{parts:?}");
        }
        // One that never ends hides no more than a key may be long.
        let lines = "MIISECRETKEYMIISECRETKEYMIISECRETKEYMIISECRETKEY\n".repeat(2_000);
        let left = written(&[begin, "\n", &lines, "next\n"]);
        assert!(left.starts_with("[private key]") && left.ends_with("next\n"), "{}", left.len());
    }

    #[test]
    fn a_long_line_is_cut_beside_its_secrets() {
        let filler = |length: usize| "x".repeat(length);
        for (before, parts) in [
            (MAX_LINE_BYTES - 12, vec![" password=hun", "ter2SECRET\n"]),
            (MAX_LINE_BYTES - 20, vec![" \"password\": \"hun ter", "2 SECRET\" b\n"]),
            (MAX_LINE_BYTES - 16, vec![" to ann.SECRET@example.", "org\n"]),
            (MAX_LINE_BYTES - 30, vec![" a,b postgres://u:hunSECRET2SECRET", "SECRET@h\n"]),
        ] {
            let filler = filler(before);
            let left = written(&[&[filler.as_str()], &parts[..]].concat());
            assert!(!left.contains("SECRET") && left.starts_with(&filler), "{}", &left[left.len() - 60..]);
        }
        assert_eq!(
            written(&[&filler(MAX_LINE_BYTES + 1), "\n"]),
            format!("{}\n", filler(MAX_LINE_BYTES + 1))
        );
    }

    #[test]
    fn a_letter_is_not_cut() {
        let mut log = MaskedWriter::new(Vec::new(), Masker::new());
        log.write_all("y".repeat(MAX_LINE_BYTES).as_bytes()).expect("written");
        for byte in "é\n".bytes() {
            log.write_all(&[byte]).expect("written");
        }
        assert!(log.into_inner().expect("written").ends_with("é\n".as_bytes()));
    }

    /// Refuses what it is told to.
    struct Full(Vec<u8>, bool);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 {
                return Err(io::Error::other("full"));
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let mut log = MaskedWriter::new(Full(Vec::new(), true), Masker::new());
        log.write_all(b"one ").expect("kept");
        log.write_all(b"two\n").expect_err("full");
        log.inner.as_mut().expect("there").1 = false;
        log.write_all(b"two\n").expect("written");
        assert_eq!(log.into_inner().expect("written").0, b"one two\n");
    }
}
