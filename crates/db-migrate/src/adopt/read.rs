//! Reads the tables in which other tools keep their history.

use super::table::{TableName, find};
use super::{ForeignChecksum, ForeignError, ForeignRow, ForeignState};
use crate::Format;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use std::collections::BTreeMap;

/// What a tool remembers, in the order in which it did it. `table` is its table where it is not the usual one, `name` or
/// `schema.name`. golang-migrate remembers only the last; all before that are applied too.
pub(crate) async fn read_foreign(
    conn: &mut PgConnection,
    format: Format,
    table: Option<&str>,
) -> Result<Vec<ForeignRow>, ForeignError> {
    let table = find(conn, format, table).await?;
    match format {
        Format::Cairn => Err(ForeignError::Own { format }),
        Format::Sqlx => read(conn, &table, SQLX, sqlx).await,
        Format::Refinery => read(conn, &table, REFINERY, refinery).await,
        Format::Flyway => Ok(flyway(rows(conn, &table, FLYWAY).await?)),
        Format::GolangMigrate => read(conn, &table, GOLANG_MIGRATE, golang_migrate).await,
        Format::Dbmate => read(conn, &table, DBMATE, applied).await,
        Format::Goose => Ok(goose(rows(conn, &table, GOOSE).await?)),
        Format::Diesel => read(conn, &table, DIESEL, applied).await,
        Format::Prisma => Ok(prisma(rows(conn, &table, PRISMA).await?)),
    }
}

/// Columns and order; the table comes between. Everything is cast, since tools have changed their types over the years.
/// The order names the table, for a name alone is that of the column as it was cast, and `10` comes before `2` in text.
type Query = (&'static str, &'static str);

const SQLX: Query = (
    "version::text, description::text, installed_on::timestamptz, success, checksum",
    "ORDER BY history.version",
);
const REFINERY: Query =
    ("version::text, name::text, applied_on::text, checksum::text", "ORDER BY history.version");
const FLYWAY: Query = (
    "version::text, description::text, type::text, checksum::int4, installed_on::timestamptz, success",
    "ORDER BY history.installed_rank",
);
const GOLANG_MIGRATE: Query = ("version::text, dirty", "ORDER BY history.version");
const DBMATE: Query = ("version::text, NULL::timestamptz", "ORDER BY history.version");
const GOOSE: Query = ("version_id::int8, is_applied, tstamp::timestamptz", "ORDER BY history.id");
const DIESEL: Query = ("version::text, run_on::timestamptz", "ORDER BY history.version");
const PRISMA: Query = (
    "migration_name::text, checksum::text, finished_at::timestamptz, rolled_back_at::timestamptz, logs::text",
    "ORDER BY history.started_at, history.migration_name",
);

async fn rows<R>(
    conn: &mut PgConnection,
    table: &TableName,
    (columns, order): Query,
) -> Result<Vec<R>, ForeignError>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    sqlx::query_as(AssertSqlSafe(format!("SELECT {columns} FROM {table} AS history {order}")))
        .persistent(false)
        .fetch_all(conn)
        .await
        .map_err(ForeignError::during(format!("read {table}")))
}

async fn read<R>(
    conn: &mut PgConnection,
    table: &TableName,
    query: Query,
    row: fn(R) -> ForeignRow,
) -> Result<Vec<ForeignRow>, ForeignError>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    Ok(rows(conn, table, query).await?.into_iter().map(row).collect())
}

type SqlxRow = (String, String, DateTime<Utc>, bool, Vec<u8>);

fn sqlx((version, name, applied_at, success, checksum): SqlxRow) -> ForeignRow {
    ForeignRow {
        version,
        name: Some(name),
        checksum: Some(ForeignChecksum::Sha384(checksum)),
        applied_at: Some(applied_at),
        state: state(success, "sqlx has it as not successful"),
    }
}

fn state(success: bool, why: &str) -> ForeignState {
    if success { ForeignState::Applied } else { ForeignState::Failed { why: why.to_owned() } }
}

type RefineryRow = (String, Option<String>, Option<String>, Option<String>);

fn refinery((version, name, applied_on, checksum): RefineryRow) -> ForeignRow {
    let instant = applied_on.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    ForeignRow {
        version,
        name,
        checksum: checksum.and_then(|text| text.parse().ok()).map(ForeignChecksum::SipHash),
        applied_at: instant.map(|instant| instant.to_utc()),
        state: ForeignState::Applied,
    }
}

fn golang_migrate((version, dirty): (String, bool)) -> ForeignRow {
    let why = "golang-migrate has it as dirty: it began it and did not say that it was done";
    ForeignRow { version, name: None, checksum: None, applied_at: None, state: state(!dirty, why) }
}

fn applied((version, applied_at): (String, Option<DateTime<Utc>>)) -> ForeignRow {
    ForeignRow { version, name: None, checksum: None, applied_at, state: ForeignState::Applied }
}

