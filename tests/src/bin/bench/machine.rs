//! What the figures were taken on, and of which versions.

use db_embedded::{Mode, Options, Postgres};
use serde::Serialize;
use std::{collections::BTreeMap, env, fs, path::Path, process::Command, thread};

/// Crates whose version bears on the figures.
const CRATES: &[&str] = &[
    "bb8",
    "bb8-postgres",
    "db-cache",
    "db-migrate",
    "db-pool",
    "db-query",
    "db-security",
    "deadpool",
    "deadpool-postgres",
    "deadpool-redis",
    "mobc",
    "moka",
    "redis",
    "sea-query",
    "sea-query-sqlx",
    "sqlx",
    "tokio",
    "tokio-postgres",
];
const UNKNOWN: &str = "unknown";

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

/// This machine.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let kib = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    Machine {
        cores: thread::available_parallelism().map_or(0, Into::into),
        cpu: field(&cpus, "model name").unwrap_or(UNKNOWN).to_owned(),
        memory_mib: kib.unwrap_or_default() / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// The versions by name: rustc, PostgreSQL, Redis, and the crates that do the work.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let mut versions = crates(&fs::read_to_string(lock).unwrap_or_default());
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    versions.insert("rustc".to_owned(), said(Command::new(rustc).arg("--version")));
    versions.insert("PostgreSQL".to_owned(), postgres());
    versions.insert("Redis".to_owned(), said(Command::new("redis-server").arg("--version")));
    versions
}

/// The one that the benches start.
fn postgres() -> String {
    match Postgres::start_blocking(&Options::new(Mode::Ephemeral)) {
        Ok(server) => server.origin().to_string(),
        Err(error) => error.to_string(),
    }
}

fn crates(lock: &str) -> BTreeMap<String, String> {
    let lock: toml::Table = lock.parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    packages
        .filter_map(|package| Some((package.get("name")?.as_str()?, package.get("version")?.as_str()?)))
        .filter(|(name, _)| CRATES.contains(name))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}

fn said(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    output.map_or(UNKNOWN.to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first `name: value` of a file in `/proc`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::{crates, field};

    #[test]
    fn the_kernels_files_are_read() {
        let text = "processor\t: 0\nmodel name\t: A CPU\nmodel name\t: Another\n";
        assert_eq!(field(text, "model name"), Some("A CPU"));
        assert_eq!(field(text, "MemTotal"), None);
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock =
            "[[package]]\nname = 'sqlx'\nversion = '0.9.0'\n[[package]]\nname = 'other'\nversion = '1.0.0'\n";
        assert_eq!(crates(lock).into_iter().collect::<Vec<_>>(), [("sqlx".to_owned(), "0.9.0".to_owned())]);
    }
}
