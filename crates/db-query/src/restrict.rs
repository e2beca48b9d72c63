//! Row conditions for a statement that was built without them: rows that are refused are not there for it.

use crate::{
    Access, BuildError, Expr, Statement, holds, ident,
    touch::{Role, Span, Survey},
    writer::{State, Writer},
};

/// A condition on the rows of one table, whatever name the table goes by in a statement. [`Filter`](crate::Filter) is one.
pub trait RowFilter: Expr {
    /// The same, its columns named by this name of the table, so that none of another table is meant.
    #[must_use]
    fn of(self, table: &str) -> Self;
}

/// A statement for which refused rows are absent, from [`Statement::restrict`].
#[derive(Clone, Debug)]
#[must_use = "the statement is the one to run"]
pub struct Restricted {
    /// The statement.
    pub statement: Statement,
    /// Tables with a condition that get new rows or new values, as they are named: whether those meet the condition, only the
    /// server can say, by a policy's WITH CHECK.
    pub unchecked: Vec<String>,
}

/// A change of the text, with the names in what is new counted from its beginning.
struct Edit {
    from: usize,
    to: usize,
    /// How far into it what it replaces is found again.
    lead: usize,
    text: String,
    spans: Vec<Span>,
}

impl Statement {
    /// Leaves out every row for which the condition of its table does not hold, wherever the table is read, changed or
    /// deleted from. `condition_of` gets each table's name as [`touches`](Self::touches) has it; `None` is for a table that
    /// may be seen as a whole.
    ///
    /// A table that is read becomes `(SELECT * FROM t WHERE …) AS t`, so an outer join finds nothing where it would have found a
    /// refused row; the target of an UPDATE or DELETE gets the condition beside its own. The new parameters come after those
    /// that there are. The columns that conditions read count as touched.
    ///
    /// It is no barrier against a function that tells what it is given, or an error that does: the server may call it before
    /// it looks at the condition. Row-level security is one. What a subquery does not have is missing and refused by
    /// the server: system columns (`ctid`), and columns that may stand beside GROUP BY as it is by the primary key.
    ///
    /// ```
    /// use db_query::{Field, Filter, Kind, Select, Table};
    ///
    /// const TASKS: Table = Table::new("tasks", &[Field::new("owner", Kind::Text), Field::new("title", Kind::Text)]);
    /// let own = Filter::parse(r#"{"owner": "ada"}"#, &TASKS)?;
    /// let titles = Select::from(&TASKS).columns(["title"]).build()?;
    /// let restricted = titles.restrict(|table| (table == "tasks").then(|| own.clone()))?;
    /// assert_eq!(
    ///     restricted.statement.sql(),
    ///     r#"SELECT "title" FROM (SELECT * FROM "tasks" WHERE ("tasks"."owner" = $1)) AS "tasks""#
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Any [`RowFilter`] does for a condition.
    ///
    /// # Errors
    /// [`BuildError::Misplaced`] where a table with a condition is the target of a MERGE or of ON CONFLICT DO UPDATE, or is
    /// read without an alias under a schema's name that its columns are named by; and for a statement whose values are sent.
    /// What a condition may be wrong in, as in `build`.
    pub fn restrict<R: RowFilter>(
        self,
        condition_of: impl Fn(&str) -> Option<R>,
    ) -> Result<Restricted, BuildError> {
        self.restrict_by(|table, _| condition_of(table).into_iter().collect())
    }

    /// The same, where what may be done to a row depends on what is done: a condition is asked for each [`Access`] that a
    /// statement needs to a table where it is named, and all of them must hold. The target of an UPDATE or DELETE is read too
    /// where a column of it is named, and a table that is locked is updated, as PostgreSQL has it.
    ///
    /// # Errors
    /// Those of [`restrict`](Self::restrict).
    pub fn restrict_each<R: RowFilter>(
        self,
        condition_of: impl Fn(&str, Access) -> Option<R>,
    ) -> Result<Restricted, BuildError> {
        self.restrict_by(|table, accesses| {
            accesses.iter().filter_map(|access| condition_of(table, *access)).collect()
        })
    }

    fn restrict_by<R: RowFilter>(
        self,
        conditions_of: impl Fn(&str, &[Access]) -> Vec<R>,
    ) -> Result<Restricted, BuildError> {
        let mut writer = Writer::resume(self.into_state()?);
        let places = places(writer.state());
        let text = std::mem::take(&mut writer.state().text);
        let (mut edits, mut unchecked) = (Vec::new(), Vec::new());
        for Place { position, name, accesses } in places {
            let table = name.join(".");
            let conditions = conditions_of(&table, &accesses);
            let span = writer.state().spans[position];
            // New values must meet the condition of changes, and be seen by those who are shown them.
            let is_changed = span.role != Role::Read && span.role != Role::Delete;
            if conditions.is_empty() {
                continue;
            }
            if is_changed {
                unchecked.push(table);
            }
            match span.role {
                Role::Read => edits.push(read(&mut writer, &text, position, &name, conditions)?),
                Role::Update | Role::Delete => {
                    edits.push(change(&mut writer, &text, span, &name, conditions)?);
                }
                _ => {
                    let state = writer.state();
                    let updates = |other: &Span| other.scope == span.scope && other.role == Role::Updated;
                    if span.role == Role::Merge || state.spans.iter().any(updates) {
                        return Err(BuildError::Misplaced {
                            clause: "MERGE or ON CONFLICT DO UPDATE into a table whose rows are restricted; \
                                update and insert in two statements",
                        });
                    }
                }
            }
        }
        unchecked.sort_unstable();
        unchecked.dedup();
        apply(writer.state(), &text, edits);
        Ok(Restricted { statement: writer.end()?, unchecked })
    }
}

