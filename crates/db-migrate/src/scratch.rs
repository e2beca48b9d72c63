//! A database of its own for a while, on the same server.

use crate::shape::{Shape, literal, quoted};
use crate::{Error, Server};
use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

const PREFIX: &str = "cairn_scratch_";
/// How the comment on each begins; the time follows.
const COMMENT: &str = "cairn scratch database, may be dropped, made at ";
/// Databases that a server has from the start, to be in while another one is made or dropped.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
/// There is a session in a database that must have none.
const OBJECT_IN_USE: &str = "55006";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// A database that nobody else uses.
///
/// Call [`drop`](Self::drop) when done. One that is left behind, by a panic or a process that was killed, stays until
/// [`sweep`](Self::sweep) finds it.
#[derive(Debug)]
pub struct Scratch {
    server: Server,
}

/// What a scratch database begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template<'a> {
    /// Nothing, in the encoding and locale of the server's database.
    Empty,
    /// Everything of this database, which must have no session meanwhile.
    CopyOf(&'a str),
}

impl Scratch {
    /// Makes one.
    ///
    /// # Errors
    /// [`Error::Database`], saying what to grant when the role may not create databases, and who is in the way when
    /// the database to copy has sessions.
    ///
    /// # Cancel safety
    /// What was begun is finished, so that what is left behind can be swept.
    pub async fn create(server: &Server, template: Template<'_>) -> Result<Self, Error> {
        match template {
            Template::Empty => Self::shaped(server, &shape_of(server).await?).await,
            Template::CopyOf(from) => {
                let name = new_name();
                let sql = format!("CREATE DATABASE {} TEMPLATE {}", quoted(&name), quoted(from));
                Self::made(server, name, sql, Some(from.to_owned())).await
            }
        }
    }

    /// An empty one in this encoding and locale.
    pub(crate) async fn shaped(server: &Server, shape: &Shape) -> Result<Self, Error> {
        let name = new_name();
        let sql = shape.create_sql(&name);
        Self::made(server, name, sql, None).await
    }

    /// A database of this name, made by this statement. It is no leftover to sweep, since it may be on its way to be a real
    /// one.
    #[cfg(feature = "backup")]
    pub(crate) async fn named(server: &Server, name: &str, sql: String) -> Result<Self, Error> {
        let mut conn = neighbour(server, Some(name)).await?;
        execute(&mut conn, sql).await.map_err(Error::during(format!("create the database {name}")))?;
        Ok(Self { server: server.in_database(name) })
    }

    async fn made(server: &Server, name: String, sql: String, from: Option<String>) -> Result<Self, Error> {
        let scratch = Self { server: server.in_database(&name) };
        let server = server.clone();
        let made = tokio::spawn(async move { make(&server, &name, &sql, from.as_deref()).await });
        made.await.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()))?;
        Ok(scratch)
    }

    /// Where it is.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Drops it, ending what sessions it has.
    ///
    /// # Errors
    /// [`Error::Database`] when the server refuses; then a later sweep may do it.
    pub async fn drop(self) -> Result<(), Error> {
        let name = self.server.database();
        let mut conn = neighbour(&self.server, Some(name)).await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        execute(&mut conn, sql).await.map_err(Error::during(format!("drop the database {name}")))
    }

    /// Drops the scratch databases that are older than this and have no session, and answers with their names. No
    /// other database is touched: name and comment must both be as [`create`](Self::create) makes them.
    ///
    /// # Errors
    /// [`Error::Database`] when the server cannot be asked, or refuses to drop one.
    pub async fn sweep(server: &Server, older_than: Duration) -> Result<Vec<String>, Error> {
        let mut conn = neighbour(server, None).await?;
        let found: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database AS base \
             WHERE starts_with(datname::text, $1) \
               AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datid = base.oid) ORDER BY 1",
        )
        .bind(PREFIX)
        .fetch_all(&mut conn)
        .await
        .map_err(Error::during("look for scratch databases"))?;
        let mut dropped = Vec::new();
        for (name, comment) in found {
            let left = is_leftover(&name, comment.as_deref().unwrap_or_default(), Utc::now(), older_than);
            if left && drop_unused(&mut conn, &name).await? {
                dropped.push(name);
            }
        }
        Ok(dropped)
    }
}

/// Opens a session in some other database, since a database with a session can be neither copied nor renamed.
pub(crate) async fn neighbour(server: &Server, avoid: Option<&str>) -> Result<PgConnection, Error> {
    let mut names = MAINTENANCE.to_vec();
    names.insert(1, server.database());
    names.retain(|name| Some(*name) != avoid);
    let mut outcome = server.in_database(names[0]).connect().await;
    for name in &names[1..] {
        if outcome.is_ok() {
            break;
        }
        outcome = server.in_database(name).connect().await.or(outcome);
    }
    outcome
}

fn new_name() -> String {
    format!("{PREFIX}{}_{:016x}", std::process::id(), rand::random::<u64>())
}

