//! Reads what a text of SQL touches, in the terms in which a built statement tells it, and refuses what it does not
//! understand.
//!
//! The text is read twice: the parser's tokens must stand where [`tokens`] finds them by the server's rules, and all that
//! names something must be found again in what the parser has made of it. What the parser gives is then walked by exact
//! patterns; a part that no pattern names is refused.

mod change;
mod expr;
mod from;
mod kept;
mod names;
mod outputs;
mod query;
mod scope;
mod statement;
mod tokens;

use db_query::{Access, Columns, Qualified, Touch};
use sqlparser::ast::{Spanned, Statement};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    thread,
};

/// What the statements of a text touch, all of them together.
///
/// # What it takes to run them
/// Of each touch the right of its name on its columns; where no column is named (`count(*)`), on any one. Of a table in
/// `truncates` the right to truncate it, and to own what is in `administers`. A bare column counts for every table that it
/// may be of, so some tables will be said to have columns that they do not have; whoever knows the columns may leave those out.
/// Of each name in `qualified` one of its tables must have the column, or it is a function that is called.
///
/// # What is not seen
/// What a function does; what a view, a trigger, a rule, a default or a policy does in its owner's name; which schema a table
/// without one is in, which is the session's `search_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawTouches {
    /// How many statements there are.
    pub statements: usize,
    /// The tables and views, and what is done to them, as [`db_query::Statement::touches`] has it.
    pub touches: Vec<Touch>,
    /// Functions that are called by name, `schema.name` where a schema was given. What SQL gives a form of its own is called by
    /// its name in the catalogue or left out where it has none (`coalesce`).
    pub functions: BTreeSet<String>,
    /// Columns that are named by what they are of, as [`db_query::Statement::touches_and_qualified`] has them, without those
    /// that the text itself gives the name.
    pub qualified: Vec<Qualified>,
    /// Tables that are emptied as a whole.
    pub truncates: BTreeSet<String>,
    /// Tables, views and indexes whose definition is changed.
    pub administers: BTreeSet<String>,
    /// Whether a statement is a COPY, which goes by a protocol of its own.
    pub copies: bool,
}

impl RawTouches {
    /// What a text touches that is one statement, and no COPY: only such a one is run for a subject.
    ///
    /// # Errors
    /// [`NotUnderstood`] for several statements, for none, and for COPY.
    pub fn alone(self) -> Result<Self, NotUnderstood> {
        match (self.copies, self.statements) {
            (true, _) => refuse("COPY, which goes by a protocol of its own"),
            (false, 1) => Ok(self),
            _ => refuse("several statements in one text"),
        }
    }
}

/// A text of which it is not certain what it touches; it must not be run on the strength of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not understood at line {line}, column {column}: {what}")]
#[non_exhaustive]
pub struct NotUnderstood {
    /// What it is about; never a part of the text but for names.
    pub what: Cow<'static, str>,
    /// The line, from 1; 0 where it is not known.
    pub line: u64,
    /// The character in it, from 1; 0 where it is not known.
    pub column: u64,
}

impl NotUnderstood {
    pub(super) fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), line: 0, column: 0 }
    }

    /// The place, unless it is known already.
    fn at(mut self, (line, column): (u64, u64)) -> Self {
        if self.line == 0 {
            (self.line, self.column) = (line, column);
        }
        self
    }

    fn near(self, node: &impl Spanned) -> Self {
        let start = node.span().start;
        self.at((start.line, start.column))
    }
}

type Understood<T> = Result<T, NotUnderstood>;

fn refuse<T>(what: impl Into<Cow<'static, str>>) -> Understood<T> {
    Err(NotUnderstood::new(what))
}

