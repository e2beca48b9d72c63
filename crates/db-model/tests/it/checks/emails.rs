//! Threads, messages, participants, attachments, analyses.

use super::Refused;

pub(super) const REFUSED: Refused = &[
    ("email_threads_user_id_fkey", "INSERT INTO email_threads (user_id) VALUES (gen_random_uuid())"),
    // It says nothing that the primary key does not, but the foreign key of emails rests on it.
    (
        "email_threads_owner_key",
        "ALTER TABLE email_threads DROP CONSTRAINT email_threads_pkey;
         INSERT INTO email_threads (id, user_id) SELECT id, user_id FROM email_threads",
    ),
    ("email_threads_status_check", "UPDATE email_threads SET status = 'unread'"),
    ("email_threads_message_count_check", "UPDATE email_threads SET message_count = -1"),
    ("email_threads_span_check", "UPDATE email_threads SET last_message_at = first_message_at - interval '1 s'"),
    ("email_threads_version_check", "UPDATE email_threads SET version = 0"),
    ("emails_user_id_fkey", "UPDATE emails SET thread_id = NULL, user_id = gen_random_uuid()"),
    ("emails_thread_fkey", "UPDATE emails SET thread_id = gen_random_uuid()"),
    // A message stays out of the threads of other owners.
    (
        "emails_thread_fkey",
        "WITH other AS (INSERT INTO users (email) VALUES ('b@example.org') RETURNING id)
         UPDATE emails SET user_id = other.id FROM other",
    ),
    (
        "emails_message_key",
        "INSERT INTO emails (user_id, message_id, direction) SELECT user_id, message_id, direction FROM emails",
    ),
    (
        "emails_message_key",
        "UPDATE emails SET deleted_at = now();
         INSERT INTO emails (user_id, message_id, direction) SELECT user_id, message_id, direction FROM emails",
    ),
    ("emails_message_id_check", "UPDATE emails SET message_id = ''"),
    ("emails_message_id_check", "UPDATE emails SET message_id = repeat('m', 999)"),
    ("emails_reference_ids_check", "UPDATE emails SET reference_ids = '{a,NULL}'"),
    ("emails_reference_ids_check", "UPDATE emails SET reference_ids = array_fill('m'::text, '{101}')"),
    ("emails_direction_check", "UPDATE emails SET direction = 'sideways'"),
    ("emails_status_check", "UPDATE emails SET status = 'deleted'"),
    ("emails_priority_check", "UPDATE emails SET priority = 'medium'"),
    ("emails_labels_check", "UPDATE emails SET labels = '{NULL}'"),
    ("emails_size_bytes_check", "UPDATE emails SET size_bytes = -1"),
    ("emails_version_check", "UPDATE emails SET version = 0"),
    (
        "email_participants_pkey",
        "INSERT INTO email_participants (email_id, role, address) SELECT id, 'to', 'c@example.org' FROM emails",
    ),
    ("email_participants_email_id_fkey", "UPDATE email_participants SET email_id = gen_random_uuid()"),
    ("email_participants_role_check", "UPDATE email_participants SET role = 'sender' WHERE role = 'from'"),
    ("email_participants_position_check", "UPDATE email_participants SET position = -1"),
    ("email_participants_address_check", "UPDATE email_participants SET address = ''"),
    ("email_participants_address_check", "UPDATE email_participants SET address = repeat('a', 999)"),
    ("email_attachments_email_id_fkey", "UPDATE email_attachments SET email_id = gen_random_uuid()"),
    ("email_attachments_content_type_check", "UPDATE email_attachments SET content_type = ''"),
    ("email_attachments_size_bytes_check", "UPDATE email_attachments SET size_bytes = -1"),
    ("email_attachments_sha256_check", "UPDATE email_attachments SET sha256 = 'e3b0c442'"),
    ("email_analysis_pkey", "INSERT INTO email_analysis (email_id, model) SELECT id, 'm' FROM emails"),
    ("email_analysis_email_id_fkey", "UPDATE email_analysis SET email_id = gen_random_uuid()"),
    ("email_analysis_sentiment_check", "UPDATE email_analysis SET sentiment = -1.01"),
    ("email_analysis_sentiment_check", "UPDATE email_analysis SET sentiment = 1.01"),
    ("email_analysis_sentiment_check", "UPDATE email_analysis SET sentiment = 'NaN'"),
    ("email_analysis_urgency_check", "UPDATE email_analysis SET urgency = -0.01"),
    ("email_analysis_urgency_check", "UPDATE email_analysis SET urgency = 1.01"),
    ("email_analysis_importance_check", "UPDATE email_analysis SET importance = -0.01"),
    ("email_analysis_importance_check", "UPDATE email_analysis SET importance = 1.01"),
    ("email_analysis_category_check", "UPDATE email_analysis SET category = ''"),
    ("email_analysis_entities_check", "UPDATE email_analysis SET entities = '{}'"),
    ("email_analysis_model_check", "UPDATE email_analysis SET model = ''"),
];
