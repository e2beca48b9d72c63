-- From a question over its sources and results to what is held to be known.
--
-- Texts are searched in their first 100 000 characters, as a search vector holds less than 1 MiB.

CREATE TABLE research_queries (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    query_text    text        NOT NULL CHECK (query_text <> ''),
    research_type text        NOT NULL DEFAULT 'general'
        CHECK (research_type IN ('technical', 'trend', 'market', 'academic', 'competitive', 'general')),
    priority      text        NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    status        text        NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
    -- Free text, as in tasks: a user, an agent, a pipeline.
    requested_by  text,
    agent         text,
    parameters    jsonb       NOT NULL DEFAULT '{}',
    error_details jsonb,
    started_at    timestamptz,
    completed_at  timestamptz,
    version       bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    search        tsvector    NOT NULL
        GENERATED ALWAYS AS (to_tsvector('english', left(query_text, 100000))) STORED,
    CONSTRAINT research_queries_started_check
        CHECK (status NOT IN ('in_progress', 'completed') OR started_at IS NOT NULL),
    CONSTRAINT research_queries_completed_check
        CHECK ((completed_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled')))
);
COMMENT ON TABLE research_queries IS 'Questions put to research agents';
COMMENT ON COLUMN research_queries.agent IS 'Who works, or worked, on it';
COMMENT ON COLUMN research_queries.started_at IS 'Start of the latest attempt';
COMMENT ON COLUMN research_queries.completed_at IS 'When the query became completed, failed or cancelled';

CREATE INDEX research_queries_created_idx ON research_queries (created_at DESC, id DESC) WHERE deleted_at IS NULL;
COMMENT ON INDEX research_queries_created_idx IS 'Lists of queries, newest first, page by page';
CREATE INDEX research_queries_requested_idx ON research_queries (requested_by, created_at DESC, id DESC)
    WHERE requested_by IS NOT NULL AND deleted_at IS NULL;
COMMENT ON INDEX research_queries_requested_idx IS 'Queries of one requester, newest first';
CREATE INDEX research_queries_open_idx ON research_queries (created_at, id)
    WHERE status IN ('pending', 'in_progress') AND deleted_at IS NULL;
COMMENT ON INDEX research_queries_open_idx IS 'Queries that wait for an answer, oldest first';
CREATE INDEX research_queries_search_idx ON research_queries USING gin (search);
COMMENT ON INDEX research_queries_search_idx IS 'Full text over the questions';

-- A query may be written after the fact, so a row may start in any status.
CREATE TRIGGER research_queries_status_change BEFORE UPDATE OF status ON research_queries
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('pending', 'in_progress'), ('pending', 'cancelled'),
        ('in_progress', 'completed'), ('in_progress', 'failed'),
        ('in_progress', 'cancelled'), ('in_progress', 'pending'),
        ('failed', 'pending'), ('cancelled', 'pending')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER research_queries_touch BEFORE UPDATE ON research_queries
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE research_sources (
    id           uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The bound is that of a B-tree entry, about 2700 bytes, and some room.
    url          text             NOT NULL CHECK (url <> '' AND octet_length(url) <= 2048),
    title        text,
    -- Free text: web, paper, book, dataset, repository, and whatever an agent brings.
    kind         text             NOT NULL DEFAULT 'web' CHECK (kind <> ''),
    publisher    text,
    author       text,
    published_at timestamptz,
    credibility  double precision CHECK (credibility BETWEEN 0 AND 1),
    validated_at timestamptz,
    metadata     jsonb            NOT NULL DEFAULT '{}',
    version      bigint           NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at   timestamptz      NOT NULL DEFAULT now(),
    updated_at   timestamptz      NOT NULL DEFAULT now(),
    -- Also the conflict target of the upsert.
    CONSTRAINT research_sources_url_key UNIQUE (url)
);
COMMENT ON TABLE research_sources IS 'Where results come from, one row a URL';
COMMENT ON COLUMN research_sources.validated_at IS 'When the source was last found to be there and as described';

CREATE INDEX research_sources_created_idx ON research_sources (created_at DESC, id DESC);
COMMENT ON INDEX research_sources_created_idx IS 'Lists of sources, newest first, page by page';
CREATE INDEX research_sources_open_idx ON research_sources (created_at, id) WHERE validated_at IS NULL;
COMMENT ON INDEX research_sources_open_idx IS 'Sources that nobody has validated, oldest first';

CREATE TRIGGER research_sources_touch BEFORE UPDATE ON research_sources
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE research_results (
    id         uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    query_id   uuid             NOT NULL REFERENCES research_queries ON DELETE CASCADE,
    source_id  uuid             REFERENCES research_sources ON DELETE SET NULL,
    title      text             NOT NULL CHECK (title <> ''),
    content    text,
    summary    text,
    relevance  double precision CHECK (relevance BETWEEN 0 AND 1),
    confidence double precision CHECK (confidence BETWEEN 0 AND 1),
    -- 1 is the best; NULL: not ranked yet. Two results may share a rank.
    rank       integer          CHECK (rank >= 1),
    data       jsonb            NOT NULL DEFAULT '{}',
    created_at timestamptz      NOT NULL DEFAULT now(),
    search     tsvector         NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', left(title, 1000)), 'A')
        || setweight(to_tsvector('english', left(coalesce(summary, ''), 10000)), 'B')
        || setweight(to_tsvector('english', left(coalesce(content, ''), 100000)), 'C')) STORED
);
COMMENT ON TABLE research_results IS 'What was found for a query';
COMMENT ON COLUMN research_results.relevance IS 'How well it answers the query';
COMMENT ON COLUMN research_results.confidence IS 'How sure the agent is that it holds';

CREATE INDEX research_results_query_idx ON research_results (query_id, rank, id);
COMMENT ON INDEX research_results_query_idx IS
    'Results of a query, best first; the foreign key, when a query is deleted';
CREATE INDEX research_results_source_idx ON research_results (source_id) WHERE source_id IS NOT NULL;
COMMENT ON INDEX research_results_source_idx IS
    'What a source has brought; the foreign key, when a source is deleted';
CREATE INDEX research_results_search_idx ON research_results USING gin (search);
COMMENT ON INDEX research_results_search_idx IS 'Full text over title, summary and content';

CREATE TABLE knowledge_entries (
    id          uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    topic       text             NOT NULL CHECK (topic <> ''),
    title       text             NOT NULL CHECK (title <> ''),
    content     text             NOT NULL CHECK (content <> ''),
    tags        text[]           NOT NULL DEFAULT '{}' CHECK (array_position(tags, NULL) IS NULL),
    confidence  double precision CHECK (confidence BETWEEN 0 AND 1),
    -- The entry that this one replaces. A successor stands without its predecessor.
    supersedes  uuid             REFERENCES knowledge_entries ON DELETE SET NULL,
    valid_from  timestamptz      NOT NULL DEFAULT now(),
    valid_until timestamptz,
    version     bigint           NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at  timestamptz,
    created_at  timestamptz      NOT NULL DEFAULT now(),
    updated_at  timestamptz      NOT NULL DEFAULT now(),
    search      tsvector         NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', left(title, 1000)), 'A')
        || setweight(to_tsvector('english', left(topic, 1000)), 'B')
        || setweight(to_tsvector('english', left(content, 100000)), 'C')) STORED,
    CONSTRAINT knowledge_entries_supersedes_check CHECK (supersedes <> id),
    CONSTRAINT knowledge_entries_valid_check CHECK (valid_until > valid_from)
);
COMMENT ON TABLE knowledge_entries IS 'What is held to be known';
COMMENT ON COLUMN knowledge_entries.valid_until IS 'No longer held from this time on; NULL: held until further notice';

