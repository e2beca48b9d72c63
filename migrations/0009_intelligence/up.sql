-- What agents decide, plan and learn.
--
-- Decisions and learning events are evidence: they outlive the agent and the task that they came from. All of it may
-- be written after the fact, so a row may start in any status.

CREATE TABLE decisions (
    id            uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_id      uuid             REFERENCES agents ON DELETE SET NULL,
    task_id       uuid             REFERENCES tasks ON DELETE SET NULL,
    decision_type text             NOT NULL CHECK (decision_type <> ''),
    context       jsonb            NOT NULL DEFAULT '{}',
    options       jsonb            NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(options) = 'array'),
    -- To do nothing is a choice too, and has a name.
    chosen        text             NOT NULL CHECK (chosen <> ''),
    rationale     text,
    confidence    double precision CHECK (confidence BETWEEN 0 AND 1),
    status        text             NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'succeeded', 'failed', 'reverted')),
    outcome       jsonb,
    decided_at    timestamptz      NOT NULL DEFAULT now(),
    resolved_at   timestamptz,
    CONSTRAINT decisions_resolved_check CHECK ((resolved_at IS NOT NULL) = (status <> 'pending'))
);
COMMENT ON TABLE decisions IS 'Choices of agents, with what they knew and what became of it';
COMMENT ON COLUMN decisions.status IS 'How it turned out; pending: not known yet';
COMMENT ON COLUMN decisions.outcome IS 'How it turned out, in detail';
COMMENT ON COLUMN decisions.resolved_at IS 'When the present status was found out';

CREATE INDEX decisions_decided_idx ON decisions (decided_at DESC, id DESC);
COMMENT ON INDEX decisions_decided_idx IS 'Lists of decisions, latest first, page by page; retention';
CREATE INDEX decisions_open_idx ON decisions (decided_at, id) WHERE status = 'pending';
COMMENT ON INDEX decisions_open_idx IS 'Decisions whose outcome is not known, oldest first';
CREATE INDEX decisions_agent_idx ON decisions (agent_id, decided_at DESC, id DESC) WHERE agent_id IS NOT NULL;
COMMENT ON INDEX decisions_agent_idx IS
    'Decisions of an agent, latest first; the foreign key, when an agent is deleted';
CREATE INDEX decisions_task_idx ON decisions (task_id) WHERE task_id IS NOT NULL;
COMMENT ON INDEX decisions_task_idx IS 'Decisions made for a task; the foreign key, when a task is deleted';

-- What turned out well or badly may still be taken back.
CREATE TRIGGER decisions_status_change BEFORE UPDATE OF status ON decisions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'succeeded'), ('pending', 'failed'), ('pending', 'reverted'),
        ('succeeded', 'reverted'), ('failed', 'reverted')))
    EXECUTE FUNCTION refuse_status_change();

CREATE TABLE plans (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    -- A plan is about its task and goes with it, as executions do.
    task_id      uuid        REFERENCES tasks ON DELETE CASCADE,
    agent_id     uuid        REFERENCES agents ON DELETE SET NULL,
    goal         text        NOT NULL CHECK (goal <> ''),
    status       text        NOT NULL DEFAULT 'draft'
        CHECK (status IN ('draft', 'active', 'completed', 'failed', 'abandoned')),
    completed_at timestamptz,
    version      bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT plans_completed_check
        CHECK ((completed_at IS NOT NULL) = (status IN ('completed', 'failed', 'abandoned')))
);
COMMENT ON TABLE plans IS 'How a goal is to be reached, step by step';
COMMENT ON COLUMN plans.completed_at IS 'When the plan became completed, failed or abandoned';

CREATE INDEX plans_created_idx ON plans (created_at DESC, id DESC) WHERE deleted_at IS NULL;
COMMENT ON INDEX plans_created_idx IS 'Lists of plans, newest first, page by page';
CREATE INDEX plans_task_idx ON plans (task_id, created_at DESC, id DESC) WHERE task_id IS NOT NULL;
COMMENT ON INDEX plans_task_idx IS 'Plans for a task, newest first; the foreign key, when a task is deleted';
CREATE INDEX plans_agent_idx ON plans (agent_id, created_at DESC, id DESC) WHERE agent_id IS NOT NULL;
COMMENT ON INDEX plans_agent_idx IS 'Plans of an agent, newest first; the foreign key, when an agent is deleted';

