-- Who did what, so that it can be proved. docs/audit.md says what is hashed, and how.
--
-- Writers append to the inbox, side by side and without a lock. One process at a time moves what has committed into the log,
-- gives each event its place, and grows the tree of hashes over it.

CREATE TABLE audit_inbox (
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- Finds what is new without reading what was moved: a long transaction elsewhere keeps that in the table.
    txid            xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq             bigint      GENERATED ALWAYS AS IDENTITY (CACHE 32),
    is_repeated     boolean     NOT NULL DEFAULT false,
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor           text,
    request         text,
    action          text        NOT NULL,
    entity_type     text        NOT NULL,
    entity_id       text,
    outcome         text        NOT NULL DEFAULT 'success',
    database_user   text        NOT NULL DEFAULT session_user,
    old_values      jsonb,
    new_values      jsonb,
    details         jsonb,
    subject         text,
    subject_key     uuid,
    personal        bytea,
    commitment      bytea,
    -- No constraint: the server makes their expressions anew for each statement, which took half of an audited insert's time.
    personal_values jsonb
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1);
COMMENT ON TABLE audit_inbox IS 'Events that are stored and have no place in the log yet; mostly empty';
COMMENT ON COLUMN audit_inbox.is_repeated IS 'It may be here or in the log already: its writer did not hear whether it was stored';
COMMENT ON COLUMN audit_inbox.database_user IS 'Who was logged in, whoever the event says has acted';
COMMENT ON COLUMN audit_inbox.personal_values IS 'What a trigger found that only its subject''s key may open; encrypted as the event is moved';
CREATE INDEX audit_inbox_txid_idx ON audit_inbox (txid);
COMMENT ON INDEX audit_inbox_txid_idx IS 'What has committed since the events that were moved last';

CREATE TABLE audit_events (
    leaf          bigint      NOT NULL,
    sequenced_at  timestamptz NOT NULL,
    id            uuid        NOT NULL,
    occurred_at   timestamptz NOT NULL,
    actor         text,
    request       text,
    action        text        NOT NULL,
    entity_type   text        NOT NULL,
    entity_id     text,
    outcome       text        NOT NULL,
    database_user text        NOT NULL,
    old_values    jsonb,
    new_values    jsonb,
    details       jsonb,
    subject       text,
    subject_key   uuid,
    personal      bytea,
    commitment    bytea,
    CONSTRAINT audit_events_pkey PRIMARY KEY (leaf, sequenced_at)
) PARTITION BY RANGE (sequenced_at);
COMMENT ON TABLE audit_events IS 'The log: one leaf of the tree a row, in the order of commits; a partition holds a month';
COMMENT ON COLUMN audit_events.leaf IS 'Its place, from 0, without a gap';
COMMENT ON COLUMN audit_events.sequenced_at IS 'When it got its place; never before that of the leaf before';
COMMENT ON COLUMN audit_events.subject IS 'Whom it is about, as an opaque name that may stay when they are erased';
COMMENT ON COLUMN audit_events.personal IS 'What only the subject''s key opens';
COMMENT ON COLUMN audit_events.commitment IS 'A salted hash of what is in personal: it stands in the tree, and tells nothing once the key is gone';

CREATE INDEX audit_events_id_idx ON audit_events (id);
COMMENT ON INDEX audit_events_id_idx IS 'One event, and its proof; whether an event that was sent again is there';
CREATE INDEX audit_events_occurred_idx ON audit_events (occurred_at DESC, id DESC);
COMMENT ON INDEX audit_events_occurred_idx IS 'Events in a span of time, newest first, page by page; recent_activity';
CREATE INDEX audit_events_entity_idx ON audit_events (entity_type, entity_id, occurred_at DESC, id DESC);
COMMENT ON INDEX audit_events_entity_idx IS 'History of one entity, or of a kind, newest first';
CREATE INDEX audit_events_actor_idx ON audit_events (actor, occurred_at DESC, id DESC) WHERE actor IS NOT NULL;
COMMENT ON INDEX audit_events_actor_idx IS 'What one actor did, newest first';
CREATE INDEX audit_events_action_idx ON audit_events (action, occurred_at DESC, id DESC);
COMMENT ON INDEX audit_events_action_idx IS 'Events of one kind, newest first; reports';
CREATE INDEX audit_events_subject_idx ON audit_events (subject, occurred_at DESC, id DESC) WHERE subject IS NOT NULL;
COMMENT ON INDEX audit_events_subject_idx IS 'All that is about one subject: what they may ask for';

