//! What a snapshot sees: each kind of change, and that it is gone when the change is undone.

use db_migrate::schema::{ColumnOrder, Privileges, Snapshot, SnapshotOptions, diff, snapshot};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection};

const BASE: &str = "
    CREATE SCHEMA other;
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE other.parent (id int PRIMARY KEY);
    CREATE TABLE \"Odd.\"\"name\" (\"a column\" int);
    CREATE TABLE t (id int PRIMARY KEY, a int, b text, mood mood, parent int, at timestamptz);
    CREATE INDEX t_a ON t (a);
    CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE VIEW v AS SELECT id, a FROM t;
    CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM t;
    CREATE SEQUENCE s;
    CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT x';
    CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER tt BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf();
    CREATE POLICY p ON t USING (id > 0);
    COMMENT ON TABLE t IS E'several\\nlines: of it';
";

/// A change, the change that undoes it, and what the differences must speak of.
const CHANGES: &[(&str, &str, &str)] = &[
    ("CREATE SCHEMA more", "DROP SCHEMA more", "schema more is extra"),
    ("CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm", "extension pg_trgm is extra"),
    ("CREATE TABLE n (id int, x text)", "DROP TABLE n", "table public.n is extra"),
    ("CREATE UNLOGGED TABLE n ()", "DROP TABLE n", "table public.n is extra"),
    (
        "ALTER TABLE t SET UNLOGGED",
        "ALTER TABLE t SET LOGGED",
        "table public.t: unlogged was not set, is yes",
    ),
    ("ALTER TABLE t RENAME TO n", "ALTER TABLE n RENAME TO t", "table public.t is missing"),
    ("ALTER TABLE t SET SCHEMA other", "ALTER TABLE other.t SET SCHEMA public", "table other.t is extra"),
    (
        "ALTER TABLE t SET (fillfactor = 70)",
        "ALTER TABLE t RESET (fillfactor)",
        "options was not set, is fillfactor=70",
    ),
    (
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t DISABLE ROW LEVEL SECURITY",
        "row security was not set",
    ),
    ("ALTER TABLE t FORCE ROW LEVEL SECURITY", "ALTER TABLE t NO FORCE ROW LEVEL SECURITY", "is forced"),
    (
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "ALTER TABLE t REPLICA IDENTITY DEFAULT",
        "replica identity was not set, is full",
    ),
    (
        "ALTER TABLE parts DETACH PARTITION parts_1",
        "ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        "bound was FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'), is not set",
    ),
    (
        "ALTER TABLE t INHERIT other.parent",
        "ALTER TABLE t NO INHERIT other.parent",
        "inherits was not set, is other.parent",
    ),
    ("ALTER TABLE t ADD c int", "ALTER TABLE t DROP c", "column public.t.c is extra"),
    ("ALTER TABLE t RENAME a TO c", "ALTER TABLE t RENAME c TO a", "column public.t.a is missing"),
    (
        "ALTER TABLE t ALTER parent TYPE bigint",
        "ALTER TABLE t ALTER parent TYPE int",
        "type was integer, is bigint",
    ),
    (
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ALTER a DROP NOT NULL",
        "column public.t.a: not null was not set, is yes",
    ),
    (
        "ALTER TABLE t ALTER a SET DEFAULT 5",
        "ALTER TABLE t ALTER a DROP DEFAULT",
        "default was not set, is 5",
    ),
    (
        "ALTER TABLE t ALTER at SET DEFAULT '2026-01-02 03:04+00'",
        "ALTER TABLE t ALTER at DROP DEFAULT",
        "is '2026-01-02 03:04:00+00'::timestamp with time zone",
    ),
    (
        "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE t ALTER id DROP IDENTITY",
        "identity was not set, is always",
    ),
    (
        "ALTER TABLE t ADD g int GENERATED ALWAYS AS (a * 2) STORED",
        "ALTER TABLE t DROP g",
        "column public.t.g is extra",
    ),
    (
        "ALTER TABLE t ALTER b TYPE text COLLATE \"C\"",
        "ALTER TABLE t ALTER b TYPE text",
        "collation was not set",
    ),
    (
        "ALTER TABLE t ALTER b SET STORAGE EXTERNAL",
        "ALTER TABLE t ALTER b SET STORAGE EXTENDED",
        "storage was not set, is external",
    ),
    (
        "ALTER TABLE t ALTER a SET STATISTICS 500",
        "ALTER TABLE t ALTER a SET STATISTICS -1",
        "statistics was not set, is 500",
    ),
    (
        "ALTER TABLE t ALTER a SET (n_distinct = 5)",
        "ALTER TABLE t ALTER a RESET (n_distinct)",
        "is n_distinct=5",
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID",
        "ALTER TABLE t DROP CONSTRAINT k",
        "constraint public.t.k is extra",
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (parent) REFERENCES other.parent",
        "ALTER TABLE t DROP CONSTRAINT k",
        "constraint public.t.k is extra",
    ),
    ("CREATE INDEX i ON t (b)", "DROP INDEX i", "index public.i is extra"),
    (
        "ALTER TABLE t CLUSTER ON t_a",
        "ALTER TABLE t SET WITHOUT CLUSTER",
        "index public.t_a: clustered was not set, is yes",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a'::regclass",
        "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 't_a'::regclass",
        "index public.t_a: valid was not set, is no",
    ),
    ("CREATE STATISTICS st ON a, b FROM t", "DROP STATISTICS st", "statistics public.st is extra"),
    (
        "CREATE OR REPLACE VIEW v AS SELECT id, a + 1 AS a FROM t",
        "CREATE OR REPLACE VIEW v AS SELECT id, a FROM t",
        "view public.v: definition was",
    ),
    (
        "REFRESH MATERIALIZED VIEW mv WITH NO DATA",
        "REFRESH MATERIALIZED VIEW mv",
        "populated was not set, is no",
    ),
    ("ALTER SEQUENCE s INCREMENT 5", "ALTER SEQUENCE s INCREMENT 1", "increment was 1, is 5"),
    (
        "ALTER SEQUENCE s OWNED BY t.a",
        "ALTER SEQUENCE s OWNED BY NONE",
        "owned by was not set, is public.t.a",
    ),
    (
        "CREATE OR REPLACE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT x + 1'",
        "CREATE OR REPLACE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT x'",
        "function public.f(integer): definition was",
    ),
    ("ALTER FUNCTION f IMMUTABLE", "ALTER FUNCTION f VOLATILE", "function public.f(integer): definition was"),
    ("CREATE PROCEDURE pr() LANGUAGE sql AS ''", "DROP PROCEDURE pr", "procedure public.pr() is extra"),
    (
        "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int)",
        "DROP AGGREGATE total (int)",
        "aggregate public.total(integer) is extra",
    ),
    (
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "DROP OPERATOR === (int, int)",
        "operator public.===(integer,integer) is extra",
    ),
    (
        "CREATE CAST (pair AS text) WITH INOUT",
        "DROP CAST (pair AS text)",
        "cast public.pair AS text is extra",
    ),
    ("CREATE COLLATION col (LOCALE = 'C')", "DROP COLLATION col", "collation public.col is extra"),
    (
        "CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple)",
        "DROP TEXT SEARCH CONFIGURATION ts",
        "text search configuration public.ts is extra",
    ),
    (
        "ALTER TABLE t DISABLE TRIGGER tt",
        "ALTER TABLE t ENABLE TRIGGER tt",
        "trigger public.t.tt: enabled was not set, is no",
    ),
    ("CREATE RULE r AS ON DELETE TO v DO INSTEAD NOTHING", "DROP RULE r ON v", "rule public.v.r is extra"),
    (
        "ALTER POLICY p ON t USING (id > 1)",
        "ALTER POLICY p ON t USING (id > 0)",
        "policy public.t.p: using was (id > 0), is (id > 1)",
    ),
    ("CREATE PUBLICATION pub FOR TABLE t", "DROP PUBLICATION pub", "publication pub is extra"),
    (
        "CREATE FUNCTION ef() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION ef()",
        "DROP FUNCTION ef CASCADE",
        "event trigger e is extra",
    ),
    (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER sv FOREIGN DATA WRAPPER w OPTIONS (secret 'hunter2')",
        "DROP FOREIGN DATA WRAPPER w CASCADE",
        "foreign server sv is extra",
    ),
    (
        "GRANT SELECT ON t TO PUBLIC",
        "REVOKE SELECT ON t FROM PUBLIC",
        "privileges on table public.t is extra",
    ),
    (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC",
        "privileges on default tables by",
    ),
    (
        "COMMENT ON COLUMN t.a IS 'a'",
        "COMMENT ON COLUMN t.a IS NULL",
        "comment on table column public.t.a is extra",
    ),
    (
        "ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 9)",
        "ALTER DOMAIN positive DROP CONSTRAINT small",
        "type public.positive: constraint small was not set",
    ),
    (
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
        "ALTER TYPE mood RENAME VALUE 'blue' TO 'sad'",
        "type public.mood: labels was",
    ),
    (
        "ALTER TYPE pair ADD ATTRIBUTE c int",
        "ALTER TYPE pair DROP ATTRIBUTE c",
        "type public.pair: attributes was",
    ),
    ("CREATE TYPE rg AS RANGE (SUBTYPE = float8)", "DROP TYPE rg", "type public.rg is extra"),
];