type GooseRow = (i64, bool, Option<DateTime<Utc>>);

/// The last row of a version says what became of it. Version 0 only marks that the table was made.
fn goose(rows: Vec<GooseRow>) -> Vec<ForeignRow> {
    let mut found = BTreeMap::new();
    for (version, is_applied, applied_at) in rows {
        if version != 0 {
            let state = if is_applied { ForeignState::Applied } else { ForeignState::RolledBack };
            let version_text = version.to_string();
            let row = ForeignRow { version: version_text, name: None, checksum: None, applied_at, state };
            found.insert(version, row);
        }
    }
    found.into_values().collect()
}

type FlywayRow = (Option<String>, String, String, Option<i32>, DateTime<Utc>, bool);

/// Later rows undo, delete or repeat what earlier ones say. Rows of a type `SCHEMA` only say which schemas were made.
fn flyway(rows: Vec<FlywayRow>) -> Vec<ForeignRow> {
    let mut found: Vec<ForeignRow> = Vec::new();
    for (version, name, kind, checksum, applied_at, success) in rows {
        if kind == "SCHEMA" {
            continue;
        }
        let version = version.unwrap_or_else(|| format!("R__{}", name.replace(' ', "_")));
        let earlier = found.iter().position(|row| row.version == version);
        if let Some(at) = earlier.filter(|_| kind.starts_with("UNDO") && success) {
            found[at].state = ForeignState::RolledBack;
            continue;
        }
        if let Some(at) = earlier {
            found.remove(at);
        }
        let state = match kind.as_str() {
            "DELETE" => continue,
            kind if kind.contains("BASELINE") && success => ForeignState::Baseline,
            _ => state(success, "Flyway has it as not successful"),
        };
        let checksum = checksum.map(ForeignChecksum::Crc32);
        found.push(ForeignRow { version, name: Some(name), checksum, applied_at: Some(applied_at), state });
    }
    found
}

type PrismaRow = (String, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<String>);

/// A migration has a row for each time that it was begun; one that was done counts, whatever came before it.
fn prisma(rows: Vec<PrismaRow>) -> Vec<ForeignRow> {
    let mut found: Vec<ForeignRow> = Vec::new();
    for (name, checksum, finished_at, rolled_back_at, logs) in rows {
        let state = match (rolled_back_at, finished_at) {
            (Some(_), _) => ForeignState::RolledBack,
            (None, Some(_)) => ForeignState::Applied,
            (None, None) => ForeignState::Failed { why: failure(logs.as_deref()) },
        };
        let row = ForeignRow {
            version: name,
            name: None,
            checksum: Some(ForeignChecksum::Sha256(checksum)),
            applied_at: finished_at,
            state,
        };
        match found.iter_mut().find(|other| other.version == row.version) {
            Some(other) if row.state == ForeignState::RolledBack || other.state == ForeignState::Applied => {}
            Some(other) => *other = row,
            None => found.push(row),
        }
    }
    found
}

