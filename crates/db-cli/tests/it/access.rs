//! `db access` as whoever looks after a service uses it.

use crate::{Answer, db, expect, folder, write};
use db_testkit::{FreshDb, empty_db};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::path::Path;

async fn run(fresh: &FreshDb, sql: &str) {
    fresh
        .connect()
        .await
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn access(fresh: &FreshDb, folder: &Path, arguments: &[&str]) -> Answer {
    let mut command = db(folder, [&["access"], arguments].concat());
    command.env("DATABASE_URL", fresh.url()).env("DB_ACCESS_RULES", "rules.toml");
    command.output().expect("the binary runs").into()
}

/// Roles belong to the whole server, so each test has its own.
fn role(fresh: &FreshDb) -> String {
    format!("cairn_c_{}", &fresh.name()[fresh.name().len() - 16..])
}

fn rules(agent: &str) -> String {
    format!(
        "[[roles]]\nname = \"{agent}\"\n[[rules]]\nname = \"own\"\nroles = [\"{agent}\"]\neffect = \"allow\"\n\
         permissions = [\"read\"]\ntable = \"items\"\ncolumns = [\"id\"]\nrows = {{ owner = {{ \"$subject\" = \"who\" }} }}\n"
    )
}

const SCHEMA: &str = "CREATE TABLE items (id int8, owner text, salary int4); CREATE TABLE other (id int8)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_are_planned_applied_compared_and_checked() {
    empty_db(async |fresh| {
        let (agent, folder) = (role(&fresh), folder());
        run(&fresh, SCHEMA).await;
        write(folder.path(), "rules.toml", rules(&agent));
        let at = |arguments: &[&str]| access(&fresh, folder.path(), arguments);
        expect(&at(&["diff"]), 3, &format!("role {agent} is missing"));
        expect(&at(&["plan"]), 3, "CREATE POLICY");
        expect(&at(&["diff"]), 3, "is missing");
        expect(&at(&["apply"]), 2, "say --yes");
        expect(&at(&["diff"]), 3, "is missing");

        // Somebody holds the table: it gives up, and nothing of it was done.
        let mut conn = fresh.connect().await;
        let mut holds = conn.begin().await.expect("begun");
        holds.execute("LOCK TABLE items").await.expect("locked");
        expect(&at(&["apply", "--yes", "--lock-timeout", "50ms"]), 1, "lock timeout");
        holds.rollback().await.expect("let go");
        expect(&at(&["diff"]), 3, &format!("role {agent} is missing"));

        let applied = at(&["apply", "--yes", "--json"]);
        assert_eq!(applied.code, Some(0), "{applied:?}");
        assert_eq!((&applied.json()["applied"], &applied.json()["left"]), (&json!(true), &json!([])));
        expect(&at(&["diff"]), 0, "the database is as the rules want it");
        assert_eq!(at(&["plan", "--json"]).json(), json!({ "statements": [], "differences": [] }));
        expect(&at(&["diff", "--owner", "free"]), 0, "as the rules want it");
        // The tests connect as a superuser, who gets past everything.
        let checked = at(&["check", "--json"]);
        assert_eq!(checked.code, Some(3), "{checked:?}");
        let finding = &checked.json()["findings"][0];
        assert_eq!(finding["severity"], "error", "{finding}");
        assert!(finding["finding"].as_str().is_some_and(|told| told.contains("is a superuser")), "{finding}");

        run(&fresh, "GRANT SELECT ON items TO PUBLIC").await;
        expect(&at(&["diff"]), 3, "no rule gives SELECT on table public.items to PUBLIC");
        expect(&at(&["apply", "--yes"]), 3, "kept, as it is of others");
        expect(
            &at(&["plan", "--revoke-foreign"]),
            3,
            "REVOKE SELECT ON TABLE \"public\".\"items\" FROM PUBLIC",
        );
        expect(&at(&["apply", "--revoke-foreign", "--yes"]), 0, "1 statements done");
        run(&fresh, "ALTER TABLE items DISABLE ROW LEVEL SECURITY").await;
        let drift = at(&["diff", "--json"]);
        assert_eq!((drift.code, &drift.json()["differences"][0]["grants_more"]), (Some(3), &json!(true)));
        // Commands that look after the database are not held to the rules of its services.
        let mut health = db(folder.path(), ["config", "explain"]);
        health.env("DATABASE_URL", fresh.url()).env("DB_ACCESS_MODE", "enforce");
        expect(&health.output().expect("runs").into(), 2, "give access.rules (DB_ACCESS_RULES) too");
        let mut tables = db(folder.path(), ["cache", "stats"]);
        tables
            .env("DATABASE_URL", fresh.url())
            .env("DB_ACCESS_MODE", "enforce")
            .env("DB_ACCESS_RULES", "rules.toml");
        let answer: Answer = tables.output().expect("runs").into();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        run(&fresh, &format!("DROP OWNED BY {agent}; DROP ROLE {agent}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_explained() {
    empty_db(async |fresh| {
        let (agent, folder) = (role(&fresh), folder());
        run(&fresh, SCHEMA).await;
        write(folder.path(), "rules.toml", rules(&agent));
        let explain = |more: &[&str], sql: &str| {
            access(&fresh, folder.path(), &[&["explain", "--role", &agent], more, &[sql]].concat())
        };
        let own = explain(&["--attribute", "who=hush"], "SELECT id FROM items");
        expect(&own, 0, "rule own: allow read public.items (id) where");
        assert!(own.stdout.contains("cairn.subject.who") && !own.stdout.contains("hush"), "{own:?}");
        expect(&explain(&[], "SELECT id FROM items"), 0, "does not count for these attributes at this time");
        expect(&explain(&[], "SELECT id FROM items"), 0, "read public.items: no rows");
        let refused = explain(&["--json"], "SELECT salary FROM items");
        assert_eq!(refused.code, Some(3), "{refused:?}");
        let refused = refused.json();
        assert_eq!((&refused["allowed"], &refused["rules"][0]["rule"]), (&json!(false), &json!("own")));
        assert!(refused["why"].as_str().is_some_and(|why| why.contains("salary")), "{refused}");
        expect(&explain(&[], "DELETE FROM other"), 3, "no rule lets role");
        expect(&explain(&[], "DROP TABLE items"), 3, "may not change the definition");
        expect(&explain(&[], "SET ROLE postgres"), 3, "cannot be told");
        // What no subject could run is not let, though each part of it would be.
        expect(
            &explain(&[], "SELECT id FROM items; SELECT id FROM items"),
            3,
            "several statements in one text",
        );
        expect(&explain(&[], "COPY (SELECT id FROM items) TO STDOUT"), 3, "a protocol of its own");
        expect(&explain(&[], "SELECT s.spy FROM (SELECT id FROM items) AS s"), 3, "calls a function unless");
        expect(&explain(&["--attribute", "Who=x"], "SELECT 1"), 2, "is no name here");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_used_are_told() {
    empty_db(async |fresh| {
        let folder = folder();
        run(&fresh, SCHEMA).await;
        let at = |arguments: &[&str]| access(&fresh, folder.path(), arguments);
        expect(&at(&["diff"]), 2, "rules.toml");
        write(folder.path(), "rules.toml", rules(&role(&fresh)).replace("items", "itms"));
        expect(&at(&["diff"]), 2, "items");
        write(folder.path(), "other.json", "{ \"roles\": [], \"rule\": [] }");
        expect(&at(&["diff", "--rules", "other.json"]), 2, "unknown field");
        // A file that is read unasked may not say which rules are applied to one's database.
        write(folder.path(), "rules.toml", rules(&role(&fresh)));
        write(folder.path(), ".env", "DB_ACCESS_RULES=rules.toml\n");
        let mut unasked = db(folder.path(), ["access", "apply", "--yes"]);
        let answer: Answer = unasked.env("DATABASE_URL", fresh.url()).output().expect("runs").into();
        expect(&answer, 2, "access.rules in .env is refused, as that file is read unasked");
        std::fs::remove_file(folder.path().join(".env")).expect("removed");
        let mut bare = db(folder.path(), ["access", "diff"]);
        let answer: Answer = bare.env("DATABASE_URL", fresh.url()).output().expect("runs").into();
        expect(&answer, 2, "give --rules FILE, or set DB_ACCESS_RULES");
    })
    .await;
}
