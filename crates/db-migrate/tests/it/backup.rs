//! Backups that are made and proved: awkward content, writers meanwhile, rows that change.

use db_migrate::Server;
use db_migrate::backup::{
    self, BackupError, BackupEvent, CreateOptions, Manifest, Phase, RestoreOptions, State, TableSum, Verified,
};
use db_testkit::{FreshDb, empty_db};
use sqlx::{AssertSqlSafe, PgConnection};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is hard to dump, restore or compare.
pub(crate) const AWKWARD: &str = r#"
    CREATE SCHEMA "Odd; ""schema""";
    CREATE TYPE mood AS ENUM ('sad', 'it''s fine');
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE "Odd; ""schema"""."a 'table'" ("a column" text, "select" int[]);
    INSERT INTO "Odd; ""schema"""."a 'table'" VALUES (E'tab\there, line\nthere, \\N', '{1,NULL,3}'), (NULL, '{}'), ('', NULL);
    CREATE TABLE kinds (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int, mood mood, positive positive,
        doc jsonb, raw bytea, real real, double double precision, numeric numeric, at timestamptz, span interval,
        doubled bigint GENERATED ALWAYS AS (length(coalesce(doc::text, '')) * 2) STORED, relation regclass, money money);
    ALTER TABLE kinds DROP COLUMN gone;
    INSERT INTO kinds (mood, positive, doc, raw, real, double, numeric, at, span, relation, money) VALUES
        ('sad', 1, '{"a": [1, 2.50, "ü\u0001"]}', '\x00ff5c', 'NaN', 'Infinity', 'NaN', 'infinity', '1 mon -2 days', 'kinds', '1.50'),
        ('it''s fine', NULL, 'null', '', 0.1, -0.0, 1e100, '2026-03-29 01:30:00.123456+00', '0', NULL, NULL),
        (NULL, NULL, NULL, NULL, '-Infinity', 1.7976931348623157e308, 0.000001, NULL, NULL, NULL, NULL);
    CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE parts_2 (at date, id int);
    ALTER TABLE parts ATTACH PARTITION parts_2 DEFAULT;
    CREATE INDEX parts_at ON parts (at);
    INSERT INTO parts SELECT n, '2026-01-20'::date + n FROM generate_series(1, 30) AS n;
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (more text) INHERITS (parent);
    INSERT INTO child VALUES (1, 'x');
    CREATE TABLE referring (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED, part int);
    CREATE TABLE nothing ();
    INSERT INTO nothing DEFAULT VALUES;
    CREATE TABLE nobody (id serial);
    CREATE TABLE twice (a int);
    INSERT INTO twice VALUES (1), (1), (2);
    CREATE UNLOGGED TABLE unlogged (a int);
    INSERT INTO unlogged VALUES (5);
    CREATE VIEW v AS SELECT id, mood FROM kinds;
    CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM kinds;
    CREATE MATERIALIZED VIEW unread AS SELECT 1 AS one WITH NO DATA;
    CREATE SEQUENCE "Odd; ""schema"""."it's" START 5;
    SELECT nextval('"Odd; ""schema"""."it''s"');
    CREATE SEQUENCE untouched;
    SELECT setval('untouched', 77, false);
    SELECT lo_from_bytea(0, '\xdeadbeef'), lo_from_bytea(0, '');
    CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NEW; END $f$;
    CREATE TRIGGER tt BEFORE UPDATE ON kinds FOR EACH ROW EXECUTE FUNCTION tf();
    ALTER TABLE kinds DISABLE TRIGGER tt;
    ALTER TABLE kinds ENABLE ROW LEVEL SECURITY;
    CREATE POLICY p ON kinds USING (id > 0);
    CREATE EXTENSION pg_trgm;
    CREATE STATISTICS st ON id, mood FROM kinds;
    GRANT SELECT, UPDATE (mood) ON kinds TO PUBLIC;
    REVOKE USAGE ON SCHEMA public FROM PUBLIC;
    COMMENT ON TABLE kinds IS E'several\nlines';
    CREATE PUBLICATION pub FOR TABLE parent WHERE (id > 0);
    CREATE TABLE invalid (a int);
    CREATE INDEX invalid_a ON invalid (a);
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'invalid_a'::regclass;
"#;

/// A database and an empty folder for its backups.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn of(db: &FreshDb) -> Self {
        Self { server: server(db.url()), dir: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) async fn create(&self) -> Result<(PathBuf, Manifest), BackupError> {
        Box::pin(backup::create(&self.server, self.dir.path(), &CreateOptions::default(), &mut |_| {})).await
    }

    pub(crate) async fn verify(&self, backup: &Path) -> Result<Verified, BackupError> {
        backup::verify(&self.server, backup, &RestoreOptions::default(), &mut |_| {}).await
    }
}

