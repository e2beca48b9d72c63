-- The mail of users. Mail belongs to its owner and goes with the account.
--
-- Messages come from mailboxes that have a past, so a row may start in any status.

CREATE TABLE email_threads (
    id               uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id          uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    subject          text        NOT NULL DEFAULT '',
    status           text        NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed', 'archived')),
    -- Kept by whoever files a message; a thread without messages has the times of its making.
    message_count    integer     NOT NULL DEFAULT 0 CHECK (message_count >= 0),
    first_message_at timestamptz NOT NULL DEFAULT now(),
    last_message_at  timestamptz NOT NULL DEFAULT now(),
    version          bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    -- For the foreign key of emails, which keeps a message out of threads of other owners.
    CONSTRAINT email_threads_owner_key UNIQUE (id, user_id),
    CONSTRAINT email_threads_span_check CHECK (first_message_at <= last_message_at)
);
COMMENT ON TABLE email_threads IS 'Conversations, each in the mailbox of one user';
COMMENT ON COLUMN email_threads.status IS 'closed: nothing more is expected; archived: out of sight';

CREATE INDEX email_threads_user_idx ON email_threads (user_id, last_message_at DESC, id DESC);
COMMENT ON INDEX email_threads_user_idx IS
    'Threads of an owner, latest message first; the foreign key, when a user is deleted';

CREATE TRIGGER email_threads_status_change BEFORE UPDATE OF status ON email_threads
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('open', 'closed'), ('open', 'archived'),
        ('closed', 'open'), ('closed', 'archived'),
        ('archived', 'open')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER email_threads_touch BEFORE UPDATE ON email_threads
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE emails (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id       uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    -- NULL: not filed yet. A message outlives its thread.
    thread_id     uuid,
    -- The Message-ID header; NULL for what has none. A line of a header holds 998 bytes (RFC 5322).
    message_id    text        CHECK (message_id <> '' AND octet_length(message_id) <= 998),
    in_reply_to   text,
    -- The bound keeps a hostile header from making an index entry for each of a million made-up messages.
    reference_ids text[]      NOT NULL DEFAULT '{}'
        CHECK (array_position(reference_ids, NULL) IS NULL AND cardinality(reference_ids) <= 100),
    subject       text        NOT NULL DEFAULT '',
    body_text     text,
    body_html     text,
    snippet       text,
    sent_at       timestamptz,
    received_at   timestamptz NOT NULL DEFAULT now(),
    direction     text        NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    status        text        NOT NULL DEFAULT 'unread'
        CHECK (status IN ('unread', 'read', 'replied', 'archived', 'spam', 'trash')),
    priority      text        NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    labels        text[]      NOT NULL DEFAULT '{}' CHECK (array_position(labels, NULL) IS NULL),
    headers       jsonb       NOT NULL DEFAULT '{}',
    size_bytes    bigint      CHECK (size_bytes >= 0),
    version       bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    deleted_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    -- A search vector holds less than 1 MiB, so what lies beyond the first 100 000 characters is not searched;
    -- without the cut, a message that is too long could not be stored at all.
    search        tsvector    NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', left(subject, 1000)), 'A')
        || setweight(to_tsvector('english', left(coalesce(body_text, ''), 100000)), 'B')) STORED,
    -- Deleted messages count too, so that the next synchronisation does not bring them back.
    CONSTRAINT emails_message_key UNIQUE (user_id, message_id),
    CONSTRAINT emails_thread_fkey FOREIGN KEY (thread_id, user_id) REFERENCES email_threads (id, user_id)
        ON DELETE SET NULL (thread_id)
);
COMMENT ON TABLE emails IS 'Messages, each in the mailbox of one user';
COMMENT ON COLUMN emails.message_id IS 'The Message-ID header, unique in a mailbox';
COMMENT ON COLUMN emails.in_reply_to IS 'The In-Reply-To header: a message_id that need not be here';
COMMENT ON COLUMN emails.reference_ids IS 'The References header, oldest first';
COMMENT ON COLUMN emails.sent_at IS 'The Date header, which is what the sender says';
COMMENT ON COLUMN emails.received_at IS 'When the message came into the mailbox, or left it: the order of lists';
COMMENT ON COLUMN emails.status IS 'trash: thrown away by the user, who may take it back; deleted_at: gone';

CREATE INDEX emails_user_idx ON emails (user_id, received_at DESC, id DESC);
COMMENT ON INDEX emails_user_idx IS
    'Mail of an owner, newest first; statistics of a span; the foreign key, when a user is deleted';
CREATE INDEX emails_unread_idx ON emails (user_id, received_at DESC, id DESC)
    WHERE status = 'unread' AND deleted_at IS NULL;
