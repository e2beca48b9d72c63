//! A database for one test, cloned from a template.

use crate::{server::server_is_named, server_url};
use db_core::Secret;
use db_migrate::{Migrations, Options};
use futures_util::FutureExt;
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::{fmt::Debug, future::Future, panic::AssertUnwindSafe, thread};
use tokio::sync::OnceCell;
use url::Url;

/// Serialises the making of the template among processes.
const TEMPLATE_LOCK: i64 = 0x6361_6972_6e01;
/// PostgreSQL's longest name, less room for what is added to it.
const NAME_BYTES: usize = 40;

/// A database that one test has for itself.
#[derive(Clone, Debug)]
pub struct FreshDb {
    name: String,
    url: Secret,
}

impl FreshDb {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.expose()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection of the test's own, outside any pool.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.url()).await.expect("the test's database takes connections")
    }
}

/// Whether a test's body went well: `()` always, a `Result` when it is `Ok`.
pub trait Verdict {
    /// Why it did not, if so.
    fn failure(&self) -> Option<String>;
}

impl Verdict for () {
    fn failure(&self) -> Option<String> {
        None
    }
}

impl<T, E: Debug> Verdict for Result<T, E> {
    fn failure(&self) -> Option<String> {
        self.as_ref().err().map(|error| format!("{error:?}"))
    }
}

/// Runs a test with a database that has this system's schema.
///
/// # Panics
/// When the test does, and when there is no server, with what to install.
pub async fn fresh_db<F: Future<Output: Verdict>>(test: impl FnOnce(FreshDb) -> F) {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(|| migrated_template(template_name())).await;
    with_database(template, test).await;
}

/// Runs a test with a database that has nothing in it.
///
/// # Panics
/// When the test does, and when there is no server, with what to install.
pub async fn empty_db<F: Future<Output: Verdict>>(test: impl FnOnce(FreshDb) -> F) {
    with_database("template0", test).await;
}

async fn with_database<F: Future<Output: Verdict>>(template: &str, test: impl FnOnce(FreshDb) -> F) {
    let name = database_name(thread::current().name().unwrap_or("test"), rand::rng().random());
    let mut admin = connect_admin().await;
    run(&mut admin, format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"")).await;
    let db = FreshDb { url: Secret::new(at_database(server_url().expose(), &name)), name: name.clone() };
    let result = AssertUnwindSafe(test(db)).catch_unwind().await;
    let failure = match &result {
        Ok(verdict) => verdict.failure(),
        Err(_) => Some("it panicked".to_owned()),
    };
    match failure {
        None => run(&mut admin, format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await,
        Some(why) => {
            if server_is_named() {
                eprintln!("the test's database {name} is kept: {why}");
            } else {
                eprintln!("the test's database goes with its server; `cargo xtask test` keeps both: {why}");
            }
            match result {
                Ok(_) => panic!("the test failed: {why}"),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }
}

/// Makes the template unless some process has made it, and answers with its name.
async fn migrated_template(name: String) -> String {
    let mut admin = connect_admin().await;
    // Whoever holds it is done in less than a second; it ends with the connection.
    run(&mut admin, format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("the server lists its databases");
    if !exists {
        // It has its name only when it is whole.
        let unfinished = format!("{name}_unfinished");
        run(&mut admin, format!("DROP DATABASE IF EXISTS \"{unfinished}\" WITH (FORCE)")).await;
        run(&mut admin, format!("CREATE DATABASE \"{unfinished}\" TEMPLATE template0")).await;
        migrate(&at_database(server_url().expose(), &unfinished)).await;
        run(&mut admin, format!("ALTER DATABASE \"{unfinished}\" RENAME TO \"{name}\"")).await;
    }
    admin.close().await.expect("the lock is released");
    name
}

async fn migrate(url: &str) {
    let mut conn = PgConnection::connect(url).await.expect("the template takes connections");
    let migrations = Migrations::embedded(db_model::MIGRATIONS).expect("the embedded migrations are sound");
    db_migrate::apply(&mut conn, &migrations, &Options::default(), &mut |_| {})
        .await
        .expect("the migrations apply");
    conn.close().await.expect("the template is left alone");
}

async fn connect_admin() -> PgConnection {
    // Starting a server blocks; where one is named this is only a look at the environment.
    let url = server_url();
    match PgConnection::connect(url.expose()).await {
        Ok(conn) => conn,
        Err(error) => panic!("the test server does not answer: {error}; is DB_TEST_POSTGRES_URL right?"),
    }
}

/// Runs a statement that this module made of names that it made itself.
async fn run(conn: &mut PgConnection, sql: String) {
    if let Err(error) = conn.execute(AssertSqlSafe(sql.clone())).await {
        panic!("{sql}: {error}");
    }
}

fn template_name() -> String {
    let mut hash = Sha256::new();
    for migration in db_model::MIGRATIONS {
        hash.update(migration.folder);
        hash.update(migration.up);
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("cairn_template_{hex}")
}

/// The end of the test's name, which tells most, made unique.
fn database_name(test: &str, unique: u64) -> String {
    let name: String = test.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let tail = &name[name.len().saturating_sub(NAME_BYTES)..];
    format!("t_{tail}_{unique:016x}").to_ascii_lowercase()
}

fn at_database(url: &str, name: &str) -> String {
    let mut url = Url::parse(url).expect("DB_TEST_POSTGRES_URL is a URL");
    url.set_path(name);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::{at_database, connect_admin, database_name, migrated_template, run};
    use futures_util::future::join_all;

    #[tokio::test]
    async fn a_template_is_made_once_however_many_want_it() {
        let name = database_name("template", rand::random());
        let made = join_all((0..4).map(|_| migrated_template(name.clone()))).await;
        assert!(made.iter().all(|made| *made == name));
        run(&mut connect_admin().await, format!("DROP DATABASE \"{name}\"")).await;
    }

    #[test]
    fn names_fit_and_tell_the_test() {
        let name = database_name("lifecycle::a_very_long_name_of_a_test_that_goes_on_and_on_and_on", 7);
        assert!(name.len() <= 63 && name.contains("goes_on_and_on"), "{name}");
        assert_ne!(database_name("a", 1), database_name("a", 2));
    }

    #[test]
    fn only_the_database_of_a_url_changes() {
        assert_eq!(at_database("postgresql:///postgres?host=/tmp/x", "t"), "postgresql:///t?host=/tmp/x");
    }
}
