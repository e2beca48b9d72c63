//! What migrations would do to those who use the database meanwhile, told before they run.
//!
//! The rules read the catalogue where there is one: a lock on a table of ten rows is nobody's business, the same lock on
//! ten million is an error, and what a check in the database already proves is not complained about. Rules of squawk's
//! that know as much without a catalogue are asked, too; `docs/lint.md` lists them all.
//!
//! ```
//! use db_migrate::lint::{LintOptions, Severity, lint};
//! use db_migrate::{Embedded, Migrations};
//!
//! const MIGRATIONS: &[Embedded] = &[Embedded {
//!     folder: "0001_status",
//!     up: "CREATE INDEX status ON orders (status);",
//!     down: None,
//!     meta: None,
//! }];
//!
//! let migrations = Migrations::embedded(MIGRATIONS)?;
//! // With `read_catalogue(&mut conn).await?` in place of `None`, the size of `orders` decides.
//! let report = lint(&migrations, None, &LintOptions::default());
//! assert_eq!(report.worst(), Some(Severity::Warning));
//! assert_eq!(report.findings().next().map(|finding| finding.rule), Some("index-not-concurrent"));
//! # Ok::<(), db_migrate::Error>(())
//! ```

mod alter;
mod catalogue;
mod change;
mod comments;
mod examine;
mod finding;
mod ignore;
mod kind;
mod layout;
mod lock;
mod name;
mod options;
mod read;
mod registry;
mod report;
mod rules;
mod site;
mod squawk;
mod squawk_table;
mod state;
mod understand;

#[cfg(test)]
mod document;
#[cfg(test)]
mod tests;

pub use catalogue::Catalogue;
pub use finding::{Edit, Finding, Fix, Severity, Span};
pub use options::{LintOptions, Scope, Threshold};
pub use read::read_catalogue;
pub use registry::{LintRule, Origin, lint_rules};
pub use report::{LintReport, Linted, Sizes};
pub use rules::Asked;

use crate::{Kind, Migration, Migrations};
use examine::Examiner;
use state::State;

/// Lints the ways there, in the order in which they would be applied, each in the database that those before it leave.
/// Pure: without a catalogue, a table that none of them makes is of a size that is not known.
///
/// A migration that cannot be parsed is no error; PostgreSQL is the judge of that.
#[must_use]
pub fn lint(migrations: &Migrations, catalogue: Option<&Catalogue>, options: &LintOptions) -> LintReport {
    let version = catalogue.map_or(options.server_version, Catalogue::server_version);
    let examiner = Examiner::new(options, version);
    let from = match &options.scope {
        Scope::From(from) => {
            migrations.iter().position(|one| one.id().is_meant_by(from) || one.label() == from)
        }
        Scope::All | Scope::Pending => Some(0),
    };
    // Two databases: the one that the applied migrations made of nothing, and the one that the others come to.
    let mut past = State::unknown(options.search_path.as_deref());
    let mut present = catalogue.map(State::of);
    let mut linted = Vec::new();
    for (at, migration) in migrations.iter().enumerate() {
        let before = from.is_none_or(|from| at < from);
        let applied = options.applied.contains(migration.id()) || (catalogue.is_none() && before);
        let wanted = match options.scope {
            Scope::Pending => !applied,
            Scope::All => true,
            Scope::From(_) => !before,
        };
        if migration.kind() == Kind::Baseline {
            // It is for an empty database, in place of others.
            let mut empty = State::unknown(options.search_path.as_deref());
            linted.extend(one(&examiner, migration, &mut empty, wanted));
        } else if applied {
            linted.extend(one(&examiner, migration, &mut past, wanted));
            past.settle(catalogue);
        } else {
            let state = present.get_or_insert_with(|| past.clone());
            linted.extend(one(&examiner, migration, state, wanted));
        }
    }
    LintReport { migrations: linted, sizes: if catalogue.is_some() { Sizes::Known } else { Sizes::Unknown } }
}

fn one(examiner: &Examiner<'_>, migration: &Migration, state: &mut State, wanted: bool) -> Option<Linted> {
    let linted = wanted.then(|| examiner.migration(migration, state));
    if linted.is_none() {
        examiner.pass(&migration.up, state);
    }
    state.end_migration();
    linted
}
