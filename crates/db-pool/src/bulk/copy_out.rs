//! COPY out of a query as a typed stream of rows.

use super::{
    copy_tuples::{Step, Tuples},
    copy_types::{self, CopyColumn, Direction},
    from_copy::{CopyValues, FromCopyRow},
};
use crate::{CopyError, Error, Lease, lease::Doubt};
use futures_util::{
    Stream, StreamExt,
    stream::{BoxStream, unfold},
};
use sqlx::{Executor, SqlSafeStr};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// Begins a COPY of a query's rows, in one round trip (and some more the first time on a connection, for the columns'
/// types). Memory holds one row and one message of the server's at a time, however many rows there are.
///
/// The query takes no parameters: COPY has none. While the COPY runs its connection is marked: unless the stream is
/// read to its end, the connection is closed when the lease ends, which also stops the server.
/// ```no_run
/// use db_pool::{Pool, copy_out};
/// use futures_util::TryStreamExt;
///
/// # async fn example(pool: &Pool) -> Result<(), db_pool::Error> {
/// let mut lease = pool.acquire().await?;
/// let query = "SELECT id, title, note FROM tasks ORDER BY id";
/// let mut rows = copy_out::<(i64, String, Option<String>)>(&mut lease, query).await?;
/// let mut longest = 0;
/// while let Some((id, title, note)) = rows.try_next().await? {
///     longest = longest.max(title.len() + note.map_or(0, |note| note.len()));
///     if id % 100_000 == 0 {
///         println!("{id}");
///     }
/// }
/// drop(rows);
/// // The stream was read to its end, so that the lease goes on.
/// sqlx::query("INSERT INTO runs (longest) VALUES ($1)").bind(longest as i64).execute(&mut *lease).await.ok();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CopyError::Width`] and [`CopyError::Type`] when the row does not fit the query's columns, [`Error::Statement`] when
/// the query is refused.
///
/// # Cancel safety
/// A dropped future leaves the connection to be closed at the lease's end.
pub async fn copy_out<'l, R: FromCopyRow + Send + 'l>(
    lease: &'l mut Lease,
    query: impl SqlSafeStr,
) -> Result<CopyOut<'l, R>, Error> {
    let query = query.into_sql_str();
    // The query may end in a line comment.
    let copying = format!("COPY (\n{}\n) TO STDOUT (FORMAT binary)", query.as_str());
    let described = lease.vouched().prepare(query).await.map_err(Error::from)?;
    let columns = copy_types::columns_of(&described);
    copy_types::check(&columns, Direction::Out, R::describe)?;
    let (conn, doubt) = lease.in_doubt();
    let chunks = conn.copy_out_raw(&copying).await.map_err(Error::from)?;
    let state = Reading { chunks, doubt: Some(doubt), columns, tuples: Tuples::default(), row: 0 };
    let rows = unfold(Some(state), |state| async {
        let mut state = state?;
        match state.next::<R>().await {
            Ok(None) => None,
            Ok(Some(row)) => Some((Ok(row), Some(state))),
            Err(error @ Error::Copy(CopyError::Decode { .. })) => Some((Err(error), Some(state))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(CopyOut { rows: rows.boxed() })
}

/// The rows of a COPY; see [`copy_out`]. A row that cannot be decoded is an [`CopyError::Decode`] in its place, and the
/// next row follows; after any other error the stream ends.
#[must_use = "a stream that is not read to its end closes the connection"]
pub struct CopyOut<'l, R> {
    rows: BoxStream<'l, Result<R, Error>>,
}

impl<R> Stream for CopyOut<'_, R> {
    type Item = Result<R, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.poll_next_unpin(cx)
    }
}

impl<R> fmt::Debug for CopyOut<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOut").finish_non_exhaustive()
    }
}

struct Reading<'l, C> {
    chunks: C,
    doubt: Option<Doubt<'l>>,
    columns: Vec<CopyColumn>,
    tuples: Tuples,
    row: u64,
}

impl<C, B> Reading<'_, C>
where
    C: Stream<Item = sqlx::Result<B>> + Unpin,
    B: AsRef<[u8]>,
{
    async fn next<R: FromCopyRow>(&mut self) -> Result<Option<R>, Error> {
        loop {
            let ended = match self.tuples.step()? {
                Step::Tuple { fields, bytes } => {
                    self.row += 1;
                    return decode(&self.columns, self.row, fields, bytes).map(Some);
                }
                Step::More => false,
                Step::End => true,
            };
            match self.chunks.next().await {
                Some(Ok(chunk)) if !ended => self.tuples.push(chunk.as_ref()),
                Some(Ok(_)) => return Err(Error::Copy(CopyError::Stream { reason: "rows follow its end" })),
                Some(Err(error)) => {
                    // sqlx has read the server's answer to its end when it passes on the server's error.
                    if error.as_database_error().is_some() {
                        self.settle();
                    }
                    return Err(Error::from(error));
                }
                None if ended => {
                    self.settle();
                    return Ok(None);
                }
                None => return Err(Error::Copy(CopyError::Stream { reason: "it breaks off" })),
            }
        }
    }

    fn settle(&mut self) {
        if let Some(doubt) = self.doubt.take() {
            doubt.settle();
        }
    }
}

fn decode<R: FromCopyRow>(columns: &[CopyColumn], row: u64, fields: usize, bytes: &[u8]) -> Result<R, Error> {
    if fields != columns.len() {
        return Err(Error::Copy(CopyError::Width { fields: columns.len(), columns: fields }));
    }
    let mut values = CopyValues::new(bytes);
    R::decode(&mut values).map_err(|source| {
        Error::Copy(CopyError::Decode { column: copy_types::name_of(columns, values.taken()), row, source })
    })
}
