//! Inserts rows by COPY, the fastest way in for many of them.

use crate::{
    Answer, Error,
    entity::{Insertable, Record, Tuple},
    run::Call,
};
use chrono::{DateTime, Utc};
use db_query::{Ident, Select, now};
use sqlx::{
    PgConnection,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgCopyIn},
};
use std::mem;

/// A chunk is sent when it has reached this size; it is larger by at most one row.
const CHUNK_BYTES: usize = 64 * 1024;
/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A tuple of -1 fields.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Inserts rows by one COPY and returns how many there were: all, or an error and none. Worth it from some thousands;
/// [`insert_many`](super::insert_many) needs fewer round trips, and only an INSERT returns rows.
///
/// # Errors
/// [`Error::Refused`] by a constraint, [`Error::Database`] when the server cannot be asked.
///
/// # Cancel safety
/// Dropped while the rows are on their way, nothing is inserted and the connection says so at its next use.
#[track_caller]
pub fn copy_in<'c, N: Insertable, I: IntoIterator<Item = N>>(
    conn: &'c mut PgConnection,
    rows: I,
) -> Answer<'c, u64>
where
    I::IntoIter: Send + 'c,
{
    let call = Call::new::<N::Row>("copy into");
    let mut rows = rows.into_iter();
    Box::pin(async move {
        let now = if N::NOW.is_empty() { DateTime::UNIX_EPOCH } else { server_time(call, conn).await? };
        let sql = copying::<N>()?;
        call.note_text(&sql);
        let mut copy = conn.copy_in_raw(&sql).await.map_err(|error| call.failed(error))?;
        match send(call, &mut copy, &mut rows, now).await {
            Ok(()) => copy.finish().await.map_err(|error| call.failed(error)),
            Err(error) => {
                // Without this the connection would wait for more rows. Its own answer is that the COPY was aborted.
                let _ = copy.abort("a row could not be written").await;
                Err(error)
            }
        }
    })
}

fn copying<N: Insertable>() -> Result<String, Error> {
    let mut text = format!("COPY {} (", Ident::parse(N::Row::TABLE.name())?);
    for (position, column) in N::COLUMNS.iter().enumerate() {
        if position > 0 {
            text.push_str(", ");
        }
        text.push_str(&Ident::parse(column)?.to_string());
    }
    text.push_str(") FROM STDIN (FORMAT binary)");
    Ok(text)
}

/// A COPY has no defaults for a row that names the column, so what is to be the transaction's time is asked for.
async fn server_time(call: Call, conn: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    let time = call.then("ask the time for").value(conn, Select::of(now().alias("now")).build()).await?;
    time.ok_or_else(|| call.failed(sqlx::Error::RowNotFound))
}

async fn send<N: Insertable>(
    call: Call,
    copy: &mut PgCopyIn<&mut PgConnection>,
    rows: &mut (impl Iterator<Item = N> + Send),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut buffer = PgArgumentBuffer::default();
    buffer.extend_from_slice(HEADER);
    loop {
        let more = fill(&mut buffer, rows, now).map_err(|error| call.failed(sqlx::Error::Encode(error)))?;
        let chunk = mem::take(&mut *buffer);
        copy.send(chunk.as_slice()).await.map_err(|error| call.failed(error))?;
        if !more {
            return Ok(());
        }
        // A new one, since sqlx notes in it what a parameter would have to fill in later.
        buffer = PgArgumentBuffer::default();
        buffer.reserve(CHUNK_BYTES * 2);
    }
}

/// Writes a chunk of rows; whether there are more.
fn fill<N: Insertable>(
    buffer: &mut PgArgumentBuffer,
    rows: &mut impl Iterator<Item = N>,
    now: DateTime<Utc>,
) -> Result<bool, BoxDynError> {
    while buffer.len() < CHUNK_BYTES {
        match rows.next() {
            Some(row) => row.write_tuple(now, &mut Tuple::begin(buffer, N::COLUMNS.len())?)?,
            None => {
                buffer.extend_from_slice(&TRAILER);
                return Ok(false);
            }
        }
    }
    Ok(true)
}
