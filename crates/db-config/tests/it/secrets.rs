//! No text that leaves the crate holds a password, whatever it looks like and wherever it was put.
//!
//! `PROPTEST_CASES=100000 cargo nextest run -p db-config --all-features secrets` is the long run.

use db_config::{Config, Error, Loader};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;

/// In every generated password; no configuration holds it by chance, so not even a piece of a password may be printed.
const MARK: &str = "Zq7XkW9v";

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

/// Everything that a program could print about the outcome.
fn printed(loader: &Loader) -> String {
    let mut text = format!("{loader:?}");
    match loader.load() {
        Ok(config) => text.push_str(&printed_config(&config)),
        Err(error) => text.push_str(&printed_error(&error)),
    }
    text
}

fn printed_config(config: &Config) -> String {
    static OTHER: LazyLock<Config> = LazyLock::new(|| Loader::new().load().unwrap());
    let explained = config.explain();
    let mut text = format!("{config:?}{}{explained}{explained:?}", config.url_masked());
    for change in config.diff(&OTHER).iter().chain(&OTHER.diff(config)) {
        let _ = write!(text, "{change}{change:?}");
    }
    #[cfg(feature = "serde")]
    text.push_str(&serde_json::to_string(&explained).unwrap());
    text
}

fn printed_error(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}{error:?}{source}")
}

