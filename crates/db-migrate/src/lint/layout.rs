//! The statements of a script where they stand in its file, for a parser that knows neither psql's commands nor the
//! names that stand for values.

use super::Span;
use crate::migration::Script;
use crate::script::{Class, Statement};
use std::ops::Range;

/// A text with nothing but the statements of a script, each where it is in the file.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) text: String,
    /// Where each statement is in the text; empty for what is psql's.
    pub(crate) statements: Vec<Range<usize>>,
    /// Where each line begins.
    lines: Vec<usize>,
    first_line: usize,
}

impl Layout {
    pub(crate) fn of(script: &Script) -> Self {
        let original: Vec<&str> = script.text.lines().collect();
        let mut layout = Self {
            text: String::with_capacity(script.text.len()),
            statements: Vec::with_capacity(script.len()),
            lines: vec![0],
            first_line: script.line,
        };
        for statement in script.statements() {
            let line = original.get(statement.line.saturating_sub(script.line)).copied().unwrap_or_default();
            layout.take(statement, line);
        }
        layout
    }

    fn take(&mut self, statement: &Statement, original: &str) {
        while self.first_line + self.lines.len() - 1 < statement.line {
            self.push("\n");
        }
        let here = &self.text[self.lines.last().copied().unwrap_or_default()..];
        let used = here.chars().count();
        let skipped = original.char_indices().nth(used).map_or(original.len(), |(at, _)| at);
        let first = statement.text.lines().next().unwrap_or_default();
        // Where a value stands in place of a name, the column is not known.
        let blanks =
            original[skipped..].find(first).map_or(0, |at| original[skipped..skipped + at].chars().count());
        self.push(&" ".repeat(blanks));
        let start = self.text.len();
        if statement.class != Class::Meta {
            // What is to be ignored is for this linter alone.
            self.push(&statement.text.replace("squawk-", "squawk_"));
        }
        self.statements.push(start..self.text.len());
        if statement.class != Class::Meta {
            self.push(";");
        }
    }

    fn push(&mut self, text: &str) {
        let from = self.text.len();
        self.text.push_str(text);
        self.lines.extend(text.match_indices('\n').map(|(at, _)| from + at + 1));
    }

    /// The statement that a place in the text is in, or else the one before it.
    pub(crate) fn statement_at(&self, offset: usize) -> usize {
        self.statements.partition_point(|range| range.start <= offset).saturating_sub(1)
    }

    /// Where a piece of the text is in the file.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        let ((line, column), (end_line, end_column)) = (self.place(range.start), self.place(range.end));
        Span { line, column, end_line, end_column }
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let column = self.text[self.lines[line]..offset].chars().count() + 1;
        (self.first_line + line, column)
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, Script};
    use crate::TransactionMode;
    use crate::migration::Body;
    use crate::script::split;

    fn script(file: &str, sent: &str, line: usize) -> Script {
        Script {
            file: "f".into(),
            line,
            text: file.into(),
            mode: TransactionMode::Auto,
            body: Body::Sql(split(sent, line).expect("closed")),
        }
    }

    #[test]
    fn a_statement_is_where_it_is_in_the_file() {
        let sql = "-- first\n  SELECT 'ü', 1; SELECT\n 2;\n\\echo x\nSELECT 3";
        let layout = Layout::of(&script(sql, sql, 10));
        let spans: Vec<_> = layout
            .statements
            .iter()
            .map(|range| layout.span(range))
            .map(|span| (span.line, span.column, span.end_line, span.end_column))
            .collect();
        assert_eq!(spans, [(11, 3, 11, 16), (11, 18, 12, 3), (13, 1, 13, 1), (14, 1, 14, 9)]);
        assert_eq!(&layout.text[layout.statements[1].clone()], "SELECT\n 2");
        let second = layout.statements[1].clone();
        assert_eq!((layout.statement_at(second.start), layout.statement_at(second.end)), (1, 1));
    }

    #[test]
    fn a_value_in_place_of_a_name_loses_only_the_column() {
        let layout = Layout::of(&script("\n  DROP TABLE ${a};", "\n  DROP TABLE abc;", 1));
        let span = layout.span(&layout.statements[0]);
        assert_eq!((span.line, span.column), (2, 1));
    }
}
