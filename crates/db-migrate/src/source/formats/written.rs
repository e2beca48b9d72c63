//! The files of a new migration, as each tool would name them. Pure.

use super::Format;
use crate::id::VersionKey;
use crate::{Kind, TransactionMode};
use chrono::{DateTime, Utc};

/// What a directory has so far, finished or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    pub(crate) format: Format,
    pub(crate) present: Vec<Present>,
}

/// A migration that is there, as far as its files' names tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) version: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) is_reversible: bool,
}

impl Project {
    /// An empty directory that is to have this format.
    #[must_use]
    pub const fn empty(format: Format) -> Self {
        Self { format, present: Vec::new() }
    }

    /// Its format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }
}

/// A migration that has no files yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewMigration {
    /// In lower-case words joined by underscores.
    pub name: String,
    /// The way there.
    pub up: String,
    /// The way back; not written where the tool has none, nor where none of the project's migrations has.
    pub down: Option<String>,
    /// What is known of it: lines of `meta.toml`.
    pub meta: Vec<String>,
    /// Whether the tool is told to run it outside a transaction.
    pub mode: TransactionMode,
}

/// Path, relative to the directory of migrations, and content of a file.
pub type NewFile = (String, String);

/// Digits of a moment, as in `20240131120000`.
const MOMENT_DIGITS: usize = 14;

impl NewMigration {
    /// Its files, numbered after those that are present: by the time where those are, else by the next number.
    #[must_use]
    pub fn files(&self, project: &Project, now: DateTime<Utc>) -> Vec<NewFile> {
        let (format, version, name) = (project.format, next_version(project, now), &self.name);
        let reversible = project.present.iter().any(|present| present.is_reversible);
        let down = self.down.as_deref().filter(|_| reversible);
        let alone = self.mode == TransactionMode::None;
        let up = format!("{}{}", self.annotations(), self.up);
        match format {
            Format::Cairn => self.own(&version),
            Format::Sqlx => {
                let up = if alone { format!("-- no-transaction\n{up}") } else { up };
                match down {
                    Some(down) => pair(&format!("{version}_{name}"), up, down),
                    None => vec![(format!("{version}_{name}.sql"), up)],
                }
            }
            Format::Refinery => vec![(format!("V{version}__{name}.sql"), up)],
            Format::Flyway => {
                let undo = down.map(|down| (format!("U{version}__{name}.sql"), down.to_owned()));
                [(format!("V{version}__{name}.sql"), up)].into_iter().chain(undo).collect()
            }
            Format::GolangMigrate => {
                pair(&format!("{version}_{name}"), up, self.down.as_deref().unwrap_or_default())
            }
            Format::Dbmate => {
                let option = if alone { " transaction:false" } else { "" };
                let down = self.down.as_deref().unwrap_or_default();
                let text = format!("-- migrate:up{option}\n{up}\n-- migrate:down{option}\n{down}");
                vec![(format!("{version}_{name}.sql"), text)]
            }
            Format::Goose => {
                let marker = if alone { "-- +goose NO TRANSACTION\n" } else { "" };
                let down = self.down.as_deref().unwrap_or_default();
                let text = format!("{marker}-- +goose Up\n{}\n-- +goose Down\n{}", goose(&up), goose(down));
                vec![(format!("{version}_{name}.sql"), text)]
            }
            Format::Diesel => {
                let folder = format!("{version}_{name}");
                let mut files = vec![(format!("{folder}/up.sql"), up)];
                files.extend(self.down.iter().map(|down| (format!("{folder}/down.sql"), down.clone())));
                let told = "run_in_transaction = false\n".to_owned();
                files.extend(alone.then(|| (format!("{folder}/metadata.toml"), told)));
                files
            }
            Format::Prisma => vec![(format!("{version}_{name}/migration.sql"), up)],
        }
    }

    fn own(&self, version: &str) -> Vec<NewFile> {
        let folder = format!("{version}_{}", self.name);
        let mut meta: String = self.meta.iter().map(|line| format!("{line}\n")).collect();
        if self.mode == TransactionMode::None {
            meta.push_str("transaction = false\n");
        }
        let mut files = vec![(format!("{folder}/up.sql"), self.up.clone())];
        files.extend(self.down.iter().map(|down| (format!("{folder}/down.sql"), down.clone())));
        files.push((format!("{folder}/meta.toml"), meta));
        files
    }

    /// What a format without a place for it says in comments.
    fn annotations(&self) -> String {
        self.meta.iter().map(|line| format!("-- cairn: {line}\n")).collect()
    }
}

fn pair(stem: &str, up: String, down: &str) -> Vec<NewFile> {
    vec![(format!("{stem}.up.sql"), up), (format!("{stem}.down.sql"), down.to_owned())]
}

