//! Whether a statement is let, and as what. Pure: what time it is comes in.

use super::{Applied, Denial, tell::Teller};
use crate::access::{
    Decision, GuardError, Mode, Policy, RawTouches, Request, Rows, Subject, TableRows, read_sql,
};
use chrono::{DateTime, Utc};
use db_query::Statement;
use std::sync::atomic::Ordering::Relaxed;

/// What the rules have not refused.
enum Let {
    /// They let it, on these rows of the tables that are listed.
    On(Vec<TableRows>),
    /// They are only watched, and it was told what they have against it.
    Observed,
}

/// What is asked, by whom.
pub(super) struct Asking<'a> {
    pub(super) policy: &'a Policy,
    pub(super) applied: &'a Applied,
    pub(super) mode: Mode,
    pub(super) subject: &'a Subject,
    pub(super) now: DateTime<Utc>,
    pub(super) teller: Teller<'a>,
}

impl Asking<'_> {
    /// Whether the subject's role is one of the rules'; in observe mode what they say of it is told with each statement.
    pub(super) fn known(&self) -> Result<(), GuardError> {
        let decision = self.policy.decide(self.subject, &Request::new(&[]), self.now);
        match (self.mode, decision) {
            (Mode::Enforce, Decision::Refused(refusal)) => self.refuse(GuardError::Refused(refusal)),
            _ => Ok(()),
        }
    }

    /// The statement as it may run.
    pub(super) fn statement(&self, statement: Statement) -> Result<Statement, GuardError> {
        let ((touches, qualified), functions) = (statement.touches_and_qualified(), statement.functions());
        let request = Request::new(&touches).functions(&functions).qualified(&qualified);
        let Let::On(rows) = self.decide(&request)? else { return Ok(statement) };
        let left = self.applied.left(self.subject.role(), &rows);
        let kept = if left.is_empty() { Ok(statement) } else { self.kept(statement, &left) };
        match kept {
            Ok(kept) => {
                self.teller.counters.allowed.fetch_add(1, Relaxed);
                Ok(kept)
            }
            Err(error) => self.refuse(error),
        }
    }

    /// Whether a text may run as it is: nothing can be written into it.
    pub(super) fn sql(&self, text: &str) -> Result<(), GuardError> {
        let read = match read_sql(text).and_then(RawTouches::alone) {
            Ok(read) => read,
            Err(error) if self.mode == Mode::Enforce => {
                return self.refuse(GuardError::NotUnderstood(error));
            }
            Err(error) => {
                self.teller.observed(&Denial::NotUnderstood(error), self.now);
                return Ok(());
            }
        };
        let truncates: Vec<String> = read.truncates.into_iter().collect();
        let definitions: Vec<String> = read.administers.into_iter().collect();
        let request = Request::new(&read.touches).functions(&read.functions).qualified(&read.qualified);
        let request = request.admin(&truncates).definitions(&definitions);
        let Let::On(rows) = self.decide(&request)? else { return Ok(()) };
        match self.applied.left(self.subject.role(), &rows).first() {
            None => {
                self.teller.counters.allowed.fetch_add(1, Relaxed);
                Ok(())
            }
            Some(rows) => self.refuse(self.unkept(rows, "a text of SQL", None)),
        }
    }

    fn decide(&self, request: &Request<'_>) -> Result<Let, GuardError> {
        match (self.mode, self.policy.decide(self.subject, request, self.now)) {
            (Mode::Enforce, Decision::Allowed(rows)) => Ok(Let::On(rows)),
            (Mode::Enforce, Decision::Refused(refusal)) => self.refuse(GuardError::Refused(refusal)),
            (_, decision) => match Denial::of(decision) {
                None => Ok(Let::On(Vec::new())),
                Some(denial) => {
                    self.teller.observed(&denial, self.now);
                    Ok(Let::Observed)
                }
            },
        }
    }

    /// The statement with the conditions of these tables in it.
    fn kept(&self, statement: Statement, left: &[&TableRows]) -> Result<Statement, GuardError> {
        if let Some(rows) = left.iter().find(|rows| rows.through.is_some()) {
            return Err(self.unkept(rows, "a view", None));
        }
        let rows_of = |name: &str, access| -> Option<Rows> {
            let table = &self.policy.governed[self.policy.table(name)?];
            let found = left.iter().find(|rows| rows.table == *table && rows.access == access);
            found.map(|rows| rows.rows.clone())
        };
        let restricted = statement
            .restrict_each(rows_of)
            .map_err(|error| self.unkept(left[0], "this statement", Some(Box::new(error))))?;
        match restricted.unchecked.first() {
            None => Ok(restricted.statement),
            Some(_) => Err(self.unkept(left[0], "what is new in its rows", None)),
        }
    }

    fn unkept(
        &self,
        rows: &TableRows,
        of: &'static str,
        source: Option<Box<db_query::BuildError>>,
    ) -> GuardError {
        GuardError::Rows { role: self.subject.role().to_owned(), table: rows.table.to_string(), of, source }
    }

    fn refuse<T>(&self, error: GuardError) -> Result<T, GuardError> {
        self.teller.refused(&error);
        Err(error)
    }
}
