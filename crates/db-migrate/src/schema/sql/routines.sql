-- Functions, procedures, aggregates, and what is made of them: operators and their classes, casts.
SELECT CASE prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind, name,
       ARRAY['definition', pg_get_functiondef(oid)] AS properties
FROM routine WHERE prokind <> 'a'
UNION ALL
SELECT 'aggregate', name, ARRAY[
    'kind', CASE aggkind WHEN 'o' THEN 'ordered set' WHEN 'h' THEN 'hypothetical set' END,
    'state function', aggtransfn::regprocedure::text, 'state type', format_type(aggtranstype, NULL),
    'state size', nullif(aggtransspace, 0)::text, 'initial state', agginitval,
    'final function', nullif(aggfinalfn::oid, 0)::regprocedure::text,
    'final extra', CASE WHEN aggfinalextra THEN 'yes' END, 'final modifies', nullif(aggfinalmodify, 'r')::text,
    'combine function', nullif(aggcombinefn::oid, 0)::regprocedure::text,
    'serial function', nullif(aggserialfn::oid, 0)::regprocedure::text,
    'deserial function', nullif(aggdeserialfn::oid, 0)::regprocedure::text,
    'moving state function', nullif(aggmtransfn::oid, 0)::regprocedure::text,
    'moving inverse function', nullif(aggminvtransfn::oid, 0)::regprocedure::text,
    'moving state type', CASE WHEN aggmtranstype <> 0 THEN format_type(aggmtranstype, NULL) END,
    'moving initial state', aggminitval,
    'moving final function', nullif(aggmfinalfn::oid, 0)::regprocedure::text,
    'sort operator', nullif(aggsortop, 0)::regoperator::text, 'parallel', nullif(proparallel, 'u')::text]
FROM routine JOIN pg_aggregate ON aggfnoid = routine.oid
UNION ALL
SELECT 'operator', pg_operator.oid::regoperator::text, ARRAY[
    'function', oprcode::regproc::text, 'result', format_type(oprresult, NULL),
    'commutator', nullif(oprcom, 0)::regoperator::text, 'negator', nullif(oprnegate, 0)::regoperator::text,
    'restrict', nullif(oprrest::oid, 0)::regproc::text, 'join', nullif(oprjoin::oid, 0)::regproc::text,
    'hashes', CASE WHEN oprcanhash THEN 'yes' END, 'merges', CASE WHEN oprcanmerge THEN 'yes' END]
FROM pg_operator JOIN space ON space.oid = oprnamespace
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_operator'::regclass AND objid = pg_operator.oid)
UNION ALL
SELECT 'operator class', format('%s.%I using %I', space.name, opcname, amname), ARRAY[
    'type', format_type(opcintype, NULL), 'default', CASE WHEN opcdefault THEN 'yes' END,
    'family', (SELECT format('%I.%I', nspname, opfname) FROM pg_opfamily
               JOIN pg_namespace ON pg_namespace.oid = opfnamespace WHERE pg_opfamily.oid = opcfamily),
    'stored as', CASE WHEN opckeytype <> 0 THEN format_type(opckeytype, NULL) END]
FROM pg_opclass JOIN space ON space.oid = opcnamespace JOIN pg_am ON pg_am.oid = opcmethod
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_opclass'::regclass AND objid = pg_opclass.oid)
UNION ALL
SELECT 'operator family', format('%s.%I using %I', space.name, opfname, amname), ARRAY[
    'operators', (SELECT string_agg(format('%s %s', amopstrategy, amopopr::regoperator), ', '
                                    ORDER BY amopstrategy, amopopr::regoperator::text)
                  FROM pg_amop WHERE amopfamily = pg_opfamily.oid),
    'functions', (SELECT string_agg(format('%s %s', amprocnum, amproc::regprocedure), ', '
                                    ORDER BY amprocnum, amproc::regprocedure::text)
                  FROM pg_amproc WHERE amprocfamily = pg_opfamily.oid)]
FROM pg_opfamily JOIN space ON space.oid = opfnamespace JOIN pg_am ON pg_am.oid = opfmethod
WHERE NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_opfamily'::regclass AND objid = pg_opfamily.oid)
UNION ALL
SELECT 'cast', format('%s AS %s', format_type(castsource, NULL), format_type(casttarget, NULL)), ARRAY[
    'function', nullif(castfunc, 0)::regprocedure::text,
    'context', CASE castcontext WHEN 'a' THEN 'assignment' WHEN 'i' THEN 'implicit' ELSE 'explicit' END,
    'method', CASE castmethod WHEN 'f' THEN 'function' WHEN 'i' THEN 'text' ELSE 'binary' END]
FROM pg_cast
WHERE oid >= 16384
  AND NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_cast'::regclass AND objid = pg_cast.oid)
