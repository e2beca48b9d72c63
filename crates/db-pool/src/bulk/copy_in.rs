//! COPY into a table as a typed stream, in binary chunks of 64 KiB.

use super::{
    copy_row::{self, CopyRow, RowError},
    copy_target::CopyTarget,
    copy_types::{self, CopyColumn, Describe, Direction},
};
use crate::{CopyError, Error, Lease, lease::Doubt};
use sqlx::{
    AssertSqlSafe, Executor, PgConnection, SqlSafeStr,
    postgres::{PgArgumentBuffer, PgCopyIn},
};
use std::{fmt, mem, ptr};

/// A chunk is sent when it has reached this size; it is larger by at most one row.
const CHUNK_BYTES: usize = 64 * 1024;
/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A tuple of -1 fields.
const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// Begins a COPY into a table, in one round trip (and some more the first time on a connection, for the columns' types).
///
/// The rows are one statement: all of them are there after [`CopyIn::finish`], or none. While the COPY runs its
/// connection is marked: unless it comes to a clean end, the connection is closed when the lease ends, which also
/// undoes the COPY.
/// ```no_run
/// use db_pool::{CopyTarget, Pool, copy_in};
///
/// # async fn example(pool: &Pool, lines: &[String]) -> Result<(), db_pool::Error> {
/// let target = CopyTarget::new("events", &["id", "kind", "note"])?;
/// let mut lease = pool.acquire().await?;
/// let mut copy = copy_in(&mut lease, &target).await?;
/// copy.send(&(1_i64, 7_i32, None::<&str>)).await?;
/// for (id, line) in (2_i64..).zip(lines) {
///     let row = (id, 7_i32, line.as_str());
///     if let Err(error) = copy.send(&row).await {
///         // Nothing is kept, and the connection goes back as it came.
///         copy.abort().await?;
///         return Err(error);
///     }
/// }
/// copy.send_all((0..1_000_i64).map(|id| (id, 8_i32, "made up"))).await?;
/// let rows = copy.finish().await?;
/// assert_eq!(rows, 1_001 + lines.len() as u64);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Statement`] when there is no such table or column, or no right to fill it.
///
/// # Cancel safety
/// A dropped future leaves the table as it was and the connection to be closed at the lease's end.
pub async fn copy_in<'l>(lease: &'l mut Lease, target: &CopyTarget) -> Result<CopyIn<'l>, Error> {
    let describing = AssertSqlSafe(target.describing()).into_sql_str();
    let described = lease.vouched().prepare(describing).await.map_err(Error::from)?;
    let columns = copy_types::columns_of(&described);
    let (conn, doubt) = lease.in_doubt();
    let copy = conn.copy_in_raw(&target.copying()).await.map_err(Error::from)?;
    let mut tuples = PgArgumentBuffer::default();
    tuples.reserve(CHUNK_BYTES * 2);
    tuples.extend_from_slice(HEADER);
    Ok(CopyIn { copy, doubt, columns, checked: None, tuples })
}

/// A COPY that takes rows; see [`copy_in`]. Rows of several types may be mixed, as long as each fits the columns.
#[must_use = "without `finish` nothing is kept and the connection is closed"]
pub struct CopyIn<'l> {
    copy: PgCopyIn<&'l mut PgConnection>,
    doubt: Doubt<'l>,
    columns: Vec<CopyColumn>,
    /// The row type that was compared with the columns last.
    checked: Option<Describe>,
    tuples: PgArgumentBuffer,
}

impl CopyIn<'_> {
    /// Takes one row, and sends what has gathered once that is 64 KiB.
    ///
    /// What the server has against a row (a duplicate key, a failed check) is told by [`CopyIn::finish`], since it
    /// answers only then.
    ///
    /// # Errors
    /// [`CopyError::Width`] and [`CopyError::Type`] when the row does not fit the columns, [`CopyError::Encode`] when
    /// a field cannot be encoded: this row is left out and the COPY may go on. [`Error::Statement`] when the connection
    /// is lost.
    ///
    /// # Cancel safety
    /// Once polled, the row is taken, exactly once; dropping the future only leaves the sending to the next call.
    pub async fn send<'q, R: CopyRow<'q>>(&mut self, row: &R) -> Result<(), Error> {
        self.take(row)?;
        if self.tuples.len() >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Takes the rows of an iterator; a stream is sent row by row.
    ///
    /// # Errors
    /// Those of [`CopyIn::send`]; rows before the one that failed are taken.
    ///
    /// # Cancel safety
    /// How many rows were taken is not known: abort, or drop the COPY.
    pub async fn send_all<'q, R: CopyRow<'q>>(
        &mut self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<(), Error> {
        for row in rows {
            self.take(&row)?;
            if self.tuples.len() >= CHUNK_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Sends the rest, waits for the server's verdict, and answers with the number of rows.
    ///
    /// # Errors
    /// [`Error::Statement`] with the SQLSTATE of what the server had against a row. Then no row is kept; the lease can
    /// be used on, and its connection is closed when it ends.
    ///
    /// # Cancel safety
    /// Whether the rows are kept is not known; the connection is closed when the lease ends.
    pub async fn finish(mut self) -> Result<u64, Error> {
        self.tuples.extend_from_slice(TRAILER);
        self.flush().await?;
        let rows = self.copy.finish().await.map_err(Error::from)?;
        self.doubt.settle();
        Ok(rows)
    }

    /// Ends the COPY so that no row is kept; the connection stays good.
    ///
    /// # Errors
    /// [`Error::Statement`] with the server's verdict, when it had refused the rows before; no row is kept then either,
    /// and the connection is closed when the lease ends.
    ///
    /// # Cancel safety
    /// No row is kept; the connection is closed when the lease ends.
    pub async fn abort(self) -> Result<(), Error> {
        self.copy.abort("the COPY was aborted by its client").await.map_err(Error::from)?;
        self.doubt.settle();
        Ok(())
    }

    #[inline]
    fn take<'q, R: CopyRow<'q>>(&mut self, row: &R) -> Result<(), Error> {
        self.check::<R>()?;
        copy_row::append(&mut self.tuples, row, self.columns.len()).map_err(|error| match error {
            RowError::Width(fields) => Error::Copy(CopyError::Width { fields, columns: self.columns.len() }),
            RowError::Field(at, source) => {
                Error::Copy(CopyError::Encode { column: copy_types::name_of(&self.columns, at), source })
            }
        })
    }

    /// Compares a row type with the columns when it is not the one that was compared last. Two types that share one
    /// function's address ask the same questions; one type with two addresses is only asked again.
    #[inline]
    fn check<'q, R: CopyRow<'q>>(&mut self) -> Result<(), Error> {
        let describe: Describe = R::describe;
        if self.checked.is_some_and(|checked| ptr::fn_addr_eq(checked, describe)) {
            return Ok(());
        }
        copy_types::check(&self.columns, Direction::In, describe)?;
        self.checked = Some(describe);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        // sqlx has the whole chunk in its own buffer before it first waits. Taken out of ours before that, it cannot
        // be sent twice when this future is dropped.
        let chunk = mem::take(&mut *self.tuples);
        copy_row::reuse(&mut self.tuples, Vec::new());
        let sent = self.copy.send(chunk.as_slice()).await.map(|_| ()).map_err(Error::from);
        copy_row::reuse(&mut self.tuples, chunk);
        sent
    }
}

impl fmt::Debug for CopyIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn").field("columns", &self.columns).finish_non_exhaustive()
    }
}
