-- The audit log's functions made safe against whoever may change an audited table, and room for what cannot be moved.
-- The log itself, and what is hashed of it, stays as it is.

-- What the sequencer could not move stays here with the reason, so that the others go on. Set it to NULL to have it tried again.
ALTER TABLE audit_inbox ADD COLUMN refused text;
COMMENT ON COLUMN audit_inbox.refused IS 'Why it cannot get a place in the log: the SQLSTATE that moving it ended in';

-- An erased subject's key is kept without what it wraps: what happened before and comes later is not readable either.
CREATE INDEX audit_keys_erased_idx ON audit_keys (subject, erased_at DESC) WHERE wrapped IS NULL;
COMMENT ON INDEX audit_keys_erased_idx IS 'When a subject was erased last';
COMMENT ON TABLE audit_keys IS
    'Keys of subjects, wrapped by the master key. Without its key nobody reads what an event says of its subject';
COMMENT ON COLUMN audit_keys.erased_at IS
    'Since when the key is gone, and all that it would open; what happened before that is never readable again, whenever it comes';
COMMENT ON TABLE audit_events IS
    'The log: one leaf of the tree a row, batch by batch as they committed, within a batch by transaction; a partition holds a month';

-- Functions that run with their owner's rights see nothing but the server's own names: tables are named with their schema, which
-- stands as LOG below.
DO $migration$
BEGIN
EXECUTE replace($functions$

-- Whether the server turns a value of this type into JSON by itself. Whoever owns a type may give it a cast to json, which to_jsonb
-- runs with the rights of whoever asks: the owner of audit_row_changed, who is also asked here. What a domain or an array is made of
-- never changes; the parts of a composite type do, so those are not looked into.
CREATE FUNCTION LOG.audit_is_plain(kind oid) RETURNS boolean LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base record;
BEGIN
    LOOP
        IF kind < 16384 THEN
            RETURN true;
        END IF;
        SELECT typtype, typbasetype, typowner, CASE WHEN typlen = -1 AND typcategory = 'A' THEN typelem ELSE 0 END AS item
        INTO base FROM pg_type WHERE oid = kind;
        IF NOT FOUND OR base.typtype = 'c' THEN
            RETURN false;
        ELSIF base.typtype = 'd' THEN
            kind := base.typbasetype;
        ELSIF base.item <> 0 THEN
            kind := base.item;
        ELSE
            RETURN EXISTS (SELECT FROM pg_roles WHERE oid = base.typowner AND (rolsuper OR rolname = current_user));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION LOG.audit_is_plain(oid) IS 'Whether nobody but the server and those who own the log decides how a type is written as JSON';

-- A row of a table as JSON, by nothing but the server's own functions: columns of types of others, and of json that jsonb does not
-- hold, are texts. Whoever calls it has the table locked by the change that is noted.
CREATE FUNCTION LOG.audit_row_image(changed record, relation oid) RETURNS jsonb LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET extra_float_digits = 1 AS $$
DECLARE
    columns text;
    last    smallint;
    image   jsonb;
BEGIN
    -- In other isolation levels the catalogue is read as it was when the transaction began.
    IF current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND atttypid >= 16384 AND NOT LOG.audit_is_plain(atttypid);
        IF NOT FOUND THEN
            BEGIN
                RETURN to_jsonb(changed);
            EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
                NULL;
            END;
        END IF;
    END IF;
    SELECT string_agg(format('(%1$L, CASE WHEN num_nulls(($1).%2$I) = 1 THEN ''null'' '
            'WHEN %3$s AND LOG.audit_is_plain(pg_typeof(($1).%2$I)) THEN to_jsonb(($1).%2$I) '
            'ELSE to_jsonb(format(''%%s'', ($1).%2$I)) END)', attname, attname,
            CASE WHEN atttypid IN ('json'::regtype, 'json[]'::regtype) THEN '$2' ELSE 'true' END), ', ')
            FILTER (WHERE NOT attisdropped), max(attnum)
    INTO columns, last FROM pg_attribute WHERE attrelid = relation AND attnum > 0;
    columns := format('SELECT jsonb_object_agg(name, value) FROM (VALUES %s) AS image (name, value)', columns);
    IF has_column_privilege(relation, (last + 1)::smallint, 'SELECT') IS NOT NULL THEN
        RAISE undefined_column;
    END IF;
    BEGIN
        EXECUTE columns INTO image USING changed, true;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        EXECUTE columns INTO image USING changed, false;
    END;
    RETURN image;
EXCEPTION WHEN undefined_column THEN
    RAISE EXCEPTION USING
        ERRCODE = 'serialization_failure',
        MESSAGE = format('the columns of %s have changed since this transaction began, and its audit needs them', relation::regclass),
        HINT = 'begin the transaction anew';
END
$$;
COMMENT ON FUNCTION LOG.audit_row_image(record, oid) IS 'A row as JSON, without running what owners of its types have written';

CREATE FUNCTION LOG.audit_entity(image jsonb, keys text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE cardinality(keys) WHEN 0 THEN NULL WHEN 1 THEN image ->> keys[1] ELSE
        (SELECT jsonb_agg(image -> key ORDER BY place)::text FROM unnest(keys) WITH ORDINALITY AS k (key, place)) END;
END
$$;
COMMENT ON FUNCTION LOG.audit_entity(jsonb, text[]) IS 'How events name a row: by its key, or by the JSON list of its keys';

-- On each row of a table that is audited. Whoever may change the table need not be allowed anything else.
-- Its arguments: kind of entity, key columns, columns that are left out, personal columns, the column that names the subject.
-- Of a table that came after the catalogue's last ANALYZE the server thinks so little that it would plan the look at its columns anew
-- for each row: three times the look itself.
CREATE OR REPLACE FUNCTION LOG.audit_row_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    keys     constant text[] := TG_ARGV[1];
    personal text[];
    before   jsonb;
    after    jsonb;
    was      jsonb;
    becomes  jsonb;
    entity   text;
    whom     text;
    who_was  text;
    sealed   jsonb;
    unsealed jsonb;
    first    uuid;
BEGIN
    -- to_jsonb runs casts that owners of types have written, here with the rights of this function's owner, and fails on some json.
    -- Asked for each row, as the table may get such a column at any time; it is locked meanwhile.
    PERFORM FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND (atttypid >= 16384 OR atttypid IN (114, 199));
    IF FOUND OR current_setting('transaction_isolation') <> 'read committed' THEN
        IF TG_OP <> 'INSERT' THEN
            was := LOG.audit_row_image(OLD, TG_RELID);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            becomes := LOG.audit_row_image(NEW, TG_RELID);
        END IF;
    ELSE
        IF TG_OP <> 'INSERT' THEN
            was := to_jsonb(OLD);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            becomes := to_jsonb(NEW);
        END IF;
    END IF;
    IF cardinality(keys) = 1 THEN
        entity := coalesce(becomes, was) ->> keys[1];
    ELSE
        entity := LOG.audit_entity(coalesce(becomes, was), keys);
    END IF;
    before := was;
    after := becomes;
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
    IF TG_ARGV[3] <> '{}' THEN
        personal := TG_ARGV[3];
        SELECT jsonb_build_object('old', jsonb_object_agg(key, value)) INTO sealed
        FROM jsonb_each(before) WHERE key = ANY (personal) HAVING count(*) > 0;
        SELECT jsonb_build_object('new', jsonb_object_agg(key, value)) INTO unsealed
        FROM jsonb_each(after) WHERE key = ANY (personal) HAVING count(*) > 0;
        before := before - personal;
        after := after - personal;
        who_was := coalesce(was ->> TG_ARGV[4], TG_ARGV[0] || ':' || coalesce(LOG.audit_entity(was, keys), ''));
        whom := coalesce(becomes ->> TG_ARGV[4], TG_ARGV[0] || ':' || coalesce(entity, ''));
        -- What is personal of one subject is not for the key of another: it is an event of its own.
        IF sealed IS NOT NULL AND unsealed IS NOT NULL AND who_was <> whom THEN
            first := gen_random_uuid();
            INSERT INTO LOG.audit_inbox
                (id, actor, request, action, entity_type, entity_id, old_values, new_values, subject, personal_values)
            VALUES (first, NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
                'update', TG_ARGV[0], entity, before, after, who_was, sealed);
            INSERT INTO LOG.audit_inbox
                (actor, request, action, entity_type, entity_id, details, subject, personal_values)
            VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
                'update', TG_ARGV[0], entity, jsonb_build_object('continues', first), whom, unsealed);
            RETURN NULL;
        END IF;
        whom := CASE WHEN unsealed IS NOT NULL THEN whom WHEN sealed IS NOT NULL THEN who_was END;
        sealed := CASE WHEN sealed IS NULL THEN unsealed WHEN unsealed IS NULL THEN sealed ELSE sealed || unsealed END;
    END IF;
    INSERT INTO LOG.audit_inbox
        (actor, request, action, entity_type, entity_id, old_values, new_values, subject, personal_values)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        TG_ARGV[0], entity, before, after, whom, sealed);
    RETURN NULL;
