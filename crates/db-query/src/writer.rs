//! What every builder writes into: a text, the arguments, and the first mistake.

use crate::{BuildError, expr::Expr, ident};
use sqlx::{Arguments, Encode, Postgres, Type, postgres::PgArguments};
use std::fmt;

/// The protocol counts parameters in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// Where expressions are written to. Text only comes from this crate; user text only as a name or a parameter.
///
/// A parameter's number is the order in which it was bound, not where it stands, so each clause has a buffer of its own
/// and all share one list of arguments.
#[derive(Default)]
pub struct Writer {
    pub(crate) text: String,
    arguments: PgArguments,
    count: usize,
    error: Option<BuildError>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the arguments: they are the user's data.
        f.debug_struct("Writer").field("text", &self.text).field("error", &self.error).finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn push(&mut self, sql: &'static str) {
        self.text.push_str(sql);
    }

    /// Writes `name` or `table.name`, each part checked and quoted.
    pub(crate) fn name(&mut self, name: &str) {
        for (position, part) in name.split('.').enumerate() {
            if position > 0 {
                self.text.push('.');
            }
            if let Err(error) = ident::check(part) {
                self.fail(error);
            }
            ident::quote(part, &mut self.text);
        }
    }

    /// Writes one name that may hold dots.
    pub(crate) fn plain_name(&mut self, name: &str) {
        if let Err(error) = ident::check(name) {
            self.fail(error);
        }
        ident::quote(name, &mut self.text);
    }

    pub(crate) fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: T) {
        self.count += 1;
        if self.count > MAX_PARAMETERS {
            self.fail(BuildError::TooManyParameters { max: MAX_PARAMETERS });
            return;
        }
        if let Err(error) = self.arguments.add(value) {
            self.fail(BuildError::Value { position: self.count, reason: error.to_string() });
        }
        self.text.push('$');
        let mut digits = [0_u8; 5];
        let mut start = digits.len();
        let mut rest = self.count;
        while rest > 0 {
            start -= 1;
            digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        self.text.extend(digits[start..].iter().map(|&digit| char::from(digit)));
    }

    pub(crate) fn fail(&mut self, error: BuildError) {
        self.error.get_or_insert(error);
    }

    /// Writes an expression into `clause` instead of the text.
    pub(crate) fn aside(&mut self, clause: &mut String, expr: impl Expr) {
        std::mem::swap(&mut self.text, clause);
        expr.write(self);
        std::mem::swap(&mut self.text, clause);
    }

    pub(crate) fn finish(self) -> Result<(String, PgArguments), BuildError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.text, self.arguments)),
        }
    }
}