#[tokio::test]
async fn every_change_is_seen_and_named_and_gone_when_undone() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, BASE).await;
        let before = take(&mut conn, &SnapshotOptions::default()).await;
        for (change, undo, expected) in CHANGES {
            run(&mut conn, change).await;
            let after = take(&mut conn, &SnapshotOptions::default()).await;
            let lines: Vec<_> = diff(&before, &after).iter().map(ToString::to_string).collect();
            assert_ne!(before.fingerprint(), after.fingerprint(), "{change}");
            assert!(lines.iter().any(|line| line.contains(expected)), "{change}: {expected}\n{lines:#?}");
            assert!(!after.to_string().contains("hunter2"), "a foreign server's options stay secret");
            run(&mut conn, undo).await;
            let again = take(&mut conn, &SnapshotOptions::default()).await;
            assert_eq!(diff(&before, &again), [], "{undo}");
            assert_eq!(before.fingerprint(), again.fingerprint(), "{undo}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_text_reads_back_and_says_the_same_whatever_the_session_is_set_to() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, BASE).await;
        run(&mut conn, "ALTER TABLE t ALTER at SET DEFAULT '2026-01-02 03:04+00'").await;
        let before = take(&mut conn, &SnapshotOptions::default()).await;
        assert_eq!(Snapshot::parse(&before.to_string()), Ok(before.clone()));

        run(&mut conn, "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET search_path = other")
            .await;
        assert_eq!(diff(&before, &take(&mut conn, &SnapshotOptions::default()).await), []);
        assert_eq!(setting(&mut conn, "search_path").await, "other");
        run(&mut conn, "BEGIN; SET LOCAL search_path = other, public").await;
        take(&mut conn, &SnapshotOptions::default()).await;
        assert_eq!(
            setting(&mut conn, "search_path").await,
            "other, public",
            "the transaction goes on as it was"
        );
    })
    .await;
}