-- Not against whoever owns the table: against the statement that was meant for another one. `db audit verify` finds the rest.
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('%s of %s refused: the audit log is only appended to', TG_OP, TG_TABLE_NAME),
        HINT = 'whole months leave it by `db audit retain`, what is personal by `db audit erase`';
END
$$;
COMMENT ON FUNCTION audit_refuse_change() IS 'Refuses to change or to remove what is in the audit log';
CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE TABLE audit_tree (
    is_only          boolean     NOT NULL DEFAULT true,
    log_id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    size             bigint      NOT NULL DEFAULT 0,
    first_leaf       bigint      NOT NULL DEFAULT 0,
    sequenced_at     timestamptz NOT NULL DEFAULT '-infinity',
    master_key_check bytea,
    CONSTRAINT audit_tree_pkey PRIMARY KEY (is_only),
    CONSTRAINT audit_tree_only_check CHECK (is_only),
    CONSTRAINT audit_tree_size_check CHECK (0 <= first_leaf AND first_leaf <= size)
) WITH (fillfactor = 50);
COMMENT ON TABLE audit_tree IS 'One row: how far the log has come. Whoever moves events locks it';
COMMENT ON COLUMN audit_tree.log_id IS 'Which log it is: part of the origin of its checkpoints';
COMMENT ON COLUMN audit_tree.first_leaf IS 'Events before it have left by retention';
COMMENT ON COLUMN audit_tree.master_key_check IS 'Tells another master key from the one that keys are wrapped by, and nothing about it';
INSERT INTO audit_tree DEFAULT VALUES;

CREATE TABLE audit_tiles (
    level  smallint NOT NULL,
    tile   bigint   NOT NULL,
    hashes bytea    NOT NULL,
    CONSTRAINT audit_tiles_pkey PRIMARY KEY (level, tile)
);
-- Hashes do not compress.
ALTER TABLE audit_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE audit_tiles IS
    'Hashes of the tree, 256 neighbours a row: those of leaves at level 0, at level n those of full rows of level n - 1';

CREATE TABLE audit_checkpoints (
    size      bigint      NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    root      bytea       NOT NULL,
    note      text        NOT NULL,
    CONSTRAINT audit_checkpoints_pkey PRIMARY KEY (size)
);
COMMENT ON TABLE audit_checkpoints IS 'Signed statements of how big the log was and what its root was';
COMMENT ON COLUMN audit_checkpoints.note IS 'A signed note (C2SP tlog-checkpoint), as witnesses have it';

CREATE TABLE audit_keys (
    id         uuid        NOT NULL,
    subject    text        NOT NULL,
    wrapped    bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased_at  timestamptz,
    CONSTRAINT audit_keys_pkey PRIMARY KEY (id),
    CONSTRAINT audit_keys_erased_check CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);
COMMENT ON TABLE audit_keys IS 'Keys of subjects, wrapped by the master key. Without its key nobody reads what an event says of its subject';
COMMENT ON COLUMN audit_keys.erased_at IS 'Since when the key is gone, and all that it would open';
CREATE UNIQUE INDEX audit_keys_subject_idx ON audit_keys (subject) WHERE wrapped IS NOT NULL;
COMMENT ON INDEX audit_keys_subject_idx IS 'The one key that a subject''s events are encrypted by; its erasure';

CREATE TABLE audit_stubs (
    through_leaf bigint      NOT NULL,
    from_leaf    bigint      NOT NULL,
    from_time    timestamptz NOT NULL,
    through_time timestamptz NOT NULL,
    root         bytea       NOT NULL,
    removed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT audit_stubs_pkey PRIMARY KEY (through_leaf),
    CONSTRAINT audit_stubs_leaves_check CHECK (from_leaf <= through_leaf)
);
COMMENT ON TABLE audit_stubs IS 'What has left the log by retention: which leaves, and the root of the tree that ended with them';

