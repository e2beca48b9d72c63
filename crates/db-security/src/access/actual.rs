//! What the database has of what the rules are about.

use crate::access::{
    Error, Granted, Object, Policy, TableName,
    catalogue::{Function, function_types},
    desired::{MARK, short_hash},
};
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// What the database has.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Actual {
    pub(crate) roles: BTreeMap<String, ActualRole>,
    /// Rights of the rules' roles and of PUBLIC, without those that come with ownership.
    pub(crate) grants: BTreeSet<Granted>,
    /// Rights that may be passed on.
    pub(crate) passing_on: BTreeSet<Granted>,
    pub(crate) tables: BTreeMap<TableName, ActualTable>,
    pub(crate) policies: BTreeMap<(TableName, String), ActualPolicy>,
}

/// A role of the rules that there is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ActualRole {
    /// What makes it one that no rule holds.
    pub(crate) unsafe_as: Option<String>,
    /// Whether we made it.
    pub(crate) is_ours: bool,
    pub(crate) member_of: BTreeSet<String>,
    pub(crate) owns: BTreeSet<TableName>,
}

/// A table that rules name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ActualTable {
    pub(crate) has_row_security: bool,
    pub(crate) is_forced: bool,
}

/// A policy of a table that rules name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ActualPolicy {
    pub(crate) comment: String,
    /// A hash of what it says now, as the server writes it.
    pub(crate) reads: String,
    pub(crate) is_permissive: bool,
}

/// Before PostgreSQL 16, CREATEROLE lets a role make itself a member of nearly any other.
const ROLES: &str = "
    SELECT r.rolname::text,
           CASE WHEN r.rolsuper THEN 'is a superuser' WHEN r.rolbypassrls THEN 'has BYPASSRLS'
                WHEN r.rolcreaterole THEN 'has CREATEROLE' END,
           coalesce(shobj_description(r.oid, 'pg_authid'), ''),
           ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_auth_members AS m
                 JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid WHERE m.member = r.oid)
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1)";

const TABLES: &str = "
    SELECT n.nspname::text, c.relname::text, c.relrowsecurity, c.relforcerowsecurity,
           pg_catalog.pg_get_userbyid(c.relowner)::text
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Of each right: what kind of thing it is to, its schema, its name, its column or types, who has it.
const GRANTS: &str = concat!(
    "    WITH asked AS (
        SELECT oid, rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname = ANY ($1)
        UNION ALL SELECT 0, NULL
    ), held AS (
        SELECT 'schema' AS kind, n.nspname::text AS schema, '' AS name, '' AS detail, n.nspowner AS owner, n.nspacl AS acl,
               'pg_namespace'::regclass AS class, n.oid
        FROM pg_catalog.pg_namespace AS n
        UNION ALL
        SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.nspname::text, c.relname::text, '', c.relowner,
               c.relacl, 'pg_class'::regclass, c.oid
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'column', n.nspname::text, c.relname::text, a.attname::text, c.relowner, a.attacl, 'pg_class'::regclass, c.oid
        FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
        UNION ALL
        SELECT 'function', n.nspname::text, p.proname::text,
               ",
    function_types!(),
    ",
               p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)), 'pg_proc'::regclass, p.oid
        FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    )
    SELECT h.kind, h.schema, h.name, h.detail, asked.name, g.privilege_type, bool_or(g.is_grantable)
    FROM held AS h
    CROSS JOIN LATERAL aclexplode(h.acl) AS g
    JOIN asked ON asked.oid = g.grantee
    WHERE h.schema !~ '^pg_' AND h.schema <> 'information_schema' AND g.grantee <> h.owner
      AND (g.grantee <> 0 OR h.kind <> 'schema' AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = h.class AND d.objid = h.oid AND d.deptype = 'e'))
    GROUP BY 1, 2, 3, 4, 5, 6"
);

/// What a policy says is put together as the server writes it, so that a change by hand shows.
const POLICIES: &str = "
    SELECT n.nspname::text, c.relname::text, p.polname::text, coalesce(obj_description(p.oid, 'pg_policy'), ''),
           p.polpermissive,
           concat_ws(E'\\n', p.polcmd::text, p.polpermissive::text,
               (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(r)::text END, ',' ORDER BY r)
                FROM unnest(p.polroles) AS r),
               pg_catalog.pg_get_expr(p.polqual, p.polrelid), '/', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_catalog.pg_policy AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace";

impl Actual {
    /// Reads what the database has of what the rules are about.
    ///
    /// # Errors
    /// [`Error::Server`] when the server does not answer.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn read(conn: &mut PgConnection, policy: &Policy) -> Result<Self, Error> {
        const DOING: &str = "cannot read the rights in the database";
        let names: Vec<&str> = policy.roles.iter().map(|role| role.name.as_str()).collect();
        let mut actual = Self::default();
        let roles =
            sqlx::query(ROLES).bind(&names).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for row in &roles {
            let (name, role) = role(row).map_err(Error::server(DOING))?;
            actual.roles.insert(name, role);
        }
        let tables: Vec<(String, String, bool, bool, String)> =
            sqlx::query_as(TABLES).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for (schema, name, has_row_security, is_forced, owner) in tables {
            let table = TableName::of(schema, name);
            if let Some(role) = actual.roles.get_mut(&owner) {
                role.owns.insert(table.clone());
            }
            actual.tables.insert(table, ActualTable { has_row_security, is_forced });
        }
        let grants =
            sqlx::query(GRANTS).bind(&names).fetch_all(&mut *conn).await.map_err(Error::server(DOING))?;
        for row in &grants {
            let (granted, may_pass_on) = granted(row).map_err(Error::server(DOING))?;
            if may_pass_on {
                actual.passing_on.insert(granted.clone());
            }
            actual.grants.insert(granted);
        }
        for ((table, name), policy) in policies(conn).await? {
            actual.policies.insert((table, name), policy);
        }
        Ok(actual)
    }
}

/// Every policy there is.
pub(crate) async fn policies(
    conn: &mut PgConnection,
) -> Result<BTreeMap<(TableName, String), ActualPolicy>, Error> {
    type Found = (String, String, String, String, bool, String);
    let found: Vec<Found> =
        sqlx::query_as(POLICIES).fetch_all(conn).await.map_err(Error::server("cannot read the policies"))?;
    let policy = |(schema, table, name, comment, is_permissive, says): Found| {
        let policy = ActualPolicy { comment, reads: short_hash(&says), is_permissive };
        ((TableName::of(schema, table), name), policy)
    };
    Ok(found.into_iter().map(policy).collect())
}

fn role(row: &PgRow) -> Result<(String, ActualRole), sqlx::Error> {
    let comment: String = row.try_get(2)?;
    let member_of: Vec<String> = row.try_get(3)?;
    let role = ActualRole {
        unsafe_as: row.try_get(1)?,
        is_ours: comment.starts_with(MARK),
        member_of: member_of.into_iter().collect(),
        owns: BTreeSet::new(),
    };
    Ok((row.try_get(0)?, role))
}

fn granted(row: &PgRow) -> Result<(Granted, bool), sqlx::Error> {
    let (kind, schema, name, detail): (String, String, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let object = match kind.as_str() {
        "schema" => Object::Schema(schema),
        "sequence" => Object::Sequence(TableName::of(schema, name)),
        "column" => Object::Column(TableName::of(schema, name), detail),
        "function" => Object::Function(Function { name: TableName::of(schema, name), types: detail }),
        _ => Object::Table(TableName::of(schema, name)),
    };
    let granted = Granted { role: row.try_get(4)?, object, privilege: row.try_get(5)? };
    Ok((granted, row.try_get(6)?))
}
