//! What the server does with rules.

mod agree;
mod agree_guard;
mod bypass;
mod conditions;
mod drift;
mod guard;
mod memberships;
mod nested_views;
mod plans;
mod requests;
mod rules;
mod system_rights;

use db_query::Statement;
use db_security::access::{
    Actual, Catalogue, Error, Foreign, Owner, Policy, Rules, Subject, apply, compile, diff, plan,
};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row, ValueRef, postgres::PgRow};
use std::time::Duration;

/// Tables with every kind of column that conditions take, views of both kinds, and a function.
const SCHEMA: &str = "
    CREATE TABLE items (id int8 PRIMARY KEY, owner text, team int4, open bool, due timestamptz, note text);
    CREATE TABLE links (id bigserial PRIMARY KEY, item int8, kind text);
    CREATE VIEW shown AS SELECT id, owner FROM items;
    CREATE VIEW asked WITH (security_invoker = true) AS SELECT id, kind FROM links;
    CREATE FUNCTION twice(number integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN number * 2; END';
    INSERT INTO items VALUES
        (1, 'ann', 1, true, '2026-01-01', 'a note'), (2, 'bob', 2, false, '2026-07-01', 'it''s'),
        (3, NULL, 3, NULL, NULL, NULL), (4, 'ann', NULL, true, '2026-03-01', E'back\\\\slash'),
        (5, 'cat', 1, false, NULL, 'alpha'), (6, 'bob', 3, NULL, '2027-01-01', ''),
        (7, NULL, 2, true, '2026-06-30', 'beta'), (8, 'ann', 2, false, '2025-01-01', NULL);
    INSERT INTO links (item, kind)
        SELECT i, (ARRAY['a', 'b', NULL])[i % 3 + 1] FROM generate_series(1, 9) AS i";

/// A role's name that no other test has: roles belong to the whole server.
fn role(db: &db_testkit::FreshDb, name: &str) -> String {
    let unique = &db.name()[db.name().len() - 16..];
    format!("cairn_t_{unique}_{name}")
}

async fn run(conn: &mut PgConnection, sql: &str) {
    if let Err(error) = conn.execute(AssertSqlSafe(sql.to_owned())).await {
        panic!("{sql}: {error}");
    }
}

/// What the database lacks of the rules is done, in the caller's transaction.
async fn obey(conn: &mut PgConnection, policy: &Policy) -> Result<(), Error> {
    let actual = Actual::read(conn, policy).await?;
    let steps = plan(&diff(&compile(policy, Owner::Held), &actual), Foreign::Keep)?;
    apply(conn, &steps, Duration::from_secs(5)).await
}

/// Rules in TOML, for the database as it is.
async fn policy(conn: &mut PgConnection, toml: &str) -> Policy {
    let catalogue = Catalogue::read(conn, "public").await.expect("a catalogue");
    Policy::new(&Rules::from_toml(toml).expect("readable rules"), catalogue).expect("sound rules")
}

/// From here to the end of the transaction or savepoint, the connection works for the subject.
async fn become_subject(conn: &mut PgConnection, subject: &Subject) {
    // The role comes first, and settings are anybody's.
    for (name, value) in subject.settings() {
        sqlx::query("SELECT set_config($1, $2, true)")
            .bind(name)
            .bind(value)
            .execute(&mut *conn)
            .await
            .expect("a setting");
    }
}

/// The rows of an answer, whatever their types, in an order of their own.
fn sorted(rows: &[PgRow]) -> Vec<Vec<Option<Vec<u8>>>> {
    let value = |row: &PgRow, at| {
        let raw = row.try_get_raw(at).expect("a value");
        if raw.is_null() { None } else { Some(raw.as_bytes().expect("bytes").to_vec()) }
    };
    let mut all: Vec<Vec<_>> =
        rows.iter().map(|row| (0..row.len()).map(|at| value(row, at)).collect()).collect();
    all.sort();
    all
}

/// The answer, or the SQLSTATE.
async fn answer(conn: &mut PgConnection, statement: Statement) -> Result<Vec<Vec<Option<Vec<u8>>>>, String> {
    match conn.fetch_all(statement).await {
        Ok(rows) => Ok(sorted(&rows)),
        Err(error) => Err(error
            .as_database_error()
            .and_then(|error| error.code())
            .map_or_else(|| panic!("not of the server: {error}"), std::borrow::Cow::into_owned)),
    }
}
