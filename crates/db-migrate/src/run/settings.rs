//! What the session has set, so that one migration does not change the next, nor the caller's session.

use super::Options;
use super::options::in_milliseconds;
use crate::Error;
use sqlx::{FromRow, PgConnection};

/// What a session had set when it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `None` behind a pooler, where no session is ours to set or to restore.
    set: Option<Vec<Setting>>,
}

#[derive(Clone, Debug, FromRow)]
struct Setting {
    name: String,
    setting: String,
}

impl Settings {
    pub(crate) async fn read(conn: &mut PgConnection, options: &Options) -> Result<Self, Error> {
        if options.is_pooled() {
            return Ok(Self { set: None });
        }
        // Roles are settings too, but are none of those that RESET ALL resets.
        let question = sqlx::query_as(
            "SELECT name, current_setting(name) AS setting FROM pg_settings \
             WHERE source = 'session' AND context IN ('user', 'superuser') AND name <> 'transaction_isolation' \
             UNION ALL SELECT 'role', current_setting('role')",
        );
        // Not in a transaction, whose own settings are none of the session's.
        let set = question.persistent(false).fetch_all(conn).await;
        Ok(Self { set: Some(set.map_err(Error::during("read the session's settings"))?) })
    }

    /// What a setting was, where the session had set it.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.set.iter().flatten().find(|set| set.name == name).map(|set| set.setting.as_str())
    }

    /// Makes the session's settings what they were; not for use in a transaction.
    pub(crate) async fn restore(&self, conn: &mut PgConnection) -> Result<(), Error> {
        let Some(set) = &self.set else { return Ok(()) };
        let during = || Error::during("restore the session's settings");
        sqlx::raw_sql("RESET SESSION AUTHORIZATION; RESET ALL").execute(&mut *conn).await.map_err(during())?;
        let (names, values): (Vec<&str>, Vec<&str>) =
            set.iter().map(|set| (set.name.as_str(), set.setting.as_str())).unzip();
        sqlx::query(
            "SELECT set_config(name, setting, false) FROM unnest($1::text[], $2::text[]) AS past (name, setting)",
        )
        .persistent(false)
        .bind(names)
        .bind(values)
        .execute(conn)
        .await
        .map_err(during())?;
        Ok(())
    }
}

/// For how long something is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Session,
    Transaction,
}

/// Sets what a run needs, and tells which process of the server serves us.
///
/// A server that looks whether we are still there ends our session, and with it the lock, soon after we are gone, even in
/// the midst of a statement; without, it would look when it has something to say.
pub(crate) async fn prepare(conn: &mut PgConnection, options: &Options, reach: Reach) -> Result<i32, Error> {
    let question = sqlx::query_as(
        "SELECT pg_backend_pid(), count(set_config(name, value, $3)) FROM (VALUES \
             ('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), \
             ('client_connection_check_interval', '1000'), ('idle_in_transaction_session_timeout', '0'), \
             ('transaction_timeout', '0'), \
             ('statement_timeout', $1::text), ('search_path', $2::text)) AS ours (name, value) \
         WHERE value IS NOT NULL AND EXISTS (SELECT FROM pg_settings AS known WHERE known.name = ours.name)",
    );
    let (pid, _): (i32, i64) = question
        .persistent(false)
        .bind(options.statement_timeout.map_or_else(|| "0".to_owned(), in_milliseconds))
        .bind(&options.search_path)
        .bind(reach == Reach::Transaction)
        .fetch_one(conn)
        .await
        .map_err(Error::during("set up the session"))?;
    Ok(pid)
}
