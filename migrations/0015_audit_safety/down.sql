-- The functions as they were. What was erased stays so, and events that could not be moved wait like all others.
-- Of events that stand in the log twice under one number, which only whoever writes to it by hand makes, 0014's own down cannot make rows
-- of a table with a key: remove all but one of each from the inbox or the log first (docs/audit.md).
CREATE OR REPLACE VIEW audit_logs AS
SELECT id, entity_type, entity_id, action, old_values, new_values, actor AS user_id, occurred_at AS created_at
FROM audit_events
UNION ALL
SELECT id, entity_type, entity_id, action, old_values, new_values, actor, occurred_at
FROM audit_inbox;

CREATE OR REPLACE FUNCTION audit_row_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
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

CREATE OR REPLACE FUNCTION audit_table_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit_inbox (actor, request, action, entity_type)
    VALUES (NULLIF(current_setting('cairn.actor', true), ''), NULLIF(current_setting('cairn.request', true), ''),
        'truncate', TG_ARGV[0]);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION audit_disable_table(watched regclass) RETURNS boolean LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION audit_enable_table(watched regclass, entity_type text, excluded text[], personal text[], subject text)
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

CREATE OR REPLACE FUNCTION audit_logs_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
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

DO $$
DECLARE
    called text;
BEGIN
    FOREACH called IN ARRAY ARRAY['audit_row_changed()', 'audit_table_truncated()',
        'audit_enable_table(regclass, text, text[], text[], text)', 'audit_disable_table(regclass)', 'audit_logs_inserted()']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', called, current_schema());
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION audit_row_changed(), audit_table_truncated(), audit_enable_table(regclass, text, text[], text[], text),
    audit_disable_table(regclass) TO PUBLIC;
DROP FUNCTION audit_claim_master_key(bytea);
DROP FUNCTION audit_entity(jsonb, text[]);
DROP FUNCTION audit_row_image(record, oid);
DROP FUNCTION audit_is_plain(oid);

DROP INDEX audit_keys_erased_idx;
ALTER TABLE audit_inbox DROP COLUMN refused;
COMMENT ON TABLE audit_events IS 'The log: one leaf of the tree a row, in the order of commits; a partition holds a month';
COMMENT ON COLUMN audit_keys.erased_at IS 'Since when the key is gone, and all that it would open';
