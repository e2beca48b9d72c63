//! Layers into one set of values: within a layer names must agree, between layers the later wins, key by key.

use crate::Source;
use crate::error::{Problem, ProblemKind};
use crate::layer::Layer;
use crate::parse::Part;
use crate::provider;
use crate::value::Value;
use std::collections::BTreeMap;

/// `SQLAlchemy`'s own default of `max_overflow`.
const DEFAULT_OVERFLOW: u32 = 10;

/// The three ways to give each secret; the latest layer's wins, so they exclude each other.
const SECRETS: [[&str; 3]; 5] = [
    provider::PASSWORD,
    provider::MASTER_KEY,
    provider::FORMER_MASTER_KEY,
    provider::SIGNING_KEY,
    provider::CHECKPOINT_WEBHOOK,
];

/// A value with where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) source: Source,
    /// Gives way to a value that was written in the same layer.
    implied: bool,
}

impl Setting {
    pub(crate) fn new(value: Value, source: Source) -> Self {
        Self { value, source, implied: false }
    }
}

/// Values by canonical key.
pub(crate) type Settings = BTreeMap<&'static str, Setting>;

/// Merges the layers, the first being the weakest.
pub(crate) fn merge(layers: Vec<Layer>) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::new();
    let mut problems = Vec::new();
    for layer in layers {
        let (layer, more) = settle(layer);
        problems.extend(more);
        for ways in SECRETS.iter().filter(|ways| ways.iter().any(|key| layer.contains_key(key))) {
            ways.iter().for_each(|key| drop(settings.remove(key)));
        }
        settings.extend(layer);
    }
    (settings, problems)
}

/// Brings the names of one layer together.
fn settle(layer: Layer) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::new();
    let mut problems = layer.problems;
    for (part, source) in layer.given {
        problems.extend(put(&mut settings, part, source));
    }
    problems.extend(expand_pool_size(&mut settings));
    for ways in &SECRETS {
        let given: Vec<_> = ways.iter().filter_map(|key| Some((*key, settings.get(key)?))).collect();
        if let [(one, first), (two, second), ..] = given[..] {
            let what = format!("{one} and {two} exclude each other");
            let problem = Problem::new(ProblemKind::Conflict, what, "leave one out");
            problems.push(problem.at(first.source.clone()).at(second.source.clone()));
        }
    }
    (settings, problems)
}

fn put(settings: &mut Settings, part: Part, source: Source) -> Option<Problem> {
    let Part { key, value, implied } = part;
    let given = Setting { value, source, implied };
    match settings.get(key.name) {
        Some(other) if !other.implied && given.implied => None,
        Some(other) if !other.implied && !given.value.agrees(&other.value) => {
            let values = [&other.value, &given.value].map(Value::shown).join("` and `");
            let problem =
                Problem::new(ProblemKind::Conflict, "two names of one key disagree", "leave one out");
            Some(problem.key(key.name).value(values).at(other.source.clone()).at(given.source))
        }
        _ => {
            settings.insert(key.name, given);
            None
        }
    }
}

