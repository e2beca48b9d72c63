//! Changes the status of rows, as far as their rules allow.

use super::{touch, visible};
use crate::{
    Answer, Error,
    entity::{HasStatus, Key, Status},
    run::Call,
};
use db_query::{Select, Update, col};
use sqlx::PgConnection;

/// Changes the status of a row, and returns it.
///
/// An illegal change is found before the row is touched, so the caller's transaction stays usable.
///
/// # Errors
/// [`Error::Transition`] when the status may not follow, [`Error::NotFound`] without such a row, [`Error::Refused`] by a
/// constraint, [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn set_status<'c, E: HasStatus>(
    conn: &'c mut PgConnection,
    key: &E::Key,
    to: E::Status,
) -> Answer<'c, E> {
    set_status_with(conn, key, to, |update| update)
}

/// The same with columns that go with the status: the closure sets them.
///
/// ```no_run
/// # use db_model::{repository, user::{User, UserStatus}, UserId};
/// # use db_query::now;
/// # async fn example(conn: &mut sqlx::PgConnection, id: UserId) -> Result<(), db_model::Error> {
/// let to = UserStatus::Active;
/// let user: User = repository::set_status_with(conn, &id, to, |users| users.set_expr("last_login_at", now())).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`set_status`].
#[track_caller]
pub fn set_status_with<'c, E: HasStatus>(
    conn: &'c mut PgConnection,
    key: &E::Key,
    to: E::Status,
    fill: impl FnOnce(Update) -> Update,
) -> Answer<'c, E> {
    let call = Call::new::<E>("change the status in");
    let key = key.clone();
    let from: Vec<&str> =
        E::Status::ALL.iter().filter(|from| from.can_become(to)).map(|from| from.as_str()).collect();
    let statement = touch::<E>(fill(Update::table(E::TABLE.name()).set(E::STATUS, to.as_str())))
        .filter(key.is(E::KEY))
        .filter(col(E::STATUS).any(from))
        .returning(E::COLUMNS)
        .build();
    Box::pin(async move {
        if let Some(row) = call.optional(conn, statement).await? {
            return Ok(row);
        }
        let status = visible::<E>(Select::from(E::TABLE).columns(E::STATUS)).filter(key.is(E::KEY)).build();
        let (table, id) = (E::TABLE.name(), key.text());
        Err(match call.then("read the status in").value::<E::Status>(conn, status).await? {
            Some(from) => Error::Transition { table, id, from: from.as_str(), to: to.as_str() },
            None => Error::NotFound { table, id },
        })
    })
}
