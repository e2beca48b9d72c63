//! What is to be done: which files are new or changed, and which packages are to be summed up again. Pure.

use super::{packages::Packages, tree::Found};
use db_model::{Priority, TaskId, task::NewTask};
use db_tasks::Edge;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Kind of the tasks that measure a file.
pub(super) const FILE: &str = "file";
/// Kind of the tasks that sum up a package.
pub(super) const PACKAGE: &str = "package";
/// A failing reader may be a passing one: network folders and busy disks.
const MAX_ATTEMPTS: i32 = 3;

/// What is known of a tree from before.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Files that were measured, or refused for what is in them.
    pub(super) files: HashMap<String, Seen>,
}

/// How a file was when it was looked at last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Size in bytes.
    pub(super) size_bytes: i64,
    /// Time of last change, nanoseconds since 1970.
    pub(super) modified_ns: i64,
    /// The package it was in.
    pub(super) package: String,
}

/// Tasks and edges for what is new, and what is gone.
#[derive(Debug, Default)]
pub(super) struct Todo {
    /// Tasks for files and packages.
    pub(super) tasks: Vec<NewTask>,
    /// A package waits for its files and for the packages it needs.
    pub(super) edges: Vec<Edge>,
    /// Files that are as they were.
    pub(super) unchanged: usize,
    /// Files to measure.
    pub(super) changed: usize,
    /// Packages of the tree.
    pub(super) packages: usize,
    /// Paths that were known and are no more.
    pub(super) gone: Vec<String>,
    /// Paths that are known and are looked at again.
    pub(super) again: Vec<String>,
}

/// Decides what is to be done for a tree.
#[must_use]
pub(super) fn plan(queue: &str, found: &[Found], packages: &Packages, known: &Known) -> Todo {
    let mut todo = Todo::default();
    let mut files_of: BTreeMap<String, Vec<TaskId>> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for file in found {
        let package = packages.name_of(&file.path);
        all.insert(package.clone());
        if is_unchanged(file, &package, known) {
            todo.unchanged += 1;
            continue;
        }
        if known.files.contains_key(&file.path) {
            todo.again.push(file.path.clone());
        }
        let task = file_task(queue, file, &package);
        files_of.entry(package).or_default().push(task.id);
        todo.tasks.push(task);
    }
    todo.changed = todo.tasks.len();
    todo.packages = all.len();
    let present: BTreeSet<&str> = found.iter().map(|file| file.path.as_str()).collect();
    todo.gone = known.files.keys().filter(|path| !present.contains(path.as_str())).cloned().collect();
    let mut changed: BTreeSet<String> = files_of.keys().cloned().collect();
    changed
        .extend(todo.gone.iter().map(|path| packages.name_of(path)).filter(|package| all.contains(package)));

    let affected = packages.affected_by(&changed);
    let tasks: BTreeMap<&String, NewTask> =
        affected.iter().map(|package| (package, package_task(queue, package))).collect();
    for (package, task) in &tasks {
        let files = files_of.get(*package).into_iter().flatten();
        let needed =
            packages.needs(package).filter_map(|need| tasks.get(&need.to_owned())).map(|need| &need.id);
        // However a file ended, the package can be summed up.
        todo.edges.extend(files.chain(needed).map(|&on| Edge::proceed(task.id, on)));
    }
    todo.tasks.extend(tasks.into_values());
    todo
}

/// A file is what it was when size, time of change and package are; what could not be read is tried again.
fn is_unchanged(file: &Found, package: &str, known: &Known) -> bool {
    let size_bytes = i64::try_from(file.size).unwrap_or(i64::MAX);
    let now = Seen { size_bytes, modified_ns: file.modified_ns, package: package.to_owned() };
    file.problem.is_none() && known.files.get(&file.path) == Some(&now)
}

