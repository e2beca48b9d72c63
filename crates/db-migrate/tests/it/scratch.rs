//! Scratch databases: made, copied, dropped, swept, and nobody else's touched.

use db_migrate::{Scratch, Server, Template};
use db_testkit::empty_db;
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::Duration;

#[tokio::test]
async fn a_copy_has_what_the_original_has_and_goes_when_told() {
    empty_db(|db| async move {
        let server = server(db.url());
        let mut conn = db.connect().await;
        super::run(&mut conn, "CREATE TABLE notes (id int); INSERT INTO notes VALUES (7)").await;

        let refused = Scratch::create(&server, Template::CopyOf(db.name())).await.expect_err("we are in it");
        assert!(refused.to_string().contains("which is in use by pid "), "{refused}");
        sqlx::Connection::close(conn).await.expect("closed");

        let scratch = copy_once_nobody_is_in_it(&server, db.name()).await;
        let mut inside = scratch.server().connect().await.expect("it takes connections");
        let id: i32 =
            sqlx::query_scalar("SELECT id FROM notes").fetch_one(&mut inside).await.expect("copied");
        assert_eq!(id, 7);
        let name = scratch.server().database().to_owned();
        scratch.drop().await.expect("dropped, although somebody is in it");
        assert!(!exists(&mut db.connect().await, &name).await);
    })
    .await;
}

#[tokio::test]
async fn an_empty_one_has_the_encoding_and_locale_of_the_database() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let (latin, scratch_of) = (format!("{}_l", db.name()), server(db.url()));
        let sql = format!(
            "CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        execute(&mut conn, sql).await;
        let scratch = Scratch::create(&scratch_of.in_database(&latin), Template::Empty).await.expect("made");
        let mut inside = scratch.server().connect().await.expect("it takes connections");
        let encoding: String = sqlx::query_scalar(
            "SELECT pg_encoding_to_char(encoding)::text || datcollate FROM pg_database WHERE datname = current_database()",
        )
        .fetch_one(&mut inside)
        .await
        .expect("its encoding");
        assert_eq!(encoding, "LATIN1C");
        scratch.drop().await.expect("dropped");
        execute(&mut conn, format!("DROP DATABASE {latin} WITH (FORCE)")).await;
    })
    .await;
}

#[tokio::test]
async fn leftovers_are_swept_and_nothing_else() {
    empty_db(|db| async move {
        let server = server(db.url());
        let mut conn = db.connect().await;
        let scratch = Scratch::create(&server, Template::Empty).await.expect("made");
        let name = scratch.server().database().to_owned();
        let swept = Scratch::sweep(&server, Duration::from_secs(3600)).await.expect("swept");
        assert!(!swept.contains(&name), "it is too young");

        // Its age is in its comment: others' databases must not be swept by this test, so it only makes this one old.
        let old = "cairn scratch database, may be dropped, made at 2020-01-01T00:00:00Z";
        execute(&mut conn, format!("COMMENT ON DATABASE {name} IS '{old}'")).await;
        let impostor = format!("{}_x", db.name());
        execute(&mut conn, format!("CREATE DATABASE {impostor} TEMPLATE template0")).await;
        execute(&mut conn, format!("COMMENT ON DATABASE {impostor} IS '{old}'")).await;
        let inside = scratch.server().connect().await.expect("it takes connections");
        let swept = Scratch::sweep(&server, Duration::from_secs(3600)).await.expect("swept");
        assert!(!swept.contains(&name), "somebody is in it");

        sqlx::Connection::close(inside).await.expect("closed");
        let gone = async {
            while exists(&mut conn, &name).await {
                Scratch::sweep(&server, Duration::from_secs(3600)).await.expect("swept");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is swept");
        assert!(exists(&mut conn, &impostor).await, "it has another name");
        execute(&mut conn, format!("DROP DATABASE {impostor}")).await;
    })
    .await;
}

#[tokio::test]
async fn who_may_not_create_databases_is_told_what_to_grant() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let role = format!("r{}", &db.name()[db.name().len() - 16..]);
        execute(&mut conn, format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")).await;
        let url = as_role(db.url(), &role, "hunter2");
        let error = Scratch::create(&server(&url), Template::Empty).await.expect_err("it may not");
        let text = error.to_string();
        assert!(
            text.ends_with(&format!("the role may not, let it by ALTER ROLE {role} CREATEDB")),
            "{error:?}"
        );
        execute(&mut conn, format!("DROP ROLE {role}")).await;
    })
    .await;
}

/// The test's database for another role, whether its URL names a host or, in its parameters, a socket's folder.
fn as_role(url: &str, role: &str, password: &str) -> String {
    let mut url = url::Url::parse(url).expect("a URL");
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != "user" && key != "password")
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    if url.has_host() {
        url.set_password(None).expect("a URL with a host takes one");
    }
    let own = [("user", role), ("password", password)];
    url.query_pairs_mut().clear().extend_pairs(others).extend_pairs(own);
    url.into()
}

fn server(url: &str) -> Server {
    Server::from_url(url).expect("the test's URL")
}

/// A session that was closed is gone a moment later.
async fn copy_once_nobody_is_in_it(server: &Server, name: &str) -> Scratch {
    let copied = async {
        loop {
            if let Ok(scratch) = Scratch::create(server, Template::CopyOf(name)).await {
                return scratch;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), copied).await.expect("the database is free in time")
}

async fn exists(conn: &mut PgConnection, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(conn)
        .await
        .expect("the server lists its databases")
}

async fn execute(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.expect("the test's own SQL works");
}
