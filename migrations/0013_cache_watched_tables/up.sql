-- Tables that tell caches of every change, whoever makes it and by whatever program.

ALTER TABLE cache_invalidations
    ADD COLUMN application text GENERATED ALWAYS AS (split_part(keys[1], ':', 1)) STORED,
    ADD COLUMN marked_until timestamptz;
COMMENT ON COLUMN cache_invalidations.application IS 'Whose keys they are: all of a row begin with it';
COMMENT ON COLUMN cache_invalidations.marked_until IS
    'Until then whoever made the change sees to it that the shared store gives out none of the keys. '
    'NULL, as where a table or another program tells: whoever hears of it removes them';

CREATE TABLE cache_stores (
    application text NOT NULL,
    CONSTRAINT cache_stores_pkey PRIMARY KEY (application)
);
COMMENT ON TABLE cache_stores IS
    'Applications whose processes share a store: what is untrue stays written down until one of them has removed it there';

-- After each statement on a table that is watched. Whoever may write to the table need not be allowed anything else.
CREATE FUNCTION cache_table_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    told constant text := 'cairn.told_' || TG_RELID || '_' || left(md5(TG_ARGV[0]), 8);
    roots oid[];
BEGIN
    -- One that has found no row has changed nothing, as far as the server counts; it counts for a session, so that this may be
    -- told too often, and never too seldom. What is changed through a parent is counted at its children, and TRUNCATE not at
    -- all.
    IF TG_OP <> 'TRUNCATE' AND current_setting('track_counts')::boolean
        AND (SELECT relkind = 'r' AND NOT relhassubclass FROM pg_class WHERE oid = TG_RELID)
        AND pg_stat_get_xact_tuples_inserted(TG_RELID) + pg_stat_get_xact_tuples_updated(TG_RELID)
            + pg_stat_get_xact_tuples_deleted(TG_RELID) = 0
    THEN
        RETURN NULL;
    END IF;
    -- Once for a transaction, however many statements it has. What is set so goes with a savepoint, as the row does; and to
    -- look whether the row is there would make serializable transactions fail.
    IF current_setting(told, true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        PERFORM set_config(told, pg_current_xact_id()::text, true);
        -- Through a parent its children are changed, and read, so all that are of one have one tag.
        WITH RECURSIVE above(oid) AS (
            SELECT TG_RELID
            UNION SELECT inhparent FROM pg_inherits JOIN above ON inhrelid = above.oid)
        SELECT array_agg(oid) INTO roots FROM above
        WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = above.oid);
        INSERT INTO cache_invalidations (keys)
        SELECT array_agg(TG_ARGV[0] || ':%tag:table:' || root) FROM unnest(roots) AS root;
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
    -- What a session writes as a replica is a change too.
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
