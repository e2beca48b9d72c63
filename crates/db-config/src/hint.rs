//! The known name that is nearest to an unknown one.

/// Below this similarity (0 to 1) two names have nothing to do with each other.
const SIMILAR: f64 = 0.6;

/// The candidate most similar to `name` (normalised Damerau-Levenshtein distance, case ignored), if any is similar.
///
/// Of equally similar candidates the first is taken, so the answer does not depend on chance.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let mut best: Option<(f64, &'a str)> = None;
    for candidate in candidates {
        let similarity = strsim::normalized_damerau_levenshtein(&name, &candidate.to_ascii_lowercase());
        if similarity >= SIMILAR && best.is_none_or(|(so_far, _)| similarity > so_far) {
            best = Some((similarity, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_nearest_or_nothing() {
        let known = ["DB_HOST", "DB_PORT", "DB_PASSWORD"];
        for (name, expected) in [
            ("DB_HSOT", Some("DB_HOST")),
            ("DB_PASWORD", Some("DB_PASSWORD")),
            ("db_port", Some("DB_PORT")),
            ("REDIS_CLUSTER", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