/// A table where it is named.
struct Place {
    position: usize,
    name: Vec<String>,
    /// What is done to its rows there.
    accesses: Vec<Access>,
}

/// Where tables are named to be read or changed; common table expressions are none.
fn places(state: &State) -> Vec<Place> {
    let survey = Survey::of(state);
    let tables = state.spans.iter().enumerate().filter_map(|(position, span)| {
        let is_table =
            matches!(span.role, Role::Read | Role::Insert | Role::Update | Role::Delete | Role::Merge);
        let name = is_table.then(|| span.parts(&state.text))?;
        let accesses = survey.accesses_at(position);
        (!survey.is_cte(*span, &name)).then_some(Place { position, name, accesses })
    });
    tables.collect()
}

/// A table in FROM, USING or a join.
fn read<R: RowFilter>(
    writer: &mut Writer,
    text: &str,
    position: usize,
    name: &[String],
    conditions: Vec<R>,
) -> Result<Edit, BuildError> {
    let state = writer.state();
    let span = state.spans[position];
    let (from, to) = (span.at as usize, span.at as usize + usize::from(span.len));
    let own = name.last().map_or("", String::as_str);
    // Its alias is written right behind it.
    let alias = state
        .spans
        .get(position + 1)
        .filter(|next| next.role == Role::Alias && text[to..].starts_with(" AS "));
    let alias = alias.and_then(|alias| alias.parts(text).pop());
    if alias.is_none() && name.len() > 1 {
        let by_schema = |other: &Span| {
            let parts = other.parts(text);
            let of = matches!(other.role, Role::Column | Role::SortKey) && parts.len() > name.len()
                || other.role == Role::Star && parts.len() == name.len();
            of && parts.starts_with(name)
        };
        if state.spans.iter().any(by_schema) {
            return Err(BuildError::Misplaced {
                clause: "a column named by its schema, of a table whose rows are restricted; give the table an alias",
            });
        }
    }
    const LEAD: &str = "(SELECT * FROM ";
    writer.push(LEAD);
    writer.state().text.push_str(&text[from..to]);
    if let Some(alias) = &alias {
        writer.push(" AS ");
        write_quoted(writer, alias);
    }
    writer.push(" WHERE ");
    let spans = write_conditions(writer, conditions, alias.as_deref().unwrap_or(own), span.scope);
    writer.push(")");
    if alias.is_none() {
        writer.push(" AS ");
        write_quoted(writer, own);
    }
    let text = std::mem::take(&mut writer.state().text);
    Ok(Edit { from, to, lead: LEAD.len(), text, spans })
}

/// The target of an UPDATE or DELETE.
fn change<R: RowFilter>(
    writer: &mut Writer,
    text: &str,
    target: Span,
    name: &[String],
    conditions: Vec<R>,
) -> Result<Edit, BuildError> {
    let spans = &mut writer.state().spans;
    let alias = spans.iter().find(|span| span.scope == target.scope && span.role == Role::TargetAlias);
    let alias = alias.and_then(|alias| alias.parts(text).pop());
    let end = spans
        .iter_mut()
        .find(|span| span.scope == target.scope && matches!(span.role, Role::Filtered | Role::Unfiltered));
    let Some(end) = end else {
        return Err(BuildError::Misplaced { clause: "a restriction of a change without an end" });
    };
    let at = end.at as usize;
    let word = if end.role == Role::Filtered { " AND " } else { " WHERE " };
    // From now on it has a filter.
    end.role = Role::Filtered;
    writer.push(word);
    let own = name.last().map_or("", String::as_str);
    let spans = write_conditions(writer, conditions, alias.as_deref().unwrap_or(own), target.scope);
    Ok(Edit { from: at, to: at, lead: 0, text: std::mem::take(&mut writer.state().text), spans })
}

fn write_quoted(writer: &mut Writer, name: &str) {
    if let Err(error) = ident::write(name, ident::Dots::Belong, &mut writer.state().text) {
        writer.fail(error);
    }
}

/// Writes the conditions, their columns named by the table's name here, so that none of a query around is meant; gives the
/// names in them.
fn write_conditions<R: RowFilter>(
    writer: &mut Writer,
    conditions: Vec<R>,
    name: &str,
    scope: u8,
) -> Vec<Span> {
    let before = writer.state().spans.len();
    let around = std::mem::replace(&mut writer.state().scope, scope);
    for (at, condition) in conditions.into_iter().enumerate() {
        if at > 0 {
            writer.push(" AND ");
        }
        holds(condition.of(name)).write_operand(writer);
    }
    let state = writer.state();
    state.scope = around;
    state.spans.drain(before..).collect()
}

/// Puts the new text together, and moves the names to where they stand in it.
fn apply(state: &mut State, text: &str, mut edits: Vec<Edit>) {
    edits.sort_by_key(|edit| edit.from);
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    for span in &mut state.spans {
        let at = span.at as usize;
        let before = edits.iter().take_while(|edit| edit.to <= at);
        let moved: usize = before.map(|edit| edit.text.len() - (edit.to - edit.from)).sum();
        let within = edits.iter().find(|edit| (edit.from..edit.to).contains(&at));
        span.at = narrow(at + moved + within.map_or(0, |edit| edit.lead));
    }
    let (mut written, mut done) = (String::with_capacity(text.len() * 2), 0);
    for edit in edits {
        written.push_str(&text[done..edit.from]);
        let moved = written.len();
        state
            .spans
            .extend(edit.spans.into_iter().map(|span| Span { at: narrow(span.at as usize + moved), ..span }));
        written.push_str(&edit.text);
        done = edit.to;
    }
    written.push_str(&text[done..]);
    state.text = written;
}
