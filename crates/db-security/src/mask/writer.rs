//! A writer that masks what goes through it, line by line: put it under whatever writes logs.

use super::Masker;
use std::io::{self, Write};

/// A line that is longer than this is masked in parts.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Masks each line that is written. A line that has not ended is kept until it does, until it is flushed, or until the writer goes.
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
}

impl<W: Write> MaskedWriter<W> {
    /// Writes to this one.
    pub fn new(inner: W, masker: Masker) -> Self {
        Self { inner: Some(inner), masker, line: Vec::new() }
    }

    /// The writer beneath, with everything written.
    ///
    /// # Errors
    /// That the rest cannot be written.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.flush()?;
        self.inner.take().ok_or_else(|| io::Error::other("the writer is gone"))
    }

    /// Writes what there is, up to the last whole line, or all of it.
    fn write_out(&mut self, to: usize) -> io::Result<()> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        let part: Vec<u8> = self.line.drain(..to).collect();
        let text = String::from_utf8_lossy(&part);
        inner.write_all(self.masker.text(&text).as_bytes())
    }
}

impl<W: Write> Write for MaskedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        let to = match self.line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.line.len() > MAX_LINE_BYTES => self.line.len(),
            None => return Ok(bytes.len()),
        };
        self.write_out(to)?;
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
