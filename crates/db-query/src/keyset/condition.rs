//! Which rows come after a position: the rule, written as a condition that an index can serve.

use super::{Key, Keyset};
use crate::{Direction, Expr, Nulls, col, value, writer::Writer};

/// Rows after a position, in the order in which they are read.
pub(super) struct After<'a> {
    pub(super) keyset: &'a Keyset,
    pub(super) keys: &'a [Key],
    /// One value a key, as text; `None` is NULL.
    pub(super) position: &'a [Option<String>],
}

impl Expr for After<'_> {
    fn write(self, writer: &mut Writer) {
        let plain = self.keys.iter().all(|key| !key.field.is_nullable());
        let one_way = self.keys.windows(2).all(|pair| pair[0].direction == pair[1].direction);
        if plain && one_way && self.keys.len() > 1 {
            self.write_as_rows(writer);
        } else {
            self.write_bound(writer);
            self.write_from(0, writer);
        }
    }
}

impl After<'_> {
    /// `ROW(a, b) > ROW($1, $2)`: one range of an index.
    fn write_as_rows(&self, writer: &mut Writer) {
        writer.push("ROW(");
        for (position, key) in self.keys.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            self.write_column(key, writer);
        }
        writer.push(match self.keys[0].direction {
            Direction::Ascending => ") > ROW(",
            Direction::Descending => ") < ROW(",
        });
        for (position, key) in self.keys.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            write_value(key, self.position[position].as_deref().unwrap_or_default(), writer);
        }
        writer.push(")");
    }

    /// What the first key must be whatever the others are: an index begins to read there.
    fn write_bound(&self, writer: &mut Writer) {
        let key = &self.keys[0];
        let Some(text) = &self.position[0] else { return };
        if self.keys.len() == 1 || (key.field.is_nullable() && key.nulls == Nulls::Last) {
            return;
        }
        self.write_column(key, writer);
        writer.push(match key.direction {
            Direction::Ascending => " >= ",
            Direction::Descending => " <= ",
        });
        write_value(key, text, writer);
        writer.push(" AND ");
    }

    /// After the position in this key or, equal in it, in those behind.
    fn write_from(&self, index: usize, writer: &mut Writer) {
        let Some(key) = self.keys.get(index) else { return };
        let last = index + 1 == self.keys.len();
        let position = self.position[index].as_deref();
        // Nothing is after a NULL that stands last.
        let has_later = !(position.is_none() && key.nulls == Nulls::Last);
        if !last {
            writer.push("(");
        }
        if has_later {
            self.write_later(key, position, writer);
        } else if last {
            writer.push("FALSE");
        }
        if last {
            return;
        }
        if has_later {
            writer.push(" OR ");
        }
        writer.push("(");
        self.write_column(key, writer);
        match position {
            Some(text) => {
                writer.push(" = ");
                write_value(key, text, writer);
            }
            None => writer.push(" IS NULL"),
        }
        writer.push(" AND ");
        self.write_from(index + 1, writer);
        writer.push("))");
    }

    fn write_later(&self, key: &Key, position: Option<&str>, writer: &mut Writer) {
        let Some(text) = position else {
            // NULLs stand first: every value is after them.
            self.write_column(key, writer);
            return writer.push(" IS NOT NULL");
        };
        let with_nulls = key.field.is_nullable() && key.nulls == Nulls::Last;
        if with_nulls {
            writer.push("(");
        }
        self.write_column(key, writer);
        writer.push(match key.direction {
            Direction::Ascending => " > ",
            Direction::Descending => " < ",
        });
        write_value(key, text, writer);
        if with_nulls {
            writer.push(" OR ");
            self.write_column(key, writer);
            writer.push(" IS NULL)");
        }
    }

    fn write_column(&self, key: &Key, writer: &mut Writer) {
        col(&self.keyset.column(key)).write(writer);
    }
}

fn write_value(key: &Key, text: &str, writer: &mut Writer) {
    value(text).cast(key.field.kind().sql_type()).write(writer);
}
