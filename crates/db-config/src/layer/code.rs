//! What the program sets itself.

use super::Layer;
use crate::error::{Problem, ProblemKind};
use crate::parse::Raw;
use crate::{Source, mask, schema};

/// Reads pairs of path and value.
pub(crate) fn read(pairs: &[(String, String)]) -> Layer {
    let mut layer = Layer::default();
    for (path, text) in pairs {
        match schema::of_path(path) {
            Some((key, bare)) => {
                let source = Source::Code { key: path.clone() };
                layer.take(key, bare, &Raw::Text(text.clone()), &source);
            }
            None => {
                let problem = Problem::new(ProblemKind::Unknown, "no such key", "use a key of the reference");
                let source = Source::Code { key: mask::shown(path) };
                layer.problems.push(problem.at(source).hint(schema::nearest_path(path)));
            }
        }
    }
    layer
}
