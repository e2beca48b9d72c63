//! Signing in: who says so, whether it is true, and what is noted of it.
//!
//! Three steps, as the second works for tens of milliseconds on a thread that may block, and holds no connection:
//!
//! ```no_run
//! use db_core::Secret;
//! use db_model::sign_in::{self, Lockout, Verdict};
//!
//! # async fn example(conn: &mut sqlx::PgConnection, password: Secret) -> Result<(), db_model::Error> {
//! let account = sign_in::account(conn, "ada@example.org").await?;
//! // On a thread that may block.
//! let verdict = account.check(&password, chrono::Utc::now());
//! // Only what this returns counts: another attempt may have locked the account meanwhile.
//! let verdict = sign_in::note(conn, &account, verdict, Lockout::default()).await?;
//! if verdict == Verdict::Right {
//!     // Give out a session: `session::start`.
//! }
//! # Ok(())
//! # }
//! ```

use crate::{
    Answer, Error, UserId,
    entity::Record,
    password::PasswordHash,
    run::Call,
    user::{User, UserStatus},
};
use chrono::{DateTime, Utc};
use db_core::Secret;
use db_query::{
    Op, Select, Update, case, clock_timestamp, col, constant, constant_null, lower, make_interval, value,
};
use sqlx::{FromRow, PgConnection};
use std::time::Duration;

/// What is known of the account that somebody wants to sign in to; also when there is none.
#[derive(Clone, Debug, FromRow)]
pub struct Account {
    id: Option<UserId>,
    password_hash: Option<PasswordHash>,
    status: UserStatus,
    locked_until: Option<DateTime<Utc>>,
}

/// Whether somebody may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Right,
    /// No. Tell the visitor no more than this: not whether the account is known, locked or closed.
    Wrong,
    /// No, whatever the password: too many were wrong.
    Locked {
        /// Until then.
        until: DateTime<Utc>,
    },
    /// The password is right, but the account is not in use.
    NotActive {
        /// Where it stands.
        status: UserStatus,
    },
}

/// When an account is locked, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// After so many wrong passwords in a row; 10 unless told.
    pub after: u16,
    /// For so long, after which counting starts again from one; 15 minutes unless told.
    pub duration: Duration,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { after: 10, duration: Duration::from_secs(15 * 60) }
    }
}

impl Account {
    /// The user, if there is one.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        self.id
    }

    /// Whether the password is right and the account was in use when it was read: [`note`] has the last word. Blocks for tens of milliseconds, and for as long when there is
    /// no such account.
    #[must_use]
    pub fn check(&self, password: &Secret, now: DateTime<Utc>) -> Verdict {
        let nobody = PasswordHash::of_nobody();
        let hash = self.password_hash.as_ref().unwrap_or(&nobody);
        let is_right = hash.is_of(password) && self.id.is_some() && self.password_hash.is_some();
        match self.locked_until {
            Some(until) if until > now => Verdict::Locked { until },
            _ if !is_right => Verdict::Wrong,
            _ if self.status != UserStatus::Active => Verdict::NotActive { status: self.status },
            _ => Verdict::Right,
        }
    }

    /// Whether the password should be hashed anew, now that it is at hand; see [`PasswordHash::is_outdated`].
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.password_hash.as_ref().is_some_and(PasswordHash::is_outdated)
    }
}

/// The account with this address or name, whatever its case. Without one an account that no password fits.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn account<'c>(conn: &'c mut PgConnection, login: &str) -> Answer<'c, Account> {
    let call = Call::new::<User>("look for an account in");
    // A name has no at-sign, and an address has one: the two never meet.
    let select = Select::from(User::TABLE)
        .columns(["id", "password_hash", "status", "locked_until"])
        .filter(col("deleted_at").is_null());
    let select = if login.contains('@') {
        select.filter(lower(col("email")).eq_to(lower(value(login))))
    } else {
        select.filter(lower(col("username")).eq_to(lower(value(login)))).filter(col("username").is_not_null())
    };
    let statement = select.build();
    Box::pin(async move {
        let nobody =
            Account { id: None, password_hash: None, status: UserStatus::Closed, locked_until: None };
        Ok(call.optional(conn, statement).await?.unwrap_or(nobody))
    })
}

