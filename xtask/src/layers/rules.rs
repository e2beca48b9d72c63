//! What may depend on what; no I/O.

use super::table::{ALONE, CUT, DRIVERS, HAS_DEFAULT, LAYERS, Layer, NO_RUNTIME, NOT_IN_CORE};
use crate::metadata::{Dependency, Kind, Package};

/// Every broken rule of these packages, which are the workspace's own.
pub(crate) fn check(members: &[&Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in members {
        if package.name != ALONE && layer(&package.name).is_none() {
            found.push(format!(
                "{0} is in no layer: name its level in DESIGN.md, ARCHITECTURE.md and xtask/src/layers/table.rs",
                package.name
            ));
        }
        for edge in &package.dependencies {
            let ours = members.iter().any(|member| member.name == edge.name) && edge.path;
            let broken = if ours { inner(package, edge) } else { outer(package, edge) };
            found
                .extend(broken.map(|rule| format!("{} → {}{}: {rule}", package.name, edge.name, kind(edge))));
        }
        found.extend(features(package));
    }
    found
}

/// An edge to another of our crates.
fn inner(package: &Package, edge: &Dependency) -> Option<String> {
    if package.name == ALONE {
        return Some(format!("{ALONE} uses none of our crates"));
    }
    if let Some((.., why)) = CUT.iter().find(|(from, to, _)| *from == package.name && *to == edge.name) {
        return Some((*why).to_owned());
    }
    let testing = edge.kind == Kind::Dev;
    match (layer(&package.name)?, layer(&edge.name)?) {
        (Layer::Level(from), Layer::Level(to)) => {
            (to > from).then(|| format!("it points up, from level {from} to level {to}"))
        }
        (Layer::Level(from), Layer::Beside(to)) => (!testing && !to.used_by.contains(&from))
            .then(|| format!("only tests, and crates of level {}, use {}", to.used_by.start(), edge.name)),
        (Layer::Beside(from), Layer::Level(to)) => {
            let limit = if testing { from.tests_use } else { from.uses };
            (to > limit)
                .then(|| format!("it uses levels up to {limit}, and {} stands on level {to}", edge.name))
        }
        (Layer::Beside(from), Layer::Beside(_)) => (!from.uses_beside.contains(&edge.name.as_str()))
            .then(|| "of the crates beside the stack, it may not use this one".to_owned()),
    }
}

/// An edge to somebody else's crate. Tests are free to use any driver, except the core's.
fn outer(package: &Package, edge: &Dependency) -> Option<String> {
    let core = package.name == "db-core";
    if core && NOT_IN_CORE.iter().any(|name| is_of(&edge.name, name)) {
        return Some("db-core does no I/O and knows no runtime".to_owned());
    }
    if edge.kind == Kind::Dev && !core {
        return None;
    }
    let driver = DRIVERS.iter().find(|driver| driver.names.iter().any(|name| is_of(&edge.name, name)))?;
    if !driver.users.contains(&package.name.as_str()) {
        return Some(match driver.users {
            ["it"] => "sqlx is the one driver for PostgreSQL; only the bench measures others".to_owned(),
            users => format!("only {} may name this driver", users.join(", ")),
        });
    }
    let runtime = edge.features.iter().find(|feature| is_runtime(feature))?;
    (package.name == NO_RUNTIME)
        .then(|| format!("{NO_RUNTIME} runs nothing, so it must not enable `{runtime}`"))
}

fn features(package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    let name = &package.name;
    if package.is_library() && ![ALONE, HAS_DEFAULT, "it"].contains(&name.as_str()) {
        match package.features.get("default") {
            None => found.push(format!("{name}: no `default = []` in its [features]")),
            Some(default) if !default.is_empty() => found.push(format!(
                "{name}: `default = [{}]`; only {HAS_DEFAULT} has defaults, the others are taken part by part",
                default.join(", ")
            )),
            Some(_) => {}
        }
    }
    if name == NO_RUNTIME {
        for (feature, enables) in &package.features {
            for enabled in enables.iter().filter(|enabled| enabled.starts_with("sqlx") && is_runtime(enabled))
            {
                found.push(format!(
                    "{name}: its feature `{feature}` enables `{enabled}`; {NO_RUNTIME} runs nothing"
                ));
            }
        }
    }
    found
}

fn layer(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// `sqlx-core` is of `sqlx`.
fn is_of(package: &str, family: &str) -> bool {
    package.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn is_runtime(feature: &str) -> bool {
    feature.rsplit('/').next().is_some_and(|name| name.starts_with("runtime-") || name.starts_with("tls-"))
}

fn kind(edge: &Dependency) -> &'static str {
    match edge.kind {
        Kind::Normal => "",
        Kind::Build => " (build)",
        Kind::Dev => " (dev)",
    }
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Kind, Package, check};
    use crate::metadata::Target;

    fn package(name: &str, dependencies: Vec<Dependency>) -> Package {
        Package {
            name: name.to_owned(),
            targets: vec![Target::Library],
            features: [("default".to_owned(), Vec::new())].into(),
            dependencies,
            ..Package::default()
        }
    }

    /// A path for ours, the registry for others.
    fn edge(kind: Kind, name: &str) -> Dependency {
        let ours = name.starts_with("db-") || name == "xtask";
        Dependency { name: name.to_owned(), kind, path: ours, ..Dependency::default() }
    }

    /// The findings of `from` with this edge, among all crates.
    fn found(from: &str, edge: Dependency) -> Vec<String> {
        let names = super::LAYERS.iter().map(|(name, _)| *name).chain([super::ALONE]);
        let mut all: Vec<_> =
            names.filter(|name| *name != from).map(|name| package(name, Vec::new())).collect();
        all.push(package(from, vec![edge]));
        check(&all.iter().collect::<Vec<_>>())
    }

    #[test]
    fn an_edge_points_down() {
        for (from, kind, to, broken) in [
            ("db-pool", Kind::Normal, "db-core", ""),
            ("db-model", Kind::Normal, "db-migrate", ""),
            ("db-core", Kind::Normal, "db-pool", "db-core → db-pool: it points up, from level 0 to level 2"),
            (
                "db-pool",
                Kind::Build,
                "db-tasks",
                "db-pool → db-tasks (build): it points up, from level 2 to level 4",
            ),
            (
                "db-pool",
                Kind::Dev,
                "db-tasks",
                "db-pool → db-tasks (dev): it points up, from level 2 to level 4",
            ),
            ("db-pool", Kind::Dev, "db-testkit", ""),
            ("db-pool", Kind::Dev, "db-embedded", ""),
            ("db-cli", Kind::Normal, "db-embedded", ""),
            ("db-pool", Kind::Normal, "db-embedded", "db-pool → db-embedded: only tests"),
            ("db-pool", Kind::Normal, "db-testkit", "db-pool → db-testkit: only tests"),
            ("db-embedded", Kind::Normal, "db-core", ""),
            ("db-embedded", Kind::Dev, "db-pool", ""),
            ("db-embedded", Kind::Normal, "db-pool", "db-embedded → db-pool: it uses levels up to 0"),
            ("db-embedded", Kind::Normal, "db-testkit", "db-embedded → db-testkit: of the crates beside"),
            ("db-testkit", Kind::Normal, "db-model", ""),
            ("db-testkit", Kind::Normal, "db-embedded", ""),
            ("db-testkit", Kind::Normal, "db-tasks", "db-testkit → db-tasks: it uses levels up to 3"),
            ("db-pool", Kind::Normal, "db-query", "db-pool → db-query: the pool takes"),
            ("xtask", Kind::Normal, "db-core", "xtask → db-core: xtask uses none"),
        ] {
            let found = found(from, edge(kind, to));
            let as_told = if broken.is_empty() {
                found.is_empty()
            } else {
                found.len() == 1 && found[0].starts_with(broken)
            };
            assert!(as_told, "{from} → {to}: {found:?}, not {broken:?}");
        }
    }

    #[test]
    fn a_driver_is_named_by_few() {
        for (from, kind, to, broken) in [
            ("db-pool", Kind::Normal, "sqlx", ""),
            ("db-config", Kind::Normal, "sqlx", "db-config → sqlx: only db-query, db-pool"),
            ("db-config", Kind::Normal, "sqlx-core", "db-config → sqlx-core: only db-query, db-pool"),
            ("db-config", Kind::Dev, "sqlx", ""),
            ("db-core", Kind::Dev, "sqlx", "db-core → sqlx (dev): only db-query"),
            ("db-core", Kind::Normal, "tokio", "db-core → tokio: db-core does no I/O"),
            ("db-core", Kind::Normal, "tokio-util", "db-core → tokio-util: db-core does no I/O"),
            ("db-core", Kind::Normal, "secrecy", ""),
            ("db-cache", Kind::Normal, "redis", ""),
            (
                "db-tasks",
                Kind::Normal,
                "deadpool-redis",
                "db-tasks → deadpool-redis: only db-cache, db-store",
            ),
            ("db-cache", Kind::Normal, "mongodb", "db-cache → mongodb: only db-store"),
            ("db-pool", Kind::Normal, "tokio-postgres", "db-pool → tokio-postgres: sqlx is the one driver"),
            ("it", Kind::Normal, "tokio-postgres", ""),
            // The bench measures db-cache beside the driver by itself.
            ("it", Kind::Normal, "redis", ""),
            ("it", Kind::Normal, "mongodb", "it → mongodb: only db-store"),
        ] {
            let found = found(from, edge(kind, to));
            let as_told = if broken.is_empty() {
                found.is_empty()
            } else {
                found.len() == 1 && found[0].starts_with(broken)
            };
            assert!(as_told, "{from} → {to}: {found:?}, not {broken:?}");
        }
    }

    #[test]
    fn the_builder_enables_no_runtime() {
        let with = |kind| Dependency { features: vec!["runtime-tokio".into()], ..edge(kind, "sqlx") };
        let broken = "db-query → sqlx: db-query runs nothing, so it must not enable `runtime-tokio`";
        assert_eq!(found("db-query", with(Kind::Normal)), [broken]);
        assert!(found("db-query", with(Kind::Dev)).is_empty());
        assert!(found("db-pool", with(Kind::Normal)).is_empty());

        let mut query = package("db-query", Vec::new());
        query.features.insert("run".into(), vec!["sqlx?/runtime-tokio".into()]);
        assert_eq!(check(&[&query]).len(), 1);
    }

    #[test]
    fn nothing_is_on_by_default() {
        let mut pool = package("db-pool", Vec::new());
        pool.features.insert("default".into(), vec!["tls".into()]);
        assert!(check(&[&pool])[0].starts_with("db-pool: `default = [tls]`"));
        pool.features.clear();
        assert_eq!(check(&[&pool]), ["db-pool: no `default = []` in its [features]"]);

        let facade = Package { name: "db-facade".into(), ..pool.clone() };
        assert!(check(&[&facade]).is_empty());
        let program = Package { targets: vec![Target::Library, Target::Program], ..pool };
        assert!(check(&[&program]).is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_level() {
        assert!(check(&[&package("db-new", Vec::new())])[0].starts_with("db-new is in no layer"));
    }
}
