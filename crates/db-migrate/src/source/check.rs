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
        let transaction =
            Transaction { mode: TransactionMode::Single, by: "it out, since a callback runs in one" };
        let script = read_script(hook.text, transaction, Numbering::Foreign, &mut problems);
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
    let there = Transaction::of(&meta, &draft);
    let Some(up) = draft.up else {
        problems.push(SourceProblem::NoUp { label: draft.label });
        return None;
    };
    let kind = if meta.repeatable { Kind::Repeatable } else { draft.kind };
    // With another value a repeatable one does something else, and is due again.
    let up = if kind == Kind::Repeatable { Text { original: None, ..up } } else { up };
    let up = read_script(up, there, numbering, problems);
    // The way back asks for a transaction as little as the way there does; what it needs is seen by its statements.
    let mode = if there.mode == TransactionMode::None { there.mode } else { TransactionMode::Auto };
    let back = Transaction { mode, by: "" };
    let down = draft.down.map(|text| read_script(text, back, numbering, problems));
    let padding = if numbering == Numbering::Strict { Padding::Own } else { Padding::AsWritten };
    let ids =
        |versions: &[String]| versions.iter().filter_map(|version| known.resolve(version, padding)).collect();
    Some(Migration {
        id,
        name: draft.name,
        label: draft.label,
        kind,
        depends_on: ids(&meta.depends_on),
        replaces: ids(&meta.replaces),
        about: meta.about,
        up,
        down,
    })
}

/// Whether a script is to have a transaction around it.
#[derive(Clone, Copy)]
struct Transaction {
    mode: TransactionMode,
    /// What to take out of what where there cannot be one.
    by: &'static str,
}

impl Transaction {
    fn of(meta: &Meta, draft: &Draft) -> Self {
        match (meta.mode, &draft.meta) {
            (TransactionMode::Auto, _) => Self { mode: draft.mode, by: draft.single_by },
            (mode, Some(_)) => Self { mode, by: "transaction = true out of meta.toml" },
            (mode, None) => Self { mode, by: "transaction = true out of its comment" },
        }
    }

    /// What to do with a statement that the server refuses in one.
    const fn remedy(self) -> &'static str {
        match self.mode {
            TransactionMode::Single => self.by,
            TransactionMode::Auto | TransactionMode::None => "it out of its BEGIN and COMMIT",
        }
    }
}

fn read_script(
    text: Text,
    transaction: Transaction,
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
    let mode = transaction.mode;
    let unsound = script::segments(&statements, mode, &BTreeSet::new()).unsound;
    for unsound in unsound {
        let problem = refuse(&text.file, &statements, unsound, transaction.remedy());
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    let original = text.original.unwrap_or(text.sql);
    let line = text.line.max(1);
    Script { file: text.file, line, text: original.into(), mode, body: Body::Sql(statements) }
}

fn check_strictly(file: &str, statements: &[Statement], problems: &mut Vec<SourceProblem>) {
    if statements.is_empty() {
        problems.push(SourceProblem::Empty { file: file.to_owned() });
    }
    let controls =
        |class| matches!(class, script::Class::Begin | script::Class::Commit | script::Class::Rollback);
    for found in statements.iter().filter(|found| controls(found.class)) {
        problems.push(SourceProblem::TransactionControl {
            file: file.to_owned(),
            line: found.line,
            statement: found.summary(),
        });
    }
}

fn refuse(file: &str, statements: &[Statement], unsound: Unsound, remedy: &'static str) -> SourceProblem {
    let file = file.to_owned();
    let at = |index: usize| (statements[index].line, statements[index].summary());
    match unsound {
        Unsound::OutsideTransaction(index) => {
            let (line, statement) = at(index);
            SourceProblem::OutsideTransaction { file, line, statement, remedy }
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
mod tests;
