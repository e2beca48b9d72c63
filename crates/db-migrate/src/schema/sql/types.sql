-- Types, with what each kind of them has.
SELECT 'type' AS kind, type.name, CASE typtype
    WHEN 'e' THEN ARRAY[
        'kind', 'enum',
        'labels', (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                   FROM pg_enum WHERE enumtypid = type.oid)]
    WHEN 'c' THEN ARRAY[
        'kind', 'composite',
        'attributes', (SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', '
                                         ORDER BY attnum)
                       FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped)]
    WHEN 'd' THEN ARRAY[
        'kind', 'domain',
        'base', format_type(typbasetype, typtypmod),
        'not null', CASE WHEN typnotnull THEN 'yes' END,
        'default', coalesce(pg_get_expr(typdefaultbin, 0), typdefault),
        'collation', (SELECT type.typcollation::regcollation::text FROM pg_type AS base
                      WHERE base.oid = type.typbasetype AND base.typcollation <> type.typcollation)]
    WHEN 'r' THEN (
        SELECT ARRAY['kind', 'range', 'subtype', format_type(rngsubtype, NULL),
                     'collation', nullif(rngcollation, 0)::regcollation::text,
                     'operator class', (SELECT quote_ident(opcname) FROM pg_opclass WHERE oid = rngsubopc),
                     'canonical', nullif(rngcanonical::oid, 0)::regprocedure::text,
                     'difference', nullif(rngsubdiff::oid, 0)::regprocedure::text]
        FROM pg_range WHERE rngtypid = type.oid)
    ELSE ARRAY[
        'kind', CASE WHEN typisdefined THEN 'base' ELSE 'shell' END,
        'input', nullif(typinput::oid, 0)::regproc::text, 'output', nullif(typoutput::oid, 0)::regproc::text,
        'length', typlen::text, 'alignment', typalign::text, 'storage', typstorage::text, 'default', typdefault]
    END AS properties
FROM kind_of_type AS type
UNION ALL
-- A row for each constraint of a domain; rows of one object are put together.
SELECT 'type', type.name, ARRAY[
    'constraint ' || quote_ident(conname),
    pg_get_constraintdef(pg_constraint.oid)]
FROM pg_constraint JOIN kind_of_type AS type ON type.oid = contypid
WHERE contype = 'c'
