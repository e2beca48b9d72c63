//! The lines of a text with their numbers, and the parts of a file between two of them.

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// From 1.
    pub(super) number: usize,
    /// With its line end.
    pub(super) whole: &'t str,
}

impl<'t> Line<'t> {
    /// Without its line end.
    pub(super) fn text(self) -> &'t str {
        self.whole.trim_end_matches(['\r', '\n'])
    }

    /// Nothing but its line end, so that the lines after it keep their numbers.
    pub(super) fn end(self) -> &'t str {
        &self.whole[self.text().len()..]
    }

    /// Whether the server has nothing to do with it.
    pub(super) fn is_idle(self) -> bool {
        let text = self.text().trim_start();
        text.is_empty() || text.starts_with("--")
    }
}

/// The lines of a text.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.split_inclusive('\n').zip(1..).map(|(whole, number)| Line { number, whole })
}

/// A part of a file that is put together line by line, as it is there and as it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The first line of the part; 0 before there is one.
    pub(super) line: usize,
    pub(super) raw: String,
    pub(super) made: String,
    /// Empty lines in place of lines of another part, should there be more of this one after them.
    skipped: String,
}

impl Part {
    /// Begins after a line.
    pub(super) fn after(line: Line<'_>) -> Self {
        Self { line: line.number + 1, ..Self::default() }
    }

    /// Takes a line, and what is made of it.
    pub(super) fn push(&mut self, line: Line<'_>, made: &str) {
        self.made.push_str(&std::mem::take(&mut self.skipped));
        self.made.push_str(made);
        self.raw.push_str(line.whole);
    }

    /// Leaves a line out, without moving the ones after it.
    pub(super) fn skip(&mut self, line: Line<'_>) {
        self.skipped.push_str(line.end());
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, lines};

    #[test]
    fn lines_keep_their_numbers() {
        let text = "mark\r\na\nother\r\nb\nother";
        let mut all = lines(text);
        let mut part = Part::after(all.next().expect("a line"));
        for line in all {
            if line.text() == "other" { part.skip(line) } else { part.push(line, line.whole) }
        }
        assert_eq!((part.line, part.raw.as_str(), part.made.as_str()), (2, "a\nb\n", "a\n\r\nb\n"));
    }
}
