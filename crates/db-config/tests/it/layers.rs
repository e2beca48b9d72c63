//! Which layer wins, and what holds when there is none.

use db_config::{Environment, Host, Loader, Profile};

fn source_of(loader: &Loader, key: &str) -> String {
    let rows = loader.load().unwrap().explain().rows;
    let row = rows.into_iter().find(|row| row.key == key).unwrap();
    format!("{} from {}", row.value.unwrap_or_default(), row.source.unwrap_or_default())
}

#[test]
fn nothing_at_all_gives_the_defaults_of_development() {
    let config = Loader::new().load().unwrap();
    assert_eq!((config.environment, config.profile), (Environment::Development, Profile::Mixed));
    assert_eq!(config.postgres.hosts, [Host::Tcp { name: "localhost".to_owned(), port: 5432 }]);
    assert_eq!((config.postgres.user.as_str(), config.postgres.database.as_str()), ("postgres", "postgres"));
    assert_eq!((config.pool.min_size, config.pool.max_size.get()), (2, 10));
    assert_eq!(config.url_masked(), "postgres://postgres@localhost:5432/postgres?sslmode=prefer");
    assert!(!config.postgres.is_configured());
}

#[test]
fn whether_a_database_was_named_is_visible() {
    for (variable, value, expected) in [
        ("DATABASE_URL", "postgres://localhost", true),
        ("DATABASE_URL", "postgres:///app", true),
        ("DB_HOST", "localhost", true),
        ("DB_NAME", "postgres", true),
        ("DB_PASSWORD", "secret", false),
        ("DB_POOL_MAX", "9", false),
    ] {
        let config = Loader::new().env([(variable, value)]).load().unwrap();
        assert_eq!(config.postgres.is_configured(), expected, "{variable}");
    }
}

#[test]
fn dotenv_then_environment_then_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".env");
    std::fs::write(&path, "# limits\nDB_POOL_MAX=11\n").unwrap();
    let name = path.display();
    let loader = Loader::new().dotenv(&path);
    assert_eq!(source_of(&loader, "pool.max_size"), format!("11 from {name}:2 DB_POOL_MAX"));
    let loader = loader.env([("DB_POOL_MAX", "12")]);
    assert_eq!(source_of(&loader, "pool.max_size"), "12 from environment variable DB_POOL_MAX");
    let loader = loader.set("pool.max_size", "13");
    assert_eq!(source_of(&loader, "pool.max_size"), "13 from set in code pool.max_size");
}

#[cfg(feature = "file")]
#[test]
fn files_are_the_weakest_and_the_later_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two, dotenv] = ["one.yaml", "two.toml", ".env"].map(|name| directory.path().join(name));
    std::fs::write(&one, "pool: {max_size: 11, min_size: 3}").unwrap();
    std::fs::write(&two, "[pool]\nmax_size = 12\n").unwrap();
    std::fs::write(&dotenv, "DB_POOL_MIN=4").unwrap();
    let loader = Loader::new().file(&one).file(&two).file_if_present(directory.path().join("none.yaml"));
    assert_eq!(source_of(&loader, "pool.max_size"), format!("12 from {} pool.max_size", two.display()));
    assert_eq!(source_of(&loader, "pool.min_size"), format!("3 from {} pool.min_size", one.display()));
    let loader = loader.dotenv(&dotenv);
    assert_eq!(source_of(&loader, "pool.min_size"), format!("4 from {}:1 DB_POOL_MIN", dotenv.display()));
}

#[test]
fn the_environment_may_come_from_any_layer() {
    let loader = Loader::new().env([("NODE_ENV", "production"), ("DB_WORKLOAD_PROFILE", "oltp")]);
    assert_eq!(source_of(&loader, "pool.max_size"), "50 from default (production, oltp)");
    let loader = loader.environment(Environment::Staging);
    assert_eq!(source_of(&loader, "pool.max_size"), "25 from default (staging, oltp)");
}

#[test]
fn a_default_that_yields_says_to_what() {
    let loader = Loader::new().set("pool.max_size", "1");
    assert_eq!(
        source_of(&loader, "pool.min_size"),
        "1 from default (development, mixed), fitted to pool.max_size"
    );
}

#[test]
fn the_process_environment_is_read_but_never_written() {
    let before: Vec<_> = std::env::vars_os().collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".env");
    std::fs::write(&path, "DB_NAME=from_dotenv\nCAIRN_UNSEEN=1\n").unwrap();
    Loader::new().process_env().dotenv(&path).load().unwrap();
    assert_eq!(before, std::env::vars_os().collect::<Vec<_>>());
}
