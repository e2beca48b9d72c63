//! Views that show rows of governed tables with their owner's rights, however many other views are in between.

use super::{DOING, Finding, role_names, table_names};
use crate::access::{Desired, Error};
use sqlx::PgConnection;

/// A view with its owner's rights reads everything beneath it with those, through views with their caller's rights too, whose
/// caller it is. A view that asks for its reader's rights asks for the right to what it reads, which is looked at by itself.
const VIEWS: &str = "
    WITH RECURSIVE reads AS (
        SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation
        FROM pg_catalog.pg_rewrite AS r
        JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
    ), reach AS (
        SELECT view, relation FROM reads
        UNION
        SELECT reach.view, reads.relation FROM reach JOIN reads ON reads.view = reach.relation
    )
    SELECT concat(vn.nspname, '.', v.relname), concat(tn.nspname, '.', t.relname),
           (SELECT min(CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END)
            FROM (SELECT v.relacl AS acl
                  UNION ALL SELECT attacl FROM pg_catalog.pg_attribute WHERE attrelid = v.oid AND NOT attisdropped) AS held
            CROSS JOIN LATERAL aclexplode(held.acl) AS a
            WHERE a.grantee = 0 OR pg_catalog.pg_get_userbyid(a.grantee)::text = ANY ($2))
    FROM reach
    JOIN pg_catalog.pg_class AS v ON v.oid = reach.view
    JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace
    JOIN pg_catalog.pg_class AS t ON t.oid = reach.relation
    JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
    WHERE concat(tn.nspname, '.', t.relname) = ANY ($1)
      AND NOT coalesce((SELECT o.option_value::bool FROM pg_catalog.pg_options_to_table(v.reloptions) AS o
                        WHERE o.option_name = 'security_invoker'), false)
    ORDER BY 1, 2";

pub(super) async fn views(conn: &mut PgConnection, desired: &Desired) -> Result<Vec<Finding>, Error> {
    let found: Vec<(String, String, Option<String>)> = sqlx::query_as(VIEWS)
        .bind(table_names(desired))
        .bind(role_names(desired))
        .fetch_all(conn)
        .await
        .map_err(Error::server(DOING))?;
    Ok(found.into_iter().map(|(view, table, reader)| Finding::View { view, table, reader }).collect())
}
