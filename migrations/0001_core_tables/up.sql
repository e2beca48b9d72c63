-- The six tables that every autonomous service starts from.
--
-- Times are timestamptz. Statuses are text with a CHECK: a new status is one constraint away, where an enum type
-- cannot lose a value again. Which status may follow which stands in the WHEN clause of a trigger, so the function
-- behind it is called only to refuse, and a legal change costs one comparison.

CREATE FUNCTION refuse_status_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('%s %s cannot start as %s', TG_TABLE_NAME, NEW.id, NEW.status),
            TABLE = TG_TABLE_NAME, COLUMN = 'status', CONSTRAINT = TG_NAME;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('%s %s cannot go from %s to %s', TG_TABLE_NAME, OLD.id, OLD.status, NEW.status),
        TABLE = TG_TABLE_NAME, COLUMN = 'status', CONSTRAINT = TG_NAME;
END
$$;
COMMENT ON FUNCTION refuse_status_change() IS 'Refuses a row whose trigger found its change of status illegal';

-- Statements set updated_at themselves; the triggers catch only those that forgot.
CREATE FUNCTION touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION touch_updated_at() IS 'Sets updated_at where the statement did not';

CREATE TABLE tasks (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    title          text        NOT NULL CHECK (title <> ''),
    description    text,
    requirements   jsonb       NOT NULL DEFAULT '{}',
    metadata       jsonb       NOT NULL DEFAULT '{}',
    status         text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
    -- 0 is the lowest priority, 10 the highest.
    priority       smallint    NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 10),
    created_by     text,
    assigned_to    text,
    -- A subtask outlives its parent: work is never deleted by deleting its heading.
    parent_task_id uuid        REFERENCES tasks ON DELETE SET NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    completed_at   timestamptz,
    CONSTRAINT tasks_parent_check CHECK (parent_task_id <> id),
    CONSTRAINT tasks_started_check CHECK (status NOT IN ('in_progress', 'completed') OR started_at IS NOT NULL),
    CONSTRAINT tasks_completed_check
        CHECK ((completed_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled')))
);
COMMENT ON TABLE tasks IS 'Work to be done, by people, agents or pipelines';
COMMENT ON COLUMN tasks.started_at IS 'Start of the latest attempt';
COMMENT ON COLUMN tasks.completed_at IS 'When the task became completed, failed or cancelled';

CREATE INDEX tasks_created_idx ON tasks (created_at DESC, id DESC);
COMMENT ON INDEX tasks_created_idx IS 'Lists of tasks, newest first, page by page';
CREATE INDEX tasks_failed_idx ON tasks (completed_at DESC, id DESC) WHERE status = 'failed';
COMMENT ON INDEX tasks_failed_idx IS 'Latest failures';
CREATE INDEX tasks_assigned_idx ON tasks (assigned_to, created_at DESC) WHERE assigned_to IS NOT NULL;
COMMENT ON INDEX tasks_assigned_idx IS 'Tasks of one assignee, newest first';
CREATE INDEX tasks_parent_idx ON tasks (parent_task_id) WHERE parent_task_id IS NOT NULL;
COMMENT ON INDEX tasks_parent_idx IS 'Subtasks of a task; the foreign key, when a parent is deleted';

CREATE TRIGGER tasks_initial_status BEFORE INSERT ON tasks
    FOR EACH ROW WHEN (NEW.status <> 'pending')
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER tasks_status_change BEFORE UPDATE OF status ON tasks
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'in_progress'), ('pending', 'cancelled'),
        ('in_progress', 'completed'), ('in_progress', 'failed'),
        ('in_progress', 'cancelled'), ('in_progress', 'pending'),
        ('failed', 'pending'), ('cancelled', 'pending')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER tasks_touch BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE task_executions (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id       uuid        NOT NULL REFERENCES tasks ON DELETE CASCADE,
    -- Free text: claude-code, codegen, webhook-handler, validation-engine, and whatever a service brings.
    agent_type    text        NOT NULL CHECK (agent_type <> ''),
    agent_config  jsonb       NOT NULL DEFAULT '{}',
    status        text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    logs          jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(logs) = 'array'),
    error_details jsonb,
    attempt       integer     NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    worker        text,
    queued_at     timestamptz,
    started_at    timestamptz,
    completed_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT task_executions_started_check CHECK (
        CASE status WHEN 'pending' THEN started_at IS NULL
                    WHEN 'cancelled' THEN true
                    ELSE started_at IS NOT NULL END),
    CONSTRAINT task_executions_completed_check
        CHECK ((completed_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled')))
);
COMMENT ON TABLE task_executions IS 'One attempt of an agent at a task; a retry is a new row';
COMMENT ON COLUMN task_executions.queued_at IS 'When the work could have begun: started_at - queued_at is the wait';

CREATE INDEX task_executions_task_idx ON task_executions (task_id, attempt);
COMMENT ON INDEX task_executions_task_idx IS 'Attempts at a task in order; the foreign key, when a task is deleted';
CREATE INDEX task_executions_open_idx ON task_executions (created_at) WHERE status IN ('pending', 'running');
COMMENT ON INDEX task_executions_open_idx IS 'What runs now, and what has run for too long';
CREATE INDEX task_executions_created_idx ON task_executions (created_at DESC);
COMMENT ON INDEX task_executions_created_idx IS 'Executions in a span of time: analytics, retention';

-- An execution may be written after the fact, so a row may start in any status; what is final stays final.
CREATE TRIGGER task_executions_status_change BEFORE UPDATE OF status ON task_executions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'running'), ('pending', 'cancelled'),
        ('running', 'completed'), ('running', 'failed'), ('running', 'cancelled')))
    EXECUTE FUNCTION refuse_status_change();

