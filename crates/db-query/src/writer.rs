//! What every builder writes into: one text, one list of arguments, where names stand in the text, the first mistake.

use crate::{
    BuildError,
    clause::Frame,
    ident,
    statement::Statement,
    touch::{Role, Span},
};
use smallvec::SmallVec;
use sqlx::{Arguments, Encode, Postgres, Type, postgres::PgArguments};
use std::fmt;

/// The protocol counts parameters in 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// Room for the text of most statements.
pub(crate) const TEXT_BYTES: usize = 512;

/// Room for the parameters of most statements, and for their encoded values.
const PARAMETERS: usize = 24;
const VALUE_BYTES: usize = 512;

/// Where expressions are written to. Text only comes from this crate; user text only as a name or a parameter.
///
/// A parameter's number is the order in which it was bound, not where it stands, so clauses may change places when the
/// statement is complete.
#[derive(Default)]
pub struct Writer {
    // A box, as builders hand it on by value at each call; absent while a nested builder holds it.
    state: Option<Box<State>>,
}

/// See [`Writer`].
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) text: String,
    pub(crate) arguments: PgArguments,
    pub(crate) parameters: usize,
    /// Where names stand in the text, and what they name.
    pub(crate) spans: SmallVec<[Span; 48]>,
    /// Where clauses begin, those of the statements around this one first.
    pub(crate) segments: SmallVec<[(crate::clause::Clause, u32); 12]>,
    pub(crate) ctes: Vec<crate::touch::Cte>,
    pub(crate) derived: Vec<crate::touch::Derived>,
    /// The scope of each (sub)query around it, by number; the first is its own.
    pub(crate) parents: SmallVec<[u8; 8]>,
    /// The scope of what is being written.
    pub(crate) scope: u8,
    pub(crate) asks_for_the_time: bool,
    pub(crate) error: Option<Box<BuildError>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            text: String::new(),
            arguments: PgArguments::default(),
            parameters: 0,
            spans: SmallVec::new(),
            segments: SmallVec::new(),
            ctes: Vec::new(),
            derived: Vec::new(),
            parents: SmallVec::from_slice(&[0]),
            scope: 0,
            asks_for_the_time: false,
            error: None,
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the arguments: they are the user's data.
        let (text, error) = self.state.as_ref().map(|state| (&state.text, &state.error)).unzip();
        f.debug_struct("Writer").field("text", &text).field("error", &error).finish_non_exhaustive()
    }
}

impl Writer {
    #[inline]
    pub(crate) fn state(&mut self) -> &mut State {
        self.state.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn push(&mut self, sql: &'static str) {
        self.state().text.push_str(sql);
    }

    /// Writes a number that the program chose.
    pub(crate) fn push_number(&mut self, number: i64) {
        use fmt::Write as _;
        // A String takes every write.
        let _ = write!(self.state().text, "{number}");
    }

    /// Writes `name`, `table.name` or `schema.table.name`, each part checked and quoted.
    #[inline]
    pub(crate) fn name(&mut self, name: &str, role: Role) {
        self.state().write_name(name, role, ident::Dots::Separate);
    }

    /// Writes one name, which may hold dots.
    #[inline]
    pub(crate) fn plain_name(&mut self, name: &str, role: Role) {
        self.state().write_name(name, role, ident::Dots::Belong);
    }

    /// Writes a value as a parameter.
    #[inline]
    pub(crate) fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: T) {
        let state = self.state();
        if state.parameters == 0 {
            state.arguments.reserve(PARAMETERS, VALUE_BYTES);
        }
        state.parameters += 1;
        if let Err(error) = state.arguments.add(value) {
            state.fail(BuildError::Value { position: state.parameters, reason: error.to_string() });
        }
        state.write_placeholder();
    }

    #[cold]
    pub(crate) fn fail(&mut self, error: BuildError) {
        self.state().fail(error);
    }

    /// Writes a statement inside this one; it shares the parameters and has a scope of its own.
    pub(crate) fn nested<Q: crate::Query>(&mut self, build: impl FnOnce(crate::Start) -> Q) {
        let mut inner = std::mem::take(self);
        let outer_scope = inner.state().scope;
        inner.state().enter_scope();
        let depth = inner.state().segments.len();
        let mut inner = build(crate::Start::new(inner)).finish();
        let state = inner.state();
        debug_assert_eq!(state.segments.len(), depth, "a finished statement leaves no clause behind");
        state.scope = outer_scope;
        *self = inner;
    }

    /// Begins a statement of about so many bytes; its clauses are kept apart from those around it.
    pub(crate) fn frame(&mut self, bytes: usize) -> Frame {
        let state = self.state();
        if state.text.is_empty() {
            state.text.reserve(bytes);
        }
        Frame::new(state.text.len(), state.segments.len(), state.spans.len())
    }

    /// Goes on with a statement that was ended.
    pub(crate) fn resume(state: Box<State>) -> Self {
        Self { state: Some(state) }
    }

    /// Ends the outermost statement.
    pub(crate) fn end(mut self) -> Result<Statement, BuildError> {
        let mut state = self.state.take().unwrap_or_default();
        match state.error.take() {
            Some(error) => Err(*error),
            None => Ok(Statement::new(state)),
        }
    }
}

impl State {
    pub(crate) fn at(&self) -> u32 {
        // Text beyond 4 GiB would not reach the server anyway: its messages end at 1 GiB.
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(crate) fn write_name(&mut self, name: &str, role: Role, dots: ident::Dots) {
        let at = self.text.len();
        if let Err(error) = ident::write(name, dots, &mut self.text) {
            self.fail(error);
        }
        self.mark(at, role);
    }

    /// Notes what the text from here to its end names.
    #[inline]
    pub(crate) fn mark(&mut self, at: usize, role: Role) {
        self.spans.push(Span::new(at, self.text.len(), role, self.scope));
    }

    /// Notes a place in what was written.
    pub(crate) fn mark_at(&mut self, at: u32, role: Role) {
        self.spans.push(Span::new(at as usize, at as usize, role, self.scope));
    }

    #[inline]
    fn write_placeholder(&mut self) {
        // As in 1 to 99, which nearly all are.
        let digit = |number: usize| char::from(b'0' + u8::try_from(number % 10).unwrap_or(0));
        self.text.push('$');
        match self.parameters {
            number if number < 10 => self.text.push(digit(number)),
            number if number < 100 => {
                self.text.push(digit(number / 10));
                self.text.push(digit(number));
            }
            number => self.write_large_number(number),
        }
    }

    #[cold]
    fn write_large_number(&mut self, number: usize) {
        use fmt::Write as _;
        if number > MAX_PARAMETERS {
            self.fail(BuildError::TooManyParameters { max: MAX_PARAMETERS });
        }
        // A String takes every write.
        let _ = write!(self.text, "{number}");
    }

    #[cold]
    pub(crate) fn fail(&mut self, error: BuildError) {
        self.error.get_or_insert_with(|| Box::new(error));
    }

    fn enter_scope(&mut self) {
        match u8::try_from(self.parents.len()) {
            Ok(scope) if scope < u8::MAX => {
                self.parents.push(self.scope);
                self.scope = scope;
            }
            _ => self.fail(BuildError::TooManyQueries { max: usize::from(u8::MAX) }),
        }
    }
}