CREATE INDEX knowledge_entries_created_idx ON knowledge_entries (created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
COMMENT ON INDEX knowledge_entries_created_idx IS 'Lists of entries, newest first, page by page';
CREATE INDEX knowledge_entries_topic_idx ON knowledge_entries (topic, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
COMMENT ON INDEX knowledge_entries_topic_idx IS 'Entries on a topic, newest first';
CREATE INDEX knowledge_entries_supersedes_idx ON knowledge_entries (supersedes) WHERE supersedes IS NOT NULL;
COMMENT ON INDEX knowledge_entries_supersedes_idx IS
    'What replaces an entry; the foreign key, when an entry is deleted';
CREATE INDEX knowledge_entries_search_idx ON knowledge_entries USING gin (search, tags);
COMMENT ON INDEX knowledge_entries_search_idx IS
    'Full text over title, topic and content; entries with a tag; both at once';

CREATE TRIGGER knowledge_entries_touch BEFORE UPDATE ON knowledge_entries
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

-- A source that knowledge rests on cannot be deleted: its entries would stand without their evidence.
CREATE TABLE knowledge_entry_sources (
    entry_id  uuid NOT NULL REFERENCES knowledge_entries ON DELETE CASCADE,
    source_id uuid NOT NULL REFERENCES research_sources ON DELETE RESTRICT,
    -- Also serves the sources of an entry, and the foreign key.
    PRIMARY KEY (entry_id, source_id)
);
COMMENT ON TABLE knowledge_entry_sources IS 'Which sources an entry rests on';

CREATE INDEX knowledge_entry_sources_source_idx ON knowledge_entry_sources (source_id);
COMMENT ON INDEX knowledge_entry_sources_source_idx IS
    'What rests on a source; the foreign key, when a source is deleted';
