//! What is read off a text of SQL.

mod demands;
mod functions;
mod limits;
mod refused;
mod seen;
mod statements;

use db_testkit::FreshDb;
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

const SCHEMA: &str = "CREATE TABLE a (id int PRIMARY KEY, x int, y text, z jsonb); \
    CREATE TABLE b (id int PRIMARY KEY, a_id int, w text, n int[]); \
    CREATE TABLE c (id int UNIQUE, k int); \
    CREATE VIEW v AS SELECT id AS vid, x AS vx FROM a; \
    CREATE SCHEMA s; CREATE TABLE s.t (id int, secret text); \
    CREATE TABLE \"Odd Name\" (\"Col\" int, col int)";

/// A role without rights, and who may give it some.
struct Subject {
    conn: PgConnection,
    role: String,
}

impl Subject {
    async fn make(db: &FreshDb) -> Self {
        let mut conn = db.connect().await;
        let role = format!("raw_{}", db.name());
        raw_sql(SCHEMA).execute(&mut conn).await.expect("made");
        let make = format!(
            "DROP ROLE IF EXISTS \"{role}\"; CREATE ROLE \"{role}\"; GRANT USAGE ON SCHEMA s TO \"{role}\""
        );
        raw_sql(AssertSqlSafe(make)).execute(&mut conn).await.expect("a role");
        Self { conn, role }
    }

    async fn drop(mut self) {
        let drop = format!("DROP OWNED BY \"{0}\"; DROP ROLE \"{0}\"", self.role);
        raw_sql(AssertSqlSafe(drop)).execute(&mut self.conn).await.expect("dropped");
    }
}
