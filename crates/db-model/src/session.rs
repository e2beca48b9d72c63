//! Sessions: who is signed in. The database holds a hash of each token; the token itself only its owner has.

use crate::{
    Answer, Error, SessionId, UserId, entity,
    entity::{ColumnType, Record},
    repository,
    run::Call,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use db_core::Secret;
use db_query::{
    Arrays, Delete, Insert, Kind, Op, Update, asc, clock_timestamp, col, constant, desc, exists,
    make_interval, now, value,
};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::{fmt, time::Duration};

/// Bytes of a token: enough that nobody guesses one.
const TOKEN_BYTES: usize = 32;

/// What a signed-in client shows. It is told once, when the session starts; its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken([u8; TOKEN_BYTES]);

/// The hash of a token. It needs no salt and no time, as a token is random.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct TokenHash(Vec<u8>);

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no session token")]
pub struct NoToken;

impl SessionToken {
    fn random() -> Result<Self, Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The text for the client.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0))
    }

    /// Reads what a client shows.
    ///
    /// # Errors
    /// [`NoToken`], which does not tell the text.
    pub fn parse(text: &Secret) -> Result<Self, NoToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text.expose()).map_err(|_| NoToken)?;
        bytes.try_into().map(Self).map_err(|_| NoToken)
    }

    /// What the database holds of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).to_vec())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(***)")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

impl ColumnType for TokenHash {
    const KIND: Kind = Kind::Bytea;

    fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
        arrays.column(name, values);
    }
}

entity! {
    /// A row of `user_sessions`, without the hash of its token.
    pub struct Session in "user_sessions";
    /// A session to insert; [`start`] does.
    struct NewSession;
    fixed [user_id, expires_at, user_agent, ip];

    id {
        /// Key.
        id: SessionId,
    }
    required {
        /// Who is signed in.
        user_id: UserId,
        /// When it ends by itself.
        expires_at: DateTime<Utc>,
    }
    secret {
        /// What the token is recognised by.
        token_hash: TokenHash,
    }
    optional {
        /// The client's program, as it calls itself.
        user_agent: String,
        /// Where the client is.
        ip: String,
    }
    database {
        /// When it started.
        created_at: DateTime<Utc>,
        /// When it was last used.
        last_seen_at: DateTime<Utc>,
        /// When it was ended.
        revoked_at: Option<DateTime<Utc>>,
    }
}

/// Where a client is and what it calls itself; what is `None` is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client<'a> {
    /// Its program.
    pub user_agent: Option<&'a str>,
    /// Its address.
    pub ip: Option<&'a str>,
}

/// Starts a session that ends by itself after `lasts`. The token is for the client and cannot be had again.
///
/// # Errors
/// [`Error::Refused`] for a user that there is not, [`Error::NoRandomness`], [`Error::Database`] when the server cannot
/// be asked.
#[track_caller]
pub fn start<'c>(
    conn: &'c mut PgConnection,
    user_id: UserId,
    lasts: Duration,
    client: Client<'_>,
) -> Answer<'c, (Session, SessionToken)> {
    const COLUMNS: &[&str] = &["id", "user_id", "expires_at", "token_hash", "user_agent", "ip"];
    let call = Call::new::<Session>("insert into");
    let token = SessionToken::random();
    // By the server's clock, which also decides when it has ended.
    let statement = token.as_ref().ok().map(|token| {
        Insert::into("user_sessions", COLUMNS)
            .row(|row| {
                row.value(SessionId::generate())
                    .value(user_id)
                    .expr(now() + make_interval(value(lasts.as_secs_f64())))
                    .value(token.hash())
                    .value(client.user_agent)
                    .value(client.ip);
            })
            .returning(Session::COLUMNS)
            .build()
    });
    Box::pin(async move {
        let token = token?;
        let Some(statement) = statement else { return Err(Error::NoRandomness) };
        Ok((call.only(conn, statement).await?, token))
    })
}

/// The session of a token, if it goes on and its user is active, and notes that it is used. One statement.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn find<'c>(conn: &'c mut PgConnection, token: &SessionToken) -> Answer<'c, Option<Session>> {
    let call = Call::new::<Session>("look for a session in");
    let statement = Update::table("user_sessions")
        .set_expr("last_seen_at", clock_timestamp())
        .filter(col("token_hash").eq(token.hash()))
        .filter(col("revoked_at").is_null())
        .filter(col("expires_at").cmp_to(Op::Gt, clock_timestamp()))
        .filter(exists(|q| {
            q.from("users")
                .columns(["users.id"])
                .filter(col("users.id").eq_col("user_sessions.user_id"))
                .filter(col("users.status").eq_to(constant(crate::UserStatus::Active.as_str())))
                .filter(col("users.deleted_at").is_null())
        }))
        .returning(Session::COLUMNS)
        .build();
    Box::pin(async move { call.optional(conn, statement).await })
}

/// Ends a session. `false` when there is none, or it was ended before.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn revoke(conn: &mut PgConnection, id: SessionId) -> Answer<'_, bool> {
    let call = Call::new::<Session>("end a session in");
    let statement = Update::table("user_sessions")
        .set_expr("revoked_at", clock_timestamp())
        .filter(col("id").eq(id))
        .filter(col("revoked_at").is_null())
        .build();
    Box::pin(async move { Ok(call.execute(conn, statement).await? > 0) })
}

/// Ends all sessions of a user but one, or with `None` all, and returns how many that were.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn revoke_all(conn: &mut PgConnection, user_id: UserId, but: Option<SessionId>) -> Answer<'_, u64> {
    let call = Call::new::<Session>("end sessions in");
    let statement = Update::table("user_sessions")
        .set_expr("revoked_at", clock_timestamp())
        .filter(col("user_id").eq(user_id))
        .filter(col("revoked_at").is_null())
        .filter(col("id").is_distinct_from(but))
        .build();
    Box::pin(async move { call.execute(conn, statement).await })
}

/// The sessions of a user that go on, newest first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn of_user(conn: &mut PgConnection, user_id: UserId, limit: u32) -> Answer<'_, Vec<Session>> {
    repository::find(conn, |sessions| {
        sessions
            .filter(col("user_id").eq(user_id))
            .filter(col("revoked_at").is_null())
            .filter(col("expires_at").cmp_to(Op::Gt, now()))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// Deletes at most so many sessions that have ended by themselves, the oldest first, and returns how many that were. Call it
/// again while it returns as many as asked.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn delete_expired(conn: &mut PgConnection, limit: u32) -> Answer<'_, u64> {
    let call = Call::new::<Session>("delete from");
    let statement = Delete::from("user_sessions")
        .filter(col("id").in_query(|q| {
            q.from("user_sessions")
                .columns(["id"])
                .filter(col("expires_at").cmp_to(Op::Le, now()))
                .order_by(asc("expires_at"))
                .limit(limit)
        }))
        .build();
    Box::pin(async move { call.execute(conn, statement).await })
}
