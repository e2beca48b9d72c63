//! Where each tool keeps its history.

use crate::Format;

/// A tool's table as the tool makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct History {
    pub(super) format: Format,
    /// Unless the tool is told another one.
    pub(super) table: &'static str,
    /// Columns that tell it from a table of the same name that is somebody else's, and that are read.
    pub(super) columns: &'static [&'static str],
    /// Columns of other tools' tables of the same name: golang-migrate, Ecto, a table of an application's own.
    pub(super) foreign: &'static [&'static str],
}

const HISTORIES: [History; 8] = [
    History {
        format: Format::Sqlx,
        table: "_sqlx_migrations",
        columns: &["version", "description", "installed_on", "success", "checksum"],
        foreign: &[],
    },
    History {
        format: Format::Refinery,
        table: "refinery_schema_history",
        columns: &["version", "name", "applied_on", "checksum"],
        foreign: &[],
    },
    History {
        format: Format::Flyway,
        table: "flyway_schema_history",
        columns: &["installed_rank", "version", "description", "type", "checksum", "installed_on", "success"],
        foreign: &[],
    },
    History {
        format: Format::GolangMigrate,
        table: "schema_migrations",
        columns: &["version", "dirty"],
        foreign: &[],
    },
    History {
        format: Format::Dbmate,
        table: "schema_migrations",
        columns: &["version"],
        foreign: &["dirty", "inserted_at", "applied_at", "name", "checksum"],
    },
    History {
        format: Format::Goose,
        table: "goose_db_version",
        columns: &["id", "version_id", "is_applied", "tstamp"],
        foreign: &[],
    },
    History {
        format: Format::Diesel,
        table: "__diesel_schema_migrations",
        columns: &["version", "run_on"],
        foreign: &[],
    },
    History {
        format: Format::Prisma,
        table: "_prisma_migrations",
        columns: &["checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at"],
        foreign: &[],
    },
];

impl History {
    /// The tools' tables.
    pub(super) const fn all() -> &'static [Self] {
        &HISTORIES
    }

    /// The table of one tool; `None` for our own format.
    pub(super) fn of(format: Format) -> Option<&'static Self> {
        HISTORIES.iter().find(|history| history.format == format)
    }

    /// The columns that are missing of these.
    pub(super) fn missing(&self, columns: &[String]) -> Vec<String> {
        let absent = |wanted: &&&str| !columns.iter().any(|column| column == **wanted);
        self.columns.iter().filter(absent).map(|wanted| (*wanted).to_owned()).collect()
    }

    /// The first of these columns that only another tool's table has.
    pub(super) fn extra(&self, columns: &[String]) -> Option<String> {
        columns.iter().find(|column| self.foreign.contains(&column.as_str())).cloned()
    }
}
