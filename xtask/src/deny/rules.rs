//! deny.toml applied to packages; no I/O.

use super::{licence::Licence, policy::Policy};
use crate::{check::Report, metadata::Package};
use std::collections::{BTreeMap, BTreeSet};

/// Every package that may not come in.
pub(crate) fn check(policy: &Policy, packages: &[Package]) -> Report {
    let mut report =
        Report { seen: format!("{} packages by deny.toml", packages.len()), ..Report::default() };
    let mut used = BTreeSet::new();
    for package in packages {
        report.findings.extend(licence(policy, package, &mut used));
        report.findings.extend(banned(policy, package, packages));
        report.findings.extend(source(policy, package));
        report.findings.extend(wildcards(policy, package));
    }
    for unused in policy.allowed.iter().filter(|name| !used.contains(*name)) {
        let line = format!("deny.toml: licenses.allow has {unused}, and no package needs it");
        if policy.unused_is_error { report.findings.push(line) } else { report.notes.push(line) }
    }
    let duplicates = duplicates(packages);
    if policy.duplicates_are_errors {
        report.findings.extend(duplicates);
    } else if !duplicates.is_empty() {
        report.notes.push(format!("{} packages come in more than one version", duplicates.len()));
    }
    for key in &policy.left_out {
        report.notes.push(format!("deny.toml: {key} is not applied without cargo-deny"));
    }
    report
}

fn licence(policy: &Policy, package: &Package, used: &mut BTreeSet<String>) -> Option<String> {
    let at = id(package);
    let Some(text) = &package.licence else {
        return Some(format!("{at} names no licence; read its files, and take another or make an exception"));
    };
    let licence = match Licence::parse(text) {
        Ok(licence) => licence,
        Err(error) => return Some(format!("{at}: {error}")),
    };
    let mut allowed = |name: &str| {
        let excepted = policy.exceptions.iter().any(|(of, licence)| *of == package.name && licence == name);
        let allowed = policy.allowed.contains(name);
        if allowed {
            used.insert(name.to_owned());
        }
        allowed || excepted
    };
    let met = licence.is_met(&mut allowed);
    (!met).then(|| {
        format!("{at}: its licence `{text}` is not allowed by deny.toml; take another package, or decide")
    })
}

fn banned(policy: &Policy, package: &Package, packages: &[Package]) -> Option<String> {
    let (name, reason) = policy.banned.iter().find(|(name, _)| *name == package.name)?;
    let users: Vec<_> = packages
        .iter()
        .filter(|user| user.dependencies.iter().any(|edge| edge.name == *name))
        .map(|user| user.name.as_str())
        .collect();
    Some(format!("{} is banned: {reason}; it comes in by {}", id(package), users.join(", ")))
}

fn source(policy: &Policy, package: &Package) -> Option<String> {
    let source = package.source.as_ref()?;
    let url = source.split_once('+').map_or(source.as_str(), |(_, url)| url);
    let url = url.split(['?', '#']).next().unwrap_or(url);
    (!policy.sources.contains(url))
        .then(|| format!("{} comes from {url}, which deny.toml does not allow", id(package)))
}

/// Only our own manifests: what is published has none.
fn wildcards(policy: &Policy, package: &Package) -> Vec<String> {
    if !package.member || !policy.wildcards_are_errors {
        return Vec::new();
    }
    let wild = package.dependencies.iter().filter(|edge| edge.requirement == "*");
    wild.map(|edge| format!("{} → {}: any version; say from which one on", package.name, edge.name)).collect()
}

fn duplicates(packages: &[Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    several.map(|(name, versions)| format!("{name} comes in versions {}", versions.join(", "))).collect()
}

fn id(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::{Package, Policy, check};
    use crate::metadata::Dependency;

    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    const POLICY: &str = "[licenses]\nallow = ['MIT']\nexceptions = [{ crate = 'e', allow = ['MPL-2.0'] }]\n\
        unused-allowed-license = 'deny'\n[bans]\nwildcards = 'deny'\ndeny = [{ crate = 'b', reason = 'stale' }]\n\
        [sources]\nallow-registry = ['https://github.com/rust-lang/crates.io-index']\n";

    fn package(name: &str) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            source: Some(REGISTRY.into()),
            licence: Some("MIT".into()),
            ..Package::default()
        }
    }

    fn findings(package: Package) -> Vec<String> {
        let policy = Policy::parse(POLICY).expect("sound");
        check(&policy, &[package, self::package("other")]).findings
    }

    #[test]
    fn only_what_is_allowed_comes_in() {
        let mpl = |name| Package { licence: Some("MPL-2.0".into()), ..package(name) };
        let git = Some("git+https://example.com/a?branch=main#1".to_owned());
        for (package, finding) in [
            (package("a"), ""),
            (mpl("e"), ""),
            (mpl("a"), "a 1.0.0: its licence `MPL-2.0` is not allowed"),
            (Package { licence: None, ..package("a") }, "a 1.0.0 names no licence"),
            (Package { licence: Some("MIT OR".into()), ..package("a") }, "a 1.0.0: `MIT OR` is no licence"),
            (package("b"), "b 1.0.0 is banned: stale"),
            (Package { source: git, ..package("a") }, "a 1.0.0 comes from https://example.com/a,"),
            (Package { source: None, ..package("a") }, ""),
        ] {
            let found = findings(package);
            let as_told = match finding {
                "" => found.is_empty(),
                begin => found.len() == 1 && found[0].starts_with(begin),
            };
            assert!(as_told, "{found:?}, not {finding:?}");
        }
    }

    #[test]
    fn a_version_is_named() {
        let any = Dependency { name: "other".into(), requirement: "*".into(), ..Dependency::default() };
        let ours = Package { member: true, dependencies: vec![any], ..package("a") };
        assert!(findings(ours.clone())[0].starts_with("a → other: any version"));
        assert!(findings(Package { member: false, ..ours }).is_empty());
    }

    #[test]
    fn a_licence_that_nobody_needs_is_told_and_two_versions_are() {
        let policy = Policy::parse(&POLICY.replace("['MIT']", "['MIT', 'ISC']")).expect("sound");
        let newer = Package { version: "2.0.0".into(), ..package("a") };
        let report = check(&policy, &[package("a"), newer]);
        assert!(report.findings[0].contains("ISC"), "{report:?}");
        assert_eq!(report.notes, ["1 packages come in more than one version"]);
    }
}
