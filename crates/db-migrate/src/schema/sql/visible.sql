-- What the other queries read from: everything that people made, without what extensions and the server own.
WITH extension_owned AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), space AS MATERIALIZED (
    SELECT oid, quote_ident(nspname) AS name, nspowner, nspacl FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), excluded AS MATERIALIZED (
    SELECT to_regclass(listed)::oid AS oid FROM unnest({excluded}) AS listed
), left_out AS MATERIALIZED (
    SELECT oid FROM excluded WHERE oid IS NOT NULL
    UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM excluded)
    UNION SELECT objid FROM pg_depend
          WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
            AND refobjid IN (SELECT oid FROM excluded)
    UNION SELECT objid FROM extension_owned WHERE classid = 'pg_class'::regclass
), relation AS MATERIALIZED (
    SELECT class.*, format('%s.%I', space.name, relname) AS name
    FROM pg_class AS class JOIN space ON space.oid = class.relnamespace
    WHERE NOT EXISTS (SELECT FROM left_out WHERE left_out.oid = class.oid)
), kind_of_type AS MATERIALIZED (
    SELECT type.*, format('%s.%I', space.name, typname) AS name
    FROM pg_type AS type JOIN space ON space.oid = type.typnamespace
    WHERE typtype <> 'm'
      AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.oid = type.typelem AND element.typarray = type.oid)
      AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class WHERE oid = typrelid AND relkind = 'c'))
      AND NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_type'::regclass AND objid = type.oid)
), routine AS MATERIALIZED (
    SELECT proc.*, proc.oid::regprocedure::text AS name
    FROM pg_proc AS proc JOIN space ON space.oid = proc.pronamespace
    WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_proc'::regclass AND objid = proc.oid)
      -- A range's constructors come and go with it.
      AND NOT EXISTS (SELECT FROM pg_depend
                      WHERE classid = 'pg_proc'::regclass AND objid = proc.oid AND deptype = 'i')
)
