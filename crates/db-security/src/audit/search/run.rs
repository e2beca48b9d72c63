//! Asks the server for a page.

use super::{Search, cursor::Position};
use crate::audit::{Error, Found};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Row as _};

/// Events of one page, and the way on.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SearchPage {
    /// The events, in the order that was asked for.
    pub events: Vec<Found>,
    /// Where the next page begins; `None` behind the last event. A page may have fewer events than it could, or none, and others
    /// behind it, where it has looked at as many as it may.
    pub next: Option<String>,
    /// The time of the last event that was looked at; `None` where all of them were.
    pub searched_to: Option<DateTime<Utc>>,
    /// How many events were looked at.
    pub looked_at: u64,
}

/// Events that are looked at in one statement where no index answers: the first time, and then.
const FIRST_LOOK: u32 = 1_000;
const LOOK: u32 = 5_000;

/// What one statement gave.
struct Looked {
    hits: Vec<Found>,
    looked: u32,
    last: Option<Position>,
}

impl Search {
    /// The first page, or the one behind a cursor.
    ///
    /// # Errors
    /// [`Error::Search`], [`Error::Cursor`] and [`Error::JsonPath`] for what cannot be asked; [`Error::NotThere`],
    /// [`Error::Database`].
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn page(&self, conn: &mut PgConnection, cursor: Option<&str>) -> Result<SearchPage, Error> {
        self.check()?;
        let mut behind = cursor.map(|cursor| Position::of_cursor(cursor, self)).transpose()?;
        if let Some(path) = &self.json_path {
            check_path(conn, path).await?;
        }
        let wanted = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut page = SearchPage { events: Vec::new(), next: None, searched_to: None, looked_at: 0 };
        let mut events = self.first_look();
        loop {
            let Looked { hits, looked, last } = self.look(conn, behind, events).await?;
            page.looked_at += u64::from(looked);
            page.events.extend(hits);
            behind = last.or(behind);
            let is_end = looked < events;
            if page.events.len() > wanted {
                page.events.truncate(wanted);
                behind = page.events.last().map(position);
            } else if is_end {
                return Ok(page);
            } else if page.events.len() < wanted && page.looked_at < u64::from(self.look.get()) {
                // An index has given less than it counted: some were there twice.
                if !self.is_plain() {
                    let left = u64::from(self.look.get()) - page.looked_at;
                    events = LOOK.min(u32::try_from(left).unwrap_or(LOOK));
                }
                continue;
            }
            page.next = behind.map(|behind| behind.to_cursor(self));
            page.searched_to = behind.map(|behind| behind.occurred_at);
            return Ok(page);
        }
    }

    /// How the server answers the first statement of a page, as EXPLAIN has it; for whoever wonders why a search is slow.
    ///
    /// # Errors
    /// Those of [`Search::page`].
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub async fn explain(&self, conn: &mut PgConnection, cursor: Option<&str>) -> Result<String, Error> {
        self.check()?;
        let behind = cursor.map(|cursor| Position::of_cursor(cursor, self)).transpose()?;
        let mut statement = self.statement_after("EXPLAIN SELECT ", behind, self.first_look());
        let rows = statement.build().fetch_all(conn).await.map_err(|source| self.failed(source))?;
        let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(lines.map_err(Error::while_trying("read a plan"))?.join("\n"))
    }

    fn first_look(&self) -> u32 {
        if self.is_plain() { self.limit + 1 } else { FIRST_LOOK.min(self.look.get()) }
    }

    async fn look(
        &self,
        conn: &mut PgConnection,
        behind: Option<Position>,
        events: u32,
    ) -> Result<Looked, Error> {
        let mut statement = self.statement(behind, events);
        let rows = statement.build().fetch_all(conn).await.map_err(|source| self.failed(source))?;
        let mut looked = Looked { hits: Vec::new(), looked: 0, last: None };
        let mut last_leaf = None;
        for row in &rows {
            let failed = Error::while_trying("read an event");
            let (is_hit, count): (bool, i64) = match (row.try_get(19), row.try_get(20)) {
                (Ok(is_hit), Ok(count)) => (is_hit, count),
                (Err(error), _) | (_, Err(error)) => return Err(failed(error)),
            };
            looked.looked = u32::try_from(count).unwrap_or(u32::MAX);
            let found = Found::of_row(row)?;
            let at = position(&found);
            // Sent twice and stored twice: it has one place in the log at most, and two with places are two events.
            let is_same = looked.last.is_some_and(|last| !last.is_before(at, self.order));
            let is_there =
                is_same && (found.leaf.is_none() || last_leaf.is_none() || found.leaf == last_leaf);
            (looked.last, last_leaf) = (Some(at), found.leaf.or(last_leaf.filter(|_| is_same)));
            if is_hit && !is_there {
                looked.hits.push(found);
            }
        }
        Ok(looked)
    }

    /// What the server finds wrong with a path only when it follows it.
    fn failed(&self, source: sqlx::Error) -> Error {
        match &self.json_path {
            Some(path) => path_error(path, source, "search the log"),
            None => Error::while_trying("search the log")(source),
        }
    }
}

fn position(found: &Found) -> Position {
    Position { occurred_at: found.occurred_at, id: found.id }
}

async fn check_path(conn: &mut PgConnection, path: &str) -> Result<(), Error> {
    sqlx::query("SELECT $1::text::jsonpath IS NULL")
        .bind(path)
        .execute(conn)
        .await
        .map_err(|source| path_error(path, source, "check a JSON path"))?;
    Ok(())
}

/// Classes of SQLSTATE that say that the path is no good.
fn path_error(path: &str, source: sqlx::Error, what: &'static str) -> Error {
    let database = source.as_database_error();
    let code = database.and_then(sqlx::error::DatabaseError::code);
    // Syntax, data, and a variable that nobody has set.
    let is_paths =
        code.as_deref().is_some_and(|code| code == "42601" || code.starts_with("22") || code == "42704");
    match database {
        Some(database) if is_paths => {
            Error::JsonPath { path: path.to_owned(), why: database.message().to_owned() }
        }
        _ => Error::while_trying(what)(source),
    }
}
