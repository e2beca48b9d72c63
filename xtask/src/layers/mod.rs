//! `layers`: the graph of our crates is the one that DESIGN.md draws.

mod rules;
mod table;

use crate::{cargo, check::Report, exit::Failed};

/// Reads the graph and looks at every edge.
pub(crate) fn check() -> Result<Report, Failed> {
    let metadata = cargo::metadata()?;
    let members: Vec<_> = metadata.members().collect();
    let edges: usize = members.iter().map(|package| package.dependencies.len()).sum();
    Ok(Report {
        findings: rules::check(&members),
        notes: Vec::new(),
        seen: format!("{} crates, {edges} edges", members.len()),
    })
}
