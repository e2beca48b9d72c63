-- Privileges, a row for each who has others than one has by default. Owners are not named: they differ from server to
-- server, and what they may do does not.
SELECT 'privileges on' AS kind, object AS name, ARRAY[
    CASE grantee WHEN 0 THEN 'public' WHEN owner THEN 'the owner' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    string_agg(what, ', ' ORDER BY what)] AS properties
FROM (
    WITH granted AS MATERIALIZED (
        SELECT format('%s %s', CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, name) AS object,
               relowner AS owner, relacl AS acl,
               acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, relowner) AS usual
        FROM relation WHERE relacl IS NOT NULL
        UNION ALL
        SELECT format('column %s.%I', name, attname), relowner, attacl, acldefault('c', relowner)
        FROM relation JOIN pg_attribute ON attrelid = relation.oid
        WHERE attacl IS NOT NULL AND NOT attisdropped
        UNION ALL
        SELECT 'routine ' || name, proowner, proacl, acldefault('f', proowner) FROM routine WHERE proacl IS NOT NULL
        UNION ALL
        SELECT 'type ' || name, typowner, typacl, acldefault('T', typowner) FROM kind_of_type
        WHERE typacl IS NOT NULL
        UNION ALL
        SELECT 'schema ' || name, nspowner, nspacl, acldefault('n', nspowner) FROM space
        WHERE nspacl IS NOT NULL
          AND NOT EXISTS (SELECT FROM extension_owned WHERE classid = 'pg_namespace'::regclass AND objid = space.oid)
        UNION ALL
        SELECT 'language ' || quote_ident(lanname), lanowner, lanacl, acldefault('l', lanowner) FROM pg_language
        WHERE lanacl IS NOT NULL AND oid >= 16384
        UNION ALL
        SELECT 'foreign data wrapper ' || quote_ident(fdwname), fdwowner, fdwacl, acldefault('F', fdwowner)
        FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
        UNION ALL
        SELECT 'foreign server ' || quote_ident(srvname), srvowner, srvacl, acldefault('S', srvowner)
        FROM pg_foreign_server WHERE srvacl IS NOT NULL
        UNION ALL
        SELECT format('default %s by %I%s',
                      CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                      WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END,
                      pg_get_userbyid(defaclrole), (SELECT ' in ' || name FROM space WHERE oid = defaclnamespace)),
               defaclrole, defaclacl,
               -- Those of a schema are added to the global ones.
               CASE WHEN defaclnamespace = 0
               THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's'::"char" ELSE defaclobjtype END, defaclrole)
               END
        FROM pg_default_acl
    ), actual AS MATERIALIZED (
        SELECT object, owner, grantee, privilege_type || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END
               AS privilege
        FROM granted, aclexplode(acl)
    ), usual AS MATERIALIZED (
        SELECT object, owner, grantee, privilege_type || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END
               AS privilege
        FROM granted, aclexplode(usual)
    )
    SELECT object, owner, grantee, privilege AS what
    FROM (SELECT * FROM actual EXCEPT SELECT * FROM usual) AS more
    UNION ALL
    SELECT object, owner, grantee, 'no ' || privilege
    FROM (SELECT * FROM usual EXCEPT SELECT * FROM actual) AS fewer
) AS difference
GROUP BY object, grantee, owner
