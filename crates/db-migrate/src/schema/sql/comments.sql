-- Comments, each an object of its own.
SELECT 'comment on' AS kind, identified.type || ' ' || identified.identity AS name,
       ARRAY['text', description] AS properties
FROM pg_description, pg_identify_object(classoid, objoid, objsubid) AS identified
WHERE (objoid >= 16384 OR classoid = 'pg_namespace'::regclass AND objoid IN (SELECT oid FROM space))
  AND classoid <> 'pg_largeobject'::regclass
  AND coalesce(identified.schema, '') !~ '^pg_'
  AND NOT EXISTS (SELECT FROM extension_owned WHERE classid = classoid AND objid = objoid)
  AND NOT (classoid = 'pg_class'::regclass AND EXISTS (SELECT FROM left_out WHERE left_out.oid = objoid))
