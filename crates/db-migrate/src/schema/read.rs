//! Reads the schema from the catalogue, in one round trip.

use super::{Kind, Object, Snapshot, settings};
use crate::Error;
use crate::shape::literal;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Read first; the other queries read from it.
const VISIBLE: &str = include_str!("sql/visible.sql");
const OBJECTS: [&str; 8] = [
    include_str!("sql/schemas.sql"),
    include_str!("sql/types.sql"),
    include_str!("sql/relations.sql"),
    include_str!("sql/columns.sql"),
    include_str!("sql/parts.sql"),
    include_str!("sql/routines.sql"),
    include_str!("sql/services.sql"),
    include_str!("sql/comments.sql"),
];
const PRIVILEGES: &str = include_str!("sql/privileges.sql");
/// The property of a column that tells its place.
const PLACE: &str = "after";
const PLACE_SQL: &str = "lag(quote_ident(attname)) OVER (PARTITION BY attrelid ORDER BY attnum)";

/// What a snapshot takes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotOptions {
    /// Whether the order of a table's columns matters.
    pub column_order: ColumnOrder,
    /// Whether it matters who may do what.
    pub privileges: Privileges,
    /// Tables that are left out with their indexes, constraints and sequences, such as the history of migrations:
    /// qualified, and quoted where SQL needs it. One that does not exist is no error.
    pub exclude: Vec<String>,
}

/// Whether the order of a table's columns matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnOrder {
    /// It does.
    #[default]
    Compare,
    /// It does not: a column that was added later is at the end, wherever `CREATE TABLE` has it.
    Ignore,
}

/// Whether it matters who may do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privileges {
    /// Privileges count, but not the names of owners.
    #[default]
    Include,
    /// They do not.
    Ignore,
}

/// Reads everything that migrations can make in the session's database. Left out are the server's own schemas,
/// temporary tables, what extensions own, subscriptions and user mappings (they hold passwords), and what belongs to
/// the server rather than to the database: roles, tablespaces, settings. Current values of sequences are data.
///
/// One statement reads it all; what other sessions drop meanwhile may fail it, and then it is safe to try again. The
/// session's settings are as before, in a transaction too.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub async fn snapshot(conn: &mut PgConnection, options: &SnapshotOptions) -> Result<Snapshot, Error> {
    let version = conn.server_version_num().unwrap_or_default();
    let rows = pinned(conn, &query(version, options)).await;
    let objects: Result<Vec<Option<Object>>, sqlx::Error> =
        rows.and_then(|rows| rows.iter().filter(|row| is_object(row)).map(object).collect());
    let objects = objects.map_err(Error::during("read the schema"))?;
    Ok(objects.into_iter().flatten().collect())
}

/// What a snapshot would be, as a number that the server makes: equal numbers are equal schemas, in half the time and
/// without sending any of it. Not for keeping: another version of the server may make another one.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
pub(crate) async fn digest(conn: &mut PgConnection, options: &SnapshotOptions) -> Result<String, Error> {
    let version = conn.server_version_num().unwrap_or_default();
    let query = query(version, options);
    let sql = format!(
        "SELECT concat(count(*), ' ', sum(hashtextextended(object::text, 1)), ' ', sum(hashtextextended(object::text, 2))) \
         AS digest FROM ({query}) AS object"
    );
    let rows = pinned(conn, &sql).await;
    let digest = rows.and_then(|rows| {
        let row = rows.iter().find(|row| row.try_get_raw("digest").is_ok());
        row.ok_or(sqlx::Error::RowNotFound)?.try_get("digest")
    });
    digest.map_err(Error::during("read the schema"))
}