END
$$;

-- On each TRUNCATE of it, and of each of its partitions. The same first argument.
CREATE OR REPLACE FUNCTION LOG.audit_table_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO LOG.audit_inbox (actor, request, action, entity_type, details)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'truncate', TG_ARGV[0],
        (SELECT jsonb_build_object('partition', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))
         FROM pg_class WHERE oid = TG_RELID AND relispartition));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION LOG.audit_disable_table(watched regclass) RETURNS boolean LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The first of the arguments, each of which ends in a zero byte.
    was   text := (SELECT convert_from(substring(tgargs FOR position('\x00'::bytea IN tgargs) - 1), getdatabaseencoding())
        FROM pg_trigger WHERE tgrelid = watched AND tgname = 'audit_row_changed' AND NOT tgisinternal AND tgparentid = 0
            AND tgfoid = 'LOG.audit_row_changed()'::regprocedure);
    named text := (SELECT CASE WHEN relnamespace = 'LOG'::regnamespace THEN format('%I', relname)
        ELSE format('%s.%I', relnamespace::regnamespace, relname) END FROM pg_class WHERE oid = watched);
    part  regclass;
BEGIN
    FOR part IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'audit_table_truncated' AND NOT tgisinternal
        AND tgfoid = 'LOG.audit_table_truncated()'::regprocedure
        AND (tgrelid = watched OR was IS NOT NULL AND tgrelid IN (SELECT relid FROM pg_partition_tree(watched)))
    LOOP
        EXECUTE format('DROP TRIGGER audit_table_truncated ON %s', part);
    END LOOP;
    IF was IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TRIGGER audit_row_changed ON %s', watched);
    INSERT INTO LOG.audit_inbox (actor, request, action, entity_type, entity_id)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'audit.disable', was, named);
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION LOG.audit_enable_table(watched regclass, entity_type text, excluded text[], personal text[], subject text)
RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys  text[] := (SELECT array_agg(attname ORDER BY place) FROM pg_index
        CROSS JOIN unnest(indkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute ON attrelid = indrelid AND attnum = number
        WHERE indrelid = watched AND indisprimary);
    named text := (SELECT CASE WHEN relnamespace = 'LOG'::regnamespace THEN format('%I', relname)
        ELSE format('%s.%I', relnamespace::regnamespace, relname) END FROM pg_class WHERE oid = watched);
    part  regclass;
BEGIN
    PERFORM LOG.audit_disable_table(watched);
    EXECUTE format(
        'CREATE TRIGGER audit_row_changed AFTER INSERT OR UPDATE OR DELETE ON %s '
        'FOR EACH ROW EXECUTE FUNCTION LOG.audit_row_changed(%L, %L, %L, %L, %L)',
        watched, entity_type, coalesce(keys, '{}'), excluded, personal, subject);
    -- What a session writes as a replica is a change too.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_row_changed', watched);
    -- A partition can be emptied by its own name.
    FOR part IN SELECT watched UNION ALL SELECT relid FROM pg_partition_tree(watched)
        JOIN pg_class ON pg_class.oid = relid WHERE relid <> watched AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format(
            'CREATE TRIGGER audit_table_truncated AFTER TRUNCATE ON %s '
            'FOR EACH STATEMENT EXECUTE FUNCTION LOG.audit_table_truncated(%L)', part, entity_type);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_table_truncated', part);
    END LOOP;
    INSERT INTO LOG.audit_inbox (actor, request, action, entity_type, entity_id, details)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'audit.enable', entity_type, named,
        jsonb_build_object('excluded', excluded, 'personal', personal, 'subject', subject));
