//! Every problem at once, each with its place and the way out.

use db_config::{Error, Loader, ProblemKind};
use db_core::{Classify, Retry};

fn problems(loader: &Loader) -> Vec<String> {
    let error = loader.load().unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn all_layers_tell_all_their_problems() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".env");
    std::fs::write(&path, "\nDB_PORT=99999\nDB_SSL_MODE=requre\n").unwrap();
    let loader = Loader::new()
        .dotenv(&path)
        .env([("DB_HSOT", "h"), ("DB_QUERY_TIMEOUT", "30"), ("DB_POOL_MIN", "9"), ("DB_POOL_MAX", "8")])
        .set("pool.maxsize", "3");
    let dotenv = path.display();
    let expected = [
        format!("{dotenv}:2 DB_PORT: database.port = `99999`: not a port; give 1 to 65535, or one for each host by commas"),
        format!(
            "{dotenv}:3 DB_SSL_MODE: database.ssl_mode = `requre`: unknown word; use one of disable, allow, prefer, \
             require, verify-ca, verify-full (did you mean require?)"
        ),
        "environment variable DB_HSOT: no such variable; correct the name, or let Loader::pass_over skip it (did you \
         mean DB_HOST?)"
            .to_owned(),
        "environment variable DB_QUERY_TIMEOUT: query.timeout = `30`: a bare number is in ms here, and 30ms is outside \
         100ms to 6h; did you mean 30s? write the unit"
            .to_owned(),
        "set in code pool.maxsize: no such key; use a key of the reference (did you mean pool.max_size?)".to_owned(),
        "environment variable DB_POOL_MIN and environment variable DB_POOL_MAX: `9` and `8`: pool.min_size exceeds \
         pool.max_size; lower one or raise the other"
            .to_owned(),
    ];
    assert_eq!(problems(&loader), expected);
}

#[test]
fn the_whole_error_lists_them_by_lines() {
    let error = Loader::new().env([("DB_HSOT", "h"), ("DB_PORT", "0")]).load().unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("2 problems in the configuration\n  - environment variable DB_HSOT: "),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3);
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn fields_rather_than_prose() {
    let error = Loader::new().env([("DB_SSL_MODE", "requre")]).load().unwrap_err();
    let Error::Invalid { problems } = &error else { panic!("{error}") };
    let problem = &problems[0];
    assert_eq!(problem.kind, ProblemKind::Invalid);
    assert_eq!(problem.key.as_deref(), Some("database.ssl_mode"));
    assert_eq!(problem.value.as_deref(), Some("requre"));
    assert_eq!(problem.hint.as_deref(), Some("require"));
    assert_eq!(problem.sources.len(), 1);
}

#[test]
fn a_missing_file_is_named() {
    let found = problems(&Loader::new().dotenv("/nowhere/.env"));
    assert_eq!(
        found,
        ["/nowhere/.env: cannot be read: entity not found; check the path and its permissions"]
    );
    assert!(Loader::new().dotenv_if_present("/nowhere/.env").load().is_ok());
}

#[test]
fn a_file_has_a_bounded_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".env");
    std::fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    let found = problems(&Loader::new().dotenv(&path));
    assert!(found[0].contains("longer than 1048576 bytes"), "{found:?}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_named_and_not_shown() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(b"hunter2\xff".to_vec());
    let found = problems(&Loader::new().env([("DB_PASSWORD", broken())]));
    assert_eq!(
        found,
        ["environment variable DB_PASSWORD: database.password = `***`: not UTF-8; give it as UTF-8"]
    );
    assert!(Loader::new().env([("SOMETHING", broken())]).load().is_ok());
}

#[test]
fn an_empty_value_is_an_error_except_for_a_password() {
    let found = problems(&Loader::new().env([("DB_HOST", "")]));
    assert_eq!(found, ["environment variable DB_HOST: database.host: empty; leave it out, or give a value"]);
    assert!(Loader::new().env([("DB_PASSWORD", "")]).load().is_ok());
}

#[cfg(not(feature = "command"))]
#[test]
fn a_command_needs_its_feature() {
    let found = problems(&Loader::new().env([("DB_PASSWORD_COMMAND", "/bin/true")]));
    assert!(found[0].contains("this build runs no commands"), "{found:?}");
}
