-- Tables that tell caches of every change, whoever makes it and by whatever program.

ALTER TABLE cache_invalidations ADD COLUMN by_table boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN cache_invalidations.by_table IS
    'Told by a table: no process has made it that would remove it from the shared store, so all do that hear of it';

-- After each statement on a table that is watched. Whoever may write to the table need not be allowed anything else.
CREATE FUNCTION cache_table_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    told constant text[] := ARRAY[TG_ARGV[0] || ':%tag:table:' || TG_RELID];
BEGIN
    -- One that has found no row has changed nothing, as far as the server counts; it counts for a session, so that this may be
    -- told too often, and never too seldom. Of a partitioned table the partitions have the counts, and TRUNCATE has none.
    IF TG_OP <> 'TRUNCATE' AND current_setting('track_counts')::boolean
        AND (SELECT relkind FROM pg_class WHERE oid = TG_RELID) = 'r'
        AND pg_stat_get_xact_tuples_inserted(TG_RELID) + pg_stat_get_xact_tuples_updated(TG_RELID)
            + pg_stat_get_xact_tuples_deleted(TG_RELID) = 0
    THEN
        RETURN NULL;
    END IF;
    -- Once for a transaction, however many statements it has.
    IF NOT EXISTS (SELECT FROM cache_invalidations WHERE txid = pg_current_xact_id() AND keys = told) THEN
        INSERT INTO cache_invalidations (keys, by_table) VALUES (told, true);
        PERFORM pg_notify('cairn_cache', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION cache_table_changed() IS 'Makes untrue what caches have read from the table, at the commit';

-- It runs with its owner's rights, so nothing may stand before what it means.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION cache_table_changed() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

CREATE FUNCTION cache_watch_table(watched regclass, application text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    named constant text := 'cache_table_changed_' || left(md5(application), 8);
BEGIN
    EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', named, watched);
    EXECUTE format(
        'CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
        'FOR EACH STATEMENT EXECUTE FUNCTION cache_table_changed(%L)', named, watched, application);
    -- Restored and replicated changes are changes.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', watched, named);
END
$$;
COMMENT ON FUNCTION cache_watch_table(regclass, text) IS 'Has a table tell the caches of an application of its changes';

CREATE FUNCTION cache_unwatch_table(watched regclass, application text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'DROP TRIGGER IF EXISTS %I ON %s', 'cache_table_changed_' || left(md5(application), 8), watched);
END
$$;
COMMENT ON FUNCTION cache_unwatch_table(regclass, text) IS 'Ends what cache_watch_table has begun';
