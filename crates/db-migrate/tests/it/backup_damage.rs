//! Backups that were damaged: each byte counts, and the file is named.

use super::backup::{Place, execute, full};
use db_migrate::backup::{self, BackupError, ManifestProblem, State};
use db_testkit::empty_db;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

#[tokio::test]
async fn one_flipped_byte_of_any_file_is_found_and_the_file_named() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(&mut db.connect().await, "CREATE TABLE a AS SELECT 1 AS x; CREATE TABLE b AS SELECT 2 AS x")
            .await;
        let (backup, manifest) = place.create().await.expect("a backup");
        assert!(
            manifest.files.len() >= 4,
            "the table of contents, two tables, the schema: {:?}",
            manifest.files
        );
        let names =
            manifest.files.iter().map(|file| file.path.as_str()).chain(["manifest.json", "manifest.sha256"]);
        for name in names {
            let path = backup.join(name);
            let original = fs::read(&path).expect("a file");
            let mut changed = original.clone();
            let middle = changed.len() / 2;
            changed[middle] ^= 1;
            fs::write(&path, &changed).expect("written");
            let error = verify_files(&backup).await.expect_err("it was changed");
            assert!(full(&error).contains(name), "{name}: {}", full(&error));
            fs::write(&path, &original[..middle]).expect("written");
            let error = verify_files(&backup).await.expect_err("it was cut");
            assert!(full(&error).contains(name), "{name}: {}", full(&error));
            let listed = backup::list(place.dir.path()).expect("listed");
            let State::Damaged { reason } = &listed[0].state else { panic!("{name}: {listed:?}") };
            assert!(reason.contains(name), "{reason}");
            fs::remove_file(&path).expect("removed");
            let error = verify_files(&backup).await.expect_err("it is gone");
            assert!(full(&error).contains(name), "{name}: {}", full(&error));
            fs::write(&path, original).expect("as it was");
        }
        fs::write(backup.join("dump/notes"), "").expect("written");
        let error = verify_files(&backup).await.expect_err("there is one more");
        assert!(error.to_string().ends_with("\n- dump/notes does not belong to it"), "{error}");
        fs::remove_file(backup.join("dump/notes")).expect("removed");
        verify_files(&backup).await.expect("it is as it was");
    })
    .await;
}

#[tokio::test]
async fn a_manifest_that_cannot_be_used_says_why() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let (backup, _) = place.create().await.expect("a backup");
        let text = fs::read_to_string(backup.join("manifest.json")).expect("a manifest");
        let check = |text: &str, expected: &str| {
            rewrite(&backup, text);
            let error = backup::Manifest::read(&backup).expect_err("it is wrong");
            assert!(full(&error).contains(expected), "{expected}: {}", full(&error));
        };
        check("{\n  \"format\": 1,\n", "manifest.json is wrong at line 3, column 0");
        check(&text.replace("\"format\": 1", "\"format\": 2"), "it has format 2, this version reads 1");
        check(&text.replace("\"database\"", "\"basedata\""), "missing field `database`");
        check(&text.replace("dump/toc.dat", "../toc.dat"), "\"../toc.dat\", which is not in its folder");
        check(&text.replace("dump/toc.dat", "/toc.dat"), "\"/toc.dat\", which is not in its folder");
        rewrite(&backup, &text);
        fs::write(backup.join("manifest.json"), text.replace("dump/toc.dat", "dump/toc.dot"))
            .expect("written");
        let error = backup::Manifest::read(&backup).expect_err("only one of the two was changed");
        assert!(matches!(error, BackupError::Manifest { problem: ManifestProblem::Changed, .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_dump_that_holds_something_else_than_the_manifest_says_is_found() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        execute(
            &mut db.connect().await,
            "CREATE TABLE a (id serial, x int); INSERT INTO a (x) VALUES (1), (2)",
        )
        .await;
        let (backup, manifest) = place.create().await.expect("a backup");
        let text = fs::read_to_string(backup.join("manifest.json")).expect("a manifest");
        let check = async |from: &str, to: &str, expected: &str| {
            assert!(text.contains(from), "{from} is in {text}");
            rewrite(&backup, &text.replace(from, to));
            let error = place.verify(&backup).await.expect_err("it differs");
            assert!(full(&error).contains(expected), "{expected}: {}", full(&error));
            assert!(!backup.join("verified.json").exists());
        };
        let hash = manifest.tables[0].hash.clone().expect("a hash");
        check(&hash, &format!("{hash}1"), "\n- table public.a has 2 rows, but not the same").await;
        check("\"rows\": 2", "\"rows\": 3", "\n- table public.a has 2 rows instead of 3").await;
        check("\"last_value\": 2", "\"last_value\": 9", "\n- sequence public.a_id_seq stands at 2").await;
        let schema = fs::read_to_string(backup.join("schema.txt")).expect("a schema");
        let other = schema.replace("type: integer", "type: bigint");
        fs::write(backup.join("schema.txt"), &other).expect("written");
        let (sum, length) = (hex(schema.as_bytes()), format!("\"bytes\": {}", schema.len()));
        rewrite(
            &backup,
            &text
                .replace(&sum, &hex(other.as_bytes()))
                .replace(&length, &format!("\"bytes\": {}", other.len())),
        );
        let error = place.verify(&backup).await.expect_err("it differs");
        assert!(
            error.to_string().contains("column public.a.x: type was bigint, is integer"),
            "{}",
            full(&error)
        );
        no_scratch_is_left(&mut db.connect().await).await;
    })
    .await;
}

/// Changes the manifest as somebody would who knows how.
pub(crate) fn rewrite(backup: &Path, text: &str) {
    fs::write(backup.join("manifest.json"), text).expect("written");
    fs::write(backup.join("manifest.sha256"), format!("{}  manifest.json\n", hex(text.as_bytes())))
        .expect("written");
}

/// Of this process; other tests have theirs.
async fn no_scratch_is_left(conn: &mut sqlx::PgConnection) {
    let left: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)")
            .bind(format!("cairn_scratch_{}_", std::process::id()))
            .fetch_all(conn)
            .await
            .expect("the databases");
    assert!(left.is_empty(), "{left:?}");
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn verify_files(backup: &Path) -> Result<(), BackupError> {
    backup::verify_files(backup, &mut |_| {}).await
}