pub(crate) fn server(url: &str) -> Server {
    Server::from_url(url).expect("the test's URL")
}

pub(crate) async fn execute(conn: &mut PgConnection, sql: &str) {
    let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The error with what caused it.
pub(crate) fn full(error: &BackupError) -> String {
    db_core::with_causes(error)
}

fn sum<'a>(manifest: &'a Manifest, table: &str) -> &'a TableSum {
    manifest.tables.iter().find(|sum| sum.name == table).unwrap_or_else(|| panic!("{:?}", manifest.tables))
}

#[tokio::test]
async fn awkward_things_survive_and_are_compared() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(&mut db.connect().await, AWKWARD).await;
        // A session's settings decide nothing: those of the database least of all.
        let odd = format!("ALTER DATABASE {} SET DateStyle = 'German'", db.name());
        execute(&mut db.connect().await, &odd).await;

        let mut phases = Vec::new();
        let mut note = |event: &BackupEvent<'_>| {
            if let BackupEvent::Finished { phase, .. } = event {
                phases.push(*phase);
            }
        };
        let made =
            backup::create(&place.server, place.dir.path(), &CreateOptions::default(), &mut note).await;
        let (path, manifest) = made.expect("a backup");
        assert_eq!(sum(&manifest, "public.kinds").rows, Some(3));
        assert_eq!(sum(&manifest, "public.parent").rows, Some(0), "its child's rows are the child's");
        assert_eq!(sum(&manifest, "public.nobody").rows, Some(0));
        assert_eq!(manifest.large_objects.count, 2);
        assert!(manifest.sequences.iter().any(|sequence| sequence.last_value == 77 && !sequence.is_called));
        assert_eq!(Manifest::read(&path).expect("it reads back"), manifest);

        let verified = backup::verify(&place.server, &path, &RestoreOptions::default(), &mut note)
            .await
            .unwrap_or_else(|error| panic!("{}", full(&error)));
        assert_eq!(verified.rows, manifest.rows());
        use Phase::{Dump, Files, Hash, Restore};
        assert_eq!(phases, [Dump, Hash, Files, Files, Restore, Hash]);
        let listed = backup::list(place.dir.path()).expect("listed");
        assert!(matches!(&listed[..], [entry] if entry.is_intact() && entry.verified == Some(verified)));
    })
    .await;
}

#[tokio::test]
async fn what_was_dropped_from_a_new_database_stays_dropped() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(&mut db.connect().await, "DROP SCHEMA public; DROP EXTENSION plpgsql").await;
        let (path, _) = place.create().await.expect("a backup");
        place.verify(&path).await.unwrap_or_else(|error| panic!("{}", full(&error)));
    })
    .await;
}

#[tokio::test]
async fn manifest_and_dump_are_of_one_moment_while_others_write() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let mut conn = db.connect().await;
        execute(&mut conn, "CREATE TABLE busy (id serial PRIMARY KEY, x int); INSERT INTO busy (x) SELECT 0 FROM generate_series(1, 20000)").await;
        let writer = tokio::spawn(async move {
            let mut rounds: u64 = 0;
            loop {
                execute(&mut conn, "INSERT INTO busy (x) VALUES (1), (2)").await;
                execute(&mut conn, "UPDATE busy SET x = x + 1 WHERE id % 100 = 0; DELETE FROM busy WHERE id % 97 = 1").await;
                rounds += 1;
                assert!(rounds < 1_000_000, "nobody has stopped it");
            }
        });
        let (path, manifest) = place.create().await.expect("a backup");
        let (_, later) = place.create().await.expect("a later one");
        writer.abort();
        assert_ne!(sum(&manifest, "public.busy"), sum(&later, "public.busy"), "somebody was writing");
        place.verify(&path).await.unwrap_or_else(|error| panic!("{}", full(&error)));
    })
    .await;
}

