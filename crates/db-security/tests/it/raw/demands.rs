//! What is read off a text of SQL is what the server demands for it: no less, and no more but where that is said.

use super::{
    Subject,
    statements::{AMPLE, EXACT},
};
use db_query::{Access, Columns};
use db_security::access::{RawTouches, read_sql};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection, Row, raw_sql};
use std::collections::{BTreeMap, BTreeSet};

/// Columns of every table, by the name that the statements give it.
fn columns() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("a", vec!["id", "x", "y", "z"]),
        ("b", vec!["id", "a_id", "w", "n"]),
        ("c", vec!["id", "k"]),
        ("v", vec!["vid", "vx"]),
        ("s.t", vec!["id", "secret"]),
        ("Odd Name", vec!["Col", "col"]),
    ])
}

/// A right on a column, or with none on the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    right: &'static str,
    column: Option<String>,
    table: String,
}

impl Grant {
    fn sql(&self) -> String {
        let table = match self.table.as_str() {
            "s.t" => "s.t".to_owned(),
            table => format!("\"{table}\""),
        };
        let column = self.column.as_ref().map(|column| format!(" (\"{column}\")")).unwrap_or_default();
        format!("{}{column} ON {table}", self.right)
    }
}

/// The rights that a reading calls for, column by column. Columns that a table does not have are not there to be granted.
fn grants(read: &RawTouches, every: &BTreeMap<&str, Vec<&str>>) -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    for touch in &read.touches {
        let there = every.get(&*touch.table).unwrap_or_else(|| panic!("a table {}", touch.table));
        let right = match touch.access {
            Access::Read => "SELECT",
            Access::Insert => "INSERT",
            Access::Update => "UPDATE",
            Access::Delete => "DELETE",
        };
        let grant = |column: Option<&str>| Grant {
            right,
            column: column.map(str::to_owned),
            table: touch.table.clone(),
        };
        match &touch.columns {
            _ if touch.access == Access::Delete => drop(grants.insert(grant(None))),
            Columns::All => grants.extend(there.iter().map(|column| grant(Some(column)))),
            Columns::Named(names) => {
                let named: Vec<&str> =
                    there.iter().copied().filter(|column| names.contains(*column)).collect();
                // A right on any column is one on the table, where none is named.
                let named = if named.is_empty() { vec![*there.last().expect("columns")] } else { named };
                grants.extend(named.into_iter().map(|column| grant(Some(column))));
            }
        }
    }
    grants
}

/// Whether the server lets the role plan a statement; `Err` for what is not about rights.
async fn allowed(conn: &mut PgConnection, role: &str, grants: &[&Grant], sql: &str) -> Result<bool, String> {
    let mut script = "BEGIN; ".to_owned();
    for grant in grants {
        script += &format!("GRANT {} TO \"{role}\"; ", grant.sql());
    }
    script += &format!("SET LOCAL ROLE \"{role}\"");
    raw_sql(AssertSqlSafe(script)).execute(&mut *conn).await.expect("granted");
    let text = match (sql.strip_prefix("EXPLAIN"), sql.strip_prefix("COPY (")) {
        (Some(_), _) => sql.to_owned(),
        (_, Some(query)) => format!("EXPLAIN {}", query.trim_end_matches(") TO STDOUT")),
        _ => format!("EXPLAIN {sql}"),
    };
    let planned = raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await;
    raw_sql("ROLLBACK").execute(&mut *conn).await.expect("rolled back");
    match planned {
        Ok(_) => Ok(true),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
            if code.as_deref() == Some("42501") { Ok(false) } else { Err(format!("{sql}: {error}")) }
        }
    }
}

#[tokio::test]
async fn the_server_demands_what_was_read() {
    empty_db(async |db| {
        let mut subject = Subject::make(&db).await;
        let version: i32 = sqlx::query("SELECT current_setting('server_version_num')::int4")
            .fetch_one(&mut subject.conn)
            .await
            .expect("asked")
            .get(0);
        let every = columns();
        let mut wrong = Vec::new();
        let statements = EXACT.iter().map(|sql| (*sql, true)).chain(AMPLE.iter().map(|sql| (*sql, false)));
        for (sql, exact) in statements {
            if sql.starts_with("MERGE") && version < 150_000 {
                continue;
            }
            let read = match read_sql(sql) {
                Ok(read) => read,
                Err(error) => {
                    wrong.push(format!("{sql}: {error}"));
                    continue;
                }
            };
            let grants = grants(&read, &every);
            let all: Vec<&Grant> = grants.iter().collect();
            let Subject { conn, role } = &mut subject;
            match allowed(conn, role, &all, sql).await {
                Ok(true) => {}
                Ok(false) => {
                    wrong.push(format!("{sql}: refused with {:?}", read.touches));
                    continue;
                }
                Err(error) => {
                    wrong.push(error);
                    continue;
                }
            }
            let mut spare = Vec::new();
            for left_out in &all {
                let others: Vec<&Grant> = all.iter().copied().filter(|grant| grant != left_out).collect();
                if allowed(conn, role, &others, sql).await == Ok(true) {
                    spare.push(left_out.sql());
                }
            }
            if exact != spare.is_empty() {
                wrong.push(format!("{sql}: allowed without {spare:?}"));
            }
        }
        subject.drop().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}
