-- Tables, views and sequences.
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END AS kind, relation.name,
    ARRAY[
        'kind', CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' END,
        'unlogged', CASE WHEN relpersistence = 'u' THEN 'yes' END,
        'of type', CASE WHEN reloftype <> 0 THEN format_type(reloftype, NULL) END,
        'partition key', CASE WHEN relkind = 'p' THEN pg_get_partkeydef(relation.oid) END,
        'inherits', (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                     FROM pg_inherits WHERE inhrelid = relation.oid),
        'bound', pg_get_expr(relpartbound, relation.oid),
        'definition', CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(relation.oid) END,
        'populated', CASE WHEN relkind = 'm' AND NOT relispopulated THEN 'no' END,
        'options', (SELECT string_agg(option, ', ' ORDER BY option) FROM unnest(reloptions) AS option),
        'toast options', (SELECT string_agg(option, ', ' ORDER BY option)
                          FROM pg_class AS toast, unnest(toast.reloptions) AS option
                          WHERE toast.oid = relation.reltoastrelid),
        'row security', CASE WHEN relforcerowsecurity THEN 'forced' WHEN relrowsecurity THEN 'enabled' END,
        'policies apply', CASE WHEN relforcerowsecurity AND NOT relrowsecurity THEN 'no' END,
        'replica identity', CASE relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' WHEN 'i' THEN 'index' END,
        'access method', (SELECT quote_ident(amname) FROM pg_am WHERE oid = relam AND amname <> 'heap'),
        'tablespace', (SELECT quote_ident(spcname) FROM pg_tablespace WHERE oid = reltablespace),
        'server', (SELECT quote_ident(srvname) FROM pg_foreign_table
                   JOIN pg_foreign_server ON pg_foreign_server.oid = ftserver WHERE ftrelid = relation.oid),
        'server options', (SELECT array_to_string(ftoptions, ', ') FROM pg_foreign_table
                           WHERE ftrelid = relation.oid)] AS properties
FROM relation
WHERE relkind IN ('r', 'p', 'f', 'v', 'm')
UNION ALL
SELECT 'sequence', relation.name, ARRAY[
    'type', format_type(seqtypid, NULL), 'start', seqstart::text, 'increment', seqincrement::text,
    'minimum', seqmin::text, 'maximum', seqmax::text, 'cache', seqcache::text,
    'cycle', CASE WHEN seqcycle THEN 'yes' END, 'unlogged', CASE WHEN relpersistence = 'u' THEN 'yes' END,
    'owned by', (SELECT format('%s.%I', refobjid::regclass, attname)
                 FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
                 WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND objsubid = 0
                   AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i'))]
FROM pg_sequence JOIN relation ON relation.oid = seqrelid