CREATE TABLE pr_validations (
    id                 uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id            uuid        REFERENCES tasks ON DELETE CASCADE,
    execution_id       uuid        REFERENCES task_executions ON DELETE SET NULL,
    pr_number          integer     NOT NULL CHECK (pr_number > 0),
    repository         text        NOT NULL CHECK (repository <> ''),
    branch_name        text,
    status             text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'passed', 'failed', 'cancelled')),
    validation_results jsonb       NOT NULL DEFAULT '{}',
    webhook_payload    jsonb,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pr_validations IS 'Checks of pull requests, one row a run';

CREATE INDEX pr_validations_pr_idx ON pr_validations (repository, pr_number, created_at DESC);
COMMENT ON INDEX pr_validations_pr_idx IS 'Runs for one pull request, newest first; summary by repository';
CREATE INDEX pr_validations_task_idx ON pr_validations (task_id) WHERE task_id IS NOT NULL;
COMMENT ON INDEX pr_validations_task_idx IS 'Validations of a task; the foreign key, when a task is deleted';
CREATE INDEX pr_validations_execution_idx ON pr_validations (execution_id) WHERE execution_id IS NOT NULL;
COMMENT ON INDEX pr_validations_execution_idx IS 'The foreign key, when an execution is deleted';

CREATE TRIGGER pr_validations_touch BEFORE UPDATE ON pr_validations
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

-- An error is evidence: it outlives the task and the execution that it came from.
CREATE TABLE error_logs (
    id                uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id           uuid        REFERENCES tasks ON DELETE SET NULL,
    execution_id      uuid        REFERENCES task_executions ON DELETE SET NULL,
    error_type        text        NOT NULL CHECK (error_type IN (
        'database', 'api', 'validation', 'network', 'timeout', 'authentication', 'authorization', 'system')),
    error_message     text,
    error_stack       text,
    context           jsonb       NOT NULL DEFAULT '{}',
    recovery_attempts integer     NOT NULL DEFAULT 0 CHECK (recovery_attempts >= 0),
    resolved          boolean     NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE error_logs IS 'Errors met while working, and what became of them';

CREATE INDEX error_logs_created_idx ON error_logs (created_at DESC, id DESC);
COMMENT ON INDEX error_logs_created_idx IS 'Latest errors, page by page; retention';
CREATE INDEX error_logs_open_idx ON error_logs (error_type, created_at DESC) WHERE NOT resolved;
COMMENT ON INDEX error_logs_open_idx IS 'Errors of one type that still want attention';
CREATE INDEX error_logs_task_idx ON error_logs (task_id) WHERE task_id IS NOT NULL;
COMMENT ON INDEX error_logs_task_idx IS 'Errors of a task; the foreign key, when a task is deleted';
CREATE INDEX error_logs_execution_idx ON error_logs (execution_id) WHERE execution_id IS NOT NULL;
COMMENT ON INDEX error_logs_execution_idx IS 'Errors of an execution; the foreign key, when it is deleted';

CREATE TABLE system_config (
    key         text        PRIMARY KEY CHECK (key <> ''),
    value       jsonb       NOT NULL,
    description text,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE system_config IS 'Settings that a running service reads';

CREATE TRIGGER system_config_touch BEFORE UPDATE ON system_config
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

-- entity_id is text: a general trail also follows what has no uuid, such as a setting or a file.
-- There is no foreign key, as a trail must outlive what it speaks of.
CREATE TABLE audit_logs (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type text        NOT NULL CHECK (entity_type <> ''),
    entity_id   text        NOT NULL,
    action      text        NOT NULL CHECK (action <> ''),
    old_values  jsonb,
    new_values  jsonb,
    user_id     text,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE audit_logs IS 'Who changed what, and from what to what';
COMMENT ON COLUMN audit_logs.entity_type IS 'Name of the table, or of the kind of thing where there is no table';
COMMENT ON COLUMN audit_logs.entity_id IS 'Key of the entity, written as text';

CREATE INDEX audit_logs_entity_idx ON audit_logs (entity_type, entity_id, created_at DESC);
COMMENT ON INDEX audit_logs_entity_idx IS 'History of one entity, newest first';
CREATE INDEX audit_logs_user_idx ON audit_logs (user_id, created_at DESC) WHERE user_id IS NOT NULL;
COMMENT ON INDEX audit_logs_user_idx IS 'What one user did, newest first';
CREATE INDEX audit_logs_created_idx ON audit_logs (created_at DESC);
COMMENT ON INDEX audit_logs_created_idx IS 'recent_activity; retention';
