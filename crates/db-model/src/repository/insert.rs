//! Inserts rows, one or many.

use crate::{
    Answer, Error,
    entity::{Entity, Insertable, Record, Upserts, has_column, has_name},
    run::{Call, Line},
};
use db_query::{BuildError, Insert, Kind, OnConflict, Statement, coalesce, col, constant, now, unnest};
use sqlx::{Connection, PgConnection};
use std::panic::Location;

/// Rows of one statement. The arrays of a million rows would stand in memory here and at the server.
const CHUNK_ROWS: usize = 10_000;

/// Inserts a row and returns it as the database has it.
///
/// # Errors
/// [`Error::Refused`] by a constraint, [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn insert<'c, N: Insertable>(conn: &'c mut PgConnection, new: &'c N) -> Answer<'c, N::Row> {
    insert_at(Location::caller(), conn, new)
}

/// [`insert`] on behalf of a line.
pub(crate) fn insert_at<'c, N: Insertable>(
    line: Line,
    conn: &'c mut PgConnection,
    new: &'c N,
) -> Answer<'c, N::Row> {
    let call = Call::at::<N::Row>(line, "insert into");
    let statement = one(new).returning(N::Row::COLUMNS).build();
    Box::pin(async move { only(call, conn, statement, new).await })
}

/// Inserts a row, or writes it over the one that is there, and returns it as the database has it.
///
/// What is there is told by [`Upserts::CONFLICT`]; it keeps its key, its status, and what is fixed.
///
/// # Errors
/// As [`insert`].
#[track_caller]
pub fn upsert<'c, N: Upserts>(conn: &'c mut PgConnection, new: &'c N) -> Answer<'c, N::Row> {
    let call = Call::new::<N::Row>("insert into or update");
    let statement = over::<N>(one(new)).returning(N::Row::COLUMNS).build();
    Box::pin(async move { only(call, conn, statement, new).await })
}

/// Inserts all of the rows, 10 000 a statement, and returns how many there were: all, or an error and none.
///
/// # Errors
/// As [`insert`].
#[track_caller]
pub fn insert_many<'c, N: Insertable>(conn: &'c mut PgConnection, new: &'c [N]) -> Answer<'c, u64> {
    insert_many_at(Location::caller(), conn, new)
}

/// [`insert_many`] on behalf of a line.
pub(crate) fn insert_many_at<'c, N: Insertable>(
    line: Line,
    conn: &'c mut PgConnection,
    new: &'c [N],
) -> Answer<'c, u64> {
    let call = Call::at::<N::Row>(line, "insert into");
    Box::pin(in_chunks(call, conn, new, |rows| many(rows).build()))
}

/// Inserts rows or writes them over those that are there, 10 000 a statement, and returns how many there were: all, or an
/// error and none. See [`upsert`]. Two rows for the same one are refused by the server (21000).
///
/// # Errors
/// As [`insert`].
#[track_caller]
pub fn upsert_many<'c, N: Upserts>(conn: &'c mut PgConnection, new: &'c [N]) -> Answer<'c, u64> {
    let call = Call::new::<N::Row>("insert into or update");
    Box::pin(in_chunks(call, conn, new, |rows| over::<N>(many(rows)).build()))
}

fn one<N: Insertable>(new: &N) -> Insert {
    Insert::into(N::Row::TABLE.name(), N::COLUMNS).row(|row| new.write_row(row))
}

fn many<N: Insertable>(rows: &[N]) -> Insert {
    Insert::into(N::Row::TABLE.name(), N::COLUMNS).from_query(|q| {
        let mut select = q.from(unnest("new", |arrays| N::write_arrays(rows, arrays)));
        for field in N::Row::TABLE.fields().iter().filter(|field| has_name(N::COLUMNS, field.name())) {
            let name = format!("new.{}", field.name());
            let value = col(&name);
            select = match field.kind() {
                // They come as texts; see `ColumnType`.
                Kind::TextArray | Kind::UuidArray | Kind::Int2Array => {
                    select.columns(value.cast(field.kind().sql_type()).alias(field.name()))
                }
                _ if has_name(N::NOW, field.name()) => {
                    select.columns(coalesce((value, now())).alias(field.name()))
                }
                _ => select.columns(value),
            };
        }
        select
    })
}

/// What happens where the row is there already.
fn over<N: Upserts>(insert: Insert) -> Insert {
    let kept = [N::CONFLICT, N::Row::KEY, N::FIXED];
    insert.on_conflict(OnConflict::columns(N::CONFLICT).set(|sets| {
        for column in N::COLUMNS.iter().filter(|column| !kept.iter().any(|kept| has_name(kept, column))) {
            sets.set_excluded(column);
        }
        let table = N::Row::TABLE;
        if N::Row::COUNTS_VERSIONS {
            sets.set_expr("version", col(&format!("{}.version", table.name())) + constant(1_i64));
        }
        if has_column(table, "updated_at") {
            sets.set_expr("updated_at", now());
        }
    }))
}

async fn only<N: Insertable>(
    call: Call,
    conn: &mut PgConnection,
    statement: Result<Statement, BuildError>,
    new: &N,
) -> Result<N::Row, Error> {
    call.only(conn, statement).await.map_err(|error| error.with_value(|column| new.shown(column)))
}

async fn in_chunks<N: Insertable>(
    call: Call,
    conn: &mut PgConnection,
    rows: &[N],
    build: impl Fn(&[N]) -> Result<Statement, BuildError> + Send,
) -> Result<u64, Error> {
    if rows.len() <= CHUNK_ROWS {
        return if rows.is_empty() { Ok(0) } else { call.execute(conn, build(rows)).await };
    }
    let mut tx = conn.begin().await.map_err(|error| call.failed(error))?;
    let mut done = 0;
    for rows in rows.chunks(CHUNK_ROWS) {
        done += call.execute(&mut tx, build(rows)).await?;
    }
    tx.commit().await.map_err(|error| call.failed(error))?;
    Ok(done)
}
