//! Databases that other tools have migrated are taken over by what those remember; nothing is run.

use crate::tables;
use db_migrate::{Adopted, Error, Format, Migrations, Options, Variables, create_statements};
use db_testkit::{FreshDb, empty_db};
use sqlx::AssertSqlSafe;
use std::fs;
use std::path::Path;

/// A project of one of the tools: two migrations, of which the tool has applied the first.
struct Project {
    format: Format,
    /// The files with their texts.
    files: &'static [(&'static str, &'static str)],
    /// The tool's row of the first one.
    row: &'static str,
    labels: [&'static str; 2],
}

const FIRST: &str = "SELECT 1;\n";
const SECOND: &str = "CREATE TABLE second (id int);\n";

/// The digests are those that the server computes of the file's text; the other numbers are those of the tool's own code.
const PROJECTS: &[Project] = &[
    Project {
        format: Format::Sqlx,
        files: &[("20240101000000_first.sql", FIRST), ("20240102000000_second.sql", SECOND)],
        row: "INSERT INTO _sqlx_migrations VALUES \
              (20240101000000, 'first', now(), true, sha384(convert_to(E'SELECT 1;\\n', 'UTF8')), 1)",
        labels: ["20240101000000_first", "20240102000000_second"],
    },
    Project {
        format: Format::Refinery,
        files: &[("V1__initial.sql", FIRST), ("V2__second.sql", SECOND)],
        row: "INSERT INTO refinery_schema_history VALUES \
              (1, 'initial', '2024-01-01T00:00:00.000000001Z', '10145367301335201120')",
        labels: ["V1__initial", "V2__second"],
    },
    Project {
        format: Format::Flyway,
        files: &[("V1_1__first.sql", FIRST), ("V2__second.sql", SECOND)],
        row: "INSERT INTO flyway_schema_history VALUES \
              (1, '1.1', 'first', 'SQL', 'V1_1__first.sql', 78787420, 'me', now(), 3, true)",
        labels: ["V1_1__first", "V2__second"],
    },
    Project {
        format: Format::GolangMigrate,
        files: &[
            ("000001_first.up.sql", FIRST),
            ("000001_first.down.sql", FIRST),
            ("000002_second.up.sql", SECOND),
            ("000002_second.down.sql", FIRST),
        ],
        row: "INSERT INTO schema_migrations VALUES (1, false)",
        labels: ["000001_first", "000002_second"],
    },
    Project {
        format: Format::Dbmate,
        files: &[
            ("20240101000000_first.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n"),
            ("20240102000000_second.sql", "-- migrate:up\nCREATE TABLE second (id int);\n-- migrate:down\n"),
        ],
        row: "INSERT INTO schema_migrations VALUES ('20240101000000')",
        labels: ["20240101000000_first", "20240102000000_second"],
    },
    Project {
        format: Format::Goose,
        files: &[
            ("00001_first.sql", "-- +goose Up\nSELECT 1;\n"),
            ("00002_second.sql", "-- +goose Up\nCREATE TABLE second (id int);\n"),
        ],
        row: "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true)",
        labels: ["00001_first", "00002_second"],
    },
    Project {
        format: Format::Diesel,
        files: &[
            ("2024-01-01-000000_first/up.sql", FIRST),
            ("2024-01-01-000000_first/down.sql", FIRST),
            ("2024-01-02-000000_second/up.sql", SECOND),
        ],
        row: "INSERT INTO __diesel_schema_migrations VALUES ('20240101000000')",
        labels: ["2024-01-01-000000_first", "2024-01-02-000000_second"],
    },
    Project {
        format: Format::Prisma,
        files: &[
            ("migration_lock.toml", "provider = \"postgresql\"\n"),
            ("20240101000000_first/migration.sql", FIRST),
            ("20240102000000_second/migration.sql", SECOND),
        ],
        row: "INSERT INTO _prisma_migrations VALUES \
              ('1', encode(sha256(convert_to(E'SELECT 1;\\n', 'UTF8')), 'hex'), now(), '20240101000000_first')",
        labels: ["20240101000000_first", "20240102000000_second"],
    },
];

#[tokio::test]
async fn what_a_tool_has_applied_is_not_applied_again() {
    for project in PROJECTS {
        empty_db(|db| async move {
            let (_folder, migrations) = read(project);
            made(&db, project).await;
            let adopted = adopt(&db, &migrations, project.format).await.expect("it fits");
            let expected = |labels: &[&str]| labels.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(adopted.adopted, expected(&project.labels[..1]), "{}", project.format);
            assert_eq!(adopted.pending, expected(&project.labels[1..]), "{}", project.format);

            let mut conn = db.connect().await;
            let report = db_migrate::apply(&mut conn, &migrations, &Options::default(), &mut |_| {})
                .await
                .expect("the rest");
            assert_eq!(report.done.len(), 1, "{}", project.format);
            assert!(tables(&mut conn).await.contains(&"second".to_owned()), "{}", project.format);
        })
        .await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_nothing_is_recorded() {
    empty_db(|db| async move {
        let project = &PROJECTS[0];
        let (folder, migrations) = read(project);
        made(&db, project).await;
        fs::write(folder.path().join(project.files[0].0), "SELECT 2;\n").expect("edited");
        let edited = read_folder(folder.path(), project.format);
        let error = adopt(&db, &edited, project.format).await.expect_err("it was edited");
        assert!(
            error.to_string().contains("20240101000000_first was edited after it was applied on 20"),
            "{error}"
        );

        fs::remove_file(folder.path().join(project.files[0].0)).expect("removed");
        let missing = read_folder(folder.path(), project.format);
        let error = adopt(&db, &missing, project.format).await.expect_err("its file is missing");
        assert!(
            error.to_string().contains("20240101000000 is applied (first), and there is no file"),
            "{error}"
        );
        assert!(!tables(&mut db.connect().await).await.contains(&"db_migrations".to_owned()));

        let error = adopt(&db, &migrations, Format::Diesel).await.expect_err("no such table");
        assert!(error.to_string().contains("no table __diesel_schema_migrations in any schema"), "{error}");
        adopt(&db, &migrations, project.format).await.expect("as it was applied");
        let again = adopt(&db, &migrations, project.format).await;
        assert!(matches!(again, Err(Error::NotEmpty { .. })), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_tools_table_is_made_for_migrations_that_take_it_for_granted() {
    empty_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "V1__a.sql", "COMMENT ON TABLE flyway_schema_history IS 'kept';");
        let migrations = read_folder(folder.path(), Format::Flyway);
        let mut conn = db.connect().await;
        let options = Options::default();
        let alone = db_migrate::apply(&mut conn, &migrations, &options, &mut |_| {}).await;
        assert!(matches!(alone, Err(Error::Statement(_))), "{alone:?}");
        let migrations = migrations.with_table_of(Format::Flyway).expect("a tool with a table");
        db_migrate::apply(&mut conn, &migrations, &options, &mut |_| {}).await.expect("the table is there");
        migrations.with_table_of(Format::Cairn).expect_err("ours is made anyway");
    })
    .await;
}

fn read(project: &Project) -> (tempfile::TempDir, Migrations) {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, text) in project.files {
        write(folder.path(), file, text);
    }
    let migrations = read_folder(folder.path(), project.format);
    (folder, migrations)
}

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("written");
}

fn read_folder(folder: &Path, expected: Format) -> Migrations {
    let (migrations, seen) =
        Migrations::read_as(folder, Some(expected), &Variables::default()).expect("sound");
    assert_eq!(seen.detected.format, expected);
    migrations
}

/// As the tool leaves the database behind.
async fn made(db: &FreshDb, project: &Project) {
    let mut conn = db.connect().await;
    let sql = [create_statements(project.format), project.row].join("\n");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("as the tool writes it");
}

async fn adopt(db: &FreshDb, migrations: &Migrations, tool: Format) -> Result<Adopted, Error> {
    let mut conn = db.connect().await;
    db_migrate::adopt(&mut conn, migrations, tool, None, &Options::default(), &mut |_| {}).await
}
