//! Whoever may change an audited table gets no rights of those who own the log, and the rights that docs/audit.md lists suffice.

use super::log::{drain, event, master, pool, verified};
use db_pool::{Pool, PoolConfig};
use db_security::audit::{Event, Search, record, status};
use db_testkit::{FreshDb, fresh_db};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions};
use std::num::NonZeroU32;

async fn run(conn: &mut PgConnection, sql: &str) {
    let done = conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn refused(conn: &mut PgConnection, sql: &str) -> String {
    let done = conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
    let error = done.err().unwrap_or_else(|| panic!("{sql} was allowed"));
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned()).unwrap_or_default()
}

/// A role that may log in, make a schema of its own and nothing else, as a connection of it; it goes with the test.
struct Role {
    name: String,
    options: PgConnectOptions,
}

impl Role {
    async fn new(db: &FreshDb, conn: &mut PgConnection) -> Self {
        let name = format!("r_{}", db.name());
        let word = format!("w{}", rand::random::<u64>());
        run(
            conn,
            &format!(
                "CREATE ROLE \"{name}\" LOGIN PASSWORD '{word}'; GRANT CREATE, TEMP ON DATABASE \"{}\" TO \"{name}\"",
                db.name()
            ),
        )
        .await;
        let options: PgConnectOptions = db.url().parse().expect("a URL");
        Self { options: options.username(&name).password(&word), name }
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect_with(&self.options).await.expect("connected")
    }

    async fn gone(self, conn: &mut PgConnection) {
        run(conn, &format!("DROP OWNED BY \"{0}\" CASCADE; DROP ROLE \"{0}\"", self.name)).await;
    }
}

async fn is_superuser(conn: &mut PgConnection, role: &Role) -> bool {
    sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = $1")
        .bind(&role.name)
        .fetch_one(conn)
        .await
        .expect("read")
}

/// A type whose cast to json gives whoever runs it away.
fn evil(role: &Role) -> String {
    format!(
        "CREATE SCHEMA m; CREATE TYPE m.evil AS ENUM ('x');
         CREATE FUNCTION m.f(m.evil) RETURNS json LANGUAGE plpgsql AS $$
         BEGIN EXECUTE 'ALTER ROLE \"{}\" SUPERUSER'; RETURN '\"x\"'; END $$;
         CREATE CAST (m.evil AS json) WITH FUNCTION m.f;
         CREATE CAST (m.evil AS text) WITH INOUT;
         CREATE TYPE m.both AS (v m.evil, n int); CREATE DOMAIN m.own AS m.evil;
         CREATE DOMAIN m.count AS int;",
        role.name
    )
}

async fn images(conn: &mut PgConnection, kind: &str) -> Vec<(String, Option<Value>)> {
    sqlx::query_as("SELECT action, new_values FROM audit_inbox WHERE entity_type = $1 AND entity_id ~ '^[0-9]+$' ORDER BY seq")
        .bind(kind)
        .fetch_all(conn)
        .await
        .expect("read")
}

#[tokio::test]
async fn a_role_with_no_rights_can_neither_forge_events_nor_borrow_those_of_the_logs_owner() {
    fresh_db(|db| async move {
        let mut admin = db.connect().await;
        let role = Role::new(&db, &mut admin).await;
        let mut conn = role.connect().await;
        run(&mut conn, &evil(&role)).await;
        run(&mut conn, "CREATE TEMP TABLE t (id int, v m.evil)").await;
        for function in
            ["audit_row_changed('payments', '{id}', '{}', '{}', 'null')", "audit_table_truncated('payments')"]
        {
            let each = if function.contains("row") { "INSERT ON t FOR EACH ROW" } else { "TRUNCATE ON t" };
            let sql = format!("CREATE TRIGGER x AFTER {each} EXECUTE FUNCTION public.{function}");
            assert_eq!(refused(&mut conn, &sql).await, "42501", "{sql}");
        }
        for sql in [
            "SELECT audit_enable_table('t', 't', '{}', '{}', NULL)",
            "SELECT audit_disable_table('t')",
            "SELECT audit_row_image(t, 't'::regclass) FROM t",
            "SELECT audit_claim_master_key('\\x00')",
        ] {
            assert_eq!(refused(&mut conn, sql).await, "42501", "{sql}");
        }
        assert!(!is_superuser(&mut admin, &role).await);
        conn.close().await.expect("closed");
        role.gone(&mut admin).await;
    })
    .await;
}