/// Reads what a text of one or more statements touches.
///
/// Understood are SELECT, VALUES, INSERT, UPDATE, DELETE and MERGE in all their forms that the parser knows, EXPLAIN
/// of those, COPY from the client and to it, TRUNCATE, DROP of tables, views and indexes, and ALTER TABLE that renames or drops.
///
/// Each call reads on a thread of its own, which takes some tens of microseconds more than the reading; the caller waits for it,
/// some tens of milliseconds for the longest text.
///
/// # Errors
/// [`NotUnderstood`] for a text of more than 64 KiB, for a column of what is no table and is not seen to have it (`f.value` of
/// `json_each(..) AS f`, but not of `json_each(..) AS f (key, value)`), as that may call a function, and for all else: what begins or ends transactions or changes the session, runs code (DO, CALL, EXECUTE,
/// functions that are given a statement as a text), grants, touches the server's files, or is written in a way of which
/// server and parser may think differently: unicode escapes, backslashes in plain strings, names in strings' quotes, reserved
/// words as names, names that hold a dot, columns of the system's.
pub fn read_sql(text: &str) -> Result<RawTouches, NotUnderstood> {
    if text.len() > MAX_BYTES {
        return refuse("a text of more than 64 KiB; send its values as parameters");
    }
    // The parser goes down fifty levels before it gives up, which may be more than the caller's stack can hold.
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || read_here(text));
        let Ok(reader) = reader else { return refuse("no thread to read it on") };
        reader.join().unwrap_or_else(|_| refuse("the parser fails on it"))
    })
}

/// The longest text that is read: whoever waits for it does nothing else meanwhile, and longer ones hold values that belong in
/// parameters.
const MAX_BYTES: usize = 64 << 10;

/// Bytes of stack for the reader; only what is used of it is ever there.
const STACK: usize = 64 << 20;

fn read_here(text: &str) -> Understood<RawTouches> {
    let statements = tokens::parse(text)?;
    let mut reader = Reader::default();
    for statement in &statements {
        reader.statement(statement)?;
    }
    let touch = |((table, access), columns)| Touch { table, access, columns };
    Ok(RawTouches {
        statements: statements.len(),
        touches: reader.found.into_iter().map(touch).collect(),
        functions: reader.functions,
        qualified: reader.qualified.into_iter().collect(),
        truncates: reader.truncates,
        administers: reader.administers,
        copies: reader.copies,
    })
}

/// What was found so far, and what can be seen from where the reader is.
#[derive(Default)]
struct Reader {
    found: BTreeMap<(String, Access), Columns>,
    functions: BTreeSet<String>,
    qualified: BTreeSet<Qualified>,
    truncates: BTreeSet<String>,
    administers: BTreeSet<String>,
    copies: bool,
    /// The queries around, the innermost last.
    scopes: Vec<scope::Scope>,
    /// Common table expressions that can be seen, the innermost last, with the columns that they give.
    ctes: Vec<(String, outputs::Outputs)>,
    /// The columns that the query gives which was read last.
    last: outputs::Outputs,
    depth: usize,
}

/// Parts within parts; the parser itself stops at about as many.
const MAX_DEPTH: usize = 100;

impl Reader {
    /// Goes a level deeper, so that no text is too much for the stack.
    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Understood<T>) -> Understood<T> {
        if self.depth == MAX_DEPTH {
            return refuse("more than a hundred parts within parts");
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn statement(&mut self, statement: &Statement) -> Understood<()> {
        self.deeper(|reader| statement::read(reader, statement)).map_err(|error| error.near(statement))
    }

    /// Notes a touch: of one column, of none in particular, or of all.
    fn note(&mut self, table: &str, access: Access, columns: Touched<'_>) {
        let all =
            self.found.entry((table.to_owned(), access)).or_insert_with(|| Columns::Named(BTreeSet::new()));
        match (&mut *all, columns) {
            (Columns::All, _) | (_, Touched::Any) => {}
            (Columns::Named(names), Touched::One(column)) => {
                names.insert(column.to_owned());
            }
            (_, Touched::All) => *all = Columns::All,
        }
    }
}

/// Which columns.
#[derive(Clone, Copy)]
enum Touched<'a> {
    /// The table is touched, whatever the column.
    Any,
    One(&'a str),
    All,
}