COMMENT ON INDEX emails_unread_idx IS 'Unread mail of an owner, newest first, and how much there is';
CREATE INDEX emails_thread_idx ON emails (thread_id, received_at, id) WHERE thread_id IS NOT NULL;
COMMENT ON INDEX emails_thread_idx IS 'Messages of a thread in order; the foreign key, when a thread is deleted';
CREATE INDEX emails_references_idx ON emails USING gin (reference_ids);
COMMENT ON INDEX emails_references_idx IS 'Answers to a message that came before it, to join their threads';
CREATE INDEX emails_search_idx ON emails USING gin (search, labels);
COMMENT ON INDEX emails_search_idx IS 'Full text over subject and body; messages with a label; both at once';

CREATE TRIGGER emails_status_change BEFORE UPDATE OF status ON emails
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status AND (OLD.status, NEW.status) NOT IN (
        ('unread', 'read'), ('unread', 'replied'), ('unread', 'archived'), ('unread', 'spam'), ('unread', 'trash'),
        ('read', 'unread'), ('read', 'replied'), ('read', 'archived'), ('read', 'spam'), ('read', 'trash'),
        ('replied', 'archived'), ('replied', 'spam'), ('replied', 'trash'),
        ('archived', 'unread'), ('archived', 'read'), ('archived', 'replied'), ('archived', 'spam'),
        ('archived', 'trash'),
        ('spam', 'unread'), ('spam', 'read'), ('spam', 'trash'),
        ('trash', 'unread'), ('trash', 'read'), ('trash', 'replied'), ('trash', 'archived')))
    EXECUTE FUNCTION refuse_status_change();
CREATE TRIGGER emails_touch BEFORE UPDATE ON emails
    FOR EACH ROW WHEN (NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
    EXECUTE FUNCTION touch_updated_at();

CREATE TABLE email_participants (
    email_id uuid     NOT NULL REFERENCES emails ON DELETE CASCADE,
    role     text     NOT NULL CHECK (role IN ('from', 'to', 'cc', 'bcc', 'reply_to')),
    -- Order within the header, from 0.
    position smallint NOT NULL DEFAULT 0 CHECK (position >= 0),
    -- As written: headers in the wild hold addresses that no rule would let pass.
    address  text     NOT NULL CHECK (address <> '' AND octet_length(address) <= 998),
    name     text,
    -- Also serves the participants of a message, and the foreign key.
    PRIMARY KEY (email_id, role, position)
);
COMMENT ON TABLE email_participants IS 'Who sent a message and who got it, one row an address of a header';

CREATE INDEX email_participants_address_idx ON email_participants (lower(address));
COMMENT ON INDEX email_participants_address_idx IS 'Messages from or to an address';

CREATE TABLE email_attachments (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    email_id     uuid        NOT NULL REFERENCES emails ON DELETE CASCADE,
    filename     text,
    content_type text        NOT NULL DEFAULT 'application/octet-stream' CHECK (content_type <> ''),
    size_bytes   bigint      NOT NULL CHECK (size_bytes >= 0),
    sha256       bytea       CHECK (octet_length(sha256) = 32),
    content_id   text,
    inline       boolean     NOT NULL DEFAULT false,
    -- NULL: the content was not kept.
    storage_url  text,
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE email_attachments IS 'What is known of attachments; their content lies elsewhere';
COMMENT ON COLUMN email_attachments.content_id IS 'The Content-ID header, by which the HTML body refers to it';
COMMENT ON COLUMN email_attachments.inline IS 'Shown within the body rather than offered beside it';

CREATE INDEX email_attachments_email_idx ON email_attachments (email_id);
COMMENT ON INDEX email_attachments_email_idx IS 'Attachments of a message; the foreign key, when it is deleted';

-- BETWEEN also refuses NaN, which sorts above every number.
CREATE TABLE email_analysis (
    email_id    uuid             PRIMARY KEY REFERENCES emails ON DELETE CASCADE,
    sentiment   double precision CHECK (sentiment BETWEEN -1 AND 1),
    urgency     double precision CHECK (urgency BETWEEN 0 AND 1),
    importance  double precision CHECK (importance BETWEEN 0 AND 1),
    category    text             CHECK (category <> ''),
    summary     text,
    entities    jsonb            NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(entities) = 'array'),
    model       text             NOT NULL CHECK (model <> ''),
    analysed_at timestamptz      NOT NULL DEFAULT now()
);
COMMENT ON TABLE email_analysis IS 'Latest opinion of a model on a message; a score that is NULL was not asked for';
COMMENT ON COLUMN email_analysis.sentiment IS '-1: hostile; 0: neutral; 1: friendly';
