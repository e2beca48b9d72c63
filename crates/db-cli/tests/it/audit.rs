//! `db audit` as whoever looks after a log uses it.

use crate::{Answer, db, expect, folder};
use db_testkit::{FreshDb, empty_db, fresh_db};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// `db audit` on this database, with the keys that are in the folder.
fn audit(fresh: &FreshDb, folder: &Path, arguments: &[&str]) -> Answer {
    let mut command = db(folder, [&["audit"], arguments].concat());
    command.env("DATABASE_URL", fresh.url());
    for (name, file) in [
        ("DB_AUDIT_MASTER_KEY_FILE", "master.key"),
        ("DB_AUDIT_SIGNING_KEY_FILE", "signing.key"),
        ("DB_AUDIT_CHECKPOINT_FILE", "checkpoints"),
    ] {
        if name == "DB_AUDIT_CHECKPOINT_FILE" || folder.join(file).exists() {
            command.env(name, folder.join(file));
        }
    }
    command.output().expect("the binary runs").into()
}

async fn execute(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.expect("the test's own SQL works");
}

/// Both keys; the public one of the signing key.
fn keys(fresh: &FreshDb, folder: &Path) -> String {
    expect(&audit(fresh, folder, &["keygen", "--master", "--out", "master.key"]), 0, "a master key");
    let made =
        audit(fresh, folder, &["keygen", "--name", "example.org/log", "--out", "signing.key", "--json"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    for file in ["master.key", "signing.key"] {
        let mode = fs::metadata(folder.join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let secret = fs::read_to_string(folder.join(file)).expect("a key");
        assert!(!format!("{made:?}").contains(secret.trim()), "it is printed nowhere");
    }
    made.json()["public_key"].as_str().expect("a key").to_owned()
}

const PEOPLE: &str = "CREATE TABLE people (id int PRIMARY KEY, email text, secret text, plan text)";

async fn some(conn: &mut PgConnection) {
    execute(conn, "INSERT INTO people VALUES (1, 'ann@example.org', 'hunter2', 'free'), (2, 'bob@example.org', 'x', 'free')").await;
    execute(conn, "SET cairn.actor = 'ann'; UPDATE people SET plan = 'team' WHERE id = 1; RESET cairn.actor")
        .await;
}

#[tokio::test]
async fn a_table_is_audited_searched_exported_and_verified() {
    fresh_db(async |fresh| {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        let key = keys(&fresh, folder.path());
        expect(&at(&["keygen", "--out", "signing.key"]), 2, "is not overwritten");
        let mut conn = fresh.connect().await;
        execute(&mut conn, PEOPLE).await;
        expect(&at(&["tables"]), 0, "no table notes its changes");
        expect(&at(&["enable", "peopel"]), 1, "did you mean \"people\"?");
        expect(&at(&["enable", "people", "--exclude", "secrets"]), 1, "did you mean \"secret\"?");
        expect(&at(&["enable", "people", "--exclude", "id"]), 1, "primary key");
        let enable = [
            "enable",
            "people",
            "--exclude",
            "secret",
            "--personal",
            "email",
            "--subject",
            "id",
            "--by",
            "dba",
        ];
        expect(&at(&enable), 0, "people: each change of its rows is noted");
        let tables = at(&["tables", "--json"]).json();
        assert_eq!(tables["tables"][0]["excluded"], json!(["secret"]), "{tables}");
        some(&mut conn).await;

        expect(&at(&["search", "--entity", "people", "--action", "update"]), 0, "waits");
        let waiting = at(&["status", "--json"]).json();
        assert_eq!(
            (&waiting["size"], &waiting["waiting"], &waiting["unsealed"]),
            (&json!(0), &json!(4), &json!(2))
        );
        expect(&at(&["checkpoint"]), 1, "db audit sequence");
        expect(&at(&["sequence"]), 0, "4 events got their places");
        let signed = at(&["checkpoint", "--json"]).json();
        assert_eq!((&signed["is_new"], &signed["size"]), (&json!(true), &json!(4)), "{signed}");
        expect(&at(&["checkpoint"]), 0, "has not grown");
        let kept = fs::read_to_string(folder.path().join("checkpoints")).expect("kept");
        assert_eq!(kept.trim(), signed["note"].as_str().expect("a note").trim());

        let found = at(&["search", "--actor", "ann", "--json"]).json();
        let event = &found["events"][0];
        assert_eq!(
            (&event["old_values"], &event["new_values"]),
            (&json!({"plan": "free"}), &json!({"plan": "team"}))
        );
        let path = at(&["search", "--path", "$.plan ? (@ == \"team\")", "--json"]).json();
        assert_eq!(path["events"].as_array().map(Vec::len), Some(1), "{path}");
        expect(&at(&["search", "--path", "$."]), 2, "the JSON path `$.` cannot be followed");
        expect(&at(&["search", "--limit", "0"]), 2, "1 to 1,000");
        expect(&at(&["search", "--from", "yesterday"]), 2, "as in 7d");
        let first = at(&["search", "--limit", "3", "--oldest-first", "--json"]).json();
        let cursor = first["next"].as_str().expect("more");
        let second = at(&["search", "--limit", "3", "--oldest-first", "--cursor", cursor, "--json"]).json();
        assert_eq!((second["events"].as_array().map(Vec::len), &second["next"]), (Some(1), &Value::Null));
        expect(&at(&["search", "--limit", "3", "--cursor", cursor]), 2, "belongs to another search");
        let sealed = at(&["search", "--subject", "1", "--json"]);
        assert!(!sealed.stdout.contains("example.org"), "{sealed:?}");
        let open = at(&["search", "--subject", "1", "--open"]);
        expect(&open, 0, "ann@example.org");
        assert!(!open.stdout.contains("hunter2"), "{open:?}");

        let id = event["id"].as_str().expect("a number");
        let shown = at(&["show", id, "--json"]).json();
        assert_eq!(shown["proof"]["inclusion"]["size"], 4, "{shown}");
        expect(&at(&["show", id]), 0, "leaf hash");
        expect(&at(&["show", "00000000-0000-0000-0000-000000000000"]), 1, "there is no event");

        expect(&at(&["export", "--out", "all.ndjson", "--proofs"]), 0, "4 events");
        expect(&at(&["export", "--out", "all.ndjson", "--proofs"]), 2, "is not overwritten");
        expect(
            &at(&["export", "--out", "ann.csv", "--format", "csv", "--subject", "1", "--open"]),
            0,
            "1 events",
        );
        assert!(
            fs::read_to_string(folder.path().join("ann.csv")).expect("a table").contains("ann@example.org")
        );
        let check = ["verify-export", "all.ndjson", "--key", &key];
        expect(&at(&check), 0, "4 events are in the log");
        expect(&at(&["verify-export", "all.ndjson"]), 2, "give --key");
        let file = folder.path().join("all.ndjson");
        let text = fs::read_to_string(&file).expect("an export").replacen("team", "free", 1);
        fs::write(&file, text).expect("altered");
        expect(&at(&check), 3, "is not what the log has");

        expect(&at(&["verify", "--key", &key]), 0, "the log is what it was: 4 events");
        let verdict = at(&["verify", "--key", &key, "--json"]).json();
        assert_eq!((&verdict["checkpoints"], &verdict["personal"]), (&json!(2), &json!(2)), "{verdict}");
        execute(
            &mut conn,
            "SET session_replication_role = replica; UPDATE audit_events SET actor = 'eve' WHERE leaf = 3",
        )
        .await;
        expect(&at(&["verify", "--key", &key]), 3, "event 3");
        expect(&at(&["disable", "people"]), 0, "not noted any more");
    })
    .await;
}

#[tokio::test]
async fn a_log_that_was_made_anew_is_found_by_what_a_witness_has() {
    fresh_db(async |fresh| {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        let key = keys(&fresh, folder.path());
        let mut conn = fresh.connect().await;
        execute(
            &mut conn,
            "INSERT INTO audit_inbox (action, entity_type) SELECT 'a', 't' FROM generate_series(1, 9)",
        )
        .await;
        expect(&at(&["sequence"]), 0, "9 events");
        expect(&at(&["checkpoint"]), 0, "example.org/log");
        fs::rename(folder.path().join("checkpoints"), folder.path().join("elsewhere"))
            .expect("kept elsewhere");
        expect(&at(&["verify", "--from", "elsewhere", "--key", &key]), 0, "0 events compared");
        // All of it made anew: as many events, and a tree over them that fits.
        execute(
            &mut conn,
            "SET session_replication_role = replica; DELETE FROM audit_events; DELETE FROM audit_tiles; \
            DELETE FROM audit_checkpoints; UPDATE audit_tree SET size = 0, sequenced_at = '-infinity'; \
            INSERT INTO audit_inbox (action, entity_type) SELECT 'b', 't' FROM generate_series(1, 9)",
        )
        .await;
        expect(&at(&["sequence"]), 0, "9 events");
        expect(&at(&["verify"]), 0, "could have made this log anew");
        let found = at(&["verify", "--witnessed", "elsewhere", "--key", &key]);
        expect(&found, 3, "the log is not what was signed at 9 events");
        expect(&at(&["verify", "--witnessed", "elsewhere"]), 3, "is not verified");
        expect(&at(&["verify", "--witnessed", "nowhere"]), 2, "cannot be read");
        expect(&at(&["verify", "--witnessed", "signing.key"]), 2, "signing.key has no checkpoint; line 1");
        expect(&at(&["verify", "--key", "no key"]), 2, "--key");
    })
    .await;
}

#[tokio::test]
async fn somebody_is_forgotten_and_stays_so_after_a_restore() {
    fresh_db(async |fresh| {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        let mut conn = fresh.connect().await;
        execute(&mut conn, PEOPLE).await;
        expect(
            &at(&["enable", "people", "--personal", "email", "--subject", "id"]),
            0,
            "no master key is configured",
        );
        expect(&at(&["tables"]), 3, "no master key is configured");
        some(&mut conn).await;
        expect(&at(&["sequence"]), 0, "2 events wait for a master key");
        keys(&fresh, folder.path());
        expect(&at(&["sequence"]), 0, "2 events got their places");
        execute(&mut conn, "CREATE TABLE backup AS TABLE audit_keys").await;
        expect(&at(&["erase", "1", "--receipt", "receipt.json"]), 2, "say --yes");
        assert!(!folder.path().join("receipt.json").exists());
        let erased = at(&["erase", "1", "--receipt", "receipt.json", "--yes", "--by", "officer"]);
        expect(&erased, 0, "1: 1 keys destroyed");
        expect(&at(&["erase", "1", "--yes"]), 0, "their key was destroyed before");
        expect(&at(&["erase", "nobody", "--yes"]), 0, "there was no key to destroy");
        expect(&at(&["search", "--subject", "1", "--open"]), 0, "(erased)");
        expect(&at(&["search", "--subject", "2", "--open"]), 0, "bob@");
        execute(&mut conn, "DELETE FROM audit_keys; INSERT INTO audit_keys SELECT * FROM backup").await;
        expect(&at(&["search", "--subject", "1", "--open"]), 0, "ann@");
        expect(&at(&["replay", "receipt.json"]), 0, "1: 1 keys destroyed");
        expect(&at(&["replay", "master.key"]), 2, "is no receipt");
        expect(&at(&["search", "--subject", "1", "--open"]), 0, "(erased)");
        expect(&at(&["status"]), 0, "1 live, 1 erased");

        expect(&at(&["rewrap", "--new-key-file", "new.key"]), 2, "cannot be read");
        expect(&at(&["keygen", "--master", "--out", "new.key"]), 0, "a master key");
        expect(&at(&["rewrap"]), 2, "--new-key-file");
        expect(&at(&["rewrap", "--new-key-file", "new.key"]), 0, "1 keys are wrapped anew");
        expect(&at(&["search", "--subject", "2", "--open"]), 1, "another master key");
        fs::rename(folder.path().join("new.key"), folder.path().join("master.key")).expect("configured");
        expect(&at(&["search", "--subject", "2", "--open"]), 0, "bob@");
    })
    .await;
}

#[tokio::test]
async fn a_receipt_is_there_whatever_becomes_of_the_commit() {
    fresh_db(async |fresh| {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        let mut conn = fresh.connect().await;
        execute(
            &mut conn,
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no commit''; END'; \
             CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON audit_keys DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await;
        let unheard = at(&["erase", "1", "--receipt", "receipt.json", "--yes"]);
        expect(&unheard, 1, "`db audit replay receipt.json` makes sure");
        execute(&mut conn, "DROP TRIGGER fail ON audit_keys").await;
        expect(&at(&["status"]), 0, "0 live, 0 erased");
        expect(&at(&["replay", "receipt.json"]), 0, "1 keys destroyed");
        expect(&at(&["status"]), 0, "0 live, 1 erased");
    })
    .await;
}

#[tokio::test]
async fn reports_are_shown() {
    fresh_db(async |fresh| {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        let mut conn = fresh.connect().await;
        expect(&at(&["report", "tasks"]), 0, "no task has ended");
        execute(
            &mut conn,
            "INSERT INTO audit_inbox (actor, action, entity_type, entity_id, outcome, occurred_at) VALUES \
            ('ann', 'task.start', 'tasks', '7', 'success', now() - interval '10 s'), \
            ('ann', 'task.complete', 'tasks', '7', 'success', now()), \
            (E'eve\\x1b[2J', 'read', 'files', '1', 'denied', now())",
        )
        .await;
        expect(&at(&["report", "tasks"]), 0, "10.000 s");
        let denied = at(&["report", "denied"]);
        expect(&denied, 0, "files 1");
        assert!(!denied.stdout.contains('\u{1b}'), "{denied:?}");
        let activity = at(&["report", "activity", "--by", "actor", "--json"]).json();
        assert_eq!(activity["report"]["rows"].as_array().map(Vec::len), Some(2), "{activity}");
        expect(&at(&["report", "activity", "--from", "2026-05-02", "--until", "2026-05-01"]), 2, "not after");
        expect(&at(&["report", "nothing"]), 2, "activity");
    })
    .await;
}

#[tokio::test]
async fn months_leave_with_their_proofs_in_a_file() {
    fresh_db(async |fresh| {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        let key = keys(&fresh, folder.path());
        let mut conn = fresh.connect().await;
        execute(
            &mut conn,
            "INSERT INTO audit_inbox (action, entity_type) SELECT 'a', 't' FROM generate_series(1, 5)",
        )
        .await;
        expect(&at(&["sequence"]), 0, "5 events");
        // As if they had come long ago, when this month was not yet.
        execute(&mut conn, LONG_AGO).await;
        expect(
            &at(&["retain", "--before", "2020-01", "--export", "old.ndjson", "--yes"]),
            0,
            "no month has left",
        );
        assert!(!folder.path().join("old.ndjson").exists());
        expect(&at(&["retain", "--before", "2021-01", "--export", "old.ndjson"]), 2, "say --yes");
        expect(&at(&["retain", "--before", "soon", "--yes"]), 2, "as in 2026-01");
        expect(&at(&["retain", "--before", "2200-01", "--yes"]), 1, "has not ended stays");
        let left = at(&["retain", "--before", "2021-01", "--export", "old.ndjson", "--yes", "--json"]);
        assert_eq!((left.code, &left.json()["exported"]["events"]), (Some(0), &json!(5)), "{left:?}");
        assert_eq!(left.json()["left"][0]["through_leaf"], 4);
        expect(&at(&["verify-export", "old.ndjson", "--key", &key]), 0, "5 events are in the log");
        expect(&at(&["status"]), 0, "5 to before 5");
        expect(&at(&["sequence"]), 0, "1 events");
        expect(&at(&["verify", "--key", &key]), 0, "the log is what it was");
    })
    .await;
}

/// Moves the events of a log of a few to a month that is over: their time is hashed, so the leaves' hashes are made anew.
const LONG_AGO: &str = r"
SET session_replication_role = replica;
CREATE TABLE audit_events_2020_06 PARTITION OF audit_events FOR VALUES FROM ('2020-06-01') TO ('2020-07-01');
UPDATE audit_events SET sequenced_at = '2020-06-15T00:00:00Z';
UPDATE audit_tiles SET hashes = (SELECT string_agg(sha256('\x00'::bytea || convert_to(E'cairn-audit-event-v1\n', 'UTF8') || uuid_send(id)
    || int8send((extract(epoch FROM occurred_at) * 1000000)::int8) || int8send((extract(epoch FROM sequenced_at) * 1000000)::int8)
    || '\xffffffffffffffff'::bytea
    || int4send(length(action)) || action::bytea || int4send(length(entity_type)) || entity_type::bytea || '\xffffffff'::bytea
    || int4send(length(outcome)) || outcome::bytea || int4send(length(database_user)) || database_user::bytea
    || decode(repeat('ff', 24), 'hex')), ''::bytea ORDER BY leaf) FROM audit_events);
RESET session_replication_role";

#[tokio::test]
async fn what_is_not_there_is_told() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| audit(&fresh, folder.path(), arguments);
        for command in
            [&["status"][..], &["search"], &["verify"], &["sequence"], &["report", "activity"], &["run"]]
        {
            expect(&at(command), 1, "db migrate up");
        }
        expect(&at(&["checkpoint"]), 2, "no signing key is configured");
        expect(&at(&["search", "--open"]), 2, "no master key is configured");
        fs::write(folder.path().join("master.key"), "hunter2-secret").expect("written");
        fs::set_permissions(folder.path().join("master.key"), fs::Permissions::from_mode(0o600))
            .expect("private");
        let refused = at(&["search", "--open"]);
        expect(&refused, 2, "the master key is no key");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        fs::set_permissions(folder.path().join("master.key"), fs::Permissions::from_mode(0o644))
            .expect("open");
        expect(&at(&["search", "--open"]), 2, "others may read it");
        fs::write(folder.path().join(".env"), "DB_AUDIT_SIGNING_KEY_COMMAND='touch ran'\n").expect("written");
        fs::remove_file(folder.path().join("master.key")).expect("removed");
        expect(&at(&["checkpoint"]), 2, "as that file is read unasked");
        assert!(!folder.path().join("ran").exists());
    })
    .await;
}

#[tokio::test]
async fn a_sequencer_runs_until_it_is_stopped() {
    fresh_db(async |fresh| {
        let folder = folder();
        let key = keys(&fresh, folder.path());
        let mut conn = fresh.connect().await;
        execute(
            &mut conn,
            "INSERT INTO audit_inbox (action, entity_type) SELECT 'a', 't' FROM generate_series(1, 5)",
        )
        .await;
        let mut command = db(folder.path(), ["audit", "run", "--json"]);
        command
            .env("DATABASE_URL", fresh.url())
            .env("DB_AUDIT_SIGNING_KEY_FILE", folder.path().join("signing.key"));
        command.env("DB_AUDIT_CHECKPOINT_FILE", folder.path().join("checkpoints"));
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("runs");
        db_testkit::eventually("all have their places", async || {
            audit(&fresh, folder.path(), &["status", "--json"]).json()["size"] == 5
        })
        .await;
        crate::signal(&child, rustix::process::Signal::TERM);
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        // The last thing that it does is to sign; the database has the checkpoint, and so has the file.
        expect(&audit(&fresh, folder.path(), &["verify", "--key", &key, "--json"]), 0, "\"checkpoints\":2");
    })
    .await;
}