/// Notes how it went, and returns what holds: a success forgets the failures before it; a wrong password counts, and may lock
/// the account. What the account was when it was read does not matter, but what it is now: while it is locked, nobody gets
/// in and nothing is counted, and once a lock has passed, counting starts again from one.
///
/// For a login that there is not, nothing is written, and this returns at once. Send all answers after the same time, counted
/// from the question, so that the difference does not show which accounts there are.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked: then nobody is to be let in.
#[track_caller]
pub fn note<'c>(
    conn: &'c mut PgConnection,
    account: &Account,
    verdict: Verdict,
    lockout: Lockout,
) -> Answer<'c, Verdict> {
    let call = Call::new::<User>("note a sign-in in");
    let id = account.id;
    Box::pin(async move {
        let Some(id) = id else { return Ok(Verdict::Wrong) };
        let update = Update::table("users")
            .filter(col("id").eq(id))
            .filter(col("deleted_at").is_null())
            .filter(col("locked_until").is_null().or(col("locked_until").cmp_to(Op::Le, clock_timestamp())));
        let update = match verdict {
            Verdict::Right => update
                .set_expr("failed_logins", constant(0))
                .set_expr("locked_until", constant_null())
                .set_expr("last_login_at", clock_timestamp())
                .filter(col("status").eq_to(constant(UserStatus::Active.as_str()))),
            Verdict::Wrong => {
                // What is written is not locked, so a lock that is there has passed.
                let failures = || {
                    case(col("locked_until").is_null(), col("failed_logins") + constant(1))
                        .otherwise(constant(1))
                };
                let end = clock_timestamp() + make_interval(value(lockout.duration.as_secs_f64()));
                update.set_expr("failed_logins", failures()).set_expr(
                    "locked_until",
                    case(failures().ge(i32::from(lockout.after)), end).otherwise(constant_null()),
                )
            }
            // A locked account stays locked for as long as it was going to, or somebody could keep its owner out for ever.
            Verdict::Locked { .. } | Verdict::NotActive { .. } => return Ok(verdict),
        };
        match call.execute(conn, update.build()).await? {
            0 => standing(call, conn, id).await,
            _ => Ok(verdict),
        }
    })
}

/// Why nobody gets in to an account that was well when it was read.
async fn standing(call: Call, conn: &mut PgConnection, id: UserId) -> Result<Verdict, Error> {
    let select = Select::from(User::TABLE)
        .columns(["status", "locked_until"])
        .filter(col("id").eq(id))
        .filter(col("deleted_at").is_null());
    let standing: Option<(UserStatus, Option<DateTime<Utc>>)> =
        call.then("read the lock in").optional(conn, select.build()).await?;
    Ok(match standing {
        Some((_, Some(until))) => Verdict::Locked { until },
        Some((status, None)) if status != UserStatus::Active => Verdict::NotActive { status },
        _ => Verdict::Wrong,
    })
}

/// Gives a user a password, or another one, and lifts a lock. Sessions go on: end them with
/// [`session::revoke_all`](crate::session::revoke_all) where the old password may have been known to others.
///
/// # Errors
/// [`Error::NotFound`] without such a user, [`Error::Database`] when the
/// server cannot be asked.
#[track_caller]
pub fn set_password<'c>(conn: &'c mut PgConnection, id: UserId, hash: &PasswordHash) -> Answer<'c, User> {
    let call = Call::new::<User>("set a password in");
    let statement = Update::table("users")
        .set("password_hash", hash)
        .set_expr("failed_logins", constant(0))
        .set_expr("locked_until", constant_null())
        .set_expr("version", col("version") + constant(1))
        .filter(col("id").eq(id))
        .filter(col("deleted_at").is_null())
        .returning(User::COLUMNS)
        .build();
    Box::pin(async move {
        let user = call.optional(conn, statement).await?;
        user.ok_or_else(|| Error::NotFound { table: "users", id: id.to_string() })
    })
}
