-- Collations, text search, publications, event triggers, foreign servers.
SELECT 'collation' AS kind, format('%s.%I', space.name, collname) AS name, ARRAY[
    'provider', collprovider::text, 'collate', collcollate, 'ctype', collctype,
    'locale', coalesce(to_jsonb(pg_collation) ->> 'colllocale', to_jsonb(pg_collation) ->> 'colliculocale'),
    'rules', to_jsonb(pg_collation) ->> 'collicurules',
    'deterministic', CASE WHEN NOT collisdeterministic THEN 'no' END] AS properties
FROM pg_collation JOIN space ON space.oid = collnamespace
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_collation'::regclass AND objid = pg_collation.oid)
UNION ALL
SELECT 'text search configuration', format('%s.%I', space.name, cfgname), ARRAY[
    'parser', (SELECT quote_ident(prsname) FROM pg_ts_parser WHERE oid = cfgparser),
    'dictionaries', (SELECT string_agg(format('%s %s', maptokentype, mapdict::regdictionary), ', '
                                       ORDER BY maptokentype, mapseqno)
                     FROM pg_ts_config_map WHERE mapcfg = pg_ts_config.oid)]
FROM pg_ts_config JOIN space ON space.oid = cfgnamespace
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_ts_config'::regclass AND objid = pg_ts_config.oid)
UNION ALL
SELECT 'text search dictionary', format('%s.%I', space.name, dictname), ARRAY[
    'template', (SELECT quote_ident(tmplname) FROM pg_ts_template WHERE oid = dicttemplate),
    'options', dictinitoption]
FROM pg_ts_dict JOIN space ON space.oid = dictnamespace
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_ts_dict'::regclass AND objid = pg_ts_dict.oid)
UNION ALL
SELECT 'publication', quote_ident(pubname), ARRAY[
    'all tables', CASE WHEN puballtables THEN 'yes' END,
    'publishes', concat_ws(', ', CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
                           CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END),
    'via root', CASE WHEN pubviaroot THEN 'yes' END,
    'tables', {publication_tables},
    'schemas', {publication_schemas}]
FROM pg_publication
UNION ALL
SELECT 'event trigger', quote_ident(evtname), ARRAY[
    'event', evtevent, 'function', evtfoid::regprocedure::text,
    'tags', (SELECT string_agg(tag, ', ' ORDER BY tag) FROM unnest(evttags) AS tag),
    'enabled', CASE evtenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END]
FROM pg_event_trigger
WHERE NOT EXISTS (SELECT FROM extension_owned
                  WHERE classid = 'pg_event_trigger'::regclass AND objid = pg_event_trigger.oid)
UNION ALL
SELECT 'foreign data wrapper', quote_ident(fdwname), ARRAY[
    'handler', nullif(fdwhandler, 0)::regprocedure::text, 'validator', nullif(fdwvalidator, 0)::regprocedure::text,
    'options md5', md5(array_to_string(fdwoptions, ', '))]
FROM pg_foreign_data_wrapper AS wrapper
WHERE NOT EXISTS (SELECT FROM extension_owned
                  WHERE classid = 'pg_foreign_data_wrapper'::regclass AND objid = wrapper.oid)
UNION ALL
-- The text of options may hold a password: that they changed is told, not what they are.
SELECT 'foreign server', quote_ident(srvname), ARRAY[
    'wrapper', (SELECT quote_ident(fdwname) FROM pg_foreign_data_wrapper WHERE oid = srvfdw),
    'type', srvtype, 'version', srvversion, 'options md5', md5(array_to_string(srvoptions, ', '))]
FROM pg_foreign_server
