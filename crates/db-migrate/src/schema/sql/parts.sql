-- What belongs to a table or view: constraints, indexes, statistics, triggers, rules, policies.
SELECT 'constraint' AS kind, format('%s.%I', relation.name, conname) AS name, ARRAY[
    'definition', pg_get_constraintdef(pg_constraint.oid),
    'validated', CASE WHEN NOT convalidated THEN 'no' END] AS properties
FROM pg_constraint JOIN relation ON relation.oid = conrelid
-- Triggers stand below, columns know whether they are NOT NULL, and the server names what it makes for partitions.
WHERE contype NOT IN ('t', 'n') AND NOT (contype = 'f' AND conparentid <> 0)
UNION ALL
SELECT 'index', relation.name, ARRAY[
    'definition', pg_get_indexdef(indexrelid),
    'valid', CASE WHEN NOT indisvalid THEN 'no' END,
    'replica identity', CASE WHEN indisreplident THEN 'yes' END,
    'clustered', CASE WHEN indisclustered THEN 'yes' END,
    'partition of', (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = indexrelid),
    'statistics', (SELECT string_agg(format('%s: %s', attnum, attstattarget), ', ' ORDER BY attnum)
                   FROM pg_attribute WHERE attrelid = indexrelid AND attstattarget >= 0),
    'tablespace', (SELECT quote_ident(spcname) FROM pg_tablespace WHERE oid = reltablespace)]
FROM relation JOIN pg_index ON indexrelid = relation.oid
WHERE NOT EXISTS (SELECT FROM left_out WHERE left_out.oid = indrelid)
UNION ALL
SELECT 'statistics', format('%s.%I', space.name, stxname), ARRAY[
    'definition', pg_get_statisticsobjdef(pg_statistic_ext.oid),
    'target', nullif(coalesce(stxstattarget, -1), -1)::text]
FROM pg_statistic_ext JOIN space ON space.oid = stxnamespace
WHERE NOT EXISTS (SELECT FROM left_out WHERE left_out.oid = stxrelid)
UNION ALL
SELECT 'trigger', format('%s.%I', relation.name, tgname), ARRAY[
    'definition', pg_get_triggerdef(pg_trigger.oid),
    'enabled', CASE tgenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END]
FROM pg_trigger JOIN relation ON relation.oid = tgrelid
WHERE NOT tgisinternal
UNION ALL
SELECT 'rule', format('%s.%I', relation.name, rulename), ARRAY[
    'definition', pg_get_ruledef(pg_rewrite.oid),
    'enabled', CASE ev_enabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END]
FROM pg_rewrite JOIN relation ON relation.oid = ev_class
WHERE rulename <> '_RETURN'
UNION ALL
SELECT 'policy', format('%s.%I', relation.name, polname), ARRAY[
    'command', CASE polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete'
               ELSE 'all' END,
    'restrictive', CASE WHEN NOT polpermissive THEN 'yes' END,
    'roles', (SELECT string_agg(CASE WHEN role = 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(role)) END, ', '
                                ORDER BY pg_get_userbyid(role)) FROM unnest(polroles) AS role),
    'using', pg_get_expr(polqual, polrelid),
    'check', pg_get_expr(polwithcheck, polrelid)]
FROM pg_policy JOIN relation ON relation.oid = polrelid