/// The first line of the log, which is the one that says it.
fn failure(logs: Option<&str>) -> String {
    let line = logs.and_then(|logs| logs.lines().find(|line| !line.trim().is_empty()));
    line.map_or_else(
        || "Prisma began it and did not say that it was done".to_owned(),
        |line| line.trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::table::create;
    use super::super::{Candidate, ForeignRow, ForeignState, create_statements, match_up};
    use super::{Format, read_foreign};
    use crate::Kind;
    use db_testkit::empty_db;
    use sqlx::PgConnection;

    /// `version name state`, and whether there are a time and a checksum.
    fn shown(rows: &[ForeignRow]) -> Vec<String> {
        let some = |is: bool, text: &'static str| if is { text } else { "" };
        rows.iter()
            .map(|row| {
                let (timed, checked) = (row.applied_at.is_some(), row.checksum.is_some());
                let state = match &row.state {
                    ForeignState::Failed { why } => format!("failed: {why}"),
                    state => format!("{state:?}").to_lowercase(),
                };
                let name = row.name.as_deref().unwrap_or("-");
                format!(
                    "{} {name} {state}{}{}",
                    row.version,
                    some(timed, " timed"),
                    some(checked, " checked")
                )
            })
            .collect()
    }

    async fn history(conn: &mut PgConnection, format: Format, fill: &'static str) -> Vec<ForeignRow> {
        create(conn, create_statements(format)).await;
        create(conn, fill).await;
        read_foreign(conn, format, None).await.expect("it can be read")
    }

    async fn check(format: Format, fill: &'static str, expected: &'static [&'static str]) {
        empty_db(|db| async move {
            let mut conn = db.connect().await;
            assert_eq!(shown(&history(&mut conn, format, fill).await), expected);
        })
        .await;
    }

    #[tokio::test]
    async fn reads_sqlx() {
        check(
            Format::Sqlx,
            "INSERT INTO _sqlx_migrations VALUES (20240101, 'b c', now(), true, '\\x00', 1), (2, 'a', now(), false, '', -1)",
            &["2 a failed: sqlx has it as not successful timed checked", "20240101 b c applied timed checked"],
        )
        .await;
    }

    #[tokio::test]
    async fn reads_refinery() {
        check(
            Format::Refinery,
            "INSERT INTO refinery_schema_history VALUES (10, 'b', '2024-01-01T00:00:00.123456789Z', '18446744073709551615'), \
             (2, 'a', 'once', NULL)",
            &["2 a applied", "10 b applied timed checked"],
        )
        .await;
    }

    #[tokio::test]
    async fn reads_golang_migrate_and_dbmate() {
        check(Format::GolangMigrate, "INSERT INTO schema_migrations VALUES (3, false)", &["3 - applied"])
            .await;
        check(
            Format::GolangMigrate,
            "INSERT INTO schema_migrations VALUES (3, true)",
            &["3 - failed: golang-migrate has it as dirty: it began it and did not say that it was done"],
        )
        .await;
        check(
            Format::Dbmate,
            "INSERT INTO schema_migrations VALUES ('20240101'), ('003')",
            &["003 - applied", "20240101 - applied"],
        )
        .await;
    }

    #[tokio::test]
    async fn reads_diesel() {
        check(
            Format::Diesel,
            "INSERT INTO __diesel_schema_migrations VALUES ('00000000000000')",
            &["00000000000000 - applied timed"],
        )
        .await;
    }

    #[tokio::test]
    async fn reads_goose_by_the_last_row_of_a_version() {
        check(
            Format::Goose,
            "INSERT INTO goose_db_version (version_id, is_applied) \
             VALUES (0, true), (1, true), (10, true), (2, true), (2, false), (10, false), (10, true)",
            &["1 - applied timed", "2 - rolledback timed", "10 - applied timed"],
        )
        .await;
    }

    #[tokio::test]
    async fn reads_flyway_by_the_last_row_of_a_version() {
        check(
            Format::Flyway,
            "INSERT INTO flyway_schema_history VALUES \
                 (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '\"a\"', NULL, 'u', now(), 0, true), \
                 (1, '1', '<< Flyway Baseline >>', 'BASELINE', '', NULL, 'u', now(), 0, true), \
                 (2, '2.1', 'a b', 'SQL', 'V2.1__a_b.sql', -5, 'u', now(), 0, true), \
                 (3, '3', 'c', 'SQL', 'V3__c.sql', 5, 'u', now(), 0, true), \
                 (4, NULL, 'my views', 'SQL', 'R__my_views.sql', 5, 'u', now(), 0, true), \
                 (5, '3', 'c', 'UNDO_SQL', 'U3__c.sql', 5, 'u', now(), 0, true), \
                 (6, NULL, 'my views', 'SQL', 'R__my_views.sql', 6, 'u', now(), 0, true), \
                 (7, '4', 'd', 'SQL', 'V4__d.sql', 6, 'u', now(), 0, true), \
                 (8, '4', 'd', 'DELETE', 'V4__d.sql', 6, 'u', now(), 0, true), \
                 (9, '5', 'e', 'JDBC', 'db.migration.V5__e', NULL, 'u', now(), 0, false)",
            &[
                "1 << Flyway Baseline >> baseline timed",
                "2.1 a b applied timed checked",
                "3 c rolledback timed checked",
                "R__my_views my views applied timed checked",
                "5 e failed: Flyway has it as not successful timed",
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn reads_prisma_by_what_became_of_a_migration() {
        check(
            Format::Prisma,
            "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, logs, rolled_back_at, started_at) VALUES \
                 ('1', 'x', NULL, '1_a', 'failed', now(), '2024-01-01'), ('2', 'x', now(), '1_a', NULL, NULL, '2024-01-02'), \
                 ('3', 'x', NULL, '2_b', '\nA migration failed to apply.\nMore', NULL, '2024-01-03'), \
                 ('4', 'x', NULL, '3_c', NULL, now(), '2024-01-04')",
            &[
                "1_a - applied timed checked",
                "2_b - failed: A migration failed to apply. checked",
                "3_c - rolledback checked",
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn a_checksum_of_the_servers_own_making_agrees() {
        empty_db(|db| async move {
            let mut conn = db.connect().await;
            let fill = "INSERT INTO _sqlx_migrations VALUES (1, 'a', now(), true, sha384('SELECT 1;'), 1)";
            let rows = history(&mut conn, Format::Sqlx, fill).await;
            let file = |original| Candidate {
                version: "1",
                name: "a",
                label: "1_a",
                kind: Kind::Versioned,
                original,
            };
            assert_eq!(match_up(Format::Sqlx, &[file("SELECT 1;")], &rows).adopted.len(), 1);
            assert_eq!(match_up(Format::Sqlx, &[file("SELECT 2;")], &rows).problems.len(), 1);
        })
        .await;
    }
}
