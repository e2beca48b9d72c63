//! The directory layouts that are read in place, one file each.

pub(crate) mod builder;
mod cairn;
mod dbmate;
mod diesel;
mod flyway;
pub(crate) mod flyway_name;
mod flyway_settings;
mod flyway_values;
mod foreign_mark;
mod format;
mod golang_migrate;
mod goose;
mod goose_environment;
pub(crate) mod hook;
mod lines;
mod name;
mod note;
mod pair;
mod prisma;
mod refinery;
mod signs;
mod sqlx;
pub(crate) mod tree;
mod written;

#[cfg(test)]
mod shown;

pub use format::{Format, UnknownFormat};
pub use note::Note;
pub(crate) use signs::{Claim, claims, is_clue, other_tool};
pub(crate) use written::Present;
pub use written::{NewFile, NewMigration, Project};

use super::template::Variables;
use builder::{Builder, Contents};
use tree::Tree;

/// What a format makes of the files of a directory. Pure: the files were read before.
pub(crate) fn understand(format: Format, tree: &Tree, variables: &Variables) -> Contents {
    let mut builder = Builder::new(format, variables);
    match format {
        Format::Cairn => cairn::understand(tree, &mut builder),
        Format::Sqlx => sqlx::understand(tree, &mut builder),
        Format::Refinery => refinery::understand(tree, &mut builder),
        Format::Flyway => flyway::understand(tree, &mut builder),
        Format::GolangMigrate => golang_migrate::understand(tree, &mut builder),
        Format::Dbmate => dbmate::understand(tree, &mut builder),
        Format::Goose => goose::understand(tree, &mut builder),
        Format::Diesel => diesel::understand(tree, &mut builder),
        Format::Prisma => prisma::understand(tree, &mut builder),
    }
    let mut contents = builder.contents;
    contents.problems.extend(foreign_mark::foreign_marks(format, &contents));
    contents
}
