//! Makes migrations of folders, or says everything that is wrong with them. Pure: the files were read before.

use super::SourceProblem;
use super::meta::Meta;
use crate::script::{self, Statement, Trait, Unterminated};
use crate::{Checksum, Migration, MigrationId, TransactionMode};
use std::collections::BTreeMap;

/// A folder with the text of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) up: Option<String>,
    pub(super) down: Option<String>,
    pub(super) meta: Option<String>,
}

/// The migrations in the order in which they are applied, which is that of their numbers: a dependency has a lower
/// number, or is a problem.
pub(super) fn check(folders: &[Folder]) -> Result<Vec<Migration>, Vec<SourceProblem>> {
    let mut problems = Vec::new();
    let numbered = number(folders, &mut problems);
    let metas = read_metas(&numbered, &mut problems);
    check_gaps(&numbered, &mut problems);
    check_dependencies(&numbered, &metas, &mut problems);
    let migrations = numbered
        .iter()
        .filter_map(|(id, (name, folder))| build(*id, name, folder, metas.get(id)?, &mut problems))
        .collect();
    if problems.is_empty() { Ok(migrations) } else { Err(problems) }
}

type Numbered<'a> = BTreeMap<MigrationId, (&'a str, &'a Folder)>;

fn number<'a>(folders: &'a [Folder], problems: &mut Vec<SourceProblem>) -> Numbered<'a> {
    let mut numbered = Numbered::new();
    for folder in folders {
        let Some((id, name)) = MigrationId::parse_folder(&folder.name) else {
            problems.push(SourceProblem::FolderName { folder: folder.name.clone() });
            continue;
        };
        if let Some((_, first)) = numbered.get(&id) {
            let (first, second) = (first.name.clone(), folder.name.clone());
            problems.push(SourceProblem::Duplicate { first, second });
            continue;
        }
        numbered.insert(id, (name, folder));
    }
    numbered
}

fn read_metas(numbered: &Numbered<'_>, problems: &mut Vec<SourceProblem>) -> BTreeMap<MigrationId, Meta> {
    let mut metas = BTreeMap::new();
    for (id, (_, folder)) in numbered {
        let meta = Meta::parse(folder.meta.as_deref().unwrap_or_default()).unwrap_or_else(|reasons| {
            let say = |reason| SourceProblem::Meta { folder: folder.name.clone(), reason };
            problems.extend(reasons.into_iter().map(say));
            Meta::default()
        });
        metas.insert(*id, meta);
    }
    metas
}

fn check_gaps(numbered: &Numbered<'_>, problems: &mut Vec<SourceProblem>) {
    let mut last = 0;
    for (id, (_, folder)) in numbered {
        if let Some(missing) = MigrationId::new(last + 1).filter(|missing| missing < id) {
            problems.push(SourceProblem::Gap { missing, before: folder.name.clone() });
        }
        last = id.get();
    }
}

fn check_dependencies(
    numbered: &Numbered<'_>,
    metas: &BTreeMap<MigrationId, Meta>,
    problems: &mut Vec<SourceProblem>,
) {
    for (id, meta) in metas {
        let folder = || numbered[id].1.name.clone();
        for depends_on in &meta.depends_on {
            let Some(other) = MigrationId::new(*depends_on).filter(|other| metas.contains_key(other)) else {
                problems.push(SourceProblem::UnknownDependency { folder: folder(), depends_on: *depends_on });
                continue;
            };
            if other < *id {
                continue;
            }
            problems.push(match path(metas, other, *id) {
                Some(back) => {
                    let folders =
                        [*id].iter().chain(&back).map(|step| numbered[step].1.name.clone()).collect();
                    SourceProblem::Cycle { folders }
                }
                None => SourceProblem::LaterDependency { folder: folder(), depends_on: other },
            });
        }
    }
}

