//! Rules about manifests: what all crates share is written once, at the root.

use toml::{Table, Value};

/// Keys of `[package]` that each crate inherits.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

/// Looks at one manifest.
pub(crate) fn check(path: &str, text: &str, found: &mut Vec<String>) {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return found.push(format!("{path}: {error}")),
    };
    let Some(package) = manifest.get("package").and_then(Value::as_table) else { return };
    for key in INHERITED {
        if !package.get(*key).is_some_and(inherits) {
            found.push(format!("{path}: write `{key}.workspace = true`"));
        }
    }
    if !manifest.get("lints").is_some_and(inherits) {
        found.push(format!("{path}: write `[lints]` with `workspace = true`"));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, dependency) in manifest.get(section).and_then(Value::as_table).into_iter().flatten() {
            if !inherits(dependency) {
                found.push(format!(
                    "{path}: {name} has its version here; name it in the root's [workspace.dependencies], and write \
                     `{name}.workspace = true`"
                ));
            }
        }
    }
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::check;

    const GOOD: &str = "[package]\nname = 'a'\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\n[dependencies]\nb.workspace = true\n\
        c = { workspace = true, features = ['x'] }\n[lints]\nworkspace = true\n";

    fn findings(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check("a/Cargo.toml", text, &mut found);
        found
    }

    #[test]
    fn what_all_share_is_inherited() {
        assert_eq!(findings(GOOD), [""; 0]);
        assert_eq!(findings("[workspace]\nmembers = []\n"), [""; 0]);
        for (from, to) in [
            ("version.workspace = true\n", "version = '0.1.0'\n"),
            ("edition.workspace = true\n", ""),
            ("license.workspace = true\n", "license = 'MIT'\n"),
            ("[lints]\nworkspace = true\n", ""),
            ("[lints]\nworkspace = true\n", "[lints.rust]\nunsafe_code = 'allow'\n"),
            ("b.workspace = true\n", "b = '1'\n"),
        ] {
            assert_eq!(findings(&GOOD.replacen(from, to, 1)).len(), 1, "{from} → {to}");
        }
    }

    #[test]
    fn a_broken_manifest_is_named() {
        assert_eq!(findings("[package").len(), 1);
    }
}
