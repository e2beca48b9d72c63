//! Everything that a schema consists of, as a sorted list and as text.

use super::{Fingerprint, Kind, Object};
use std::collections::BTreeMap;
use std::fmt;

/// First line of the text. The number changes when the same database would give another text.
pub(super) const HEADER: &str = "schema snapshot, format 1";

/// What a database holds besides its rows. Two snapshots that were taken with the same options are equal when the
/// schemas are.
///
/// Its text has a block for each object and can be read back with [`parse`](Self::parse):
///
/// ```text
/// column public.tasks.state
///   type: public.task_state
///   not null: yes
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    objects: Vec<Object>,
}

impl Snapshot {
    /// The objects, by kind and then by name.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// One object.
    #[must_use]
    pub fn object(&self, kind: Kind, name: &str) -> Option<&Object> {
        let at =
            self.objects.binary_search_by(|object| (object.kind, object.name.as_str()).cmp(&(kind, name)));
        at.ok().map(|at| &self.objects[at])
    }

    /// A number for all of it: the SHA-256 of the text.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.to_string().as_bytes())
    }

    /// The same without some of its objects.
    #[cfg(feature = "backup")]
    pub(crate) fn without(&self, leave_out: impl Fn(&Object) -> bool) -> Self {
        Self { objects: self.objects.iter().filter(|object| !leave_out(object)).cloned().collect() }
    }
}

impl FromIterator<Object> for Snapshot {
    /// In any order; objects of the same kind and name are put together.
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let mut sorted: BTreeMap<(Kind, String), Vec<(String, String)>> = BTreeMap::new();
        for object in objects {
            sorted.entry((object.kind, object.name)).or_default().extend(object.properties);
        }
        let objects = sorted.into_iter().map(|((kind, name), mut properties)| {
            properties.sort();
            Object { kind, name, properties }
        });
        Self { objects: objects.collect() }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        self.objects.iter().try_for_each(|object| write_object(f, object))
    }
}

fn write_object(f: &mut fmt::Formatter<'_>, object: &Object) -> fmt::Result {
    writeln!(f, "{} {}", object.kind, escaped(&object.name))?;
    for (name, value) in &object.properties {
        let mut lines = value.split('\n');
        writeln!(f, "  {}: {}", escaped(name).replace(':', "\\:"), lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(f, "  |{line}"))?;
    }
    Ok(())
}

/// Names stand on one line whatever is in them.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\n', "\\n")
}
