//! Rights to what is PostgreSQL's own: more than it gives by itself, and roles that are held to nothing.

use super::{DOING, Finding, role_names};
use crate::access::{Desired, Error};
use sqlx::PgConnection;

/// Rights in PostgreSQL's own schemas that a role of the rules, or everybody, has and that were not given when the cluster or an
/// extension was made (`pg_init_privs`, which lacks the views of `information_schema` that all may read).
const RIGHTS: &str = "
    WITH held AS (
        SELECT c.oid, 'pg_catalog.pg_class'::regclass AS class, 0 AS part, concat(n.nspname, '.', c.relname) AS name,
               c.relacl AS acl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner) AS usual,
               c.relowner AS owner
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relacl IS NOT NULL AND (n.nspname ~ '^pg_' OR n.nspname = 'information_schema')
        UNION ALL
        SELECT c.oid, 'pg_catalog.pg_class'::regclass, a.attnum, concat(n.nspname, '.', c.relname, '.', a.attname),
               a.attacl, NULL, c.relowner
        FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND (n.nspname ~ '^pg_' OR n.nspname = 'information_schema')
        UNION ALL
        SELECT p.oid, 'pg_catalog.pg_proc'::regclass, 0,
               concat(n.nspname, '.', p.proname, '(', pg_catalog.pg_get_function_identity_arguments(p.oid), ')'),
               p.proacl, acldefault('f', p.proowner), p.proowner
        FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE p.proacl IS NOT NULL AND (n.nspname ~ '^pg_' OR n.nspname = 'information_schema')
    )
    SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END,
           a.privilege_type, h.name
    FROM held AS h
    LEFT JOIN pg_catalog.pg_init_privs AS i ON i.objoid = h.oid AND i.classoid = h.class AND i.objsubid = h.part
    CROSS JOIN LATERAL aclexplode(h.acl) AS a
    WHERE a.grantee <> h.owner AND (a.grantee = 0 OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($1))
      AND NOT EXISTS (
          SELECT FROM aclexplode(coalesce(i.initprivs, h.usual)) AS first
          WHERE first.grantee = a.grantee AND first.privilege_type = a.privilege_type)
      AND NOT (a.grantee = 0 AND a.privilege_type = 'SELECT' AND h.name ~ '^information_schema[.]')
    ORDER BY 3, 1, 2";

pub(super) async fn rights(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String, String)> = sqlx::query_as(RIGHTS)
        .bind(role_names(desired))
        .fetch_all(conn)
        .await
        .map_err(Error::server(DOING))?;
    let finding = |(role, privilege, object)| Finding::SystemRight { role, privilege, object };
    Ok(found.into_iter().map(finding).collect())
}

/// Roles that the current user may become, and that are held to no rule. From PostgreSQL 16 on a membership may be without the
/// right to that; who may give it away may give it to themselves.
const BECOMES: &str = "
    SELECT current_user::text, r.rolname::text,
           CASE WHEN r.rolsuper THEN 'is a superuser' WHEN r.rolbypassrls THEN 'has BYPASSRLS'
                ELSE 'may read or write all data, or files and programs of the server' END
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname <> current_user
      AND CASE WHEN current_setting('server_version_num')::int4 >= 160000
               THEN pg_has_role(r.oid, 'SET') OR pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
               ELSE pg_has_role(r.oid, 'MEMBER') END
      AND (r.rolsuper OR r.rolbypassrls
           OR r.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program', 'pg_read_server_files',
                            'pg_write_server_files'))
    ORDER BY 2";

pub(super) async fn becomes(conn: &mut PgConnection) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String, String)> =
        sqlx::query_as(BECOMES).fetch_all(conn).await.map_err(Error::server(DOING))?;
    Ok(found.into_iter().map(|(user, role, why)| Finding::Becomes { user, role, why }).collect())
}

/// Roles of the rules, or PUBLIC, that may make schemas.
const SCHEMAS: &str = "
    SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, d.datname::text
    FROM pg_catalog.pg_database AS d
    CROSS JOIN LATERAL aclexplode(d.datacl) AS a
    WHERE d.datname = current_database() AND a.privilege_type = 'CREATE' AND a.grantee <> d.datdba
      AND (a.grantee = 0 OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($1))";

pub(super) async fn schemas(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String)> = sqlx::query_as(SCHEMAS)
        .bind(role_names(desired))
        .fetch_all(conn)
        .await
        .map_err(Error::server(DOING))?;
    Ok(found.into_iter().map(|(role, database)| Finding::CreateSchema { role, database }).collect())
}