-- On each row of a table that is audited. Whoever may change the table need not be allowed anything else.
-- Its arguments: kind of entity, key columns, columns that are left out, personal columns, the column that names the subject.
CREATE FUNCTION audit_row_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    keys     constant text[] := TG_ARGV[1];
    personal constant text[] := TG_ARGV[3];
    before   jsonb;
    after    jsonb;
    whole    jsonb;
    entity   text;
    whom     text;
    sealed   jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := to_jsonb(OLD);
        whole := before;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := to_jsonb(NEW);
        whole := after;
    END IF;
    -- An expression with a query in it is a statement to the server: most tables must not pay for the few that need it.
    IF cardinality(keys) = 1 THEN
        entity := whole ->> keys[1];
    ELSIF cardinality(keys) > 1 THEN
        SELECT jsonb_agg(whole -> key ORDER BY place)::text INTO entity
        FROM unnest(keys) WITH ORDINALITY AS k (key, place);
    END IF;
    IF TG_ARGV[2] <> '{}' THEN
        before := before - TG_ARGV[2]::text[];
        after := after - TG_ARGV[2]::text[];
    END IF;
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, before -> key), jsonb_object_agg(key, value) INTO before, after
        FROM jsonb_each(after) WHERE before -> key IS DISTINCT FROM value;
        IF after IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    IF cardinality(personal) > 0 THEN
        SELECT jsonb_object_agg(image, columns) INTO sealed FROM (
            SELECT 'old', jsonb_object_agg(key, value) FROM jsonb_each(before) WHERE key = ANY (personal)
            UNION ALL
            SELECT 'new', jsonb_object_agg(key, value) FROM jsonb_each(after) WHERE key = ANY (personal)
        ) AS images (image, columns) WHERE columns IS NOT NULL;
        before := before - personal;
        after := after - personal;
        whom := CASE WHEN sealed IS NOT NULL
            THEN coalesce(whole ->> TG_ARGV[4], TG_ARGV[0] || ':' || coalesce(entity, '')) END;
    END IF;
    INSERT INTO audit_inbox
        (actor, request, action, entity_type, entity_id, old_values, new_values, subject, personal_values)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        TG_ARGV[0], entity, before, after, whom, sealed);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION audit_row_changed() IS 'Notes who changed a row, and from what to what';

-- On each TRUNCATE of it. The same first argument.
CREATE FUNCTION audit_table_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit_inbox (actor, request, action, entity_type)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'truncate', TG_ARGV[0]);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION audit_table_truncated() IS 'Notes who emptied a table';

-- They run with their owner's rights, so nothing may stand before what they mean.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_row_changed() SET search_path = pg_catalog, %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION audit_table_truncated() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

CREATE FUNCTION audit_disable_table(watched regclass) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was text := (SELECT split_part(encode(tgargs, 'escape'), '\000', 1) FROM pg_trigger
        WHERE tgrelid = watched AND tgname = 'audit_row_changed' AND NOT tgisinternal);
BEGIN
    IF was IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TRIGGER audit_row_changed ON %s', watched);
    EXECUTE format('DROP TRIGGER IF EXISTS audit_table_truncated ON %s', watched);
    INSERT INTO audit_inbox (actor, request, action, entity_type, entity_id)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'audit.disable', was, watched::text);
    RETURN true;
END
$$;
COMMENT ON FUNCTION audit_disable_table(regclass) IS 'Ends what audit_enable_table has begun, and notes that; false where there was nothing to end';