/// A place for a password.
#[derive(Debug)]
enum Place {
    Variables(Vec<(&'static str, String)>),
    File(&'static str, String),
}

impl Place {
    fn loader(&self, directory: &Path) -> Loader {
        let (name, text) = match self {
            Self::Variables(pairs) => return Loader::new().env(pairs.iter().cloned()),
            Self::File(name, text) => (name, text),
        };
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(feature = "file")]
        if *name != ".env" {
            return Loader::new().file(path);
        }
        Loader::new().dotenv(path)
    }
}

/// The password in every place where it might be put, rightly or wrongly.
fn variables(password: &str) -> Vec<Place> {
    let escaped = encoded(password);
    let mut pairs = vec![
        ("DB_PASSWORD", password.to_owned()),
        ("DB_AUDIT_MASTER_KEY", password.to_owned()),
        ("DB_AUDIT_SIGNING_KEY", password.to_owned()),
    ];
    for part in [password, escaped.as_str()] {
        for url in [
            format!("postgres://u:{part}@h/app"),
            format!("postgres://u:{part}@h:5432,h2/app?sslmode=require"),
            format!("postgres://u:x{}", part.replace('@', "")),
            format!("postgres://u:{part}@"),
            format!("postgres://u:x{part}%@h/app"),
            format!("postgres://u:x{part}%4@h/app"),
            format!("postgres://u:x@{part}@h/app"),
            format!("postgres://u:{part}@h:port/app"),
            format!("postgres://u:{part}@h:5432:1/app"),
            format!("postgres://u:{part}@h h/app"),
            format!("postgres://h/app?password={part}"),
            format!("postgres://h/app?pwd={part}"),
            format!("postgres://h/app?sslpassword={part}"),
            format!("postgres://h/app?password={part}&nothing"),
            format!("postgres://h/app?sslmode={part}"),
            format!("postgres://h/app?{part}"),
            format!("postgres:/u:{part}@h/app"),
            format!("mysql://u:{part}@h/app"),
            format!("u:{part}@h/app"),
            format!("//u:{part}@h/app"),
            format!("host=h user=u password={part}"),
            format!("host=h password='{part}' dbname=app"),
            format!("jdbc:postgresql://h/app?user=u&password={part}"),
            part.to_owned(),
        ] {
            for name in [
                "DATABASE_URL",
                "DB_HOST",
                "DB_PORT",
                "DB_NAME",
                "DB_USER",
                "DB_OPTIONS",
                "DB_PASSWORD_FILE",
                "DB_SSL_KEY",
                "DB_SSL_MODE",
                "DB_SSL_CA",
                "DB_APPLICATION_NAME",
                "DB_POOL_MAX",
                "DB_QUERY_TIMEOUT",
                "DB_LOG_QUERIES",
                "DB_READ_REPLICAS",
                "DB_PASSWORD_COMMAND",
                "DB_AUDIT_MASTER_KEY",
                "DB_AUDIT_MASTER_KEY_FILE",
                "DB_AUDIT_MASTER_KEY_COMMAND",
                "DB_AUDIT_SIGNING_KEY",
                "DB_AUDIT_SIGNING_KEY_COMMAND",
                "DB_TARGET_SESSION_ATTRS",
                "DB_UNKNOWN",
                "REDIS_URL",
            ] {
                if !passes_for(name, part, &url) {
                    pairs.push((name, url.clone()));
                }
            }
        }
        pairs.push(("REDIS_URL", format!("redis://:{part}@h:6379/0")));
        pairs.push(("REDIS_URL", format!("rediss://u:x{}", part.replace('@', ""))));
        pairs.push(("REDIS_URL", format!("redis://h/0?password={part}")));
        pairs.push(("DB_READ_REPLICAS", format!("postgres://u:{part}@r1,postgres://r2 u:{part}@r3")));
    }
    let mut places: Vec<_> = pairs.into_iter().map(|pair| Place::Variables(vec![pair])).collect();
    let url = |text: &str| ("DATABASE_URL", text.to_owned());
    places.push(Place::Variables(vec![("DB_PASSWORD", password.to_owned()), url("postgres://u:other@h")]));
    places
        .push(Place::Variables(vec![url(&format!("postgres://u:{escaped}@h")), ("DB_HOST", "g".to_owned())]));
    places
}

/// A bare word is a good host, database or name, and one that starts with `/` a good program: nobody can tell.
fn passes_for(name: &str, part: &str, value: &str) -> bool {
    let plain = ["DB_HOST", "DB_NAME", "DB_USER", "DB_APPLICATION_NAME", "DB_OPTIONS", "DB_READ_REPLICAS"];
    let paths = ["DB_SSL_CA", "DB_SSL_KEY", "DB_PASSWORD_FILE", "DB_AUDIT_MASTER_KEY_FILE"];
    let commands = ["DB_PASSWORD_COMMAND", "DB_AUDIT_MASTER_KEY_COMMAND", "DB_AUDIT_SIGNING_KEY_COMMAND"];
    value == part
        && (plain.contains(&name)
            || paths.contains(&name)
            || (commands.contains(&name) && part.trim_start().starts_with('/')))
}

/// The password inside a file, quoted well and badly.
fn files(password: &str) -> Vec<Place> {
    let quoted = serde_json::to_string(password).unwrap();
    let mut files = vec![
        (".env", format!("DB_PASSWORD={password}\n")),
        (".env", format!("DB_PASSWORD='{password}'\nDB_HOST=h\n")),
        (".env", format!("DB_PASSWORD=\"{password}\"\n")),
        (".env", format!("DB_PASSWORD '{password}'\n")),
        (".env", format!("DATABASE_URL=postgres://u:{password}@h/app\n")),
        (".env", format!("{password}\n")),
    ];
    if cfg!(feature = "file") {
        files.extend([
            ("a.yaml", format!("database:\n  password: {quoted}\n")),
            ("a.yaml", format!("database:\n  password: {password}\n  host: h\n")),
            ("a.yaml", format!("database: {{host: h, password: {password}}}\n")),
            ("a.yaml", format!("database:\n  password:{password}\n")),
            ("a.yaml", format!("database:\n  password: '{password}'\n")),
            ("a.yaml", format!("database:\n  url: postgres://u:{password}@h/app\n")),
            ("a.yaml", format!("database:\n  pasword: {quoted}\n")),
            ("a.yaml", format!("{quoted}\n")),
            ("a.yaml", format!("database:\n  read_replicas: [{quoted}, \"u:{MARK}@h\"]\n")),
            ("a.yaml", format!("audit:\n  master_key: {quoted}\n  signing_key: {quoted}\n")),
            ("a.yaml", format!("audit:\n  masterkey: {quoted}\n")),
            ("a.toml", format!("[database]\npassword = {quoted}\n")),
            ("a.toml", format!("[database]\npassword = {password}\n")),
            ("a.toml", format!("[database]\npassword = \"{password}\"\nport = 1\n")),
            ("a.toml", format!("database.password '{password}'\n")),
        ]);
    }
    files.into_iter().map(|(name, text)| Place::File(name, text)).collect()
}

fn places(password: &str) -> Vec<Place> {
    variables(password).into_iter().chain(files(password)).collect()
}

fn check(place: &Place, password: &str, directory: &Path) {
    let printed = printed(&place.loader(directory));
    for part in [password, &encoded(password), MARK, &encoded(MARK)] {
        let around =
            printed.find(part).map(|at| printed.get(at.saturating_sub(200)..at + 100).unwrap_or(&printed));
        assert!(around.is_none(), "{place:?} leaked: {around:?}");
    }
}

/// Around the mark: whatever breaks parsers, and whatever passwords are made of.
fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9]{0,6}",
        "[%@:/?#&= '\"\\\\$,;{}\\[\\]|+*!~.<>-]{0,6}",
        "\\PC{0,4}",
        "[0-9]{0,4}/?",
        "%[0-9a-fA-F]{0,2}"
    ]
}

/// Three thousand cases, unless `PROPTEST_CASES` says otherwise.
fn cases() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        config
    } else {
        ProptestConfig { cases: 3_000, ..config }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_password_is_ever_printed(
        before in around(),
        after in around(),
        chosen in prop::collection::vec(any::<Index>(), 20),
    ) {
        static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
        let password = format!("{before}{MARK}{after}");
        let places = places(&password);
        for index in chosen {
            check(index.get(&places), &password, DIRECTORY.path());
        }
    }
}

#[test]
fn passwords_that_look_like_something_else() {
    let directory = tempfile::tempdir().unwrap();
    for password in [
        "1/Zq7XkW9v",
        "1?Zq7XkW9v",
        "x@h2/Zq7XkW9v",
        "x@h2?Zq7XkW9v=1&",
        "x&Zq7XkW9v=1",
        "x, Zq7XkW9v",
        "x, Zq7XkW9v: 1",
        "x\n  Zq7XkW9v: 1",
        "x\nZq7XkW9v",
        "x #Zq7XkW9v",
        "$Zq7XkW9v",
        "\"Zq7XkW9v",
        "30sZq7XkW9v",
        "requireZq7XkW9v",
    ] {
        for place in places(password) {
            check(&place, password, directory.path());
        }
    }
}
