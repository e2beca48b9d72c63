//! What a query reads, down to the tables.

use super::watch::untold_kind;
use crate::cache::Cache;
use crate::key::{KeyParts, KeyWriter};
use sqlx::PgConnection;
use std::fmt;

/// Everything behind the names: what views read, and partitions.
const READS: &str = "WITH RECURSIVE named AS ( \
        SELECT name, to_regclass(array_to_string(ARRAY(SELECT quote_ident(part) \
            FROM unnest(string_to_array(name, '.')) AS part), '.'))::oid AS oid \
        FROM unnest($1::text[]) AS name), \
    reads(oid) AS ( \
        SELECT oid FROM named WHERE oid IS NOT NULL \
        UNION SELECT behind.oid FROM reads CROSS JOIN LATERAL ( \
            SELECT refobjid AS oid FROM pg_rewrite \
                JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid \
                    AND refclassid = 'pg_class'::regclass AND refobjid <> ev_class \
                JOIN pg_class AS of ON of.oid = ev_class AND of.relkind = 'v' \
            WHERE ev_class = reads.oid \
            UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = reads.oid) AS behind) \
    SELECT reads.oid::bigint, reads.oid::regclass::text, relkind::text, relpersistence::text, relrowsecurity, \
        EXISTS (SELECT FROM pg_trigger WHERE tgrelid = reads.oid \
            AND tgfoid = to_regproc('cache_table_changed') AND tgenabled IN ('O', 'A') \
            AND tgargs = convert_to($2, 'UTF8') || '\\x00'::bytea) \
    FROM reads JOIN pg_class ON pg_class.oid = reads.oid \
    UNION ALL SELECT NULL, name, '', '', false, false FROM named WHERE oid IS NULL";

/// Those of which nobody knows that the same arguments give the same answer: they may read tables, or the time.
const VARYING: &str = "SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS ( \
        SELECT FROM pg_proc WHERE proname = regexp_replace(name, '^.*\\.', '')) \
    OR EXISTS (SELECT FROM pg_proc WHERE proname = regexp_replace(name, '^.*\\.', '') AND provolatile <> 'i')";

type Relation = (Option<i64>, String, String, String, bool, bool);

/// What a query names; each as it is, `schema.name` or `name`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'q> {
    /// Tables and views.
    pub relations: &'q [&'q str],
    /// Functions.
    pub functions: &'q [&'q str],
}

/// What a query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// All of it tells of its changes: tags for what it answers.
    Told(Vec<TableTag>),
    /// Some does not: what it answers may be untrue at any time.
    Untold(Vec<Untold>),
}

/// The tag of a table: of everything that was read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableTag(i64);

impl KeyParts for TableTag {
    fn write_to(&self, key: &mut KeyWriter) {
        ("table", self.0).write_to(key);
    }
}

/// Something of which nobody tells that it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Untold {
    /// A table, a view or a function.
    pub name: String,
    /// Why not.
    pub why: Why,
}

/// Why nobody tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// There is none of this name.
    Unknown,
    /// Nobody has asked it to: see [`Cache::watch_tables`].
    Unwatched,
    /// It is none that can.
    Kind(&'static str),
    /// A function whose answer depends on more than its arguments.
    Varying,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, why } = self;
        match why {
            Why::Unknown => write!(f, "{name} is unknown"),
            Why::Unwatched => write!(f, "{name} does not tell of its changes: run `db cache watch {name}`"),
            Why::Kind(kind) => write!(f, "{name} is {kind}"),
            Why::Varying => write!(f, "{name}() may answer otherwise the next time"),
        }
    }
}

impl Cache {
    /// What a query reads, by the catalogue: tables behind views, partitions, and whether all of them tell of their changes.
    /// It is as true as the catalogue: ask again now and then. What a view's functions read is not seen.
    ///
    /// # Errors
    /// The driver's.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn reads(&self, conn: &mut PgConnection, query: Query<'_>) -> Result<Reads, sqlx::Error> {
        let relations: Vec<Relation> = sqlx::query_as(READS)
            .bind(query.relations)
            .bind(&self.inner.prefix)
            .fetch_all(&mut *conn)
            .await?;
        let varying: Vec<String> = match query.functions {
            [] => Vec::new(),
            names => sqlx::query_scalar(VARYING).bind(names).fetch_all(conn).await?,
        };
        let mut untold: Vec<Untold> =
            varying.into_iter().map(|name| Untold { name, why: Why::Varying }).collect();
        let mut tags = Vec::new();
        for (oid, name, kind, persistence, has_policies, is_watched) in relations {
            let why = match (oid, kind.as_str()) {
                (None, _) => Some(Why::Unknown),
                (_, "v") => None,
                _ => match untold_kind(&kind, &persistence, has_policies) {
                    Some(kind) => Some(Why::Kind(kind)),
                    None if is_watched => None,
                    None => Some(Why::Unwatched),
                },
            };
            match (why, oid) {
                (Some(why), _) => untold.push(Untold { name, why }),
                (None, Some(oid)) if kind != "v" => tags.push(TableTag(oid)),
                (None, _) => {}
            }
        }
        tags.sort_unstable();
        untold.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(if untold.is_empty() { Reads::Told(tags) } else { Reads::Untold(untold) })
    }
}
