//! Reads the catalogue of a database: what is there and how big it is by the server's own estimates, never by counting.

use super::Catalogue;
use super::catalogue::{Cover, Dependent, Index, Relation, RelationKind, Size};
use super::change::{Column, Constraint, ConstraintKind};
use super::name::Name;
use crate::Error;
use sqlx::{Connection, FromRow, PgConnection};
use std::collections::{BTreeMap, HashMap};

/// Nothing of this reads a table, so that it is quick; a lock that is in its way is not waited for.
const DEADLINES: &str = "SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '1s'";

const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Relations of people, as `class` and `space`.
macro_rules! relations {
    ($select:literal, $from:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace ",
            $from,
            " AND class.relkind IN ('r', 'p', 'v', 'm', 'f') AND space.nspname NOT IN ('pg_catalog', 'information_schema') \
             AND space.nspname NOT LIKE 'pg\\_toast%' AND space.nspname NOT LIKE 'pg\\_temp%'"
        )
    };
}

const RELATIONS: &str = relations!(
    "class.oid::int8 AS oid, space.nspname::text AS schema, class.relname::text AS name, class.relkind::text AS kind, \
     class.reltuples::float8 AS rows, class.relpages::int8 * current_setting('block_size')::int8 AS bytes, \
     coalesce(pg_stat_get_live_tuples(class.oid), 0)::int8 AS live, parent.inhparent::int8 AS parent",
    "LEFT JOIN pg_inherits AS parent ON parent.inhrelid = class.oid AND class.relispartition WHERE true"
);

/// What was never analysed, by its files; this opens the table, and so may have to wait.
const NEVER_ANALYSED: &str = relations!(
    "class.oid::int8, pg_relation_size(class.oid)",
    "WHERE class.relpages = 0 AND class.relkind IN ('r', 'm')"
);

const COLUMNS: &str = relations!(
    "class.oid::int8 AS oid, attribute.attname::text AS name, \
     format_type(attribute.atttypid, attribute.atttypmod) AS kind, attribute.attnotnull AS not_null",
    "JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid \
     WHERE attribute.attnum > 0 AND NOT attribute.attisdropped"
);

const CONSTRAINTS: &str = relations!(
    "class.oid::int8 AS oid, held.conname::text AS name, held.contype::text AS kind, held.convalidated AS valid, \
     held.confrelid::int8 AS refers, \
     CASE held.contype WHEN 'c' THEN pg_get_constraintdef(held.oid) ELSE '' END AS definition, \
     ARRAY(SELECT attribute.attname::text FROM unnest(held.conkey) WITH ORDINALITY AS key (number, place) \
           JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = key.number \
           ORDER BY key.place) AS columns",
    "JOIN pg_constraint AS held ON held.conrelid = class.oid WHERE true"
);

const INDEXES: &str = relations!(
    "class.oid::int8 AS oid, own.relname::text AS name, index.indisunique AS is_unique, \
     index.indisvalid AND index.indisready AS valid, method.amname::text AS method, \
     CASE WHEN index.indpred IS NOT NULL THEN 'partial' \
          WHEN index.indnatts = index.indnkeyatts AND 0 = ALL (index.indoption::int2[]) \
            AND NOT EXISTS (SELECT FROM unnest(index.indclass::oid[]) AS used (oid) JOIN pg_opclass USING (oid) \
                            WHERE NOT pg_opclass.opcdefault) THEN 'plain' ELSE 'special' END AS cover, \
     ARRAY(SELECT attribute.attname::text FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, place) \
           LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = key.number \
             AND key.number > 0 \
           WHERE key.place <= index.indnkeyatts ORDER BY key.place) AS columns",
    "JOIN pg_index AS index ON index.indrelid = class.oid JOIN pg_class AS own ON own.oid = index.indexrelid \
     JOIN pg_am AS method ON method.oid = own.relam WHERE true"
);

/// Views by their rewrite rules, functions by what their bodies and arguments name.
const DEPENDENTS: &str = relations!(
    "DISTINCT class.oid::int8 AS oid, attribute.attname::text AS column, \
     CASE WHEN rule.oid IS NOT NULL \
          THEN CASE seen.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || seen.oid::regclass::text \
          ELSE 'function ' || routine.oid::regprocedure::text END AS what, \
     seen_space.nspname::text AS schema, seen.relname::text AS name, seen.relkind::text AS kind",
    "JOIN pg_depend AS need ON need.refclassid = 'pg_class'::regclass AND need.refobjid = class.oid \
     LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = need.refobjsubid \
       AND need.refobjsubid > 0 \
     LEFT JOIN pg_rewrite AS rule ON need.classid = 'pg_rewrite'::regclass AND rule.oid = need.objid \
       AND rule.ev_class <> class.oid \
     LEFT JOIN pg_class AS seen ON seen.oid = rule.ev_class \
     LEFT JOIN pg_namespace AS seen_space ON seen_space.oid = seen.relnamespace \
     LEFT JOIN pg_proc AS routine ON need.classid = 'pg_proc'::regclass AND routine.oid = need.objid \
     WHERE (rule.oid IS NOT NULL OR routine.oid IS NOT NULL)"
);

