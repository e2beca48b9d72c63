//! From a request to a SELECT, and from its rows to a page.

use super::{
    Key, Keyset,
    condition::After,
    cursor::{Cursor, CursorError, CursorKey, Place},
};
use crate::{
    BuildError, Call, Condition, Expr, Exprs, Kind, Select, SqlType, col, constant, expr::json_array,
    writer::Writer,
};
use sqlx::{FromRow, Row, postgres::PgRow};
use std::fmt;

/// The column that brings the values of the sort keys along; a row type does not have to know it.
const POSITION: &str = "cursor_position";

/// How many rows a page has at most: 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageSize(u16);

impl PageSize {
    /// The largest page.
    pub const MAX: u16 = 1_000;

    /// So many rows.
    ///
    /// # Errors
    /// [`BuildError::PageSize`] for none, or too many.
    pub fn new(rows: u16) -> Result<Self, BuildError> {
        if rows == 0 || rows > Self::MAX {
            return Err(BuildError::PageSize { rows, max: Self::MAX });
        }
        Ok(Self(rows))
    }

    /// The number.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.0
    }
}

/// A list, ready to be read page by page.
#[derive(Clone, Debug)]
pub struct Pages {
    keyset: Keyset,
    key: CursorKey,
    bound_to: String,
}

/// Which page is wanted; see [`Pages::request`].
#[derive(Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The order that it was requested in.
    of: u64,
    place: Place,
    position: Vec<Option<String>>,
    size: PageSize,
}

impl fmt::Debug for PageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the position: it is the values of somebody's row.
        f.debug_struct("PageRequest")
            .field("place", &self.place)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Rows of one page in the order of the list, and the way on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The page behind this one, if there is more.
    pub next: Option<Cursor>,
    /// The page before this one, if there is one.
    pub previous: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(of).collect(), next: self.next, previous: self.previous }
    }
}

impl Pages {
    /// A list in this order, with cursors that are signed with this key.
    #[must_use]
    pub const fn new(keyset: Keyset, key: CursorKey) -> Self {
        Self { keyset, key, bound_to: String::new() }
    }

    /// Cursors that are good only together with this text: whose list it is, by which filter. Somebody else's cursor is then
    /// refused, and so is one that was made under another filter.
    #[must_use]
    pub fn bound_to(self, bound_to: impl Into<String>) -> Self {
        Self { bound_to: bound_to.into(), ..self }
    }

    /// The first page, or the one that a cursor means.
    ///
    /// # Errors
    /// [`CursorError::Forged`] or [`CursorError::OtherOrder`].
    pub fn request(&self, cursor: Option<&str>, size: PageSize) -> Result<PageRequest, CursorError> {
        let (place, position) = match cursor {
            Some(text) => Cursor::open(&self.key, &self.bound_to, &self.keyset, text)?,
            None => (Place::First, Vec::new()),
        };
        Ok(PageRequest { of: self.keyset.fingerprint(), place, position, size })
    }

    /// The last page.
    #[must_use]
    pub fn last(&self, size: PageSize) -> PageRequest {
        PageRequest { of: self.keyset.fingerprint(), place: Place::Last, position: Vec::new(), size }
    }

    /// Adds to a SELECT what makes it the page: a condition, the order, a limit and one more result column. It must have
    /// none of ORDER BY, LIMIT, OFFSET, and not group.
    pub fn select(&self, select: Select, request: &PageRequest) -> Select {
        if request.of != self.keyset.fingerprint() {
            return select.fail(BuildError::OtherPages);
        }
        let backwards = request.place.is_backwards();
        let keys: Vec<Key> = self.keyset.keys.iter().map(|key| key.turned(backwards)).collect();
        let mut select =
            select.columns(json_array(Position(&self.keyset)).cast(SqlType::Text).alias(POSITION));
        if !request.position.is_empty() {
            let after = After { keyset: &self.keyset, keys: &keys, position: &request.position };
            select = select.filter(Condition(after));
        }
        for key in &keys {
            select = select.order_by(key.order(&self.keyset.column(key)));
        }
        // One more than the page holds tells whether there is another.
        select.limit(u32::from(request.size.rows()) + 1)
    }