/// The way from one migration to another along `depends_on`, with both ends.
fn path(metas: &BTreeMap<MigrationId, Meta>, from: MigrationId, to: MigrationId) -> Option<Vec<MigrationId>> {
    let mut seen = vec![from];
    let mut open = vec![vec![from]];
    while let Some(way) = open.pop() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        let next = metas.get(&last).into_iter().flat_map(|meta| &meta.depends_on);
        for next in next.filter_map(|number| MigrationId::new(*number)) {
            if !seen.contains(&next) {
                seen.push(next);
                open.push([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn build(
    id: MigrationId,
    name: &str,
    folder: &Folder,
    meta: &Meta,
    problems: &mut Vec<SourceProblem>,
) -> Option<Migration> {
    let Some(text) = &folder.up else {
        problems.push(SourceProblem::NoUp { folder: folder.name.clone() });
        return None;
    };
    let up = script(&format!("{}/up.sql", folder.name), text, meta.mode, problems);
    let file = format!("{}/down.sql", folder.name);
    // Down always runs in a transaction, so that a failed one leaves what there was.
    let down = folder.down.as_ref().map(|text| script(&file, text, TransactionMode::Single, problems));
    Some(Migration {
        id,
        name: name.to_owned(),
        description: meta.description.clone(),
        depends_on: meta.depends_on.iter().filter_map(|number| MigrationId::new(*number)).collect(),
        mode: meta.mode,
        checksum: Checksum::of(text),
        up,
        down,
    })
}

fn script(
    file: &str,
    text: &str,
    mode: TransactionMode,
    problems: &mut Vec<SourceProblem>,
) -> Vec<Statement> {
    // Some editors put a byte order mark in front; the server would take it for a name.
    let statements = match script::split(text.trim_start_matches('\u{feff}')) {
        Ok(statements) => statements,
        Err(Unterminated { what, line }) => {
            problems.push(SourceProblem::Unterminated { file: file.to_owned(), line, what });
            return Vec::new();
        }
    };
    if statements.is_empty() {
        problems.push(SourceProblem::Empty { file: file.to_owned() });
    }
    problems.extend(statements.iter().filter_map(|statement| refuse(file, statement, mode)));
    statements
}

fn refuse(file: &str, found: &Statement, mode: TransactionMode) -> Option<SourceProblem> {
    let (file, line, statement) = (file.to_owned(), found.line, found.summary());
    match found.special()? {
        Trait::OutsideTransaction if mode == TransactionMode::None => None,
        Trait::OutsideTransaction => Some(SourceProblem::OutsideTransaction { file, line, statement }),
        Trait::TransactionControl => Some(SourceProblem::TransactionControl { file, line, statement }),
        Trait::CopyFromClient => Some(SourceProblem::CopyFromClient { file, line }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, SourceProblem as P, check};
    use crate::MigrationId;

    fn folder(name: &str, meta: &str) -> Folder {
        Folder { name: name.into(), up: Some("SELECT 1;".into()), down: None, meta: Some(meta.into()) }
    }

    fn up(sql: &str, meta: &str) -> Folder {
        Folder { up: Some(sql.into()), ..folder("0001_a", meta) }
    }

    fn refuses(folders: &[Folder], expected: &[P]) {
        assert_eq!(check(folders).expect_err("refused"), expected);
    }

    fn id(number: u32) -> MigrationId {
        MigrationId::new(number).expect("not 0")
    }

    #[test]
    fn orders_by_number() {
        let folders = [folder("0002_b", "depends_on = [1]"), folder("0001_a", ""), folder("0003_c", "")];
        let found = check(&folders).expect("sound");
        assert_eq!(found.iter().map(|found| found.id().get()).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn says_everything_at_once() {
        refuses(
            &[
                folder("notes", ""),
                folder("0002_a", "x = 1"),
                folder("0002_b", ""),
                Folder { up: None, ..folder("0005_c", "") },
            ],
            &[
                P::FolderName { folder: "notes".into() },
                P::Duplicate { first: "0002_a".into(), second: "0002_b".into() },
                P::Meta {
                    folder: "0002_a".into(),
                    reason: "unknown key \"x\": known are description, depends_on, transaction".into(),
                },
                P::Gap { missing: id(1), before: "0002_a".into() },
                P::Gap { missing: id(3), before: "0005_c".into() },
                P::NoUp { folder: "0005_c".into() },
            ],
        );
    }

    #[test]
    fn refuses_dependencies_that_cannot_be() {
        refuses(
            &[folder("0001_a", "depends_on = [2, 7, 0]"), folder("0002_b", "")],
            &[
                P::LaterDependency { folder: "0001_a".into(), depends_on: id(2) },
                P::UnknownDependency { folder: "0001_a".into(), depends_on: 7 },
                P::UnknownDependency { folder: "0001_a".into(), depends_on: 0 },
            ],
        );
        refuses(
            &[
                folder("0001_a", "depends_on = [3]"),
                folder("0002_b", "depends_on = [1]"),
                folder("0003_c", "depends_on = [2]"),
            ],
            &[P::Cycle { folders: ["0001_a", "0003_c", "0002_b", "0001_a"].map(Into::into).into() }],
        );
        refuses(
            &[folder("0001_a", "depends_on = [1]")],
            &[P::Cycle { folders: ["0001_a", "0001_a"].map(Into::into).into() }],
        );
    }

    #[test]
    fn refuses_scripts_that_cannot_run() {
        let file = || "0001_a/up.sql".to_owned();
        refuses(&[up(" -- later\n", "")], &[P::Empty { file: file() }]);
        refuses(&[up("\nSELECT '", "")], &[P::Unterminated { file: file(), line: 2, what: "string" }]);
        let concurrently = "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a);";
        let statement = "CREATE INDEX CONCURRENTLY I".to_owned();
        refuses(&[up(concurrently, "")], &[P::OutsideTransaction { file: file(), line: 2, statement }]);
        assert!(check(&[up(concurrently, "transaction = false")]).is_ok());
        for meta in ["", "transaction = false"] {
            let statement = "COMMIT".to_owned();
            refuses(&[up("COMMIT;", meta)], &[P::TransactionControl { file: file(), line: 1, statement }]);
        }
        refuses(&[up("COPY t FROM STDIN;", "")], &[P::CopyFromClient { file: file(), line: 1 }]);
        let down = Folder { down: Some("VACUUM".into()), ..up("VACUUM", "transaction = false") };
        let (file, statement) = ("0001_a/down.sql".to_owned(), "VACUUM".to_owned());
        refuses(&[down], &[P::OutsideTransaction { file, line: 1, statement }]);
    }

    #[test]
    fn a_byte_order_mark_is_no_sql() {
        let found = check(&[up("\u{feff}SELECT 1;", "")]).expect("sound");
        assert_eq!(found[0].up[0].text, "SELECT 1");
    }
}
