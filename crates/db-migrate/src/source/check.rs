//! Makes migrations of drafts, or says everything that is wrong with them. Pure: the files were read before.

use super::SourceProblem;
use super::draft::{Draft, Kind, Text};
use super::formats::hook::{Hook, When};
use super::meta::Meta;
use super::order::{Known, Padding, order, replaced_numbers};
use crate::migration::{Body, Script};
use crate::script::{self, Statement, Unsound, Unterminated};
use crate::{Hooks, Migration, MigrationId, TransactionMode};
use std::collections::{BTreeSet, HashMap};

/// What a format promises of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Ours: from 1 without a gap; no transaction of the file's own, no file without a statement.
    Strict,
    /// As the other tool has it.
    Foreign,
}

/// The migrations in the order in which they are applied: each after what it needs, otherwise as the drafts are.
pub(super) fn check(drafts: Vec<Draft>, numbering: Numbering) -> Result<Vec<Migration>, Vec<SourceProblem>> {
    let mut problems = Vec::new();
    let drafts = unique(drafts, &mut problems);
    let metas: Vec<Meta> = drafts.iter().map(|draft| meta(draft, &mut problems)).collect();
    if numbering == Numbering::Strict {
        check_gaps(&drafts, &replaced_numbers(&metas), &mut problems);
    }
    let known = Known::new(&drafts);
    let order = order(&drafts, &metas, &known, &mut problems);
    let mut migrations: Vec<Option<Migration>> = drafts
        .into_iter()
        .zip(metas)
        .map(|(draft, meta)| build(draft, meta, numbering, &known, &mut problems))
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut ordered: Vec<Migration> = order.into_iter().filter_map(|at| migrations[at].take()).collect();
    // Views and functions that are made anew may need anything that comes before them.
    ordered.sort_by_key(|migration| migration.kind == Kind::Repeatable);
    Ok(ordered)
}

/// The scripts that a project wants run around its migrations.
pub(super) fn hooks(found: Vec<Hook>) -> Result<Hooks, Vec<SourceProblem>> {
    let (mut hooks, mut problems) = (Hooks::default(), Vec::new());
    for hook in found {
        let script = read_script(hook.text, TransactionMode::Single, Numbering::Foreign, &mut problems);
        match hook.when {
            When::BeforeAll => hooks.before_all.push(script),
            When::AfterAll => hooks.after_all.push(script),
            When::BeforeEach => hooks.before_each.push(script),
            When::AfterEach => hooks.after_each.push(script),
        }
    }
    if problems.is_empty() { Ok(hooks) } else { Err(problems) }
}

fn unique(drafts: Vec<Draft>, problems: &mut Vec<SourceProblem>) -> Vec<Draft> {
    let mut seen: HashMap<(String, bool), String> = HashMap::new();
    let mut kept = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let key = (draft.version.clone(), draft.kind == Kind::Baseline);
        if let Some(first) = seen.get(&key) {
            problems.push(SourceProblem::Duplicate { first: first.clone(), second: draft.label });
        } else {
            seen.insert(key, draft.label.clone());
            kept.push(draft);
        }
    }
    kept
}

fn meta(draft: &Draft, problems: &mut Vec<SourceProblem>) -> Meta {
    let written = draft.meta.clone().unwrap_or_else(|| annotations(draft.up.as_ref()));
    let file = if draft.meta.is_some() { format!("{}/meta.toml", draft.label) } else { draft.label.clone() };
    Meta::parse(&written).unwrap_or_else(|reasons| {
        problems.extend(reasons.into_iter().map(|reason| SourceProblem::Meta { file: file.clone(), reason }));
        Meta::default()
    })
}

