//! One row of each table at least, for tests that ask what becomes of rows.

use crate::run;
use sqlx::PgConnection;

/// A pending task with a pending execution, a measured file, and what else goes with nothing.
const CORE: &str = "
INSERT INTO tasks (title) VALUES ('t');
INSERT INTO task_executions (task_id, agent_type) SELECT id, 'codegen' FROM tasks;
INSERT INTO pr_validations (task_id, execution_id, pr_number, repository)
SELECT task_id, id, 1, 'a/b' FROM task_executions;
INSERT INTO system_config (key, value) VALUES ('pool.size', '7');
INSERT INTO code_analysis (root, file_path, package, size_bytes, modified_ns, lines, code, comments, blanks,
    functions, max_nesting, complexity, max_complexity, method)
VALUES ('/r', 'f', 'p', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'text');";

/// Ada has everything.
const USERS: &str = "
INSERT INTO users (email, username, password_hash, last_login_at)
VALUES ('Ada@Example.org', 'ada', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA', now());
INSERT INTO user_profiles (user_id, display_name, locale) SELECT id, 'Ada', 'en-GB' FROM users;
INSERT INTO user_sessions (user_id, token_hash, expires_at, ip)
SELECT id, sha256('token'), now() + interval '1 h', '::1' FROM users;
INSERT INTO user_preferences (user_id, key, value) SELECT id, 'theme', '\"dark\"' FROM users;
INSERT INTO security_events (event_type, user_id, source_ip) SELECT 'login_failed', id, '::1' FROM users;";

/// One message in one thread, with the scores at their bounds.
const MAIL: &str = "
INSERT INTO email_threads (user_id, subject, message_count) SELECT id, 'Meeting', 1 FROM users;
INSERT INTO emails (user_id, thread_id, message_id, reference_ids, subject, body_text, direction, labels, size_bytes)
SELECT user_id, id, '<1@example.org>', '{<0@example.org>}', subject, 'Shall we meet on Monday?', 'inbound',
       '{inbox}', 0 FROM email_threads;
INSERT INTO email_participants (email_id, role, address)
SELECT id, role, 'Bob@Example.org' FROM emails, unnest('{from,to,cc,bcc,reply_to}'::text[]) AS role;
INSERT INTO email_attachments (email_id, size_bytes, sha256) SELECT id, 0, sha256('') FROM emails;
INSERT INTO email_analysis (email_id, sentiment, urgency, importance, category, model)
SELECT id, -1, 0, 1, 'work', 'm' FROM emails;";

/// One question, one source, one result, one entry.
const RESEARCH: &str = "
INSERT INTO research_queries (query_text, requested_by) VALUES ('machine learning trends', 'ada');
INSERT INTO research_sources (url, credibility) VALUES ('https://example.org/a', 1);
INSERT INTO research_results (query_id, source_id, title, relevance, confidence, rank)
SELECT research_queries.id, research_sources.id, 'A survey', 0, 1, 1 FROM research_queries, research_sources;
INSERT INTO knowledge_entries (topic, title, content, tags, confidence)
VALUES ('learning', 'Trends', 'Models grow.', '{ml}', 0.5);
INSERT INTO knowledge_entry_sources
SELECT knowledge_entries.id, research_sources.id FROM knowledge_entries, research_sources;";

/// One agent, what it measured, decided and learned, and its plan of two steps for the task.
const AGENTS: &str = "
INSERT INTO agents (name, kind, capabilities) VALUES ('gmail_001', 'gmail', '{fetch}');
INSERT INTO agent_metrics (agent_id, name, value, unit) SELECT id, 'load', 0.5, '1' FROM agents;
INSERT INTO decisions (agent_id, task_id, decision_type, chosen, confidence)
SELECT agents.id, tasks.id, 'route', 'a', 1 FROM agents, tasks;
INSERT INTO plans (agent_id, task_id, goal) SELECT agents.id, tasks.id, 'answer' FROM agents, tasks;
INSERT INTO plan_steps (plan_id, position, title) SELECT id, 1, 'read' FROM plans;
INSERT INTO plan_steps (plan_id, position, title, depends_on) SELECT id, 2, 'write', '{1}' FROM plans;
INSERT INTO learning_events (agent_id, task_id, event_type, reward)
SELECT agents.id, tasks.id, 'reply', -1.5 FROM agents, tasks;
INSERT INTO learning_patterns (pattern_type, name, confidence) VALUES ('time', 'mondays', 0);";

pub(crate) async fn one_of_each(conn: &mut PgConnection) {
    for rows in [CORE, USERS, MAIL, RESEARCH, AGENTS] {
        run(conn, rows).await;
    }
}
