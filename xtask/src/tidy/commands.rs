//! Documents name only commands that there are.

use crate::help;

const PREFIX: &str = "cargo xtask ";

/// Looks at one document.
pub(crate) fn check(path: &str, text: &str, found: &mut Vec<String>) {
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices(PREFIX) {
            let rest = &line[at + PREFIX.len()..];
            let name =
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
            // In capitals it stands for any command, and an option is not one.
            let is_name = name.starts_with(|c: char| c.is_ascii_lowercase());
            if is_name && !is_command(name) {
                found.push(format!("{path}:{}: there is no `{PREFIX}{name}`", index + 1));
            }
        }
    }
}

/// The overview lists them all, two spaces in.
fn is_command(name: &str) -> bool {
    help::OVERVIEW.lines().any(|line| {
        line.strip_prefix("  ")
            .and_then(|line| line.split_whitespace().next())
            .is_some_and(|known| known == name)
    })
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_named_command_exists() {
        for (text, count) in [
            ("Run `cargo xtask demo` and cargo xtask test -- -p it.", 0),
            ("`cargo xtask COMMAND`, `cargo xtask --help`", 0),
            ("`cargo xtask launch`, `cargo xtask dem`", 2),
        ] {
            let mut found = Vec::new();
            check("README.md", text, &mut found);
            assert_eq!(found.len(), count, "{text}: {found:?}");
        }
    }
}