#[tokio::test]
async fn options_leave_out_what_does_not_matter() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "CREATE TABLE t (a int, b int)").await;
        let options = |order, privileges| {
            let mut options = SnapshotOptions::default();
            options.exclude = vec!["public.history".to_owned(), "public.\"It's not there\"".to_owned()];
            (options.column_order, options.privileges) = (order, privileges);
            options
        };
        let (strict, loose) = (
            options(ColumnOrder::Compare, Privileges::Include),
            options(ColumnOrder::Ignore, Privileges::Ignore),
        );
        let before = [take(&mut conn, &strict).await, take(&mut conn, &loose).await];

        run(&mut conn, "CREATE TABLE history (id serial PRIMARY KEY, at int UNIQUE)").await;
        run(&mut conn, "COMMENT ON TABLE history IS 'x'; GRANT SELECT ON history TO PUBLIC").await;
        assert_eq!(diff(&before[0], &take(&mut conn, &strict).await), []);

        run(&mut conn, "DROP TABLE t; CREATE TABLE t (b int, a int); GRANT SELECT ON t TO PUBLIC").await;
        assert_eq!(diff(&before[1], &take(&mut conn, &loose).await), []);
        assert_eq!(diff(&before[0], &take(&mut conn, &strict).await).len(), 3);
    })
    .await;
}

async fn take(conn: &mut PgConnection, options: &SnapshotOptions) -> Snapshot {
    snapshot(conn, options).await.expect("the schema can be read")
}

async fn run(conn: &mut PgConnection, sql: &str) {
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn setting(conn: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(conn).await.expect("a setting")
}

#[tokio::test]
async fn the_version_of_an_extension_counts() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let options = SnapshotOptions::default();
        crate::run(&mut conn, "CREATE EXTENSION pg_trgm VERSION '1.5'").await;
        let before = snapshot(&mut conn, &options).await.expect("a snapshot");
        crate::run(&mut conn, "ALTER EXTENSION pg_trgm UPDATE TO '1.6'").await;
        let found = diff(&before, &snapshot(&mut conn, &options).await.expect("a snapshot"));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["extension pg_trgm: version was 1.5, is 1.6"]);
    })
    .await;
}
