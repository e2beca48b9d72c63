-- Turns tasks into a queue that many workers may claim from at once, and gives tasks an order among themselves.

ALTER TABLE tasks
    ADD COLUMN queue            text        NOT NULL DEFAULT 'default' CHECK (queue <> ''),
    ADD COLUMN kind             text        NOT NULL DEFAULT 'task' CHECK (kind <> ''),
    ADD COLUMN unique_key       text,
    ADD COLUMN attempts         integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ADD COLUMN max_attempts     integer     NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
    ADD COLUMN run_after        timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN waiting_on       integer     NOT NULL DEFAULT 0 CHECK (waiting_on >= 0),
    ADD COLUMN claimed_by       text,
    ADD COLUMN lease_token      bigint      NOT NULL DEFAULT 0 CHECK (lease_token >= 0),
    ADD COLUMN lease_expires_at timestamptz,
    ADD COLUMN result           jsonb;

-- Whatever was under way before there were leases is up for the taking.
UPDATE tasks SET claimed_by = 'before the queue', lease_expires_at = now() WHERE status = 'in_progress';

ALTER TABLE tasks ADD CONSTRAINT tasks_claim_check
    CHECK ((status = 'in_progress') = (claimed_by IS NOT NULL)
       AND (status = 'in_progress') = (lease_expires_at IS NOT NULL));

COMMENT ON COLUMN tasks.kind IS 'Which worker code the task is for';
COMMENT ON COLUMN tasks.unique_key IS 'At most one task of a queue with this key is pending or in progress';
COMMENT ON COLUMN tasks.attempts IS 'Claims so far';
COMMENT ON COLUMN tasks.run_after IS 'Not claimed before this time';
COMMENT ON COLUMN tasks.waiting_on IS 'Dependencies that are not settled yet; 0 means ready';
COMMENT ON COLUMN tasks.claimed_by IS 'Worker that holds the lease';
COMMENT ON COLUMN tasks.lease_token IS 'Grows with each claim; a worker that brings an older token has lost the task';
COMMENT ON COLUMN tasks.lease_expires_at IS 'After this time another worker may take the task over';

CREATE INDEX tasks_claim_idx ON tasks (queue, priority DESC, run_after, id)
    WHERE status = 'pending' AND waiting_on = 0;
COMMENT ON INDEX tasks_claim_idx IS 'The next tasks of a queue to claim';
CREATE INDEX tasks_lease_idx ON tasks (lease_expires_at) WHERE status = 'in_progress';
COMMENT ON INDEX tasks_lease_idx IS 'Leases that have run out';
CREATE INDEX tasks_active_idx ON tasks (queue, status) WHERE status IN ('pending', 'in_progress');
COMMENT ON INDEX tasks_active_idx IS 'active_tasks; depth of each queue, index only';
CREATE UNIQUE INDEX tasks_unique_key_idx ON tasks (queue, unique_key)
    WHERE unique_key IS NOT NULL AND status IN ('pending', 'in_progress');
COMMENT ON INDEX tasks_unique_key_idx IS 'Keeps unique_key unique; the conflict target of an enqueue';

-- A queue turns its rows over many times a day, so its dead rows must not wait for a fifth of the table.
ALTER TABLE tasks SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE task_dependencies (
    task_id    uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    depends_on uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
    -- block: the dependent is not run when its dependency fails; continue: it is run all the same.
    on_failure text NOT NULL DEFAULT 'block' CHECK (on_failure IN ('block', 'continue')),
    -- Whether task_id was told that depends_on is settled: a task that is queued again tells nobody twice.
    told       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (task_id, depends_on),
    CONSTRAINT task_dependencies_self_check CHECK (task_id <> depends_on)
);
COMMENT ON TABLE task_dependencies IS 'task_id waits until depends_on is settled';

CREATE INDEX task_dependencies_depends_on_idx ON task_dependencies (depends_on);
COMMENT ON INDEX task_dependencies_depends_on_idx IS
    'Who waits for a task that was just settled; the foreign key, when a task is deleted';
