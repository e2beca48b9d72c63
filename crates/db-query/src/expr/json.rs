//! Into jsonb: by key, by path, as text. Keys and paths are parameters or constants, never text that somebody sent.

use super::{Expr, Operand, Value, operator::Binary, value};

impl<T: Expr> Operand<T> {
    /// `expr -> key`: the member of an object (a text) or of an array (an integer, from 0), as jsonb.
    pub fn get<E: Expr>(self, key: Operand<E>) -> Operand<Binary<T, E>> {
        Operand(Binary { left: self.0, op: " -> ", right: key.0 })
    }

    /// `expr ->> key`: the same as text. An index on the expression serves it only with a
    /// [`constant`](crate::constant) key.
    pub fn get_text<E: Expr>(self, key: Operand<E>) -> Operand<Binary<T, E>> {
        Operand(Binary { left: self.0, op: " ->> ", right: key.0 })
    }

    /// `expr #> path`: what stands at the path, as jsonb; NULL where nothing does.
    pub fn at<S: AsRef<str>>(self, path: &[S]) -> Operand<Binary<T, Value<Vec<String>>>> {
        Operand(Binary { left: self.0, op: " #> ", right: owned(path).0 })
    }

    /// `expr #>> path`: the same as text.
    pub fn text_at<S: AsRef<str>>(self, path: &[S]) -> Operand<Binary<T, Value<Vec<String>>>> {
        Operand(Binary { left: self.0, op: " #>> ", right: owned(path).0 })
    }
}

fn owned<S: AsRef<str>>(path: &[S]) -> Operand<Value<Vec<String>>> {
    value(path.iter().map(|part| part.as_ref().to_owned()).collect())
}
