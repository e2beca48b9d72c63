//! The parts of the names of migration files.

/// The digits that a name begins with, and what follows them; `None` when there are none.
pub(super) fn digits(name: &str) -> Option<(&str, &str)> {
    let end = name.bytes().take_while(u8::is_ascii_digit).count();
    (end > 0).then(|| name.split_at(end))
}

/// Whether somebody may have meant the file to be a migration: `0001-init.sql`, `v1_init.sql`.
pub(super) fn meant(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".sql") else { return false };
    digits(stem).is_some()
        || stem.get(1..).is_some_and(|rest| {
            stem.starts_with(['V', 'v', 'U', 'u', 'B', 'b']) && digits(rest).is_some()
                || stem.starts_with(['R', 'r']) && rest.starts_with('_')
        })
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn tells_a_slip_from_another_file() {
        for (name, expected) in [
            ("0001-init.sql", true),
            ("v1_init.sql", true),
            ("V1.sql", true),
            ("R_views.sql", true),
            ("schema.sql", false),
            ("views.sql", false),
            ("seed.sql", false),
            ("readme.md", false),
            ("1.txt", false),
            ("ü.sql", false),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
