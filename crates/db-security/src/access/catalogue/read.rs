//! The catalogue as a server has it.

use super::{Catalogue, ColumnKind, Relation, RelationKind, function_types};
use crate::access::{Error, TableName, built_in::BuiltIn};
use sqlx::{PgConnection, postgres::types::Oid};
use std::collections::{BTreeMap, BTreeSet};

const RELATIONS: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition,
           coalesce((SELECT o.option_value::bool FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
                     WHERE o.option_name = 'security_invoker'), false)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

const COLUMNS: &str = "
    SELECT a.attrelid, a.attname::text, pg_catalog.format_type(a.atttypid, NULL)
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Sequences that defaults take numbers from; those of identity columns need no right.
const SEQUENCES: &str = "
    SELECT DISTINCT d.adrelid, n.nspname::text, s.relname::text
    FROM pg_catalog.pg_attrdef AS d
    JOIN pg_catalog.pg_depend AS e ON e.classid = 'pg_catalog.pg_attrdef'::regclass AND e.objid = d.oid
    JOIN pg_catalog.pg_class AS s ON e.refclassid = 'pg_catalog.pg_class'::regclass AND e.refobjid = s.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
    WHERE s.relkind = 'S'";

/// What views name; a column of a table is told one by one, and the table alone where none of its columns is named.
const READS: &str = "
    SELECT DISTINCT r.ev_class, n.nspname::text, c.relname::text, a.attname::text
    FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
    WHERE c.oid <> r.ev_class AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

const FUNCTIONS: &str = concat!(
    "SELECT n.nspname::text, p.proname::text, ",
    function_types!(),
    " FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
);

const BUILT_IN: &str = "
    SELECT p.proname::text,
           bool_and(EXISTS (
               SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
               WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')),
           bool_and(p.provolatile = 'i')
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace
    GROUP BY p.proname";

impl Catalogue {
    /// Reads what a database has. Names without a schema are of the given one, which is `public` in most.
    ///
    /// What has a dot in its name is left out: rules cannot name it, so nobody may touch it.
    ///
    /// # Errors
    /// [`Error::Server`] when the server does not answer.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn read(conn: &mut PgConnection, default_schema: &str) -> Result<Self, Error> {
        const DOING: &str = "cannot read the tables of the database";
        let mut catalogue = Self::new(default_schema);
        catalogue.schemas = sqlx::query_scalar(
            "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
        )
        .fetch_all(&mut *conn)
        .await
        .map_err(Error::server(DOING))?
        .into_iter()
        .collect();
        let relations: Vec<(Oid, String, String, String, bool, bool)> =
            sqlx::query_as(RELATIONS).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        let mut columns: BTreeMap<u32, BTreeMap<String, ColumnKind>> = BTreeMap::new();
        let found: Vec<(Oid, String, String)> =
            sqlx::query_as(COLUMNS).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for (table, column, type_name) in found {
            columns.entry(table.0).or_default().insert(column, ColumnKind::of(&type_name));
        }
        let mut sequences: BTreeMap<u32, BTreeSet<TableName>> = BTreeMap::new();
        let found: Vec<(Oid, String, String)> =
            sqlx::query_as(SEQUENCES).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for (table, schema, name) in found {
            sequences.entry(table.0).or_default().insert(TableName::of(schema, name));
        }
        let mut reads: BTreeMap<u32, BTreeMap<TableName, BTreeSet<String>>> = BTreeMap::new();
        let found: Vec<(Oid, String, String, Option<String>)> =
            sqlx::query_as(READS).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for (view, schema, table, column) in found {
            let inner = reads.entry(view.0).or_default().entry(TableName::of(schema, table)).or_default();
            inner.extend(column);
        }
        for (oid, schema, name, kind, is_partition, is_invoker) in relations {
            let kind = kind_of(&kind, is_invoker);
            let reads = if kind == RelationKind::InvokerView { reads.remove(&oid.0) } else { None };
            let relation = Relation {
                kind,
                columns: columns.remove(&oid.0).unwrap_or_default(),
                sequences: sequences.remove(&oid.0).unwrap_or_default(),
                is_partition,
                reads: reads.unwrap_or_default(),
            };
            let name = TableName::of(schema, name);
            if name.can_be_named() {
                catalogue.add(name, relation);
            }
        }
        let functions: Vec<(String, String, String)> =
            sqlx::query_as(FUNCTIONS).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for (schema, name, types) in functions {
            let name = TableName::of(schema, name);
            // One whose types cannot be written stays unknown, and nobody may call it.
            if name.can_be_named() && catalogue.add_function(name.clone(), &types).is_err() {
                tracing::warn!(function = %name, "rules cannot name this function, as its types are not plain");
            }
        }
        let built_in: Vec<(String, bool, bool)> =
            sqlx::query_as(BUILT_IN).fetch_all(conn).await.map_err(Error::server(DOING))?;
        for (name, is_public, is_immutable) in built_in {
            let kind = BuiltIn::of(&name, is_public, is_immutable);
            catalogue.built_in.insert(name, kind);
        }
        Ok(catalogue)
    }
}

fn kind_of(relkind: &str, is_invoker: bool) -> RelationKind {
    match relkind {
        "v" if is_invoker => RelationKind::InvokerView,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        _ => RelationKind::Table,
    }
}