fn file_task(queue: &str, file: &Found, package: &str) -> NewTask {
    NewTask {
        queue: queue.to_owned(),
        kind: FILE.to_owned(),
        priority: priority(file.size),
        max_attempts: MAX_ATTEMPTS,
        requirements: json!({
            "path": file.path, "package": package, "size": file.size, "modified_ns": file.modified_ns,
            "problem": file.problem,
        }),
        ..NewTask::new(file.path.clone())
    }
}

fn package_task(queue: &str, package: &str) -> NewTask {
    NewTask {
        queue: queue.to_owned(),
        kind: PACKAGE.to_owned(),
        priority: Priority::HIGHEST,
        max_attempts: MAX_ATTEMPTS,
        requirements: json!({ "package": package }),
        ..NewTask::new(format!("package {package}"))
    }
}

/// Large files first, so that the last minute is not spent waiting for the largest: a step up for each factor of eight
/// from 512 bytes on.
fn priority(size: u64) -> Priority {
    let steps = (size >> 9).checked_ilog(8).map_or(0, |steps| steps + 1).min(9);
    u8::try_from(steps).ok().and_then(|steps| Priority::new(steps).ok()).unwrap_or(Priority::LOWEST)
}

#[cfg(test)]
mod tests {
    use super::{FILE, Known, PACKAGE, Seen, plan, priority};
    use crate::demo::{
        packages::Packages,
        tree::{Found, Kind},
    };

    fn file(path: &str, size: u64) -> Found {
        Found { path: path.to_owned(), size, modified_ns: 7, kind: Kind::File, problem: None }
    }

    fn known(files: &[(&str, i64)]) -> Known {
        let seen = |&(path, size_bytes): &(&str, i64)| {
            (path.to_owned(), Seen { size_bytes, modified_ns: 7, package: ".".to_owned() })
        };
        Known { files: files.iter().map(seen).collect() }
    }

    /// (files, packages, edges, unchanged, gone)
    fn check(found: &[Found], before: &[(&str, i64)], expected: (usize, usize, usize, usize, usize)) {
        let todo = plan("q", found, &Packages::default(), &known(before));
        let count = |kind: &str| todo.tasks.iter().filter(|task| task.kind == kind).count();
        let counts = (count(FILE), count(PACKAGE), todo.edges.len(), todo.unchanged, todo.gone.len());
        assert_eq!(counts, expected);
    }

    #[test]
    fn only_what_changed_is_done_again() {
        let tree = [file("a.rs", 1), file("b.rs", 2)];
        check(&tree, &[], (2, 1, 2, 0, 0));
        check(&tree, &[("a.rs", 1), ("b.rs", 2)], (0, 0, 0, 2, 0));
        check(&tree, &[("a.rs", 1), ("b.rs", 3)], (1, 1, 1, 1, 0));
        check(&tree, &[("a.rs", 1), ("b.rs", 2), ("c.rs", 3)], (0, 1, 0, 2, 1));
    }

    #[test]
    fn a_file_that_moved_to_another_package_is_done_again() {
        let mut before = known(&[("a.rs", 1)]);
        before.files.entry("a.rs".to_owned()).and_modify(|seen| seen.package = "old".to_owned());
        let todo = plan("q", &[file("a.rs", 1)], &Packages::default(), &before);
        assert_eq!((todo.changed, todo.again), (1, vec!["a.rs".to_owned()]));
    }

    #[test]
    fn what_could_not_be_read_is_tried_again() {
        let unreadable = Found { problem: Some("denied".to_owned()), ..file("a.rs", 1) };
        check(&[unreadable], &[("a.rs", 1)], (1, 1, 1, 0, 0));
    }

    #[test]
    fn larger_files_are_more_urgent() {
        let steps: Vec<u8> =
            [0, 511, 512, 4_096, 1 << 20, u64::MAX].map(|size| priority(size).get()).to_vec();
        assert_eq!(steps, [0, 0, 1, 2, 4, 9]);
    }
}