impl Snapshot {
    /// What it would be under options that take in less: a snapshot of a file is compared with one that was taken now.
    #[must_use]
    pub fn under(&self, options: &SnapshotOptions) -> Self {
        let wanted =
            |object: &&Object| options.privileges == Privileges::Include || object.kind != Kind::Privileges;
        let placed = |object: &Object| {
            let mut object = object.clone();
            let keeps = options.column_order == ColumnOrder::Compare || object.kind != Kind::Column;
            object.properties.retain(|(name, _)| keeps || name != PLACE);
            object
        };
        self.objects().iter().filter(wanted).map(placed).collect()
    }
}

/// Runs a query with the settings pinned on which the text of definitions depends.
async fn pinned(conn: &mut PgConnection, query: &str) -> Result<Vec<PgRow>, sqlx::Error> {
    // Statements sent together are one transaction, so settings made for a transaction last as long.
    let sql = format!("{}; {query}; {}", settings::pin(), settings::unpin());
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(conn).await
}

fn query(version: u32, options: &SnapshotOptions) -> String {
    let mut parts = OBJECTS.to_vec();
    if options.privileges == Privileges::Include {
        parts.push(PRIVILEGES);
    }
    let excluded: Vec<_> = options.exclude.iter().map(|name| literal(name)).collect();
    let mut sql = format!("{VISIBLE}\n{}", parts.join("\nUNION ALL\n"));
    for (name, text) in by_version(version) {
        sql = sql.replace(name, text);
    }
    let after = match options.column_order {
        ColumnOrder::Compare => PLACE_SQL,
        ColumnOrder::Ignore => "NULL",
    };
    sql = sql.replace("{after}", after);
    sql.replace("{excluded}", &format!("ARRAY[{}]::text[]", excluded.join(", ")))
}

/// What the catalogue has not always had.
fn by_version(version: u32) -> [(&'static str, &'static str); 3] {
    let since =
        |first: u32, text: &'static str, before: &'static str| if version >= first { text } else { before };
    [
        ("{attcompression}", since(140_000, "attcompression", "''")),
        (
            "{publication_tables}",
            since(
                150_000,
                "(SELECT string_agg(concat(prrelid::regclass, ' columns ' || prattrs::text, \
                  ' where ' || pg_get_expr(prqual, prrelid)), ', ' ORDER BY prrelid::regclass::text) \
                  FROM pg_publication_rel WHERE prpubid = pg_publication.oid)",
                "(SELECT string_agg(prrelid::regclass::text, ', ' ORDER BY prrelid::regclass::text) \
                  FROM pg_publication_rel WHERE prpubid = pg_publication.oid)",
            ),
        ),
        (
            "{publication_schemas}",
            since(
                150_000,
                "(SELECT string_agg(pnnspid::regnamespace::text, ', ' ORDER BY pnnspid::regnamespace::text) \
                  FROM pg_publication_namespace WHERE pnpubid = pg_publication.oid)",
                "NULL",
            ),
        ),
    ]
}

/// Not one of the rows that tell which settings were made.
fn is_object(row: &PgRow) -> bool {
    row.try_get_raw("properties").is_ok()
}

/// `None` for a type that went while it was read.
fn object(row: &PgRow) -> Result<Option<Object>, sqlx::Error> {
    let text: String = row.try_get("kind")?;
    let kind =
        Kind::named(&text).ok_or_else(|| sqlx::Error::Decode(format!("{text:?} is no kind").into()))?;
    let Some(properties) = row.try_get::<Option<Vec<Option<String>>>, _>("properties")? else {
        return Ok(None);
    };
    let pairs = properties.chunks_exact(2).filter_map(|pair| Some((pair[0].clone()?, pair[1].clone()?)));
    Ok(Some(Object { kind, name: row.try_get("name")?, properties: pairs.collect() }))
}

#[cfg(test)]
mod tests {
    use super::query;
    use crate::schema::SnapshotOptions;

    #[test]
    fn every_placeholder_is_filled_in() {
        for version in [130_000, 150_000, 180_000] {
            let sql = query(version, &SnapshotOptions::default());
            // The empty list of privileges is the only brace of the queries' own.
            assert!(!sql.replace("'{}'", "").contains('{'), "{version}");
        }
    }
}
