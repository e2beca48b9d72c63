-- The trail stays, its proofs go; so does what is encrypted, and the triggers of tables that are audited.
DROP VIEW recent_activity;
CREATE TABLE audit_logs_before (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type text        NOT NULL CHECK (entity_type <> ''),
    entity_id   text        NOT NULL,
    action      text        NOT NULL CHECK (action <> ''),
    old_values  jsonb,
    new_values  jsonb,
    user_id     text,
    created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO audit_logs_before (id, entity_type, entity_id, action, old_values, new_values, user_id, created_at)
SELECT id, entity_type, coalesce(entity_id, ''), action, old_values, new_values, user_id, created_at FROM audit_logs;
DROP VIEW audit_logs;
DROP FUNCTION audit_logs_inserted();
DROP FUNCTION audit_enable_table(regclass, text, text[], text[], text);
DROP FUNCTION audit_disable_table(regclass);
DROP FUNCTION audit_table_truncated() CASCADE;
DROP FUNCTION audit_row_changed() CASCADE;
DROP TABLE audit_stubs, audit_keys, audit_checkpoints, audit_tiles, audit_tree, audit_events, audit_inbox;
DROP FUNCTION audit_refuse_change();

ALTER TABLE audit_logs_before RENAME TO audit_logs;
ALTER INDEX audit_logs_before_pkey RENAME TO audit_logs_pkey;
ALTER TABLE audit_logs RENAME CONSTRAINT audit_logs_before_action_check TO audit_logs_action_check;
ALTER TABLE audit_logs RENAME CONSTRAINT audit_logs_before_entity_type_check TO audit_logs_entity_type_check;
COMMENT ON TABLE audit_logs IS 'Who changed what, and from what to what';
COMMENT ON COLUMN audit_logs.entity_type IS 'Name of the table, or of the kind of thing where there is no table';
COMMENT ON COLUMN audit_logs.entity_id IS 'Key of the entity, written as text';
CREATE INDEX audit_logs_entity_idx ON audit_logs (entity_type, entity_id, created_at DESC);
COMMENT ON INDEX audit_logs_entity_idx IS 'History of one entity, newest first';
CREATE INDEX audit_logs_user_idx ON audit_logs (user_id, created_at DESC) WHERE user_id IS NOT NULL;
COMMENT ON INDEX audit_logs_user_idx IS 'What one user did, newest first';
CREATE INDEX audit_logs_created_idx ON audit_logs (created_at DESC);
COMMENT ON INDEX audit_logs_created_idx IS 'recent_activity; retention';
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
