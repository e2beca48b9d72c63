//! Finds what would let somebody past the rules, and says what to do about it.

mod finding;
mod system;
mod views;

pub use finding::{Finding, Severity};

use crate::access::{
    Actual, Desired, Error, Owner, Policy, TableName,
    catalogue::{Function, function_types},
    compile, diff,
};
use sqlx::PgConnection;

/// Looks for what would let somebody past the rules: drift, owners and superusers and who may become one, rights to
/// PostgreSQL's own tables and functions, views, functions, partitions, default privileges. The gravest comes first; an empty answer means that none of these was found.
///
/// # Errors
/// [`Error::Server`] when the server does not answer.
///
/// # Cancel safety
/// It only reads.
pub async fn check(conn: &mut PgConnection, policy: &Policy, owner: Owner) -> Result<Vec<Finding>, Error> {
    let desired = compile(policy, owner);
    let actual = Actual::read(conn, policy).await?;
    let mut findings: Vec<Finding> = diff(&desired, &actual).into_iter().map(Finding::Drift).collect();
    findings.extend(current_user(conn, &desired).await?);
    // Whoever is a superuser already need not become one.
    if !findings.iter().any(|finding| matches!(finding, Finding::Bypasses { .. })) {
        findings.extend(system::becomes(conn).await?);
    }
    findings.extend(system::rights(conn, &desired).await?);
    findings.extend(views::views(conn, &desired).await?);
    findings.extend(functions(conn, &desired).await?);
    findings.extend(inlined(conn, &desired).await?);
    findings.extend(logins(conn, &desired).await?);
    findings.extend(children(conn, &desired).await?);
    findings.extend(defaults(conn, &desired).await?);
    findings.extend(system::schemas(conn, &desired).await?);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    Ok(findings)
}

const DOING: &str = "cannot look for ways past the rules";

fn role_names(desired: &Desired) -> Vec<&str> {
    desired.roles.keys().map(String::as_str).collect()
}

fn table_names(desired: &Desired) -> Vec<String> {
    desired.governed.iter().map(ToString::to_string).collect()
}

async fn current_user(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let (user, is_superuser, bypasses): (String, bool, bool) = sqlx::query_as(
        "SELECT rolname::text, rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(Error::server(DOING))?;
    if is_superuser || bypasses {
        let why = if is_superuser { "is a superuser" } else { "has BYPASSRLS" };
        return Ok(vec![Finding::Bypasses { user, why }]);
    }
    let owned: Vec<(String, bool)> = sqlx::query_as(
        "SELECT concat(n.nspname, '.', c.relname), c.relforcerowsecurity AND c.relrowsecurity
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE concat(n.nspname, '.', c.relname) = ANY ($1) AND pg_has_role(c.relowner, 'MEMBER')",
    )
    .bind(table_names(desired))
    .fetch_all(conn)
    .await
    .map_err(Error::server(DOING))?;
    let owns = |(table, is_forced)| Finding::Owns { user: user.clone(), table, is_forced };
    Ok(owned.into_iter().map(owns).collect())
}

/// Functions with their owner's rights that a role of the rules, or everybody, may call, and that no rule names.
async fn functions(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String, String, String)> = sqlx::query_as(concat!(
        "SELECT n.nspname::text, p.proname::text, ",
        function_types!(),
        ",
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
         FROM pg_catalog.pg_proc AS p
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
         CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
         WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
           AND (a.grantee = 0 OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($1))"
    ))
    .bind(role_names(desired))
    .fetch_all(conn)
    .await
    .map_err(Error::server(DOING))?;
    let function =
        |(schema, name, types, role)| (Function { name: TableName::of(schema, name), types }, role);
    let open = found.into_iter().map(function).filter(|(function, _)| !desired.functions.contains(function));
    Ok(open
        .map(|(function, role)| Finding::DefinerFunction { function: function.signature(), role })
        .collect())
}

/// Functions of rules that the planner may put into the plan of their caller: in SQL, with their caller's rights, and without
/// settings of their own.
async fn inlined(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String, String)> = sqlx::query_as(concat!(
        "SELECT n.nspname::text, p.proname::text, ",
        function_types!(),
        " FROM pg_catalog.pg_proc AS p
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
         JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
         WHERE l.lanname = 'sql' AND NOT p.prosecdef AND p.proconfig IS NULL AND p.prokind = 'f'"
    ))
    .fetch_all(conn)
    .await
    .map_err(Error::server(DOING))?;
    let function = |(schema, name, types)| Function { name: TableName::of(schema, name), types };
    let named = found.into_iter().map(function).filter(|function| desired.functions.contains(function));
    Ok(named.map(|function| Finding::InlinedFunction { function: function.signature() }).collect())
}

async fn logins(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT l.rolname::text, array_agg(r.rolname::text ORDER BY r.rolname)
         FROM pg_catalog.pg_roles AS l
         JOIN pg_catalog.pg_roles AS r ON pg_has_role(l.oid, r.oid, 'MEMBER')
         WHERE l.rolcanlogin AND NOT l.rolsuper AND r.rolname = ANY ($1)
         GROUP BY l.rolname HAVING count(*) > 1",
    )
    .bind(role_names(desired))
    .fetch_all(conn)
    .await
    .map_err(Error::server(DOING))?;
    Ok(found.into_iter().map(|(login, roles)| Finding::SeveralRoles { login, roles }).collect())
}

async fn children(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT DISTINCT concat(cn.nspname, '.', c.relname), concat(tn.nspname, '.', t.relname),
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
         FROM pg_catalog.pg_inherits AS i
         JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p', 'f')
         JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
         JOIN pg_catalog.pg_class AS t ON t.oid = i.inhparent
         JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
         CROSS JOIN LATERAL aclexplode(c.relacl) AS a
         WHERE concat(tn.nspname, '.', t.relname) = ANY ($1)
           AND NOT concat(cn.nspname, '.', c.relname) = ANY ($1)
           AND (a.grantee = 0 OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($2))",
    )
    .bind(table_names(desired))
    .bind(role_names(desired))
    .fetch_all(conn)
    .await
    .map_err(Error::server(DOING))?;
    Ok(found.into_iter().map(|(child, table, role)| Finding::Child { child, table, role }).collect())
}

/// What will be granted by itself, and who may make things that hide those that are meant.
async fn defaults(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END,
                d.defaclobjtype::text
         FROM pg_catalog.pg_default_acl AS d
         CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
         WHERE d.defaclobjtype IN ('r', 'f') AND a.grantee <> d.defaclrole
           AND (a.grantee = 0 AND d.defaclobjtype = 'r' OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($1))",
    )
    .bind(role_names(desired))
    .fetch_all(&mut *conn)
    .await
    .map_err(Error::server(DOING))?;
    let default = |(role, kind): (String, String)| {
        let kind = if kind == "r" { "TABLES" } else { "FUNCTIONS" };
        Finding::DefaultPrivilege { role, kind }
    };
    let mut findings: Vec<Finding> = found.into_iter().map(default).collect();
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, n.nspname::text
         FROM pg_catalog.pg_namespace AS n
         CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
         WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND n.nspname !~ '^pg_'
           AND (a.grantee = 0 OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($1))",
    )
    .bind(role_names(desired))
    .fetch_all(conn)
    .await
    .map_err(Error::server(DOING))?;
    findings.extend(found.into_iter().map(|(role, schema)| Finding::Create { role, schema }));
    Ok(findings)
}
