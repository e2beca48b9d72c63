//! Reads a directory of migrations: lists and reads its files, and leaves what they mean to pure functions.

use super::SourceProblem;
use super::detect::{Detected, detect};
use super::draft::Draft;
use super::formats::hook::Hook;
use super::formats::tree::{Content, File, Nearby, Occasion, Tree};
use super::formats::{Format, Note, is_clue, understand};
use super::template::Variables;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a directory has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `None` where no format or more than one fits, after a problem that says so.
    pub(crate) detected: Option<Detected>,
    /// In the order in which the tool applies them, repeatable ones last.
    pub(crate) drafts: Vec<Draft>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) problems: Vec<SourceProblem>,
    pub(crate) notes: Vec<Note>,
}

/// More files than any project has migrations; beyond, it is not their directory.
const MAX_FILES: usize = 50_000;

/// How many folders above are looked at for signs of the tools that a project uses.
const ABOVE: usize = 5;

/// Folders of other people's files, of which there may be very many.
const FOREIGN: [&str; 2] = ["node_modules", "target"];

/// Reads a directory in the format it is said to have, or else in the one that fits.
pub(crate) fn read(directory: &Path, format: Option<Format>, variables: &Variables) -> Reading {
    let mut listing =
        Listing { root: directory, tree: Tree::default(), open: Vec::new(), problems: Vec::new() };
    listing.list(directory, "");
    let Listing { mut tree, problems, .. } = listing;
    if !problems.is_empty() {
        return Reading { problems, ..Reading::default() };
    }
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    tree.folders.sort();
    tree.around = around(directory);
    tree.occasion = occasion();
    understood(&tree, format, variables)
}

fn understood(tree: &Tree, format: Option<Format>, variables: &Variables) -> Reading {
    let detected = match format {
        Some(format) => Detected { format, because: "it was said".to_owned() },
        None => match detect(tree) {
            Ok(detected) => detected,
            Err(problem) => return Reading { problems: vec![problem], ..Reading::default() },
        },
    };
    let contents = understand(detected.format, tree, variables);
    // Files of another tool, which only look like those of the format that was found.
    let divided = |problem: &SourceProblem| matches!(problem, SourceProblem::ForeignMark { .. });
    if format.is_none() && contents.problems.iter().any(divided) {
        return Reading { problems: contents.problems, ..Reading::default() };
    }
    let mut notes = contents.notes;
    if format.is_some() && contents.drafts.is_empty() && contents.problems.is_empty() {
        notes.extend(detect(tree).err().map(|instead| Note::new("", instead.to_string())));
    }
    Reading {
        detected: Some(detected),
        drafts: contents.drafts,
        hooks: contents.hooks,
        problems: contents.problems,
        notes,
    }
}

/// Understands files that were compiled into the program, as if they lay in a directory.
pub(crate) fn compiled_in(files: &[(&str, &str)], format: Option<Format>, variables: &Variables) -> Reading {
    let mut tree = Tree { occasion: occasion(), ..Tree::default() };
    for (path, text) in files {
        let parents = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
        tree.folders.extend(parents);
        let content = if is_read(path) { Content::Text((*text).to_owned()) } else { Content::Unread };
        tree.files.push(File { path: (*path).to_owned(), content });
    }
    tree.folders.sort();
    tree.folders.dedup();
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    understood(&tree, format, variables)
}

fn occasion() -> Occasion {
    let directory = std::env::current_dir().map(|path| path.display().to_string());
    Occasion {
        timestamp: chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string(),
        // A folder that was removed meanwhile has no name.
        directory: directory.unwrap_or_default(),
    }
}

struct Listing<'a> {
    root: &'a Path,
    tree: Tree,
    /// The folders that are being listed, from the outermost on, with their real paths.
    open: Vec<PathBuf>,
    problems: Vec<SourceProblem>,
}

impl Listing<'_> {
    fn list(&mut self, folder: &Path, relative: &str) {
        let real = match fs::canonicalize(folder) {
            Ok(real) => real,
            Err(error) => return self.problems.push(unreadable(folder, &error)),
        };
        if self.open.contains(&real) {
            return self.problems.push(SourceProblem::Loop { path: folder.display().to_string() });
        }
        self.open.push(real);
        match entries(folder) {
            Ok(entries) => {
                for (name, path) in entries {
                    let relative = if relative.is_empty() { name } else { format!("{relative}/{name}") };
                    self.take(&path, relative);
                }
            }
            Err(error) => self.problems.push(unreadable(folder, &error)),
        }
        self.open.pop();
    }

    fn take(&mut self, path: &Path, relative: String) {
        if self.tree.files.len() >= MAX_FILES {
            let path = self.root.display().to_string();
            let problem = SourceProblem::TooManyFiles { path, max: MAX_FILES };
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        } else if path.is_dir() {
            self.list(path, &relative);
            self.tree.folders.push(relative);
        } else {
            let content = if is_read(&relative) { content(path) } else { Content::Unread };
            self.tree.files.push(File { path: relative, content });
        }
    }
}

/// What is in a folder, in order, but for what is hidden or somebody else's.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') && !FOREIGN.contains(&name.as_str()) {
            entries.push((name, path));
        }
    }
    entries.sort();
    Ok(entries)
}

fn is_read(path: &str) -> bool {
    matches!(path.rsplit_once('.'), Some((_, "sql" | "toml" | "conf")))
}

