//! A handle whose configuration names access rules.

use db_facade::{
    Database, Error,
    db_config::Loader,
    db_query::{Select, Statement, asc},
    db_security::access::{
        Actual, Catalogue, Error as RulesError, Foreign, GuardError, Owner, Policy, Rules, Subject, apply,
        compile, diff, plan,
    },
};
use db_testkit::{FreshDb, empty_db};
use sqlx::{AssertSqlSafe, Executor};
use std::{path::Path, time::Duration};

async fn run(db: &FreshDb, sql: &str) {
    db.connect()
        .await
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A role's name that no other test has: roles belong to the whole server.
fn role(db: &FreshDb, name: &str) -> String {
    format!("cairn_f_{}_{name}", &db.name()[db.name().len() - 16..])
}

fn rules(agent: &str, least: u32) -> String {
    format!(
        "[[roles]]\nname = \"{agent}\"\n[[rules]]\nname = \"some\"\nroles = [\"{agent}\"]\neffect = \"allow\"\n\
         permissions = [\"read\"]\ntable = \"items\"\nrows = {{ id = {{ \"$gte\" = {least} }} }}\n"
    )
}

/// Brings the rules into the database, as `db access apply` does.
async fn bring(db: &FreshDb, text: &str) {
    let mut conn = db.connect().await;
    let catalogue = Catalogue::read(&mut conn, "public").await.expect("a catalogue");
    let policy = Policy::new(&Rules::from_toml(text).expect("readable"), catalogue).expect("sound");
    conn.execute("BEGIN").await.expect("begun");
    let actual = Actual::read(&mut conn, &policy).await.expect("read");
    let steps = plan(&diff(&compile(&policy, Owner::Held), &actual), Foreign::Keep).expect("planned");
    apply(&mut conn, &steps, Duration::from_secs(5)).await.expect("applied");
    conn.execute("COMMIT").await.expect("committed");
}

async fn open(db: &FreshDb, login: &str, mode: &str, rules: &Path) -> Result<Database, Error> {
    let rules = rules.to_str().expect("a path");
    let variables = [("DATABASE_URL", db.url()), ("DB_ACCESS_MODE", mode), ("DB_ACCESS_RULES", rules)];
    let config = Loader::new().env(variables).set("database.user", login).load().expect("valid");
    Database::builder().config(config).build().await
}

fn ids() -> Statement {
    Select::from("items").columns(["id"]).order_by(asc("id")).build().expect("valid")
}

#[tokio::test]
async fn rules_of_the_configuration_are_enforced_and_read_anew() {
    empty_db(|db| async move {
        let (agent, login) = (role(&db, "a"), role(&db, "l"));
        run(
            &db,
            &format!(
                "CREATE ROLE \"{login}\" LOGIN; CREATE TABLE items (id int8); CREATE TABLE other (id int8)"
            ),
        )
        .await;
        run(&db, "INSERT INTO items SELECT generate_series(1, 4)").await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.toml");
        std::fs::write(&path, rules(&agent, 3)).expect("written");

        // Nothing was applied yet: the role is not there, and nobody gets past.
        bring(&db, &rules(&agent, 3)).await;
        run(&db, &format!("GRANT \"{agent}\" TO \"{login}\"")).await;
        let handle = open(&db, &login, "enforce", &path).await.expect("as the rules have it");
        let subject = handle.as_subject(&Subject::new(&agent)).expect("a subject");
        assert_eq!(subject.run(ids()).all::<(i64,)>().await.expect("some"), [(3,), (4,)]);
        let other = Select::from("other").columns(["id"]).build().expect("valid");
        let refused = subject.run(other).all::<(i64,)>().await.expect_err("no rule");
        assert!(matches!(refused, GuardError::Refused(_)), "{refused:?}");
        assert_eq!(handle.guard().expect("a guard").stats().refused, 1);

        // A file that is not as the database is does not come into force, and the one before goes on.
        std::fs::write(&path, rules(&agent, 4)).expect("written");
        assert!(
            matches!(handle.reload_access().await, Err(Error::Access { .. })),
            "policies are of the old rules"
        );
        assert_eq!(subject.run(ids()).all::<(i64,)>().await.expect("some").len(), 2);
        bring(&db, &rules(&agent, 4)).await;
        handle.reload_access().await.expect("as the rules have it");
        assert_eq!(subject.run(ids()).all::<(i64,)>().await.expect("some"), [(4,)]);

        let told = |error: Error| db_core::with_causes(&error);
        run(&db, "ALTER TABLE items DISABLE ROW LEVEL SECURITY").await;
        let error = open(&db, &login, "enforce", &path).await.expect_err("nothing holds the rows");
        assert!(told(error).contains("row-level security of public.items is off; to do: apply the rules"));
        let watching = open(&db, &login, "observe", &path).await.expect("observed");
        assert!(!watching.guard().expect("a guard").findings().is_empty());
        run(&db, "DROP TABLE items").await;
        for mode in ["enforce", "observe"] {
            let error = open(&db, &login, mode, &path).await.expect_err("no such table");
            let Error::Access { source, .. } = &error else { panic!("{error:?}") };
            assert!(matches!(**source, GuardError::Rules(RulesError::Rules { .. })), "{error:?}");
        }
        let none = open(&db, &login, "enforce", Path::new("/nowhere/rules.toml")).await;
        assert!(matches!(none, Err(Error::AccessFile { .. })));
        let off = open(&db, &login, "off", Path::new("/nowhere/rules.toml")).await.expect("nobody reads it");
        assert!(off.guard().is_none());
        assert!(matches!(off.as_subject(&Subject::new(&agent)), Err(Error::NoAccess)));
        for handle in [handle, watching, off] {
            handle.close().await;
        }
        for role in [&login, &agent] {
            run(&db, &format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
        }
    })
    .await;
}