async fn shape_of(server: &Server) -> Result<Shape, Error> {
    let mut conn = server.connect().await?;
    Shape::read(&mut conn).await
}

async fn make(server: &Server, name: &str, sql: &str, from: Option<&str>) -> Result<(), Error> {
    let mut conn = neighbour(server, from).await?;
    if let Err(error) = execute(&mut conn, sql.to_owned()).await {
        let why = reason(&mut conn, &error, from).await?;
        return Err(Error::during(format!("create a scratch database{why}"))(error));
    }
    let made = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let comment = literal(&format!("{COMMENT}{made}"));
    let sql = format!("COMMENT ON DATABASE {} IS {comment}", quoted(name));
    execute(&mut conn, sql).await.map_err(Error::during(format!("mark {name} as a scratch database")))?;
    // The server may still count a session that is not closed properly when this database is to be dropped.
    conn.close().await.map_err(Error::during("close a session"))
}

/// What the reader can do about it.
async fn reason(conn: &mut PgConnection, error: &sqlx::Error, from: Option<&str>) -> Result<String, Error> {
    match (sqlstate(error).as_deref(), from) {
        (Some(INSUFFICIENT_PRIVILEGE), _) => {
            let role: String = sqlx::query_scalar("SELECT quote_ident(current_user)")
                .fetch_one(conn)
                .await
                .map_err(Error::during("read the session's role"))?;
            Ok(format!(": the role may not, let it by ALTER ROLE {role} CREATEDB"))
        }
        (Some(OBJECT_IN_USE), Some(from)) => {
            let sessions = sessions(conn, from).await?;
            Ok(format!(" from {from}, which is in use by {}", sessions.join(", ")))
        }
        _ => Ok(String::new()),
    }
}

/// Who is in a database; an autovacuum gives way by itself.
pub(crate) async fn sessions(conn: &mut PgConnection, database: &str) -> Result<Vec<String>, Error> {
    sqlx::query_scalar(
        "SELECT format('pid %s (%s)', pid, coalesce(nullif(application_name, ''), backend_type)) \
         FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker' \
         ORDER BY pid LIMIT 20",
    )
    .bind(database)
    .fetch_all(conn)
    .await
    .map_err(Error::during(format!("ask who is in {database}")))
}

/// Whether it could be dropped; not when somebody came in meanwhile.
async fn drop_unused(conn: &mut PgConnection, name: &str) -> Result<bool, Error> {
    match execute(conn, format!("DROP DATABASE IF EXISTS {}", quoted(name))).await {
        Ok(()) => Ok(true),
        Err(error) if sqlstate(&error).as_deref() == Some(OBJECT_IN_USE) => Ok(false),
        Err(error) => Err(Error::during(format!("drop the scratch database {name}"))(error)),
    }
}

pub(crate) async fn execute(conn: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

/// Whether a database could not be copied because somebody is in it.
pub(crate) fn is_in_use(error: &Error) -> bool {
    matches!(error, Error::Database { source, .. } if sqlstate(source).as_deref() == Some(OBJECT_IN_USE))
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

fn is_leftover(name: &str, comment: &str, now: DateTime<Utc>, older_than: Duration) -> bool {
    let is_ours = || {
        let (pid, random) = name.strip_prefix(PREFIX)?.split_once('_')?;
        (pid.parse::<u32>().is_ok() && random.len() == 16 && u64::from_str_radix(random, 16).is_ok())
            .then_some(())
    };
    let made = comment.strip_prefix(COMMENT).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let age = made.and_then(|made| (now - made.with_timezone(&Utc)).to_std().ok());
    is_ours().is_some() && age.is_some_and(|age| age >= older_than)
}

#[cfg(test)]
mod tests {
    use super::{COMMENT, is_leftover};
    use chrono::{DateTime, Utc};
    use std::time::Duration;

    #[test]
    fn only_ours_and_only_old_ones_are_leftovers() {
        let now: DateTime<Utc> = "2026-01-02T03:00:00Z".parse().expect("a time");
        let check = |name: &str, comment: &str, expected: bool| {
            assert_eq!(
                is_leftover(name, comment, now, Duration::from_secs(3600)),
                expected,
                "{name} {comment}"
            );
        };
        let (old, young) =
            (format!("{COMMENT}2026-01-02T01:59:59Z"), format!("{COMMENT}2026-01-02T02:30:00Z"));
        check("cairn_scratch_17_00000000000000ff", &old, true);
        check("cairn_scratch_17_00000000000000ff", &young, false);
        check("cairn_scratch_17_00000000000000ff", &format!("{COMMENT}2027-01-01T00:00:00Z"), false);
        check("cairn_scratch_17_00000000000000ff", "", false);
        check("cairn_scratch_17_00000000000000ff", "2026-01-02T01:59:59Z", false);
        check("cairn_scratch_17_ff", &old, false);
        check("cairn_scratch_notes", &old, false);
        check("scratch_17_00000000000000ff", &old, false);
    }
}
