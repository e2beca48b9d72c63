//! Finds the tables in which other tools keep their history.

use super::ForeignError;
use super::history::History;
use crate::Format;
use sqlx::PgConnection;
use std::fmt;

/// A table in a schema. It is shown quoted, so that it may stand in SQL text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    schema: String,
    name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// Plain names stay as they are, since people read them too.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain && !KEYWORDS.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Plain words that schemas are called by and that the server would take for something else.
const KEYWORDS: [&str; 8] = ["user", "order", "group", "table", "all", "default", "end", "analyse"];

/// The tools that have applied something here, or at least have made their table.
///
/// # Errors
/// [`ForeignError`] when the server cannot be asked.
pub async fn detect_foreign(conn: &mut PgConnection) -> Result<Vec<Format>, ForeignError> {
    let mut found = Vec::new();
    for history in History::all() {
        let tables = look(conn, None, history.table).await?;
        if tables.iter().any(|table| {
            history.missing(&table.columns).is_empty() && history.extra(&table.columns).is_none()
        }) {
            found.push(history.format);
        }
    }
    Ok(found)
}

/// The one table of a tool: the usual one, or the one that is said, `name` or `schema.name`.
pub(super) async fn find(
    conn: &mut PgConnection,
    format: Format,
    said: Option<&str>,
) -> Result<TableName, ForeignError> {
    let history = History::of(format).ok_or(ForeignError::Own { format })?;
    let said = said.unwrap_or(history.table);
    let (schema, name) = match said.split_once('.') {
        Some((schema, name)) => (Some(unquoted(schema)), unquoted(name)),
        None => (None, unquoted(said)),
    };
    let found = look(conn, schema.as_deref(), &name).await?;
    let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|table| {
        history.missing(&table.columns).is_empty() && history.extra(&table.columns).is_none()
    });
    match (own.as_slice(), others.first()) {
        ([table], _) => Ok(table.name.clone()),
        ([], None) => Err(ForeignError::NoTable { format, table: said.to_owned() }),
        ([], Some(other)) => Err(ForeignError::OtherTable {
            format,
            table: other.name.clone(),
            missing: history.missing(&other.columns),
            extra: history.extra(&other.columns),
        }),
        _ => Err(ForeignError::Several { format, tables: own.into_iter().map(|table| table.name).collect() }),
    }
}

fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

struct Found {
    name: TableName,
    columns: Vec<String>,
}

/// Tables of this name: in one schema, or in all, those on the search path first.
async fn look(conn: &mut PgConnection, schema: Option<&str>, name: &str) -> Result<Vec<Found>, ForeignError> {
    let rows: Vec<(String, String, Vec<String>)> = sqlx::query_as(
        "SELECT space.nspname::text, class.relname::text, \
                array_agg(col.attname::text ORDER BY col.attnum) FILTER (WHERE col.attname IS NOT NULL) \
         FROM pg_class AS class \
         JOIN pg_namespace AS space ON space.oid = class.relnamespace \
         LEFT JOIN pg_attribute AS col \
             ON col.attrelid = class.oid AND col.attnum > 0 AND NOT col.attisdropped \
         WHERE class.relname = $2 AND class.relkind IN ('r', 'p', 'v') \
             AND (space.nspname = $1 OR $1 IS NULL) \
             AND space.nspname NOT IN ('pg_catalog', 'information_schema') AND space.nspname NOT LIKE 'pg_temp_%' \
         GROUP BY space.nspname, class.relname \
         ORDER BY array_position(current_schemas(false), space.nspname), space.nspname",
    )
    .persistent(false)
    .bind(schema)
    .bind(name)
    .fetch_all(conn)
    .await
    .map_err(ForeignError::during(format!("look for a table {name}")))?;
    let found = |(schema, name, columns)| Found { name: TableName { schema, name }, columns };
    Ok(rows.into_iter().map(found).collect())
}

#[cfg(test)]
pub(super) async fn create(conn: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(conn).await.expect("the test's own SQL works");
}

#[cfg(test)]
mod tests {
    use super::{ForeignError, Format, TableName, create, detect_foreign, find};
    use db_testkit::empty_db;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (schema, name, expected) in [
            ("public", "_sqlx_migrations", "public._sqlx_migrations"),
            ("Ops", "a\"; DROP", r#""Ops"."a""; DROP""#),
            ("user", "a b", r#""user"."a b""#),
        ] {
            let table = TableName { schema: schema.to_owned(), name: name.to_owned() };
            assert_eq!(table.to_string(), expected);
        }
    }

    #[tokio::test]
    async fn every_tools_table_is_found_as_the_tool_makes_it() {
        empty_db(|db| async move {
            for format in Format::ALL {
                let mut conn = db.connect().await;
                create(
                    &mut conn,
                    "SET search_path = pg_temp; DROP SCHEMA public CASCADE; CREATE SCHEMA public",
                )
                .await;
                let mut conn = db.connect().await;
                create(&mut conn, super::super::create_statements(format)).await;
                let expected = if format == Format::Cairn { Vec::new() } else { vec![format] };
                assert_eq!(detect_foreign(&mut conn).await.expect("the catalogue"), expected);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn says_what_is_there_instead() {
        empty_db(|db| async move {
            let mut conn = db.connect().await;
            let none = find(&mut conn, Format::Sqlx, None).await.expect_err("no table").to_string();
            assert_eq!(
                none,
                "no table _sqlx_migrations in any schema, so sqlx has applied nothing here: is this the database?"
            );
            create(&mut conn, "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty bool NOT NULL)").await;
            let other = find(&mut conn, Format::Dbmate, None).await.expect_err("another tool's").to_string();
            assert_eq!(other, "public.schema_migrations is not a history of dbmate's: it has a column dirty");
            create(&mut conn, "CREATE SCHEMA \"B\"; CREATE TABLE \"B\".schema_migrations (version text)").await;
            let other = find(&mut conn, Format::GolangMigrate, Some("\"B\".schema_migrations")).await;
            let other = other.expect_err("another tool's").to_string();
            assert_eq!(other, "\"B\".schema_migrations is not a history of golang-migrate's: it has no column dirty");
            let found = find(&mut conn, Format::Dbmate, None).await.expect("the one that fits");
            assert_eq!(found.to_string(), "\"B\".schema_migrations");
            create(&mut conn, "CREATE SCHEMA a; CREATE TABLE a.schema_migrations (version text)").await;
            let several = find(&mut conn, Format::Dbmate, None).await.expect_err("two").to_string();
            assert_eq!(
                several,
                "dbmate has a history in more than one schema, say which: \"B\".schema_migrations, a.schema_migrations"
            );
            let said = find(&mut conn, Format::Dbmate, Some("a.schema_migrations")).await.expect("it was said");
            assert_eq!(said.to_string(), "a.schema_migrations");
            assert!(matches!(find(&mut conn, Format::Cairn, None).await, Err(ForeignError::Own { .. })));
        })
        .await;
    }
}