END
$$;

-- Whoever may insert into the view needs the right to insert into the inbox, and none to read it.
CREATE OR REPLACE FUNCTION LOG.audit_logs_inserted() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.entity_type = '' OR NEW.action = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'an audit event has no entity_type or no action',
            TABLE = 'audit_logs',
            CONSTRAINT = CASE WHEN NEW.action = '' THEN 'audit_logs_action_check' ELSE 'audit_logs_entity_type_check' END;
    END IF;
    NEW.id := coalesce(NEW.id, gen_random_uuid());
    NEW.created_at := coalesce(NEW.created_at, clock_timestamp());
    INSERT INTO LOG.audit_inbox (id, occurred_at, actor, action, entity_type, entity_id, old_values, new_values)
    VALUES (NEW.id, NEW.created_at, NEW.user_id, NEW.action, NEW.entity_type, NEW.entity_id, NEW.old_values, NEW.new_values);
    RETURN NEW;
END
$$;

-- Programs that make keys need no right to change the log's row, by which they could hold it, and write what they like there.
CREATE FUNCTION LOG.audit_claim_master_key(key_check bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF octet_length(key_check) IS DISTINCT FROM 32 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the check of a master key has 32 bytes';
    END IF;
    UPDATE LOG.audit_tree SET master_key_check = key_check WHERE master_key_check IS NULL;
END
$$;
COMMENT ON FUNCTION LOG.audit_claim_master_key(bytea) IS 'Makes a master key that of the log, where it has none yet';

$functions$, 'LOG', quote_ident(current_schema()));
END
$migration$;

-- Triggers go on whoever fires them; to attach one takes the right to run its function, and that is the right to write events of any kind.
REVOKE EXECUTE ON FUNCTION audit_row_changed(), audit_table_truncated(), audit_enable_table(regclass, text, text[], text[], text),
    audit_disable_table(regclass), audit_is_plain(oid), audit_row_image(record, oid), audit_entity(jsonb, text[]),
    audit_claim_master_key(bytea) FROM PUBLIC;

-- A time that no calendar has must not stop who reads it: the sequencer gives such an event the time at which it comes.
CREATE OR REPLACE VIEW audit_logs AS
SELECT id, entity_type, entity_id, action, old_values, new_values, actor AS user_id, occurred_at AS created_at
FROM audit_events
UNION ALL
SELECT id, entity_type, entity_id, action, old_values, new_values, actor,
    least(greatest(occurred_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')
FROM audit_inbox;
