-- What commits have made untrue in caches, for as long as a process may have missed it.

CREATE TABLE cache_invalidations (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    -- Numbers of rows are given out before commits, in another order; snapshots tell which transactions may still come.
    txid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    keys       text[]      NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz,
    CONSTRAINT cache_invalidations_pkey PRIMARY KEY (id),
    CONSTRAINT cache_invalidations_keys_check CHECK (cardinality(keys) BETWEEN 1 AND 10000)
);
COMMENT ON TABLE cache_invalidations IS 'Keys of caches that a commit has made untrue; removed some minutes after';
COMMENT ON COLUMN cache_invalidations.txid IS 'The transaction that makes them so';
COMMENT ON COLUMN cache_invalidations.applied_at IS 'Since when the shared store has them no more';

CREATE INDEX cache_invalidations_txid_idx ON cache_invalidations (txid);
COMMENT ON INDEX cache_invalidations_txid_idx IS 'What is new to a process, and what is old to all';

CREATE INDEX cache_invalidations_unapplied_idx ON cache_invalidations (made_at) WHERE applied_at IS NULL;
COMMENT ON INDEX cache_invalidations_unapplied_idx IS 'What somebody has to see to, as whoever made it did not';

CREATE TABLE cache_invalidations_removed (
    is_only boolean     NOT NULL DEFAULT true,
    through xid8        NOT NULL,
    next    xid8        NOT NULL,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT cache_invalidations_removed_pkey PRIMARY KEY (is_only),
    CONSTRAINT cache_invalidations_removed_only_check CHECK (is_only)
);
COMMENT ON TABLE cache_invalidations_removed IS 'One row: up to where cache_invalidations may have lost rows';
COMMENT ON COLUMN cache_invalidations_removed.through IS 'Rows of transactions below this may be gone';
COMMENT ON COLUMN cache_invalidations_removed.next IS 'What it will be once that is old enough';
INSERT INTO cache_invalidations_removed (through, next) VALUES ('0', '0');
