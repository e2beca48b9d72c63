//! Linting a project of three thousand migrations, without a catalogue: its rules alone.

use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_migrate::{
    Format, Migrations, Variables,
    lint::{LintOptions, Scope, lint},
};
use std::{fs, path::Path, time::Instant};

const TURNS: usize = 5;
const FILES: usize = 3_000;
const LINT: Work = Work {
    area: "migrate",
    work: "read and lint 3,000 migrations, 2 MB (to be under 2)",
    peer: None,
    unit: "s",
    better: Better::Lower,
    goal: None,
};

pub(super) fn run() -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    write(folder.path())?;
    let mut seconds = Vec::new();
    for _ in 0..TURNS {
        let started = Instant::now();
        let (migrations, _) = Migrations::read_as(folder.path(), Some(Format::Sqlx), &Variables::default())?;
        let report = lint(&migrations, None, &LintOptions { scope: Scope::All, ..LintOptions::default() });
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(report.migrations.len(), FILES, "each is linted");
    }
    Ok(vec![Row::new(&LINT, &seconds, &[])])
}

/// Seven statements each, as projects have them: a table, what is added to one before, rows, an index.
fn write(folder: &Path) -> Result<(), Failure> {
    for number in 1..=FILES {
        let before = number.max(2) - 1;
        let sql = format!(
            "CREATE TABLE app_{number} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
             owner_id bigint NOT NULL,\n    name varchar(80) NOT NULL,\n    made_at timestamptz NOT NULL DEFAULT now()\n);\n\
             CREATE INDEX app_{number}_owner_idx ON app_{number} (owner_id, made_at);\n\
             ALTER TABLE app_{before} ADD COLUMN IF NOT EXISTS note_{number} text;\n\
             ALTER TABLE app_{before} ADD CONSTRAINT app_{before}_{number}_check CHECK (owner_id > 0) NOT VALID;\n\
             INSERT INTO app_{number} (owner_id, name) VALUES (1, 'first'), (2, 'second');\n\
             UPDATE app_{before} SET name = lower(name) WHERE owner_id = {number};\n\
             COMMENT ON TABLE app_{number} IS 'What the application number {number} keeps.';\n"
        );
        fs::write(folder.join(format!("{number:06}_app.sql")), sql)?;
    }
    Ok(())
}
