-- The agents that run, and what they measure of themselves.

-- There are few agents and each writes last_heartbeat_at all the time: it stands in no index, and the room in each
-- page keeps those updates HOT. Who has gone silent is found by reading the table.
CREATE TABLE agents (
    id                uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name              text        NOT NULL CHECK (name <> ''),
    -- Free text, as task_executions.agent_type.
    kind              text        NOT NULL CHECK (kind <> ''),
    status            text        NOT NULL DEFAULT 'starting'
        CHECK (status IN ('starting', 'active', 'idle', 'paused', 'failed', 'stopped')),
    configuration     jsonb       NOT NULL DEFAULT '{}',
    capabilities      text[]      NOT NULL DEFAULT '{}' CHECK (array_position(capabilities, NULL) IS NULL),
    last_heartbeat_at timestamptz,
    version           bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
COMMENT ON TABLE agents IS 'Instances of agents; one that starts again keeps its row';
COMMENT ON COLUMN agents.status IS 'idle: nothing to do; paused: told to do nothing';
COMMENT ON COLUMN agents.last_heartbeat_at IS 'Last sign of life; NULL: none yet';

CREATE UNIQUE INDEX agents_name_idx ON agents (name) WHERE deleted_at IS NULL;
COMMENT ON INDEX agents_name_idx IS 'Keeps names unique; an agent by name. A deleted agent frees its name';
CREATE INDEX agents_created_idx ON agents (created_at DESC, id DESC) WHERE deleted_at IS NULL;
COMMENT ON INDEX agents_created_idx IS 'Lists of agents, newest first, page by page';

-- An agent may be made known while it runs, so a row may start in any status.
CREATE TRIGGER agents_status_change BEFORE UPDATE OF status ON agents
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('starting', 'active'), ('starting', 'idle'), ('starting', 'failed'), ('starting', 'stopped'),
        ('active', 'idle'), ('active', 'paused'), ('active', 'failed'), ('active', 'stopped'),
        ('idle', 'active'), ('idle', 'paused'), ('idle', 'failed'), ('idle', 'stopped'),
        ('paused', 'active'), ('paused', 'idle'), ('paused', 'failed'), ('paused', 'stopped'),
        ('failed', 'starting'), ('failed', 'stopped'),
        ('stopped', 'starting')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER agents_touch BEFORE UPDATE ON agents
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

-- Written much and never changed: a narrow key that grows at one end, and for spans of time an index of a few pages.
CREATE TABLE agent_metrics (
    id          bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id    uuid             NOT NULL REFERENCES agents ON DELETE CASCADE,
    name        text             NOT NULL CHECK (name <> ''),
    -- Finite, as one NaN spoils every average; NaN sorts above infinity.
    value       double precision NOT NULL CHECK (value > '-Infinity' AND value < 'Infinity'),
    unit        text             CHECK (unit <> ''),
    labels      jsonb            NOT NULL DEFAULT '{}',
    recorded_at timestamptz      NOT NULL DEFAULT now()
);
COMMENT ON TABLE agent_metrics IS 'Measurements, one row a value';
COMMENT ON COLUMN agent_metrics.unit IS 'As in ms, bytes or 1; NULL: not said';

CREATE INDEX agent_metrics_series_idx ON agent_metrics (agent_id, name, recorded_at DESC, id DESC);
COMMENT ON INDEX agent_metrics_series_idx IS
    'One metric of an agent, latest first; the foreign key, when an agent is deleted';
CREATE INDEX agent_metrics_recorded_idx ON agent_metrics USING brin (recorded_at) WITH (autosummarize = on);
COMMENT ON INDEX agent_metrics_recorded_idx IS 'Spans of time over all agents; retention';