/// `pool_size` is what `SQLAlchemy` keeps, `max_overflow` what it opens beyond.
fn expand_pool_size(settings: &mut Settings) -> Vec<Problem> {
    let kept = settings.remove("database.pool_size");
    let beyond = settings.remove("database.max_overflow");
    let Some(kept) = kept else {
        return beyond.map_or_else(Vec::new, |beyond| {
            let fix = "give database.pool_size too, or pool.min_size and pool.max_size instead";
            let problem = Problem::new(ProblemKind::Missing, "there is no database.pool_size to exceed", fix);
            vec![problem.key("database.max_overflow").value(beyond.value.shown()).at(beyond.source)]
        });
    };
    let Value::Count(size) = kept.value else { return Vec::new() };
    let overflow = match beyond.as_ref().map(|beyond| &beyond.value) {
        Some(Value::Count(overflow)) => *overflow,
        _ => DEFAULT_OVERFLOW,
    };
    let least = Part::new("pool.min_size", Value::Count(size));
    let most = Value::Count(size + overflow);
    let (most, source) = match beyond {
        Some(beyond) => (Part::new("pool.max_size", most), beyond.source),
        None => (Part::implied("pool.max_size", most), kept.source.clone()),
    };
    put(settings, least, kept.source).into_iter().chain(put(settings, most, source)).collect()
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::layer::{code, variables};

    /// Layers as `name=value` pairs; those of the environment first, those set in code second.
    fn merged(environment: &[(&str, &str)], code: &[(&str, &str)]) -> String {
        let variables: Vec<_> = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let code: Vec<_> =
            code.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (settings, problems) = merge(vec![variables::read(&variables, &[]), code::read(&code)]);
        let values = settings.iter().map(|(key, setting)| format!("{key}={}", setting.value.shown()));
        values.chain(problems.iter().map(ToString::to_string)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_later_layer_wins_by_key() {
        let found = merged(&[("DATABASE_URL", "postgres://u:p@h:1/app")], &[("database.host", "other")]);
        let expected =
            "database.host=other; database.name=app; database.password=***; database.port=1; database.user=u";
        assert_eq!(found, expected);
    }

    #[test]
    fn names_of_one_layer_agree_or_are_refused() {
        assert_eq!(merged(&[("DB_POOL_MAX", "7"), ("DB_MAX_POOL_SIZE", "7")], &[]), "pool.max_size=7");
        let found = merged(&[("DB_POOL_MAX", "7"), ("DB_MAX_POOL_SIZE", "8")], &[]);
        let expected = "environment variable DB_POOL_MAX and environment variable DB_MAX_POOL_SIZE: \
                        pool.max_size = `7` and `8`: two names of one key disagree";
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn a_url_and_its_parts_agree_or_are_refused() {
        let url = ("DATABASE_URL", "postgres://u:hunter2@h/app");
        assert!(!merged(&[url, ("DB_HOST", "h"), ("DB_USER", "u")], &[]).contains("disagree"));
        let found = merged(&[url, ("DB_HOST", "g"), ("DB_PASSWORD", "hunter3")], &[]);
        assert!(found.contains("database.host = `h` and `g`: two names"), "{found}");
        assert!(found.contains("database.password = `***` and `***`: two names"), "{found}");
    }

    #[test]
    fn a_port_that_the_url_leaves_out_yields_in_its_layer_and_wins_over_earlier_ones() {
        let url = "postgres://h";
        assert_eq!(
            merged(&[("DATABASE_URL", url), ("DB_PORT", "7")], &[]),
            "database.host=h; database.port=7"
        );
        assert_eq!(
            merged(&[("DB_PORT", "7"), ("DATABASE_URL", url)], &[]),
            "database.host=h; database.port=7"
        );
        assert_eq!(
            merged(&[("DB_PORT", "7")], &[("database.url", url)]),
            "database.host=h; database.port=5432"
        );
    }

    #[test]
    fn pool_size_and_overflow_are_minimum_and_maximum() {
        let both = [("database.pool_size", "20"), ("database.max_overflow", "30")];
        assert_eq!(merged(&[], &both), "pool.max_size=50; pool.min_size=20");
        assert_eq!(merged(&[], &both[..1]), "pool.max_size=30; pool.min_size=20");
        assert_eq!(merged(&[], &[both[0], ("pool.max_size", "25")]), "pool.max_size=25; pool.min_size=20");
        assert!(merged(&[], &[both[0], both[1], ("pool.max_size", "25")]).contains("disagree"));
        assert!(merged(&[], &both[1..]).contains("there is no database.pool_size to exceed"));
    }

    #[test]
    fn one_way_to_give_the_password() {
        let found = merged(&[("DB_PASSWORD", "hunter2"), ("DB_PASSWORD_FILE", "/run/secrets/db")], &[]);
        assert!(found.contains("database.password and database.password_file exclude each other"), "{found}");
        let found = merged(&[("DB_PASSWORD", "hunter2")], &[("database.password_file", "/run/secrets/db")]);
        assert_eq!(found, "database.password_file=/run/secrets/db");
    }

    #[test]
    fn one_way_to_give_each_secret_of_the_audit_log() {
        for key in ["master_key", "former_master_key", "signing_key", "checkpoint_webhook"] {
            let [plain, file] = ["", "_file"].map(|way| format!("audit.{key}{way}"));
            let found = merged(&[], &[(&plain, "hunter2"), (&file, "/run/secrets/key")]);
            assert!(found.contains(&format!("{plain} and {file} exclude each other")), "{found}");
            assert!(!found.contains("hunter2"), "{found}");
            let variable = format!("DB_AUDIT_{}", key.to_uppercase());
            let found = merged(&[(&variable, "hunter2")], &[(&file, "/run/secrets/key")]);
            assert_eq!(found, format!("{file}=/run/secrets/key"));
        }
        let both = [("audit.master_key", "a"), ("audit.signing_key_file", "/b"), ("database.password", "c")];
        assert!(!merged(&[], &both).contains("exclude"), "each has its own");
    }
}
