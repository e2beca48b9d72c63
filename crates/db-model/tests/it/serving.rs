//! Every index serves the query that its comment names, in the order that the query wants.

use crate::run;
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, PgConnection};

/// An index, and a query that it serves. `KEY` stands for a key, and `PAGE` for the end of the page before.
const SERVED: &[(&str, &str)] = &[
    ("tasks_created_idx", "tasks WHERE (created_at, id) < PAGE ORDER BY created_at DESC, id DESC"),
    ("cache_invalidations_txid_idx", "cache_invalidations WHERE txid >= '7'"),
    (
        "cache_invalidations_unapplied_idx",
        "cache_invalidations WHERE applied_at IS NULL AND made_at < now() ORDER BY made_at",
    ),
    ("cache_entries_expires_idx", "cache_entries WHERE expires_at <= now() ORDER BY expires_at"),
    ("tasks_failed_idx", "tasks WHERE status = 'failed' ORDER BY completed_at DESC, id DESC"),
    ("tasks_assigned_idx", "tasks WHERE assigned_to = KEY ORDER BY created_at DESC"),
    ("tasks_parent_idx", "tasks WHERE parent_task_id = KEY"),
    (
        "tasks_claim_idx",
        "tasks WHERE queue = KEY AND status = 'pending' AND waiting_on = 0 AND run_after <= now()
         ORDER BY priority DESC, run_after, id",
    ),
    (
        "tasks_lease_idx",
        "tasks WHERE status = 'in_progress' AND lease_expires_at < now() ORDER BY lease_expires_at",
    ),
    ("tasks_active_idx", "tasks WHERE status IN ('pending', 'in_progress') ORDER BY queue, status"),
    (
        "tasks_unique_key_idx",
        "tasks WHERE queue = KEY AND unique_key = 'k' AND status IN ('pending', 'in_progress')",
    ),
    ("task_dependencies_depends_on_idx", "task_dependencies WHERE depends_on = KEY"),
    ("task_executions_task_idx", "task_executions WHERE task_id = KEY ORDER BY attempt"),
    (
        "task_executions_open_idx",
        "task_executions WHERE status IN ('pending', 'running') AND created_at < now() ORDER BY created_at",
    ),
    ("task_executions_created_idx", "task_executions WHERE created_at > now() ORDER BY created_at DESC"),
    (
        "pr_validations_pr_idx",
        "pr_validations WHERE repository = KEY AND pr_number = 1 ORDER BY created_at DESC",
    ),
    ("pr_validations_task_idx", "pr_validations WHERE task_id = KEY"),
    ("pr_validations_execution_idx", "pr_validations WHERE execution_id = KEY"),
    ("error_logs_created_idx", "error_logs WHERE (created_at, id) < PAGE ORDER BY created_at DESC, id DESC"),
    ("error_logs_open_idx", "error_logs WHERE error_type = 'api' AND NOT resolved ORDER BY created_at DESC"),
    ("error_logs_task_idx", "error_logs WHERE task_id = KEY"),
    ("error_logs_execution_idx", "error_logs WHERE execution_id = KEY"),
    ("audit_inbox_txid_idx", "audit_inbox WHERE txid >= '7'"),
    ("audit_keys_subject_idx", "audit_keys WHERE subject = KEY AND wrapped IS NOT NULL"),
    ("audit_keys_erased_idx", "audit_keys WHERE subject = KEY AND wrapped IS NULL ORDER BY erased_at DESC"),
    ("audit_events_id_idx", "audit_events WHERE id = KEY"),
    (
        "audit_events_occurred_idx",
        "audit_events WHERE (occurred_at, id) < PAGE ORDER BY occurred_at DESC, id DESC",
    ),
    (
        "audit_events_entity_idx",
        "audit_events WHERE entity_type = 't' AND entity_id = KEY ORDER BY occurred_at DESC, id DESC",
    ),
    ("audit_events_actor_idx", "audit_events WHERE actor = KEY ORDER BY occurred_at DESC, id DESC"),
    ("audit_events_action_idx", "audit_events WHERE action = KEY ORDER BY occurred_at DESC, id DESC"),
    ("audit_events_subject_idx", "audit_events WHERE subject = KEY ORDER BY occurred_at DESC, id DESC"),
    ("code_analysis_top_idx", "code_analysis WHERE root = KEY ORDER BY complexity DESC, file_path"),
    ("code_analysis_task_idx", "code_analysis WHERE task_id = KEY"),
    ("users_email_idx", "users WHERE lower(email) = lower('A') AND deleted_at IS NULL"),
    ("users_username_idx", "users WHERE lower(username) = lower('A') AND deleted_at IS NULL"),
    (
        "users_created_idx",
        "users WHERE deleted_at IS NULL AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    (
        "user_sessions_user_idx",
        "user_sessions WHERE user_id = KEY AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    ("user_sessions_expires_idx", "user_sessions WHERE expires_at < now()"),
    (
        "email_threads_user_idx",
        "email_threads WHERE user_id = KEY AND deleted_at IS NULL AND (last_message_at, id) < PAGE
         ORDER BY last_message_at DESC, id DESC",
    ),
    (
        "emails_user_idx",
        "emails WHERE user_id = KEY AND deleted_at IS NULL AND (received_at, id) < PAGE
         ORDER BY received_at DESC, id DESC",
    ),
    (
        "emails_unread_idx",
        "emails WHERE user_id = KEY AND status = 'unread' AND deleted_at IS NULL AND (received_at, id) < PAGE
         ORDER BY received_at DESC, id DESC",
    ),
    ("emails_thread_idx", "emails WHERE thread_id = KEY ORDER BY received_at, id"),
    ("emails_references_idx", "emails WHERE reference_ids @> '{a}'"),
    ("emails_search_idx", "emails WHERE search @@ websearch_to_tsquery('english', 'a')"),
    ("emails_search_idx", "emails WHERE labels @> '{inbox}'"),
    ("email_participants_address_idx", "email_participants WHERE lower(address) = lower('A')"),
    ("email_attachments_email_idx", "email_attachments WHERE email_id = KEY"),
    (
        "research_queries_created_idx",
        "research_queries WHERE deleted_at IS NULL AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    (
        "research_queries_requested_idx",
        "research_queries WHERE requested_by = 'ada' AND deleted_at IS NULL AND (created_at, id) < PAGE
         ORDER BY created_at DESC, id DESC",
    ),
    (
        "research_queries_open_idx",
        "research_queries WHERE status IN ('pending', 'in_progress') AND deleted_at IS NULL ORDER BY created_at, id",
    ),
    (
        "research_queries_open_idx",
        "research_queries WHERE status = 'pending' AND deleted_at IS NULL ORDER BY created_at, id",
    ),
    ("research_queries_search_idx", "research_queries WHERE search @@ websearch_to_tsquery('english', 'a')"),
    (
        "research_sources_created_idx",
        "research_sources WHERE (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    ("research_sources_open_idx", "research_sources WHERE validated_at IS NULL ORDER BY created_at, id"),
    ("research_results_query_idx", "research_results WHERE query_id = KEY ORDER BY rank, id"),
    ("research_results_source_idx", "research_results WHERE source_id = KEY"),
    ("research_results_search_idx", "research_results WHERE search @@ websearch_to_tsquery('english', 'a')"),
    (
        "knowledge_entries_created_idx",
        "knowledge_entries WHERE deleted_at IS NULL AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    (
        "knowledge_entries_topic_idx",
        "knowledge_entries WHERE topic = 'a' AND deleted_at IS NULL AND (created_at, id) < PAGE
         ORDER BY created_at DESC, id DESC",
    ),
    ("knowledge_entries_supersedes_idx", "knowledge_entries WHERE supersedes = KEY"),
    (
        "knowledge_entries_search_idx",
        "knowledge_entries WHERE search @@ websearch_to_tsquery('english', 'a')",
    ),
    ("knowledge_entries_search_idx", "knowledge_entries WHERE tags @> '{ml}'"),
    ("knowledge_entry_sources_source_idx", "knowledge_entry_sources WHERE source_id = KEY"),
    ("agents_name_idx", "agents WHERE name = 'a' AND deleted_at IS NULL"),
    (
        "agents_created_idx",
        "agents WHERE deleted_at IS NULL AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    (
        "agent_metrics_series_idx",
        "agent_metrics WHERE agent_id = KEY AND name = 'a' AND (recorded_at, id) < ('2030-01-01', 7)
         ORDER BY recorded_at DESC, id DESC",
    ),
    ("agent_metrics_recorded_idx", "agent_metrics WHERE recorded_at < '2030-01-01'"),
    ("decisions_decided_idx", "decisions WHERE (decided_at, id) < PAGE ORDER BY decided_at DESC, id DESC"),
    ("decisions_open_idx", "decisions WHERE status = 'pending' ORDER BY decided_at, id"),
    (
        "decisions_agent_idx",
        "decisions WHERE agent_id = KEY AND (decided_at, id) < PAGE ORDER BY decided_at DESC, id DESC",
    ),
    ("decisions_task_idx", "decisions WHERE task_id = KEY"),
    (
        "plans_created_idx",
        "plans WHERE deleted_at IS NULL AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    ("plans_task_idx", "plans WHERE task_id = KEY AND deleted_at IS NULL ORDER BY created_at DESC, id DESC"),
    (
        "plans_agent_idx",
        "plans WHERE agent_id = KEY AND deleted_at IS NULL AND (created_at, id) < PAGE
         ORDER BY created_at DESC, id DESC",
    ),
    (
        "learning_events_type_idx",
        "learning_events WHERE event_type = 'a' AND (occurred_at, id) < PAGE ORDER BY occurred_at DESC, id DESC",
    ),
    (
        "learning_events_occurred_idx",
        "learning_events WHERE (occurred_at, id) < PAGE ORDER BY occurred_at DESC, id DESC",
    ),
    (
        "learning_events_agent_idx",
        "learning_events WHERE agent_id = KEY AND (occurred_at, id) < PAGE ORDER BY occurred_at DESC, id DESC",
    ),
    ("learning_events_task_idx", "learning_events WHERE task_id = KEY"),
    (
        "learning_patterns_active_idx",
        "learning_patterns WHERE pattern_type = 'a' AND active ORDER BY confidence DESC, id DESC",
    ),
    (
        "security_events_created_idx",
        "security_events WHERE (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
    (
        "security_events_open_idx",
        "security_events WHERE resolved_at IS NULL AND severity = 'high' AND (created_at, id) < PAGE
         ORDER BY created_at DESC, id DESC",
    ),
    (
        "security_events_user_idx",
        "security_events WHERE user_id = KEY AND (created_at, id) < PAGE ORDER BY created_at DESC, id DESC",
    ),
];

const KEY: &str = "'00000000-0000-0000-0000-000000000001'";

async fn plan(conn: &mut PgConnection, query: &str) -> String {
    let query = query.replace("KEY", KEY).replace("PAGE", &format!("('2030-01-01', {KEY})"));
    let sql = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) SELECT * FROM {query}"));
    let lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(conn).await.expect("a plan");
    lines.join("\n")
}

#[tokio::test]
async fn every_index_serves_its_query() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        // An index of a few pages wins where the table has many.
        run(
            &mut conn,
            "INSERT INTO agents (name, kind) VALUES ('a', 'a');
             INSERT INTO agent_metrics (agent_id, name, value, recorded_at)
             SELECT id, 'load', 0, now() - n * interval '1 s' FROM agents, generate_series(1, 10000) AS n;
             ANALYZE agent_metrics",
        )
        .await;
        // A partition's indexes have names of its own: here, those of the table's and some more.
        run(
            &mut conn,
            "CREATE TABLE audit_events_all PARTITION OF audit_events FOR VALUES FROM ('2000-01-01') TO ('2100-01-01');
             DO $$ DECLARE own text; whole text; BEGIN
                 FOR own, whole IN SELECT inhrelid::regclass, inhparent::regclass FROM pg_inherits
                     WHERE inhparent::regclass::text LIKE 'audit_events_%_idx' LOOP
                     EXECUTE format('ALTER INDEX %s RENAME TO %s', own, whole || '_of_all');
                 END LOOP;
             END $$",
        )
        .await;
        // The other tables are empty, so the planner is told not to take the easy way.
        for setting in ["enable_seqscan", "enable_sort", "enable_incremental_sort"] {
            let sql = AssertSqlSafe(format!("SET {setting} = off"));
            sqlx::raw_sql(sql).execute(&mut conn).await.expect("a setting");
        }
        for (index, query) in SERVED {
            let plan = plan(&mut conn, query).await;
            let sought: String = plan.lines().filter(|line| line.contains("Index Cond: ")).collect();
            assert!(plan.contains(&format!(" {index}")), "{index} does not serve {query}:\n{plan}");
            assert!(!plan.contains("Sort"), "{index} does not give the order of {query}:\n{plan}");
            assert!(
                !query.contains("PAGE") || sought.contains("ROW("),
                "{index} does not find the page:\n{plan}"
            );
            assert!(!query.contains("KEY") || sought.contains(KEY), "{index} does not find the key:\n{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn no_index_is_left_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let indexes: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
             WHERE relnamespace = 'public'::regnamespace AND indrelid::regclass::text NOT LIKE 'db_migrations%'
             AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1",
        )
        .fetch_all(&mut conn)
        .await
        .expect("the catalogue can be read");
        let left: Vec<_> =
            indexes.iter().filter(|index| !SERVED.iter().any(|(served, _)| served == index)).collect();
        assert!(left.is_empty(), "{left:#?}");
    })
    .await;
}
