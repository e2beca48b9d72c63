//! A database per test on the server that `DB_TEST_POSTGRES_URL` names.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// An empty database; [`Fresh::drop`] removes it, and a failed test leaves it to be looked at.
pub(crate) struct Fresh {
    options: PgConnectOptions,
    name: String,
}

pub(crate) async fn fresh() -> Fresh {
    let url = std::env::var("DB_TEST_POSTGRES_URL").expect(
        "these tests need PostgreSQL: set DB_TEST_POSTGRES_URL to the URL of a superuser, as in \
         postgres://postgres@localhost/postgres",
    );
    let options: PgConnectOptions = url.parse().expect("DB_TEST_POSTGRES_URL is a URL");
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    run(&options, format!("CREATE DATABASE {name}")).await;
    Fresh { options, name }
}

/// A fresh database with this system's schema, and a connection to it.
pub(crate) async fn migrated() -> (Fresh, PgConnection) {
    let db = fresh().await;
    let mut conn = db.connect().await;
    let migrations = db_migrate::Migrations::embedded(db_model::MIGRATIONS).expect("sound migrations");
    db_migrate::apply(&mut conn, &migrations, &db_migrate::Options::default(), &mut |_| {})
        .await
        .expect("the migrations apply");
    (db, conn)
}

impl Fresh {
    pub(crate) async fn connect(&self) -> PgConnection {
        let options = self.options.clone().database(&self.name);
        PgConnection::connect_with(&options).await.expect("the server takes connections")
    }

    pub(crate) async fn drop(self) {
        run(&self.options, format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn run(options: &PgConnectOptions, sql: String) {
    let mut conn = PgConnection::connect_with(options).await.expect("the server takes connections");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("a superuser may do this");
}