#[tokio::test]
async fn rows_that_are_left_out_are_not_missed() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(
            &mut db.connect().await,
            r#"CREATE TABLE "Events" AS SELECT 1 AS a; CREATE TABLE kept AS SELECT 2 AS a"#,
        )
        .await;
        let mut options = CreateOptions::default();
        options.exclude_table_data = vec![r#"public."Events""#.to_owned()];
        let made = backup::create(&place.server, place.dir.path(), &options, &mut |_| {}).await;
        let (path, manifest) = made.expect("a backup");
        assert_eq!(sum(&manifest, r#"public."Events""#).rows, None);
        assert_eq!(manifest.rows(), 1);
        place.verify(&path).await.unwrap_or_else(|error| panic!("{}", full(&error)));

        options.exclude_table_data = vec!["public.events".to_owned()];
        let error = backup::create(&place.server, place.dir.path(), &options, &mut |_| {})
            .await
            .expect_err("no such");
        assert!(matches!(&error, BackupError::NoTable { name } if name == "public.events"), "{error}");
        assert_eq!(backup::list(place.dir.path()).expect("listed").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn every_edit_of_a_row_changes_the_hash() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let mut conn = db.connect().await;
        execute(&mut conn, "CREATE TABLE t (id int, a int, b text); INSERT INTO t SELECT n, n % 7, 'text ' || n FROM generate_series(1, 500) AS n").await;
        let (_, first) = place.create().await.expect("a backup");
        let mut seen = vec![sum(&first, "public.t").hash.clone()];
        for round in 0..50_u32 {
            let (one, other) = (1 + (round * 37) % 500, 1 + (round * 61 + 7) % 500);
            let edit = match round % 5 {
                0 => format!("UPDATE t SET a = a + 1 + {round} WHERE id = {one}"),
                1 => format!("UPDATE t SET b = (SELECT b FROM t WHERE id = CASE t.id WHEN {one} THEN {other} ELSE {one} END) WHERE id IN ({one}, {other})").replace("FROM t WHERE id", "FROM t AS s WHERE s.id"),
                2 => format!("INSERT INTO t SELECT * FROM t WHERE id = {one}"),
                3 => format!("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE id > {one})"),
                _ => format!("UPDATE t SET b = NULL, a = {round} WHERE id = {other}"),
            };
            execute(&mut conn, &edit).await;
            let hash: String = sqlx::query_scalar(
                "SELECT sum(hashtextextended(ROW(id, a, b)::text COLLATE \"C\", 0))::text FROM ONLY t",
            )
            .fetch_one(&mut conn)
            .await
            .expect("a hash");
            assert!(!seen.contains(&Some(hash.clone())), "{edit}");
            seen.push(Some(hash));
        }
        let (_, last) = place.create().await.expect("a backup");
        assert_eq!(Some(&sum(&last, "public.t").hash), seen.last(), "it is the hash that backups have");

        // The same rows stored in another order are the same.
        execute(&mut conn, "CREATE TABLE u AS SELECT * FROM t ORDER BY b DESC; DROP TABLE t; ALTER TABLE u RENAME TO t").await;
        let (_, again) = place.create().await.expect("a backup");
        assert_eq!(sum(&again, "public.t"), sum(&last, "public.t"));
    })
    .await;
}

#[tokio::test]
async fn pruning_leaves_what_is_not_ours() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let (older, _) = place.create().await.expect("a backup");
        let (newer, manifest) = place.create().await.expect("another");
        let folder = |name: &str| {
            let folder = place.dir.path().join(name);
            std::fs::create_dir(&folder).expect("a folder");
            std::fs::write(folder.join("notes.txt"), "mine").expect("a file");
            folder
        };
        let foreign = [folder("photos"), folder("photos.partial"), folder("x_20200101T000000000Z")];
        let abandoned = folder("x_20200101T000000000Z.partial");
        // Whoever held the lock is gone.
        std::fs::write(abandoned.join("in-progress"), "").expect("a file");
        let policy = backup::KeepPolicy { keep_last: std::num::NonZeroU32::MIN, keep_days: 0 };
        let now = manifest.created_at + chrono::TimeDelta::hours(1);
        let names = |pruning| -> Vec<String> {
            let removed = backup::prune(place.dir.path(), policy, now, pruning).expect("pruned");
            removed.into_iter().map(|removal| removal.name).collect()
        };
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let expected = [name(&older), name(&abandoned)];
        assert_eq!(names(backup::Pruning::DryRun), expected);
        assert!(older.exists());
        assert_eq!(names(backup::Pruning::Remove), expected);
        assert!(!older.exists() && !abandoned.exists() && newer.exists());
        assert!(foreign.iter().all(|folder| folder.join("notes.txt").exists()));
        let listed = backup::list(place.dir.path()).expect("listed");
        assert!(matches!(&listed[..], [entry] if matches!(&entry.state, State::Intact(found) if **found == manifest)));
    })
    .await;
}
