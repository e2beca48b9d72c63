-- What was measured in a source tree. Size and time of change tell, without reading a file, whether its row is current.

CREATE TABLE code_analysis (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id        uuid        REFERENCES tasks ON DELETE SET NULL,
    root           text        NOT NULL CHECK (root <> ''),
    file_path      text        NOT NULL CHECK (file_path <> ''),
    package        text        NOT NULL,
    language       text,
    size_bytes     bigint      NOT NULL CHECK (size_bytes >= 0),
    modified_ns    bigint      NOT NULL,
    lines          integer     NOT NULL CHECK (lines >= 0),
    code           integer     NOT NULL CHECK (code >= 0),
    comments       integer     NOT NULL CHECK (comments >= 0),
    blanks         integer     NOT NULL CHECK (blanks >= 0),
    functions      integer     NOT NULL CHECK (functions >= 0),
    max_nesting    integer     NOT NULL CHECK (max_nesting >= 0),
    complexity     integer     NOT NULL CHECK (complexity >= 0),
    max_complexity integer     NOT NULL CHECK (max_complexity >= 0),
    method         text        NOT NULL CHECK (method IN ('syn', 'estimate', 'text', 'binary')),
    note           text,
    analysed_at    timestamptz NOT NULL DEFAULT now(),
    -- Also serves the fingerprints of one root, and the upsert.
    CONSTRAINT code_analysis_file_key UNIQUE (root, file_path)
);
COMMENT ON TABLE code_analysis IS 'Latest measures of each source file';
COMMENT ON COLUMN code_analysis.root IS 'The analysed tree';
COMMENT ON COLUMN code_analysis.file_path IS 'Relative to root, with forward slashes';
COMMENT ON COLUMN code_analysis.modified_ns IS 'Time of last change, nanoseconds since 1970';
COMMENT ON COLUMN code_analysis.complexity IS 'Sum over the functions of the file';
COMMENT ON COLUMN code_analysis.max_complexity IS 'Of the most complex function of the file';
COMMENT ON COLUMN code_analysis.method IS
    'syn: parsed; estimate: counted by keywords; text: lines only; binary: size only';
COMMENT ON COLUMN code_analysis.note IS 'Why a better method did not serve';

CREATE INDEX code_analysis_top_idx ON code_analysis (root, complexity DESC, file_path);
COMMENT ON INDEX code_analysis_top_idx IS 'The most complex files of a tree';
CREATE INDEX code_analysis_task_idx ON code_analysis (task_id) WHERE task_id IS NOT NULL;
COMMENT ON INDEX code_analysis_task_idx IS 'Files measured by a task; the foreign key, when a task is deleted';
