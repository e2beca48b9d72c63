//! Keys: one column or several, as conditions.

use super::ColumnType;
use db_query::{Condition, Expr, col, row_of, unnest};
use sqlx::postgres::PgHasArrayType;
use std::{fmt::Display, hash::Hash};

/// A column of a key.
pub trait KeyPart: ColumnType + PgHasArrayType + Clone + Display + Eq + Hash + Send + Sync + 'static {}

impl KeyPart for String {}
impl KeyPart for i16 {}
impl KeyPart for i32 {}
impl KeyPart for i64 {}

/// What names a row: a [`KeyPart`], or a tuple of two or three.
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {
    /// The row with this key.
    fn is(&self, columns: &'static [&'static str]) -> Condition<impl Expr>;

    /// The rows with one of these keys, as one array a column.
    fn among(keys: &[Self], columns: &'static [&'static str]) -> Condition<impl Expr>;

    /// The key as people read it; parts are separated by slashes.
    fn text(&self) -> String;
}

impl<T: KeyPart> Key for T {
    fn is(&self, columns: &'static [&'static str]) -> Condition<impl Expr> {
        col(columns[0]).eq(self.clone())
    }

    fn among(keys: &[Self], columns: &'static [&'static str]) -> Condition<impl Expr> {
        col(columns[0]).any(keys.iter().map(Some).collect())
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl<A: KeyPart, B: KeyPart> Key for (A, B) {
    fn is(&self, columns: &'static [&'static str]) -> Condition<impl Expr> {
        col(columns[0]).eq(self.0.clone()).and(col(columns[1]).eq(self.1.clone()))
    }

    fn among(keys: &[Self], columns: &'static [&'static str]) -> Condition<impl Expr> {
        row_of((col(columns[0]), col(columns[1]))).in_query(move |q| {
            let keys = unnest("keys", |arrays| {
                A::write_array("a", keys.iter().map(|key| Some(&key.0)).collect(), arrays);
                B::write_array("b", keys.iter().map(|key| Some(&key.1)).collect(), arrays);
            });
            q.from(keys).columns(["keys.a", "keys.b"])
        })
    }

    fn text(&self) -> String {
        format!("{}/{}", self.0, self.1)
    }
}

impl<A: KeyPart, B: KeyPart, C: KeyPart> Key for (A, B, C) {
    fn is(&self, columns: &'static [&'static str]) -> Condition<impl Expr> {
        let (a, b, c) = self.clone();
        col(columns[0]).eq(a).and(col(columns[1]).eq(b)).and(col(columns[2]).eq(c))
    }

    fn among(keys: &[Self], columns: &'static [&'static str]) -> Condition<impl Expr> {
        row_of((col(columns[0]), col(columns[1]), col(columns[2]))).in_query(move |q| {
            let keys = unnest("keys", |arrays| {
                A::write_array("a", keys.iter().map(|key| Some(&key.0)).collect(), arrays);
                B::write_array("b", keys.iter().map(|key| Some(&key.1)).collect(), arrays);
                C::write_array("c", keys.iter().map(|key| Some(&key.2)).collect(), arrays);
            });
            q.from(keys).columns(["keys.a", "keys.b", "keys.c"])
        })
    }

    fn text(&self) -> String {
        format!("{}/{}/{}", self.0, self.1, self.2)
    }
}