const ENUMS: &str = "SELECT space.nspname::text, kind.typname::text, \
    ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = kind.oid ORDER BY enumsortorder) \
    FROM pg_type AS kind JOIN pg_namespace AS space ON space.oid = kind.typnamespace WHERE kind.typtype = 'e'";

#[derive(FromRow)]
struct RelationRow {
    oid: i64,
    schema: String,
    name: String,
    kind: String,
    rows: f64,
    bytes: i64,
    live: i64,
    parent: Option<i64>,
}

#[derive(FromRow)]
struct ConstraintRow {
    oid: i64,
    name: String,
    kind: String,
    valid: bool,
    refers: i64,
    definition: String,
    columns: Vec<String>,
}

#[derive(FromRow)]
struct IndexRow {
    oid: i64,
    name: String,
    is_unique: bool,
    valid: bool,
    method: String,
    cover: String,
    columns: Vec<Option<String>>,
}

#[derive(FromRow)]
struct DependentRow {
    oid: i64,
    column: Option<String>,
    what: String,
    schema: Option<String>,
    name: Option<String>,
    kind: Option<String>,
}

/// Reads what the database has, in one transaction. Its cost is by the number of tables, never by their rows.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked, or does not answer within 30 seconds.
///
/// # Cancel safety
/// Its transaction is rolled back.
pub async fn read_catalogue(conn: &mut PgConnection) -> Result<Catalogue, Error> {
    read(conn).await.map_err(Error::during("read the catalogue"))
}

async fn read(conn: &mut PgConnection) -> Result<Catalogue, sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::raw_sql(DEADLINES).execute(&mut *tx).await?;
    let (version, search_path, schemas): (i32, Vec<String>, Vec<String>) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int, current_schemas(false)::text[], \
         ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema')",
    )
    .persistent(false)
    .fetch_one(&mut *tx)
    .await?;
    let rows: Vec<RelationRow> = sqlx::query_as(RELATIONS).persistent(false).fetch_all(&mut *tx).await?;
    let columns = sqlx::query_as(COLUMNS).persistent(false).fetch_all(&mut *tx).await?;
    let constraints = sqlx::query_as(CONSTRAINTS).persistent(false).fetch_all(&mut *tx).await?;
    let indexes = sqlx::query_as(INDEXES).persistent(false).fetch_all(&mut *tx).await?;
    let dependents = sqlx::query_as(DEPENDENTS).persistent(false).fetch_all(&mut *tx).await?;
    let enums: Vec<(String, String, Vec<String>)> =
        sqlx::query_as(ENUMS).persistent(false).fetch_all(&mut *tx).await?;
    let files = never_analysed(&mut tx).await?;
    tx.rollback().await?;
    let names = rows.iter().map(|row| (row.oid, Name::new(&row.schema, &row.name))).collect();
    let mut read = Read { names, relations: BTreeMap::new() };
    read.take_relations(&rows, files.as_ref());
    read.take_columns(columns);
    read.take_constraints(constraints);
    read.take_indexes(indexes);
    read.take_dependents(dependents);
    Ok(Catalogue {
        version: u32::try_from(version / 10_000).unwrap_or_default(),
        search_path,
        schemas: schemas.into_iter().collect(),
        relations: read.relations,
        enums: enums.into_iter().map(|(schema, name, values)| (Name::new(&schema, &name), values)).collect(),
    })
}

