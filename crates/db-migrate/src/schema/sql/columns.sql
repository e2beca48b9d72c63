-- Columns; `after` is the column before, so that one that goes moves only its neighbour.
SELECT 'column' AS kind, format('%s.%I', relation.name, attname) AS name, ARRAY[
    'after', {after},
    'type', format_type(atttypid, atttypmod),
    'not null', CASE WHEN attnotnull THEN 'yes' END,
    'default', CASE WHEN attgenerated = '' THEN pg_get_expr(adbin, adrelid) END,
    'generated', CASE WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid) END,
    'generated how', CASE attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END,
    'identity', CASE attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
    'collation', CASE WHEN attcollation <> typcollation AND attcollation <> 0 THEN attcollation::regcollation::text END,
    'storage', CASE WHEN relkind NOT IN ('v', 'f') AND attstorage <> typstorage THEN
        CASE attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
    'compression', CASE {attcompression} WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
    'statistics', nullif(coalesce(attstattarget, -1), -1)::text,
    'options', array_to_string(attoptions, ', '),
    'server options', array_to_string(attfdwoptions, ', ')] AS properties
FROM relation
JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p', 'f', 'v', 'm')
