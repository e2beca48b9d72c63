//! Of PostgreSQL's own functions those may be called that work with what they are given and nothing else.

use super::{Place, no_values, refused_by_rules, who};
use db_security::access::{Mode, Refusal};
use db_testkit::empty_db;

/// Calls of functions that show or change what others share, or who asks.
const CLOSED: &[&str] = &[
    "SELECT statement FROM pg_prepared_statement()",
    "SELECT * FROM pg_cursor()",
    "SELECT pg_notify('cairn_tasks', 'x')",
    "SELECT * FROM pg_listening_channels()",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock(1)",
    "SELECT pg_sleep(10)",
    "SELECT pg_cancel_backend(1)",
    "SELECT query FROM pg_stat_get_activity(NULL)",
    "SELECT * FROM pg_lock_status()",
    "SELECT pg_export_snapshot()",
    "SELECT pg_relation_size('links')",
    "SELECT pg_get_viewdef('shown')",
    "SELECT nextval('links_id_seq')",
    "SELECT currval('links_id_seq')",
    "SELECT lastval()",
    "SELECT pg_sequence_last_value('links_id_seq')",
    "SELECT setseed(0.5)",
    "SELECT lo_create(0)",
    "SELECT lo_get(1)",
    "SELECT loread(1, 1)",
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT set_config('a.b', 'c', false)",
    "SELECT txid_current()",
    "SELECT has_table_privilege('links', 'SELECT')",
    "SELECT current_query()",
];

const OPEN: &[&str] = &[
    "SELECT now(), clock_timestamp(), random(), gen_random_uuid(), version(), current_setting('cairn.subject.who')",
    "SELECT count(*), max(id), string_agg(note, ','), json_agg(note), array_agg(id) FROM items",
    "SELECT lower(note), length(note), to_char(due, 'YYYY'), date_trunc('day', due), extract(year FROM due) FROM items",
    "SELECT to_jsonb(items), row_to_json(items), jsonb_build_object('a', id), concat(note, 'x'), format('%s', id) FROM items",
    "SELECT to_tsvector('simple', note) @@ plainto_tsquery('simple', 'a') FROM items",
    "SELECT * FROM generate_series(1, 3), unnest(ARRAY[1, 2]), jsonb_each('{}'), regexp_split_to_table('a b', ' ')",
    "SELECT coalesce(note, ''), substring(note FROM 1 FOR 2), trim(note), now() - interval '1 day' FROM items",
    "SELECT rank() OVER (ORDER BY id), lag(id) OVER (ORDER BY id) FROM items",
];

#[tokio::test]
async fn what_works_with_nothing_but_its_arguments_is_open() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let ann = who(&guard, &place, "ann");
        for text in CLOSED {
            let error = ann.run_sql(text, no_values()).none().await.expect_err(text);
            assert!(matches!(refused_by_rules(&error), Refusal::Sly { .. }), "{text}: {error}");
        }
        for text in OPEN {
            let run = ann.run_sql(text, no_values()).none().await;
            run.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
