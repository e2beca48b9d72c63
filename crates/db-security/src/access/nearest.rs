//! The known name that somebody may have meant.

use std::fmt;

/// Below this similarity (0 to 1) two names have nothing to do with each other.
const SIMILAR: f64 = 0.6;

/// A name that somebody may have meant, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nearest(Option<String>);

impl Nearest {
    /// The most similar of the known names (normalised Damerau-Levenshtein distance, case ignored), if any is similar; of
    /// equally similar ones the first.
    pub(crate) fn of<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let name = name.to_lowercase();
        let mut best: Option<(f64, &'a str)> = None;
        for candidate in known {
            let similarity = strsim::normalized_damerau_levenshtein(&name, &candidate.to_lowercase());
            if similarity >= SIMILAR && best.is_none_or(|(so_far, _)| similarity > so_far) {
                best = Some((similarity, candidate));
            }
        }
        Self(best.map(|(_, candidate)| candidate.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => Ok(()),
        }
    }
}
