-- A cache that the services of one database share where they have nothing better.

-- Not logged: it costs half as much to write, and after a crash it is empty, which a cache may be.
CREATE UNLOGGED TABLE cache_entries (
    -- Bytes, so that every text is a key, keys differ where their bytes do, and no collation orders them.
    key        bytea       PRIMARY KEY,
    value      bytea,
    version    bigint,
    number     bigint,
    expires_at timestamptz NOT NULL,
    CONSTRAINT cache_entries_kind_check
        CHECK ((value IS NULL) = (version IS NULL) AND (value IS NULL) = (number IS NOT NULL))
);
COMMENT ON TABLE cache_entries IS 'What services cache; may be emptied at any time';
COMMENT ON COLUMN cache_entries.key IS 'The key as UTF-8';
COMMENT ON COLUMN cache_entries.version IS 'Drawn at random by each write of a value';
COMMENT ON COLUMN cache_entries.number IS 'For keys that are counted with; they have no value';
COMMENT ON COLUMN cache_entries.expires_at IS 'From then on it counts as absent, and is removed some time';

-- Large values come compressed.
ALTER TABLE cache_entries ALTER COLUMN value SET STORAGE EXTERNAL;

CREATE INDEX cache_entries_expires_idx ON cache_entries (expires_at);
COMMENT ON INDEX cache_entries_expires_idx IS 'What has expired, the oldest first, to be removed';
