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
            SELECT inhparent AS oid FROM pg_inherits WHERE inhrelid = reads.oid UNION ALL \
            SELECT refobjid AS oid FROM pg_rewrite \
                JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid \
                    AND refclassid = 'pg_class'::regclass AND refobjid <> ev_class \
                JOIN pg_class AS of ON of.oid = ev_class AND of.relkind = 'v' \
            WHERE ev_class = reads.oid \
            UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = reads.oid) AS behind) \
    SELECT reads.oid::bigint AS oid, reads.oid::regclass::text AS name, relkind::text AS kind, \
        relpersistence::text AS persistence, relrowsecurity AS has_policies, \
        EXISTS (SELECT FROM pg_inherits WHERE inhrelid = reads.oid) AS is_child, \
        EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = reads.oid) AS is_subscribed, \
        CASE WHEN relkind = 'v' THEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = reads.oid AND ( \
            strpos(ev_action::text, 'SQLVALUEFUNCTION') > 0 OR EXISTS ( \
                SELECT FROM regexp_matches(ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') AS of (called) \
                JOIN pg_proc ON pg_proc.oid = called[1]::oid WHERE provolatile <> 'i'))) ELSE false END AS is_varying, \
        EXISTS (SELECT FROM pg_trigger WHERE tgrelid = reads.oid \
            AND tgfoid = to_regproc('cache_table_changed') AND tgenabled IN ('O', 'A') \
            AND tgargs = convert_to($2, 'UTF8') || '\\x00'::bytea) AS is_watched \
    FROM reads JOIN pg_class ON pg_class.oid = reads.oid \
    UNION ALL SELECT NULL, name, '', '', false, false, false, false, false FROM named WHERE oid IS NULL";

/// Whose rights and which names a query runs with, and where: what else its answer depends on.
const SCOPE: &str = "SELECT concat_ws(' ', system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()), \
    current_user, current_schemas(true)) FROM pg_control_system()";

/// Those of which nobody knows that the same arguments give the same answer: they may read tables, or the time.
const VARYING: &str = "SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS ( \
        SELECT FROM pg_proc WHERE proname = regexp_replace(name, '^.*\\.', '')) \
    OR EXISTS (SELECT FROM pg_proc WHERE proname = regexp_replace(name, '^.*\\.', '') AND provolatile <> 'i')";

#[derive(sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "a row as the catalogue has it")]
struct Relation {
    oid: Option<i64>,
    name: String,
    kind: String,
    persistence: String,
    has_policies: bool,
    /// One of a parent's has its parent's tag.
    is_child: bool,
    is_subscribed: bool,
    is_varying: bool,
    is_watched: bool,
}

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
    /// All of it tells of its changes.
    Told(Told),
    /// Some does not: what it answers may be untrue at any time.
    Untold(Vec<Untold>),
}

/// What an answer is kept by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// The tables, those at the top of a family only.
    pub tags: Vec<TableTag>,
    /// Whose rights, which schemas and which database it was asked with: the same query in another scope is another one.
    pub scope: String,
}

/// The tag of a table: of everything that was read from it, its partitions and its children.
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
    /// A function whose answer depends on more than its arguments, or a view that calls one.
    Varying,
    /// A subscription writes to it, which tells nobody.
    Subscribed,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, why } = self;
        match why {
            Why::Unknown => write!(f, "{name} is unknown"),
            Why::Unwatched => write!(f, "{name} does not tell of its changes: run `db cache watch {name}`"),
            Why::Kind(kind) => write!(f, "{name} is {kind}"),
            Why::Varying => write!(f, "{name} may answer otherwise the next time"),
            Why::Subscribed => write!(f, "{name} is written to by a subscription, which tells nobody"),
        }
    }
}

impl Cache {
    /// What a query reads, by the catalogue: tables behind views, partitions, and whether all of them tell of their changes.
    /// It is as true as the catalogue: ask again now and then.
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
            names => sqlx::query_scalar(VARYING).bind(names).fetch_all(&mut *conn).await?,
        };
        let mut untold: Vec<Untold> =
            varying.into_iter().map(|name| Untold { name: format!("{name}()"), why: Why::Varying }).collect();
        let mut tags = Vec::new();
        for relation in relations {
            if let Some(why) = relation.why() {
                untold.push(Untold { name: relation.name, why });
            } else if let Some(oid) = relation.oid.filter(|_| relation.kind != "v" && !relation.is_child) {
                tags.push(TableTag(oid));
            }
        }
        if !untold.is_empty() {
            untold.sort_by(|one, other| one.name.cmp(&other.name));
            return Ok(Reads::Untold(untold));
        }
        tags.sort_unstable();
        let scope = sqlx::query_scalar(SCOPE).fetch_one(conn).await?;
        Ok(Reads::Told(Told { tags, scope }))
    }
}

impl Relation {
    /// Why nobody tells of its changes.
    fn why(&self) -> Option<Why> {
        let is_view = self.kind == "v";
        match untold_kind(&self.kind, &self.persistence, self.has_policies).filter(|_| !is_view) {
            _ if self.oid.is_none() => Some(Why::Unknown),
            Some(kind) => Some(Why::Kind(kind)),
            None if self.is_varying => Some(Why::Varying),
            None if self.is_subscribed => Some(Why::Subscribed),
            None if is_view || self.is_watched => None,
            None => Some(Why::Unwatched),
        }
    }
}