/// goose cuts at semicolons, those of a function's body too.
fn goose(text: &str) -> String {
    if text.contains('$') {
        format!("-- +goose StatementBegin\n{}\n-- +goose StatementEnd\n", text.trim_end())
    } else {
        text.to_owned()
    }
}

fn next_version(project: &Project, now: DateTime<Utc>) -> String {
    let format = project.format;
    let versioned = project.present.iter().filter(|migration| migration.kind == Kind::Versioned);
    let last = versioned.max_by_key(|migration| VersionKey::of(&migration.version));
    let digits = last.map(|last| digits_of(&last.label)).unwrap_or_default();
    let numbered = matches!(format, Format::Cairn | Format::Refinery | Format::Flyway);
    match (format, digits.parse::<u64>()) {
        (Format::Diesel, _) => now.format("%Y-%m-%d-%H%M%S").to_string(),
        (_, Ok(number)) if digits.len() < MOMENT_DIGITS => {
            format!("{:0width$}", number + 1, width = digits.len())
        }
        (Format::Cairn, _) => "0001".to_owned(),
        (_, Err(_)) if numbered => "1".to_owned(),
        _ => now.format("%Y%m%d%H%M%S").to_string(),
    }
}

/// The first number of a file's name, zeros in front included.
fn digits_of(label: &str) -> &str {
    let name = label.rsplit('/').next().unwrap_or(label);
    let number = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    &number[..number.bytes().take_while(u8::is_ascii_digit).count()]
}

#[cfg(test)]
mod tests {
    use super::{Format, NewMigration, Present, Project};
    use crate::{Kind, TransactionMode};
    use chrono::{DateTime, Utc};

    fn now() -> DateTime<Utc> {
        "2026-01-02T03:04:05Z".parse().expect("a time")
    }

    fn new() -> NewMigration {
        NewMigration {
            name: "n".to_owned(),
            up: "UP;\n".to_owned(),
            down: Some("DOWN;\n".to_owned()),
            meta: vec!["risk = \"high\"".to_owned()],
            mode: TransactionMode::None,
        }
    }

    #[test]
    fn every_format_has_its_names() {
        let check = |format, expected: &[(&str, &str)]| {
            let files = new().files(&Project::empty(format), now());
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            assert_eq!(files, expected, "{format}");
        };
        let up = "-- cairn: risk = \"high\"\nUP;\n";
        check(
            Format::Cairn,
            &[
                ("0001_n/up.sql", "UP;\n"),
                ("0001_n/down.sql", "DOWN;\n"),
                ("0001_n/meta.toml", "risk = \"high\"\ntransaction = false\n"),
            ],
        );
        check(Format::Sqlx, &[("20260102030405_n.sql", &format!("-- no-transaction\n{up}"))]);
        check(Format::Refinery, &[("V1__n.sql", up)]);
        check(Format::Flyway, &[("V1__n.sql", up)]);
        check(
            Format::GolangMigrate,
            &[("20260102030405_n.up.sql", up), ("20260102030405_n.down.sql", "DOWN;\n")],
        );
        let sections =
            format!("-- migrate:up transaction:false\n{up}\n-- migrate:down transaction:false\nDOWN;\n");
        check(Format::Dbmate, &[("20260102030405_n.sql", &sections)]);
        let sections = format!("-- +goose NO TRANSACTION\n-- +goose Up\n{up}\n-- +goose Down\nDOWN;\n");
        check(Format::Goose, &[("20260102030405_n.sql", &sections)]);
        check(
            Format::Diesel,
            &[
                ("2026-01-02-030405_n/up.sql", up),
                ("2026-01-02-030405_n/down.sql", "DOWN;\n"),
                ("2026-01-02-030405_n/metadata.toml", "run_in_transaction = false\n"),
            ],
        );
        check(Format::Prisma, &[("20260102030405_n/migration.sql", up)]);
    }

    #[test]
    fn numbers_go_on_as_they_are_written() {
        for (format, version, label, expected) in [
            (Format::Cairn, "0002", "0002_b", "0003_n/up.sql"),
            (Format::Sqlx, "2", "0002_b", "0003_n.up.sql"),
            (Format::Sqlx, "20240101000000", "20240101000000_b", "20260102030405_n.up.sql"),
            (Format::Flyway, "1.9", "sql/V1_9__b", "V2__n.sql"),
            (Format::Refinery, "9", "V9__b", "V10__n.sql"),
            (Format::Goose, "00099", "00099_b", "00100_n.sql"),
        ] {
            let present = Present {
                version: version.to_owned(),
                label: label.to_owned(),
                kind: Kind::Versioned,
                is_reversible: true,
            };
            let project = Project { format, present: vec![present] };
            assert_eq!(new().files(&project, now())[0].0, expected);
        }
    }
}