/// Bytes by table; `None` where somebody holds a lock on one of them.
async fn never_analysed(tx: &mut PgConnection) -> Result<Option<HashMap<i64, i64>>, sqlx::Error> {
    let mut inner = tx.begin().await?;
    let asked: Result<Vec<(i64, i64)>, _> =
        sqlx::query_as(NEVER_ANALYSED).persistent(false).fetch_all(&mut *inner).await;
    match asked {
        Ok(rows) => {
            inner.commit().await?;
            Ok(Some(rows.into_iter().collect()))
        }
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
            inner.rollback().await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

struct Read {
    names: HashMap<i64, Name>,
    relations: BTreeMap<Name, Relation>,
}

impl Read {
    fn edit(&mut self, oid: i64) -> Option<&mut Relation> {
        self.relations.get_mut(self.names.get(&oid)?)
    }

    fn take_relations(&mut self, rows: &[RelationRow], files: Option<&HashMap<i64, i64>>) {
        let mut parents: Vec<(i64, Size)> = Vec::new();
        for row in rows {
            let kind = match row.kind.as_str() {
                "p" => RelationKind::Partitioned,
                "v" => RelationKind::View,
                "m" => RelationKind::MaterializedView,
                "f" => RelationKind::Foreign,
                _ => RelationKind::Table,
            };
            let size = size(row, kind, files);
            let relation = Relation {
                complete: true,
                partition_of: row.parent.and_then(|parent| self.names.get(&parent).cloned()),
                ..Relation::new(kind, size)
            };
            parents.extend(
                row.parent.filter(|_| kind != RelationKind::Partitioned).map(|parent| (parent, size)),
            );
            self.relations.insert(Name::new(&row.schema, &row.name), relation);
        }
        let up: HashMap<i64, i64> = rows.iter().filter_map(|row| Some((row.oid, row.parent?))).collect();
        for (parent, size) in parents {
            let mut above = Some(parent);
            while let Some(oid) = above {
                if let Some(relation) = self.edit(oid) {
                    relation.size = sum(relation.size, size);
                }
                above = up.get(&oid).copied();
            }
        }
    }

    fn take_columns(&mut self, rows: Vec<(i64, String, String, bool)>) {
        for (oid, name, kind, not_null) in rows {
            if let Some(relation) = self.edit(oid) {
                relation.columns.push(Column { name, kind: Some(kind), not_null, ..Column::default() });
            }
        }
    }

    fn take_constraints(&mut self, rows: Vec<ConstraintRow>) {
        for row in rows {
            let kind = match row.kind.as_str() {
                "p" => ConstraintKind::PrimaryKey { using_index: None },
                "u" => ConstraintKind::Unique { using_index: None },
                "x" => ConstraintKind::Exclude,
                "c" => ConstraintKind::Check { expression: expression(&row.definition) },
                "n" => ConstraintKind::NotNull,
                "f" => match self.names.get(&row.refers) {
                    Some(to) => ConstraintKind::ForeignKey { to: to.clone() },
                    None => continue,
                },
                _ => continue,
            };
            if let Some(relation) = self.edit(row.oid) {
                let (name, columns, valid) = (Some(row.name), row.columns, row.valid);
                relation.constraints.push(Constraint { name, kind, columns, valid });
            }
        }
    }

    fn take_indexes(&mut self, rows: Vec<IndexRow>) {
        for row in rows {
            if let Some(relation) = self.edit(row.oid) {
                relation.indexes.push(Index {
                    name: row.name,
                    columns: row.columns,
                    unique: row.is_unique,
                    valid: row.valid,
                    method: row.method,
                    cover: match row.cover.as_str() {
                        "plain" => Cover::Plain,
                        "partial" => Cover::Partial,
                        _ => Cover::Special,
                    },
                });
            }
        }
    }

    fn take_dependents(&mut self, rows: Vec<DependentRow>) {
        for row in rows {
            let view = match (row.schema, row.name, row.kind.as_deref()) {
                (Some(schema), Some(name), Some("m")) => {
                    Some(format!("materialized view {}", Name::new(&schema, &name)))
                }
                (Some(schema), Some(name), _) => Some(format!("view {}", Name::new(&schema, &name))),
                _ => None,
            };
            let what = view.unwrap_or(row.what);
            if let Some(relation) = self.edit(row.oid) {
                relation.dependents.push(Dependent { what, column: row.column });
            }
        }
    }
}

/// Without the word and the parentheses around it.
fn expression(definition: &str) -> String {
    let inner = definition.strip_prefix("CHECK (").unwrap_or(definition).trim_end_matches(" NOT VALID");
    inner.strip_suffix(')').unwrap_or(inner).to_owned()
}

/// Fewer bytes than most rows have, so that a table is rather taken as too big.
const BYTES_A_ROW: i64 = 60;

fn size(row: &RelationRow, kind: RelationKind, files: Option<&HashMap<i64, i64>>) -> Size {
    let about = |rows: i64, bytes: i64| Size::About {
        rows: u64::try_from(rows).unwrap_or_default(),
        bytes: u64::try_from(bytes).unwrap_or_default(),
    };
    match kind {
        RelationKind::Partitioned | RelationKind::View => about(0, 0),
        RelationKind::Foreign => Size::Unknown,
        RelationKind::Table | RelationKind::MaterializedView if row.bytes > 0 =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "an estimate, which saturates")]
            about((row.rows as i64).max(row.live), row.bytes)
        }
        RelationKind::Table | RelationKind::MaterializedView => {
            match files.map(|files| files.get(&row.oid)) {
                // The counters lag behind a TRUNCATE; the file does not.
                Some(Some(0)) => about(0, 0),
                Some(Some(bytes)) => about(row.live.max(bytes / BYTES_A_ROW), *bytes),
                _ => Size::Unknown,
            }
        }
    }
}

fn sum(one: Size, other: Size) -> Size {
    match (one, other) {
        (Size::About { rows, bytes }, Size::About { rows: more, bytes: yet }) => {
            Size::About { rows: rows.saturating_add(more), bytes: bytes.saturating_add(yet) }
        }
        _ => Size::Unknown,
    }
}
