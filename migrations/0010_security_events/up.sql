-- What happened that concerns security, and what 0001 left open.

-- An event is evidence: it outlives the user that it names.
CREATE TABLE security_events (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Free text: login_failed, token_reused, access_denied, and whatever a service brings.
    event_type  text        NOT NULL CHECK (event_type <> ''),
    severity    text        NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
    actor       text,
    user_id     uuid        REFERENCES users ON DELETE SET NULL,
    source_ip   text        CHECK (source_ip <> ''),
    resource    text,
    details     jsonb       NOT NULL DEFAULT '{}',
    resolved_at timestamptz,
    resolved_by text        CHECK (resolved_by <> ''),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT security_events_resolved_check CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
);
COMMENT ON TABLE security_events IS 'Events that concern security, and who dealt with them';
COMMENT ON COLUMN security_events.actor IS 'Who did it, as they called themselves: need not be a user';
COMMENT ON COLUMN security_events.resource IS 'What it was about';

CREATE INDEX security_events_created_idx ON security_events (created_at DESC, id DESC);
COMMENT ON INDEX security_events_created_idx IS 'Lists of events, newest first, page by page; retention';
CREATE INDEX security_events_open_idx ON security_events (severity, created_at DESC, id DESC)
    WHERE resolved_at IS NULL;
COMMENT ON INDEX security_events_open_idx IS 'Events of one severity that still want attention, newest first';
CREATE INDEX security_events_user_idx ON security_events (user_id, created_at DESC, id DESC)
    WHERE user_id IS NOT NULL;
COMMENT ON INDEX security_events_user_idx IS
    'Events around a user, newest first; the foreign key, when a user is deleted';

CREATE TRIGGER pr_validations_status_change BEFORE UPDATE OF status ON pr_validations
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'running'), ('pending', 'passed'), ('pending', 'failed'), ('pending', 'cancelled'),
        ('running', 'passed'), ('running', 'failed'), ('running', 'cancelled'),
        ('failed', 'pending'), ('cancelled', 'pending')))
    EXECUTE FUNCTION refuse_status_change();

-- A constant default: the tables are not rewritten.
ALTER TABLE pr_validations ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);
ALTER TABLE system_config ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version > 0);