CREATE FUNCTION audit_enable_table(watched regclass, entity_type text, excluded text[], personal text[], subject text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    keys text[] := (SELECT array_agg(attname ORDER BY place) FROM pg_index
        CROSS JOIN unnest(indkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute ON attrelid = indrelid AND attnum = number
        WHERE indrelid = watched AND indisprimary);
BEGIN
    PERFORM audit_disable_table(watched);
    EXECUTE format(
        'CREATE TRIGGER audit_row_changed AFTER INSERT OR UPDATE OR DELETE ON %s '
        'FOR EACH ROW EXECUTE FUNCTION audit_row_changed(%L, %L, %L, %L, %L)',
        watched, entity_type, coalesce(keys, '{}'), excluded, personal, subject);
    EXECUTE format(
        'CREATE TRIGGER audit_table_truncated AFTER TRUNCATE ON %s '
        'FOR EACH STATEMENT EXECUTE FUNCTION audit_table_truncated(%L)', watched, entity_type);
    -- What a session writes as a replica is a change too.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_row_changed', watched);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_table_truncated', watched);
    INSERT INTO audit_inbox (actor, request, action, entity_type, entity_id, details)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'audit.enable', entity_type, watched::text,
        jsonb_build_object('excluded', excluded, 'personal', personal, 'subject', subject));
END
$$;
COMMENT ON FUNCTION audit_enable_table(regclass, text, text[], text[], text) IS 'Has a table note each change of its rows, and notes that';

-- The trail as it was until now is the first part of the log.
INSERT INTO audit_inbox (id, occurred_at, actor, action, entity_type, entity_id, old_values, new_values)
SELECT id, created_at, user_id, action, entity_type, entity_id, old_values, new_values FROM audit_logs ORDER BY created_at, id;
DROP VIEW recent_activity;
DROP TABLE audit_logs;

CREATE VIEW audit_logs AS
SELECT id, entity_type, entity_id, action, old_values, new_values, actor AS user_id, occurred_at AS created_at
FROM audit_events
UNION ALL
SELECT id, entity_type, entity_id, action, old_values, new_values, actor, occurred_at
FROM audit_inbox;
COMMENT ON VIEW audit_logs IS 'Who changed what, and from what to what: the log, and what has no place in it yet';

-- Programs that write to it by themselves go on.
CREATE FUNCTION audit_logs_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.entity_type = '' OR NEW.action = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'an audit event has no entity_type or no action',
            TABLE = 'audit_logs',
            CONSTRAINT = CASE WHEN NEW.action = '' THEN 'audit_logs_action_check' ELSE 'audit_logs_entity_type_check' END;
    END IF;
    INSERT INTO audit_inbox (id, occurred_at, actor, action, entity_type, entity_id, old_values, new_values)
    VALUES (coalesce(NEW.id, gen_random_uuid()), coalesce(NEW.created_at, clock_timestamp()), NEW.user_id,
        NEW.action, NEW.entity_type, NEW.entity_id, NEW.old_values, NEW.new_values)
    RETURNING id, occurred_at INTO NEW.id, NEW.created_at;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION audit_logs_inserted() IS 'Puts what is inserted into the view where it is kept';
CREATE TRIGGER audit_logs_inserted INSTEAD OF INSERT ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION audit_logs_inserted();

-- As in 0004, over the view.
CREATE VIEW recent_activity AS
SELECT activity.id,
       activity.entity_type,
       activity.entity_id,
       activity.action,
       activity.old_values,
       activity.new_values,
       activity.user_id,
       activity.created_at,
       task.id     AS task_id,
       task.title  AS task_title,
       task.status AS task_status
FROM audit_logs AS activity
LEFT JOIN tasks AS task ON task.id =
    CASE WHEN activity.entity_type = 'tasks'
          AND activity.entity_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
         THEN activity.entity_id::uuid END
WHERE activity.created_at > now() - interval '7 days';
COMMENT ON VIEW recent_activity IS 'Audit trail of the last seven days, with the task where the entry is about one';

-- Whatever the search path of who calls them.
DO $$
DECLARE
    called text;
BEGIN
    FOREACH called IN ARRAY ARRAY['audit_enable_table(regclass, text, text[], text[], text)',
        'audit_disable_table(regclass)', 'audit_logs_inserted()']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', called, current_schema());
    END LOOP;
END
$$;
