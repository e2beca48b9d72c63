//! Environment variables. Only ours are looked at: those of the schema, and unknown ones with one of our prefixes.

use super::{Layer, is_passed_over};
use crate::error::{Problem, ProblemKind};
use crate::parse::Raw;
use crate::{Source, hint, mask, schema};
use std::ffi::{OsStr, OsString};

const PREFIXES: [&str; 2] = ["DB_", "REDIS_"];

/// Names with our prefixes that belong to others: test suites, and Redis' container image.
const FOREIGN: [&str; 3] = ["DB_TEST_", "REDIS_VERSION", "REDIS_DOWNLOAD_"];

/// Reads pairs of name and value. A name that is not UTF-8 is nobody's of ours.
pub(crate) fn read(pairs: &[(OsString, OsString)], passed_over: &[String]) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in pairs {
        let Some(name) = name.to_str() else { continue };
        take(&mut layer, name, value, passed_over, &Source::Variable { name: name.to_owned() });
    }
    layer
}

/// Takes one variable, from the environment or from a `.env` file.
pub(super) fn take(layer: &mut Layer, name: &str, value: &OsStr, passed_over: &[String], source: &Source) {
    if is_passed_over(name, passed_over) || is_service_link(name, value) {
        return;
    }
    let Some((key, bare)) = schema::of_variable(name) else {
        if is_ours(name) && !FOREIGN.iter().any(|start| name.starts_with(start)) {
            let what = "no such variable";
            let fix = "correct the name, or let Loader::pass_over skip it";
            let near = hint::nearest(name, schema::variables());
            layer.problems.push(Problem::new(ProblemKind::Unknown, what, fix).at(source.clone()).hint(near));
        }
        return;
    };
    match value.to_str() {
        Some(text) => layer.take(key, bare, &Raw::Text(text.to_owned()), source),
        None => {
            let problem = Problem::new(ProblemKind::Invalid, "not UTF-8", "give it as UTF-8");
            layer.problems.push(problem.key(key.name).value(mask::MASK).at(source.clone()));
        }
    }
}

/// Whether a variable of this name is ours to understand.
pub(super) fn is_ours(name: &str) -> bool {
    schema::of_variable(name).is_some() || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether Kubernetes (or Docker's links) set it for a service named `db` or `redis`.
///
/// Source: Kubernetes documentation, "Accessing the Service": `{NAME}_SERVICE_HOST`, `{NAME}_SERVICE_PORT…`,
/// `{NAME}_PORT=tcp://…`, `{NAME}_PORT_<port>_TCP…`.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    let points_at = |scheme: &str| value.to_str().is_some_and(|text| text.starts_with(scheme));
    rest.is_some_and(|rest| {
        rest.starts_with("SERVICE_HOST")
            || rest.starts_with("SERVICE_PORT")
            || (rest == "PORT" && (points_at("tcp://") || points_at("udp://")))
            || rest.strip_prefix("PORT_").is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    fn check(name: &str, value: &str, expected: &str) {
        let layer = read(&[(name.into(), value.into())], &["DB_LEGACY_*".to_owned(), "DB_OLD".to_owned()]);
        let given = layer.given.iter().map(|(part, _)| format!("{}={}", part.key.name, part.value.shown()));
        let problems = layer.problems.iter().map(ToString::to_string);
        assert_eq!(given.chain(problems).collect::<Vec<_>>().join(" "), expected, "{name}");
    }

    #[test]
    fn only_ours_are_looked_at() {
        check("DB_HOST", "h", "database.host=h");
        check("HOME", "/root", "");
        check("DATABASE_HOST", "h", "");
        check("DB_TEST_URL", "x", "");
        check("DB_LEGACY_NAME", "x", "");
        check("DB_OLD", "x", "");
    }

    #[test]
    fn unknown_ones_of_ours_are_refused_with_a_hint() {
        let fix = "no such variable; correct the name, or let Loader::pass_over skip it";
        check("DB_HSOT", "h", &format!("environment variable DB_HSOT: {fix} (did you mean DB_HOST?)"));
        check("REDIS_CLUSTER", "h", &format!("environment variable REDIS_CLUSTER: {fix}"));
    }

    #[test]
    fn service_links_are_passed_over() {
        check("DB_PORT", "tcp://10.0.0.1:5432", "");
        check("DB_PORT_5432_TCP_ADDR", "10.0.0.1", "");
        check("DB_SERVICE_HOST", "10.0.0.1", "");
        check("REDIS_PORT", "tcp://10.0.0.1:6379", "");
        check("REDIS_SERVICE_PORT_MAIN", "6379", "");
        check("DB_PORT", "5432", "database.port=5432");
    }
}
