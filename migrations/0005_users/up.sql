-- Who uses the system, how they sign in, and what they like.
--
-- A row with deleted_at is gone for everybody but the retention job. version grows with each change, so that a
-- writer who read an older one is told. Rows may be imported, so they may start in any status.

CREATE TABLE users (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    -- As given; compared without regard to case. The bound is that of RFC 3696, 64 + 1 + 255.
    email         text        NOT NULL
        CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND octet_length(email) <= 320),
    -- Without @, so that one field of a form may take a name or an address.
    username      text        CHECK (username ~ '^[^@[:space:]]{1,64}$'),
    -- NULL: this user has no password, and signs in by other means or not yet.
    password_hash text        CHECK (password_hash LIKE '$argon2id$%'),
    status        text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'active', 'suspended', 'closed')),
    -- Free text: what a role may do stands in the rules of access.
    role          text        NOT NULL DEFAULT 'member' CHECK (role <> ''),
    failed_logins integer     NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until  timestamptz,
    last_login_at timestamptz,
    version       bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE users IS 'Accounts of people and services';
COMMENT ON COLUMN users.failed_logins IS 'Failures since the last success';
COMMENT ON COLUMN users.locked_until IS 'No sign-in before this time, whatever the password';

CREATE UNIQUE INDEX users_email_idx ON users (lower(email)) WHERE deleted_at IS NULL;
COMMENT ON INDEX users_email_idx IS 'Keeps addresses unique; sign-in by address. A deleted user frees the address';
CREATE UNIQUE INDEX users_username_idx ON users (lower(username))
    WHERE username IS NOT NULL AND deleted_at IS NULL;
COMMENT ON INDEX users_username_idx IS 'Keeps names unique; sign-in by name. A deleted user frees the name';
CREATE INDEX users_created_idx ON users (created_at DESC, id DESC) WHERE deleted_at IS NULL;
COMMENT ON INDEX users_created_idx IS 'Lists of users, newest first, page by page';

CREATE TRIGGER users_status_change BEFORE UPDATE OF status ON users
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'active'), ('pending', 'closed'),
        ('active', 'suspended'), ('active', 'closed'),
        ('suspended', 'active'), ('suspended', 'closed')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER users_touch BEFORE UPDATE ON users
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE user_profiles (
    user_id      uuid        PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    display_name text        CHECK (display_name <> ''),
    -- A language tag of BCP 47.
    locale       text        NOT NULL DEFAULT 'en' CHECK (locale ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
    -- A name of the IANA time zone database, which changes too often for a constraint to know it.
    time_zone    text        NOT NULL DEFAULT 'UTC' CHECK (time_zone <> ''),
    avatar_url   text,
    bio          text,
    attributes   jsonb       NOT NULL DEFAULT '{}',
    version      bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE user_profiles IS 'What a user shows of themselves, at most one row a user';

CREATE TRIGGER user_profiles_touch BEFORE UPDATE ON user_profiles
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

-- last_seen_at changes with every request and stands in no index: the room in each page keeps those updates HOT.
CREATE TABLE user_sessions (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id      uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    -- SHA-256 of the token. The token itself is known to its bearer alone.
    token_hash   bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    user_agent   text,
    ip           text        CHECK (ip <> ''),
    -- Also finds the session of a request.
    CONSTRAINT user_sessions_token_key UNIQUE (token_hash),
    CONSTRAINT user_sessions_expires_check CHECK (expires_at > created_at)
) WITH (fillfactor = 85);
COMMENT ON TABLE user_sessions IS 'Who is signed in: a session counts while it is neither expired nor revoked';

CREATE INDEX user_sessions_user_idx ON user_sessions (user_id, created_at DESC, id DESC);
COMMENT ON INDEX user_sessions_user_idx IS 'Sessions of a user, newest first; the foreign key, when a user is deleted';
CREATE INDEX user_sessions_expires_idx ON user_sessions (expires_at);
COMMENT ON INDEX user_sessions_expires_idx IS 'Expired sessions, to be removed';

CREATE TABLE user_preferences (
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    key        text        NOT NULL CHECK (key <> ''),
    value      jsonb       NOT NULL,
    version    bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Also serves all preferences of a user, and the foreign key.
    PRIMARY KEY (user_id, key)
);
COMMENT ON TABLE user_preferences IS 'Settings of one user; a key that is absent has its default';

CREATE TRIGGER user_preferences_touch BEFORE UPDATE ON user_preferences
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();