#[tokio::test]
async fn the_owner_of_an_audited_table_runs_nothing_with_the_rights_of_the_logs_owner() {
    fresh_db(|db| async move {
        let mut admin = db.connect().await;
        let role = Role::new(&db, &mut admin).await;
        let mut conn = role.connect().await;
        run(&mut conn, &evil(&role)).await;
        run(&mut conn, "CREATE TABLE m.own_table (id int PRIMARY KEY, n m.count)").await;
        run(&mut admin, "SELECT audit_enable_table('m.own_table', 'own', '{}', '{}', NULL)").await;
        run(&mut conn, "INSERT INTO m.own_table VALUES (1, 7)").await;
        // What the table gets after its audit began, as each kind of type there is.
        run(&mut conn, "ALTER TABLE m.own_table ADD v m.evil, ADD vs m.evil[], ADD b m.both, ADD d m.own")
            .await;
        const ALL: &str = "'x', '{x,NULL}', '(x,1)', 'x'";
        run(
            &mut conn,
            &format!("INSERT INTO m.own_table VALUES (2, 7, {ALL}), (3, NULL, NULL, NULL, NULL, NULL)"),
        )
        .await;
        let isolated = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO m.own_table VALUES (4, 7, {ALL}); COMMIT;
             BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE m.own_table SET v = NULL WHERE id = 4; COMMIT"
        );
        run(&mut conn, &isolated).await;
        run(&mut conn, "DELETE FROM m.own_table WHERE id = 2").await;
        assert!(!is_superuser(&mut admin, &role).await);
        let whole = |id: i64| json!({"id": id, "n": 7, "v": "x", "vs": "{x,NULL}", "b": "(x,1)", "d": "x"});
        let expected = [
            ("create".to_owned(), Some(json!({"id": 1, "n": 7}))),
            ("create".to_owned(), Some(whole(2))),
            (
                "create".to_owned(),
                Some(json!({"id": 3, "n": null, "v": null, "vs": null, "b": null, "d": null})),
            ),
            ("create".to_owned(), Some(whole(4))),
            ("update".to_owned(), Some(json!({"v": null}))),
            ("delete".to_owned(), None),
        ];
        assert_eq!(images(&mut admin, "own").await, expected);
        conn.close().await.expect("closed");
        run(&mut admin, "SELECT audit_disable_table('m.own_table')").await;
        role.gone(&mut admin).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_reads_an_old_catalogue_runs_nothing_either() {
    fresh_db(|db| async move {
        let mut admin = db.connect().await;
        let role = Role::new(&db, &mut admin).await;
        let (mut conn, mut old) = (role.connect().await, role.connect().await);
        run(&mut conn, &evil(&role)).await;
        run(&mut conn, "CREATE TABLE m.own_table (id int PRIMARY KEY, v int)").await;
        run(&mut admin, "SELECT audit_enable_table('m.own_table', 'own', '{}', '{}', NULL)").await;
        run(&mut conn, "ALTER TABLE m.own_table ALTER v TYPE m.evil USING 'x'").await;
        run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1").await;
        run(&mut conn, "ALTER TABLE m.own_table ADD w m.evil").await;
        let code = refused(&mut old, "INSERT INTO m.own_table VALUES (1, 'x', 'x')").await;
        assert_eq!(code, "40001", "a column that the transaction cannot see");
        run(&mut old, "ROLLBACK").await;
        run(&mut conn, "ALTER TABLE m.own_table DROP w, ALTER v TYPE int USING 1").await;
        run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1").await;
        run(&mut conn, "ALTER TABLE m.own_table ALTER v TYPE m.evil USING 'x'").await;
        run(&mut old, "INSERT INTO m.own_table VALUES (1, 'x'); COMMIT").await;
        assert!(!is_superuser(&mut admin, &role).await);
        assert_eq!(
            images(&mut admin, "own").await,
            [("create".to_owned(), Some(json!({"id": 1, "v": "x"})))]
        );
        conn.close().await.expect("closed");
        old.close().await.expect("closed");
        run(&mut admin, "SELECT audit_disable_table('m.own_table')").await;
        role.gone(&mut admin).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_json_but_not_jsonb_is_noted_as_text_and_its_write_goes_through() {
    fresh_db(|db| async move {
        let mut admin = db.connect().await;
        run(&mut admin, "CREATE TABLE docs (id int PRIMARY KEY, j json, js json[])").await;
        run(&mut admin, "SELECT audit_enable_table('docs', 'docs', '{}', '{}', NULL)").await;
        run(
            &mut admin,
            r#"INSERT INTO docs VALUES (1, '{"a": [1]}', ARRAY['1'::json]), (2, '{"a": "\u0000"}', NULL), (3, NULL, ARRAY['[1e400000]'::json])"#,
        )
        .await;
        let expected = [
            ("create".to_owned(), Some(json!({"id": 1, "j": {"a": [1]}, "js": [1]}))),
            ("create".to_owned(), Some(json!({"id": 2, "j": "{\"a\": \"\\u0000\"}", "js": null}))),
            ("create".to_owned(), Some(json!({"id": 3, "j": null, "js": "{[1e400000]}"}))),
        ];
        assert_eq!(images(&mut admin, "docs").await, expected);
    })
    .await;
}

async fn pool_of(role: &Role) -> Pool {
    let config = PoolConfig::new(role.options.clone()).max_size(NonZeroU32::MIN);
    Pool::connect(&config).await.expect("connected")
}

/// The statements of docs/audit.md under "Rights", for one role.
fn documented(role: &str, to: &str) -> String {
    let text = include_str!("../../../../../docs/audit.md");
    let sql = text.split("```sql").nth(1).and_then(|text| text.split("```").next()).expect("statements");
    let statements =
        sql.split(';').filter(|statement| statement.trim_end().ends_with(&format!(" TO {role}")));
    statements
        .map(|statement| statement.replace(&format!(" TO {role}"), &format!(" TO \"{to}\"; ")))
        .collect()
}

#[tokio::test]
async fn the_documented_rights_suffice_and_give_nothing_else() {
    fresh_db(|db| async move {
        let mut admin = db.connect().await;
        let owners = pool(&db).await;
        let role = Role::new(&db, &mut admin).await;
        run(&mut admin, &documented("app", &role.name)).await;
        let app = pool_of(&role).await;
        let mut tx = app.begin().await.expect("begun");
        let about = Event::new("a", "t").personal("u1", json!({"email": "a@example.org"}));
        record(&mut tx, Some(&master()), about).await.expect("recorded");
        record(&mut tx, Some(&master()), event(1)).await.expect("recorded");
        let row = "INSERT INTO audit_logs (entity_type, entity_id, action) VALUES ('t', '1', 'a') RETURNING id IS NOT NULL AND created_at IS NOT NULL";
        let is_told: bool = sqlx::query_scalar(row).fetch_one(&mut *tx).await.expect("inserted");
        assert!(is_told);
        tx.commit().await.expect("committed");
        let mut conn = role.connect().await;
        for sql in [
            "SELECT FROM audit_tree FOR UPDATE",
            "UPDATE audit_tree SET master_key_check = '\\x00'",
            "SELECT FROM audit_inbox",
            "SELECT FROM audit_events",
            "INSERT INTO audit_inbox (action, entity_type, database_user) VALUES ('a', 't', 'x')",
            "INSERT INTO audit_keys (id, subject, erased_at) VALUES (gen_random_uuid(), 's', now())",
            "DELETE FROM audit_keys",
        ] {
            assert_eq!(refused(&mut conn, sql).await, "42501", "{sql}");
        }
        run(&mut conn, &format!("SELECT audit_claim_master_key('\\x{}')", "00".repeat(32))).await;
        conn.close().await.expect("closed");
        drop(app);
        drain(&owners).await;
        let verdict = verified(&owners).await;
        assert!(verdict.is_sound() && verdict.events == 3 && verdict.personal == 1, "{verdict:?}");
        run(&mut admin, &format!("DROP OWNED BY \"{}\"", role.name)).await;
        run(&mut admin, &documented("auditor", &role.name)).await;
        let auditor = pool_of(&role).await;
        assert!(verified(&auditor).await.is_sound());
        let mut lease = auditor.acquire().await.expect("a lease");
        assert_eq!(Search::new().page(&mut lease, None).await.expect("found").events.len(), 3);
        assert_eq!(status(&mut lease).await.expect("read").size, 3);
        drop(lease);
        drop(auditor);
        role.gone(&mut admin).await;
    })
    .await;
}