CREATE TRIGGER plans_status_change BEFORE UPDATE OF status ON plans
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('draft', 'active'), ('draft', 'abandoned'),
        ('active', 'completed'), ('active', 'failed'), ('active', 'abandoned'),
        ('failed', 'active')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER plans_touch BEFORE UPDATE ON plans
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE plan_steps (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    plan_id      uuid        NOT NULL REFERENCES plans ON DELETE CASCADE,
    position     smallint    NOT NULL CHECK (position >= 1),
    title        text        NOT NULL CHECK (title <> ''),
    status       text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'done', 'skipped', 'failed')),
    -- Positions in the same plan. A step depends on earlier ones only, so no cycle can be written down.
    depends_on   smallint[]  NOT NULL DEFAULT '{}',
    result       jsonb,
    started_at   timestamptz,
    completed_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- Also serves the steps of a plan in order, and the foreign key. Deferrable, so that steps may change places.
    CONSTRAINT plan_steps_position_key UNIQUE (plan_id, position) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT plan_steps_depends_on_check CHECK (
        array_position(depends_on, NULL) IS NULL AND 1 <= ALL (depends_on) AND position > ALL (depends_on)),
    CONSTRAINT plan_steps_started_check CHECK (
        CASE status WHEN 'pending' THEN started_at IS NULL
                    WHEN 'skipped' THEN true
                    ELSE started_at IS NOT NULL END),
    CONSTRAINT plan_steps_completed_check
        CHECK ((completed_at IS NOT NULL) = (status IN ('done', 'skipped', 'failed')))
);
COMMENT ON TABLE plan_steps IS 'Steps of a plan';
COMMENT ON COLUMN plan_steps.position IS 'Order within the plan, from 1';
COMMENT ON COLUMN plan_steps.started_at IS 'Start of the latest attempt';
COMMENT ON COLUMN plan_steps.completed_at IS 'When the step became done, skipped or failed';

CREATE TRIGGER plan_steps_status_change BEFORE UPDATE OF status ON plan_steps
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'running'), ('pending', 'skipped'),
        ('running', 'done'), ('running', 'failed'), ('running', 'pending'),
        ('failed', 'pending'), ('failed', 'skipped'),
        ('skipped', 'pending')))
    EXECUTE FUNCTION refuse_status_change();

CREATE TABLE learning_events (
    id          uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_id    uuid             REFERENCES agents ON DELETE SET NULL,
    task_id     uuid             REFERENCES tasks ON DELETE SET NULL,
    event_type  text             NOT NULL CHECK (event_type <> ''),
    input       jsonb            NOT NULL DEFAULT '{}',
    outcome     jsonb            NOT NULL DEFAULT '{}',
    -- Finite, as one NaN spoils every average; NULL: not judged.
    reward      double precision CHECK (reward > '-Infinity' AND reward < 'Infinity'),
    occurred_at timestamptz      NOT NULL DEFAULT now()
);
COMMENT ON TABLE learning_events IS 'What agents met that there is something to learn from';

CREATE INDEX learning_events_type_idx ON learning_events (event_type, occurred_at DESC, id DESC);
COMMENT ON INDEX learning_events_type_idx IS 'Events of one type, latest first: what a model learns from';
CREATE INDEX learning_events_occurred_idx ON learning_events (occurred_at DESC, id DESC);
COMMENT ON INDEX learning_events_occurred_idx IS 'Lists of events, latest first, page by page; retention';
CREATE INDEX learning_events_agent_idx ON learning_events (agent_id, occurred_at DESC, id DESC)
    WHERE agent_id IS NOT NULL;
COMMENT ON INDEX learning_events_agent_idx IS
    'Events of an agent, latest first; the foreign key, when an agent is deleted';
CREATE INDEX learning_events_task_idx ON learning_events (task_id) WHERE task_id IS NOT NULL;
COMMENT ON INDEX learning_events_task_idx IS 'Events of a task; the foreign key, when a task is deleted';

CREATE TABLE learning_patterns (
    id            uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    pattern_type  text             NOT NULL CHECK (pattern_type <> ''),
    name          text             NOT NULL CHECK (name <> ''),
    pattern       jsonb            NOT NULL DEFAULT '{}',
    confidence    double precision NOT NULL DEFAULT 0 CHECK (confidence BETWEEN 0 AND 1),
    occurrences   bigint           NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
    first_seen_at timestamptz      NOT NULL DEFAULT now(),
    last_seen_at  timestamptz      NOT NULL DEFAULT now(),
    active        boolean          NOT NULL DEFAULT true,
    version       bigint           NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at    timestamptz      NOT NULL DEFAULT now(),
    updated_at    timestamptz      NOT NULL DEFAULT now(),
    -- Also the conflict target when a pattern is seen again.
    CONSTRAINT learning_patterns_name_key UNIQUE (pattern_type, name),
    CONSTRAINT learning_patterns_seen_check CHECK (first_seen_at <= last_seen_at)
);
COMMENT ON TABLE learning_patterns IS 'Patterns found in events, and how sure they are';
COMMENT ON COLUMN learning_patterns.active IS 'Whether agents act on it';

CREATE INDEX learning_patterns_active_idx ON learning_patterns (pattern_type, confidence DESC, id DESC)
    WHERE active;
COMMENT ON INDEX learning_patterns_active_idx IS 'Active patterns of a type, surest first';

CREATE TRIGGER learning_patterns_touch BEFORE UPDATE ON learning_patterns
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();
