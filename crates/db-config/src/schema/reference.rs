//! The reference of all keys, made from the table.

use super::{Key, Kind, Name, Zero, keys};
use crate::defaults::defaults;
use crate::{Environment, Profile, span};

/// The reference of all keys as Markdown; `docs/configuration.md` is this text, and a test keeps it so.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for key in keys() {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            key.name,
            kind(key.kind),
            names(key.variables),
            names(key.paths),
            default(key),
            key.doc.replace('|', "\\|"),
        ));
    }
    text.push_str(DEFAULTS_HEAD);
    text.extend(COLUMNS.map(|key| format!(" `{key}` |")));
    text.push_str("\n|---|---|");
    text.extend(COLUMNS.map(|_| "---|"));
    for environment in [Environment::Development, Environment::Staging, Environment::Production] {
        for profile in [Profile::Oltp, Profile::Mixed, Profile::Analytics] {
            text.push_str(&format!("\n| {environment} | {profile} |"));
            for column in COLUMNS {
                text.push_str(&format!(
                    " {} |",
                    default_of(column, environment, profile).unwrap_or_default()
                ));
            }
        }
    }
    text.push('\n');
    text
}

/// The defaults that differ between environments and profiles.
const COLUMNS: [&str; 10] = [
    "pool.min_size",
    "pool.max_size",
    "pool.acquire_timeout",
    "pool.max_lifetime",
    "pool.leak_threshold",
    "query.timeout",
    "query.slow_threshold",
    "database.ssl_mode",
    "logging.level",
    "logging.queries",
];

const HEAD: &str = "\
# Configuration reference

Generated from the schema in `crates/db-config`; to make it anew:
`UPDATE_REFERENCE=1 cargo nextest run -p db-config --all-features reference`.

Layers, the later wins for each key: defaults, file (YAML or TOML), `.env` file, environment, code. A key is given in a
file under its own name or under one of the file names, its sections as nested tables. All names in a row are one key: two
that disagree in one layer are an error. A name with a unit in brackets takes a bare number in that unit, and one under
`database` in a file takes seconds; everywhere else the unit must be written (`500ms`, `30s`, `5m`, `1h`, `1d`). Unknown
keys, and unknown variables that start with `DB_` or `REDIS_`, are errors; `DB_TEST_*`, the variables of Kubernetes'
service links and those of the Redis image are passed over.

| key | type | variables | other names in a file | default | meaning |
|---|---|---|---|---|---|
";

const DEFAULTS_HEAD: &str = "
## Defaults by environment and profile

| environment | profile |";

fn names(names: &[Name]) -> String {
    let each = |name: &Name| match name.bare.describe() {
        "" => format!("`{}`", name.text),
        unit => format!("`{}` ({unit})", name.text),
    };
    names.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Word(words) => words.iter().map(|spellings| spellings[0]).collect::<Vec<_>>().join(", "),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count { least, most } => format!("{least} to {most}"),
        Kind::Span { zero, window } => {
            let off = if zero == Zero::Off { ", or `off`" } else { "" };
            format!("span; bare {} to {}{off}", span::render(window.least), span::render(window.most))
        }
        Kind::Addresses => "hosts".to_owned(),
        Kind::Ports => "ports".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Pem => "PEM".to_owned(),
        Kind::Command => "words".to_owned(),
        Kind::Replicas => "list".to_owned(),
        Kind::RedisUrl | Kind::PostgresUrl => "URL, secret".to_owned(),
        Kind::PoolSize | Kind::MaxOverflow => "count".to_owned(),
    }
}

fn default(key: &Key) -> String {
    if COLUMNS.contains(&key.name) {
        return "see below".to_owned();
    }
    let value =
        default_of(key.name, Environment::Development, Profile::Mixed).filter(|value| !value.is_empty());
    value.map_or_else(String::new, |value| format!("`{value}`"))
}

fn default_of(key: &str, environment: Environment, profile: Profile) -> Option<String> {
    let (_, value) = defaults(environment, profile).into_iter().find(|(name, _)| *name == key)?;
    Some(value.shown())
}