/// What `-- cairn: risk = "high"` and the like say at the top of a file that has no `meta.toml`. What is to be ignored
/// is for the linter.
fn annotations(up: Option<&Text>) -> String {
    let lines = up.map(|up| up.sql.as_str()).unwrap_or_default().lines();
    let comments = lines.take_while(|line| line.trim().is_empty() || line.starts_with("--"));
    comments
        .filter_map(|line| line.strip_prefix("-- cairn:"))
        .filter(|line| !line.trim_start().starts_with("ignore"))
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

fn check_gaps(drafts: &[Draft], replaced: &BTreeSet<u32>, problems: &mut Vec<SourceProblem>) {
    let mut last = 0;
    for draft in drafts {
        let Some(number) = MigrationId::new(&draft.version).and_then(|id| id.number()) else { continue };
        if let Some(missing) = (last + 1..number).find(|missing| !replaced.contains(missing)) {
            let missing = MigrationId::numbered(missing);
            problems.push(SourceProblem::Gap { missing, before: draft.label.clone() });
        }
        last = number;
    }
}

fn build(
    draft: Draft,
    meta: Meta,
    numbering: Numbering,
    known: &Known,
    problems: &mut Vec<SourceProblem>,
) -> Option<Migration> {
    let Some(id) = MigrationId::new(&draft.version) else {
        problems.push(SourceProblem::Version { label: draft.label, version: draft.version });
        return None;
    };
    let Some(up) = draft.up else {
        problems.push(SourceProblem::NoUp { label: draft.label });
        return None;
    };
    let mode = if meta.mode == TransactionMode::Auto { draft.mode } else { meta.mode };
    let up = read_script(up, mode, numbering, problems);
    // The way back asks for a transaction as little as the way there does; what it needs is seen by its statements.
    let back = if mode == TransactionMode::None { mode } else { TransactionMode::Auto };
    let down = draft.down.map(|text| read_script(text, back, numbering, problems));
    let padding = if numbering == Numbering::Strict { Padding::Own } else { Padding::AsWritten };
    let ids =
        |versions: &[String]| versions.iter().filter_map(|version| known.resolve(version, padding)).collect();
    Some(Migration {
        id,
        name: draft.name,
        label: draft.label,
        kind: if meta.repeatable { Kind::Repeatable } else { draft.kind },
        depends_on: ids(&meta.depends_on),
        replaces: ids(&meta.replaces),
        about: meta.about,
        up,
        down,
    })
}

fn read_script(
    text: Text,
    mode: TransactionMode,
    numbering: Numbering,
    problems: &mut Vec<SourceProblem>,
) -> Script {
    // Some editors put a byte order mark in front; the server would take it for a name.
    let statements = script::split(text.sql.trim_start_matches('\u{feff}'), text.line.max(1));
    let statements = statements.unwrap_or_else(|Unterminated { what, line }| {
        problems.push(SourceProblem::Unterminated { file: text.file.clone(), line, what });
        Vec::new()
    });
    if numbering == Numbering::Strict {
        check_strictly(&text.file, &statements, problems);
    }
    let unsound = script::segments(&statements, mode, &BTreeSet::new()).unsound;
    problems.extend(unsound.into_iter().map(|unsound| refuse(&text.file, &statements, unsound)));
    let original = text.original.unwrap_or(text.sql);
    let line = text.line.max(1);
    Script { file: text.file, line, text: original.into(), mode, body: Body::Sql(statements) }
}

fn check_strictly(file: &str, statements: &[Statement], problems: &mut Vec<SourceProblem>) {
    if statements.is_empty() {
        problems.push(SourceProblem::Empty { file: file.to_owned() });
    }
    let begins = |class| matches!(class, script::Class::Begin | script::Class::Commit);
    for found in statements.iter().filter(|found| begins(found.class)) {
        problems.push(SourceProblem::TransactionControl {
            file: file.to_owned(),
            line: found.line,
            statement: found.summary(),
        });
    }
}

fn refuse(file: &str, statements: &[Statement], unsound: Unsound) -> SourceProblem {
    let file = file.to_owned();
    let at = |index: usize| (statements[index].line, statements[index].summary());
    match unsound {
        Unsound::OutsideTransaction(index) => {
            let (line, statement) = at(index);
            SourceProblem::OutsideTransaction { file, line, statement }
        }
        Unsound::Rollback(index) => {
            let (line, statement) = at(index);
            SourceProblem::TransactionControl { file, line, statement }
        }
        Unsound::CopyFromClient(index) => SourceProblem::CopyFromClient { file, line: at(index).0 },
        Unsound::Meta(index) => {
            let (line, statement) = at(index);
            SourceProblem::PsqlCommand { file, line, command: statement }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Draft, Numbering, SourceProblem as P, Text, check};
    use crate::{Migration, MigrationId, TransactionMode};

    fn text(file: String, sql: &str) -> Option<Text> {
        Some(Text { file, line: 1, sql: sql.to_owned(), original: None })
    }

    fn draft(label: &str, meta: &str) -> Draft {
        let (version, name) = label.split_once('_').expect("a version");
        Draft {
            version: version.into(),
            name: name.into(),
            label: label.into(),
            up: text(format!("{label}/up.sql"), "SELECT 1;"),
            meta: Some(meta.into()),
            ..Draft::default()
        }
    }

    fn up(sql: &str, meta: &str) -> Draft {
        Draft { up: text("0001_a/up.sql".into(), sql), ..draft("0001_a", meta) }
    }

    fn strictly(drafts: &[Draft]) -> Result<Vec<Migration>, Vec<P>> {
        check(drafts.to_vec(), Numbering::Strict)
    }

    fn foreign(sql: &str) -> Result<Vec<Migration>, Vec<P>> {
        check(vec![Draft { meta: None, ..up(sql, "") }], Numbering::Foreign)
    }

    fn refuses(drafts: &[Draft], expected: &[P]) {
        assert_eq!(strictly(drafts).expect_err("refused"), expected);
    }

    #[test]
    fn orders_by_need_and_then_as_given() {
        let ids = |drafts: &[Draft]| -> Vec<String> {
            strictly(drafts).expect("sound").iter().map(|found| found.id().to_string()).collect()
        };
        let plain = [draft("0001_a", ""), draft("0002_b", "depends_on = [1]"), draft("0003_c", "")];
        assert_eq!(ids(&plain), ["0001", "0002", "0003"]);
        let later = [draft("0001_a", ""), draft("0002_b", "depends_on = [3]"), draft("0003_c", "")];
        assert_eq!(ids(&later), ["0001", "0003", "0002"]);
        let again = [draft("0001_a", "repeatable = true"), draft("0002_b", "")];
        assert_eq!(ids(&again), ["0002", "0001"]);
    }

    #[test]
    fn one_that_replaces_others_stands_where_they_stood() {
        let ids = |drafts: &[Draft]| -> Vec<String> {
            strictly(drafts).expect("sound").iter().map(|found| found.id().to_string()).collect()
        };
        let both = [
            draft("0001_a", ""),
            draft("0002_b", ""),
            draft("0003_c", ""),
            draft("0004_s", "replaces = [1, 2]"),
        ];
        assert_eq!(ids(&both), ["0001", "0002", "0004", "0003"]);
        let rest = [draft("0003_c", ""), draft("0004_s", "replaces = [1, 2]")];
        assert_eq!(ids(&rest), ["0004", "0003"]);
        let replaced = strictly(&rest).expect("sound")[0].replaces.clone();
        assert_eq!(replaced, [MigrationId::numbered(1), MigrationId::numbered(2)]);
        let gap = [draft("0003_c", ""), draft("0004_s", "replaces = [1]")];
        refuses(&gap, &[P::Gap { missing: MigrationId::numbered(2), before: "0003_c".into() }]);
    }

    #[test]
    fn other_tools_versions_are_referred_to_as_they_are() {
        let annotated = |label: &str, annotation: &str| Draft {
            meta: None,
            up: text(format!("{label}.sql"), &format!("{annotation}\nSELECT 1;")),
            ..draft(label, "")
        };
        let drafts = vec![
            annotated("000001_a", ""),
            annotated("000002_b", "-- cairn: depends_on = [1]"),
            annotated("20240101000000_c", "-- cairn: replaces = [1, \"000000\"]"),
        ];
        let found = check(drafts, Numbering::Foreign).expect("sound");
        assert_eq!(found[2].label(), "000002_b", "what stands for others comes where they did");
        assert_eq!(found[2].depends_on()[0].as_str(), "000001");
        let replaced: Vec<_> = found[1].replaces.iter().map(MigrationId::as_str).collect();
        assert_eq!(replaced, ["000001", "000000"]);
    }

    #[test]
    fn says_everything_at_once() {
        refuses(
            &[
                draft("0002_a", "x = 1"),
                draft("0002_b", ""),
                Draft { up: None, ..draft("0005_c", "depends_on = [7]") },
            ],
            &[
                P::Duplicate { first: "0002_a".into(), second: "0002_b".into() },
                P::Meta {
                    file: "0002_a/meta.toml".into(),
                    reason: "unknown key \"x\": known are depends_on, description, environment, estimate, repeatable, \
                             replaces, risk, tags, transaction"
                        .into(),
                },
                P::Gap { missing: MigrationId::numbered(1), before: "0002_a".into() },
                P::Gap { missing: MigrationId::numbered(3), before: "0005_c".into() },
                P::UnknownDependency { label: "0005_c".into(), depends_on: "7".into() },
                P::NoUp { label: "0005_c".into() },
            ],
        );
    }

    #[test]
    fn what_is_to_be_ignored_is_no_setting() {
        let sql = "-- cairn: risk = \"high\"\n-- cairn: ignore = \"drop-table: empty\"\nDROP TABLE t;";
        assert_eq!(foreign(sql).expect("sound")[0].risk(), Some(crate::Risk::High));
        assert!(foreign(&sql.replace("ignore", "ingore")).is_err());
    }

    #[test]
    fn refuses_those_that_wait_for_each_other() {
        refuses(
            &[
                draft("0001_a", "depends_on = [3]"),
                draft("0002_b", "depends_on = [1]"),
                draft("0003_c", "depends_on = [2]"),
            ],
            &[P::Cycle { labels: ["0001_a", "0003_c", "0002_b", "0001_a"].map(Into::into).into() }],
        );
        refuses(
            &[draft("0001_a", "depends_on = [1]")],
            &[P::Cycle { labels: ["0001_a", "0001_a"].map(Into::into).into() }],
        );
    }

    #[test]
    fn refuses_scripts_that_cannot_run() {
        let file = || "0001_a/up.sql".to_owned();
        refuses(&[up(" -- later\n", "")], &[P::Empty { file: file() }]);
        refuses(
            &[up("\nSELECT '", "")],
            &[P::Unterminated { file: file(), line: 2, what: "string" }, P::Empty { file: file() }],
        );
        let concurrently = "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a);";
        let statement = "CREATE INDEX CONCURRENTLY i ON".to_owned();
        refuses(
            &[up(concurrently, "transaction = true")],
            &[P::OutsideTransaction { file: file(), line: 2, statement }],
        );
        for mode in ["", "transaction = false"] {
            assert!(strictly(&[up(concurrently, mode)]).is_ok());
        }
        refuses(
            &[up("COMMIT;", "")],
            &[P::TransactionControl { file: file(), line: 1, statement: "COMMIT".into() }],
        );
        refuses(&[up("COPY t FROM STDIN;", "")], &[P::CopyFromClient { file: file(), line: 1 }]);
        refuses(
            &[up("\\i other.sql", "")],
            &[P::PsqlCommand { file: file(), line: 1, command: "i other sql".into() }],
        );
    }

    #[test]
    fn other_tools_allow_more() {
        for sql in [" -- nothing yet\n", "BEGIN;\nSELECT 1;\nCOMMIT;", "SELECT 1;\n\\.\n"] {
            assert!(foreign(sql).is_ok(), "{sql}");
        }
        let rollback = foreign("BEGIN; SELECT 1; ROLLBACK;").expect_err("it undoes itself");
        assert_eq!(rollback.len(), 1);
    }

    #[test]
    fn a_comment_may_say_what_a_meta_file_would() {
        let found =
            foreign("-- cairn: risk = \"high\"\n-- cairn: transaction = false\nSELECT 1;").expect("sound");
        assert_eq!((found[0].risk(), found[0].mode()), (Some(crate::Risk::High), TransactionMode::None));
        assert!(foreign("-- cairn: risk = 7\nSELECT 1;").is_err());
    }

    #[test]
    fn a_byte_order_mark_is_no_sql() {
        let found = strictly(&[up("\u{feff}SELECT 1;", "")]).expect("sound");
        assert_eq!(&*found[0].up.statements()[0].text, "SELECT 1");
    }
}
