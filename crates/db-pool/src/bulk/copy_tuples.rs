//! Takes COPY's binary format apart, wherever its chunks were cut. Pure.
//!
//! Source: PostgreSQL documentation, COPY, "Binary Format".

use crate::{CopyError, Error};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, the flags, the length of the extension.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// Bits that a reader must know; none is in use since PostgreSQL 12.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// Gathers chunks and gives tuples.
#[derive(Debug, Default)]
pub(crate) struct Tuples {
    bytes: Vec<u8>,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    Rows,
    Ended,
}

/// What the chunks so far hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'t> {
    /// One tuple: its number of fields, then each with its length.
    Tuple { fields: usize, bytes: &'t [u8] },
    /// Nothing whole.
    More,
    /// The trailer.
    End,
}

impl Tuples {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        // What was given is let go of here, so that memory is bounded by one tuple and one chunk.
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// The next tuple.
    pub(crate) fn step(&mut self) -> Result<Step<'_>, Error> {
        if self.state == State::Header && !self.skip_header()? {
            return Ok(Step::More);
        }
        if self.state == State::Ended {
            return Ok(Step::End);
        }
        let rest = &self.bytes[self.at..];
        let Some(width) = rest.first_chunk().map(|bytes| i16::from_be_bytes(*bytes)) else {
            return Ok(Step::More);
        };
        let Ok(fields) = usize::try_from(width) else {
            if width != -1 {
                return Err(malformed("a tuple has a negative number of fields"));
            }
            self.state = State::Ended;
            return Ok(Step::End);
        };
        let mut end = 2;
        for _ in 0..fields {
            let Some(length) = rest.get(end..).and_then(<[u8]>::first_chunk) else { return Ok(Step::More) };
            end += 4 + field_length(*length)?.unwrap_or(0);
        }
        if rest.len() < end {
            return Ok(Step::More);
        }
        let start = self.at + 2;
        self.at += end;
        Ok(Step::Tuple { fields, bytes: &self.bytes[start..self.at] })
    }

    /// Whether the header was whole.
    fn skip_header(&mut self) -> Result<bool, Error> {
        let Some(header) = self.bytes.get(..HEADER_BYTES) else { return Ok(false) };
        let (signature, numbers) = header.split_at(SIGNATURE.len());
        if signature != SIGNATURE {
            return Err(malformed("its signature is another"));
        }
        let number = |at: usize| numbers[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if number(0) & CRITICAL_FLAGS != 0 {
            return Err(malformed("it has flags that are not known"));
        }
        let end = HEADER_BYTES + number(4) as usize;
        if self.bytes.len() < end {
            return Ok(false);
        }
        self.at = end;
        self.state = State::Rows;
        Ok(true)
    }
}

/// Splits off one field; `None` inside is NULL.
pub(crate) fn next_field<'t>(bytes: &mut &'t [u8]) -> Result<Option<&'t [u8]>, Error> {
    let cut = || malformed("a field is cut off");
    let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
    let Some(length) = field_length(*length)? else {
        *bytes = rest;
        return Ok(None);
    };
    let (field, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    *bytes = rest;
    Ok(Some(field))
}

fn field_length(bytes: [u8; 4]) -> Result<Option<usize>, Error> {
    match i32::from_be_bytes(bytes) {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| malformed("a field has a negative length")),
    }
}

fn malformed(reason: &'static str) -> Error {
    Error::Copy(CopyError::Stream { reason })
}

#[cfg(test)]
mod tests {
    use super::{SIGNATURE, Step, Tuples, next_field};

    /// Two rows: (1, NULL) and ("abc").
    fn example() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 3, 9, 9, 9]);
        bytes.extend([0, 2, 0, 0, 0, 1, 1, 255, 255, 255, 255]);
        bytes.extend([0, 1, 0, 0, 0, 3, b'a', b'b', b'c']);
        bytes.extend([255, 255]);
        bytes
    }

    fn rows(chunks: &[&[u8]]) -> Vec<Vec<Option<Vec<u8>>>> {
        let (mut tuples, mut rows, mut ended) = (Tuples::default(), Vec::new(), false);
        for chunk in chunks {
            tuples.push(chunk);
            loop {
                match tuples.step().expect("well formed") {
                    Step::Tuple { fields, mut bytes } => {
                        let field = |_| next_field(&mut bytes).expect("whole").map(<[u8]>::to_vec);
                        rows.push((0..fields).map(field).collect());
                    }
                    Step::More => break,
                    Step::End => {
                        ended = true;
                        break;
                    }
                }
            }
        }
        assert!(ended, "the trailer is seen");
        rows
    }

    #[test]
    fn it_does_not_matter_where_chunks_are_cut() {
        let bytes = example();
        let expected = vec![vec![Some(vec![1]), None], vec![Some(b"abc".to_vec())]];
        assert_eq!(rows(&[&bytes]), expected);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(rows(&single), expected);
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let cut = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(rows(&cut), expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_is_no_copy_is_refused() {
        let check = |change: fn(&mut Vec<u8>)| {
            let mut bytes = example();
            change(&mut bytes);
            let mut tuples = Tuples::default();
            tuples.push(&bytes);
            assert!(tuples.step().is_err());
        };
        check(|bytes| bytes[0] = b'X');
        check(|bytes| bytes[SIGNATURE.len()] = 1);
        // -2 fields, and a field of -2 bytes.
        check(|bytes| bytes[SIGNATURE.len() + 11..][..2].copy_from_slice(&[255, 254]));
        check(|bytes| bytes[SIGNATURE.len() + 13..][..4].copy_from_slice(&[255, 255, 255, 254]));
    }
}
