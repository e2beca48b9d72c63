//! What files may hold, and that no problem quotes them.

use super::{line_of, read};
use config::ConfigError;
use std::path::Path;

fn lines(name: &str, text: &str) -> Vec<String> {
    let layer = read(Path::new(name), text, &["agent".to_owned()]);
    let given = layer.given.iter().map(|(part, _)| format!("{}={}", part.key.name, part.value.shown()));
    given.chain(layer.problems.iter().map(ToString::to_string)).collect()
}

fn check(name: &str, text: &str, expected: &[&str]) {
    let found = lines(name, text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, part) in found.iter().zip(expected) {
        assert!(line.contains(part), "{line} is not {part}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn yaml_and_toml_hold_the_same_keys() {
    let expected = ["database.host=h", "pool.acquire_timeout=30s", "database.port=6000", "pool.max_size=7"];
    check("a.yaml", "database: {host: h, port: 6000, pool_timeout: 30}\npool: {max_size: 7}", &expected);
    check("a.toml", "[database]\nhost='h'\nport=6000\npool_timeout=30\n[pool]\nmax_size=7", &expected);
}

#[test]
fn replicas_are_urls_or_tables() {
    check(
        "a.yml",
        "database:\n  read_replicas:\n    - postgres://u:hunter2@r1:5433/app\n    - {host: r2, port: 5432}\n    - host: r3",
        &["database.read_replicas=u:***@r1:5433/app,r2:5432,r3:5432"],
    );
}

#[test]
fn unknown_keys_are_refused_with_a_hint() {
    check(
        "a.yaml",
        "database: {pool_sise: 3}\nhost: h\nweb: {port: 80}\nagent: {anything: 1}",
        &["a.yaml database.pool_sise: no such key", "did you mean database.host?", "a.yaml web: no such key"],
    );
}

#[test]
fn pieces_of_a_password_are_not_printed_as_keys() {
    check(
        "a.yaml",
        "database: {password: a, hunter2}",
        &["database.password=***", "database.***: no such key"],
    );
    check(
        "a.yaml",
        "database: {password: a, hunter2: b}",
        &["database.password=***", "database.***: no such key"],
    );
    check("a.yaml", "hunter2: a", &["a.yaml ***: no such key"]);
}

#[test]
fn syntax_errors_name_the_line_and_quote_nothing() {
    check("a.toml", "[database]\npassword = \"hunter2\"x\n", &["a.toml:2: not valid TOML"]);
    check("a.toml", "password hunter2", &["a.toml:1: not valid TOML"]);
    check("a.yaml", "database:\n  password: \"hunter2\n  host: h\n", &["not valid YAML"]);
    check("a.yaml", "database:\n  password: hunter2: x\n", &["a.yaml:2: not valid YAML"]);
    check("a.yaml", "hunter2", &["not valid YAML"]);
    check("a.json", "{}", &["of no known format"]);
}

#[test]
fn only_a_line_of_the_file_is_taken_from_a_parsers_error() {
    for (message, expected) in [
        ("TOML parse error at line 2, column 1\n|\n2 | line 3", Some(2)),
        ("line 1 is wrong at line 2 column 1", Some(2)),
        ("unexpected password on line 20261121", None),
        ("no number", None),
    ] {
        let error = ConfigError::FileParse { uri: None, cause: message.into() };
        assert_eq!(line_of(&error, "one\ntwo\nthree"), expected, "{message}");
    }
}

#[test]
fn a_number_where_text_is_meant_must_be_quoted() {
    check("a.yaml", "database: {password: 0123}", &["put it into quotes"]);
    check("a.yaml", "database: {password: true}", &["put it into quotes"]);
    check("a.yaml", "database: {password: '0123'}", &["database.password=***"]);
}

#[test]
fn sections_and_values_do_not_stand_for_each_other() {
    check("a.yaml", "pool: 5", &["a.yaml pool: a section, not a value"]);
    check("a.yaml", "database: {host: {name: h}}", &["neither a value nor a list"]);
    check("a.yaml", "database:\npool: {max_size: [1, 2]}", &["a list; give one value"]);
    check("a.yaml", "database: {host: }", &["database.host: empty"]);
}