fn content(path: &Path) -> Content {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_or_else(
            |error| {
                let offset = error.utf8_error().valid_up_to();
                Content::Bad(SourceProblem::NotUtf8 { path: path.display().to_string(), offset })
            },
            Content::Text,
        ),
        Err(error) => Content::Bad(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> SourceProblem {
    SourceProblem::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}

/// Signs in the folders above, up to the one that is under version control.
fn around(directory: &Path) -> Vec<Nearby> {
    let Ok(real) = fs::canonicalize(directory) else { return Vec::new() };
    let mut around = Vec::new();
    for folder in real.ancestors().skip(1).take(ABOVE) {
        let Ok(entries) = fs::read_dir(folder) else { break };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names.iter().filter(|name| is_clue(name)) {
            // What cannot be read is there all the same; `.sqlx` is a folder.
            let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
            around.push(Nearby { name: name.clone(), text });
        }
        if names.iter().any(|name| name == ".git") {
            break;
        }
    }
    around
}

#[cfg(test)]
mod tests {
    use super::{Format, Reading, SourceProblem, Variables, read};
    use std::fs;
    use std::path::Path;

    fn write(root: &Path, file: &str, content: impl AsRef<[u8]>) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    fn reading(root: &Path) -> Reading {
        read(root, None, &Variables::default())
    }

    #[test]
    fn reads_what_is_there() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), ".git/HEAD", "");
        write(root.path(), "Cargo.toml", "");
        write(root.path(), "migrations/1_a.up.sql", "\u{feff}SELECT 1;\r\n");
        write(root.path(), "migrations/1_a.down.sql", "SELECT 2;");
        write(root.path(), "migrations/.hidden/2_b.up.sql", "SELECT 3;");
        let found = reading(&root.path().join("migrations"));
        let detected = found.detected.expect("one fits");
        assert_eq!(detected.format, Format::Sqlx);
        assert_eq!(detected.because, "1_a.down.sql is one of a pair, and there is a Cargo.toml above");
        let [draft] = found.drafts.as_slice() else { panic!("{:?}", found.drafts) };
        let up = draft.up.as_ref().expect("it is there");
        assert_eq!(
            (up.sql.as_str(), up.original.as_deref()),
            ("SELECT 1;\r\n", Some("\u{feff}SELECT 1;\r\n"))
        );
        assert_eq!((found.problems, found.notes), (Vec::new(), Vec::new()));

        let above = reading(root.path());
        assert_eq!(above.detected, None);
        let said = above.problems[0].to_string();
        assert_eq!(said, "no migrations found: migrations below looks like sqlx's; give that folder");
    }

    #[test]
    fn only_a_migration_must_be_text() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), "1_a.sql", b"SELECT '\xff'");
        write(root.path(), "schema.sql", b"\xff");
        let path = root.path().join("1_a.sql").display().to_string();
        assert_eq!(reading(root.path()).problems, [SourceProblem::NotUtf8 { path, offset: 8 }]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let found = reading(Path::new("/nowhere/at/all"));
        assert!(found.problems[0].to_string().starts_with("/nowhere/at/all cannot be read: "), "{found:?}");
        assert_eq!(found.problems.len(), 1);
    }

    #[test]
    fn a_format_that_is_said_is_not_doubted() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), "migrations/V1__a.sql", "SELECT 1;");
        let found = read(root.path(), Some(Format::Goose), &Variables::default());
        assert_eq!((found.drafts, found.problems), (Vec::new(), Vec::new()));
        assert_eq!(found.detected.map(|found| found.format), Some(Format::Goose));
    }

    #[test]
    fn files_that_another_tool_divides_are_of_no_format() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), "1_a.sql", "-- a\n-- rambler up\nSELECT 1;\n-- rambler down\nSELECT 2;");
        for (format, detected) in [(None, None), (Some(Format::Sqlx), Some(Format::Sqlx))] {
            let found = read(root.path(), format, &Variables::default());
            assert_eq!(found.detected.map(|found| found.format), detected);
            assert_eq!(
                found.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
                [
                    "1_a.sql:4: `-- rambler down` looks like a mark of rambler, which sqlx takes for a comment, so what \
                  follows would be run as well: put the two parts into files of their own, or reword the comment where \
                  it is none"
                ]
            );
        }
    }

    #[test]
    fn knows_when_and_from_where_it_reads() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), "V1__a.sql", "${flyway:timestamp}|${flyway:workingDirectory}");
        let found = reading(root.path());
        let sql = &found.drafts[0].up.as_ref().expect("it is there").sql;
        let (timestamp, directory) = sql.split_once('|').expect("two");
        assert!(chrono::NaiveDateTime::parse_from_str(timestamp, "%Y-%m-%d %H:%M:%S").is_ok(), "{timestamp}");
        assert_eq!(Path::new(directory), std::env::current_dir().expect("a folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_ends() {
        let root = tempfile::tempdir().expect("a folder");
        write(root.path(), "0001_a/up.sql", "SELECT 1;");
        std::os::unix::fs::symlink(root.path(), root.path().join("0001_a/again")).expect("a link");
        let path = root.path().join("0001_a/again").display().to_string();
        assert_eq!(reading(root.path()).problems, [SourceProblem::Loop { path }]);
    }
}
