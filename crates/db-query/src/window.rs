//! Windows: which rows around its own a function sees.

use crate::{
    BuildError,
    expr::Expr,
    order::{Order, Orders},
    touch::Role,
    writer::Writer,
};

/// Where a frame begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The first row of the partition.
    Start,
    /// So many rows before this one.
    Preceding(u32),
    /// This row.
    Current,
    /// So many rows after this one.
    Following(u32),
    /// The last row of the partition.
    End,
}

impl Bound {
    fn write(self, unbounded: &'static str, writer: &mut Writer) {
        match self {
            Self::Start | Self::End => writer.push(unbounded),
            Self::Current => writer.push("CURRENT ROW"),
            Self::Preceding(rows) => {
                writer.push_number(i64::from(rows));
                writer.push(" PRECEDING");
            }
            Self::Following(rows) => {
                writer.push_number(i64::from(rows));
                writer.push(" FOLLOWING");
            }
        }
    }
}

/// A window: partition, order, frame.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a, O = ()> {
    partition: &'a [&'a str],
    order: O,
    frame: Option<(Bound, Bound)>,
}

/// A window over all rows; see [`Window`] for what narrows it.
#[must_use]
pub const fn window<'a>() -> Window<'a> {
    Window { partition: &[], order: (), frame: None }
}

impl<'a, O> Window<'a, O> {
    /// Only rows that have the same values in these columns.
    #[must_use]
    pub fn partition_by(self, columns: &'a [&'a str]) -> Self {
        Self { partition: columns, ..self }
    }

    /// In this order; called again, the next key.
    pub fn order_by<T: Expr>(self, order: Order<T>) -> Window<'a, (O, Order<T>)> {
        Window { partition: self.partition, order: (self.order, order), frame: self.frame }
    }

    /// Only rows from here to there: `ROWS BETWEEN start AND end`.
    #[must_use]
    pub fn rows(self, start: Bound, end: Bound) -> Self {
        Self { frame: Some((start, end)), ..self }
    }
}

/// What stands behind OVER.
pub trait WindowSpec {
    /// Writes a name, or the definition in parentheses.
    fn write_window(self, writer: &mut Writer);
}

impl<O: Orders> WindowSpec for Window<'_, O> {
    fn write_window(self, writer: &mut Writer) {
        writer.push("(");
        for (position, column) in self.partition.iter().enumerate() {
            writer.push(if position == 0 { "PARTITION BY " } else { ", " });
            writer.name(column, Role::Column);
        }
        let begin = if self.partition.is_empty() { "ORDER BY " } else { " ORDER BY " };
        self.order.write_orders(begin, writer);
        if let Some((start, end)) = self.frame {
            if start == Bound::End || end == Bound::Start {
                writer.fail(BuildError::Incomplete { missing: "row between the ends of a window's frame" });
            }
            writer.push(" ROWS BETWEEN ");
            start.write("UNBOUNDED PRECEDING", writer);
            writer.push(" AND ");
            end.write("UNBOUNDED FOLLOWING", writer);
        }
        writer.push(")");
    }
}

impl WindowSpec for &str {
    fn write_window(self, writer: &mut Writer) {
        writer.plain_name(self, Role::Other);
    }
}

/// A function over a window.
#[derive(Clone, Copy, Debug)]
pub struct Over<T, W> {
    function: T,
    window: W,
}

impl<T, W> Over<T, W> {
    pub(crate) fn new(function: T, window: W) -> Self {
        Self { function, window }
    }
}

impl<T: Expr, W: WindowSpec> Expr for Over<T, W> {
    fn write(self, writer: &mut Writer) {
        self.function.write(writer);
        writer.push(" OVER ");
        self.window.write_window(writer);
    }
}