    /// Makes the page of the rows that the SELECT gave.
    ///
    /// # Errors
    /// The decoder's for a row that is not a `T`; [`CursorError`] in a [`sqlx::Error::Decode`] for one that did not come from
    /// [`select`](Self::select).
    pub fn page<T>(&self, mut rows: Vec<PgRow>, request: &PageRequest) -> Result<Page<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let size = usize::from(request.size.rows());
        let more = rows.len() > size;
        rows.truncate(size);
        if request.place.is_backwards() {
            rows.reverse();
        }
        let cursor = |place: Place, row: Option<&PgRow>| -> Result<Option<Cursor>, sqlx::Error> {
            let position = row.map_or(Ok(Vec::new()), |row| self.position(row))?;
            let sealed = Cursor::seal(&self.key, &self.bound_to, &self.keyset, place, &position);
            sealed.map(Some).map_err(|error| sqlx::Error::Decode(Box::new(error)))
        };
        // Past either end of the list the way back is the page at that end.
        let (before, after) = match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => ((Place::Before, Some(first)), (Place::After, Some(last))),
            _ => ((Place::Last, None), (Place::First, None)),
        };
        let (has_next, has_previous) = match request.place {
            Place::First => (more, false),
            Place::After => (more, true),
            Place::Last => (false, more),
            Place::Before => (true, more),
        };
        let next = if has_next { cursor(after.0, after.1)? } else { None };
        let previous = if has_previous { cursor(before.0, before.1)? } else { None };
        let items = rows.iter().map(T::from_row).collect::<Result<_, _>>()?;
        Ok(Page { items, next, previous })
    }

    /// The values of a row's sort keys, as text.
    fn position(&self, row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
        let missing = || sqlx::Error::Decode(Box::new(CursorError::NoPosition));
        let text: String = row.try_get(POSITION)?;
        let values: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|_| missing())?;
        if values.len() != self.keyset.keys.len() {
            return Err(missing());
        }
        // JSON, as its times do not depend on the session's settings, and its whole numbers keep every digit.
        self.keyset
            .keys
            .iter()
            .zip(values)
            .map(|(key, value)| text_of(key, value).ok_or_else(missing))
            .collect()
    }
}

/// A value as it goes into a cursor, `Some(None)` for NULL.
fn text_of(key: &Key, value: serde_json::Value) -> Option<Option<String>> {
    Some(match (key.field.kind(), value) {
        (_, serde_json::Value::Null) => None,
        // The shortest text that is this number and no other.
        (Kind::Float8, serde_json::Value::String(bits)) => {
            Some(format!("{:e}", f64::from_bits(u64::from_str_radix(&bits, 16).ok()?)))
        }
        // With a sign at every number, as one at the first means different things in different styles.
        (Kind::Interval, serde_json::Value::String(bits)) => {
            let bits = u128::from_str_radix(&bits, 16).ok()?.to_be_bytes();
            let (micros, rest) = bits.split_first_chunk()?;
            let (days, rest) = rest.split_first_chunk()?;
            let months = rest.first_chunk()?;
            let (micros, days, months) =
                (i64::from_be_bytes(*micros), i32::from_be_bytes(*days), i32::from_be_bytes(*months));
            Some(format!("{months:+} mons {days:+} days {micros:+} microseconds"))
        }
        (Kind::Float8 | Kind::Interval, _) => return None,
        (_, serde_json::Value::String(text)) => Some(text),
        (_, other) => Some(other.to_string()),
    })
}

/// The columns of the sort keys.
struct Position<'a>(&'a Keyset);

impl Exprs for Position<'_> {
    fn write_list(self, writer: &mut Writer) {
        for (position, key) in self.0.keys.iter().enumerate() {
            if position > 0 {
                writer.push(", ");
            }
            let column = self.0.column(key);
            match key.field.kind() {
                // As text a number has the digits that extra_float_digits leaves it, and readers of JSON round it.
                Kind::Float8 => write_bits("float8send", &column, writer),
                // As text it has the form that IntervalStyle gives it.
                Kind::Interval => write_bits("interval_send", &column, writer),
                _ => col(&column).write(writer),
            }
        }
    }
}

/// What a value is on the wire, in hexadecimal.
fn write_bits(send: &'static str, column: &str, writer: &mut Writer) {
    Call::known("encode", (Call::known(send, (col(column),)), constant("hex"))).write(writer);
}
