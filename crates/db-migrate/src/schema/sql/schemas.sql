-- Schemas, extensions, languages, access methods.
SELECT 'schema' AS kind, name, ARRAY[]::text[] AS properties FROM space
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_namespace'::regclass AND objid = space.oid)
UNION ALL
SELECT 'extension', quote_ident(extname), ARRAY['version', extversion, 'schema', quote_ident(nspname)]
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
UNION ALL
SELECT 'language', quote_ident(lanname),
       ARRAY['handler', lanplcallfoid::regproc::text, 'trusted', CASE WHEN lanpltrusted THEN 'yes' END]
FROM pg_language
WHERE oid >= 16384
  AND NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_language'::regclass AND objid = pg_language.oid)
UNION ALL
SELECT 'access method', quote_ident(amname), ARRAY['handler', amhandler::regproc::text]
FROM pg_am
WHERE oid >= 16384
  AND NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_am'::regclass AND objid = pg_am.oid)
