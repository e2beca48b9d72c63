DROP TABLE task_dependencies;
ALTER TABLE tasks RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
-- The indexes and constraints that name these columns go with them.
ALTER TABLE tasks
    DROP COLUMN queue,
    DROP COLUMN kind,
    DROP COLUMN unique_key,
    DROP COLUMN attempts,
    DROP COLUMN max_attempts,
    DROP COLUMN run_after,
    DROP COLUMN waiting_on,
    DROP COLUMN claimed_by,
    DROP COLUMN lease_token,
    DROP COLUMN lease_expires_at,
    DROP COLUMN result;
