//! The names of the directory layouts that are read.

use std::fmt;
use std::str::FromStr;

/// A layout of migration files that is read in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Our own: folders `0001_name` with `up.sql`, and where wanted `down.sql` and `meta.toml`.
    #[default]
    Cairn,
    /// sqlx: `20240101120000_name.sql`, or the same with `.up.sql` and `.down.sql`.
    Sqlx,
    /// refinery: `V1__name.sql` and `U1__name.sql`.
    Refinery,
    /// Flyway: `V1.2__name.sql`, `U1.2__name.sql`, `R__name.sql`, `B1.2__name.sql` and callbacks.
    Flyway,
    /// golang-migrate: `000001_name.up.sql` and `000001_name.down.sql`.
    GolangMigrate,
    /// dbmate: `20240101120000_name.sql` with the marks `-- migrate:up` and `-- migrate:down`.
    Dbmate,
    /// goose: `00001_name.sql` with the marks `-- +goose Up` and `-- +goose Down`.
    Goose,
    /// Diesel: folders `2024-01-01-120000_name` with `up.sql`, and where wanted `down.sql` and `metadata.toml`.
    Diesel,
    /// Prisma: folders `20240101120000_name` with `migration.sql`.
    Prisma,
}

/// Nobody knows a layout of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no format {name:?}: {}", advice(name))]
pub struct UnknownFormat {
    /// What was asked for.
    pub name: String,
}

impl Format {
    /// Every layout.
    pub const ALL: [Self; 9] = [
        Self::Cairn,
        Self::Sqlx,
        Self::Refinery,
        Self::Flyway,
        Self::GolangMigrate,
        Self::Dbmate,
        Self::Goose,
        Self::Diesel,
        Self::Prisma,
    ];

    /// Its name, as `--format` takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cairn => "cairn",
            Self::Sqlx => "sqlx",
            Self::Refinery => "refinery",
            Self::Flyway => "flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
            Self::Goose => "goose",
            Self::Diesel => "diesel",
            Self::Prisma => "prisma",
        }
    }

    /// How its migrations are named.
    pub(crate) const fn form(self) -> &'static str {
        match self {
            Self::Cairn => "0001_core_tables/up.sql",
            Self::Sqlx | Self::Dbmate => "20240101120000_core_tables.sql",
            Self::Refinery => "V1__core_tables.sql",
            Self::Flyway => "V1.2__core_tables.sql",
            Self::GolangMigrate => "000001_core_tables.up.sql",
            Self::Goose => "00001_core_tables.sql",
            Self::Diesel => "2024-01-01-120000_core_tables/up.sql",
            Self::Prisma => "20240101120000_core_tables/migration.sql",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == name);
        found.ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

fn advice(name: &str) -> String {
    let lower = name.to_lowercase();
    let likeness = |format: &Format| strsim::jaro_winkler(&lower, format.as_str());
    let nearest = Format::ALL.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let known = Format::ALL.map(Format::as_str).join(", ");
    match nearest {
        Some(near) if likeness(&near) > 0.7 => format!("did you mean {near}? Known are {known}"),
        _ => format!("known are {known}"),
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn names_go_there_and_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_near_miss() {
        for (name, expected) in [
            ("Flyway", "no format \"Flyway\": did you mean flyway? Known are cairn, sqlx, "),
            ("golang_migrate", "no format \"golang_migrate\": did you mean golang-migrate? Known are "),
            (
                "liquibase",
                "no format \"liquibase\": known are cairn, sqlx, refinery, flyway, golang-migrate, ",
            ),
        ] {
            let error = name.parse::<Format>().expect_err("no such format").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
